"""An uploaded file as a stream of samples: opened with the one demuxer of its container, decoded within limits.

Runs in the child of `sandbox` only. No protocol of libav is ever used: it reads through our file object, and whatever a file
asks to have opened besides (a playlist's parts, an external reference of QuickTime) is refused here before anything looks for it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, NoReturn

import av
import av.filter
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.stream import Disposition

from audio_assets.containers import OGG, WAV, NoSound, recognise
from audio_assets.intake import MOST_SPANS, Limits, Refusal, Refused
from audio_assets.pcm import RATE_HZ

MOST_CHANNELS = 6  # 5.1; PyAV 18 reads beyond the planes of a frame that has eight of them
LOWEST_HZ, HIGHEST_HZ = 6_000, 192_000
MOST_CHANGES = 32  # of rate or channels within one file: two recordings joined are no attack
MOST_STREAMS = 16
STEP_SAMPLES = 4_800  # 100 ms of ours
_TOLERATED_ERRORS = 5  # a file cut out of another begins and ends with half a frame
_TOLERATED_SHARE = 0.005  # of the packets
_MOST_CHUNKS = 64  # of a WAV, before its samples
_LOOK_EVERY = 64  # packets between two looks at the clock
_MISSING_MS, _MISSING_SHARE = 150, 0.002  # an encoder's padding is less
_UNKNOWN_BYTES = 0x7FFF_0000  # a recorder that never came back to write the size

av.logging.set_level(None)


class Source:
    """One file, to be read through as often as needed.

    :raises Refused: it holds no sound that is taken.
    """

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file, self._limits = file, limits
        if file.seek(0, 2) == 0:
            raise Refused(Refusal.EMPTY)
        try:
            self.container = recognise(file)
        except NoSound as err:
            code = Refusal.VIDEO if err.looks_like == "video" else Refusal.NOT_A_SOUND
            raise Refused(code, looks_like=err.looks_like) from err
        self.codec, self.channels, self.rate_hz, self.picture = "", 0, 0, False
        self.duration_ms = 0  # as decoded, once it was read to its end
        self.changes = 0

    def frames(self) -> Iterator[AudioFrame]:
        """Every decoded frame, in its own format and rate.

        :raises Refused: it is damaged, cut off, or beyond a limit.
        """
        with _in_our_words(), self._opened() as container:
            stream = self._only_sound(container)
            declared_ms = self._declared_ms(container)
            if declared_ms > self._limits.duration_ms + 1_000:
                raise Refused(Refusal.TOO_LONG, most_ms=self._limits.duration_ms)
            yield from self._decoded(container, stream)
            if self.duration_ms == 0:
                raise Refused(Refusal.EMPTY)
            self._must_be_whole(declared_ms)

    def _opened(self) -> InputContainer:
        self._file.seek(0)
        options = {
            "format_whitelist": self.container.demuxer,
            "codec_whitelist": ",".join(self.container.codecs),  # covers are not decoded, not even to be looked at
            "protocol_whitelist": "none",
            "max_streams": str(MOST_STREAMS),
            "enable_drefs": "0",
        }
        demuxer = self.container.demuxer
        return av.open(
            self._file, "r", format=demuxer, options=options, io_open=_open_nothing, metadata_errors="replace"
        )

    def _only_sound(self, container: InputContainer) -> AudioStream:
        pictures = [one for one in container.streams.video if one.disposition & Disposition.attached_pic]
        if len(container.streams.video) > len(pictures):
            raise Refused(Refusal.VIDEO, looks_like="video")
        if not container.streams.audio:
            raise Refused(Refusal.EMPTY)
        if len(container.streams.audio) > 1:
            raise Refused(Refusal.SEVERAL_SOUNDS, streams=len(container.streams.audio))
        stream, self.picture = container.streams.audio[0], bool(pictures)
        context = stream.codec_context
        self.codec = (
            context.name if context is not None else "unknown"
        )  # PyAV's stub knows of no stream without a decoder
        if context is None or context.name not in self.container.codecs:
            raise Refused(Refusal.CODEC, container=self.container.name, codec=self.codec)
        self._must_be_audible(context.channels, context.sample_rate)
        context.thread_count = 1
        for other in container.streams:
            if other is not stream:
                with suppress(AttributeError, ValueError):
                    other.discard = type(other.discard).all
        return stream

    def _must_be_audible(self, channels: int, rate_hz: int) -> None:
        if not 1 <= channels <= MOST_CHANNELS:
            raise Refused(Refusal.CHANNELS, channels=channels, most=MOST_CHANNELS)
        if not LOWEST_HZ <= rate_hz <= HIGHEST_HZ:
            raise Refused(Refusal.RATE, rate_hz=rate_hz, least=LOWEST_HZ, most=HIGHEST_HZ)
        self.channels, self.rate_hz = channels, rate_hz

    def _decoded(self, container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
        samples, seconds, form = 0, 0.0, None
        self.changes = 0
        for frame in self._checked_packets(container, stream):
            channels = frame.layout.nb_channels
            if form != (form := (frame.format.name, frame.layout.name, frame.sample_rate)):
                self._must_be_audible(channels, frame.sample_rate)
                self.changes += 1
                if self.changes > MOST_CHANGES:
                    raise Refused(Refusal.CHANGES)
            samples += frame.samples * channels
            seconds += frame.samples / frame.sample_rate
            if seconds * 1000 > self._limits.duration_ms + 1_000:
                raise Refused(Refusal.TOO_LONG, most_ms=self._limits.duration_ms)
            if samples > self._limits.samples:
                raise Refused(Refusal.TOO_LARGE, most_bytes=self._limits.samples * 2)
            self.duration_ms = round(seconds * 1000)
            yield frame

    def _checked_packets(self, container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
        """What can't be decoded is counted with its place; a little of it is passed over."""
        packets, bad, spans = 0, 0, list[tuple[int, int]]()
        self.duration_ms = 0
        for packet in container.demux(stream):
            packets += 1
            if packets % _LOOK_EVERY == 1 and time.process_time() > self._limits.cpu_s:
                raise Refused(Refusal.TOO_SLOW, within_s=self._limits.cpu_s)
            try:
                decoded = packet.decode()
            except (av.InvalidDataError, av.ArgumentError, av.EOFError):
                if packet.size == 0:  # the flush at the end
                    continue
                bad += 1
                if len(spans) < MOST_SPANS:
                    spans.append((self.duration_ms, self.duration_ms))
                if bad > 1_000:
                    break
                continue
            yield from decoded
        if bad > _TOLERATED_ERRORS or (bad > 1 and bad > packets * _TOLERATED_SHARE and bad > 2):
            raise Refused(Refusal.DAMAGED, spans=spans)

    def _declared_ms(self, container: InputContainer) -> int:
        """What the file's head says of its length; 0 where it says nothing that can be relied on."""
        known = self.container.tells_its_length or self._has_frame_count()
        return (container.duration or 0) * 1000 // av.time_base if known else 0

    def _wav_excess(self) -> int:
        """How much longer the samples are by the head of a WAV than the file is, in millionths; libav goes by the file."""
        before = self._file.tell()
        try:
            at, size = 12, self._file.seek(0, 2)
            for _ in range(_MOST_CHUNKS):
                self._file.seek(at)
                head = self._file.read(8)
                if len(head) < 8:
                    break
                length = int.from_bytes(head[4:], "little")
                if head[:4] == b"data":
                    here = max(1, size - at - 8)
                    return 1_000_000 * length // here if here < length < _UNKNOWN_BYTES else 1_000_000
                at += 8 + length + length % 2
            return 1_000_000
        finally:
            self._file.seek(before)

    def _has_frame_count(self) -> bool:
        """Whether an MP3 begins with the frame that counts the others (Xing's, or LAME's "Info")."""
        if self.container.name != "mp3":
            return False
        at = self._file.tell()
        try:
            self._file.seek(0)
            head = self._file.read(10)
            skip = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) if head[:3] == b"ID3" else 0
            self._file.seek(skip)
            start = self._file.read(2048)
            return b"Xing" in start or b"Info" in start
        finally:
            self._file.seek(at)

    def _must_be_whole(self, declared_ms: int) -> None:
        if self.container is WAV:
            declared_ms = self.duration_ms * self._wav_excess() // 1_000_000
        missing_ms = declared_ms - self.duration_ms
        if missing_ms > max(_MISSING_MS, declared_ms * _MISSING_SHARE) or (
            self.container is OGG and self._ends_midway()
        ):
            raise Refused(Refusal.CUT_OFF, expected_ms=declared_ms, duration_ms=self.duration_ms)

    def _ends_midway(self) -> bool:
        """Whether the last page of an Ogg file lacks a part of what it announces (RFC 3533 §6)."""
        size = self._file.seek(0, 2)
        start = max(0, size - 70_000)  # a page is at most 65,307 bytes
        self._file.seek(start)
        tail = self._file.read()
        at = tail.rfind(b"OggS")
        if at < 0 or len(tail) < at + 27:
            return True
        segments = tail[at + 26]
        table = tail[at + 27 : at + 27 + segments]
        return len(table) < segments or len(tail) < at + 27 + segments + sum(table)


