"""When a shift changes nothing is tested; a checklist is gone through item by item."""

from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.shifts import Item, check_list, near_change, next_clear_ms, parse_times

BEIJING = timezone(timedelta(hours=8))
TIMES = parse_times(["08:00", "20:00", "00:00"])


def at(clock: str, zone: timezone = BEIJING) -> int:
    return int(datetime.fromisoformat(f"2026-11-23T{clock}").replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("clock", "near"),
    [
        ("07:49:59", False),
        ("07:50:00", True),
        ("08:00:00", True),
        ("08:10:00", True),
        ("08:10:01", False),
        ("23:51:00", True),  # the change is tomorrow
        ("00:09:00", True),
        ("12:00:00", False),
    ],
)
def test_ten_minutes_before_and_after_a_change_are_near_it(clock: str, near: bool) -> None:
    assert near_change(at(clock), TIMES, BEIJING) is near


def test_the_time_of_day_is_that_of_the_zone() -> None:
    assert near_change(at("00:00:00", UTC), TIMES, BEIJING)
    assert not near_change(at("08:00:00", UTC), TIMES, BEIJING)
    assert near_change(at("08:05:00"), TIMES, ZoneInfo("Asia/Shanghai"))


def test_without_changes_no_time_is_near_one() -> None:
    assert not near_change(at("08:00:00"), (), BEIJING)


@given(st.integers(0, 4 * 10**12), st.lists(st.times(), max_size=4))
def test_the_next_clear_time_is_clear_and_not_before_now(now_ms: int, times: list[time]) -> None:
    clear_ms = next_clear_ms(now_ms, times, BEIJING)
    assert clear_ms >= now_ms and not near_change(clear_ms, times, BEIJING)
    assert clear_ms == now_ms or near_change(now_ms, times, BEIJING)


def test_shifts_that_change_all_day_long_leave_no_time_for_a_test() -> None:
    with pytest.raises(ValueError, match="so often"):
        next_clear_ms(0, [time(hour, minute) for hour in range(24) for minute in (0, 20, 40)], BEIJING)


@pytest.mark.parametrize("word", ["24:00", "8", "", "noon", "08:00:00:00"])
def test_what_is_no_time_of_day_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"time data|unconverted"):
        parse_times([word])


def test_every_item_that_was_not_looked_at_is_named() -> None:
    faults = check_list({Item.ALERTS, Item.SOUND}, "")
    assert [dict(fault.facts)["item"] for fault in faults] == ["alarms", "approvals", "faults", "backup"]
    assert check_list(set(Item), "") == []
    assert [fault.field for fault in check_list(set(Item), "x" * 1_001)] == ["note"]
