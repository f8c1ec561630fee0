"""A hostile broker between the server and its speakers: nothing wrong sounds, what was refused is seen, and it heals."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from broadcast.domain.broadcasts import StartBroadcast
from broadcast.server import Server
from broadcast.service.presence import Presence
from config.settings import load
from endpoints.arbitration import is_meant
from endpoints.mqtt_link import MqttLink
from endpoints.player import Play
from endpoints.protocol import (
    EXERCISE_ROOT,
    LIVE_ROOT,
    Band,
    Board,
    Kind,
    Level,
    Order,
    Severity,
    board_topic,
    decode_board,
    encode_board,
    root_of,
    time_topic,
)
from endpoints.sealing import Message, TrustStore, open_from_speaker, seal
from endpoints.simulator import SimulatedSpeaker, Simulator
from tests.endpoints.rig import Authority
from tests.system.city import CITY, OFFICER, environment, some_speakers, until
from tests.system.hostile import HostileBroker

TOWN, OTHER_TOWN = "130281001000", "130281100000"
HOSTILE_S = 6.0
HEALS_WITHIN_S = 10.0
FAR = 2**40  # an epoch and a version above every other
THIEF, TOWNSHIP = (
    Authority("thief"),
    Authority("township", area=TOWN),
)  # nobody trusts the one; the other is trusted at home
EVIL = "EVIL"


@dataclass
class Front:
    """The server, the hostile broker, and the speakers behind it."""

    server: Server
    broker: HostileBroker
    simulator: Simulator
    random: Random
    wrong: list[str] = field(default_factory=list)
    heard: dict[str, list[Play]] = field(default_factory=dict)
    altered: int = 0

    def speakers(self, *, exercise: bool) -> list[SimulatedSpeaker]:
        return [one for one in self.simulator.speakers.values() if one.config.exercise is exercise]

    def sounds(self, *, exercise: bool) -> set[str]:
        return {one.sounds for one in self.speakers(exercise=exercise)}

    # ---- what it may send -------------------------------------------------------------------------------------------------

    def forge(self, speaker: str) -> tuple[str, bytes]:
        return self.random.choice(
            (
                self._unsigned,
                self._of_a_thief,
                self._of_the_exercise,
                self._of_a_township,
                self._altered,
                self._of_others,
            )
        )(self.simulator.speakers[speaker])

    def _board(self, scope: str, *, exercise: bool, level: Level = Level.CITY) -> bytes:
        now_ms, epoch = self.server.clock.now_ms(), self.server.boards.epoch
        order = Order(
            id=f"{EVIL}-{self.random.getrandbits(64):x}",
            revision=1,
            kind=Kind.EMERGENCY,
            band=Band.LIFE_SAFETY,
            severity=Severity.RED,
            level=level,
            exercise=exercise,
            issued_at_ms=now_ms,
            not_before_ms=now_ms,
            not_after_ms=now_ms + 600_000,
            areas=(CITY,),
        )
        orders = (order,) if self.random.random() < 0.8 else ()  # an empty one would silence
        return encode_board(Board(scope, self.random.choice((epoch, FAR)), FAR, now_ms, orders))

    def _unsigned(self, one: SimulatedSpeaker) -> tuple[str, bytes]:
        exercise = one.config.exercise
        scope = self.random.choice(one.config.identity.scopes)
        signed = seal(self._board(scope, exercise=exercise), Message.BOARD, exercise=exercise, signer=THIEF.signer)
        bare = self._board(scope, exercise=exercise)
        return board_topic(root_of(exercise), scope), self.random.choice((bare, signed[:-64] + bytes(64)))

    def _of_a_thief(self, one: SimulatedSpeaker) -> tuple[str, bytes]:
        exercise = one.config.exercise
        scope = self.random.choice(one.config.identity.scopes)
        frame = seal(self._board(scope, exercise=exercise), Message.BOARD, exercise=exercise, signer=THIEF.signer)
        return board_topic(root_of(exercise), scope), frame

    def _of_the_exercise(self, one: SimulatedSpeaker) -> tuple[str, bytes]:
        """The key of the other mode, with either mode in what is signed, on either topic."""
        exercise = one.config.exercise
        scope = self.random.choice(one.config.identity.scopes)
        signer, said = self.server.keyring.signers[not exercise], self.random.random() < 0.5
        frame = seal(self._board(scope, exercise=said), Message.BOARD, exercise=said, signer=signer)
        return board_topic(root_of(self.random.random() < 0.5), scope), frame

    def _of_a_township(self, one: SimulatedSpeaker) -> tuple[str, bytes]:
        """A key that is trusted in one township writes the county's board, its neighbour's, or its own for everybody."""
        scope = self.random.choice((CITY, TOWN, OTHER_TOWN, one.config.area, one.config.id))
        payload = self._board(scope, exercise=False)
        return board_topic(LIVE_ROOT, scope), seal(payload, Message.BOARD, exercise=False, signer=TOWNSHIP.signer)

    def _altered(self, one: SimulatedSpeaker) -> tuple[str, bytes]:
        frame = self.random.choice(self.broker.seen)
        self.altered += 1
        data = bytearray(frame.payload) or bytearray(b"\0")
        match self.random.randrange(3):
            case 0:
                data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
            case 1:
                del data[self.random.randrange(len(data)) :]
            case _:
                data += self.random.randbytes(self.random.randrange(1, 40))
        return frame.topic, bytes(data)

    def _of_others(self, one: SimulatedSpeaker) -> tuple[str, bytes]:
        """A genuine frame that is another's, or of the other mode, under a topic that this one follows."""
        frame, exercise = self.random.choice(self.broker.seen), one.config.exercise
        topics = [board_topic(root_of(exercise), scope) for scope in one.config.identity.scopes]
        return self.random.choice((*topics, time_topic(root_of(exercise), one.config.id))), frame.payload

    # ---- what must not happen ---------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Look all the time at what was heard since last time."""
        while True:
            self._look()
            await asyncio.sleep(0.005)

    def _look(self) -> None:
        for name, one in self.simulator.speakers.items():
            before = self.heard.get(name, [])
            for play in one.heard:
                if not any(play is known for known in before):
                    self._judge(one, play)
            self.heard[name] = list(one.heard)

    def _judge(self, one: SimulatedSpeaker, play: Play) -> None:
        config, order = one.config, play.order
        boards = [board_topic(root_of(config.exercise), scope) for scope in config.identity.scopes]
        rules = {
            "not of the server": order.id in self.ordered,
            "of the other mode": order.exercise is config.exercise,
            "not meant": is_meant(order, config.id, config.area),
            "not on its newest board": self.broker.may_sound(config.id, order.id, boards),
            "past its end": self.server.clock.now_ms() < order.not_after_ms + 1_000,
        }
        self.wrong += [f"{config.id} sounds {order.id}: {why}" for why, fine in rules.items() if not fine]

    ordered: set[str] = field(default_factory=set)


