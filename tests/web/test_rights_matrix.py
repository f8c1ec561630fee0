"""Role × verb × area, generated: the rule against a second, dumber one; and every operation of the API against every role."""

import itertools
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Grant, Officer, Role, Verb
from broadcast.domain.rights import RIGHTS, may
from broadcast.service.ports import Account
from broadcast.web.app import make_api
from broadcast.web.openapi import PARAMETERS, PREFIX, Operation
from endpoints.area_codes import is_area_code
from tests.town import CITY, OTHER_TOWNSHIP, PASSWORD, TOWNSHIP, Town, _tree, town
from tests.web.browser import machine, order

NOW = 1_800_000_000_000
VILLAGE = next(area.code for area in _tree if area.code.startswith(TOWNSHIP[:9]) and area.code != TOWNSHIP)
NEIGHBOURS = ("130282000000", "130283000000", "130200000000", "130000000000", "140281000000")
TRAPS = (
    "130281010000",
    "130281001010",
    "130281010001",
    "130281000001",
    "130281100010",
    "130281110000",
    "130281100001001",
)

# The table once more, written by hand and in other words than the code's: a right that is added there has to be added here.
LOOK = {"self", "own_account", "read", "witness"}
WORK = LOOK | {"preview", "drill", "acknowledge_alarm", "join_conference"}
SEND = {
    "start_routine",
    "start_notice",
    "start_emergency",
    "start_life_safety",
    "live",
    "plan_programme",
    "break_glass",
}
TABLE: dict[str, set[str]] = {
    "viewer": LOOK,
    "approver": WORK | {"stop", "approve", "approve_asset"},
    "technician": WORK | {"manage_assets", "manage_estate", "test_speaker", "back_up"},
    "supervisor": WORK
    | {"stop", "approve", "approve_asset", "confirm_officers", "read_audit", "export_audit", "hand_over"},
    "duty": WORK
    | SEND
    | {"stop", "all_clear", "manage_plans", "manage_assets", "approve_asset", "hand_over", "test_speaker"}
    | {"hold_conference"},
    "administrator": {verb.value for verb in Verb},
}


def areas() -> list[str]:
    """The city, its 27 townships and 690 villages, neighbours, and codes that begin alike."""
    own = [area.code for area in _tree]
    traps = [code for code in TRAPS if is_area_code(code)]
    assert len(own) == 718 and len(traps) >= 6
    return list(dict.fromkeys([*own, *NEIGHBOURS, *traps]))


@cache
def digits(area: str) -> str:
    """What stands before the zeros of its level, by the lengths of levels."""
    for end in (15, 12, 9, 6, 4, 2):
        if len(area) > end and set(area[end:]) != {"0"}:
            continue
        if len(area) < end:
            continue
        rest = area[end:]
        if set(rest) <= {"0"} and not (end > 2 and set(area[_before(end) : end]) == {"0"}):
            return area[:end]
    raise AssertionError(area)


def _before(end: int) -> int:
    return {15: 12, 12: 9, 9: 6, 6: 4, 4: 2}[end]


def expected(role: Role, own: str, verb: Verb, area: str) -> bool:
    if verb.value not in TABLE[role.value] or not digits(area).startswith(digits(own)):
        return False
    return verb.value not in SEND or len(digits(own)) <= 6


def passes(officer: Officer, verb: Verb, area: str) -> bool:
    try:
        may(officer, verb, areas=[area], now_ms=NOW)
    except BroadcastError:
        return False
    return True


def test_nobody_escapes_from_the_table_of_roles() -> None:
    assert {role: {verb.value for verb in verbs} for role, verbs in RIGHTS.items()} == {
        role: TABLE[role.value] for role in Role
    }


def test_role_by_verb_by_area_has_no_escape_and_nobody_is_kept_from_the_own_work() -> None:
    places, asked, escapes = areas(), 0, []
    officers = [CITY, TOWNSHIP, OTHER_TOWNSHIP, "130281001000", VILLAGE, "130281001001", "130282000000"]
    for role, own, verb in itertools.product(Role, officers, Verb):
        officer = Officer("x", "", role, own)
        for area in places:
            asked += 1
            if passes(officer, verb, area) is not expected(role, own, verb, area):
                escapes.append((role, own, verb, area))
    assert escapes == []
    assert asked > 700 * len(Role) * len(Verb)


def test_every_township_and_village_reaches_itself_and_nothing_beside() -> None:
    places = areas()
    by_digits = {area: digits(area) for area in places}
    wrong = 0
    for own in places:
        officer = Officer("x", "", Role.DUTY, own)
        mine = by_digits[own]
        wrong += sum(passes(officer, Verb.STOP, area) is not by_digits[area].startswith(mine) for area in places)
    assert wrong == 0


@pytest.mark.parametrize("granted", [CITY, TOWNSHIP, VILLAGE], ids=["city", "township", "village"])
def test_a_grant_reaches_its_area_its_verbs_and_its_time_and_no_further(granted: str) -> None:
    officer = Officer(
        "x", "", Role.VIEWER, OTHER_TOWNSHIP, (Grant("g", frozenset({Verb.LIVE}), granted, NOW, NOW + 1, "c"),)
    )
    for verb, area in itertools.product(Verb, areas()):
        inside = digits(area).startswith(digits(granted))
        own = digits(area).startswith(digits(OTHER_TOWNSHIP))
        given = verb in (Verb.LIVE, Verb.READ, Verb.PREVIEW, Verb.STOP, Verb.ALL_CLEAR)
        assert passes(officer, verb, area) is ((inside and given) or (own and verb.value in LOOK)), (verb, area)
        later = Officer(
            "x", "", Role.VIEWER, OTHER_TOWNSHIP, (Grant("g", frozenset({Verb.LIVE}), granted, 0, NOW, "c"),)
        )
        assert passes(later, verb, area) is (own and verb.value in LOOK)


