"""Who may do what, where and when."""

import pytest

from broadcast.domain.officers import AreaNotGranted, Grant, Officer, Role, RoleNotGranted, Verb
from broadcast.domain.rights import (
    BROADCASTING,
    GRANTABLE,
    RIGHTS,
    STARTS,
    WHILE_LOCKED,
    ExerciseOnly,
    NotDelegated,
    SessionLocked,
    StepUpNeeded,
    areas_of,
    holds,
    may,
    start_verb,
    verbs_of,
)
from endpoints.protocol import Kind

CITY, TOWN, VILLAGE = "130281000000", "130281001000", "130281001001"
OTHER_TOWN = "130281100000"
NOW = 1_800_000_000_000
HOUR = 3_600_000


def duty(area: str = CITY, *grants: Grant) -> Officer:
    return Officer("li", "李", Role.DUTY, area, grants)


def grant(
    *verbs: Verb,
    area: str = TOWN,
    from_ms: int = 0,
    until_ms: int = NOW + HOUR,
    daily_min: tuple[int, int] | None = None,
) -> Grant:
    return Grant("g", frozenset(verbs), area, from_ms, until_ms, "chief", daily_min)


def test_a_township_broadcasts_only_what_was_delegated_to_it() -> None:
    with pytest.raises(NotDelegated):
        may(duty(TOWN), Verb.START_NOTICE, areas=[TOWN], now_ms=NOW)
    notices = duty(TOWN, grant(Verb.START_NOTICE))
    may(notices, Verb.START_NOTICE, areas=[TOWN, VILLAGE], now_ms=NOW)
    with pytest.raises(NotDelegated):
        may(notices, Verb.START_EMERGENCY, areas=[TOWN], now_ms=NOW)
    with pytest.raises(AreaNotGranted):
        may(notices, Verb.START_NOTICE, areas=[VILLAGE, OTHER_TOWN], now_ms=NOW)
    may(duty(CITY), Verb.START_EMERGENCY, areas=[CITY, VILLAGE], now_ms=NOW)


def test_every_class_of_content_is_delegated_by_itself() -> None:
    for given in BROADCASTING:
        officer = duty(TOWN, grant(given))
        assert {verb for verb in BROADCASTING if holds(officer, verb, areas=[TOWN], now_ms=NOW)} == {given}


def test_a_grant_holds_from_its_first_millisecond_to_the_one_before_its_last() -> None:
    officer = duty(TOWN, grant(Verb.LIVE, from_ms=NOW, until_ms=NOW + 10))
    held = [holds(officer, Verb.LIVE, areas=[TOWN], now_ms=NOW + at) for at in (-1, 0, 9, 10)]
    assert held == [False, True, True, False]
    assert not holds(officer, Verb.LIVE, areas=[TOWN])  # who does not say when it is leaves grants out


@pytest.mark.parametrize(
    ("hours", "at", "held"),
    [
        ((6 * 60, 22 * 60), "05:59", False),
        ((6 * 60, 22 * 60), "06:00", True),
        ((6 * 60, 22 * 60), "21:59", True),
        ((6 * 60, 22 * 60), "22:00", False),
        ((22 * 60, 6 * 60), "23:30", True),
        ((22 * 60, 6 * 60), "05:59", True),
        ((22 * 60, 6 * 60), "12:00", False),
    ],
)
def test_daily_hours_of_a_grant_are_those_of_beijing(hours: tuple[int, int], at: str, held: bool) -> None:
    hour, minute = map(int, at.split(":"))
    midnight_in_beijing = NOW // (24 * HOUR) * 24 * HOUR - 8 * HOUR
    now_ms = midnight_in_beijing + hour * HOUR + minute * 60_000
    officer = duty(TOWN, grant(Verb.LIVE, until_ms=NOW * 2, daily_min=hours))
    assert holds(officer, Verb.LIVE, areas=[TOWN], now_ms=now_ms) is held


def test_a_grant_to_begin_in_another_place_lets_look_and_end_there_too() -> None:
    officer = duty(TOWN, grant(Verb.START_NOTICE, area=OTHER_TOWN))
    for verb in (Verb.READ, Verb.PREVIEW, Verb.STOP, Verb.ALL_CLEAR):
        assert areas_of(officer, verb, now_ms=NOW) == (TOWN, OTHER_TOWN)
        assert areas_of(officer, verb, now_ms=NOW + HOUR) == (TOWN,)
    assert areas_of(officer, Verb.START_NOTICE, now_ms=NOW) == (OTHER_TOWN,)
    assert areas_of(officer, Verb.WITNESS, now_ms=NOW) == (TOWN,)