@asynccontextmanager
async def front(folder: Path, *, live: int, exercise: int, seed: int) -> AsyncIterator[Front]:
    random = Random(seed)
    server = Server(load(environment=environment(folder / "data", BROKER_PERSISTENCE="false")))
    await server.start()
    try:
        await server.estate.enrol(
            some_speakers(server, live) + some_speakers(server, exercise, exercise=True), by=OFFICER
        )
        server.refresh_users()
        told = server.provisioning()
        broker = HostileBroker(told.host, told.port, trust=TrustStore(server.keyring.trusted), random=random)
        await broker.start()
        told = replace(told, port=broker.port, keys=(*told.keys, TOWNSHIP.key))
        simulator = Simulator(told, seed=seed)
        simulator.start()
        try:
            whole = Front(server, broker, simulator, random)
            broker.forge = whole.forge
            count = live + exercise
            await until(lambda: server.speakers.counts()[Presence.ONLINE] == count, "all online", within_s=20)
            watching = asyncio.ensure_future(whole.watch())
            yield whole
            assert not watching.done()
            watching.cancel()
        finally:
            await simulator.stop()
            await broker.stop()
    finally:
        await server.stop()


def alert(area: str, *, exercise: bool = False) -> StartBroadcast:
    return StartBroadcast(Kind.EMERGENCY, (area,), severity=Severity.RED, minutes=5, repeats=20, exercise=exercise)


