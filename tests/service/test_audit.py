"""The audit trail in service: signed when due, verified beside the work, handed out and held against copies."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from broadcast.clock import SystemClock
from broadcast.domain.audit import Checkpoint, Entry, Head, link_of
from broadcast.domain.audit_export import BadExport, checkpoint_line, read_lines
from broadcast.domain.audit_faults import Finding, Wrong
from broadcast.domain.officers import AreaNotGranted, Officer, Role, RoleNotGranted
from broadcast.service.audit import Audit, Verifying, check, check_against
from broadcast.service.health import Health
from broadcast.service.ports import ActFilter, ActRow, StoreUnavailable
from broadcast.store.store import open_store
from endpoints.sealing import Ed25519Signer, Signer, Sm2Signer
from tests.memory_store import MemoryStore

CITY = "130281000000"
CHIEF = Officer("chief", "主任", Role.SUPERVISOR, CITY)
DUTY = Officer("duty", "王芳", Role.DUTY, CITY)
TOWN = Officer("town", "李强", Role.SUPERVISOR, "130281100000")


class Clock(SystemClock):
    def __init__(self) -> None:
        self.ms = 1_790_000_000_000

    def now_us(self) -> int:
        return self.ms * 1000


def keys(*signers: Signer) -> dict[bytes, tuple[int, bytes]]:
    return {one.key_id: (int(one.algorithm), one.public) for one in signers}


@dataclass
class Room:
    signer: Signer = field(default_factory=lambda: Ed25519Signer(b"\1" * 32))
    clock: Clock = field(default_factory=Clock)
    store: MemoryStore = field(default_factory=MemoryStore)
    told: list[str] = field(default_factory=list)
    away: bool = False

    def __post_init__(self) -> None:
        self.health = Health(self.clock.now_ms)
        self.audit = self.again()

    def again(self) -> Audit:
        """As after a restart."""
        return Audit(
            clock=self.clock,
            store=self.store,
            health=self.health,
            signer=self.signer,
            keys=keys(self.signer),
            county=CITY,
            keep_elsewhere=self._tell,
        )

    async def _tell(self, lines: str) -> None:
        if self.away:
            raise OSError("no such stick")
        self.told.append(lines)

    async def act(self, count: int = 1, officer: str = "duty") -> None:
        def work(tx: object) -> None:
            for n in range(count):
                tx.acts.add(ActRow(self.clock.ms, officer, "start broadcast", f"B{n}", "水位"))  # type: ignore[attr-defined]

        await self.store.write(work)

    async def after(self, seconds: float) -> list[int]:
        """The numbers at which there are checkpoints, so much later."""
        self.clock.ms += int(seconds * 1000)
        await self.audit.tick()
        return [one.seq for one in await self.checkpoints()]

    async def checkpoints(self) -> list[Checkpoint]:
        return list(await self.store.read(lambda tx: tx.checkpoints.after(0, limit=9_999)))

    async def file(self, after: int = 0) -> list[str]:
        return "".join([part async for part in await self.audit.export(after=after, by=CHIEF)]).splitlines(
            keepends=True
        )

    def rows(self) -> list[Entry]:
        return self.store.tables.acts.rows

    def rewrite_from(self, seq: int) -> None:
        """All of it anew, with every link."""
        rows = self.rows()
        for at in range(seq - 1, len(rows)):
            previous = rows[at - 1].link if at else bytes(32)
            row = rows[at]._replace(detail=rows[at].detail + "!", previous=previous)
            rows[at] = row._replace(link=link_of(row.seq, row[1:6], previous))


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    made = Room()
    yield made
    await made.audit.close()


# ---- checkpoints ------------------------------------------------------------------------------------------------------------


async def test_a_checkpoint_is_signed_a_minute_after_the_first_act_and_not_without_one(room: Room) -> None:
    assert await room.after(1_000) == []
    await room.act(3)
    assert await room.after(0) == []
    assert await room.after(59) == []
    assert await room.after(1) == [3]
    assert await room.after(600) == [3]
    await room.act()
    await room.after(1)
    assert await room.after(60) == [3, 4]


async def test_each_thousand_acts_have_one_at_once(room: Room) -> None:
    await room.act(2_500)
    assert await room.after(0) == [1_000, 2_000]
    assert await room.after(61) == [1_000, 2_000, 2_500]


@pytest.mark.parametrize("signer", [Ed25519Signer(b"\7" * 32), Sm2Signer(b"\7" * 32)])
async def test_a_good_signature_covers_and_one_over_anything_else_does_not(signer: Signer) -> None:
    room = Room(signer=signer)
    await room.act(5)
    await room.audit.close()
    verdict = await check(room.store, keys(signer))
    assert (verdict.is_whole, verdict.covered, verdict.checkpoints, verdict.acts) == (True, 5, 1, 5)
    table = room.store.tables.checkpoints.rows
    for forged in (
        {"at_ms": 1},
        {"county": "110101000000"},
        {"link": b"x" * 32},
        {"signature": b"x" * 64},
        {"algorithm": 0},
    ):
        good = table[5]
        table[5] = replace(good, **forged)
        assert (await check(room.store, keys(signer))).findings == (Finding(Wrong.UNSIGNED, 5, 5),)
        table[5] = good
    verdict = await check(room.store, {})
    assert (verdict.covered, verdict.unknown_keys) == (0, (signer.key_id.hex(),))


async def test_a_tail_that_was_written_anew_is_found_by_the_checkpoints(room: Room) -> None:
    await room.act(900)
    await room.after(0)
    await room.after(61)
    await room.act(900)
    await room.after(1)
    await room.after(61)
    room.rewrite_from(1_200)
    verdict = await check(room.store, keys(room.signer))
    assert verdict.findings == (Finding(Wrong.REWRITTEN, 901, 1_800),)


async def test_checkpoints_are_told_elsewhere_once_also_over_a_restart_and_again_after_a_failure(room: Room) -> None:
    await room.act()
    await room.after(0)
    room.away = True
    await room.after(61)
    assert [one.name for one in room.health.conditions] == ["checkpoint-untold"]
    room.away = False
    await room.after(1)
    assert room.health.conditions == () and [one.seq for one in read_lines(room.told)] == [1]  # type: ignore[union-attr]
    room.audit = room.again()
    await room.after(600)
    assert len(room.told) == 1


async def test_the_last_checkpoint_of_a_run_is_made_when_it_ends(room: Room) -> None:
    await room.act(2)
    await room.audit.close()
    assert [one.seq for one in await room.checkpoints()] == [2]
    await room.audit.close()
    assert [one.seq for one in await room.checkpoints()] == [2]


async def test_without_the_database_it_ends_all_the_same(room: Room) -> None:
    await room.act()
    room.store.goes_away("disk full")
    await room.audit.close()
    with pytest.raises(StoreUnavailable):
        await room.audit.tick()
    room.store.comes_back()


# ---- rights -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "why"), [(DUTY, RoleNotGranted), (TOWN, AreaNotGranted)])
async def test_the_trail_is_the_supervisors_of_the_county_to_read(
    room: Room, who: Officer, why: type[Exception]
) -> None:
    with pytest.raises(why):
        await room.audit.page(ActFilter(), limit=9, by=who)
    with pytest.raises(why):
        await room.audit.checkpoints(after=0, limit=9, by=who)
    with pytest.raises(why):
        await room.audit.verify(by=who)
    with pytest.raises(why):
        room.audit.last_pass(by=who)
    with pytest.raises(why):
        await room.audit.export(after=0, by=who)
    assert room.rows() == []


# ---- verifying --------------------------------------------------------------------------------------------------------------


async def test_a_pass_runs_by_itself_and_says_what_it_found(room: Room) -> None:
    await room.act(5_000)
    begun = await room.audit.verify(by=CHIEF)
    assert begun.verdict is None
    with pytest.raises(Verifying):
        await room.audit.verify(by=CHIEF)
    await room.audit.settled()
    done = room.audit.last_pass(by=CHIEF)
    assert done and done.verdict and done.verdict.is_whole and done.verdict.acts == 5_001
    assert room.rows()[-1].verb == "verify audit trail"


async def test_what_is_wrong_is_a_condition_until_it_is_not(room: Room) -> None:
    await room.act(50)
    good = room.rows()[19]
    room.rows()[19] = good._replace(detail="x")
    await room.audit.verify(by=CHIEF)
    await room.audit.settled()
    (condition,) = room.health.conditions
    assert (condition.name, condition.facts) == ("audit-broken", {"findings": "1", "wrong": "changed", "act": "20"})
    room.rows()[19] = good
    await room.audit.verify(by=CHIEF)
    await room.audit.settled()
    assert room.health.conditions == ()


async def test_a_pass_that_loses_the_database_says_that_it_did_not_end(room: Room) -> None:
    await room.act(50)
    await room.audit.verify(by=CHIEF)
    room.store.goes_away("gone")
    await room.audit.settled()
    done = room.audit.last_pass(by=CHIEF)
    assert done and done.ended_ms and done.verdict is None
    room.store.comes_back()


# ---- copies -----------------------------------------------------------------------------------------------------------------


async def test_an_export_is_whole_and_agrees_with_the_trail_that_goes_on(room: Room) -> None:
    await room.act(2_100)
    await room.after(0)
    lines = await room.file()
    assert (len(lines), room.rows()[-1].verb, room.rows()[-1].detail) == (2_100 + 2 + 2, "export audit trail", "1–2100")
    await room.act(30)
    verdict = await check_against(room.store, lines, keys(room.signer))
    assert (verdict.findings, verdict.acts, verdict.covered, verdict.head.seq) == ((), 2_100, 2_000, 2_100)
    alone = await check_against(None, lines, keys(room.signer))
    assert (alone.findings, alone.acts) == ((), 2_100)


async def test_an_export_may_begin_later(room: Room) -> None:
    await room.act(60)
    lines = await room.file(after=40)
    verdict = await check_against(room.store, lines, keys(room.signer))
    assert (verdict.findings, verdict.acts, verdict.head) == ((), 20, Head(60, room.rows()[59].link))


async def test_a_copy_names_the_first_act_that_was_written_anew(room: Room) -> None:
    await room.act(100)
    lines = await room.file()
    room.rewrite_from(64)
    assert (await check(room.store, keys(room.signer))).is_whole
    verdict = await check_against(room.store, lines, keys(room.signer))
    assert verdict.findings == (Finding(Wrong.REWRITTEN, 64, 100),)


async def test_a_copy_knows_what_was_cut_off(room: Room) -> None:
    await room.act(100)
    lines = await room.file()
    del room.rows()[90:]
    verdict = await check_against(room.store, lines, keys(room.signer))
    assert verdict.findings == (Finding(Wrong.CUT_OFF, 91, 100),)


async def test_checkpoints_alone_that_are_kept_elsewhere_find_it_too(room: Room) -> None:
    for _ in range(3):
        await room.act(10)
        await room.after(0)
        await room.after(61)
    room.rewrite_from(15)
    room.store.tables.checkpoints.rows.clear()  # an intruder would
    verdict = await check_against(room.store, room.told, keys(room.signer))
    assert verdict.findings == (Finding(Wrong.REWRITTEN, 11, 20),)


async def test_a_changed_copy_is_named_too(room: Room) -> None:
    await room.act(100)
    lines = await room.file()
    lines[50] = lines[50].replace("水位", "forged")
    assert (await check_against(None, lines, keys(room.signer))).findings == (Finding(Wrong.CHANGED, 50, 50),)


async def test_a_copy_without_its_end_or_with_a_shorter_tail_is_refused(room: Room) -> None:
    await room.act(100)
    lines = await room.file()
    with pytest.raises(BadExport, match="cut off"):
        await check_against(None, lines[:-1], {})
    shorter = [*lines[:80], lines[-1]]
    assert (await check_against(None, shorter, {})).findings == (Finding(Wrong.CUT_OFF, 80, 100),)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        '{"act": 1}',
        '{"act": 1.0}',
        '{"act": true, "at": 1, "officer": "", "verb": "", "subject": "", "detail": "", "previous": "00", "link": "00"}',
        '{"checkpoint": 1, "link": "zz"}',
        '{"lianbo-audit": 2, "county": "", "made": 0, "after": 0}',
        '{"end": 99999999999999999999, "link": ""}',
    ],
)
def test_what_is_no_line_of_an_export_is_refused_by_its_number(line: str) -> None:
    head = '{"lianbo-audit": 1, "county": "x", "made": 0, "after": 0}\n'
    with pytest.raises(BadExport) as err:
        list(read_lines([head, line]))
    assert err.value.line in (2, 3)


def test_random_bytes_are_no_export() -> None:
    noise = random.Random(1)
    for _ in range(300):
        text = "".join(chr(noise.randrange(1, 300)) for _ in range(noise.randrange(1, 80)))
        with pytest.raises(BadExport):
            list(read_lines(text.splitlines(keepends=True)))


async def test_on_a_real_file_a_trail_is_verified_in_batches(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'lianbo.db'}")

    def work(tx: object) -> None:
        for n in range(3_000):
            tx.acts.add(ActRow(n, "duty", "start", f"B{n}", ""))  # type: ignore[attr-defined]

    await store.write(work)
    for batch in (1_000, 700, 5_000):
        verdict = await check(store, {}, batch=batch)
        assert verdict.is_whole and verdict.acts == 3_000
    await store.close()


def test_a_checkpoint_s_line_comes_back_as_it_went_in() -> None:
    made = Checkpoint(7, b"l" * 32, 5, CITY, -8, b"12345678", b"s" * 64)
    assert list(read_lines([checkpoint_line(made)])) == [made]
