"""What every Store does with the plan, with occurrences and with the as-run log: the fake, SQLite, PostgreSQL."""

from dataclasses import replace
from datetime import date, time

import pytest

from broadcast.domain.broadcasts import Broadcast
from broadcast.domain.calendar import DayEntry, DayKind
from broadcast.domain.programme_versions import PlanVersion, Version
from broadcast.domain.programmes import (
    AreaPlan,
    Content,
    DayRule,
    EndPolicy,
    File,
    LineIn,
    Pattern,
    Playlist,
    Programme,
    Source,
    Speech,
    StartPolicy,
    Stream,
)
from broadcast.domain.speakers import Speaker
from broadcast.service.ports import AsRunRow, DeliveryRow, Store, StoreRefused, Tally, Tx
from endpoints.delivery import State
from endpoints.protocol import Kind, Part, Reason, Resume, Stage, Tone
from tests.store.rows import NOW_MS, ORDER, broadcast, report

ULID = "01K5M0Z0000000000000000001"
HOUR_MS = 3_600_000
PART = Part(bytes(range(32)), 48_000, 24_000)
FULL = Programme(
    id=ULID,
    title="早间新闻 'quoted' \\ %s ? :x",
    owner="130281001000",
    pattern=Pattern(
        times=(time(6, 30), time(18, 30, 15)),
        first=date(2026, 11, 1),
        last=date(2027, 3, 31),
        weekdays=frozenset({1, 5}),
        rule=DayRule.NOT_HOLIDAYS,
        dates_out=frozenset({date(2026, 12, 24)}),
        dates_in=frozenset({date(2026, 12, 26)}),
    ),
    source=Playlist((bytes(32), bytes(range(32)))),
    length_min=25,
    areas=("130281001000",),
    excluded=("130281001002",),
    speakers=("s-130281001003-1",),
    zone="America/Sao_Paulo",
    loop=True,
    start=StartPolicy.GRACE,
    grace_s=90,
    end=EndPolicy.FINISH,
    resume=Resume.CONTINUE,
    volume_percent=30,
    ceiling_percent=80,
    latest_start_s=120,
    opening=Tone.CHIME,
    closing=Tone.CHIME,
    revision=1,
    created_at_ms=NOW_MS,
)
LEAN = Programme(
    id=ULID, title="通知", owner="130281000000", pattern=Pattern.once(date(2026, 11, 24), time(7)),
    source=Speech("今天停水。"), length_min=5, areas=("130281000000",),
)  # fmt: skip


def occurrence(number: int, start_ms: int, *, minutes: int = 10, programme: str = ULID) -> Broadcast:
    order = replace(ORDER, kind=Kind.ROUTINE, not_before_ms=start_ms, not_after_ms=start_ms + minutes * 60_000)
    one = broadcast(number, order, programme=programme)
    return replace(one, order=replace(one.order, id=f"P{ULID}-26112400{number:04d}"))


# ---- versions ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [File(bytes(32)), Speech("你好", "zh", 180), Stream("https://radio.example/live"), LineIn("hw:1"), FULL.source],
)
async def test_a_programme_comes_back_as_it_went_in(store: Store, source: Source) -> None:
    kept = Version(replace(FULL, source=source), NOW_MS, "wang", Content((PART, PART), 7))
    await store.write(lambda tx: tx.programmes.add(kept))
    assert await store.read(lambda tx: tx.programmes.get(ULID)) == kept


async def test_an_edit_is_a_new_version_and_the_old_one_stays_readable(store: Store) -> None:
    first = Version(LEAN, NOW_MS, "wang", Content((PART,)))
    second = Version(replace(LEAN, title="改", revision=2, paused=True), NOW_MS + 1, "li", Content((PART,)))
    third = Version(replace(LEAN, title="改", revision=3), NOW_MS + 2, "li", Content((PART,)), retired=True)
    other = Version(replace(FULL, id="01K5M0Z0000000000000000000"), NOW_MS, "wang")
    for version in (first, second, other, third):
        await store.write(lambda tx, version=version: tx.programmes.add(version))
    assert await store.read(lambda tx: tx.programmes.newest()) == [other, third]
    assert await store.read(lambda tx: tx.programmes.history(ULID)) == [first, second, third]
    assert await store.read(lambda tx: tx.programmes.get("01K5M0Z9999999999999999999")) is None


async def test_the_same_revision_twice_is_refused_and_nothing_is_overwritten(store: Store) -> None:
    first = Version(LEAN, NOW_MS, "wang")
    await store.write(lambda tx: tx.programmes.add(first))
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.programmes.add(Version(replace(LEAN, title="x"), NOW_MS, "li")))
    assert await store.read(lambda tx: tx.programmes.get(ULID)) == first


