"""Live sound: from the mouth to the ear in one recording, and what it costs a broker to carry it to everybody.

`python -m bench live`. The first part is `tests/system/mouth_to_ear.py` with many chirps: PyAudio on PulseAudio null sinks, the
real server, Mosquitto, a real speaker. The second part sends signed packets of a voice as the server does, to so many listeners
with a connection each in two processes; each takes the time at which a packet is in its hands, and twenty verify and decode it.
On this machine the listeners are the first to have no time left: with 2,000 of them the broker is still far from its end.
"""

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

from audio_assets.live_codec import LiveDecoder, LiveEncoder
from audio_assets.tones import melody
from bench.figures import Figure, write
from broadcast.transport.broker_users import server_user, speaker_user
from broadcast.transport.live_air import SignedStream
from endpoints.area_codes import ancestors
from endpoints.live_packets import Packet, head_topic, live_topic, open_packet
from endpoints.mqtt_dial import BrokerAddress
from endpoints.mqtt_link import MqttLink
from endpoints.protocol import LIVE_ROOT, Band, Kind, Level, Order, Severity, Tone
from endpoints.sealing import Algorithm, Ed25519Signer, TrustedKey
from tests.brokers import running
from tests.pulse import missing as no_pulse
from tests.pulse import pulse
from tests.system.mouth_to_ear import measure

CHIRPS = 100
MOUTH_TO_EAR_GOAL_MS = 250.0
ON_THE_WAY_GOAL_MS = 100.0  # of 200 ms of play-out delay a packet is 60, and a sound card 40
SECONDS = 10.0
SIGNER = Ed25519Signer(b"\1" * 32)
CITY = "130281000000"
KEY = TrustedKey(Algorithm.ED25519, SIGNER.public, CITY, Band.LIFE_SAFETY, False, 0, 2**53 - 1)
STREAM = 77
DECODING = 20  # listeners that verify and decode; all of them would take a core of this machine by themselves
RUNS = (  # engine, listeners, frames a packet, whether its figures are goals
    ("mosquitto", 718, 3, True),
    ("mosquitto", 718, 10, False),
    ("mosquitto", 2_000, 3, False),
    ("amqtt", 300, 10, False),
    ("amqtt", 718, 10, False),
    ("amqtt", 718, 5, False),
)


@dataclass(frozen=True)
class Carried:
    """What came of one run.

    :param late_ms: from the moment the server handed a packet to its socket until a listener had it.
    """

    engine: str
    listeners: int
    frames: int
    late_ms: Sequence[float]
    lost: int
    broker_cpu: float
    server_cpu: float

    @property
    def per_s(self) -> float:
        return self.listeners * 50 / self.frames

    def p(self, share: float) -> float:
        return (
            sorted(self.late_ms)[min(len(self.late_ms) - 1, int(len(self.late_ms) * share))]
            if self.late_ms
            else float("inf")
        )

    def __str__(self) -> str:
        return (
            f"{self.engine}: {self.listeners} listeners, packets of {self.frames * 20} ms, {self.per_s:.0f} deliveries/s: "
            f"broker {self.broker_cpu:.0f} % of a core, server {self.server_cpu:.1f} %; "
            f"{statistics.median(self.late_ms or [0]):.1f} / {self.p(0.95):.1f} / {self.p(0.99):.1f} / {self.p(1):.1f} ms "
            f"(median / p95 / p99 / max), {self.lost} lost"
        )


def main() -> None:
    figures = mouth_to_ear() + asyncio.run(carry_all())
    write("live", figures)


# ---- from mouth to ear ------------------------------------------------------------------------------------------------------


def mouth_to_ear() -> list[Figure]:
    if no_pulse:
        print(f"mouth to ear: not measured, {', '.join(no_pulse)} not installed")
        return []
    with (
        pulse(["mouth", "horn"], together=True, microphone="mic") as room,
        tempfile.TemporaryDirectory() as folder,
    ):
        got = asyncio.run(measure(room, Path(folder), count=CHIRPS))
    delays = sorted(got.delays_ms)
    p99 = delays[min(len(delays) - 1, int(len(delays) * 0.99))] if delays else float("inf")
    print(
        f"mouth to ear: {len(delays)} of {CHIRPS} chirps heard; {delays[0]:.1f} ms least, "
        f"{statistics.median(delays):.1f} median, {p99:.1f} p99, {delays[-1]:.1f} most; {got.view.lost} packets lost"
    )
    return [
        Figure("live: mouth to ear, p99 of 100 chirps in one recording", p99, "ms", goal=MOUTH_TO_EAR_GOAL_MS),
        Figure("live: mouth to ear, median", statistics.median(delays), "ms"),
        Figure("live: chirps that were not heard", got.missed, "", goal=0),
    ]


# ---- to everybody -----------------------------------------------------------------------------------------------------------


async def carry_all() -> list[Figure]:
    figures = []
    for engine, listeners, frames, is_goal in RUNS:
        done = await carry(engine, listeners, frames)
        print(done, flush=True)
        what = f"live: {engine}, {listeners} listeners, {frames * 20} ms packets"
        goal = ON_THE_WAY_GOAL_MS if is_goal else None
        figures += [
            Figure(f"{what}: p99 on the way", done.p(0.99), "ms", goal=goal),
            Figure(f"{what}: broker", done.broker_cpu, "%"),
            Figure(f"{what}: lost", done.lost, "", goal=0 if is_goal else None),
        ]
    return figures


