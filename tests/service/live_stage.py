"""Live sound in the town: real boards, orders, packets and recordings; the microphone, the voice and the time are ours."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from audio_assets.library import AssetLibrary
from broadcast.domain.live import LiveRules, LiveView, NoSource, OpenLive
from broadcast.domain.officers import Officer
from broadcast.service.live import Live
from broadcast.service.live_boards import LiveBoards
from broadcast.service.live_ports import Ears
from broadcast.service.live_run import Studio
from broadcast.service.ports import SpeechFailed
from broadcast.service.relays import Relays
from broadcast.transport.live_air import SignedAir
from broadcast.transport.live_tape import FileTapes
from endpoints.live_packets import Packet, StreamHead, decode_head, head_topic, live_topic, open_packet
from endpoints.protocol import Band, Order, OrderRule, Stage, Tone, root_of
from endpoints.sealing import Algorithm, Ed25519Signer, Message, TrustedKey, TrustStore
from tests.town import CITY, DUTY, TOWNSHIP, ShiftedClock, Town, town

NOON_US = 1_800_000_000_000_000
SIGNERS = {False: Ed25519Signer(b"\1" * 32), True: Ed25519Signer(b"\2" * 32)}
KEYS = {
    exercise: TrustedKey(Algorithm.ED25519, signer.public, CITY, Band.LIFE_SAFETY, exercise, 0, 2**53 - 1)
    for exercise, signer in SIGNERS.items()
}
HEAD, TAIL = tuple(b"\xf8head%d" % n for n in range(30)), tuple(b"\xf8tail%d" % n for n in range(20))
ASKED = OpenLive(areas=(TOWNSHIP,), tone=Tone.NONE)


class LoopClock(ShiftedClock):
    """The loop's time, which is virtual."""

    def __init__(self) -> None:
        super().__init__()
        self.wakes_late_s = 0.0
        self._began = asyncio.get_running_loop().time()

    def now_us(self) -> int:
        return NOON_US + round((self.monotonic() - self._began) * 1e6)

    def now_ms(self) -> int:
        return self.now_us() // 1_000

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep_until(self, deadline: float) -> None:
        await asyncio.sleep(max(0.0, deadline - self.monotonic()) + self.wakes_late_s)


class FedFake:
    """A worker that says back what it was given."""

    def __init__(self, ears: Ears) -> None:
        self.ears, self.closed = ears, False
        self.given: list[bytes] = []
        self.measured: list[bytes] = []

    def samples(self, data: bytes) -> None:
        self.given.append(data)

    def measure(self, frames: Sequence[bytes]) -> None:
        self.measured += frames

    async def close(self) -> None:
        self.closed = True


@dataclass
class SourcesFake:
    """Addresses in `there` answer."""

    there: set[str] = field(default_factory=lambda: {"card", "http://radio/"})
    opened: list[FedFake] = field(default_factory=list)

    def fed(self, ears: Ears) -> FedFake:
        self.opened.append(FedFake(ears))
        return self.opened[-1]

    async def open(self, address: str, ears: Ears) -> FedFake:
        await asyncio.sleep(0.05)
        if address not in self.there:
            raise NoSource(address, "nobody answers")
        return self.fed(ears)


class WordsFake:
    fails = False

    async def frames(self, text: str) -> Sequence[bytes]:
        await asyncio.sleep(0.1)
        if self.fails:
            raise SpeechFailed("no voice")
        return TAIL if text.startswith("以上") else HEAD


@dataclass
class LiveStage:
    """The parts, and what an officer's page and the speakers would do."""

    town: Town
    clock: LoopClock
    live: Live
    relays: Relays
    studio: Studio
    sources: SourcesFake
    words: WordsFake
    library: AssetLibrary

    async def ready(self, command: OpenLive = ASKED, *, by: Officer = DUTY) -> LiveView:
        """A microphone that is on the boards."""
        view = await self.live.prepare(command, by=by)
        return await self.live.open(view.id, by=by)

    async def speak(self, view: LiveView, seconds: float, *, by: Officer = DUTY, db: float = -20.0) -> None:
        """In real time, 20 ms at a time, with a level every tenth of a second."""
        began = self.clock.monotonic()
        source = next(one for one in reversed(self.sources.opened) if not one.closed)
        for n in range(round(seconds * 50)):
            await self.clock.sleep_until(began + n * 0.02)
            self.live.feed_opus(view.id, [b"\xf8%06d" % n], by=by)
            if n % 5 == 0:
                source.ears.level(db, db + 6)

    async def sound(self, view: LiveView, *, count: int = 3) -> None:
        """So many speakers say that they sound it."""
        names = [one.id for one in self.town.services.estate.meant_by(self.order(view))][:count]
        await self.town.report(view.order, names, Stage.RECEIVED, Stage.SOUNDING)

    def order(self, view: LiveView) -> Order:
        found = self.town.services.boards.find(view.order)
        assert found is not None
        return found.order

    def topics(self) -> list[str]:
        return [topic for topic, _ in self.town.wire.published]

    def heads(self, order: Order) -> list[StreamHead | None]:
        """What was said of the stream; None where the broker was told to forget it."""
        topic = head_topic(root_of(order.exercise), order.stream)
        trust = TrustStore((KEYS[order.exercise],))
        return [
            decode_head(trust.open(payload, Message.STREAM, exercise=order.exercise).payload) if payload else None
            for where, payload in self.town.wire.published
            if where == topic
        ]

    def packets(self, order: Order) -> list[Packet]:
        topic = live_topic(root_of(order.exercise), order.stream)
        key = KEYS[order.exercise]
        return [
            open_packet(payload, exercise=order.exercise, key=key)
            for where, payload in self.town.wire.published
            if where == topic
        ]

    def frames(self, order: Order) -> list[bytes]:
        return [frame for packet in self.packets(order) for frame in packet.frames]


@asynccontextmanager
async def live_stage(folder: Path, **rules: object) -> AsyncIterator[LiveStage]:
    """Up, with its loop ticking."""
    clock = LoopClock()
    async with town(clock=clock) as there:
        services = there.services
        library = AssetLibrary(folder / "assets")
        studio = Studio(
            clock=clock,
            store=there.store,
            health=services.health,
            air=SignedAir(wire=there.wire, signers=SIGNERS, epoch=1),
            tapes=FileTapes(folder / "live", library),
            rules=replace(LiveRules(), **rules),  # type: ignore[arg-type]
        )
        boards = LiveBoards(
            clock, services.estate, services.boards, services.broadcasts, there.ladder, OrderRule.SEVERITY_FIRST
        )
        sources, words = SourcesFake(), WordsFake()
        live = Live(studio=studio, boards=boards, sources=sources, words=words)
        relays = Relays(studio=studio, estate=services.estate, sources=sources)

        async def tick() -> None:
            while True:
                await live.tick()
                await asyncio.sleep(0.1)

        ticking = asyncio.create_task(tick())
        try:
            yield LiveStage(there, clock, live, relays, studio, sources, words, library)
        finally:
            ticking.cancel()
            await live.stop()
            await relays.stop_all()
