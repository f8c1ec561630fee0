"""A broker and the least server that speakers need: it signs boards, answers for the time, hears reports."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from broadcast.transport.broker import ManagedBroker
from broadcast.transport.broker_users import server_user, speaker_user
from endpoints.arbitration import QuietHours
from endpoints.fields import BadMessage
from endpoints.mqtt_link import AckToken, BrokerAddress, MqttLink
from endpoints.protocol import (
    LIVE_ROOT,
    Board,
    Entry,
    Hello,
    Order,
    Part,
    ProgrammeBoard,
    Stock,
    TimeAnswer,
    board_topic,
    decode_hello,
    decode_report,
    decode_stock,
    encode_board,
    encode_programme,
    encode_time_answer,
    programme_topic,
    time_topic,
)
from endpoints.provisioning import Provisioning, SpeakerConfig
from endpoints.sealing import (
    Algorithm,
    Ed25519Signer,
    Message,
    NotAuthentic,
    TrustedKey,
    broker_password,
    open_from_speaker,
    seal,
    speaker_key,
)
from endpoints.simulator import SimulatedSpeaker, Simulator
from endpoints.vocabulary import Band, Kind, Level, OrderRule, Resume, Severity, Stage, Tone
from tests.brokers import running

COUNTY = "130281000000"
MASTER = bytes(range(32))
SIGNER = Ed25519Signer(bytes([7] * 32))
KEY = TrustedKey(Algorithm.ED25519, SIGNER.public, COUNTY, Band.LIFE_SAFETY, False, 0, 2**53 - 1)
SERVER, SERVER_PASSWORD = "server", "secret-of-the-server"


def now_ms() -> int:
    return int(time.time() * 1000)


def speakers(count: int) -> tuple[SpeakerConfig, ...]:
    """So many speakers, 27 townships of villages, one or more in each village; never quiet, since tests run at night too."""
    made = []
    for n in range(count):
        town, village = n % 27 + 1, n // 27 % 900 + 1
        name = f"s-{n:05d}"
        area, never = f"130281{town:03d}{village:03d}", QuietHours(0, 0)
        made.append(SpeakerConfig(name, area, speaker_key(MASTER, name), broker_password(MASTER, name), quiet=never))
    return tuple(made)


def an_order(name: str, *, begin_ms: int = 0, lasting_ms: int = 60_000, **other: object) -> Order:
    """An emergency for the whole county that sounds the attention signal once, from now on."""
    start_ms = now_ms() + begin_ms
    order = Order(
        id=name,
        revision=1,
        kind=Kind.EMERGENCY,
        band=Band.EMERGENCY,
        severity=Severity.RED,
        level=Level.CITY,
        exercise=False,
        issued_at_ms=start_ms,
        not_before_ms=start_ms,
        not_after_ms=start_ms + lasting_ms,
        areas=(COUNTY,),
        tone=Tone.ATTENTION,
        volume_percent=90,
    )
    return replace(order, **other)  # type: ignore[arg-type]


def a_slot(name: str, *, begin_ms: int = 0, lasting_ms: int = 60_000, **other: object) -> Order:
    """An occurrence of the county's programme: 2 s of sound, and five seconds to begin."""
    routine = {"kind": Kind.ROUTINE, "band": Band.ROUTINE, "severity": Severity.UNKNOWN, "volume_percent": 0}
    sound = {"asset": b"s" * 32, "asset_bytes": 9_000, "asset_ms": 2_000, "tone": Tone.NONE, "resume": Resume.REJOIN}
    start_by_ms = now_ms() + begin_ms + 5_000
    made = {**routine, **sound, "start_by_ms": start_by_ms, **other}
    return an_order(name, begin_ms=begin_ms, lasting_ms=lasting_ms, **made)