async def carry(engine: str, listeners: int, frames: int) -> Carried:
    voice()
    names = [f"s-{n:06}" for n in range(listeners)]
    users = [speaker_user(name, f"secret-of-{name}", (CITY, *ancestors(CITY))) for name in names]
    with tempfile.TemporaryDirectory() as folder:
        async with running(engine, Path(folder), (server_user("lianbo", "secret"), *users)) as broker:
            port = broker.child.port
            halves = names[::2], names[1::2]
            async with crowd(halves[0], port) as one, crowd(halves[1], port) as other, sender(port) as link:
                pids = broker.child.pid, "self"
                before = [cpu_s(pid) for pid in pids]
                sent = await send(link, frames)
                used = [100 * (cpu_s(pid) - was) / SECONDS for pid, was in zip(pids, before, strict=True)]
                await asyncio.sleep(2.0)
                heard = [await asyncio.to_thread(ask, wire) for wire in (one, other)]
    late_ms = [ms for half in heard for ms in half]
    return Carried(engine, listeners, frames, late_ms, sent * listeners - len(late_ms), *used)


@cache
def voice() -> list[bytes]:
    return LiveEncoder().encode(melody().data)


async def send(link: MqttLink, frames: int) -> int:
    """Ten seconds of a voice; how many packets."""
    order = Order(
        id="o", revision=1, kind=Kind.LIVE, band=Band.LIVE_COMMAND, severity=Severity.UNKNOWN, level=Level.CITY, exercise=False,
        issued_at_ms=0, not_before_ms=0, not_after_ms=1, areas=(CITY,), tone=Tone.NONE, stream=STREAM,
    )  # fmt: skip
    stream = SignedStream(order, started_us=0, epoch=1, wire=_Wire(link), signer=SIGNER)
    stream.head(frames=frames, delay_ms=200)
    began, count = time.monotonic(), round(SECONDS * 50 / frames)
    for n in range(count):
        await asyncio.sleep(max(0.0, began + n * frames / 50 - time.monotonic()))
        first = n * frames % (len(voice()) - frames)
        stream.send(voice()[first : first + frames], time.time_ns() // 1_000)
    return count


class _Wire:
    """The server's connection as a stream sees it."""

    is_up = True

    def __init__(self, link: MqttLink) -> None:
        self._link = link

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> "asyncio.Future[None]":
        return self._link.publish(topic, payload, qos, retain)

    def ack(self, tokens: object) -> None:
        """Nothing comes here."""


@asynccontextmanager
async def sender(port: int) -> AsyncIterator[MqttLink]:
    up = asyncio.Event()
    address = BrokerAddress("127.0.0.1", port, "lianbo", "secret")
    link = MqttLink(address, "lianbo", on_message=lambda *_: None, on_up=lambda _: up.set())
    link.start()
    await up.wait()
    yield link
    await link.stop()


# ---- the listeners' processes -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def crowd(names: Sequence[str], port: int) -> AsyncIterator[Connection]:
    mine, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=listen, args=(list(names), port, theirs))
    child.start()
    try:
        await asyncio.to_thread(mine.recv)
        yield mine
    finally:
        mine.send("end")
        await asyncio.to_thread(child.join)


def ask(wire: Connection) -> list[float]:
    """How late each packet was, milliseconds."""
    wire.send("tell")
    return list(wire.recv())


def listen(names: list[str], port: int, wire: Connection) -> None:
    asyncio.run(_listen(names, port, wire))


async def _listen(names: list[str], port: int, wire: Connection) -> None:
    up, late_ms = 0, list[float]()
    loop, everybody = asyncio.get_running_loop(), asyncio.Event()
    decoders = {name: LiveDecoder() for name in names[: DECODING // 2]}

    def on_up(_: bool) -> None:
        nonlocal up
        up += 1
        if up == len(names):
            everybody.set()

    def hear(name: str, topic: str, payload: bytes) -> None:
        if topic.endswith("/head"):
            return
        now_us = time.time_ns() // 1_000
        late_ms.append((now_us - int.from_bytes(payload[10:18], "big")) / 1_000)
        if (decoder := decoders.get(name)) is not None:
            packet: Packet = open_packet(payload, exercise=False, key=KEY)
            for frame in packet.frames:
                decoder.decode(frame)

    links = []
    for name in names:
        address = BrokerAddress("127.0.0.1", port, name, f"secret-of-{name}")
        link = MqttLink(
            address, name, on_message=lambda topic, payload, *_, name=name: hear(name, topic, payload), on_up=on_up
        )
        link.subscribe([(head_topic(LIVE_ROOT, STREAM), 0), (live_topic(LIVE_ROOT, STREAM), 0)])
        link.start()
        links.append(link)
    await everybody.wait()
    await asyncio.sleep(1.0)
    wire.send("up")
    while await loop.run_in_executor(None, wire.recv) == "tell":
        wire.send(late_ms)
    for link in links:
        link.drop()


def cpu_s(pid: int | str | None) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
