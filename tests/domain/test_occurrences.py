from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.domain.calendar import Announced, Calendar, DayEntry, DayKind
from broadcast.domain.occurrences import LONGEST_MS, nominal_time, occurrences, programme_id, to_order
from broadcast.domain.programmes import (
    NOTHING_YET,
    Content,
    DayRule,
    EndPolicy,
    LineIn,
    Pattern,
    Programme,
    Speech,
    StartPolicy,
    as_of_today,
)
from endpoints.arbitration import is_meant
from endpoints.protocol import (
    Band,
    Board,
    Kind,
    Level,
    Order,
    Part,
    Resume,
    Severity,
    Tone,
    decode_board,
    encode_board,
    is_order_id,
)
from tests.domain.plans import CALENDAR, CITY, E1, EAST, MONDAY, TREE, beijing_ms, on, part, programme, ulid, utc_ms
from tests.domain.test_wall_time import CHANGES, first_instant

DAY_MS = 86_400_000
MINUTE_MS = 60_000
MIDNIGHT = beijing_ms(MONDAY)

# ---- expansion --------------------------------------------------------------------------------------------------------------


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[Programme], Calendar, int, int]:
    """Programmes in zones that change their clocks about then, with every kind of rule; and a span of up to nine days."""
    zone, change = draw(st.sampled_from(CHANGES))
    near = st.integers(-4, 4).map(lambda n: change + timedelta(days=n))
    made = []
    for number in range(draw(st.integers(1, 3))):
        first = draw(near)
        pattern = Pattern(
            tuple(draw(st.lists(st.integers(0, 1_439).map(lambda m: time(m // 60, m % 60)), min_size=1, max_size=3))),
            first,
            draw(st.none() | near),
            frozenset(draw(st.sets(st.integers(1, 7)))),
            draw(st.sampled_from(DayRule)),
            frozenset(draw(st.sets(near, max_size=2))),
            frozenset(draw(st.sets(near, max_size=2))),
        )
        one = programme(number, pattern=pattern, zone=draw(st.sampled_from([zone, zone, "Asia/Shanghai"])))
        made.append(replace(one, paused=draw(st.integers(0, 9)) == 0))
    kinds = st.sampled_from(DayKind)
    announced = [DayEntry(day, draw(kinds)) for day in draw(st.sets(near, max_size=3))]
    own = [DayEntry(day, draw(kinds)) for day in draw(st.sets(near, max_size=3))]
    years = frozenset(draw(st.sets(st.sampled_from([change.year, change.year + 1]))))
    begin = int(datetime.combine(change - timedelta(days=4), time(), UTC).timestamp() * 1000)
    from_ms, until_ms = sorted(draw(st.tuples(*[st.integers(begin, begin + 9 * DAY_MS)] * 2)))
    return made, Calendar(Announced(tuple(announced), years), own), from_ms, until_ms


def day_by_day(one: Programme, calendar: Calendar, from_ms: int, until_ms: int) -> Iterator[tuple[int, str]]:
    """What shall come out, written for the eye: a day, its rules, its times; when, and the id."""
    if one.paused:
        return
    day = datetime.fromtimestamp(from_ms / 1000, UTC).date() - timedelta(days=3)
    while day < datetime.fromtimestamp(until_ms / 1000, UTC).date() + timedelta(days=3):
        pattern = one.pattern
        regular = day.isoweekday() in pattern.weekdays and calendar.day(day).meets(pattern.rule)
        outside = day < pattern.first or (pattern.last is not None and day > pattern.last)
        if (regular or day in pattern.dates_in) and not outside and day not in pattern.dates_out:
            for at in pattern.times:
                begins = first_instant(one.zone, day, at)
                if begins is not None and from_ms <= begins < until_ms:
                    yield begins, f"P{one.id}-{day:%y%m%d}{at:%H%M%S}"
        day += timedelta(days=1)


@settings(deadline=None, max_examples=100)
@given(plans())
def test_the_expansion_is_what_one_finds_day_by_day(plan: tuple[list[Programme], Calendar, int, int]) -> None:
    programmes, calendar, from_ms, until_ms = plan
    expected = [found for one in programmes for found in day_by_day(one, calendar, from_ms, until_ms)]
    assert [(one.start_ms, one.id) for one in occurrences(programmes, calendar, from_ms, until_ms)] == sorted(expected)


@settings(deadline=None)
@given(plans(), st.integers(0, 9 * DAY_MS), st.randoms(use_true_random=False))
def test_wherever_the_span_is_split_the_parts_make_the_whole_and_the_order_of_programmes_is_nothing(
    plan: tuple[list[Programme], Calendar, int, int], after_ms: int, random: object
) -> None:
    programmes, calendar, from_ms, until_ms = plan
    between = min(until_ms, from_ms + after_ms)
    whole = occurrences(programmes, calendar, from_ms, until_ms)
    turned = list(reversed(programmes))
    parts = occurrences(turned, calendar, from_ms, between) + occurrences(turned, calendar, between, until_ms)
    assert [(one.start_ms, one.id) for one in parts] == [(one.start_ms, one.id) for one in whole]


@settings(deadline=None)
@given(plans())
def test_no_two_occurrences_share_an_id_and_each_is_an_order_id_that_names_its_programme(
    plan: tuple[list[Programme], Calendar, int, int],
) -> None:
    programmes, calendar, from_ms, until_ms = plan
    once = [on(one, times=tuple(set(one.pattern.times))) for one in programmes]
    found = occurrences(once, calendar, from_ms, until_ms)
    assert len({one.id for one in found}) == len(found)
    assert all(is_order_id(one.id) and len(one.id) == 40 for one in found)
    assert all(programme_id(one.id) == one.programme.id for one in found)
    assert all(nominal_time(one.id) == datetime.combine(one.day, one.at) for one in found if one.day.year >= 2000)


def days_of(one: Programme, first: date, last: date, calendar: Calendar = CALENDAR) -> list[int]:
    found = occurrences([one], calendar, beijing_ms(first), beijing_ms(last + timedelta(days=1)))
    return [occurrence.day.day for occurrence in found]


def test_the_holiday_and_its_make_up_workday_are_where_they_were_announced() -> None:
    first, last = date(2026, 4, 30), date(2026, 5, 10)  # 1–3 May holiday, Saturday the 9th worked

    def days(rule: DayRule) -> list[int]:
        return days_of(on(programme(), rule=rule), first, last)

    assert days(DayRule.EVERY) == [30, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert days(DayRule.WORKDAYS) == [30, 4, 5, 6, 7, 8, 9]
    assert days(DayRule.REST_DAYS) == [1, 2, 3, 10]
    assert days(DayRule.HOLIDAYS) == [1, 2, 3]
    assert days(DayRule.NOT_HOLIDAYS) == [30, 4, 5, 6, 7, 8, 9, 10]


def test_dates_out_are_silent_and_dates_in_sound_whatever_the_weekday_and_the_rule() -> None:
    one = on(programme(), weekdays=frozenset({1}), rule=DayRule.WORKDAYS)
    one = on(one, dates_out=frozenset({date(2026, 5, 11)}), dates_in=frozenset({date(2026, 5, 2), date(2026, 5, 6)}))
    assert days_of(one, date(2026, 5, 1), date(2026, 5, 18)) == [2, 4, 6, 18]


def test_a_one_off_sounds_once() -> None:
    one = programme(pattern=Pattern.once(MONDAY, time(9, 30, 5)))
    (found,) = occurrences([one], CALENDAR, MIDNIGHT - 400 * DAY_MS, MIDNIGHT + 400 * DAY_MS)
    assert (found.start_ms, found.id) == (beijing_ms(MONDAY, time(9, 30, 5)), f"P{ulid(1)}-260504093005")
    assert found.end_ms == found.start_ms + 30 * MINUTE_MS


def test_a_paused_programme_has_no_occurrences() -> None:
    assert days_of(programme(paused=True), MONDAY, MONDAY) == []


def test_two_occurrences_in_one_minute_have_two_ids() -> None:
    one = programme(at="08:00:00 08:00:30", minutes=1)
    ids = [found.id for found in occurrences([one], CALENDAR, MIDNIGHT, MIDNIGHT + DAY_MS)]
    assert ids == [f"P{ulid(1)}-260504080000", f"P{ulid(1)}-260504080030"]


def test_two_times_in_one_gap_are_two_occurrences_at_one_instant() -> None:
    one = programme(at="02:10 02:40", minutes=1, zone="Europe/Berlin")
    found = occurrences([one], CALENDAR, utc_ms(2026, 3, 29), utc_ms(2026, 3, 30))
    assert [one.start_ms for one in found] == [utc_ms(2026, 3, 29, 1)] * 2
    assert [one.id[-6:] for one in found] == ["021000", "024000"]


@pytest.mark.parametrize(
    "text", ["", "P", ulid(1), f"P{ulid(1)}-26050408000", f"P{ulid(1)}-2605040800000", f"P{'U' * 26}-1"]
)
def test_what_is_not_the_id_of_an_occurrence_names_no_programme(text: str) -> None:
    assert programme_id(text) == ""
    assert nominal_time(text) is None


def test_an_id_that_holds_no_date_has_no_nominal_time() -> None:
    assert nominal_time(f"P{ulid(1)}-269999080000") is None


# ---- the order --------------------------------------------------------------------------------------------------------------


def order_of(one: Programme, content: Content = NOTHING_YET) -> Order:
    found = occurrences([one], CALENDAR, MIDNIGHT, MIDNIGHT + DAY_MS)
    return to_order(found[0], content)


EIGHT = beijing_ms(MONDAY, time(8))


def test_an_occurrence_becomes_a_routine_order_of_its_owners_level() -> None:
    one = programme(owner=EAST, revision=4, created_at_ms=77, volume_percent=30, ceiling_percent=80, closing=Tone.CHIME)
    assert order_of(one, Content((part(29), part(1, 2)))) == Order(
        id=f"P{ulid(1)}-260504080000",
        revision=4,
        kind=Kind.ROUTINE,
        band=Band.LOCAL_ROUTINE,
        severity=Severity.UNKNOWN,
        level=Level.TOWNSHIP,
        exercise=False,
        issued_at_ms=77,
        not_before_ms=EIGHT,
        not_after_ms=EIGHT + 30 * MINUTE_MS,
        areas=(EAST,),
        tone=Tone.NONE,
        asset=b"\x01" * 32,
        asset_bytes=100_000,
        asset_ms=29 * MINUTE_MS,
        gap_ms=0,
        resume=Resume.REJOIN,
        volume_percent=30,
        closing=Tone.CHIME,
        more=(Part(b"\x02" * 32, 100_000, MINUTE_MS),),
        start_by_ms=EIGHT + 5 * MINUTE_MS,
        hard_at_ms=EIGHT,
        fade_ms=3_000,
        ceiling_percent=80,
    )


@pytest.mark.parametrize(
    ("owner", "band", "level"),
    [
        (CITY, Band.ROUTINE, Level.CITY),
        (EAST, Band.LOCAL_ROUTINE, Level.TOWNSHIP),
        (E1, Band.LOCAL_ROUTINE, Level.VILLAGE),
    ],
)
def test_what_is_the_areas_own_stands_above_the_countys_routine(owner: str, band: Band, level: Level) -> None:
    order = order_of(programme(owner=owner))
    assert (order.band, order.level) == (band, level)


@pytest.mark.parametrize(
    ("start", "grace_s", "hard_after_ms"),
    [(StartPolicy.HARD, 0, 0), (StartPolicy.GRACE, 90, 90_000), (StartPolicy.NEXT, 0, -EIGHT)],
)
def test_start_policies_are_hard_times(start: StartPolicy, grace_s: int, hard_after_ms: int) -> None:
    assert order_of(programme(start=start, grace_s=grace_s)).hard_at_ms == EIGHT + hard_after_ms


@pytest.mark.parametrize(
    ("end", "fade_ms", "minutes"), [(EndPolicy.CUT, 0, 30), (EndPolicy.FADE, 3_000, 30), (EndPolicy.FINISH, 0, 45)]
)
def test_end_policies_cut_fade_or_leave_room_for_the_whole_sound_even_of_the_latest_start(
    end: EndPolicy, fade_ms: int, minutes: int
) -> None:
    order = order_of(programme(end=end), Content((part(40),)))
    assert (order.fade_ms, order.not_after_ms) == (fade_ms, EIGHT + minutes * MINUTE_MS)


def test_what_may_finish_keeps_its_slot_when_its_sound_is_shorter_and_ends_at_last() -> None:
    assert order_of(programme(end=EndPolicy.FINISH), Content((part(3),))).not_after_ms == EIGHT + 30 * MINUTE_MS
    endless = Content(tuple(part(1_000, n) for n in range(100)))
    assert order_of(programme(end=EndPolicy.FINISH), endless).not_after_ms == EIGHT + LONGEST_MS


@pytest.mark.parametrize(("minutes", "repeats"), [(7, 5), (10, 3), (30, 1), (45, 1), (0.2, 100)])
def test_a_loop_is_begun_again_until_its_slot_is_over(minutes: float, repeats: int) -> None:
    assert order_of(programme(loop=True), Content((part(minutes),))).repeats == repeats


def test_the_latest_start_is_never_behind_the_end() -> None:
    assert order_of(programme(minutes=2)).start_by_ms == EIGHT + 2 * MINUTE_MS
    assert order_of(programme(latest_start_s=60)).start_by_ms == EIGHT + MINUTE_MS


def test_spoken_text_begins_again_after_an_interruption_and_the_rest_keeps_in_step() -> None:
    assert order_of(programme(source=Speech("通知"))).resume is Resume.RESTART
    assert order_of(programme(source=LineIn())).resume is Resume.REJOIN
    assert order_of(programme(source=Speech("通知"), resume=Resume.DROP)).resume is Resume.DROP


def test_a_relay_names_its_stream_and_no_file() -> None:
    order = order_of(programme(source=LineIn()), Content(stream=7))
    assert (order.stream, order.asset, order.sound_ms) == (7, b"", 30 * MINUTE_MS)


@settings(deadline=None)
@given(
    st.sampled_from(StartPolicy),
    st.sampled_from(EndPolicy),
    st.booleans(),
    st.integers(1, 1_440),
    st.lists(st.integers(1, 86_400_000), max_size=4),
)
def test_every_order_of_a_programme_can_be_written_on_a_board_and_read(
    start: StartPolicy, end: EndPolicy, loop: bool, minutes: int, lengths: list[int]
) -> None:
    one = programme(
        start=start,
        grace_s=20 if start is StartPolicy.GRACE else 0,
        end=end,
        loop=loop,
        minutes=minutes,
        opening=Tone.CHIME,
    )
    content = Content(tuple(Part(bytes([n]) * 32, 1, ms) for n, ms in enumerate(lengths)))
    order = order_of(one, content)
    assert decode_board(encode_board(Board(CITY, 1, 1, 1, (order,)))).orders == (order,)
    assert order.not_before_ms <= order.start_by_ms <= order.not_after_ms <= order.not_before_ms + LONGEST_MS


def test_the_targets_of_today_are_the_chosen_areas_and_what_was_merged_into_them() -> None:
    merged = TREE.with_areas([TREE.area(E1).retired(date(2026, 1, 1), into="130281002001")])
    one = programme(owner="130281002000", areas=("130281002001", "130281002000"), speakers=("s-2", "s-1", "s-2"))
    frozen = as_of_today(one, merged)
    assert (frozen.areas, frozen.speakers) == ((E1, "130281002000"), ("s-1", "s-2"))
    assert is_meant(order_of(frozen), "s-x", E1)
