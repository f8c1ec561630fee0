"""The minimal load generator: N speakers that do on the wire what ours do, and nothing else.

One asyncio.Protocol each, with the few MQTT 3.1.1 packets that they need written out by hand: a generator has to be cheaper than
what it measures. It is the same for the floor and for our server. It acknowledges each board, and 20 ms later, when a sound card
would have taken the first frame, says RECEIVED and SOUNDING in one QoS 1 message sealed with the speaker's key, as our player does
(`endpoints.player.WAIT_FOR_SOUND_S`). It verifies nothing.

Run as a process: `python -m bench.generator FILE`, where the provisioning file names broker and speakers; it prints one JSON line
for "connected", and one a round for when the last board arrived (CLOCK_MONOTONIC, which all processes share).
"""

import asyncio
import json
import resource
import struct
import sys
import time
from functools import lru_cache
from pathlib import Path

from endpoints import canonical
from endpoints.area_codes import ancestors
from endpoints.protocol import Entry, Reason, Report, Stage, decode_board, encode_report
from endpoints.provisioning import Provisioning, SpeakerConfig, read_provisioning
from endpoints.sealing import Message, seal_by_speaker

START_LATENCY_S = 0.02
AT_ONCE = 64
QUIET_S = 0.5


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def packet(kind: int, body: bytes) -> bytes:
    head, left = bytearray([kind]), len(body)
    while True:
        left, digit = divmod(left, 128)
        head.append(digit | (0x80 if left else 0))
        if not left:
            return bytes(head) + body


def connect_packet(user: str, password: str) -> bytes:
    """Clean session, user name and password, keepalive off: the round is shorter than any keepalive."""
    return packet(0x10, text("MQTT") + b"\x04\xc2\x00\x00" + text(user) + text(user) + text(password))


def subscribe_packet(topics: list[str]) -> bytes:
    return packet(0x82, b"\x00\x01" + b"".join(text(topic) + b"\x01" for topic in topics))


@lru_cache(maxsize=64)
def order_on(frame: bytes) -> tuple[str, int] | None:
    """The newest order on a board, decoded once for all speakers; None for an empty one."""
    outer = canonical.decode(frame, max_bytes=1 << 17)
    board = decode_board(outer[2])  # type: ignore[index]  # a COSE_Sign1, not verified here
    if not board.orders:
        return None
    newest = board.orders[-1]
    return newest.id, newest.revision


class Crowd:
    """All speakers, and when the last board of a round came."""

    def __init__(self, provisioning: Provisioning) -> None:
        self.provisioning = provisioning
        self.loop = asyncio.get_running_loop()
        self.boards = 0
        self.last_board_at = 0.0
        self.said = 0
        self._starting: list[Endpoint] = []

    def starts_soon(self, endpoint: "Endpoint") -> None:
        """One timer for those that heard the board in the same turn of the loop."""
        if not self._starting:
            self.loop.call_later(START_LATENCY_S, self._start)
        self._starting.append(endpoint)

    def _start(self) -> None:
        starting, self._starting = self._starting, []
        for endpoint in starting:
            endpoint.say()


def cut(buffer: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The whole MQTT packets at the beginning of a buffer, as first byte and body, and what is left."""
    packets = []
    at, end = 0, len(buffer)
    while at + 2 <= end:
        size, shift, body = 0, 0, at + 1
        while body < end:
            digit = buffer[body]
            size |= (digit & 0x7F) << shift
            shift += 7
            body += 1
            if not digit & 0x80:
                break
        else:
            break
        if body + size > end:
            break
        packets.append((buffer[at], buffer[body : body + size]))
        at = body + size
    return packets, buffer[at:]


class Endpoint(asyncio.Protocol):
    def __init__(self, crowd: Crowd, config: SpeakerConfig, ready: asyncio.Future[None]) -> None:
        self._crowd, self._config, self._ready = crowd, config, ready
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._mid, self._n, self._heard_ms = 1, 0, 0
        self._order = ("", 0)
        self._topic = text(f"eb/v1/report/{config.id}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(connect_packet(self._config.id, self._config.password))
        scopes = [self._config.area, *ancestors(self._config.area), self._config.id]
        transport.write(
            subscribe_packet([f"eb/v1/board/{scope}" for scope in scopes] + [f"eb/v1/time/{self._config.id}"])
        )

    def data_received(self, data: bytes) -> None:
        packets, self._buffer = cut(self._buffer + data)
        for kind, body in packets:
            self._packet(kind, body)

    def _packet(self, kind: int, body: bytes) -> None:
        if kind & 0xF0 == 0x30:
            self._publish(kind, body)
        elif kind == 0x20 and body[1] != 0:
            raise ConnectionRefusedError(f"{self._config.id}: CONNACK {body[1]}")
        elif kind == 0x90 and not self._ready.done():
            self._ready.set_result(None)

    def _publish(self, kind: int, body: bytes) -> None:
        size = body[0] << 8 | body[1]
        topic, rest = body[2 : 2 + size], body[2 + size :]
        puback = b""
        if kind & 0x06:
            puback, rest = b"\x40\x02" + rest[:2], rest[2:]
        if topic.startswith(b"eb/v1/time/"):
            self._write(puback)
            return
        found = order_on(rest)
        crowd = self._crowd
        if found is None or found == self._order:
            self._write(puback)
            return
        self._order = found
        crowd.boards += 1
        crowd.last_board_at = time.monotonic()
        self._heard_ms = time.time_ns() // 1_000_000
        self._write(puback)
        crowd.starts_soon(self)

    def say(self) -> None:
        order, revision = self._order
        received = Entry(self._n + 1, order, revision, Stage.RECEIVED, Reason.NONE, self._heard_ms)
        sounding = Entry(self._n + 2, order, revision, Stage.SOUNDING, Reason.NONE, time.time_ns() // 1_000_000)
        self._n += 2
        payload = encode_report(Report(self._config.id, 1, (received, sounding)))
        frame = seal_by_speaker(payload, Message.REPORT, exercise=False, key=self._config.key)
        self._mid = self._mid % 65_535 + 1
        self._crowd.said += 1
        self._write(packet(0x32, self._topic + struct.pack(">H", self._mid) + frame))

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)


async def connect_all(crowd: Crowd) -> float:
    """:returns: seconds until all were connected and subscribed, 64 at a time."""
    began = time.monotonic()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(config: SpeakerConfig) -> None:
        async with gate:
            ready = crowd.loop.create_future()
            provisioning = crowd.provisioning
            await crowd.loop.create_connection(
                lambda: Endpoint(crowd, config, ready), provisioning.host, provisioning.port
            )
            await asyncio.wait_for(ready, 60)

    await asyncio.gather(*(one(config) for config in crowd.provisioning.speakers))
    return time.monotonic() - began


async def main(path: Path) -> None:
    crowd = Crowd(read_provisioning(path))
    say(event="connected", seconds=await connect_all(crowd), speakers=len(crowd.provisioning.speakers))
    reader = asyncio.StreamReader()
    await crowd.loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        if line.strip() == b"round":
            usage = resource.getrusage(resource.RUSAGE_SELF)
            say(
                event="round",
                boards=crowd.boards,
                last_board_at=crowd.last_board_at,
                said=crowd.said,
                cpu_s=usage.ru_utime + usage.ru_stime,
                peak_mb=usage.ru_maxrss / 1024,
            )
            crowd.boards = crowd.said = 0


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
