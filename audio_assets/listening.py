"""The first time a sound is listened to: how loud it is, where it is silent, where it stands at full scale.

What counts, and why:

* *clipped*: in a tenth of a second at least 1 % of the samples stand at full scale (of the file's own format, before anything is
  mixed or resampled) in runs of four and more. One sample at the top is a loud recording, a flat top is a lost one. Half a second
  of such tenths refuses the file; less is noted. A lossy coder rounds flat tops off, so in its files a tenth also counts when it
  stands above −4 dBFS, which a sound that is whole does not reach.
* *turned down after it was clipped*: likewise, with the loudest level of the whole file in the place of full scale, in files that
  keep every sample in 16 bits and more; fewer round a quiet top flat, and so does a coder. What is flat from end to end is a square
  tone, which is meant so.
* *silent*: a tenth of a second that lies more than 36 dB below the loudness of the whole, so below −54 dBFS once it stands at
  −18 LUFS: no horn makes that audible. Inside, a silence is refused when it is longer than the recipe allows; at the edges it is
  taken away but for a tenth of a second. A constant offset is no level.
"""

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from audio_assets.intake import MOST_SPANS, Recipe, Refusal, Refused, Span
from audio_assets.pcm import RATE_HZ
from audio_assets.source import STEP_SAMPLES, Source, chain, mono, pulled

STEP_MS = STEP_SAMPLES * 1000 // RATE_HZ
SHORTEST_MS = 200
SILENT_BELOW_LU = 36.0
NOTHING_LUFS = -70.0  # the gate of BS.1770: below it there is nothing
SOFTEST_LUFS = -48.0  # 30 dB of gain would bring up the noise
CLIPPED_SHARE = 0.01
CLIPPED_REFUSED_MS = 500
_RUN = 4
_LOWER_RUN_S = 1 / 6_000  # a top of a tone of 50 Hz is round over so long in 16 bits
_LOWEST_TOP = 10 ** (-20 / 20)
_SAME_TOP = 0.98
_SQUARE_SHARE = 0.8
_DENSE_RMS = 10 ** (-4 / 20)
_LOSSLESS = ("pcm_", "flac", "alac", "wmalossless")
_FINE = ("pcm_s16", "pcm_s24", "pcm_s32", "pcm_f", "flac", "alac")
_TOP = 0.99995  # of full scale; the largest 16-bit sample is 0.99997
_LOUDEST = 1e4  # a float sample of +80 dBFS is no sound
_EDGE_KEPT_STEPS = 1
_EDGE_TRIMMED_STEPS = 3
_FEWEST_STEPS = 5  # one gating block of 400 ms, and a little


@dataclass(frozen=True, slots=True)
class Heard:
    """What was found. Sample positions are ours: mono, RATE_HZ."""

    lufs: float
    lra: float
    peak_dbtp: float
    samples: int
    begin: int
    end: int
    clipped_ms: int


def listen(source: Source, recipe: Recipe) -> Heard:
    """Read all of it once, in constant memory (4 bytes a tenth of a second).

    :raises Refused: silent, clipped, no number, too short, too soft, or what the source itself refuses.
    """
    ear = _Ear(source)
    meter = Meter()
    levels, samples = array("f"), 0
    for frame in mono(ear.seeing(source.frames())):
        data = floats(frame)
        levels.append(float(np.std(data, dtype=np.float64)))  # without a constant offset, which nobody hears
        samples += frame.samples
        meter.take(frame)
    lufs, lra, peak_dbtp = meter.finish()
    duration_ms = samples * 1000 // RATE_HZ
    if duration_ms < SHORTEST_MS:
        raise Refused(Refusal.TOO_SHORT, least_ms=SHORTEST_MS, duration_ms=duration_ms)
    if lufs <= NOTHING_LUFS:
        raise Refused(Refusal.SILENT, spans=[(0, duration_ms)], longest_ms=recipe.longest_silence_ms)
    if lufs < SOFTEST_LUFS:
        raise Refused(Refusal.TOO_SOFT, lufs=round(lufs, 1), least=SOFTEST_LUFS)
    begin, end = _without_silence(levels, lufs, recipe)
    clipped_ms = ear.clipped_ms()
    return Heard(lufs, lra, peak_dbtp, samples, begin, min(end, samples), clipped_ms)


