"""Where live sound comes from, each in a worker process: a sound card, a network radio over HTTP, an RTP stream.

What comes over the network is hostile. libav never opens an address: HTTP is spoken here (no redirects, one host, plain time-outs)
and libav gets bytes of a container that was chosen by the answer's content type; RTP is taken apart here.
"""

import http.client
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from audio_assets.pcm import FRAME_SAMPLES, RATE_HZ, SAMPLE_BYTES

SILENT_S = 5.0  # a network source that says nothing for so long is gone
CONTAINERS = {  # content type to libav's name of the container, and the codecs that may be in it
    "audio/mpeg": ("mp3", "mp3,mp3float"),
    "audio/mp3": ("mp3", "mp3,mp3float"),
    "audio/aac": ("aac", "aac"),
    "audio/aacp": ("aac", "aac"),
    "audio/ogg": ("ogg", "opus,libopus,vorbis"),
    "application/ogg": ("ogg", "opus,libopus,vorbis"),
    "audio/opus": ("ogg", "opus,libopus"),
}
RTP_CODECS = {  # codec to libav's name, and the rate of its clock
    "pcmu": ("pcm_mulaw", 8_000),
    "pcma": ("pcm_alaw", 8_000),
    "l16": ("pcm_s16be", 44_100),
    "opus": ("libopus", 48_000),
}
RTP_STATIC = {0: "pcmu", 8: "pcma", 11: "l16"}  # RFC 3551 §6
MAX_URL = 500

Piece = tuple[bytes, int]
"""Samples (mono s16le, 48 kHz), and the time in microseconds at which the last of them was there."""


class NoInput(Exception):
    """There is no such source, or it stopped; the sentence says why."""


class Input(Protocol):
    """A source. `paced`: its pieces come in real time; of others there may come a minute at once."""

    paced: bool

    def pieces(self) -> Iterator[Piece]:
        """:raises NoInput: it can't be opened, or has ended."""
        ...


def now_us() -> int:
    return time.time_ns() // 1_000


def open_input(spec: str) -> Input:
    """`card`, `card:DEVICE`, `http://…`, `https://…`, `rtp://host:port?codec=opus`.

    :raises NoInput: none of these.
    """
    if spec == "card" or spec.startswith("card:"):
        return CardInput(spec.partition(":")[2])
    parts = urlsplit(spec) if len(spec) <= MAX_URL else urlsplit("")
    try:
        port = parts.port
    except ValueError:
        raise NoInput(f"{spec!r} has no port that is one") from None
    if parts.scheme in ("http", "https") and parts.hostname:
        return HttpInput(spec)
    if parts.scheme == "rtp" and parts.hostname and port:
        return RtpInput(parts.hostname, port, (parse_qs(parts.query).get("codec") or [""])[0])
    raise NoInput(f"a source is card[:DEVICE], http(s)://… or rtp://host:port?codec=…, not {spec!r}")


# ---- a sound card -----------------------------------------------------------------------------------------------------------


class CardInput:
    """A microphone or line input. Blocking reads of 20 ms; callback mode runs away on ALSA's null device.

    :param device: its name, or a part of it; empty is the system's default.
    """

    paced = True

    def __init__(self, device: str) -> None:
        self._device = device

    def pieces(self) -> Iterator[Piece]:
        try:
            import pyaudio  # noqa: PLC0415 an extra
        except ImportError:
            raise NoInput("PyAudio is not installed; install lianbo[sound]") from None
        card = pyaudio.PyAudio()
        try:
            stream = card.open(
                rate=RATE_HZ,
                channels=1,
                format=pyaudio.paInt16,
                input=True,
                input_device_index=self._index(card),
                frames_per_buffer=FRAME_SAMPLES,
            )
            with closing(stream):
                while True:
                    data = stream.read(FRAME_SAMPLES, exception_on_overflow=False)
                    waiting = min(stream.get_read_available(), RATE_HZ)
                    yield data, now_us() - waiting * 1_000_000 // RATE_HZ
        except OSError as err:
            raise NoInput(f"the sound card {self._device} gives nothing: {err}") from err
        finally:
            card.terminate()

    def _index(self, card: Any) -> int | None:
        if not self._device:
            return None
        names = _inputs(card)
        for match in (lambda name: name == self._device, lambda name: self._device in name):
            for index, name in names.items():
                if match(name):
                    return index
        raise NoInput(f"there is no sound card {self._device!r}; there are: {', '.join(names.values()) or 'none'}")


def card_names() -> list[str]:
    """The inputs of this machine's sound cards. :raises NoInput: nobody can say."""
    try:
        import pyaudio  # noqa: PLC0415 an extra
    except ImportError:
        raise NoInput("PyAudio is not installed; install lianbo[sound]") from None
    card = pyaudio.PyAudio()
    try:
        return list(_inputs(card).values())
    finally:
        card.terminate()


def _inputs(card: Any) -> dict[int, str]:
    facts = [card.get_device_info_by_index(index) for index in range(card.get_device_count())]
    return {int(one["index"]): str(one["name"]) for one in facts if one["maxInputChannels"]}


# ---- HTTP -------------------------------------------------------------------------------------------------------------------


