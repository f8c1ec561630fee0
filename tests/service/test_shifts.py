"""The watch goes from one officer to the next by name, with the checklist gone through by both."""

from dataclasses import dataclass, field

import pytest

from broadcast.domain.alarms import Signal
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.officers import AreaNotGranted, Officer, Role, RoleNotGranted
from broadcast.domain.shifts import OFFER_MS, Item, NotOffered, NotOnDuty, ShiftTaken
from broadcast.service.ports import Account
from broadcast.service.shifts import Shifts
from tests.memory_store import MemoryStore
from tests.town import CHIEF, CITY, DUTY, TOWN_DUTY, VIEWER, ShiftedClock

LI = Officer("li", "李娜", Role.DUTY, CITY)
GONE = Officer("gone", "", Role.DUTY, CITY)
ALL = frozenset(Item)


@dataclass
class Room:
    clock: ShiftedClock = field(default_factory=ShiftedClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    rung: list[Signal] = field(default_factory=list)
    state: dict[Item, str] = field(default_factory=lambda: dict.fromkeys(Item, "0"))

    async def open(self) -> Shifts:
        def work(tx: object) -> None:
            for officer in (CHIEF, DUTY, LI, TOWN_DUTY, VIEWER):
                tx.accounts.add(Account(officer, ""))  # type: ignore[attr-defined]
            tx.accounts.add(Account(GONE, "", disabled=True))  # type: ignore[attr-defined]

        await self.store.write(work)
        return Shifts(
            clock=self.clock, store=self.store, state=lambda: dict(self.state), ring=self.rung.append, county=CITY
        )


@pytest.fixture
def room() -> Room:
    return Room()


async def test_a_watch_that_nobody_has_is_taken_and_then_handed_over_with_both_names(room: Room) -> None:
    shifts = await room.open()
    first = await shifts.take(checked=ALL, by=DUTY)
    room.state[Item.ALARMS] = "2"
    await shifts.offer("li", checked=ALL, note=" 夜里有雨 ", by=DUTY)
    room.state[Item.ALARMS] = "1"
    watch = await shifts.now(by=VIEWER)
    assert watch.current == first and watch.offered and watch.offered.officer == "li"
    second = await shifts.take(checked=ALL, by=LI)
    assert (second.officer, second.relieved, second.note) == ("li", "duty", "夜里有雨")
    assert second.checked and second.checked[Item.ALARMS] == "2"
    watch = await shifts.now(by=DUTY)
    assert (watch.current, watch.offered) == (second, None)
    listed, _ = await shifts.page(before=None, limit=9, by=DUTY)
    assert [(one.officer, one.ended_ms is None) for one in listed] == [("li", True), ("duty", False)]
    verbs = [(row.officer, row.verb, row.detail) for row in room.store.tables.acts.rows]
    assert verbs == [("duty", "take shift", ""), ("duty", "offer shift", "li"), ("li", "take shift", "duty")]
    assert room.rung == []


@pytest.mark.parametrize("left_out", list(Item))
async def test_nothing_on_the_list_may_be_left_out(room: Room, left_out: Item) -> None:
    shifts = await room.open()
    with pytest.raises(InvalidRequest):
        await shifts.take(checked=ALL - {left_out}, by=DUTY)
    await shifts.take(checked=ALL, by=DUTY)
    with pytest.raises(InvalidRequest):
        await shifts.offer("li", checked=ALL - {left_out}, note="", by=DUTY)
    await shifts.offer("li", checked=ALL, note="", by=DUTY)
    with pytest.raises(InvalidRequest):
        await shifts.take(checked=ALL - {left_out}, by=LI)
    assert (await shifts.now(by=DUTY)).current


async def test_who_does_not_have_the_watch_hands_nothing_over(room: Room) -> None:
    shifts = await room.open()
    with pytest.raises(NotOnDuty):
        await shifts.offer("li", checked=ALL, note="", by=DUTY)
    await shifts.take(checked=ALL, by=DUTY)
    with pytest.raises(NotOnDuty):
        await shifts.offer("duty", checked=ALL, note="", by=LI)


@pytest.mark.parametrize("to", ["nobody", "gone", "duty", "viewer", "town", "", "x" * 5_000])
async def test_it_is_offered_only_to_a_colleague_who_may_hold_it(room: Room, to: str) -> None:
    shifts = await room.open()
    await shifts.take(checked=ALL, by=DUTY)
    with pytest.raises(InvalidRequest):
        await shifts.offer(to, checked=ALL, note="", by=DUTY)
    assert (await shifts.now(by=DUTY)).offered is None


async def test_without_an_offer_it_is_taken_with_a_reason_only_and_that_rings(room: Room) -> None:
    shifts = await room.open()
    await shifts.take(checked=ALL, by=DUTY)
    with pytest.raises(ShiftTaken):
        await shifts.take(checked=ALL, by=LI)
    begun = await shifts.take(checked=ALL, reason="王芳突发疾病", by=LI)
    assert (begun.relieved, begun.reason, begun.offered_ms) == ("duty", "王芳突发疾病", 0)
    (signal,) = room.rung
    assert (signal.kind, signal.facts["relieved"]) == ("shift-taken", "duty")
    with pytest.raises(ShiftTaken):
        await shifts.take(checked=ALL, reason="x", by=LI)


async def test_an_offer_goes_to_one_at_a_time_can_be_taken_back_and_does_not_last(room: Room) -> None:
    shifts = await room.open()
    await shifts.take(checked=ALL, by=DUTY)
    await shifts.offer("li", checked=ALL, note="", by=DUTY)
    await shifts.offer("chief", checked=ALL, note="", by=DUTY)
    with pytest.raises(ShiftTaken):
        await shifts.take(checked=ALL, by=LI)
    with pytest.raises(NotOffered):
        await shifts.withdraw(by=CHIEF)
    await shifts.withdraw(by=DUTY)
    with pytest.raises(ShiftTaken):
        await shifts.take(checked=ALL, by=CHIEF)
    await shifts.offer("li", checked=ALL, note="", by=DUTY)
    room.clock.advance(OFFER_MS / 1000 + 1)
    with pytest.raises(ShiftTaken):
        await shifts.take(checked=ALL, by=LI)
    current = (await shifts.now(by=DUTY)).current
    assert current and current.officer == "duty"


@pytest.mark.parametrize(("who", "why"), [(VIEWER, RoleNotGranted), (TOWN_DUTY, AreaNotGranted)])
async def test_the_watch_is_held_in_the_county_by_who_may(room: Room, who: Officer, why: type[Exception]) -> None:
    shifts = await room.open()
    with pytest.raises(why):
        await shifts.take(checked=ALL, by=who)
    with pytest.raises(why):
        await shifts.offer("li", checked=ALL, note="", by=who)
    assert (await shifts.now(by=who)).current is None
