"""Sounds made by code: they are on every speaker, need no file and no licence, and are the same bytes everywhere.

The attention signal must not be taken for an air-raid warning. Reserved by the trial notices of Chinese cities: 36 s on
and 24 s off, three times (preliminary); 6 s on and 6 s off, fifteen times (raid); 3 minutes steady (all clear). Nor is it
the two-tone of 853 and 960 Hz of 47 CFR 11.31. Ours never pauses and never holds a pitch: it sweeps between 400 and
1,000 Hz every four seconds. The county's plan may set another in its place.
"""

import math
from array import array
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import cache
from itertools import accumulate, repeat
from operator import add, mul

from audio_assets.pcm import FULL_SCALE, RATE_HZ, Pcm

SWEEP_LOW_HZ = 400
SWEEP_HIGH_HZ = 1000
SWEEP_S = 4
ATTENTION_PEAK_DB = -3.0
CHIME_PEAK_DB = -8.0
MELODY_PEAK_DB = -6.0
EDGE_MS = 10

_PITCH = {name: 440.0 * 2 ** ((midi - 69) / 12) for name, midi in {
    "C3": 48, "G3": 55, "A3": 57, "C4": 60, "D4": 62, "E4": 64, "G4": 67, "A4": 69,
    "C5": 72, "D5": 74, "E5": 76, "F#5": 78, "G5": 79, "A5": 81, "C6": 84, "D6": 86,
}.items()}  # fmt: skip
_PARTIALS = ((1, 1.0, 1.6), (2, 0.45, 2.6), (3, 0.22, 4.0))  # multiple of the pitch, strength, decay per second
_RING_S = 1.5

# Our own tune: five-note scale (宫调), 24 s; each note as (start in beats, pitch), written on C and sounded on F sharp, which
# shares no pitch with the chime. No two bars are alike, so that a recording of any three seconds says which three seconds
# it is. The last two rows are the bass.
_BEAT_S = 0.5
_MELODY = (
    (0, "C5"), (1, "D5"), (1.5, "E5"), (2.5, "G5"), (4, "E5"), (5, "D5"), (6, "C5"), (6.5, "A4"), (8, "G4"), (9, "A4"),
    (10, "C5"), (11, "D5"), (11.5, "C5"), (13, "E5"), (14, "G5"), (15, "A5"), (16, "C6"), (17.5, "A5"), (18, "G5"),
    (19, "E5"), (20, "G5"), (20.5, "E5"), (21, "D5"), (23, "C5"), (24, "A4"), (24.5, "C5"), (25, "D5"), (26.5, "A4"),
    (28, "G4"), (29, "E4"), (30, "G4"), (31, "A4"), (31.5, "C5"), (33, "D5"), (34.5, "G5"), (36, "E5"), (37, "C5"),
    (38.5, "D5"), (39, "A4"), (40.5, "G4"), (42, "A4"), (43, "D5"), (44, "C5"),
    (0, "C3"), (4, "G3"), (8, "A3"), (13, "C4"), (16, "A3"), (21, "G3"), (26.5, "C3"), (31, "A3"), (36, "C4"),
    (40.5, "G3"), (44, "A3"),
)  # fmt: skip
_MELODY_BEATS = 48
_MELODY_KEY = 2 ** (6 / 12)
_CHIME = ((0, "E5"), (0.8, "C5"), (1.6, "G4"))
_ALL_CLEAR = ((0, "A4"), (0.5, "D5"), (1, "F#5"), (1.5, "A5"), (2.5, "F#5"), (3, "D6"), (4.5, "A5"), (5, "D6"))


class ToneId(IntEnum):
    """A sound that every speaker has; the number stands in the order."""

    NONE = 0
    ATTENTION = 1
    CHIME = 2
    ALL_CLEAR = 3


@cache
def tone(which: ToneId) -> Pcm:
    """The samples of a built-in sound. NONE is no sound at all, of length 0."""
    match which:
        case ToneId.NONE:
            return Pcm(b"")
        case ToneId.ATTENTION:
            return _sweep().faded(in_ms=EDGE_MS, out_ms=EDGE_MS)
        case ToneId.CHIME:
            return _plucked(_CHIME, beats=3.2, peak_db=CHIME_PEAK_DB)
        case ToneId.ALL_CLEAR:
            return _plucked(_ALL_CLEAR, beats=8, peak_db=CHIME_PEAK_DB)


@cache
def melody() -> Pcm:
    """24 s of plucked strings, composed for this project: the routine programme of the demonstration."""
    return _plucked(_MELODY, beats=_MELODY_BEATS, peak_db=MELODY_PEAK_DB, key=_MELODY_KEY)


def _sweep() -> Pcm:
    """One period of the attention signal. A whole number of cycles fits into it, so that it can be looped."""
    middle, swing = (SWEEP_LOW_HZ + SWEEP_HIGH_HZ) / 2, (SWEEP_HIGH_HZ - SWEEP_LOW_HZ) / 2
    peak = _amplitude(ATTENTION_PEAK_DB)
    turn = 2 * math.pi / SWEEP_S

    def samples() -> Iterator[int]:
        for index in range(SWEEP_S * RATE_HZ):
            at_s = index / RATE_HZ  # the pitch is middle - swing·cos(turn·t); its integral is the phase
            yield round(peak * math.sin(2 * math.pi * (middle * at_s - swing / turn * math.sin(turn * at_s))))

    return Pcm(array("h", samples()).tobytes())


def _plucked(notes: Sequence[tuple[float, str]], *, beats: float, peak_db: float, key: float = 1.0) -> Pcm:
    """Decaying strings, each note ringing for _RING_S or to the end, brought to a peak in dBFS."""
    total = round(beats * _BEAT_S * RATE_HZ)
    line = array("d", bytes(8 * total))
    strings = {name: _string(_PITCH[name] * key) for _, name in notes}
    for beat, name in notes:
        start = round(beat * _BEAT_S * RATE_HZ)
        end = min(total, start + len(strings[name]))
        line[start:end] = array("d", map(add, line[start:end], strings[name]))
    loudest = max(map(abs, line))
    scale = _amplitude(peak_db) / loudest
    return Pcm(array("h", (round(value * scale) for value in line)).tobytes()).faded(out_ms=20)


def _string(pitch_hz: float) -> "array[float]":
    """A plucked string: three partials that die away, the attack over 5 ms, the last 50 ms faded out."""
    length, attack, release = round(_RING_S * RATE_HZ), RATE_HZ // 200, RATE_HZ // 20
    partials = [_partial(pitch_hz * multiple, strength, decay, length) for multiple, strength, decay in _PARTIALS]
    envelope = (min(1.0, index / attack, (length - index) / release) for index in range(length))
    return array("d", (sum(values) * weight for *values, weight in zip(*partials, envelope, strict=True)))


def _partial(pitch_hz: float, strength: float, decay_per_s: float, length: int) -> Iterator[float]:
    step = complex(-decay_per_s, 2 * math.pi * pitch_hz) / RATE_HZ
    turn = complex(math.cos(step.imag), math.sin(step.imag)) * math.exp(step.real)
    return (value.imag for value in accumulate(repeat(turn, length - 1), mul, initial=complex(strength, 0)))


def _amplitude(db: float) -> float:
    return FULL_SCALE * 10 ** (db / 20)
