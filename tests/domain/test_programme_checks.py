from dataclasses import replace
from datetime import UTC, date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.broadcasts import Fault
from broadcast.domain.programme_checks import (
    check_area_plan,
    check_programme,
    is_stream_address,
    is_ulid,
    is_zone,
)
from broadcast.domain.programmes import (
    AreaPlan,
    DayRule,
    EndPolicy,
    File,
    LineIn,
    Pattern,
    Playlist,
    Programme,
    Speech,
    StartPolicy,
    Stream,
    plan_of,
)
from endpoints.protocol import Resume, Tone
from tests.domain.plans import CITY, E1, EAST, MONDAY, TREE, W1, WEST, on, part, programme, ulid

SPEAKERS = {"s-east": E1, "s-west": W1}
ASSETS = {bytes([n]) * 32 for n in range(256)}


def faults(one: Programme) -> list[Fault]:
    return check_programme(one, TREE, SPEAKERS, ASSETS, today=MONDAY)


def names(one: Programme) -> list[tuple[str, str]]:
    return [(fault.field, fault.code) for fault in faults(one)]


EAST_ONE = programme(owner=EAST)
RELAY = programme(source=Stream("https://radio.example/live"))


@pytest.mark.parametrize(
    "good",
    [
        programme(),
        EAST_ONE,
        replace(EAST_ONE, areas=(), speakers=("s-east",)),
        programme(source=Playlist((b"\x01" * 32, b"\x01" * 32))),
        programme(source=Speech("今天停水", "kokoro", 160)),
        RELAY,
        replace(RELAY, resume=Resume.DROP),
        programme(source=LineIn("front:0"), end=EndPolicy.CUT),
        programme(start=StartPolicy.GRACE, grace_s=60, opening=Tone.CHIME, closing=Tone.CHIME, loop=True),
        programme(pattern=Pattern.once(MONDAY, time(9))),
        programme(at="23:50", minutes=20),
        programme(minutes=1_440),
        programme(at="08:00 08:30", minutes=30),
    ],
)
def test_what_an_officer_may_plan_has_no_fault(good: Programme) -> None:
    assert faults(good) == []


