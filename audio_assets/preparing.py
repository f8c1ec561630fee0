"""From an uploaded file to one of ours, in constant memory: listen, then make, then listen to what was made.

One linear gain brings it to its loudness, a limiter holds the peaks, libopus codes it, and what it decodes to again is measured:
a codec adds peaks of its own. While they exceed the ceiling it is made again with more room. One-pass `loudnorm` is not used:
its gain moves, it pumps sirens and chimes (research/audio §2.2).
"""

import importlib
import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

import av
import av.filter
import numpy as np
from av.audio.frame import AudioFrame

from audio_assets.intake import WAVEFORM_PAIRS, Limits, Prepared, Recipe, Refusal, Refused
from audio_assets.listening import Heard, Meter, floats, listen
from audio_assets.pcm import RATE_HZ
from audio_assets.source import Source, chain, mono, pulled

MOST_GAIN_DB = 30.0
_ROOM_DB = 0.7  # the limiter works on samples; true peaks lie between them, and the codec adds to them
_CLOSE_LU = 0.7  # loudness is right within this; the all-over aim is ±1
_LEAST_ROOM_DB = 0.1
_MOST_TRIES, _ENOUGH_TRIES = 6, 3
_FRAME_MS = 20
_OFFSET_HZ = 5  # what is slower moves no horn, and takes the room that the voice needs
_MADE_STEP = RATE_HZ // 10


def prepare(file: BinaryIO, out: BinaryIO, recipe: Recipe, limits: Limits) -> Prepared:
    """Read `file`, write the finished Ogg Opus file to `out`; both can seek. Samples are never held all at once.

    :raises Refused: it is not taken; what stands in `out` is then worth nothing.
    """
    source = Source(file, limits)
    heard = listen(source, recipe)
    made = _made(source, out, heard, recipe, limits)
    source_ms = heard.samples * 1000 // RATE_HZ
    return Prepared(
        duration_ms=made.samples * 1000 // RATE_HZ,
        lufs=round(made.lufs, 2),
        lra=round(made.lra, 2),
        peak_dbtp=round(made.peak_dbtp, 2),
        gain_db=round(made.gain_db, 2),
        limited=made.limited,
        source_ms=source_ms,
        source_lufs=round(heard.lufs, 2),
        source_peak_dbtp=round(heard.peak_dbtp, 2),
        container=source.container.name,
        codec=source.codec,
        channels=source.channels,
        rate_hz=source.rate_hz,
        trimmed_head_ms=heard.begin * 1000 // RATE_HZ,
        trimmed_tail_ms=max(0, source_ms - heard.end * 1000 // RATE_HZ),
        clipped_ms=heard.clipped_ms,
        picture=source.picture,
        waveform=made.waveform,
    )


def warm_up() -> None:
    """Load everything that is ever needed, by doing it once on a second of tone: afterwards no file need be opened."""
    for module in ("av.subtitles.stream", "av.video.stream", "logging"):
        importlib.import_module(module)
    tone = np.sin(np.arange(RATE_HZ) * 0.06) * 8_000
    samples = tone.astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(samples)) + samples
    wave = io.BytesIO(b"RIFF" + struct.pack("<I", len(body)) + body)
    prepare(wave, io.BytesIO(), Recipe(), Limits())


class _Made:
    """What came out, measured on what the finished file decodes to."""

    def __init__(self, out: BinaryIO, samples: int, *, gain_db: float, limited: bool) -> None:
        meter, picture = Meter(), _Picture(samples)
        out.seek(0)
        self.samples = 0
        with av.open(out, "r", format="ogg") as file:
            for frame in mono(file.decode(file.streams.audio[0])):
                picture.take(frame)
                self.samples += frame.samples
                meter.take(frame)
        self.lufs, self.lra, self.peak_dbtp = meter.finish()
        self.waveform, self.gain_db, self.limited = picture.finish(), gain_db, limited


