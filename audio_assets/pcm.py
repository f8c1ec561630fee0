"""Sound in memory: mono, 48 kHz, signed 16-bit little-endian, handled in frames of 20 ms.

One format everywhere between a decoded file and the sound card: Opus decodes to 48 kHz whatever went in (RFC 7845
§5.1), and 20 ms is its default frame. The arithmetic is `audioop`, which is C: a speaker in the field is a small machine.
"""

import audioop
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

RATE_HZ = 48_000
FRAME_MS = 20
SAMPLES_PER_MS = RATE_HZ // 1000
FRAME_SAMPLES = FRAME_MS * SAMPLES_PER_MS
SAMPLE_BYTES = 2
FRAME_BYTES = FRAME_SAMPLES * SAMPLE_BYTES
SILENT_FRAME = bytes(FRAME_BYTES)
MAX_MS = 30 * 60 * 1000  # longest sound held in memory: 173 MB; a longer programme is several items
MAX_BYTES = MAX_MS * SAMPLES_PER_MS * SAMPLE_BYTES
FULL_SCALE = 32_767


class PcmTooLong(ValueError):
    """More sound than MAX_MS."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"a sound of {size_bytes} bytes of PCM; the limit is {MAX_MS // 60_000} minutes")
        self.size_bytes = size_bytes


@dataclass(frozen=True, slots=True)
class Pcm:
    """A sound. The samples never change; every method answers with a new sound.

    :raises ValueError: half a sample; PcmTooLong beyond MAX_MS.
    """

    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) % SAMPLE_BYTES:
            raise ValueError("PCM ends in the middle of a sample")
        if len(self.data) > MAX_BYTES:
            raise PcmTooLong(len(self.data))

    @classmethod
    def silence(cls, ms: int) -> "Pcm":
        """As many milliseconds of nothing."""
        return cls(bytes(_bytes_of(ms)))

    @classmethod
    def join(cls, parts: Iterable["Pcm"]) -> "Pcm":
        """One after another."""
        return cls(b"".join(part.data for part in parts))

    @property
    def samples(self) -> int:
        """How many samples, at RATE_HZ."""
        return len(self.data) // SAMPLE_BYTES

    @property
    def duration_ms(self) -> int:
        """Length in whole milliseconds, rounded up, so that whoever waits for it hears the end."""
        return -(-self.samples // SAMPLES_PER_MS)

    @property
    def peak(self) -> int:
        """The largest absolute sample, 0 to 32,768."""
        return audioop.max(self.data, SAMPLE_BYTES)

    def slice_ms(self, start_ms: int = 0, end_ms: int | None = None) -> "Pcm":
        """From start_ms up to end_ms, clipped to what there is."""
        end = len(self.data) if end_ms is None else _bytes_of(end_ms)
        return Pcm(self.data[_bytes_of(start_ms) : end])

    def gain(self, db: float) -> "Pcm":
        """Louder or softer by db decibels; what exceeds full scale is clipped."""
        return self if db == 0 else Pcm(amplify(self.data, db))

    def faded(self, *, in_ms: int = 0, out_ms: int = 0) -> "Pcm":
        """Straight ramps at the edges, so that they do not click; each at most the whole sound."""
        head, tail = min(_bytes_of(in_ms), len(self.data)), min(_bytes_of(out_ms), len(self.data))
        data = ramp(self.data[:head], rising=True) + self.data[head:]
        return Pcm(data[: len(data) - tail] + ramp(data[len(data) - tail :], rising=False))


def amplify(data: bytes, db: float) -> bytes:
    """Raw samples made louder or softer by db decibels, clipped at full scale."""
    return audioop.mul(data, SAMPLE_BYTES, 10 ** (db / 20))


def mix(one: bytes, other: bytes) -> bytes:
    """The sum of two runs of samples of equal length, clipped at full scale."""
    return audioop.add(one, other, SAMPLE_BYTES)


def ramp(data: bytes, *, rising: bool) -> bytes:
    """A straight ramp over the whole of data, from silence to full or from full to silence."""
    samples = array("h", data)
    weights = _weights(len(samples))
    return array("h", map(_scaled, samples, weights if rising else reversed(weights))).tobytes()


def slope(data: bytes, start: float, end: float) -> bytes:
    """A straight ramp from one factor to another, each 0 to 1."""
    samples = array("h", data)
    step = (end - start) / len(samples) if samples else 0.0
    return array("h", (int(sample * (start + index * step)) for index, sample in enumerate(samples))).tobytes()


def _scaled(sample: int, weight: int) -> int:
    return sample * weight >> 15


@cache
def _weights(count: int) -> tuple[int, ...]:
    return tuple((index << 15) // count for index in range(count))


def _bytes_of(ms: int) -> int:
    if ms < 0:
        raise ValueError(f"a time of {ms} ms lies before the sound")
    return ms * SAMPLES_PER_MS * SAMPLE_BYTES