@pytest.mark.parametrize(
    ("bad", "field", "code"),
    [
        (programme(id="01J"), "id", "not-a-ulid"),
        (programme(title=" "), "title", "missing"),
        (programme(title="长" * 81), "title", "too-long"),
        (programme(title="a\x00b"), "title", "control-characters"),
        (programme(title="a\ud800b"), "title", "control-characters"),
        (replace(programme(), owner="130281009000"), "owner", "unknown-area"),
        (programme(zone="Asia/Peking"), "zone", "unknown-zone"),
        (programme(zone="../../etc/passwd"), "zone", "unknown-zone"),
        (programme(areas=()), "areas", "empty-target"),
        (programme(areas=("130281009000",)), "areas.0", "unknown-area"),
        (programme(excluded=(CITY,)), "excluded", "empty-target"),
        (programme(speakers=("s-none",)), "speakers.0", "unknown-speaker"),
        (replace(EAST_ONE, areas=(EAST, WEST)), "areas.1", "outside-owner"),
        (replace(EAST_ONE, speakers=("s-west",)), "speakers.0", "outside-owner"),
        (on(programme(), first=date(1999, 12, 31)), "pattern.first", "out-of-range"),
        (on(programme(), last=date(2025, 12, 31)), "pattern.last", "out-of-range"),
        (on(programme(), last=date(2100, 1, 1)), "pattern.last", "out-of-range"),
        (on(programme(), weekdays=frozenset({0})), "pattern.weekdays", "out-of-range"),
        (on(programme(), weekdays=frozenset()), "pattern.weekdays", "never"),
        (on(programme(), dates_in=frozenset({date(2025, 1, 1)})), "pattern.dates_in", "outside-dates"),
        (on(programme(), dates_in=frozenset({MONDAY}), dates_out=frozenset({MONDAY})), "pattern.dates_in", "also-out"),
        (
            on(programme(), dates_out=frozenset(map(date.fromordinal, range(736_000, 736_400)))),
            "pattern.dates_out",
            "too-many",
        ),
        (on(programme(), times=()), "pattern.times", "missing"),
        (on(programme(minutes=1), times=tuple(time(n // 60, n % 60) for n in range(49))), "pattern.times", "too-many"),
        (on(programme(), times=(time(8), time(8))), "pattern.times.1", "twice"),
        (on(programme(), times=(time(8, tzinfo=UTC),)), "pattern.times.0", "not-a-time-of-day"),
        (on(programme(), times=(time(8, 0, 0, 1),)), "pattern.times.0", "not-a-time-of-day"),
        (programme(at="08:00 08:29"), "pattern.times", "overlaps-itself"),
        (programme(at="23:50 00:10", minutes=30), "pattern.times", "overlaps-itself"),
        (on(programme(pattern=Pattern.once(MONDAY, time(9))), rule=DayRule.WORKDAYS), "pattern.rule", "needs-weekdays"),
        (programme(source=File(b"\x01" * 31)), "source.asset", "unknown-asset"),
        (programme(source=Playlist(())), "source.assets", "missing"),
        (programme(source=Playlist((b"\x01" * 32, b"x"))), "source.assets.1", "unknown-asset"),
        (programme(source=Playlist((b"\x01" * 32,) * 101)), "source.assets", "too-many"),
        (programme(source=Speech("")), "source.text", "missing"),
        (programme(source=Speech("字" * 601)), "source.text", "too-long"),
        (programme(source=Speech("字", rate=79)), "source.rate", "out-of-range"),
        (programme(source=Speech("字", voice="v" * 41)), "source.voice", "too-long"),
        (programme(source=Stream("file:///etc/passwd")), "source.url", "not-a-stream-address"),
        (programme(source=LineIn("d" * 65)), "source.device", "too-long"),
        (programme(minutes=0), "length_min", "out-of-range"),
        (programme(minutes=1_441), "length_min", "out-of-range"),
        (programme(latest_start_s=9), "latest_start_s", "out-of-range"),
        (programme(latest_start_s=3_601), "latest_start_s", "out-of-range"),
        (programme(start=StartPolicy.GRACE), "grace_s", "out-of-range"),
        (programme(start=StartPolicy.GRACE, grace_s=300), "grace_s", "out-of-range"),
        (programme(grace_s=5), "grace_s", "only-with-grace"),
        (replace(RELAY, resume=Resume.CONTINUE), "resume", "not-for-relay"),
        (replace(RELAY, end=EndPolicy.FINISH), "end", "not-for-relay"),
        (replace(RELAY, loop=True), "loop", "not-for-relay"),
        (programme(volume_percent=101), "volume_percent", "out-of-range"),
        (programme(volume_percent=60, ceiling_percent=50), "volume_percent", "above-ceiling"),
        (programme(ceiling_percent=0), "ceiling_percent", "out-of-range"),
        (programme(opening=Tone.ATTENTION), "opening", "only-a-chime"),
        (programme(closing=Tone.ALL_CLEAR), "closing", "only-a-chime"),
    ],
)
def test_what_is_wrong_is_named_at_its_field(bad: Programme, field: str, code: str) -> None:
    assert (field, code) in names(bad)


def test_every_fault_is_told_at_once() -> None:
    bad = programme(title="", minutes=0, volume_percent=-1, areas=(), source=Speech(""))
    assert {field for field, _ in names(bad)} == {"title", "length_min", "volume_percent", "areas", "source.text"}


def test_a_retired_area_is_no_target_and_says_what_took_its_place() -> None:
    tree = TREE.with_areas([TREE.area(E1).retired(date(2026, 1, 1), into="130281001002")])
    found = check_programme(programme(areas=(E1,)), tree, {}, ASSETS, today=MONDAY)
    assert found == [Fault("areas.0", "retired-area", (("area", E1), ("into", "东二村")))]


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://radio.example:8000/live.mp3?x=1", True),
        ("http://[2001:db8::1]/a", True),
        ("HTTPS://radio.example", True),
        ("https://user:secret@radio.example/", False),
        ("https://user@radio.example/", False),
        ("https:///nohost", False),
        ("rtsp://radio.example/", False),
        ("https://radio.example:port/", False),
        ("https://radio.example:99999/", False),
        ("https://[::1", False),
        ("https://radio.example/\r\nHost: x", False),
        ("https://radio.example/ a", False),
        ("https://广播.example/", False),
        ("https://radio.example/" + "a" * 400, False),
        ("", False),
    ],
)
def test_a_stream_has_an_address_of_http_without_a_password_in_it(url: str, good: bool) -> None:
    assert is_stream_address(url) is good


@pytest.mark.parametrize("name", ["Asia/Shanghai", "Asia/Urumqi", "Europe/Berlin", "Australia/Lord_Howe", "UTC"])
def test_zones_of_the_database_are_known(name: str) -> None:
    assert is_zone(name)


@given(
    st.text(max_size=60)
    | st.sampled_from(["localtime", "Asia", "Asia/", "/etc/localtime", "posixrules", "asia/nowhere"])
)
def test_whatever_else_is_said_is_no_zone_and_no_ulid(text: str) -> None:
    if text not in ("UTC", "EST", "GMT"):
        assert not is_zone(text)
    assert not is_ulid(text)
    assert is_ulid(ulid(7))


PLAN = AreaPlan(EAST, volume_by_hour=(50,) * 24, budget_min=90, note="与村民约定")


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (PLAN, []),
        (AreaPlan(CITY), []),
        (replace(PLAN, area="130281009000"), [("area", "unknown-area")]),
        (replace(PLAN, volume_by_hour=(50,) * 23), [("volume_by_hour", "neither-none-nor-24")]),
        (replace(PLAN, volume_by_hour=(50,) * 23 + (101,)), [("volume_by_hour.23", "out-of-range")]),
        (replace(PLAN, budget_min=1_441), [("budget_min", "out-of-range")]),
        (replace(PLAN, note="长" * 401), [("note", "too-long")]),
    ],
)
def test_the_plan_of_an_area_is_checked_field_by_field(bad: AreaPlan, expected: list[tuple[str, str]]) -> None:
    assert [(fault.field, fault.code) for fault in check_area_plan(bad, TREE)] == expected


def test_each_rule_of_an_area_is_that_of_the_smallest_one_that_says_something() -> None:
    city = AreaPlan(CITY, volume_by_hour=(80,) * 24, budget_min=120, fallback=part(3), note="全市")
    east = AreaPlan(EAST, budget_min=60)
    village = AreaPlan(E1, volume_by_hour=(40,) * 24)
    plans = {one.area: one for one in (city, east, village)}
    assert plan_of(plans, E1) == AreaPlan(E1, (40,) * 24, 60, part(3), "全市")
    assert plan_of(plans, WEST) == AreaPlan(WEST, (80,) * 24, 120, part(3), "全市")
    assert plan_of({}, E1) == AreaPlan(E1)
