"""From the plan to the rows and boards: the same on two servers, nothing twice, nothing of the past."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.domain.areas import Area, AreaTree, Level
from broadcast.domain.boards import ROOM_BYTES, size_of
from broadcast.domain.broadcasts import LINGER_MS, Broadcast, Life
from broadcast.domain.calendar import Calendar
from broadcast.domain.programme_boards import HOUR_MS, Plan, contents, derive, horizon_ms, overfull, what_fits
from broadcast.domain.programme_versions import Version
from broadcast.domain.programmes import AreaPlan, Content, File, Pattern, Programme, Speech
from endpoints.protocol import MAX_SLOTS, Part, ProgrammeBoard, encode_programme

CITY, TOWN, VILLAGE = "130281000000", "130281001000", "130281001001"
TREE = AreaTree([
    Area(CITY, Level.CITY, "市", ""), Area(TOWN, Level.TOWNSHIP, "镇", CITY), Area(VILLAGE, Level.VILLAGE, "村", TOWN),
])  # fmt: skip
YEAR_MS = int(datetime(2027, 11, 24, 4, tzinfo=UTC).timestamp() * 1000)
NOON_MS = int(datetime(2026, 11, 24, 4, tzinfo=UTC).timestamp() * 1000)  # 12:00 in Beijing
PART = Part(bytes(range(32)), 48_000, 24_000)
ULID = "01K5M0Z000000000000000000"


def programme(number: int = 0, *times: time, **other: object) -> Programme:
    fields: dict[str, object] = {"title": "早间", "owner": CITY, "length_min": 10, "areas": (CITY,), **other}
    pattern = fields.pop("pattern", Pattern(times or (time(7),), date(2026, 1, 1)))
    return Programme(id=f"{ULID}{number}", pattern=pattern, source=File(PART.asset), **fields)  # type: ignore[arg-type]


def plan(*programmes: Programme, saved_ms: int = 0, plans: tuple[AreaPlan, ...] = ()) -> Plan:
    versions = {one.id: Version(one, saved_ms, "wang", Content((PART,))) for one in programmes}
    return Plan(versions, Calendar(), {one.area: one for one in plans}, TREE)


def rows_after(
    plan: Plan, rows: tuple[Broadcast, ...], now_ms: int, since_ms: int | None = None
) -> dict[str, Broadcast]:
    derived = derive(plan, rows, now_ms, since_ms=now_ms if since_ms is None else since_ms)
    return {**{row.id: row for row in rows}, **{row.id: row for row in (*derived.fresh, *derived.changed)}}


def test_48_hours_have_two_of_what_is_daily_and_deriving_again_changes_nothing() -> None:
    wanted = plan(programme())
    rows = rows_after(wanted, (), NOON_MS)
    starts = [datetime.fromtimestamp(row.order.not_before_ms / 1000, UTC) + timedelta(hours=8) for row in rows.values()]
    assert [f"{at:%d %H:%M}" for at in starts] == ["25 07:00", "26 07:00"]
    again = derive(wanted, tuple(rows.values()), NOON_MS, since_ms=horizon_ms(NOON_MS))
    assert again.fresh == again.changed == ()


MINUTES = st.integers(0, 72 * 60)


@settings(max_examples=60, deadline=None)
@given(st.lists(MINUTES, min_size=1, max_size=8))
def test_two_servers_that_look_at_different_times_derive_the_same_rows(looks: list[int]) -> None:
    """One looks whenever it likes, the other once at the end: of what is still to come they say the same."""
    wanted = plan(programme(0, time(7), time(19, 30)), programme(1, time(12), areas=(TOWN,)))
    rows: dict[str, Broadcast] = {}
    since_ms, last_ms = NOON_MS, NOON_MS
    for minutes in sorted(looks):
        last_ms = NOON_MS + minutes * 60_000
        rows = rows_after(wanted, tuple(rows.values()), last_ms, since_ms)
        since_ms = horizon_ms(last_ms)
    other = rows_after(wanted, (), last_ms)
    coming = {name: row for name, row in rows.items() if row.order.not_before_ms > last_ms}
    assert coming == {name: row for name, row in other.items() if row.order.not_before_ms > last_ms}


def test_what_has_begun_stays_whatever_is_edited() -> None:
    at_noon = programme(0, time(12))
    rows = rows_after(plan(at_noon), (), NOON_MS)
    running = next(row for row in rows.values() if row.order.not_before_ms == NOON_MS)
    for edited in (
        plan(replace(at_noon, length_min=3, revision=2)),
        plan(replace(at_noon, paused=True, revision=2)),
        plan(replace(at_noon, pattern=Pattern((time(13),), date(2026, 1, 1)), revision=2)),
    ):
        assert rows_after(edited, tuple(rows.values()), NOON_MS + 1)[running.id] == running


def test_what_an_officer_stopped_stays_stopped_and_what_the_plan_dropped_comes_back() -> None:
    wanted = plan(programme())
    first, second = rows_after(wanted, (), NOON_MS).values()
    stopped = replace(first, life=Life.STOPPED)
    paused = rows_after(plan(programme(paused=True)), (stopped, second), NOON_MS)
    assert {name: row.life for name, row in paused.items()} == {first.id: Life.STOPPED, second.id: Life.REPLACED}
    back = rows_after(wanted, tuple(paused.values()), NOON_MS)
    assert {name: row.life for name, row in back.items()} == {first.id: Life.STOPPED, second.id: Life.LIVE}


def test_what_was_planned_after_its_time_is_not_made_up_for() -> None:
    at_noon = programme(0, time(12))
    late = NOON_MS + 61_000
    assert all(row.order.not_before_ms > NOON_MS for row in rows_after(plan(at_noon, saved_ms=late), (), late).values())
    just = rows_after(plan(at_noon, saved_ms=NOON_MS + 30_000), (), NOON_MS + 30_000)
    assert NOON_MS in {row.order.not_before_ms for row in just.values()}


def test_a_week_without_a_server_is_seen_in_the_record() -> None:
    rows = rows_after(plan(programme()), (), NOON_MS, since_ms=NOON_MS - 5 * 24 * HOUR_MS)
    assert sum(row.order.not_after_ms < NOON_MS for row in rows.values()) == 5


def test_each_board_carries_its_own_part_and_its_areas_plan() -> None:
    wanted = plan(
        programme(0, areas=(TOWN, VILLAGE), excluded=(VILLAGE,)),
        programme(1, time(8), speakers=("s-1-1",), areas=()),
        plans=(AreaPlan(TOWN, (50,) * 24, 120, PART),),
    )
    found = contents(rows_after(wanted, (), NOON_MS).values(), wanted, NOON_MS, scopes=["130281002000"])
    assert {scope: len(content.orders) for scope, content in found.items()} == {TOWN: 2, "s-1-1": 2, "130281002000": 0}
    assert found[TOWN].orders[0].areas == (TOWN,) and found[TOWN].orders[0].excluded == (VILLAGE,)
    assert (found[TOWN].volume_by_hour, found[TOWN].budget_min, found[TOWN].fallback) == ((50,) * 24, 120, PART)
    assert found["130281002000"].is_empty and not found[TOWN].is_empty


def test_what_has_ended_stays_an_hour_for_those_who_were_off() -> None:
    wanted = plan(programme(0, time(12)))
    rows = rows_after(wanted, (), NOON_MS)
    ends_ms = NOON_MS + 600_000
    assert len(contents(rows.values(), wanted, ends_ms + LINGER_MS - 1)[CITY].orders) == 2 + 1
    assert len(contents(rows.values(), wanted, ends_ms + LINGER_MS)[CITY].orders) == 2


def test_a_board_takes_the_first_that_fit_and_says_up_to_where() -> None:
    every = [time(n // 60, n % 60) for n in range(0, 1440, 10)]
    wanted = plan(programme(0, *every[::2], length_min=10), programme(1, *every[1::2], length_min=10))
    content = contents(rows_after(wanted, (), NOON_MS).values(), wanted, NOON_MS)[CITY]
    assert len(content.orders) == MAX_SLOTS and content.until_ms < horizon_ms(NOON_MS)
    board = ProgrammeBoard(CITY, 1, 1, NOON_MS, content.orders, content.until_ms)
    assert len(encode_programme(board)) < 65_536
    assert overfull(wanted, NOON_MS, YEAR_MS, scopes=[CITY]) is not None
    assert overfull(plan(programme(0, *every[::2])), NOON_MS, YEAR_MS, scopes=[CITY]) is None


def test_a_board_that_is_too_full_on_one_day_in_summer_is_found_in_winter() -> None:
    """What was checked is a year, not the hours that the boards speak of now."""
    every = [time(n // 60, n % 60) for n in range(0, 1440, 30)]
    day = date(2027, 7, 1)
    later = [time(n // 60, n % 60) for n in range(0, 1440, 20)]
    fair = Pattern(tuple(later), day, day + timedelta(days=2))
    wanted = plan(programme(0, *every), programme(1, *[time(n, 15) for n in range(24)]), programme(2, pattern=fair))
    found = overfull(wanted, NOON_MS, YEAR_MS, scopes=[CITY])
    assert found is not None and found.slots > MAX_SLOTS
    assert abs(found.from_ms - int(datetime(2027, 6, 30, 16, tzinfo=UTC).timestamp() * 1000)) < 3 * 86_400_000
    assert overfull(wanted, NOON_MS, NOON_MS + 200 * 86_400_000, scopes=[CITY]) is None
    assert overfull(wanted, NOON_MS, YEAR_MS, scopes=["130281100000"]) is None


def test_long_playlists_fill_a_board_by_their_bytes() -> None:
    wanted = plan(programme(0, *[time(n) for n in range(24)]))
    version = wanted.versions[f"{ULID}0"]
    fat = replace(wanted, versions={f"{ULID}0": replace(version, content=Content((PART,) * 100))})
    found = overfull(fat, NOON_MS, YEAR_MS, scopes=[CITY])
    assert found is not None and found.bytes > ROOM_BYTES
    orders = list(contents(rows_after(fat, (), NOON_MS).values(), fat, NOON_MS)[CITY].orders)
    assert what_fits(orders) == orders and sum(map(size_of, orders)) <= ROOM_BYTES


def test_a_board_is_written_again_for_what_changed_and_before_it_runs_out_but_not_for_the_hour() -> None:
    wanted = plan(programme())
    rows = rows_after(wanted, (), NOON_MS)
    old = contents(rows.values(), wanted, NOON_MS)[CITY]
    later = contents(rows.values(), wanted, NOON_MS + HOUR_MS)[CITY]
    assert not later.says_more_than(old, NOON_MS + HOUR_MS)
    assert contents(rows.values(), wanted, NOON_MS + 10 * HOUR_MS)[CITY].says_more_than(old, NOON_MS + 10 * HOUR_MS)
    louder = replace(wanted, plans={CITY: AreaPlan(CITY, budget_min=60)})
    assert contents(rows.values(), louder, NOON_MS)[CITY].says_more_than(old, NOON_MS)


def test_a_spoken_programme_tells_its_text_to_the_record() -> None:
    spoken = Version(replace(programme(), source=Speech("今天停水。")), 0, "wang", Content((PART,)))
    wanted = Plan({f"{ULID}0": spoken}, Calendar(), {}, TREE)
    one = next(iter(rows_after(wanted, (), NOON_MS).values()))
    assert (one.headline, one.text, one.officer, one.programme) == ("早间", "今天停水。", "wang", f"{ULID}0")
