"""A hostile broker: it stands between the real one and the speakers, and does with their frames what it likes.

A TCP proxy that knows as much MQTT as that needs. What the server publishes it records, holds back, lets go in another order, loses
for good and repeats; between, it sends frames of its own making. It can't sign. What it let through of each board is known, so a
test can say what a speaker may sound: an order on the newest board of the server that it was given, and nothing else.
"""

import asyncio
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from bench.generator import packet, text
from endpoints.fields import BadMessage
from endpoints.protocol import EXERCISE_ROOT, Board, board_topic, decode_board, root_of
from endpoints.sealing import Message, NotAuthentic, TrustStore

CONNECT, PUBLISH, PUBACK = 0x10, 0x30, 0x40
IN_TRANSIT_S = 1.0  # from our socket to the speaker's decision, on a busy machine


@dataclass(frozen=True)
class Frame:
    """Something that came from the real broker.

    :param board: what it says, if the server signed it and it is a board.
    """

    topic: str
    payload: bytes
    board: Board | None = field(compare=False)


@dataclass
class Given:
    """What one speaker was given of one board: versions and the orders on them, and when."""

    newest: tuple[int, int] = (0, -1)
    orders: list[tuple[float, frozenset[str]]] = field(default_factory=list)

    def take(self, board: Board) -> None:
        if (board.epoch, board.version) > self.newest:
            self.newest = (board.epoch, board.version)
            self.orders.append((time.monotonic(), frozenset(one.id for one in board.orders)))

    def may_sound(self, order: str) -> bool:
        """It stands on the newest, or did until a moment ago."""
        stood = [(at, orders) for at, orders in self.orders if at > time.monotonic() - IN_TRANSIT_S]
        return any(order in orders for _, orders in (*self.orders[-1:], *stood, *self._before(stood)))

    def _before(self, stood: list[tuple[float, frozenset[str]]]) -> list[tuple[float, frozenset[str]]]:
        return self.orders[-len(stood) - 1 : -len(stood)] if stood else []


class HostileBroker:
    """Honest until `hostile` is set.

    :param trust: the server's own keys.
    """

    def __init__(self, host: str, port: int, *, trust: TrustStore, random: Random) -> None:
        self._host, self._broker_port, self._trust, self._random = host, port, trust, random
        self.port = 0
        self.hostile = False
        self.forge: Callable[[str], tuple[str, bytes]] | None = None  # makes a topic and a frame for a speaker
        self.seen: list[Frame] = []
        self._known: dict[bytes, Frame] = {}
        self.given: dict[str, dict[str, Given]] = defaultdict(lambda: defaultdict(Given))
        self.done = {"passed": 0, "held": 0, "lost": 0, "repeated": 0, "forged": 0}
        self._lines: dict[str, asyncio.StreamWriter] = {}
        self._pool: list[tuple[str, bytes, Frame]] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Every connection breaks, as when another broker takes the place of this one."""
        for line in list(self._lines.values()):
            line.transport.abort()

    @property
    def speakers(self) -> list[str]:
        return list(self._lines)

    def may_sound(self, speaker: str, order: str, boards: Iterable[str]) -> bool:
        """:param boards: the topics of those that it follows."""
        return any(self.given[speaker][board].may_sound(order) for board in boards)

    # ---- what it does of its own accord -----------------------------------------------------------------------------------

    def act(self) -> None:
        """One hostile act, at random."""
        if self._pool and self._random.random() < 0.3:
            index = self._random.randrange(len(self._pool))
            speaker, data, frame = self._pool.pop(index)
            self._give(speaker, data, frame)
            return
        if not self._lines:
            return
        speaker = self._random.choice(self.speakers)
        if self.seen and self._random.random() < 0.5:
            frame = self._random.choice(self.seen)
            self.done["repeated"] += 1
            self.say(speaker, frame.topic, frame.payload)
        elif self.forge is not None:
            self.done["forged"] += 1
            self.say(speaker, *self.forge(speaker))

    def say(self, speaker: str, topic: str, payload: bytes) -> None:
        """As the broker would deliver it."""
        line = self._lines.get(speaker)
        if line is not None and not line.is_closing():
            if (
                payload in self._known and "/board/" in topic
            ):  # under another topic a speaker does not take it for a board
                self._note(speaker, self._known[payload])
            line.write(packet(PUBLISH, text(topic) + payload))

    def _note(self, speaker: str, frame: Frame) -> None:
        """A board of the server counts as given, by whatever way and under whatever topic; a forged one never does."""
        if frame.board is not None:
            self.given[speaker][frame.topic].take(frame.board)

    def _frame(self, topic: str, payload: bytes) -> Frame:
        """What came from the broker; not all of it is the server's, for others may have written there."""
        known = self._known.get(payload)
        if known is not None:
            return known
        board, exercise = None, topic.startswith(EXERCISE_ROOT)
        with suppress(NotAuthentic, BadMessage):
            board = decode_board(self._trust.open(payload, Message.BOARD, exercise=exercise).payload)
            topic = board_topic(root_of(exercise), board.scope)
        frame = self._known[payload] = Frame(topic, payload, board)
        self.seen.append(frame)
        return frame

    # ---- the wire ---------------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        speaker = ""
        try:
            upstream, to_broker = await asyncio.open_connection(self._host, self._broker_port)
            kind, head, body = await _read_packet(reader)
            assert kind & 0xF0 == CONNECT
            speaker = _client_of(body)
            self._lines[speaker] = writer
            to_broker.write(head + body)
            up = asyncio.ensure_future(_copy(reader, to_broker))
            try:
                while True:
                    kind, head, body = await _read_packet(upstream)
                    if kind & 0xF0 == PUBLISH:
                        self._publish(speaker, kind, head + body, body, to_broker)
                    else:
                        writer.write(head + body)
            finally:
                up.cancel()
                to_broker.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            if self._lines.get(speaker) is writer:
                del self._lines[speaker]
            with suppress(RuntimeError):
                writer.close()
            self._tasks.discard(task)

    def _publish(self, speaker: str, kind: int, data: bytes, body: bytes, to_broker: asyncio.StreamWriter) -> None:
        size = body[0] << 8 | body[1]
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        identifier = b""
        if kind & 0x06:
            identifier, rest = rest[:2], rest[2:]
        frame = self._frame(topic, rest)
        fate = self._random.random() if self.hostile else 1.0
        if fate >= 0.5:
            self.done["passed"] += 1
            self._give(speaker, data, frame)
            return
        if identifier:  # to the broker it seems to have arrived
            to_broker.write(packet(PUBACK, identifier))
        if fate < 0.35:
            self.done["held"] += 1
            self._pool.append((speaker, packet(PUBLISH, text(topic) + rest), frame))
        else:
            self.done["lost"] += 1

    def _give(self, speaker: str, data: bytes, frame: Frame) -> None:
        line = self._lines.get(speaker)
        if line is not None and not line.is_closing():
            self._note(speaker, frame)
            line.write(data)


async def _read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    head = bytearray(await reader.readexactly(1))
    size = shift = 0
    while True:
        digit = await reader.readexactly(1)
        head += digit
        size |= (digit[0] & 0x7F) << shift
        shift += 7
        if not digit[0] & 0x80:
            break
    return head[0], bytes(head), await reader.readexactly(size)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


def _client_of(connect: bytes) -> str:
    """The client id: behind the protocol's name, level, flags and keepalive."""
    (size,) = struct.unpack_from(">H", connect)
    at = 2 + size + 4
    (size,) = struct.unpack_from(">H", connect, at)
    return connect[at + 2 : at + 2 + size].decode()
