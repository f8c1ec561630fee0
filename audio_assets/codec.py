"""Files to samples and back: Ogg Opus and WAV in, Ogg Opus out, loudness by EBU R128. PyAV is known here and in `streamed`.

What comes in was uploaded by a person, so it is hostile: the container is chosen here by its first bytes and not by libav,
which would follow a playlist into local files; size, length and channels have limits.
The server's own process does not import this module (see `worker`): libav costs 60 MB and may crash.
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import av.filter
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.input import InputContainer

from audio_assets.levels import BIT_RATE, CEILING_DBTP, SPEECH_LUFS
from audio_assets.pcm import MAX_MS, RATE_HZ, SAMPLE_BYTES, SAMPLES_PER_MS, Pcm
from audio_assets.rendering import AudioTooLong, UnsupportedAudio

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_CHANNELS = 2
_LIMITER_ROOM_DB = 0.5  # the limiter works on samples, true peaks lie between them
_MOST_GAIN_DB = 30.0  # what is softer than that is noise, and stays softer
_SILENCE_LUFS = -70.0
_SHORTEST_MEASURED_MS = 400  # one gating block of BS.1770
_CHUNK_SAMPLES = 4800

_CONTAINERS = {"ogg": ("opus",), "wav": ("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_u8")}

av.logging.set_level(None)


@dataclass(frozen=True, slots=True)
class Loudness:
    """Programme loudness and true peak (EBU R128, ITU-R BS.1770). Silence measures −70 LUFS."""

    lufs: float
    peak_dbtp: float


def decode(data: bytes, *, max_ms: int = MAX_MS) -> Pcm:
    """The samples of an Ogg Opus or WAV file; two channels become one.

    :raises UnsupportedAudio: another format, damaged, empty, or too many channels.
    :raises AudioTooLong: more than max_ms of sound.
    """
    if len(data) > MAX_FILE_BYTES:
        raise UnsupportedAudio(f"a file of {len(data)} bytes; the limit is {MAX_FILE_BYTES}")
    container = _container_of(data)
    options = {"format_whitelist": container, "codec_whitelist": ",".join(_CONTAINERS[container])}
    try:
        with av.open(io.BytesIO(data), "r", format=container, options=options) as file:
            pcm = _read(file, _only_stream(file, container), max_ms)
    except av.FFmpegError as err:
        raise UnsupportedAudio(f"the file cannot be read: {err.strerror}") from err
    if not pcm.samples:
        raise UnsupportedAudio("there is no sound in the file")
    return pcm


@contextmanager
def open_ogg(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    """An Ogg Opus file on the disk, to be read piece by piece.

    :raises UnsupportedAudio: another format. :raises av.FFmpegError: damaged. :raises OSError: it can't be read.
    """
    options = {"format_whitelist": "ogg", "codec_whitelist": ",".join(_CONTAINERS["ogg"])}
    with av.open(f"file:{path}", "r", format="ogg", options=options) as file:
        yield file, _only_stream(file, "ogg")


def encode(pcm: Pcm, *, bit_rate: int = BIT_RATE) -> bytes:
    """An Ogg Opus file. The same samples give the same bytes on the same build of libopus: no date, no random serial."""
    out = io.BytesIO()
    with av.open(out, "w", format="ogg", options={"fflags": "+bitexact"}) as file:
        options = {"application": "audio", "vbr": "on", "frame_duration": "20", "flags": "+bitexact"}
        stream = file.add_stream(
            "libopus", rate=RATE_HZ, options=options, layout="mono", format="s16", bit_rate=bit_rate
        )
        for frame in _frames(pcm.data, RATE_HZ):
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


def resample(data: bytes, rate_hz: int) -> Pcm:
    """Mono samples of another rate, made ours."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    out = bytearray()
    for frame in chain(_frames(data, rate_hz), (None,)):
        for piece in resampler.resample(frame):
            out += samples_of(piece)
    return Pcm(bytes(out))