def test_stopping_needs_no_grant() -> None:
    may(duty(TOWN), Verb.STOP, areas=[TOWN], now_ms=NOW)
    with pytest.raises(AreaNotGranted):
        may(duty(TOWN), Verb.STOP, areas=[CITY], now_ms=NOW)


def test_what_looks_after_others_cannot_be_delegated() -> None:
    assert GRANTABLE.isdisjoint(
        {
            Verb.MANAGE_OFFICERS,
            Verb.CONFIRM_OFFICERS,
            Verb.MANAGE_POLICY,
            Verb.READ_AUDIT,
            Verb.EXPORT_AUDIT,
            Verb.BACK_UP,
            Verb.MANAGE_ESTATE,
        }
    )


def test_a_locked_screen_is_for_looking_and_stopping() -> None:
    for role in Role:
        officer = Officer("li", "", role, CITY, (grant(*GRANTABLE),), locked=True)
        for verb in Verb:
            if verb not in WHILE_LOCKED:
                with pytest.raises(SessionLocked):
                    may(officer, verb, areas=[CITY], now_ms=NOW)
        assert verbs_of(officer, now_ms=NOW).keys() <= WHILE_LOCKED
    may(Officer("li", "", Role.DUTY, CITY, locked=True), Verb.STOP, areas=[CITY])


def test_who_is_signed_in_for_exercises_touches_nothing_live() -> None:
    officer = Officer("li", "", Role.ADMINISTRATOR, CITY, exercise_only=True)
    refused = set()
    for verb in Verb:
        try:
            may(officer, verb, areas=[CITY], now_ms=NOW)
        except ExerciseOnly:
            refused.add(verb)
        may(officer, verb, areas=[CITY], exercise=True, now_ms=NOW)
    assert set(Verb) - refused == {Verb.SELF, Verb.OWN_ACCOUNT, Verb.READ, Verb.PREVIEW, Verb.DRILL}


def test_who_has_passed_no_drill_stops_and_looks_after_things_but_sends_nothing_live() -> None:
    officer = Officer("li", "", Role.ADMINISTRATOR, CITY, must_drill=True)
    for verb in (*STARTS, Verb.PLAN_PROGRAMME, Verb.ALL_CLEAR, Verb.APPROVE, Verb.BREAK_GLASS):
        with pytest.raises(ExerciseOnly):
            may(officer, verb, areas=[CITY], now_ms=NOW)
        may(officer, verb, areas=[CITY], exercise=True, now_ms=NOW)
    may(officer, Verb.STOP, areas=[CITY], now_ms=NOW)
    may(officer, Verb.MANAGE_OFFICERS, areas=[CITY], now_ms=NOW)


def test_an_old_sign_in_says_again_who_it_is_before_an_emergency_and_not_before_an_exercise() -> None:
    officer = Officer("li", "", Role.DUTY, CITY, step_up=True)
    for verb in (Verb.START_EMERGENCY, Verb.START_LIFE_SAFETY, Verb.LIVE, Verb.BREAK_GLASS):
        with pytest.raises(StepUpNeeded):
            may(officer, verb, areas=[CITY])
        may(officer, verb, areas=[CITY], exercise=True)
    for verb in (Verb.START_NOTICE, Verb.START_ROUTINE, Verb.STOP, Verb.ALL_CLEAR):
        may(officer, verb, areas=[CITY])


def test_a_machine_does_what_its_token_says_and_nothing_of_its_role() -> None:
    machine = Officer("token:weather", "", Role.ADMINISTRATOR, TOWN, verbs=frozenset({Verb.START_NOTICE}))
    may(machine, Verb.START_NOTICE, areas=[VILLAGE])
    assert verbs_of(machine, now_ms=NOW) == {Verb.START_NOTICE: (TOWN,)}
    with pytest.raises(RoleNotGranted):
        may(machine, Verb.READ, areas=[TOWN])
    with pytest.raises(AreaNotGranted):
        may(machine, Verb.START_NOTICE, areas=[CITY])


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("130281100000", "130281101000"),
        ("130281100000", "130281010000"),
        ("130281001001", "130281001010"),
        ("130281001001", "130281001011"),
        ("130281001000", "130281010000"),
        ("130280000000", "130281000000"),
    ],
)
def test_codes_that_begin_alike_are_not_inside_one_another(mine: str, theirs: str) -> None:
    officer = Officer("li", "", Role.DUTY, mine, (grant(*GRANTABLE, area=mine),))
    for verb in RIGHTS[Role.DUTY]:
        with pytest.raises(AreaNotGranted):
            may(officer, verb, areas=[theirs], now_ms=NOW)


def test_every_kind_of_broadcast_has_its_right() -> None:
    assert {start_verb(kind) for kind in Kind} | {start_verb(Kind.EMERGENCY, life_safety=True)} == STARTS
