"""The rules of the estate: secrets counted on, drift, what a silent test finds, when it is due, codes, and what ends when."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.enrolments import ALPHABET, CODE_LENGTH, EnrolmentState, shown, tidy
from broadcast.domain.estate_tests import SaidOf, drift_of, is_due, judged, tally
from broadcast.domain.expiry import DAY_MS, Ending, warned
from broadcast.domain.speakers import Speaker, Wish
from endpoints.arbitration import QuietHours
from endpoints.protocol import Fault
from tests.store.test_estate_tables import CODE

NOW_MS = 1_790_000_000_000
ONE = Speaker("s-1-1", "130281001001", "村口")
COUNTY = QuietHours(1_320, 360)
SAID = SaidOf("s-1-1", NOW_MS, 1, "m", "1", 1, NOW_MS, 70, 100, 60, 1_320, 360, 0, 1, 0, 0)


# ---- secrets ----------------------------------------------------------------------------------------------------------------


def test_until_newer_secrets_are_heard_the_older_ones_count_and_the_broker_knows_those_that_were_fetched() -> None:
    rolled = ONE.rolled(until_ms=NOW_MS + 1)
    assert (rolled.generations(NOW_MS), rolled.broker_generation(NOW_MS)) == ((2, 1), 1)
    assert replace(rolled, handed_out=True).broker_generation(NOW_MS) == 2
    assert (rolled.generations(NOW_MS + 1), rolled.broker_generation(NOW_MS + 1)) == ((2,), 2)


@given(st.lists(st.sampled_from(["roll", "box", "revoke", "fetch", "time"]), max_size=12))
def test_no_way_of_acting_brings_back_secrets_that_a_revoke_or_another_box_has_ended(steps: list[str]) -> None:
    one, now_ms, dead = ONE, NOW_MS, 0
    for step in steps:
        if step == "roll" and not one.revoked and not one.is_rolling(now_ms):
            one = one.rolled(until_ms=now_ms + 10)
        elif step == "box":
            dead, one = one.generation, one.with_new_box()
        elif step == "revoke":
            dead, one = one.generation, replace(one, revoked=True, older_until_ms=0)
        elif step == "fetch":
            one = replace(one, handed_out=True)
        else:
            now_ms += 7
        assert all(generation > dead for generation in one.generations(now_ms))
        assert one.broker_generation(now_ms) == 0 or one.broker_generation(now_ms) in one.generations(now_ms)
        assert bool(one.broker_generation(now_ms)) is not one.revoked


# ---- drift and findings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "odd"),
    [
        ({}, ()),
        ({"volume_percent": 71}, ("volume_percent",)),
        ({"ceiling_percent": 99, "floor_percent": 61}, ("ceiling_percent", "floor_percent")),
        ({"quiet_until_min": 361}, ("quiet",)),
        ({"muted_until_ms": NOW_MS + 1}, ("muted_until",)),
        ({"muted_until_ms": NOW_MS}, ()),
        ({"generation": 2}, ("generation",)),
    ],
)
def test_a_speaker_drifts_in_what_it_says_otherwise_and_a_mute_that_is_over_is_none(
    said: dict[str, int], odd: tuple[str, ...]
) -> None:
    assert drift_of(ONE, replace(SAID, **said), COUNTY, now_ms=NOW_MS) == odd


def find(
    said: SaidOf | None = SAID, one: Speaker = ONE, *, online: bool = True, faults: int = 0, whole: bool = True
) -> tuple[str, ...]:
    found = judged(
        one,
        said,
        check_ms=NOW_MS,
        online=online,
        faults=faults,
        boards_whole=whole,
        heard_ms=5,
        county=COUNTY,
        now_ms=NOW_MS + 9,
    )
    return found.why if found else ()


def test_who_answers_and_has_nothing_to_say_passes() -> None:
    assert find() == ()


def test_each_way_to_fail_has_its_name() -> None:
    assert find(online=False) == ("offline",)
    assert find(None) == ("cannot-say",)
    assert find(replace(SAID, check_ms=NOW_MS - 1)) == ("no-answer",)
    assert find(replace(SAID, faults=int(Fault.AMPLIFIER))) == ("amplifier",)
    assert find(faults=int(Fault.SOUND | Fault.FILES)) == ("sound", "files")
    assert find(whole=False) == ("old-boards",)
    assert find(replace(SAID, volume_percent=1)) == ("drift",)
    assert find(one=replace(ONE, revoked=True), online=False) == ("revoked",)
    assert find(one=ONE.rolled(until_ms=NOW_MS + 100)) == ("key-roll",)


@given(
    st.booleans(),
    st.integers(0, 255),
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), st.integers(NOW_MS - 1, NOW_MS)),
)
def test_nobody_passes_who_is_off_faulty_or_silent(
    online: bool, faults: int, whole: bool, revoked: bool, check_ms: int | None
) -> None:
    said = None if check_ms is None else replace(SAID, check_ms=check_ms)
    known = faults & sum(Fault)
    well = online and not known and whole and not revoked and check_ms == NOW_MS
    assert (find(said, replace(ONE, revoked=revoked), online=online, faults=faults, whole=whole) == ()) is well


def test_the_counts_are_by_township() -> None:
    there = [ONE, replace(ONE, id="s-2", area="130281001002"), replace(ONE, id="s-3", area="130281000000")]
    found = judged(
        ONE, None, check_ms=1, online=False, faults=0, boards_whole=True, heard_ms=0, county=COUNTY, now_ms=NOW_MS
    )
    assert found is not None
    assert tally(there, [found]) == {"130281001000": (2, 1), "130281000000": (1, 1)}


# ---- when -------------------------------------------------------------------------------------------------------------------

MIDNIGHT = NOW_MS // 86_400_000 * 86_400_000 - 8 * 3_600_000  # in Beijing
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("after_midnight_h", "last_h", "due"),
    [
        (5.3, -18.7, False),
        (5.4, -18.7, True),
        (8.3, -18.7, True),
        (8.4, -18.7, False),
        (6, 5.4, False),
        (0.5, -18.7, False),
    ],
)
def test_the_nightly_test_begins_at_its_minute_once_and_up_to_three_hours_late(
    after_midnight_h: float, last_h: float, due: bool
) -> None:
    now_ms, last_ms = (MIDNIGHT + int(hours * HOUR) for hours in (after_midnight_h, last_h))
    assert is_due(now_ms, at_min=5 * 60 + 20, utc_offset_min=480, last_ms=last_ms) is due


def test_a_test_shortly_before_midnight_is_made_up_for_after_it() -> None:
    late = {"at_min": 23 * 60, "utc_offset_min": 480}
    assert is_due(MIDNIGHT + HOUR, **late, last_ms=MIDNIGHT - 25 * HOUR)
    assert not is_due(MIDNIGHT + HOUR, **late, last_ms=MIDNIGHT - HOUR)


# ---- codes ------------------------------------------------------------------------------------------------------------------


@given(st.text(ALPHABET, min_size=CODE_LENGTH, max_size=CODE_LENGTH))
def test_a_code_is_read_as_it_was_shown_however_it_is_typed(code: str) -> None:
    assert tidy(shown(code)) == tidy(f" {shown(code).lower()} ") == code


@given(st.text(max_size=20))
def test_what_can_t_be_a_code_is_none(typed: str) -> None:
    code = tidy(typed)
    assert code == "" or (len(code) == CODE_LENGTH and set(code) <= set(ALPHABET))


def test_a_code_is_open_used_expired_or_withdrawn() -> None:
    assert CODE.state(CODE.made_ms) is EnrolmentState.OPEN
    assert CODE.state(CODE.until_ms) is EnrolmentState.EXPIRED
    assert replace(CODE, withdrawn=True).state(CODE.made_ms) is EnrolmentState.WITHDRAWN
    assert replace(CODE, box="ab" * 32).state(CODE.until_ms) is EnrolmentState.USED


def test_a_wish_that_changes_nothing_makes_no_new_version() -> None:
    assert Wish(volume_percent=70, name="村口").applied(ONE) is ONE
    assert Wish(volume_percent=71).applied(ONE).revision == 2


# ---- what ends --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "stage", "rank"),
    [(61, None, 0), (60, 60, 3), (31, 60, 3), (30, 30, 3), (14, 14, 2), (7, 7, 2), (1, 1, 1), (0, 0, 1), (-3, 0, 1)],
)
def test_what_ends_is_warned_of_sixty_thirty_fourteen_seven_and_one_day_before(
    days: int, stage: int | None, rank: int
) -> None:
    found = warned([Ending("key", "k", NOW_MS + days * DAY_MS)], now_ms=NOW_MS)
    assert [(one.stage, one.rank, one.days) for one in found] == ([] if stage is None else [(stage, rank, days)])
