"""Two officers edit one thing: who comes second overwrites nothing and is told by whom and when. Every operation that could."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from aiohttp import ClientSession

from broadcast.domain.accounts import AccountRules
from broadcast.domain.officers import Officer, Role
from broadcast.service.ports import Account
from broadcast.web.app import make_api
from tests.plans import beijing
from tests.town import CHIEF, CITY, MELODY, PASSWORD, TOWNSHIP, Town, town
from tests.web.browser import machine
from tests.web.test_conferences import PLAN as CONFERENCE
from tests.web.test_plans import FLOOD

API = "/api/v1"
SECOND = Officer("second", "孙立", Role.ADMINISTRATOR, CITY)
SPEAKER = "s-130281100201-1"
GROUP = {"name": "河边", "owner": CITY, "areas": [TOWNSHIP]}
ALONE_OR_WHOLE = {
    "/me/pin": "one's own, with the password",
    "/officers/{officer}/password": "a secret: there is nothing of another's in it to lose",
    "/officers/{officer}/second-factor": "one's own, with the code",
    "/calendar-days/own/{day}": "one day is one word: whoever says it last means it, and the others stay",
}


class Case(NamedTuple):
    """:param makes: the first version, by the first officer; None: it is there. :param changes: how somebody is faster."""

    makes: tuple[str, str] | None
    changes: tuple[str, str]
    at: int = 1  # the revision that both have read
    by: str = "second"


def programme(there: Town) -> dict[str, Any]:
    first = (beijing(there.clock.now_ms()) + timedelta(days=1)).date().isoformat()
    source = {"kind": "file", "asset": MELODY.asset.hex()}
    return {
        "title": "午间",
        "areas": [CITY],
        "length_min": 10,
        "pattern": {"times": ["12:00"], "first": first},
        "source": source,
    }


PROGRAMME = Case(("POST", "/programmes"), ("PUT", "/programmes/{programme}"))
PLAN = Case(("POST", "/plans"), ("PUT", "/plans/{plan}"))
BLUEPRINT = {"plan": CONFERENCE}
GROUPS = Case(("POST", "/groups"), ("PUT", "/groups/{group}"))
CASES: Mapping[str, Case] = {
    "PUT /officers/{officer}": Case(None, ("PUT", "/officers/duty")),
    "PUT /programmes/{programme}": PROGRAMME,
    "DELETE /programmes/{programme}": PROGRAMME,
    "POST /programmes/{programme}/pause": PROGRAMME,
    "POST /programmes/{programme}/resume": PROGRAMME,
    "PUT /area-plans/{area}": Case(None, ("PUT", f"/area-plans/{TOWNSHIP}"), 0),
    "PUT /calendar-days/own": Case(None, ("PUT", "/calendar-days/own"), 0),
    "PUT /speakers/{speaker}/settings": Case(None, ("PUT", f"/speakers/{SPEAKER}/settings")),
    "PUT /groups/{group}": GROUPS,
    "DELETE /groups/{group}": GROUPS,
    "PUT /plans/{plan}": PLAN,
    "DELETE /plans/{plan}": PLAN,
    "POST /plans/{plan}/approve": PLAN,
    "PUT /policies/approval": Case(None, ("PUT", "/policies/approval"), 0),
    "PUT /conference-blueprints/{blueprint}": Case(
        ("POST", "/conference-blueprints"), ("PUT", "/conference-blueprints/{blueprint}")
    ),
    "PUT /drafts/{draft}": Case(None, ("PUT", "/drafts/notice"), 0, by="chief"),
}


def bodies(there: Town) -> dict[str, Any]:
    return {
        "/officers/{officer}": {"title": "新", "role": "duty", "area": CITY},
        "/programmes/{programme}": programme(there),
        "/area-plans/{area}": {"budget_min": 60},
        "/calendar-days/own": {"entries": [{"day": "2027-01-05", "kind": "holiday", "name": "县庆"}]},
        "/speakers/{speaker}/settings": {"volume_percent": 40},
        "/groups/{group}": GROUP,
        "/plans/{plan}": {**FLOOD, "hotkey": 0},
        "/policies/approval": {"rules": [{"demand": "second-person"}]},
        "/conference-blueprints/{blueprint}": BLUEPRINT,
        "/drafts/{draft}": {"body": {"text": "一"}},
    }


def test_every_operation_that_changes_what_is_there_starts_from_a_version_or_says_why_not() -> None:
    versioned = {f"{one.method} {one.path}" for one in make_api().operations if one.versioned}
    assert versioned == set(CASES)
    puts = {one.path for one in make_api().operations if one.method == "PUT" and not one.versioned}
    assert puts == set(ALONE_OR_WHOLE)


async def test_without_a_version_428_and_with_an_old_one_412_that_names_who_was_faster_and_when() -> None:
    async with town(accounts=AccountRules(two_person=False)) as there:
        hashed = await there.hasher.hash(PASSWORD)
        await there.store.write(lambda tx: tx.accounts.add(Account(SECOND, hashed)))
        async with machine(there, CHIEF) as first, machine(there, SECOND) as second:
            for name, case in CASES.items():
                await overtaken(there, name, case, first, first if case.by == "chief" else second)


async def overtaken(there: Town, name: str, case: Case, first: ClientSession, second: ClientSession) -> None:
    method, path = name.split(" ")
    body, made = bodies(there), ""
    known = {"group": GROUP, "plan": FLOOD, "programme": programme(there), "conference-blueprint": BLUEPRINT}
    if case.makes is not None:
        kind = path.split("/")[1].removesuffix("s")
        answer = await first.request(case.makes[0], API + case.makes[1], json=known[kind])
        assert answer.status == 201, (name, await answer.text())
        made = (await answer.json())["id"]
    where = case.changes[1].replace("{" + (path.split("{")[-1].split("}")[0]) + "}", made)
    template = path.removesuffix("/pause").removesuffix("/resume").removesuffix("/approve")
    match = {"If-Match": f'"{case.at}"'}
    here = API + (path.replace(path[path.index("{") : path.index("}") + 1], made) if made else where)
    sent = body[template] if method == "PUT" else None
    without = await first.request(method, here, json=sent)
    assert without.status == 428, (name, without.status)
    garbled = await first.request(method, here, json=sent, headers={"If-Match": '"1", "2"'})
    assert garbled.status == 428, (name, garbled.status)
    faster = await second.request(case.changes[0], API + where, json=body[template], headers=match)
    assert faster.status == 200, (name, await faster.text())
    stale = await first.request(method, here, json=sent, headers=match)
    said = await stale.json()
    assert stale.status == 412, (name, said)
    if name != "PUT /area-plans/{area}":
        assert said["revision"] == case.at + 1, (name, said)
    assert said["changed_by"] == case.by, (name, said)
    assert said["changed_at"] and "changed_ms" not in said, (name, said)


async def test_of_two_that_change_one_speaker_at_once_one_is_told_so_and_a_change_of_many_loses_nothing() -> None:
    """Both have read version 1 and both pass every check before either is kept."""
    async with town() as there:
        caretaking, estate = there.services.care.caretaking, there.services.estate
        kept = estate.speaker(SPEAKER)
        async with machine(there, CHIEF) as client:
            settings, match = f"{API}/speakers/{SPEAKER}/settings", {"If-Match": '"1"'}
            assert (await client.put(settings, json={"volume_percent": 40}, headers=match)).status == 200
            estate.speakers[SPEAKER] = kept  # as a server sees it whose look at the table is a moment old
            late = await client.put(settings, json={"note": "西侧"}, headers=match)
            assert (late.status, (await late.json())["changed_by"]) == (412, "chief")
            await estate.load()
            estate.speakers[SPEAKER] = kept
            many = await client.post(
                f"{API}/speakers/bulk", json={"speakers": [SPEAKER], "settings": {"floor_percent": 80}}
            )
            assert many.status == 200, await many.text()
        now = estate.speaker(SPEAKER)
        assert (now.volume_percent, now.floor_percent, now.note, now.revision) == (40, 80, kept.note, 3)
        assert caretaking is there.services.care.caretaking