class ServerDouble:
    """Publishes signed boards, retained, and answers hellos; remembers what it hears."""

    def __init__(self, port: int, *, answers: bool = True) -> None:
        self.answers = answers
        self.hellos: dict[str, Hello] = {}
        self.entries: dict[str, list[Entry]] = {}
        self.bad: Counter[str] = Counter()
        self.gone: list[str] = []
        self.stocks: dict[str, Stock] = {}
        self.proofs: list[bytes] = []
        self.stages: Counter[tuple[str, Stage]] = Counter()
        self.last_entry_at = 0.0
        self._seen: set[tuple[str, Entry]] = set()
        self._confirmed: dict[tuple[str, int], int] = {}
        self._versions: Counter[str] = Counter()
        self._boards: dict[str, bytes] = {}  # by topic
        self.link = MqttLink(
            BrokerAddress("127.0.0.1", port, SERVER, SERVER_PASSWORD),
            SERVER,
            on_message=self._on_message,
            on_up=lambda _: self._publish_again(),
        )

    async def start(self) -> None:
        kinds = "hello", "report", "stock", "gone", "proof"
        subscribed = self.link.subscribe((f"{LIVE_ROOT}/{kind}/+", 1) for kind in kinds)
        self.link.start()
        await subscribed

    def publish(self, *orders: Order, scope: str = COUNTY) -> bytes:
        """Write the next version of a board; the frame."""
        topic = board_topic(LIVE_ROOT, scope)
        self._versions[topic] += 1
        payload = encode_board(Board(scope, 1, self._versions[topic], now_ms(), orders))
        return self._publish(topic, payload, Message.BOARD)

    def publish_programme(
        self, *orders: Order, scope: str = COUNTY, hours: int = 48, budget_min: int = 0, fallback: Part | None = None
    ) -> bytes:
        """Write the next version of a programme; the frame."""
        topic, at_ms = programme_topic(LIVE_ROOT, scope), now_ms()
        self._versions[topic] += 1
        until_ms = at_ms + hours * 3_600_000
        board = ProgrammeBoard(scope, 1, self._versions[topic], at_ms, orders, until_ms, (), budget_min, fallback)
        return self._publish(topic, encode_programme(board), Message.PROGRAMME)

    def _publish(self, topic: str, payload: bytes, message: Message) -> bytes:
        frame = self._boards[topic] = seal(payload, message, exercise=False, signer=SIGNER)
        self.link.publish(topic, frame, 1, retain=True)
        return frame

    def stages_of(self, speaker: str, order: str) -> list[Stage]:
        return [entry.stage for entry in self.entries.get(speaker, []) if entry.order == order]

    def at(self, order: str, stage: Stage) -> int:
        """How many speakers said so."""
        return self.stages[order, stage]

    def _publish_again(self) -> None:
        for topic, frame in self._boards.items():
            self.link.publish(topic, frame, 1, retain=True)

    def _on_message(self, topic: str, payload: bytes, _qos: int, _retained: bool, _token: AckToken) -> None:
        _, _, kind, speaker = topic.split("/")
        if kind == "gone":
            self.gone.append(speaker)
            return
        if kind == "proof":
            self.proofs.append(payload)
            return
        try:
            message = Message(kind)
            opened = open_from_speaker(payload, message, exercise=False, key=speaker_key(MASTER, speaker))
            if message is Message.HELLO:
                self._hear_hello(speaker, decode_hello(opened))
            elif message is Message.STOCK:
                self.stocks[speaker] = decode_stock(opened)
            else:
                self._hear_report(speaker, opened)
        except NotAuthentic:
            self.bad["not authentic"] += 1
        except BadMessage:
            self.bad["unreadable"] += 1

    def _hear_hello(self, speaker: str, hello: Hello) -> None:
        self.hellos[speaker] = hello
        if hello.nonce and self.answers:
            confirmed = self._confirmed.get((speaker, hello.boot), 0)
            at_us = (
                time.time_ns() // 1_000
            )  # to the microsecond: speakers take whole milliseconds for a clock that was set
            answer = TimeAnswer(
                speaker,
                hello.nonce,
                1,
                at_us,
                at_us,
                hello.boot,
                confirmed,
                OrderRule.SEVERITY_FIRST,
            )
            frame = seal(encode_time_answer(answer), Message.TIME, exercise=False, signer=SIGNER)
            self.link.publish(time_topic(LIVE_ROOT, speaker), frame, 0)

    def _hear_report(self, speaker: str, payload: bytes) -> None:
        report = decode_report(payload)
        if report.speaker != speaker:
            self.bad["another's name"] += 1
            return
        for entry in report.entries:
            where = speaker, report.boot
            self._confirmed[where] = max(self._confirmed.get(where, 0), entry.n)
            what = speaker, replace(entry, n=1)  # after a boot the same entries come under new numbers
            if what in self._seen:
                continue
            self._seen.add(what)
            self.entries.setdefault(speaker, []).append(entry)
            self.stages[entry.order, entry.stage] += 1
            self.last_entry_at = time.monotonic()


@dataclass(frozen=True)
class County:
    """A running broker with the access lists of production, a server, and speakers that are not switched on yet."""

    broker: ManagedBroker
    server: ServerDouble
    provisioning: Provisioning

    def kill_broker(self) -> None:
        """`kill -9`; it keeps nothing, and its watcher starts it again."""
        pid = self.broker.child.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def county(folder: Path, count: int) -> AsyncIterator[County]:
    """Everything but the speakers, for so many of them."""
    listed = speakers(count)
    users = [speaker_user(one.id, one.password, one.identity.scopes[1:]) for one in listed]
    async with running("mosquitto", folder, (server_user(SERVER, SERVER_PASSWORD), *users)) as broker:
        server = ServerDouble(broker.child.port)
        try:
            await server.start()
            yield County(broker, server, Provisioning("127.0.0.1", broker.child.port, (KEY,), listed))
        finally:
            await server.link.stop()


@asynccontextmanager
async def switched_on(where: County) -> AsyncIterator[Simulator]:
    """All its speakers, connected, with the time."""
    simulator = Simulator(where.provisioning, seed=1)
    simulator.start()
    try:
        await until(lambda: all(knows_time(speaker) for speaker in simulator.speakers.values()))
        yield simulator
    finally:
        await simulator.stop()


def knows_time(speaker: SimulatedSpeaker) -> bool:
    return speaker.player is not None and speaker.player.time_ms(time.monotonic()) is not None


async def until(holds: Callable[[], object], *, within_s: float = 30.0) -> None:
    """Come back when it holds. :raises TimeoutError: it does not in time."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 what we wait for happens in other processes
            await asyncio.sleep(0.01)