class HttpInput:
    """A network radio (Icecast, or any server that answers with sound without end)."""

    paced = False

    def __init__(self, url: str) -> None:
        self._url = url

    def pieces(self) -> Iterator[Piece]:
        parts = urlsplit(self._url)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=SILENT_S, context=context)
        else:
            connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=SILENT_S)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with closing(connection):
            try:
                connection.request("GET", path, headers={"User-Agent": "lianbo", "Accept": ", ".join(CONTAINERS)})
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException) as err:
                raise NoInput(f"{parts.hostname} does not answer: {err}") from err
            if answer.status != http.client.OK:  # a redirect too: it could lead anywhere
                raise NoInput(f"{parts.hostname} answers {answer.status}")
            kind = answer.getheader("Content-Type", "").partition(";")[0].strip().lower()
            if kind not in CONTAINERS:
                raise NoInput(f"{parts.hostname} sends {kind or 'something without a type'}, no sound that we take")
            yield from decoded(_Body(answer), *CONTAINERS[kind])


class _Body:
    """What libav reads from: it has no `seek`, so that it can't go back."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer

    def read(self, size: int) -> bytes:
        try:
            return self._answer.read1(size)
        except (OSError, http.client.HTTPException):
            return b""


def decoded(body: Any, container: str, codecs: str) -> Iterator[Piece]:
    """The samples of one container. :raises NoInput: it holds something else, or has ended."""
    options = {"format_whitelist": container, "codec_whitelist": codecs, "probesize": "32768"}
    options |= {"analyzeduration": "500000"}
    try:
        with av.open(body, "r", format=container, options=options) as file:
            if not file.streams.audio:
                raise NoInput("there is no sound in it")
            resampled = resampler()
            for frame in file.decode(file.streams.audio[0]):
                yield resampled(frame), now_us()
    except (av.FFmpegError, ValueError) as err:
        raise NoInput(f"what comes is no {container}: {err}") from err
    raise NoInput("the source has ended")


def resampler() -> Callable[[AudioFrame], bytes]:
    """Frames of any rate and layout to ours."""
    to_ours = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)

    def resample(frame: AudioFrame) -> bytes:
        pieces = to_ours.resample(frame)
        return b"".join(bytes(piece.planes[0])[: piece.samples * SAMPLE_BYTES] for piece in pieces)

    return resample


# ---- RTP --------------------------------------------------------------------------------------------------------------------

_RTP = struct.Struct(">BBHII")
_REORDER = 4


class RtpInput:
    """An RTP stream, unicast or multicast, as studio gear and codecs send it (RFC 3550, 3551, 7587).

    :param host: the address to listen on: ours, or a multicast group.
    :param codec: of RTP_CODECS; empty goes by the payload type.
    """

    paced = True

    def __init__(self, host: str, port: int, codec: str) -> None:
        if codec and codec not in RTP_CODECS:
            raise NoInput(f"there is no codec {codec!r} for RTP; there are: {', '.join(RTP_CODECS)}")
        self._host, self._port, self._codec = host, port, codec

    def pieces(self) -> Iterator[Piece]:
        with self._socket() as sock:
            waiting: dict[int, tuple[int, bytes]] = {}
            due: int | None = None
            decode: Callable[[bytes], bytes] | None = None
            while True:
                try:
                    data = sock.recv(2_048)
                except OSError as err:
                    raise NoInput(f"nothing comes on port {self._port}: {err}") from err
                packet = parse_rtp(data)
                if packet is None:
                    continue
                kind, seq, payload = packet
                due = seq if due is None else due
                if (seq - due) & 0xFFFF < 0x8000:
                    waiting[seq] = kind, payload
                while waiting and (due in waiting or len(waiting) > _REORDER):
                    due = due if due in waiting else min(waiting, key=lambda one: (one - seq - 0x8000) & 0xFFFF)
                    kind, payload = waiting.pop(due)
                    due = (due + 1) & 0xFFFF
                    decode = decode or self._decoder(kind)
                    if samples := decode(payload):
                        yield samples, now_us()

    def _socket(self) -> socket.socket:
        try:
            family, _, _, _, address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
            sock = socket.socket(family, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.settimeout(SILENT_S)
            sock.bind(address)
            if family == socket.AF_INET and 224 <= int(str(address[0]).split(".")[0]) < 240:
                group = socket.inet_aton(str(address[0])) + socket.inet_aton("0.0.0.0")  # noqa: S104 any interface
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        except OSError as err:
            raise NoInput(f"can't listen on {self._host}:{self._port}: {err}") from err
        return sock

    def _decoder(self, kind: int) -> Callable[[bytes], bytes]:
        name = self._codec or RTP_STATIC.get(kind, "")
        if not name:
            raise NoInput(f"RTP payload type {kind}: name the codec in the address, ?codec=opus")
        codec, rate_hz = RTP_CODECS[name]
        context = av.CodecContext.create(codec, "r")
        if not isinstance(context, AudioCodecContext):
            raise NoInput(f"{codec} is not there")
        context.sample_rate, context.layout = rate_hz, "mono"
        context.open()
        resample = resampler()

        def decode(payload: bytes) -> bytes:
            try:
                return b"".join(resample(frame) for frame in context.decode(av.Packet(payload)))
            except av.FFmpegError:
                return b""

        return decode


def parse_rtp(data: bytes) -> tuple[int, int, bytes] | None:
    """Payload type, sequence number and payload; None for what is no RTP packet with something in it."""
    if len(data) < _RTP.size:
        return None
    first, second, seq, _, _ = _RTP.unpack_from(data)
    if first >> 6 != 2:
        return None
    at = _RTP.size + 4 * (first & 0x0F)
    if first & 0x10:
        if len(data) < at + 4:
            return None
        at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
    end = len(data) - (data[-1] if first & 0x20 else 0)
    return (second & 0x7F, seq, data[at:end]) if at < end else None