def mono(frames: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
    """One channel of float samples at our rate, STEP_SAMPLES at a time; only the last frame is shorter."""
    form, graph = None, None
    for frame in frames:
        if form != (form := (frame.format.name, frame.layout.name, frame.sample_rate)):
            if graph is not None:
                yield from pulled(graph, None)
            graph = _to_mono(frame)
        frame.pts = None
        yield from pulled(graph, frame)
    if graph is not None:
        yield from pulled(graph, None)


def _to_mono(frame: AudioFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    graph.threads = 1
    try:
        nodes = [
            graph.add_abuffer(sample_rate=frame.sample_rate, format=frame.format.name, layout=frame.layout.name),
            graph.add("aformat", f"sample_fmts=flt:channel_layouts=mono:sample_rates={RATE_HZ}"),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(*nodes).configure()
    except (av.FFmpegError, ValueError) as err:  # a layout that nobody knows how to mix
        raise Refused(Refusal.CHANNELS, channels=frame.layout.nb_channels, most=MOST_CHANNELS) from err
    graph.set_audio_frame_size(STEP_SAMPLES)
    return graph


def chain(*filters: tuple[str, str], ends_as: str = "flt", step: int = STEP_SAMPLES) -> av.filter.Graph:
    """Filters on what `mono` gives."""
    graph = av.filter.Graph()
    graph.threads = 1
    nodes = [graph.add_abuffer(sample_rate=RATE_HZ, format="flt", layout="mono")]
    nodes += [graph.add(name, arguments) for name, arguments in filters]
    nodes += [graph.add("aformat", f"sample_fmts={ends_as}:channel_layouts=mono"), graph.add("abuffersink")]
    graph.link_nodes(*nodes).configure()
    graph.set_audio_frame_size(step)
    return graph


def pulled(graph: av.filter.Graph | None, frame: AudioFrame | None) -> Iterator[AudioFrame]:
    """What comes out when this goes in; None goes in last."""
    if graph is None:
        return
    graph.push(frame)
    with suppress(av.BlockingIOError, av.EOFError):
        while True:
            out = graph.pull()
            if isinstance(out, AudioFrame):
                yield out


def _open_nothing(url: str, flags: int, options: dict[str, Any]) -> NoReturn:
    """The file wants another one opened."""
    raise Refused(Refusal.NOT_A_SOUND, looks_like="playlist")


@contextmanager
def _in_our_words() -> Iterator[None]:
    """libav's errors as refusals."""
    try:
        yield
    except MemoryError as err:
        raise Refused(Refusal.MEMORY) from err
    except (av.DecoderNotFoundError, av.PatchWelcomeError) as err:
        raise Refused(Refusal.CODEC, container="", codec="") from err
    except (av.FFmpegError, av.EOFError, ValueError, OverflowError) as err:
        raise Refused(Refusal.DAMAGED, spans=[]) from err
