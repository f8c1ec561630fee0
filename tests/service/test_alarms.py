"""Alarms in service: over restarts, without a database, by whom they are answered, and where they come from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from broadcast.domain.alarms import MOST_REASON, Alarm, AlreadyAcknowledged, Rank, Scope, Signal, UnknownAlarm
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.officers import AreaNotGranted, Officer, Role, RoleNotGranted
from broadcast.service.alarm_sources import Conditions, SpeakerTroubles
from broadcast.service.alarms import Alarms, Ringing
from broadcast.service.health import Health
from broadcast.service.ports import StoreUnavailable
from broadcast.service.presence import SILENT_AFTER_S, Presence, Speakers
from endpoints.protocol import Hello
from tests.memory_store import MemoryStore
from tests.town import CITY, DUTY, OTHER_TOWNSHIP, TOWN_DUTY, VIEWER, ShiftedClock, town, zunhua_speakers

SPEAKER = Signal("speaker-offline", "s-130281100001-1", "130281100001", "一村")


@dataclass
class Said:
    """A source that says what it is told."""

    now: list[Signal] = field(default_factory=list)
    unsure: set[str] = field(default_factory=set)

    def signals(self, now_ms: int) -> Iterable[Signal]:
        return list(self.now)

    def is_unsure(self, kind: str, key: str) -> bool:
        return key in self.unsure


@dataclass
class Room:
    clock: ShiftedClock = field(default_factory=ShiftedClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    said: Said = field(default_factory=Said)
    changes: int = 0

    def __post_init__(self) -> None:
        self.alarms = self.again()

    def again(self) -> Alarms:
        return Alarms(clock=self.clock, store=self.store, sources=[self.said], escalate_min=5, changed=self._changed)

    def _changed(self) -> None:
        self.changes += 1

    async def look(self, *signals: Signal, later_s: float = 1) -> list[Alarm]:
        self.clock.advance(later_s)
        self.said.now = list(signals)
        await self.alarms.tick()
        return self.alarms.open(by=DUTY)

    def acts(self) -> list[str]:
        return [row.verb for row in self.store.tables.acts.rows]


@pytest.fixture
def room() -> Room:
    return Room()


async def test_an_alarm_is_raised_once_kept_and_written_into_the_log(room: Room) -> None:
    (alarm,) = await room.look(SPEAKER)
    assert [await room.look(SPEAKER) for _ in range(3)] == [[alarm]] * 3
    assert room.acts() == ["raise alarm"] and room.changes == 1
    assert await room.store.read(lambda tx: tx.alarms.get(alarm.id)) == alarm


async def test_a_restart_raises_nothing_anew_and_ends_nothing_before_it_was_looked_at(room: Room) -> None:
    (alarm,) = await room.look(SPEAKER)
    room.alarms = room.again()
    await room.alarms.load()
    assert await room.look() == [alarm]  # nothing is known of the speaker yet
    assert await room.look(SPEAKER, later_s=50) == [alarm]
    (ended,) = await room.look(later_s=30)
    assert ended.id == alarm.id and ended.cleared_ms


async def test_answered_by_name_with_a_reason_it_is_silent_and_that_is_kept(room: Room) -> None:
    (alarm,) = await room.look(SPEAKER)
    done = await room.alarms.acknowledge(alarm.id, " 已派人检修 ", by=DUTY)
    assert (done.acked_by, done.reason, done.sounds) == ("duty", "已派人检修", False)
    assert room.acts() == ["raise alarm", "acknowledge alarm"]
    with pytest.raises(AlreadyAcknowledged):
        await room.alarms.acknowledge(alarm.id, "x", by=DUTY)
    room.alarms = room.again()
    await room.alarms.load()
    assert room.alarms.open(by=DUTY) == [done] and room.alarms.ringing(CITY) == Ringing(0, 1)


@pytest.mark.parametrize("reason", ["", "  ", "x" * (MOST_REASON + 1), "a\x00b"])
async def test_an_answer_without_a_reason_is_none(room: Room, reason: str) -> None:
    (alarm,) = await room.look(SPEAKER)
    with pytest.raises(InvalidRequest):
        await room.alarms.acknowledge(alarm.id, reason, by=DUTY)
    assert room.alarms.ringing(CITY).sounding == 1


async def test_who_may_answer(room: Room) -> None:
    _, alarm = await room.look(SPEAKER, Signal("broker-down", "broker-down", CITY))
    with pytest.raises(RoleNotGranted):
        await room.alarms.acknowledge(alarm.id, "x", by=VIEWER)
    with pytest.raises(UnknownAlarm):
        await room.alarms.acknowledge(alarm.id, "x", by=Officer("o", "", Role.DUTY, OTHER_TOWNSHIP))
    with pytest.raises(UnknownAlarm):
        await room.alarms.acknowledge("nothing", "x", by=DUTY)
    assert (await room.alarms.acknowledge(alarm.id, "x", by=TOWN_DUTY)).acked_by == "town"


async def test_a_township_sees_what_concerns_it_and_answers_for_its_own_only(room: Room) -> None:
    speakers = [Signal("speaker-offline", f"s{n}", f"1302811{n:02}001", "") for n in range(5)]
    (everywhere,) = await room.look(*speakers)
    assert everywhere.scope is Scope.ALL and room.alarms.open(by=TOWN_DUTY) == [everywhere]
    with pytest.raises(AreaNotGranted):
        await room.alarms.acknowledge(everywhere.id, "x", by=TOWN_DUTY)
    assert room.alarms.ringing(OTHER_TOWNSHIP).sounding == 1
    assert room.alarms.ringing("130281199000") == Ringing()


async def test_nobody_answers_and_it_rises(room: Room) -> None:
    await room.look(Signal("stock-lacking", "stock-lacking", CITY))
    ranks = [(await room.look(Signal("stock-lacking", "stock-lacking", CITY), later_s=150))[0].rank for _ in range(5)]
    assert ranks == [Rank.LOW, Rank.HIGH, Rank.HIGH, Rank.URGENT, Rank.URGENT]
    assert room.acts() == ["raise alarm", "escalate alarm", "escalate alarm"]


async def test_without_the_database_alarms_go_on_in_memory_and_are_written_when_it_is_back(room: Room) -> None:
    room.store.goes_away("disk full")
    with pytest.raises(StoreUnavailable):
        await room.look(Signal("store-unavailable", "store-unavailable", CITY))
    (alarm,) = room.alarms.open(by=DUTY)
    assert room.alarms.ringing(CITY).rank is Rank.URGENT
    assert (await room.alarms.acknowledge(alarm.id, "磁盘满", by=DUTY)).acked_by == "duty"
    room.store.comes_back()
    await room.look()
    kept = await room.store.read(lambda tx: tx.alarms.get(alarm.id))
    assert kept and kept.acked_by == "duty" and room.acts() == ["raise alarm", "acknowledge alarm"]


async def test_an_event_rings_at_the_next_look_and_once(room: Room) -> None:
    room.alarms.tell(Signal("shift-taken", "S1", CITY, "王芳"))
    (alarm,) = await room.look()
    assert (alarm.kind, alarm.rank, alarm.sounds) == ("shift-taken", Rank.HIGH, True)
    assert await room.look() == [alarm]
    await room.alarms.acknowledge(alarm.id, "知悉", by=DUTY)
    assert await room.look() == []


async def test_pages_go_back_in_time(room: Room) -> None:
    for n in range(5):
        await room.look(Signal("loop-x", f"k{n}", CITY), later_s=700)
    first, after = await room.alarms.page(before=None, limit=2, by=DUTY)
    rest, end = await room.alarms.page(before=after, limit=9, by=DUTY)
    assert [one.members[0].key for one in [*first, *rest]] == ["k4", "k3", "k2", "k1", "k0"] and end is None


# ---- where they come from -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    speaker: str
    area: str
    cause: str = "offline"


async def test_690_speakers_that_drop_out_over_real_heartbeats_are_three_alarms_at_most_shown_within_a_minute() -> None:
    async with town() as there:
        speakers, estate, clock = there.services.speakers, there.services.estate, there.clock

        def troubles() -> Iterator[Trouble]:
            for name, one in estate.speakers.items():
                if speakers.status(name).presence is Presence.OFFLINE:
                    yield Trouble(name, one.area)

        source = SpeakerTroubles(estate=estate, speakers=speakers, troubles=troubles)
        alarms = Alarms(clock=clock, store=there.store, sources=[source], escalate_min=60, changed=lambda: None)
        names = [name for name in estate.speakers if name != "s-130281000000-1"][:690]
        there.all_there()
        for n in range(20):  # the last heartbeat of each, spread over their interval
            there.hello(*names[n::20])
            clock.advance(1)
        clock.advance(SILENT_AFTER_S - 20)
        seen: set[str] = set()
        for _ in range(30):
            clock.advance(1)
            there.hello("s-130281000000-1")
            speakers.tick(wire_up=True)
            await alarms.tick()
            seen |= {one.id for one in alarms.open(by=DUTY)}
        missing = {member.key for one in alarms.open(by=DUTY) for member in one.members}
        assert missing >= set(names) and len(seen) <= 3
        there.all_there()
        clock.advance(61)
        there.all_there()
        await alarms.tick()
        assert all(one.cleared_ms for one in alarms.open(by=DUTY))


async def test_a_speaker_of_which_nothing_is_known_keeps_its_alarm() -> None:
    clock = ShiftedClock()
    async with town() as there:
        estate = there.services.estate
        speakers = Speakers(clock=clock, on_change=lambda _: None)
        speakers.expect(estate.speakers)
        source = SpeakerTroubles(estate=estate, speakers=speakers, troubles=list[Trouble])
        name = zunhua_speakers(estate.tree)[0].id
        assert source.is_unsure("speaker-offline", name)
        speakers.hello(Hello(name, 1, b"", 1, 1, 1, "", 0, (0, 0, 0, 0), (), clock.now_ms()))
        assert not source.is_unsure("speaker-offline", name)
        assert not source.is_unsure("broadcast-failures", name)


def test_conditions_are_told_apart_by_what_makes_them_another() -> None:
    health = Health(lambda: 5)
    source = Conditions(health, CITY)
    health.raise_("signing-key-ends", days="29", stage="30", rank="3", subject="abc")
    health.raise_("loop-live", cause="x")
    health.raise_("glass-broken", count="1")
    first = {one.kind: one for one in source.signals(0)}
    assert first.keys() == {"signing-key-ends", "loop-live"}
    assert (first["signing-key-ends"].rank, first["loop-live"].rank) == (Rank.LOW, Rank.HIGH)
    health.raise_("signing-key-ends", days="28", stage="30", rank="3", subject="abc")
    health.raise_("loop-live", cause="y")
    assert {one.key for one in source.signals(0)} == {one.key for one in first.values()}
    health.raise_("signing-key-ends", days="14", stage="14", rank="2", subject="abc")
    assert {one.key for one in source.signals(0)} != {one.key for one in first.values()}
