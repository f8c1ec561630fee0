"""Backups in service: when one is made, what is said when none is, and what is said of their age."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from broadcast.domain.audit import Checkpoint
from broadcast.domain.backups import BackupFailed
from broadcast.domain.officers import AreaNotGranted, Officer, Role, RoleNotGranted
from broadcast.service.backups import FIRST_AFTER_S, BackupRules, Backups
from broadcast.service.health import Health
from tests.memory_store import MemoryStore
from tests.town import CHIEF, CITY, DUTY, ShiftedClock
from tests.watchers import Shelf

HOUR = 3_600.0


@dataclass
class Room:
    clock: ShiftedClock = field(default_factory=ShiftedClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    shelf: Shelf = field(default_factory=Shelf)
    rules: BackupRules = field(default_factory=BackupRules)

    def __post_init__(self) -> None:
        self.health = Health(self.clock.now_ms)
        self.backups = self.again()

    def again(self) -> Backups:
        return Backups(
            clock=self.clock, store=self.store, health=self.health, vault=self.shelf, rules=self.rules, county=CITY
        )

    async def after(self, seconds: float) -> int:
        self.clock.advance(seconds)
        await self.backups.tick()
        return len(self.shelf.made)

    @property
    def conditions(self) -> list[str]:
        return [one.name for one in self.health.conditions]


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    made = Room()
    yield made
    await made.backups.close()


async def test_the_first_is_made_when_a_start_has_settled_and_then_one_an_hour(room: Room) -> None:
    await room.backups.load()
    assert await room.after(FIRST_AFTER_S - 1) == 0
    assert await room.after(2) == 1
    assert await room.after(HOUR - 5) == 1
    assert await room.after(10) == 2
    assert room.backups.last_ms == room.shelf.made[-1].made_ms and room.conditions == []


async def test_a_restart_goes_by_what_is_there(room: Room) -> None:
    await room.after(FIRST_AFTER_S + 1)
    room.backups = room.again()
    await room.backups.load()
    assert await room.after(FIRST_AFTER_S + 1) == 1
    assert await room.after(HOUR) == 2


async def test_a_failure_is_said_tried_again_soon_and_over_with_the_next_good_one(room: Room) -> None:
    room.shelf.fails = "disk full"
    await room.after(FIRST_AFTER_S + 1)
    assert room.conditions == ["backup-failed"] and room.backups.state(by=DUTY).cause == "disk full"
    room.shelf.fails = ""
    assert await room.after(100) == 0
    assert await room.after(250) == 1
    assert room.conditions == [] and room.backups.state(by=DUTY).cause == ""


async def test_two_hours_without_a_good_one_are_said(room: Room) -> None:
    await room.after(FIRST_AFTER_S + 1)
    room.shelf.fails = "read-only"
    await room.after(HOUR)
    await room.after(HOUR - 60)
    assert room.conditions == ["backup-failed"]
    await room.after(120)
    assert set(room.conditions) == {"backup-failed", "backup-old"}
    facts = {one.name: one.facts for one in room.health.conditions}
    assert facts["backup-old"] == {"minutes": "121"}
    room.shelf.fails = ""
    await room.after(FIRST_AFTER_S + 1)
    assert room.conditions == []


async def test_a_server_that_was_off_for_a_night_has_the_time_to_make_one(room: Room) -> None:
    await room.after(FIRST_AFTER_S + 1)
    room.clock.advance(12 * HOUR)
    room.backups = room.again()
    await room.backups.load()
    await room.after(10)
    assert room.conditions == []
    assert await room.after(FIRST_AFTER_S) == 2 and room.conditions == []


async def test_an_unreadable_folder_is_a_condition_and_no_reason_not_to_start(room: Room) -> None:
    room.shelf.fails = "unreadable"
    await room.backups.load()
    assert room.conditions == ["backup-failed"]


async def test_the_old_ones_go(room: Room) -> None:
    room.rules = BackupRules(hourly=3, daily=1)
    room.backups = room.again()
    for _ in range(8):
        await room.after(HOUR + 1)
    assert len(room.shelf.made) in (3, 4) and len(room.backups.state(by=DUTY).kept) == len(room.shelf.made)


async def test_it_has_to_hold_the_trail_up_to_the_last_checkpoint(room: Room) -> None:
    kept = Checkpoint(7, b"l" * 32, 5, CITY, -8, b"12345678", b"s" * 64)
    await room.store.write(lambda tx: tx.checkpoints.add(kept))
    await room.after(FIRST_AFTER_S + 1)
    assert room.shelf.asked == [{7: b"l" * 32}]


async def test_by_hand_it_is_the_technician_s_and_in_the_log(room: Room) -> None:
    made = await room.backups.make(by=CHIEF)
    assert [(row.verb, row.subject) for row in room.store.tables.acts.rows] == [("make backup", made.name)]
    with pytest.raises(RoleNotGranted):
        await room.backups.make(by=DUTY)
    with pytest.raises(AreaNotGranted):
        await room.backups.make(by=Officer("t", "", Role.TECHNICIAN, "130281100000"))
    room.shelf.fails = "gone"
    with pytest.raises(BackupFailed):
        await room.backups.make(by=CHIEF)