class Meter:
    """Loudness, loudness range and true peak by EBU R128 (ITU-R BS.1770). What is too short to be measured is heard again."""

    def __init__(self) -> None:
        self._graph = chain(("ebur128", "metadata=1:peak=true"))
        self._found: dict[str, str] = {}
        self._first: list[AudioFrame] = []
        self._steps = 0

    def take(self, frame: AudioFrame) -> None:
        """A frame of `mono`."""
        self._steps += 1
        if self._steps <= _FEWEST_STEPS:
            self._first.append(_copied(frame))
        frame.pts = None
        for out in pulled(self._graph, frame):
            self._found.update(out.metadata)

    def finish(self) -> tuple[float, float, float]:
        """LUFS, LU, dBTP."""
        if 0 < self._steps <= _FEWEST_STEPS:
            self._hear_again()
        for out in pulled(self._graph, None):
            self._found.update(out.metadata)
        read = {name: float(value) for name, value in self._found.items() if name.startswith("lavfi.r128.")}
        lufs = read.get("lavfi.r128.I", NOTHING_LUFS)
        peak = read.get("lavfi.r128.true_peak", 0.0)
        return (
            max(NOTHING_LUFS, lufs) if math.isfinite(lufs) else NOTHING_LUFS,
            max(0.0, read.get("lavfi.r128.LRA", 0.0)),
            20 * math.log10(peak) if peak > 0 else -120.0,
        )

    def _hear_again(self) -> None:
        for _ in range(1 + 2 * _FEWEST_STEPS // self._steps):
            for frame in self._first:
                for out in pulled(self._graph, _copied(frame)):
                    self._found.update(out.metadata)


class _Ear:
    """Looks at the samples as they were recorded: each channel by itself, in the format of the file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tenths: Counter[int] = Counter()  # thousandths of a tenth of a second that lie within flat tops
        self._lower: list[tuple[float, int, int]] = []  # flat tops below full scale: level, tenth, thousandths of it
        self._top = 0.0  # the largest sample, of full scale
        self._at_s = 0.0
        self._seen = 0

    def seeing(self, frames: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
        for frame in frames:
            self._look(frame)
            self._at_s += frame.samples / frame.sample_rate
            yield frame

    def clipped_ms(self) -> int:
        """:raises Refused: too much of it."""
        lower: Counter[int] = Counter()
        for level, tenth, share in self._lower:
            if level >= _SAME_TOP * self._top:
                lower[tenth] += share
        self._tenths.update({tenth: share for tenth, share in lower.items() if share < 1_000 * _SQUARE_SHARE})
        tenths = sorted(tenth for tenth, share in self._tenths.items() if share >= 1_000 * CLIPPED_SHARE)
        total_ms = len(tenths) * STEP_MS
        if total_ms >= CLIPPED_REFUSED_MS:
            spans = _joined([(one * STEP_MS, (one + 1) * STEP_MS) for one in tenths], gap_ms=1_000)
            raise Refused(Refusal.CLIPPED, spans=spans[:MOST_SPANS], clipped_ms=total_ms)
        return total_ms

    def _look(self, frame: AudioFrame) -> None:
        data = frame.to_ndarray()
        channels = frame.layout.nb_channels
        if not frame.format.is_planar and channels > 1:
            data = data.reshape(-1, channels).T
        if data.dtype.kind == "f" and not bool((np.abs(data) < _LOUDEST).all()):  # NaN is not smaller either
            at_ms = round(self._at_s * 1000)
            raise Refused(
                Refusal.NOT_FINITE, spans=[(at_ms, at_ms + 1 + round(1000 * frame.samples / frame.sample_rate))]
            )
        low, high = _full_scale(data.dtype)
        if data.dtype.kind == "f" and not self._source.codec.startswith(_LOSSLESS):
            self._look_for_density(data, frame)
        most, least = data.max(initial=0), data.min(initial=0)
        if most >= high or least <= low:
            self._top = 1.0
            for tenth, share in self._flat((data >= high) | (data <= low), _RUN, frame.sample_rate):
                self._tenths[tenth] += share
        elif self._source.codec.startswith(_FINE):
            level = max(float(most) / high, float(least) / low)
            self._top = max(self._top, level)
            if level < max(_LOWEST_TOP, _SAME_TOP * self._top):
                return
            run = max(_RUN, round(_LOWER_RUN_S * frame.sample_rate))
            near = np.abs(data) >= _SAME_TOP * max(float(most), -float(least))
            at_top = near & ((data == most) | (data == least))
            self._lower += [(level, tenth, share) for tenth, share in self._flat(at_top, run, frame.sample_rate)]

    def _flat(self, at_top: NDArray[np.bool_], run: int, rate_hz: int) -> Iterator[tuple[int, int]]:
        """Tenths of a second, and thousandths of each in runs of so many samples and more."""
        flat = at_top[:, run - 1 :].copy()
        for shift in range(run - 1):
            flat &= at_top[:, shift : at_top.shape[1] - run + 1 + shift]
        tenth_samples = rate_hz / 10
        at = np.flatnonzero(flat.any(axis=0)) + self._at_s * rate_hz
        for tenth, count in zip(*np.unique((at / tenth_samples).astype(np.int64), return_counts=True), strict=True):
            yield int(tenth), round(1_000 * (int(count) + 1) / tenth_samples)

    def _look_for_density(self, data: NDArray[Any], frame: AudioFrame) -> None:
        """Frame by frame, each for its share of the tenth in which it begins."""
        if np.sqrt(np.mean(np.square(data), axis=1)).max() >= _DENSE_RMS:
            share = 10_000 * frame.samples // frame.sample_rate
            self._tenths[int(self._at_s * 10)] += round(share * 2 * CLIPPED_SHARE)


def floats(frame: AudioFrame) -> NDArray[np.float32]:
    """The samples of a frame of `mono`; not to be written to, and gone with the frame."""
    return np.frombuffer(memoryview(frame.planes[0]), np.float32, frame.samples)


def _copied(frame: AudioFrame) -> AudioFrame:
    copy = AudioFrame.from_ndarray(floats(frame).reshape(1, -1).copy(), format="flt", layout="mono")
    copy.sample_rate = RATE_HZ
    return copy


def _full_scale(kind: np.dtype) -> tuple[float, float]:
    if kind.kind == "f":
        return -_TOP, _TOP
    if kind.kind == "u":
        return 0, np.iinfo(kind).max
    return _TOP * np.iinfo(kind).min, _TOP * np.iinfo(kind).max


def _without_silence(levels: Sequence[float], lufs: float, recipe: Recipe) -> tuple[int, int]:
    """The part that is heard, in samples. :raises Refused: with a silence inside."""
    floor = 10 ** ((lufs - SILENT_BELOW_LU) / 20)
    loud = [step for step, level in enumerate(levels) if level >= floor]
    if not loud:
        raise Refused(Refusal.SILENT, spans=[(0, len(levels) * STEP_MS)], longest_ms=recipe.longest_silence_ms)
    gaps = [
        ((before + 1) * STEP_MS, after * STEP_MS)
        for before, after in pairwise(loud)
        if (after - before - 1) * STEP_MS > recipe.longest_silence_ms
    ]
    if gaps:
        raise Refused(Refusal.SILENT, spans=gaps[:MOST_SPANS], longest_ms=recipe.longest_silence_ms)
    head, tail = loud[0], len(levels) - 1 - loud[-1]
    begin = head - _EDGE_KEPT_STEPS if head >= _EDGE_TRIMMED_STEPS else 0
    end = len(levels) - (tail - _EDGE_KEPT_STEPS if tail >= _EDGE_TRIMMED_STEPS else 0)
    if (end - begin) * STEP_MS < SHORTEST_MS < len(levels) * STEP_MS:  # a click, and nothing after it
        raise Refused(Refusal.SILENT, spans=[(0, len(levels) * STEP_MS)], longest_ms=recipe.longest_silence_ms)
    return begin * STEP_SAMPLES, end * STEP_SAMPLES


def _joined(spans: list[Span], *, gap_ms: int) -> list[Span]:
    joined: list[Span] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= gap_ms:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
