"""What a recording holds, for tests: files, windows and stretches, on the correlation that speakers prove their play with."""

import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_assets.correlation import THRESHOLD, Match, Samples, find, samples
from audio_assets.pcm import RATE_HZ

__all__ = [
    "RATE_HZ",
    "THRESHOLD",
    "Match",
    "Samples",
    "Span",
    "find",
    "find_windows",
    "read_wav",
    "samples",
    "split",
    "unmistakable",
]

_SILENCE_RMS = 32.0  # -60 dBFS
_COARSE = 6  # labels need no more than 8 kHz
_LABEL_MS = 200
_NOTE_SAMPLES, _NOTE_EDGE_SAMPLES = RATE_HZ * 80 // 1_000, RATE_HZ * 5 // 1_000
_NOTES_HZ, _NOTE_PEAK = (300, 3_000), 9_000


@dataclass(frozen=True)
class Span:
    """A stretch of a recording that holds one sound."""

    name: str
    start_ms: int
    end_ms: int


def read_wav(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE_HZ)
        return samples(file.readframes(file.getnframes()))


def unmistakable(seconds: int, *, seed: int = 4) -> Samples:
    """Notes of 80 ms, no two alike, so that any 0.4 s of them fit one place alone, after any codec.

    Music does not do for this: every sixth piece of `melody` is found in another bar, where the same string sounds again.
    """
    random = np.random.default_rng(seed)
    at = np.arange(_NOTE_SAMPLES)
    edges = np.minimum(1, np.minimum(at, at[::-1]) / _NOTE_EDGE_SAMPLES)
    pitches = np.exp(random.uniform(*np.log(_NOTES_HZ), seconds * RATE_HZ // _NOTE_SAMPLES))
    return np.rint(np.concatenate([np.sin(2 * np.pi * hz * at / RATE_HZ) * edges for hz in pitches]) * _NOTE_PEAK)


def find_windows(sound: Samples, recording: Samples, *, window_s: float = 3.0) -> list[Match]:
    """First, middle and last window of a sound, each found for itself; `at` is where the whole sound would begin."""
    size = min(int(window_s * RATE_HZ), len(sound))
    starts = sorted({0, (len(sound) - size) // 2, len(sound) - size})
    found = [find(sound[start : start + size], recording) for start in starts]
    return [Match(match.at - start, match.score) for match, start in zip(found, starts, strict=True)]


def split(recording: Samples, sources: Mapping[str, Samples], *, threshold: float = 0.8) -> list[Span]:
    """What sounded when, to 200 ms. Silence is left out; what is none of the sources, or two at once, is called `?`.

    Where in its source a stretch lies is for `find` to say: a steady note fits many places.
    """
    coarse = {name: _thinned(source) for name, source in sources.items()}
    spans: list[Span] = []
    for start_ms, piece in _pieces(recording):
        if np.sqrt(np.mean(piece**2)) < _SILENCE_RMS:
            continue
        scores = {name: find(_thinned(piece), source).score for name, source in coarse.items()}
        name = max(scores, key=scores.__getitem__)
        name = name if scores[name] >= threshold else "?"
        if spans and spans[-1].name == name != "?":
            spans[-1] = Span(name, spans[-1].start_ms, start_ms + _LABEL_MS)
        else:
            spans.append(Span(name, start_ms, start_ms + _LABEL_MS))
    return spans


def _pieces(recording: Samples) -> Iterator[tuple[int, Samples]]:
    size = _LABEL_MS * RATE_HZ // 1000
    for index in range(len(recording) // size):
        yield index * _LABEL_MS, recording[index * size : (index + 1) * size]


def _thinned(sound: Samples) -> Samples:
    """A sixth of the rate, by means of six: enough of a low-pass to tell sounds apart."""
    thinned: Samples = sound[: len(sound) // _COARSE * _COARSE].reshape(-1, _COARSE).mean(axis=1)
    return thinned
