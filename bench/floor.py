"""The raw floor: the same broker and the same generator, one message published, and a consumer that counts the answers.

The consumer verifies nothing, decodes nothing and writes nothing down; it looks for the stage behind the order id and acknowledges
a whole read at once. What our server adds to this is what it costs.
"""

import asyncio
import json
import resource
import secrets
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.generator import connect_packet, cut, packet, subscribe_packet, text
from broadcast.transport.broker import ManagedBroker, open_broker
from broadcast.transport.broker_config import BrokerSettings
from broadcast.transport.broker_users import server_user, speaker_user
from endpoints.area_codes import ancestors
from endpoints.protocol import Band, Board, Kind, Level, Order, Severity, Stage, board_topic, encode_board
from endpoints.provisioning import Provisioning, SpeakerConfig, write_provisioning
from endpoints.sealing import Ed25519Signer, Message, TrustedKey, seal

CITY = "130281000000"
ROUND_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Round:
    """Milliseconds after the trigger, and what it cost."""

    last_board_ms: float
    last_received_ms: float
    last_started_ms: float
    boards: int
    received: int
    started: int
    doubled: int
    consumer_cpu_s: float
    generator_cpu_s: float
    broker_cpu_s: float


class Consumer(asyncio.Protocol):
    """Counts answers by stage."""

    def __init__(self) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self.order = b""
        self.counts = {Stage.RECEIVED: 0, Stage.SOUNDING: 0}
        self.last_at = {Stage.RECEIVED: 0.0, Stage.SOUNDING: 0.0}
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        packets, self._buffer = cut(self._buffer + data)
        pubacks, now = bytearray(), time.monotonic()
        for kind, body in packets:
            if kind & 0xF0 == 0x30:
                topic = body[0] << 8 | body[1]
                pubacks += b"\x40\x02" + body[2 + topic : 4 + topic]
                found = body.find(self.order) if self.order else -1
                while found > 0:
                    stage = Stage(body[found + len(self.order) + 1])
                    self.counts[stage] += 1
                    self.last_at[stage] = now
                    found = body.find(self.order, found + 1)
            elif kind == 0x90 and not self.ready.done():
                self.ready.set_result(None)
        if pubacks:
            self.transport.write(bytes(pubacks))


def speakers(count: int, areas: list[str], master: bytes) -> tuple[SpeakerConfig, ...]:
    """`count` speakers, dealt out over the areas."""
    made = []
    for n in range(count):
        area = areas[n % len(areas)]
        made.append(
            SpeakerConfig(f"s-{area}-{n // len(areas) + 1}", area, secrets.token_bytes(32), secrets.token_hex(32))
        )
    return tuple(made)


@asynccontextmanager
async def generator(path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A generator process, ended at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.generator",
        str(path),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ask(process: asyncio.subprocess.Process, question: bytes = b"") -> dict[str, float]:
    """One line from the generator."""
    assert process.stdin is not None
    assert process.stdout is not None
    if question:
        process.stdin.write(question + b"\n")
    line = await asyncio.wait_for(process.stdout.readline(), 300)
    answer: dict[str, float] = json.loads(line)
    return answer


def cpu_of(pid: int) -> float:
    """User and system seconds of a process, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def an_order(number: int) -> Order:
    now_ms = time.time_ns() // 1_000_000
    return Order(
        id=f"FLOOR{number:06d}{secrets.token_hex(7)}",
        revision=1,
        kind=Kind.EMERGENCY,
        band=Band.EMERGENCY,
        severity=Severity.RED,
        level=Level.CITY,
        exercise=False,
        issued_at_ms=now_ms,
        not_before_ms=now_ms,
        not_after_ms=now_ms + 600_000,
        areas=(CITY,),
    )


async def run(count: int, areas: list[str], *, rounds: int, engine: str) -> tuple[list[Round], float]:
    """:returns: the rounds, and the seconds in which all connected."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        crowd = speakers(count, areas, b"")
        users = [server_user("lianbo", "floor")]
        users += [speaker_user(one.id, one.password, (one.area, *ancestors(one.area))) for one in crowd]
        broker = open_broker(BrokerSettings(folder=folder / "broker", engine=engine), users)  # type: ignore[arg-type]
        await broker.start()
        try:
            address = broker.address("lianbo", "floor")
            signer = Ed25519Signer(secrets.token_bytes(32))
            key = TrustedKey(signer.algorithm, signer.public, CITY, Band.LIFE_SAFETY, False, 0, 2**53 - 1)
            path = folder / "speakers.json"
            write_provisioning(path, Provisioning(address.host, address.port, (key,), crowd))
            async with generator(path) as process:
                connected = await ask(process)
                loop = asyncio.get_running_loop()
                transport, consumer = await loop.create_connection(Consumer, address.host, address.port)
                transport.write(connect_packet("lianbo", "floor"))
                transport.write(subscribe_packet(["eb/v1/report/+"]))
                await asyncio.wait_for(consumer.ready, 10)
                pid = broker.child.pid or 0 if isinstance(broker, ManagedBroker) else 0
                done = [
                    await one_round(
                        n, count, consumer, transport=transport, signer=signer, process=process, broker_pid=pid
                    )
                    for n in range(rounds)
                ]
            return done, connected["seconds"]
        finally:
            await broker.stop()


async def one_round(
    number: int,
    count: int,
    consumer: Consumer,
    *,
    transport: asyncio.Transport,
    signer: Ed25519Signer,
    process: asyncio.subprocess.Process,
    broker_pid: int,
) -> Round:
    await asyncio.sleep(0.5)
    before = await ask(process, b"round")
    order = an_order(number)
    consumer.order = order.id.encode()
    consumer.counts = dict.fromkeys(consumer.counts, 0)
    cpu, broker_cpu = own_cpu(), cpu_of(broker_pid)
    began = time.monotonic()
    board = Board(CITY, 1, number + 1, order.issued_at_ms, (order,))
    frame = seal(encode_board(board), Message.BOARD, exercise=False, signer=signer)
    transport.write(packet(0x33, text(board_topic("eb/v1", CITY)) + struct.pack(">H", number + 1) + frame))
    while consumer.counts[Stage.SOUNDING] < count and time.monotonic() - began < ROUND_TIMEOUT_S:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    cpu, broker_cpu = own_cpu() - cpu, cpu_of(broker_pid) - broker_cpu
    after = await ask(process, b"round")
    return Round(
        last_board_ms=(after["last_board_at"] - began) * 1000,
        last_received_ms=(consumer.last_at[Stage.RECEIVED] - began) * 1000,
        last_started_ms=(consumer.last_at[Stage.SOUNDING] - began) * 1000,
        boards=int(after["boards"]),
        received=consumer.counts[Stage.RECEIVED],
        started=consumer.counts[Stage.SOUNDING],
        doubled=max(0, consumer.counts[Stage.RECEIVED] - count) + max(0, consumer.counts[Stage.SOUNDING] - count),
        consumer_cpu_s=cpu,
        generator_cpu_s=after["cpu_s"] - before["cpu_s"],
        broker_cpu_s=broker_cpu,
    )
