"""How far apart several loudspeakers are: chirps, found to a fraction of a sample in one recording of all of them."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_assets.pcm import Pcm
from tests.correlation import RATE_HZ, Samples

CHIRP_S, EVERY_S = 0.1, 1.0
_FROM_HZ, _TO_HZ = 400.0, 5_000.0
_LIKE = 0.4  # of the best: what is less is no chirp
_APART_S = 0.5


def chirp() -> Samples:
    """A sweep whose correlation with itself is one sharp peak; its edges are round."""
    at = np.arange(int(CHIRP_S * RATE_HZ)) / RATE_HZ
    rate = (_TO_HZ - _FROM_HZ) / CHIRP_S
    sweep: Samples = np.hanning(at.size) * np.sin(2 * np.pi * (_FROM_HZ * at + rate * at**2 / 2))
    return sweep


def chirps(count: int) -> Pcm:
    """So many, one a second, the first after half a second."""
    silence = np.zeros(int((EVERY_S - CHIRP_S) / 2 * RATE_HZ))
    second = np.concatenate([silence, 16_000 * chirp(), silence])
    return Pcm(np.tile(second, count).astype("<i2").tobytes())


def find_chirps(recording: Samples) -> NDArray[np.float64]:
    """Where chirps begin, in samples."""
    likeness = _likeness(recording)
    best, found = float(likeness.max()), list[float]()
    apart = int(_APART_S * RATE_HZ)
    for index in np.flatnonzero(likeness > _LIKE * best):
        around = likeness[max(0, index - apart) : index + apart]
        if likeness[index] == around.max() and (not found or index - found[-1] > apart):
            found.append(index + _between(likeness[index - 1 : index + 2]))
    return np.array(found)


def _likeness(recording: Samples) -> Samples:
    sound = chirp()
    size = 1 << (recording.size + sound.size).bit_length()
    product: Samples = np.fft.irfft(np.fft.rfft(recording, size) * np.conj(np.fft.rfft(sound, size)), size)
    return product[: recording.size]


def _between(three: Samples) -> float:
    """Where the parabola through a peak and its neighbours has its top, from the middle one."""
    if three.size < 3:
        return 0.0
    before, top, after = (float(one) for one in three)
    bend = before - 2 * top + after
    return 0.0 if bend == 0 else (before - after) / (2 * bend)


@dataclass(frozen=True)
class Spread:
    """Between the first and the last of several channels, chirp by chirp, milliseconds.

    :param at_s: when in the recording each was heard, at the first of them.
    :param lost: chirps that some channel lacks.
    """

    ms: NDArray[np.float64]
    at_s: NDArray[np.float64]
    lost: int = 0

    @property
    def mean(self) -> float:
        return float(self.ms.mean()) if self.ms.size else math.nan

    @property
    def p99(self) -> float:
        return float(np.percentile(self.ms, 99)) if self.ms.size else math.nan

    @property
    def worst(self) -> float:
        return float(self.ms.max()) if self.ms.size else math.nan


class Uneven(Exception):
    """Not every channel has every chirp."""


def spread_of(recording: Samples) -> Spread:
    """:param recording: samples × channels. :raises Uneven: some channel lacks a chirp."""
    found = [find_chirps(recording[:, n]) for n in range(recording.shape[1])]
    if len({one.size for one in found}) != 1 or not found[0].size:
        raise Uneven(f"chirps in the channels: {', '.join(str(one.size) for one in found)}")
    at = np.array(found)
    return _spread(at)


def spread_where_whole(recording: Samples) -> Spread:
    """Of the chirps that every channel has; the others are counted."""
    found = [find_chirps(recording[:, n]) for n in range(recording.shape[1])]
    apart, whole = _APART_S * RATE_HZ, list[list[float]]()
    for first in found[0]:
        near = [channel[np.abs(channel - first) < apart] for channel in found]
        if all(one.size == 1 for one in near):
            whole.append([float(one[0]) for one in near])
    lost = max(one.size for one in found) - len(whole)
    return _spread(np.array(whole).reshape(-1, len(found)).T, lost)


def _spread(at: NDArray[np.float64], lost: int = 0) -> Spread:
    """:param at: channels × chirps, samples."""
    first = at.min(axis=0)
    return Spread((at.max(axis=0) - first) * 1000 / RATE_HZ, first / RATE_HZ, lost)
