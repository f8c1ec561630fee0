"""Live sound on the wire: signed packets of 20 ms Opus frames, and the signed head that says whose stream they are. No I/O.

Topics, both of QoS 0: packets on `ROOT/live/STREAM`, the head retained on `ROOT/live/STREAM/head`, STREAM as 8 hexadecimal
digits. The head is a COSE_Sign1 (Message.STREAM). A packet is binary, all numbers big-endian, 83 bytes beside its sound:

    version 1 · flags 1 · stream u32 · seq u32 · media_time u64 µs · n u8 · n × (length u8 · Opus) · signature 64

The signature is over `lianbo/1/live/packet` or `lianbo/1/exercise/packet`, one zero byte, and all that stands before it: no
packet of an exercise is heard as live, and nothing else that is signed begins like that (a COSE structure begins with 84). The
key is the head's, so a packet need not name it.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from endpoints import canonical
from endpoints.fields import BadMessage, Fields, is_order_id, unpack
from endpoints.orders import MAX_STREAM, Order
from endpoints.sealing import Message, NotAuthentic, Opened, Signer, TrustedKey, seal, verify
from endpoints.shelf import Trust
from endpoints.vocabulary import Reason

VERSION = 1
LAST, SILENCE = 1, 2  # flags: nothing follows; the source is well and says nothing
MAX_FLAGS = LAST | SILENCE
FRAME_US = 20_000
MAX_FRAMES = 15
MAX_FRAME_BYTES = 255  # 102 kbit/s
MAX_SEQ = 2**32 - 1
MAX_US = 2**53 - 1
MAX_DELAY_MS = 5_000
WINDOW_US = 5_000_000  # a packet whose time is further from the server's is a replay, or of a clock that is wrong
SIGNATURE_BYTES = 64
MAX_HEAD_BYTES = 512
RATE_HZ = 48_000

_HEADER = struct.Struct(">BBIIQB")
_LEAST_BYTES = _HEADER.size + SIGNATURE_BYTES
MAX_PACKET_BYTES = _LEAST_BYTES + MAX_FRAMES * (1 + MAX_FRAME_BYTES)
_CONTEXT = {exercise: f"lianbo/1/{mode}/packet\0".encode() for exercise, mode in ((False, "live"), (True, "exercise"))}


class Codec(IntEnum):
    """How the frames are coded."""

    OPUS = 1  # RFC 6716, one packet of 20 ms, mono


def live_topic(root: str, stream: int) -> str:
    return f"{root}/live/{stream:08x}"


def head_topic(root: str, stream: int) -> str:
    return f"{live_topic(root, stream)}/head"


# ---- packets --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Packet:
    """A piece of a stream.

    :param seq: counts from 0 in each run of a stream.
    :param media_us: the server's time when the first sample of the first frame was captured.
    :param frames: of 20 ms each, one after another without a gap.
    """

    stream: int
    seq: int
    media_us: int
    frames: tuple[bytes, ...]
    flags: int = 0

    @property
    def end_us(self) -> int:
        return self.media_us + len(self.frames) * FRAME_US

    @property
    def is_last(self) -> bool:
        return bool(self.flags & LAST)


def seal_packet(packet: Packet, *, exercise: bool, signer: Signer) -> bytes:
    """:raises BadMessage: for what a speaker would not read."""
    body = _body(packet)
    _read(body)
    return body + signer.sign(_CONTEXT[exercise] + body)


def open_packet(data: bytes, *, exercise: bool, key: TrustedKey) -> Packet:
    """A packet that this key signed in this mode; not one byte of it is looked at before.

    :raises NotAuthentic: it did not. :raises BadMessage: too short or too long, or signed and not as specified.
    """
    if not _LEAST_BYTES < len(data) <= MAX_PACKET_BYTES:
        raise BadMessage("packet", f"{len(data)} bytes")
    body, signature = data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
    if key.exercise is not exercise:
        raise NotAuthentic("an exercise key outside an exercise, or the reverse")
    if not verify(key.algorithm, key.public, _CONTEXT[exercise] + body, signature):
        raise NotAuthentic("the signature of the packet does not fit")
    return _read(body)


def _body(packet: Packet) -> bytes:
    try:
        head = _HEADER.pack(VERSION, packet.flags, packet.stream, packet.seq, packet.media_us, len(packet.frames))
        return head + b"".join(len(frame).to_bytes(1, "big") + frame for frame in packet.frames)
    except (struct.error, OverflowError) as err:
        raise BadMessage("packet", str(err)) from err


def _read(body: bytes) -> Packet:
    version, flags, stream, seq, media_us, count = _HEADER.unpack_from(body)
    if version != VERSION:
        raise BadMessage("packet.version", f"{version}")
    if flags > MAX_FLAGS:
        raise BadMessage("packet.flags", f"{flags}")
    if not stream:
        raise BadMessage("packet.stream", "0 is no stream")
    if media_us > MAX_US - MAX_FRAMES * FRAME_US:
        raise BadMessage("packet.media_time", f"{media_us}")
    if not 0 < count <= MAX_FRAMES:
        raise BadMessage("packet.n", f"{count} frames")
    frames, at = [], _HEADER.size
    for _ in range(count):
        size = body[at] if at < len(body) else 0
        frame = body[at + 1 : at + 1 + size]
        if not size or len(frame) != size:
            raise BadMessage("packet.frames", "an empty frame, or one that is cut off")
        frames.append(frame)
        at += 1 + size
    if at != len(body):
        raise BadMessage("packet", "something follows the last frame")
    return Packet(stream, seq, media_us, tuple(frames), flags)


# ---- the head -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamHead:
    """What a speaker has to know before it can play a stream.

    :param frames: how many stand in a packet, as a rule.
    :param delay_ms: a frame leaves every loudspeaker so long after it was captured.
    :param started_us, epoch: of this run; a stream that is begun again counts `seq` anew.
    :param revision: grows when something of it changes in the middle.
    :param ended: nothing more will come.
    """

    order: str
    stream: int
    frames: int
    delay_ms: int
    started_us: int
    epoch: int
    revision: int = 1
    ended: bool = False

    @property
    def run(self) -> tuple[int, int]:
        """Later runs are higher."""
        return self.epoch, self.started_us


def encode_head(head: StreamHead) -> bytes:
    """:raises BadMessage: for what a speaker would not read."""
    payload = canonical.encode(
        {
            1: head.order,
            2: head.stream,
            3: int(Codec.OPUS),
            4: RATE_HZ,
            5: 1,
            6: FRAME_US // 1_000,
            7: head.frames,
            8: head.delay_ms,
            9: head.started_us,
            10: head.epoch,
            11: head.revision,
            12: head.ended,
        }
    )
    decode_head(payload)
    return payload


def decode_head(payload: bytes) -> StreamHead:
    """:raises BadMessage: not as specified, or a sound that this version does not play."""
    read = Fields.of("stream", unpack("stream", payload, MAX_HEAD_BYTES), 12)
    read.enum(3, "codec", Codec)
    read.uint(4, "rate_hz", RATE_HZ, low=RATE_HZ)
    read.uint(5, "channels", 1, low=1)
    read.uint(6, "frame_ms", FRAME_US // 1_000, low=FRAME_US // 1_000)
    return StreamHead(
        order=read.text(1, "order", is_order_id),
        stream=read.uint(2, "stream", MAX_STREAM, low=1),
        frames=read.uint(7, "frames", MAX_FRAMES, low=1),
        delay_ms=read.uint(8, "delay_ms", MAX_DELAY_MS),
        started_us=read.uint(9, "started_us", MAX_US),
        epoch=read.uint(10, "epoch"),
        revision=read.uint(11, "revision", low=1),
        ended=read.flag(12, "ended"),
    )


def seal_head(head: StreamHead, *, exercise: bool, signer: Signer) -> bytes:
    return seal(encode_head(head), Message.STREAM, exercise=exercise, signer=signer)


# ---- what a speaker believes ------------------------------------------------------------------------------------------------


class Foreign(NotAuthentic):
    """Signed well, and not for this: another stream or order, a key that may not give the order, a time that is not now."""


class StreamGuard:
    """What one speaker believes of one stream: a head by a key that may give the order, then packets of that very key.

    :param order: as it stands on the speaker's board.
    :param area: where the speaker stands.
    """

    def __init__(self, order: Order, trust: Trust, *, area: str) -> None:
        self._order, self._trust, self._area = order, trust, area
        self._key: TrustedKey | None = None
        self.head: StreamHead | None = None

    def hear_head(self, frame: bytes, now_us: int) -> bool:
        """Whether it says something new.

        :raises NotAuthentic, BadMessage: it is not believed; what was known stays.
        """
        opened = self._trust.open(frame, Message.STREAM, exercise=self._order.exercise)
        head = decode_head(opened.payload)
        self._must_speak_of_it(opened, head, now_us)
        known = self.head
        if known is not None and (head.run, head.revision) <= (known.run, known.revision):
            return False
        self.head, self._key = head, opened.key
        return True

    def _must_speak_of_it(self, opened: Opened, head: StreamHead, now_us: int) -> None:
        if (head.stream, head.order) != (self._order.stream, self._order.id):
            raise Foreign("the head of another stream")
        objection = opened.key.objection(self._order, now_ms=now_us // 1_000, listener_area=self._area)
        if objection is not Reason.NONE:
            raise Foreign(f"the head's key may not give the order: {objection.name}")
        if head.started_us > now_us + WINDOW_US:
            raise Foreign("a stream that begins later")

    def hear_packet(self, data: bytes, now_us: int) -> Packet:
        """:raises NotAuthentic, BadMessage: it is not believed, or comes before the head."""
        if self._key is None or self.head is None:
            raise Foreign("a packet before its head")
        packet = open_packet(data, exercise=self._order.exercise, key=self._key)
        if packet.stream != self.head.stream:
            raise Foreign("a packet of another stream")
        if abs(packet.media_us - now_us) > WINDOW_US:
            raise Foreign("a packet of another time")
        if packet.media_us < self.head.started_us:
            raise Foreign("a packet of an earlier run")
        return packet
