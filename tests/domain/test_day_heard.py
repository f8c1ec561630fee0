from dataclasses import replace
from itertools import pairwise

from broadcast.domain.contention import Cause
from broadcast.domain.day_heard import Piece, Waits, day_heard
from broadcast.domain.programmes import Content, EndPolicy, Programme, StartPolicy
from endpoints.arbitration import QuietHours
from endpoints.protocol import OrderRule
from tests.domain.plans import CALENDAR, CITY, E1, EAST, MONDAY, beijing_ms, part, programme, ulid

MINUTE_MS = 60_000
COUNTY, TOWNSHIP = programme(1), programme(2, "08:20", 20, owner=EAST)


def heard(area: str, *programmes: Programme, **contents: Content) -> tuple[Piece, ...]:
    return day_heard(
        area,
        MONDAY,
        programmes,
        CALENDAR,
        contents=contents,
        speakers={},
        quiet=QuietHours(),
        rule=OrderRule.SEVERITY_FIRST,
    )


def told(pieces: tuple[Piece, ...]) -> list[tuple[str, str, str]]:
    """Begin, what sounds, and who waits for it; free time and quiet hours left out."""
    return [
        (clock(one.from_ms), one.sounds[-1:], ",".join(f"{w.programme[-1]}:{w.cause}" for w in one.waits))
        for one in pieces
        if one.sounds
    ]


def clock(ms: int) -> str:
    minute = (ms - beijing_ms(MONDAY)) // MINUTE_MS
    return f"{minute // 60:02}:{minute % 60:02}"


def test_who_is_heard_in_each_span_and_why_the_other_is_not() -> None:
    pieces = heard(E1, COUNTY, TOWNSHIP)
    assert told(pieces) == [("08:00", "1", ""), ("08:20", "2", "1:band"), ("08:30", "2", "")]
    (shared,) = [one for one in pieces if one.waits]
    assert shared.waits == (Waits(ulid(1), Cause.BAND, (("winner", "local-routine"), ("loser", "routine"))),)
    assert told(heard(CITY, COUNTY, TOWNSHIP)) == [("08:00", "1", ""), ("08:20", "1", "")]


def test_the_day_has_no_gap_and_its_free_and_quiet_spans_are_told() -> None:
    pieces = heard(E1, COUNTY)
    assert [(clock(one.from_ms), one.quiet, one.is_free) for one in pieces] == [
        ("00:00", True, False),
        ("06:00", False, True),
        ("08:00", False, False),
        ("08:30", False, True),
        ("22:00", True, False),
    ]
    assert all(one.until_ms == after.from_ms for one, after in pairwise(pieces))


def test_one_that_waits_for_another_to_finish_sounds_when_that_has() -> None:
    late = replace(programme(3, "08:10", 40), start=StartPolicy.NEXT, latest_start_s=3_600, end=EndPolicy.FINISH)
    assert told(heard(E1, COUNTY, late))[:2] == [("08:00", "1", ""), ("08:10", "1", "3:began-first")]
    assert told(heard(E1, COUNTY, late))[2] == ("08:30", "3", "")


def test_a_slot_whose_sound_is_over_is_still_taken_and_one_in_the_quiet_hours_is_not_heard() -> None:
    pieces = heard(E1, COUNTY, **{ulid(1): Content((part(10),))})
    slot = [(clock(one.from_ms), one.sounds, one.slot_of) for one in pieces if one.sounds or one.slot_of]
    assert slot == [("08:00", ulid(1), ()), ("08:10", "", (ulid(1),))]
    night = [one for one in heard(E1, programme(1, "23:00")) if one.slot_of]
    assert [(clock(one.from_ms), one.sounds, one.quiet) for one in night] == [("23:00", "", True)]


def test_what_sounds_in_a_part_of_the_area_is_told_apart() -> None:
    (part_of,) = [one for one in heard(EAST, programme(3, "09:00", 10, owner=E1)) if one.partly]
    assert (part_of.sounds, part_of.partly, clock(part_of.from_ms)) == ("", (ulid(3),), "09:00")
