"""Audit trail, alarms, shifts and backups over HTTP: who may, what comes back, and what hostile requests get."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from aiohttp import ClientSession

from broadcast.domain.alarms import Signal
from broadcast.domain.shifts import Item
from broadcast.service.audit import check_against
from broadcast.service.ports import ActRow, Tx
from broadcast.web.events import state_of
from tests.town import CHIEF, CITY, DUTY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, VIEWER, Town, town
from tests.web.browser import machine

ALL = [item.value for item in Item]
ULID = "01K5M0Z0000000000000000001"


async def acts(there: Town, count: int = 12) -> None:
    def work(tx: Tx) -> None:
        for n in range(count):
            verb = "stop" if n % 3 == 0 else "start"
            tx.acts.add(ActRow(1_790_000_000_000 + n * 1_000, "duty", verb, f"B{n}", "<script>alert(1)</script>"))

    await there.store.write(work)


async def got(client: ClientSession, path: str, **query: object) -> Any:
    answer = await client.get(f"/api/v1{path}", params={name: str(value) for name, value in query.items()})
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def sent(client: ClientSession, path: str, body: object | None = None) -> tuple[int, Any]:
    answer = await client.post(f"/api/v1{path}", json=body)
    return answer.status, await answer.json() if answer.content_type.endswith("json") else None


# ---- the audit trail -------------------------------------------------------------------------------------------------------


async def test_the_trail_is_read_in_pages_by_officer_verb_subject_and_time() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        await acts(there)
        page = await got(client, "/audit", limit=5, verb="start")
        rest = await got(client, "/audit", limit=5, verb="start", before=page["next"])
        subjects = [one["subject"] for one in page["items"] + rest["items"]]
        assert subjects == ["B11", "B10", "B8", "B7", "B5", "B4", "B2", "B1"] and rest["next"] is None
        (one,) = (await got(client, "/audit", subject="B4", officer="duty"))["items"]
        assert (one["detail"], one["at"]) == ("<script>alert(1)</script>", "2026-09-21T22:13:24.000+08:00")
        window = {"from": "2026-09-21T22:13:23+08:00", "until": "2026-09-21T14:13:25Z"}
        assert [one["subject"] for one in (await got(client, "/audit", **window))["items"]] == ["B4", "B3"]
        assert (await got(client, "/audit", officer="nobody"))["items"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"before": "-1"},
        {"before": "9" * 30},
        {"from": "yesterday"},
        {"from": "2026-09-21T22:13:23"},
        {"officer": "x" * 201},
        {"offcer": "duty"},
    ],
)
async def test_a_query_that_makes_no_sense_is_refused_by_field(query: dict[str, str]) -> None:
    async with town() as there, machine(there, CHIEF) as client:
        answer = await client.get("/api/v1/audit", params=query)
        assert (answer.status, len((await answer.json())["errors"])) == (422, 1)


READS = ("/audit", "/audit/checkpoints", "/audit/verification", "/audit/export")


@pytest.mark.parametrize("path", READS)
async def test_the_trail_is_for_supervisors_and_administrators_of_the_county(path: str) -> None:
    async with town() as there:
        for officer in (DUTY, TOWN_DUTY, VIEWER):
            async with machine(there, officer) as client:
                assert (await client.get(f"/api/v1{path}")).status == 403
                assert (await client.post("/api/v1/audit/verify")).status == 403
        async with machine(there, None) as client:
            assert (await client.get(f"/api/v1{path}")).status == 401


async def test_a_pass_is_begun_looked_up_and_finds_what_was_changed() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        await acts(there)
        assert (await got(client, "/audit/verification"))["state"] == "none"
        status, begun = await sent(client, "/audit/verify")
        assert (status, begun["state"]) == (202, "running")
        await there.services.watch.audit.settled()
        done = await got(client, "/audit/verification")
        assert (done["state"], done["whole"], done["findings"]) == ("done", True, [])
        rows = there.store.tables.acts.rows
        rows[5] = rows[5]._replace(officer="li")
        await sent(client, "/audit/verify")
        await there.services.watch.audit.settled()
        done = await got(client, "/audit/verification")
        assert done["whole"] is False
        assert done["findings"] == [{"wrong": "changed", "first": 6, "last": 6, "place": None}]


async def test_the_file_that_is_handed_out_verifies_and_the_checkpoints_are_listed() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        await acts(there)
        await there.services.watch.audit.tick()
        there.clock.advance(61)
        await there.services.watch.audit.tick()
        points = await got(client, "/audit/checkpoints")
        assert len(points["items"]) == 1 and points["next"] is None
        answer = await client.get("/api/v1/audit/export")
        assert "attachment" in answer.headers["Content-Disposition"]
        lines = (await answer.text()).splitlines(keepends=True)
        signer = there.services.boards._signers[False]
        keys = {signer.key_id: (int(signer.algorithm), signer.public)}
        verdict = await check_against(there.store, lines, keys)
        assert verdict.is_whole and verdict.covered == points["items"][0]["number"]
        assert json.loads(lines[0])["county"] == CITY
        assert (await got(client, "/audit", limit=1))["items"][0]["verb"] == "export audit trail"


# ---- alarms ----------------------------------------------------------------------------------------------------------------


async def ring(there: Town, *signals: Signal) -> None:
    for one in signals:
        there.services.watch.alarms.tell(one)
    await there.services.watch.alarms.tick()


def event(n: int = 1, area: str = CITY) -> Signal:
    return Signal("shift-taken", f"S{n}", area, "王芳 <b>", None, {"officer": "<script>"})


async def test_an_alarm_sounds_on_every_page_until_it_is_acknowledged_by_name() -> None:
    async with town() as there, machine(there) as client:
        await ring(there, event())
        assert state_of(there.services, DUTY)["alarms"]["sounding"] == 1
        (alarm,) = (await got(client, "/alarms"))["items"]
        assert (alarm["kind"], alarm["rank"], alarm["sounds"], alarm["count"]) == ("shift-taken", "high", True, 1)
        path = f"/alarms/{alarm['id']}/acknowledge"
        status, done = await sent(client, path, {"reason": "已了解"})
        assert (status, done["acknowledged_by"], done["reason"], done["sounds"]) == (200, "duty", "已了解", False)
        status, again = await sent(client, path, {"reason": "x"})
        assert (status, again["type"], again["officer"]) == (409, "/problems/already-acknowledged", "duty")
        assert (await got(client, "/alarms"))["items"] == []
        assert [one["id"] for one in (await got(client, "/alarms", state="history"))["items"]] == [alarm["id"]]
        assert state_of(there.services, DUTY)["alarms"] == {"sounding": 0, "open": 0, "rank": None, "newest": ""}


async def test_machines_that_watch_see_alarms_and_the_age_of_the_backup() -> None:
    async with town() as there, machine(there, CHIEF) as client:
        text = await (await client.get("/metrics")).text()
        assert 'lianbo_alarms_sounding{rank="high"} 0.0' in text and "lianbo_backup_age_seconds NaN" in text
        await ring(there, event())
        await sent(client, "/backups")
        there.clock.advance(60)
        text = await (await client.get("/metrics")).text()
        assert 'lianbo_alarms_sounding{rank="high"} 1.0' in text and "lianbo_backup_age_seconds 6" in text


async def test_silent_speakers_are_listed_by_place_and_all_of_them_by_the_alarm_s_own_address() -> None:
    async with town() as there, machine(there) as client:
        away = [name for name, one in there.services.estate.speakers.items() if one.area.startswith("130281100")]
        there.all_there(but=away)
        await there.services.watch.alarms.tick()
        (alarm,) = (await got(client, "/alarms"))["items"]
        assert (alarm["scope"], alarm["area"], alarm["count"]) == ("township", TOWNSHIP, len(away))
        assert len(alarm["members"]) == 20 and alarm["place"]
        whole = await got(client, f"/alarms/{alarm['id']}")
        assert sorted(one["key"] for one in whole["members"]) == sorted(away)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": ""},
        {"reason": " "},
        {"reason": "x" * 501},
        {"reason": 7},
        {"reason": "a", "by": "chief"},
        [],
        "x",
    ],
)
async def test_an_answer_without_a_right_reason_changes_nothing(body: Any) -> None:
    async with town() as there, machine(there) as client:
        await ring(there, event())
        (alarm,) = (await got(client, "/alarms"))["items"]
        answer = await client.post(f"/api/v1/alarms/{alarm['id']}/acknowledge", json=body)
        assert answer.status == 422
        assert state_of(there.services, DUTY)["alarms"]["sounding"] == 1


async def test_who_may_answer_for_what() -> None:
    async with town() as there:
        away = [name for name, one in there.services.estate.speakers.items() if one.area.startswith("130281101")]
        there.all_there(but=away)
        await ring(there, event())
        found = there.services.watch.alarms.open(by=CHIEF)
        ids = {one.kind: one.id for one in found}
        async with machine(there, VIEWER) as client:
            assert len((await got(client, "/alarms"))["items"]) == 2
            assert (await sent(client, f"/alarms/{ids['shift-taken']}/acknowledge", {"reason": "x"}))[0] == 403
        async with machine(there, TOWN_DUTY) as client:
            assert (await got(client, "/alarms"))["items"] == []
            for one in (*ids.values(), ULID):
                assert (await sent(client, f"/alarms/{one}/acknowledge", {"reason": "x"}))[0] == 404
                assert (await client.get(f"/api/v1/alarms/{one}")).status == 404
        async with machine(there, None) as client:
            assert (await client.get("/api/v1/alarms")).status == 401
            assert (await sent(client, f"/alarms/{ULID}/acknowledge", {"reason": "x"}))[0] == 401
        async with machine(there, CHIEF) as client:
            for odd in ("x", "..%2f", "' OR 1=1", "a" * 5_000):
                assert (await client.post(f"/api/v1/alarms/{odd}/acknowledge", json={"reason": "x"})).status in (
                    400,
                    404,
                )
        assert OTHER_TOWNSHIP.startswith("130281101")


# ---- shifts ----------------------------------------------------------------------------------------------------------------


async def test_the_watch_goes_from_one_to_the_other_in_two_steps() -> None:
    async with town() as there, machine(there) as duty, machine(there, CHIEF) as chief:
        assert (await got(duty, "/shifts/current"))["current"] is None
        status, first = await sent(duty, "/shifts/take-over", {"checked": ALL})
        assert (status, first["officer"], set(first["checklist"])) == (201, "duty", set(ALL))
        status, offer = await sent(duty, "/shifts/hand-over", {"to": "chief", "checked": ALL, "note": "<b>雨</b>"})
        assert (status, offer["began"], offer["note"]) == (201, None, "<b>雨</b>")
        status, taken = await sent(chief, "/shifts/take-over", {"checked": ALL})
        assert (status, taken["officer"], taken["relieved"]) == (201, "chief", "duty")
        watch = await got(duty, "/shifts/current")
        assert (watch["current"]["officer"], watch["offered"]) == ("chief", None)
        assert [one["officer"] for one in (await got(duty, "/shifts"))["items"]] == ["chief", "duty"]
        assert (await sent(duty, "/shifts/hand-over", {"to": "chief", "checked": ALL}))[0] == 409
        status, refused = await sent(duty, "/shifts/take-over", {"checked": ALL})
        assert (status, refused["type"]) == (409, "/problems/shift-taken")
        assert (await sent(duty, "/shifts/take-over", {"checked": ALL, "reason": "有事"}))[0] == 201
        await there.services.watch.alarms.tick()
        assert [one.kind for one in there.services.watch.alarms.open(by=DUTY)] == ["shift-taken"]


def wrong_bodies() -> Iterable[Any]:
    return (
        {},
        {"checked": []},
        {"checked": ALL[:-1]},
        {"checked": [*ALL, "x"]},
        {"checked": ALL * 9},
        {"checked": "all"},
        {"checked": ALL, "reason": "x" * 301},
        {"checked": ALL, "officer": "chief"},
        [],
        7,
    )


@pytest.mark.parametrize("body", wrong_bodies())
async def test_a_watch_is_not_taken_with_half_a_checklist(body: Any) -> None:
    async with town() as there, machine(there) as client:
        status, refused = await sent(client, "/shifts/take-over", body)
        assert status == 422 and refused["errors"]
        assert (await got(client, "/shifts/current"))["current"] is None


async def test_the_watch_is_not_for_everybody() -> None:
    async with town() as there:
        for officer in (VIEWER, TOWN_DUTY):
            async with machine(there, officer) as client:
                assert (await sent(client, "/shifts/take-over", {"checked": ALL}))[0] == 403
                assert (await sent(client, "/shifts/hand-over", {"to": "duty", "checked": ALL}))[0] == 403
                assert (await client.delete("/api/v1/shifts/hand-over")).status == 403
        async with machine(there) as client:
            assert (await client.delete("/api/v1/shifts/hand-over")).status == 409
            await sent(client, "/shifts/take-over", {"checked": ALL})
            status, refused = await sent(client, "/shifts/hand-over", {"to": "nobody", "checked": ALL})
            assert (status, refused["errors"][0]["field"]) == (422, "to")


# ---- backups ---------------------------------------------------------------------------------------------------------------


async def test_the_age_of_the_last_good_backup_is_for_everybody_and_making_one_for_technicians() -> None:
    async with town() as there, machine(there, CHIEF) as chief, machine(there, VIEWER) as viewer:
        assert (await got(viewer, "/backups"))["last"] is None
        assert (await sent(viewer, "/backups"))[0] == 403
        status, made = await sent(chief, "/backups")
        assert (status, made["size_bytes"]) == (201, 100)
        there.clock.advance(3 * 60)
        state = await got(viewer, "/backups")
        assert (state["age_min"], len(state["items"]), state["fault"]) == (3, 1, None)
        there.services.watch.backups._vault.fails = "disk full"  # type: ignore[attr-defined]
        status, refused = await sent(chief, "/backups")
        assert (status, refused["type"], refused["cause"]) == (503, "/problems/backup-failed", "disk full")
        assert (await got(viewer, "/backups"))["fault"] == "disk full"