def _made(source: Source, out: BinaryIO, heard: Heard, recipe: Recipe, limits: Limits) -> _Made:
    gain_db = min(recipe.lufs - heard.lufs, MOST_GAIN_DB)
    room_db = _ROOM_DB
    for attempt in range(_MOST_TRIES):
        limited = heard.peak_dbtp + gain_db > recipe.ceiling_dbtp - _ROOM_DB / 2
        limit_dbfs = recipe.ceiling_dbtp - room_db if limited else None
        samples = _encode(source, out, heard, gain_db=gain_db, limit_dbfs=limit_dbfs, recipe=recipe, limits=limits)
        made = _Made(out, samples, gain_db=gain_db, limited=limited)
        over_db, short_lu = made.peak_dbtp - recipe.ceiling_dbtp, recipe.lufs - made.lufs
        if over_db <= 0 and (abs(short_lu) <= _CLOSE_LU or attempt >= _ENOUGH_TRIES or gain_db >= MOST_GAIN_DB):
            return made  # what stays too soft after so many tries is all peaks; its measured loudness says so
        if limited:
            room_db = max(_LEAST_ROOM_DB, room_db + over_db + 0.1)
        if over_db > 0 and (not limited or attempt >= _ENOUGH_TRIES):
            gain_db -= over_db + 0.1
        elif abs(short_lu) > _CLOSE_LU:
            gain_db = min(gain_db + short_lu, MOST_GAIN_DB)  # what the limiter took
    raise Refused(Refusal.PEAKS, peak=round(made.peak_dbtp, 1), most=recipe.ceiling_dbtp)


def _encode(
    source: Source,
    out: BinaryIO,
    heard: Heard,
    *,
    gain_db: float,
    limit_dbfs: float | None,
    recipe: Recipe,
    limits: Limits,
) -> int:
    """:returns: how many samples went in."""
    filters = [
        ("highpass", f"frequency={_OFFSET_HZ}:poles=1"),
        ("volume", f"volume={gain_db:.3f}dB:precision=float"),
    ]
    if limit_dbfs is not None:
        limit = 10 ** (limit_dbfs / 20)
        filters.append(("alimiter", f"limit={limit:.5f}:attack=5:release=50:level=0:latency=1"))
    graph = chain(*filters, ends_as="s16", step=_MADE_STEP)
    out.seek(0)
    out.truncate()
    options = {"application": "audio", "vbr": "on", "frame_duration": str(_FRAME_MS), "flags": "+bitexact"}
    samples = 0
    with av.open(out, "w", format="ogg", options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream(
            "libopus", rate=RATE_HZ, options=options, layout="mono", format="s16", bit_rate=recipe.bit_rate
        )
        stream.codec_context.thread_count = 1
        for frame in _filtered(graph, _part(mono(source.frames()), heard.begin, heard.end)):
            frame.pts = samples
            samples += frame.samples
            file.mux(stream.encode(frame))
            if out.tell() > limits.result_bytes:
                raise Refused(Refusal.TOO_LARGE, most_bytes=limits.result_bytes)
        file.mux(stream.encode(None))
    out.flush()
    return samples


def _filtered(graph: av.filter.Graph, frames: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
    for frame in frames:
        frame.pts = None
        yield from pulled(graph, frame)
    yield from pulled(graph, None)


def _part(frames: Iterator[AudioFrame], begin: int, end: int) -> Iterator[AudioFrame]:
    """The frames from a sample up to another; both lie on the border of a frame, or at the very end."""
    at = 0
    for frame in frames:
        if begin <= at and at + frame.samples <= end:
            yield frame
        at += frame.samples


class _Picture:
    """The waveform: as many pairs of lowest and highest sample as fit, of equal width."""

    def __init__(self, samples: int) -> None:
        self._width = max(1, -(-samples // WAVEFORM_PAIRS))
        self._low, self._high = np.zeros(WAVEFORM_PAIRS, np.float32), np.zeros(WAVEFORM_PAIRS, np.float32)
        self._at = 0

    def take(self, frame: AudioFrame) -> None:
        data = floats(frame)
        pairs = (self._at + np.arange(len(data))) // self._width
        inside = pairs < WAVEFORM_PAIRS  # a codec's padding may lie behind
        data, pairs = data[inside], pairs[inside]
        if len(pairs):
            starts = np.flatnonzero(np.diff(pairs, prepend=-1))
            at = pairs[starts]
            self._low[at] = np.minimum(self._low[at], np.minimum.reduceat(data, starts))
            self._high[at] = np.maximum(self._high[at], np.maximum.reduceat(data, starts))
        self._at += frame.samples

    def finish(self) -> bytes:
        used = max(1, min(WAVEFORM_PAIRS, -(-self._at // self._width)))
        both = np.stack([self._low[:used], self._high[:used]], axis=1)
        return bytes(np.clip(np.rint(both * 127), -127, 127).astype(np.int8).tobytes())