async def test_a_file_that_was_made_again_is_kept_with_its_version(store: Store) -> None:
    await store.write(lambda tx: tx.programmes.add(Version(LEAN, NOW_MS, "wang")))
    await store.write(lambda tx: tx.programmes.keep_content(ULID, 1, Content((PART,))))
    await store.write(lambda tx: tx.programmes.keep_content(ULID, 9, Content()))
    assert await store.read(lambda tx: tx.programmes.get(ULID)) == Version(LEAN, NOW_MS, "wang", Content((PART,)))


async def test_a_plan_of_an_area_is_versioned_likewise(store: Store) -> None:
    whole = AreaPlan("130281001000", tuple(range(24)), 180, PART, "与村民商定")
    first, second = PlanVersion(whole, 1, NOW_MS, "wang"), PlanVersion(AreaPlan("130281001000"), 2, NOW_MS + 1, "li")
    city = PlanVersion(AreaPlan("130281000000", budget_min=240), 1, NOW_MS, "wang")
    await store.write(lambda tx: tx.programmes.add_plan(first))
    assert await store.read(lambda tx: tx.programmes.plans()) == [first]
    await store.write(lambda tx: (tx.programmes.add_plan(city), tx.programmes.add_plan(second)))
    assert await store.read(lambda tx: tx.programmes.plans()) == [city, second]
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.programmes.add_plan(second))


async def test_the_operators_days_are_said_changed_and_taken_back(store: Store) -> None:
    day = date(2026, 10, 1)
    await store.write(lambda tx: tx.programmes.save_day(DayEntry(day, DayKind.HOLIDAY, "国庆")))
    await store.write(lambda tx: tx.programmes.save_day(DayEntry(date(2026, 9, 27), DayKind.WORKDAY, "国庆")))
    await store.write(lambda tx: tx.programmes.save_day(DayEntry(day, DayKind.REST_DAY)))
    expected = [DayEntry(date(2026, 9, 27), DayKind.WORKDAY, "国庆"), DayEntry(day, DayKind.REST_DAY)]
    assert await store.read(lambda tx: tx.programmes.days()) == expected
    assert await store.write(lambda tx: tx.programmes.drop_day(day)) is True
    assert await store.write(lambda tx: tx.programmes.drop_day(day)) is False
    assert await store.read(lambda tx: tx.programmes.days()) == expected[:1]


async def test_programme_boards_count_by_themselves(store: Store) -> None:
    await store.write(lambda tx: tx.boards.raise_versions(["130281001000"], exercise=False))
    scopes = ["130281001000", "s-1-1", "130281001000"]
    assert await store.write(lambda tx: tx.programmes.raise_versions(scopes)) == {"130281001000": 1, "s-1-1": 1}
    assert await store.write(lambda tx: tx.programmes.raise_versions(["s-1-1"])) == {"s-1-1": 2}
    assert await store.write(lambda tx: tx.programmes.raise_versions([])) == {}
    assert await store.read(lambda tx: tx.programmes.board_versions()) == {"130281001000": 1, "s-1-1": 2}
    assert await store.read(lambda tx: tx.boards.versions()) == {(False, "130281001000"): 1}


# ---- occurrences ------------------------------------------------------------------------------------------------------------


async def test_occurrences_are_rows_of_their_own_and_no_broadcast_of_an_officer(store: Store) -> None:
    first, second = occurrence(1, NOW_MS), occurrence(2, NOW_MS + HOUR_MS)
    officers = broadcast(3)
    await store.write(lambda tx: (tx.broadcasts.add_all([second, first]), tx.broadcasts.add(officers)))
    assert await store.read(lambda tx: tx.broadcasts.occurrences(NOW_MS, NOW_MS + 2 * HOUR_MS)) == [first, second]
    assert await store.read(lambda tx: tx.broadcasts.page(before=None, limit=9)) == [officers]
    assert await store.read(lambda tx: tx.broadcasts.on_boards(NOW_MS)) == [officers]
    assert await store.read(lambda tx: tx.broadcasts.get_all([second.id, "none", officers.id])) == [officers, second]


async def test_occurrences_are_asked_for_by_the_window_that_they_reach_into(store: Store) -> None:
    one = occurrence(1, NOW_MS, minutes=60)
    await store.write(lambda tx: tx.broadcasts.add_all([one]))
    ends_ms = NOW_MS + HOUR_MS

    async def found(from_ms: int, until_ms: int) -> bool:
        return bool(await store.read(lambda tx: tx.broadcasts.occurrences(from_ms, until_ms)))

    assert await found(ends_ms - 1, ends_ms + 9)
    assert not await found(ends_ms, ends_ms + 9)
    assert await found(NOW_MS - 9, NOW_MS + 1)
    assert not await found(NOW_MS - 9, NOW_MS)


async def test_of_many_occurrences_none_is_added_when_one_is_there(store: Store) -> None:
    await store.write(lambda tx: tx.broadcasts.add_all([occurrence(1, NOW_MS)]))
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.broadcasts.add_all([occurrence(2, NOW_MS), occurrence(1, NOW_MS)]))
    assert len(await store.read(lambda tx: tx.broadcasts.occurrences(0, 2 * NOW_MS))) == 1