def measure(pcm: Pcm) -> Loudness:
    """Integrated loudness and true peak. What is too short to measure is repeated until it is not."""
    data = pcm.data
    if 0 < pcm.duration_ms < _SHORTEST_MEASURED_MS:
        data *= -(-_SHORTEST_MEASURED_MS // pcm.duration_ms) + 1
    values = {"lavfi.r128.I": str(_SILENCE_LUFS), "lavfi.r128.true_peak": "0.0"}
    for frame in _filtered(data, ("ebur128", "metadata=1:peak=true")):
        values.update(frame.metadata)
    peak = float(values["lavfi.r128.true_peak"])
    return Loudness(max(_SILENCE_LUFS, float(values["lavfi.r128.I"])), _decibel(peak))


def normalise(pcm: Pcm, *, lufs: float = SPEECH_LUFS, ceiling_dbtp: float = CEILING_DBTP) -> Pcm:
    """The same sound at a loudness, by one linear gain; only peaks above the ceiling are limited. Silence stays silence.

    One-pass `loudnorm` is not used: its gain moves, it pumps sirens and chimes, and it is slower (research/audio §2.2).
    """
    was = measure(pcm)
    if was.lufs <= _SILENCE_LUFS:
        return pcm
    gain_db = min(lufs - was.lufs, _MOST_GAIN_DB)
    if was.peak_dbtp + gain_db <= ceiling_dbtp:
        return pcm.gain(gain_db)
    limited = _limited(pcm, gain_db, ceiling_dbtp)
    lost_db = was.lufs + gain_db - measure(limited).lufs  # what the limiter took; given back once
    return _limited(pcm, gain_db + lost_db, ceiling_dbtp)


def _limited(pcm: Pcm, gain_db: float, ceiling_dbtp: float) -> Pcm:
    limit = 10 ** ((ceiling_dbtp - _LIMITER_ROOM_DB) / 20)
    limiter = ("alimiter", f"limit={limit:.5f}:attack=5:release=50:level=0:latency=1")
    out = bytearray()
    for frame in _filtered(pcm.data, ("volume", f"volume={gain_db:.3f}dB:precision=double"), limiter):
        out += samples_of(frame)
    return Pcm(bytes(out[: len(pcm.data)]).ljust(len(pcm.data), b"\0"))


def _container_of(data: bytes) -> str:
    if data[:4] == b"OggS" and b"OpusHead" in data[:64]:
        return "ogg"
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    raise UnsupportedAudio("the file is neither Ogg Opus nor WAV")


def _only_stream(file: InputContainer, container: str) -> AudioStream:
    if len(file.streams) != 1 or not file.streams.audio:
        raise UnsupportedAudio("the file must hold one sound and nothing else")
    stream = file.streams.audio[0]
    context = stream.codec_context
    if context.name.removeprefix("lib") not in _CONTAINERS[container]:
        raise UnsupportedAudio(f"the sound is coded as {context.name}")
    if context.channels > MAX_CHANNELS:
        raise UnsupportedAudio(f"{context.channels} channels; the limit is {MAX_CHANNELS}")
    return stream


def _read(file: InputContainer, stream: AudioStream, max_ms: int) -> Pcm:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    out = bytearray()

    def take(frame: AudioFrame | None) -> None:
        for piece in resampler.resample(frame):
            out.extend(samples_of(piece))
        if len(out) > max_ms * SAMPLES_PER_MS * SAMPLE_BYTES:
            raise AudioTooLong(max_ms)

    for frame in file.decode(stream):
        take(frame)
    if out:
        take(None)
    return Pcm(bytes(out))


def _filtered(data: bytes, *filters: tuple[str, str]) -> Iterator[AudioFrame]:
    """Samples through a chain of libav filters, out as s16 mono again."""
    graph = av.filter.Graph()
    nodes = [graph.add_abuffer(sample_rate=RATE_HZ, format="s16", layout="mono")]
    nodes += [graph.add(name, arguments) for name, arguments in filters]
    nodes += [graph.add("aformat", "sample_fmts=s16:channel_layouts=mono"), graph.add("abuffersink")]
    graph.link_nodes(*nodes).configure()
    for frame in chain(_frames(data, RATE_HZ), (None,)):
        graph.push(frame)
        with suppress(av.BlockingIOError, av.EOFError):
            while True:
                pulled = graph.pull()
                if isinstance(pulled, AudioFrame):
                    yield pulled


def _frames(data: bytes, rate_hz: int) -> Iterator[AudioFrame]:
    step = _CHUNK_SAMPLES * SAMPLE_BYTES
    for start in range(0, len(data), step):
        chunk = data[start : start + step]
        frame = AudioFrame(format="s16", layout="mono", samples=len(chunk) // SAMPLE_BYTES)
        frame.planes[0].update(chunk)
        frame.sample_rate = rate_hz
        frame.pts = start // SAMPLE_BYTES
        yield frame


def samples_of(frame: AudioFrame) -> bytes:
    """The samples of a mono s16 frame."""
    return bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES]  # a plane may be padded


def _decibel(peak: float) -> float:
    return 20 * math.log10(peak) if peak > 0 else -120.0