# ---- over HTTP ------------------------------------------------------------------------------------------------------------------


def operations() -> list[Operation]:
    return make_api().operations


def test_every_operation_says_which_right_it_wants() -> None:
    assert [f"{one.method} {one.path}" for one in operations() if not one.public and not one.verbs] == []
    public = {f"{one.method} {one.path}" for one in operations() if one.public}
    assert public <= {
        "POST /session",
        "POST /session/screen",
        "POST /session/passkey",
        "POST /session/passkey/options",
        "POST /invitations/look",
        "POST /invitations/accept",
        "POST /enrolments/redeem",
    } | {path for path in public if "/enrol" in path}


def filled(path: str) -> str:
    """With something of the right shape that is not there."""
    return PREFIX + re.sub(r"{(\w+)}", lambda match: fitting(match[1]), path)


def fitting(name: str) -> str:
    pattern = PARAMETERS[name].get("pattern", ".*")
    words = (CITY, "0" * 26, "none-such", "nobody", "1" * 32, "a", "1", "2027-03-08")
    return next(one for one in words if re.fullmatch(pattern, one))


def persons() -> Iterator[Officer]:
    for role in Role:
        yield Officer(f"r-{role.value}", "", role, CITY)
        yield Officer(f"t-{role.value}", "", role, TOWNSHIP)
    yield Officer("l-locked", "", Role.ADMINISTRATOR, CITY)


async def furnish(there: Town) -> None:
    hashed = await there.hasher.hash(PASSWORD)
    for officer in persons():
        await there.store.write(lambda tx, officer=officer: tx.accounts.add(Account(officer, hashed)))  # type: ignore[misc]


def allowed(officer: Officer, one: Operation) -> bool:
    held = TABLE[officer.role.value]
    if officer.name == "l-locked":
        held = {"self", "read", "stop"}
    elif officer.area != CITY:
        held = held - SEND
    return not held.isdisjoint({verb.value for verb in one.verbs})


async def test_every_operation_refuses_every_role_that_lacks_the_right_before_it_reads_the_body() -> None:
    """Bodies are empty: who may ask is told what is wrong with it, who may not is told nothing else."""
    async with town() as there, machine(there, None) as client:
        await furnish(there)
        wrong: list[Any] = []
        for officer in persons():
            token = await there.sign_in(officer)
            for one in operations():
                if one.public or "/events" in one.path or one.path == "/session" or one.path.startswith("/session/"):
                    continue
                if officer.name == "l-locked":
                    await there.services.officers.lock(token)
                headers = {"Authorization": f"Bearer {token}", "If-Match": '"999"'}
                if one.method == "GET" and allowed(officer, one):
                    continue  # that it answers is tested where it belongs
                answer = await client.request(one.method, filled(one.path), json=NOTHING, headers=headers)
                body = await answer.json() if "json" in answer.content_type else {}
                kind = body.get("type", "") if isinstance(body, dict) else ""
                refused = kind in (
                    "/problems/role-not-granted",
                    "/problems/not-delegated",
                    "/problems/session-locked",
                )
                if not allowed(officer, one) and not (refused and answer.status == 403):
                    wrong.append((officer.name, one.method, one.path, answer.status, kind))
                if answer.status >= 500:
                    wrong.append((officer.name, one.method, one.path, answer.status, kind))
        assert wrong == []
        assert there.services.broadcasts.live() == []


NOTHING: dict[str, object] = {}


async def test_a_start_is_taken_from_whom_the_table_allows_in_the_own_area_and_from_nobody_else() -> None:
    async with town() as there, machine(there, None) as client:
        await furnish(there)
        for officer in persons():
            if officer.name == "l-locked":
                continue
            headers = {"Authorization": f"Bearer {await there.sign_in(officer)}"}
            for area in (CITY, TOWNSHIP, OTHER_TOWNSHIP, VILLAGE):
                body = order(areas=[area], kind="notice", severity="unknown")
                answer = await client.post(f"{PREFIX}/broadcasts/preview", json=body, headers=headers)
                right = expected(officer.role, officer.area, Verb.START_NOTICE, area)
                assert (answer.status == 200) is right, (officer.name, area, answer.status)


async def test_a_machine_s_token_opens_the_operations_of_its_verbs_and_no_other() -> None:
    async with town() as there, machine(there, None) as client:
        changes = there.services.admission.changes
        await furnish(there)
        admin = Officer("r-administrator", "", Role.ADMINISTRATOR, CITY)
        second = Officer("r-supervisor", "", Role.SUPERVISOR, CITY)
        asked = await changes.make_token(
            "x", frozenset({Verb.STOP}), TOWNSHIP, days=1, screen=False, exercise=False, by=admin
        )
        await changes.confirm(asked.change.id, by=second)
        headers = {"Authorization": f"Bearer {asked.secret}", "If-Match": '"1"'}
        for one in operations():
            if one.public or Verb.STOP in one.verbs:
                continue
            answer = await client.request(one.method, filled(one.path), json=NOTHING, headers=headers)
            assert answer.status == 403, (one.method, one.path, answer.status)
        assert (await client.post(f"{PREFIX}/stop-all", headers=headers)).status == 202
        for page in ("/emergency", "/programmes", "/sounds", "/live"):
            assert (await client.get(page, headers=headers, allow_redirects=False)).status in (303, 403, 404), page
