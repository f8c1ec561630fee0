"""Whether a recording holds a sound, and where: normalised cross-correlation.

Same sound 0.27 to 0.58 through codec, horn band, echoes and noise down to −6 dB, other sound 0.05 and less (research/audio §6.1): a
score of THRESHOLD says that it is the sound. Without a codec on the way it is 1.0. Windows of 3 to 6 s, because crystals drift.

That holds for speech. Tunes in one key share their tones, and an announcement shares its words with the one for the next village:
the wrong one finds a place where half of it fits. So `share_heard` asks each quarter of a second by itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_assets.pcm import FULL_SCALE, RATE_HZ

THRESHOLD = 0.15
ENOUGH_HEARD = 0.75
_PIECE = RATE_HZ // 4
_PIECE_FITS = 0.12
_FRAME = RATE_HZ // 50
_GONE = 0.03  # of its loudest frames, −30 dB: noise of a room is louder than that

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Match:
    """Where a sound begins in a recording, in samples, and how sure that is, -1 to 1."""

    at: int
    score: float

    @property
    def at_ms(self) -> float:
        return self.at * 1000 / RATE_HZ


def samples(data: bytes) -> Samples:
    """Mono samples of 16 bits."""
    return np.frombuffer(data, dtype="<i2").astype(np.float64)


def find(sound: Samples, recording: Samples) -> Match:
    """The best place of the whole sound in the recording.

    :raises ValueError: the recording is shorter than the sound.
    """
    scores = _scores(sound, recording)
    at = int(np.argmax(scores))
    return Match(at, float(scores[at]))


def share_heard(sound: Samples, recording: Samples) -> float:
    """How much of a sound the recording of the same length holds at its place, 0 to 1.

    The share of its louder quarters of a second that fit by themselves, or of its louder frames of 20 ms in which anything is heard
    at all, whichever is less.
    """
    loud, fits = _loud(sound, _PIECE), 0
    for start in loud:
        wanted, got = sound[start : start + _PIECE], recording[start : start + _PIECE]
        norm = float(np.sqrt(np.sum(wanted**2) * np.sum(got**2)))
        fits += norm > 1.0 and float(np.dot(wanted, got)) / norm >= _PIECE_FITS
    frames = np.array([np.sqrt(np.mean(recording[start : start + _FRAME] ** 2)) for start in _loud(sound, _FRAME)])
    if not loud or not len(frames):
        return 0.0
    there = float(np.mean(frames > _GONE * np.max(frames)))
    return min(fits / len(loud), there)


def _loud(sound: Samples, size: int) -> list[int]:
    """Where the pieces begin that have at least half of the mean energy."""
    whole = len(sound) // size
    energies = np.sum(sound[: whole * size].reshape(whole, size) ** 2, axis=1)
    return (
        [int(one) * size for one in np.flatnonzero(energies >= np.mean(energies) / 2)]
        if whole and energies.any()
        else []
    )


def level_dbfs(recording: Samples) -> float:
    """The mean level; silence is −120."""
    if not len(recording):
        return -120.0
    rms = float(np.sqrt(np.mean(recording**2)))
    return max(-120.0, 20 * float(np.log10(rms / FULL_SCALE))) if rms > 0 else -120.0


def _scores(sound: Samples, recording: Samples) -> Samples:
    """The score of every place where the whole sound fits."""
    places = len(recording) - len(sound) + 1
    if places <= 0:
        raise ValueError("the recording is shorter than the sound")
    size = 1 << (len(recording) - 1).bit_length()  # what wraps round lies behind the last place
    product = np.fft.irfft(np.fft.rfft(recording, size) * np.conj(np.fft.rfft(sound, size)), size)[:places]
    sums = np.concatenate(([0.0], np.cumsum(recording**2)))
    energy = np.maximum(sums[len(sound) :] - sums[:places], 0.0)
    norm = np.sqrt(energy * np.sum(sound**2))
    scores: Samples = np.divide(product, norm, out=np.zeros(places), where=norm > 1.0)
    return scores


def two_tone_share(recording: Samples, *, low_hz: float, high_hz: float, window_ms: int = 250) -> float:
    """The share of windows in which two tones sound together: each more than 15 % of the energy, both more than 60 %.

    What finds an attention signal of two tones without knowing its file (research/audio §6.1: 0.97 at 6 dB, 0 on speech and music).
    """
    size = RATE_HZ * window_ms // 1000
    pieces = [recording[start : start + size] for start in range(0, len(recording) - size + 1, size)]
    if not pieces:
        return 0.0
    return sum(_holds_both(piece, low_hz, high_hz) for piece in pieces) / len(pieces)


def _holds_both(piece: Samples, low_hz: float, high_hz: float) -> bool:
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)))) ** 2
    hertz = np.fft.rfftfreq(len(piece), 1 / RATE_HZ)
    total = float(np.sum(spectrum[(hertz > 300) & (hertz < 5_500)]))
    if total <= 0:
        return False
    low, high = (float(np.sum(spectrum[np.abs(hertz - tone) < 12])) / total for tone in (low_hz, high_hz))
    return low > 0.15 and high > 0.15 and low + high > 0.6