async def start(there: Front, area: str, *, exercise: bool = False) -> str:
    outcome = await there.server.broadcasts.start(alert(area, exercise=exercise), by=OFFICER)
    there.ordered.add(outcome.ids[0])
    return outcome.ids[0]


async def duty(there: Front) -> None:
    """What an officer does in a bad hour: alerts here and there, exercises too, and takes them back."""
    random, broadcasts = there.random, there.server.broadcasts
    live = broadcasts.live()
    if len(live) > 6 or (live and random.random() < 0.4):
        await broadcasts.stop(random.choice(live).id, by=OFFICER)
    elif live and random.random() < 0.2:
        order = random.choice(live)
        if order.order.areas == (CITY,) and not order.order.excluded:
            outcome = await broadcasts.all_clear(order.id, by=OFFICER, areas=(TOWN,), text="")
            there.ordered.update(outcome.ids)
    else:
        await start(there, random.choice((CITY, TOWN, OTHER_TOWN)), exercise=random.random() < 0.4)


@dataclass
class Intruder:
    """A client with the server's rights at the broker, as whoever has broken into that."""

    link: MqttLink
    said: list[tuple[str, bytes]]


@asynccontextmanager
async def intruder(there: Front) -> AsyncIterator[Intruder]:
    address = there.server.broker.address("lianbo", there.server.keyring.broker_password)
    said: list[tuple[str, bytes]] = []
    link = MqttLink(address, "hostile", on_message=lambda topic, payload, *_: said.append((topic, payload)))
    link.subscribe([(f"{LIVE_ROOT}/#", 0), (f"{EXERCISE_ROOT}/#", 0)])
    link.start()
    await until(lambda: link.connected, "the hostile client")
    try:
        yield Intruder(link, said)
    finally:
        await link.stop()


def turn_boards_over(there: Front, who: Intruder) -> None:
    """Empty a board, put an old or a forged one in its place, and say again what speakers have said, also as others."""
    random, link = there.random, who.link
    boards = [frame for frame in there.broker.seen if frame.board is not None]
    if boards:
        old = random.choice(boards)
        link.publish(old.topic, random.choice((b"", old.payload)), 1, retain=True)
    scope = random.choice((CITY, TOWN, OTHER_TOWN))
    forged = seal(there._board(scope, exercise=False), Message.BOARD, exercise=False, signer=THIEF.signer)
    link.publish(board_topic(LIVE_ROOT, scope), forged, 1, retain=True)
    spoken = [one for one in who.said if "/report/" in one[0] or "/hello/" in one[0]]
    for topic, payload in random.sample(spoken, min(5, len(spoken))):
        link.publish(topic, payload, 1)
        other = random.choice(list(there.simulator.speakers))
        link.publish(f"{topic.rpartition('/')[0]}/{other}", payload, 1)
    link.publish(f"{LIVE_ROOT}/gone/{random.choice(list(there.simulator.speakers))}", b"", 1)