async def test_four_hundred_occurrences_are_added_at_once(store: Store) -> None:
    many = [occurrence(n, NOW_MS + n) for n in range(400)]
    await store.write(lambda tx: tx.broadcasts.add_all(many))
    assert await store.read(lambda tx: tx.broadcasts.occurrences(0, 2 * NOW_MS)) == many


# ---- as run -----------------------------------------------------------------------------------------------------------------


async def as_run(store: Store) -> tuple[str, str]:
    """Two occurrences at three speakers of two townships."""
    first, second = occurrence(1, NOW_MS), occurrence(2, NOW_MS + HOUR_MS)
    speakers = [
        Speaker("s-1-1", "130281001001", "甲"),
        Speaker("s-1-2", "130281001002", "乙"),
        Speaker("s-2-1", "130281002001", "丙"),
    ]
    rows = [
        DeliveryRow(first.id, "s-1-1", State.DONE, Reason.NONE, NOW_MS + 9, NOW_MS + 20),
        DeliveryRow(first.id, "s-1-2", State.DONE, Reason.NONE, NOW_MS + 9, NOW_MS + 2_001, Reason.FALLBACK),
        DeliveryRow(first.id, "s-2-1", State.MISSED, Reason.TOO_LATE, NOW_MS + 9),
        DeliveryRow(second.id, "s-1-1", State.DONE, Reason.NONE, NOW_MS + 9, NOW_MS + HOUR_MS + 2_000),
    ]

    def work(tx: Tx) -> None:
        tx.broadcasts.add_all([first, second])
        tx.speakers.add(speakers)
        tx.deliveries.keep(rows)

    await store.write(work)
    return first.id, second.id


async def test_the_as_run_log_is_counted_by_how_it_went_in_an_area(store: Store) -> None:
    first, second = await as_run(store)
    done, none = State.DONE, Reason.NONE
    assert await store.read(lambda tx: tx.as_run.tally([first, second], "130281")) == [
        Tally(first, done, none, none, True, False, 1),
        Tally(first, done, none, Reason.FALLBACK, True, True, 1),
        Tally(first, State.MISSED, Reason.TOO_LATE, none, False, False, 1),
        Tally(second, done, none, none, True, False, 1),
    ]
    assert [row.speakers for row in await store.read(lambda tx: tx.as_run.tally([first], "130281002"))] == [1]
    assert await store.read(lambda tx: tx.as_run.tally([], "130281")) == []


async def test_the_as_run_log_names_each_speaker(store: Store) -> None:
    first, second = await as_run(store)
    assert await store.read(lambda tx: tx.as_run.at_speakers([second, first], "130281001")) == [
        AsRunRow(first, "s-1-1", State.DONE, Reason.NONE, NOW_MS + 20, Reason.NONE, NOW_MS + 9, NOW_MS),
        AsRunRow(first, "s-1-2", State.DONE, Reason.NONE, NOW_MS + 2_001, Reason.FALLBACK, NOW_MS + 9, NOW_MS),
        AsRunRow(second, "s-1-1", State.DONE, Reason.NONE, NOW_MS + HOUR_MS + 2_000, Reason.NONE, NOW_MS + 9, NOW_MS + HOUR_MS),
    ]  # fmt: skip
    assert await store.read(lambda tx: tx.as_run.opened([first, "none"])) == {first}


async def test_routine_evidence_is_forgotten_and_that_of_officers_never(store: Store) -> None:
    first, second = await as_run(store)
    officers = broadcast(3)
    told = [report("s-1-1", Stage.SOUNDING, order=order) for order in (first, second, officers.id)]
    await store.write(lambda tx: (tx.broadcasts.add(officers), tx.reports.keep(told)))
    ends_ms = NOW_MS + 600_000
    assert await store.write(lambda tx: tx.as_run.forget_reports(ends_ms, at_most=9)) == 0
    assert await store.write(lambda tx: tx.as_run.forget_reports(ends_ms + 1, at_most=9)) == 1
    assert await store.write(lambda tx: tx.as_run.forget_reports(ends_ms + 1, at_most=9)) == 0
    assert await store.read(lambda tx: [len(tx.reports.of(order)) for order in (first, second, officers.id)]) == [
        0,
        1,
        1,
    ]
    assert len(await store.read(lambda tx: tx.deliveries.of(first))) == 3
    assert await store.write(lambda tx: tx.as_run.forget_occurrences(2 * NOW_MS, at_most=1)) == 1
    assert await store.read(lambda tx: (tx.broadcasts.get(first), len(tx.deliveries.of(first)))) == (None, 0)
    assert await store.write(lambda tx: tx.as_run.forget_occurrences(2 * NOW_MS, at_most=9)) == 1
    assert await store.read(lambda tx: tx.broadcasts.get(officers.id)) == officers
    assert len(await store.read(lambda tx: tx.reports.of(officers.id))) == 1