async def test_nothing_wrong_sounds_refusals_are_seen_and_it_heals(tmp_path: Path) -> None:
    async with front(tmp_path, live=14, exercise=5, seed=3) as there:
        server, broker = there.server, there.broker
        await start(there, CITY)
        await start(there, CITY, exercise=True)
        await until(lambda: there.simulator.sounding == 19, "all sound before it begins")
        broker.hostile = True
        began = time.monotonic()
        async with intruder(there) as who:
            turn = 0
            while time.monotonic() - began < HOSTILE_S:
                for _ in range(10):
                    broker.act()
                await asyncio.sleep(0.01)
                turn += 1
                if turn % 20 == 0:
                    await duty(there)
                    turn_boards_over(there, who)
            await server.broadcasts.stop_all(by=OFFICER)
            last = await start(there, CITY)
            drill = await start(there, CITY, exercise=True)
            for _ in range(10):
                turn_boards_over(there, who)
        broker.hostile = False
        broker.cut()  # another broker, honest, takes its place
        ended = time.monotonic()
        await until(lambda: there.sounds(exercise=False) == {last}, "the last alert sounds", within_s=HEALS_WITHIN_S)
        await until(lambda: there.sounds(exercise=True) == {drill}, "the last exercise", within_s=HEALS_WITHIN_S)
        everybody = len(there.simulator.speakers)
        await until(
            lambda: server.speakers.counts()[Presence.ONLINE] == everybody, "all online", within_s=HEALS_WITHIN_S
        )
        healed_s = time.monotonic() - ended
        counted = [server.speakers.status(name).refused_frames for name in there.simulator.speakers]
        kinds = [sum(column) for column in zip(*counted, strict=True)]
        counters = server.health.counters
        print(f"{broker.done}; {there.altered} altered; healed in {healed_s:.1f} s; refused {kinds}; {counters}")
        assert there.wrong == []
        assert healed_s <= HEALS_WITHIN_S
        assert min(map(sum, counted)) > 20, "each speaker counts what it refused, and its heartbeat tells the server"
        assert all(kinds), f"unreadable, not authentic, foreign, old: {kinds}"
        assert counters["reports_forged"] > 20
        assert min(broker.done.values()) > 20


async def test_an_exercise_is_heard_in_the_exercise_only_and_never_on_a_live_topic(tmp_path: Path) -> None:
    async with front(tmp_path, live=6, exercise=4, seed=4) as there, intruder(there) as who:
        drill = await start(there, CITY, exercise=True)
        await until(lambda: there.sounds(exercise=True) == {drill}, "the exercise")
        assert there.sounds(exercise=False) == {""}
        order = await start(there, CITY)
        await until(lambda: there.sounds(exercise=False) == {order}, "the alert")
        assert there.sounds(exercise=True) == {drill}
        await there.server.broadcasts.stop(order, by=OFFICER)
        await until(lambda: there.sounds(exercise=False) == {""}, "the alert is over")
        assert there.sounds(exercise=True) == {drill}
        await there.server.broadcasts.stop(drill, by=OFFICER)
        await until(lambda: there.simulator.sounding == 0, "silence")
        assert there.wrong == []
        there.broker.cut()  # they come back with a heartbeat
        wanted = {f"{root}/{kind}/" for root in (LIVE_ROOT, EXERCISE_ROOT) for kind in ("board", "report", "hello")}
        await until(
            lambda: wanted <= {topic[: topic.rfind("/") + 1] for topic, _ in who.said}, "one of each on the wire"
        )
        for topic, payload in who.said:
            if payload:
                prove(there, topic, payload)


def prove(there: Front, topic: str, frame: bytes) -> None:
    """That the frame is of its topic's mode: signed as that, by that mode's key, and every order on it is of it."""
    root, kind, name = topic.rsplit("/", 2)
    exercise = root == EXERCISE_ROOT
    if kind in ("board", "time"):
        keys = there.server.keyring.trusted
        message = Message.BOARD if kind == "board" else Message.TIME
        opened = TrustStore(keys).open(frame, message, exercise=exercise)
        assert opened.key.exercise is exercise
        if kind == "board":
            assert all(order.exercise is exercise for order in decode_board(opened.payload).orders)
    elif kind in ("report", "hello"):
        assert there.server.estate.speaker(name).exercise is exercise
        key = there.server.estate.key_of(name)
        assert key is not None
        open_from_speaker(frame, Message(kind), exercise=exercise, key=key)
