"""The plan over the API: what an officer's client can do, and what it is told when it can't."""

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from broadcast.web.app import make_app
from endpoints.protocol import Stage, Stock
from tests.plans import beijing, once_in
from tests.town import CHIEF, CITY, DUTY, MELODY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, VIEWER, Town, town

API = "/api/v1"


@asynccontextmanager
async def desk() -> AsyncIterator[tuple[Town, TestClient[Any, Any]]]:
    async with town() as there, TestClient(TestServer(make_app(there.services))) as client:
        yield there, client


async def auth(there: Town, officer: object = DUTY, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {await there.sign_in(officer)}", "Accept-Language": "en", **headers}  # type: ignore[arg-type]


def body(there: Town, **other: object) -> dict[str, object]:
    """A programme that begins tomorrow at noon."""
    first = (beijing(there.clock.now_ms()) + timedelta(days=1)).date().isoformat()
    pattern = {"times": ["12:00"], "first": first}
    source = {"kind": "file", "asset": MELODY.asset.hex()}
    return {"title": "午间广播", "areas": [CITY], "length_min": 10, "pattern": pattern, "source": source, **other}


async def test_a_programme_is_added_read_changed_paused_and_retired() -> None:
    async with desk() as (there, client):
        key = await auth(there)
        added = await client.post(f"{API}/programmes", json=body(there), headers={**key, "Idempotency-Key": "a1"})
        assert added.status == 201, await added.text()
        one = f"{API}/programmes/{(await added.json())['id']}"
        assert added.headers["Location"] == one and added.headers["ETag"] == '"1"'
        again = await client.post(f"{API}/programmes", json=body(there), headers={**key, "Idempotency-Key": "a1"})
        assert (await again.json())["repeated"] and (await again.json())["id"] in one
        read = await client.get(one, headers=key)
        out = await read.json()
        assert read.headers["ETag"] == '"1"'
        assert (out["level"], out["owner"], out["saved_by"], out["sound_ms"]) == ("city", CITY, "duty", 24_000)
        changed = await client.put(one, json=body(there, title="改"), headers={**key, "If-Match": read.headers["ETag"]})
        assert (await changed.json())["revision"] == 2
        lost = await client.put(one, json=body(there, title="丢"), headers={**key, "If-Match": '"1"'})
        problem = await lost.json()
        assert lost.status == 412 and problem["revision"] == 2 and "nothing was saved" in problem["title"]
        assert (await client.put(one, json=body(there), headers=key)).status == 428
        assert (await client.delete(one, headers=key)).status == 428
        assert (await client.post(f"{one}/pause", headers={**key, "If-Match": '"2"'})).status == 200
        assert (await (await client.get(one, headers=key)).json())["paused"]
        assert (await client.post(f"{one}/resume", headers={**key, "If-Match": '"3"'})).status == 200
        assert (await client.delete(one, headers={**key, "If-Match": '"4"'})).status == 200
        assert (await (await client.get(f"{API}/programmes", headers=key)).json())["items"] == []
        history = (await (await client.get(f"{one}/history", headers=key)).json())["items"]
        assert [(item["revision"], item["title"], item["retired"]) for item in history] == [
            (1, "午间广播", False), (2, "改", False), (3, "改", False), (4, "改", False), (5, "改", True),
        ]  # fmt: skip


async def test_what_comes_out_can_be_sent_in_again() -> None:
    async with desk() as (there, client):
        key = await auth(there)
        full = body(
            there, speakers=["s-130281100200-1"], excluded=[OTHER_TOWNSHIP], loop=True, start="grace", grace_s=60,
            end="finish", resume="continue", volume_percent=30, ceiling_percent=80, opening="chime", closing="chime",
            source={"kind": "speech", "text": "今天停水。", "voice": "", "rate": 0}, zone="Asia/Shanghai",
        )  # fmt: skip
        one = (
            f"{API}/programmes/{(await (await client.post(f'{API}/programmes', json=full, headers=key)).json())['id']}"
        )
        out = await (await client.get(one, headers=key)).json()
        beside = ("id", "revision", "saved_at", "saved_by", "retired", "level", "place", "sound_ms")
        again = {name: value for name, value in out.items() if name not in beside}
        changed = await client.put(one, json=again, headers={**key, "If-Match": '"1"'})
        assert changed.status == 200, await changed.text()
        twice = await (await client.get(one, headers=key)).json()
        assert {**out, "revision": 2, "saved_at": twice["saved_at"]} == twice


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"areas": []}, "areas", "empty-target"),
        ({"title": ""}, "title", "missing"),
        ({"title": "x" * 81}, "title", "too-long"),
        ({"length_min": 0}, "length_min", "out-of-range"),
        ({"zone": "Asia/Nowhere"}, "zone", "unknown-zone"),
        ({"pattern": {"times": ["25:00"], "first": "2026-11-24"}}, "pattern.times.0", "not-a-time-of-day"),
        ({"pattern": {"times": ["07:00"], "first": "soon"}}, "pattern.first", "malformed-day"),
        ({"pattern": {"times": [], "first": "2026-11-24"}}, "pattern.times", "missing"),
        ({"source": {"kind": "file", "asset": "00" * 32}}, "source.asset", "unknown-asset"),
        ({"source": {"kind": "magic"}}, "source", "not-offered"),
        ({"source": {"kind": "stream", "url": "file:///etc/passwd"}}, "source.url", "not-a-stream-address"),
        ({"source": {"kind": "stream", "url": "http://elsewhere.example/"}}, "source.url", "relay-not-allowed"),
        ({"source": {"kind": "line-in", "device": "hw:9"}}, "source.device", "unknown-card"),
        ({"start": "never"}, "start", "not-offered"),
        ({"excludes": [CITY]}, "excludes", "unknown-field"),
        ({"speakers": ["../../x"]}, "speakers.0", "malformed"),
    ],
)
async def test_every_wrong_field_is_named(wrong: dict[str, object], field: str, code: str) -> None:
    async with desk() as (there, client):
        shown = await client.post(f"{API}/programmes/preview", json=body(there, **wrong), headers=await auth(there))
        assert (field, code) in [(fault["field"], fault["code"]) for fault in (await shown.json())["errors"]]
        answer = await client.post(f"{API}/programmes", json=body(there, **wrong), headers=await auth(there))
        faults = (await answer.json())["errors"]
        assert answer.status == 422 and (field, code) in [(fault["field"], fault["code"]) for fault in faults], faults
        assert all(fault["detail"] for fault in faults)
        assert there.services.programmes.seen(CHIEF) == []


async def test_the_preview_tells_who_wins_by_title() -> None:
    async with desk() as (there, client):
        key = await auth(there)
        await client.post(f"{API}/programmes", json=body(there, title="县台"), headers=key)
        local = body(there, title="镇台", areas=[TOWNSHIP], owner=TOWNSHIP)
        found = await (await client.post(f"{API}/programmes/preview?days=7", json=local, headers=key)).json()
        assert found["count"] == 7 and found["goes_on"] and not found["over"]
        assert found["looked_from"] < found["looked_until"]
        clash = found["clashes"][0]
        assert clash["loser"]["titles"] == ["县台"] and clash["winner"]["new"] and not clash["loser"]["new"]
        assert (clash["cause"], clash["winner_has"], clash["loser_has"]) == ("band", "local-routine", "routine")
        assert clash["where"]["areas"] == [TOWNSHIP] and clash["when"]["begins"] == "12:00:00"
        assert len((await (await client.get(f"{API}/programmes", headers=key)).json())["items"]) == 1


async def test_the_day_of_an_area_says_what_is_heard_in_it_and_why() -> None:
    async with desk() as (there, client):
        key = await auth(there)
        await client.post(f"{API}/programmes", json=body(there, title="县台", length_min=30), headers=key)
        await client.post(
            f"{API}/programmes", json=body(there, title="镇台", areas=[TOWNSHIP], owner=TOWNSHIP), headers=key
        )
        tomorrow = (beijing(there.clock.now_ms()) + timedelta(days=1)).date().isoformat()
        found = await (await client.get(f"{API}/programmes/day?area={TOWNSHIP}&day={tomorrow}", headers=key)).json()
        assert (found["area"], found["day"], found["spans"][0]["begins"][:10]) == (TOWNSHIP, tomorrow, tomorrow)
        noon = next(span for span in found["spans"] if "T12:00" in span["begins"])
        assert (noon["sounds"]["title"], noon["sounds"]["level"]) == ("镇台", "township")
        assert [(one["title"], one["cause"], one["winner_has"]) for one in noon["waits"]] == [
            ("县台", "band", "local-routine")
        ]
        assert [span["free"] for span in found["spans"][:2]] == [False, True], "quiet hours, then nobody's"
        elsewhere = await (
            await client.get(f"{API}/programmes/day?area={OTHER_TOWNSHIP}&day={tomorrow}", headers=key)
        ).json()
        assert [span["sounds"]["title"] for span in elsewhere["spans"] if span["sounds"]] == ["县台"]
        mine = await auth(there, TOWN_DUTY)
        assert (await client.get(f"{API}/programmes/day?area={OTHER_TOWNSHIP}", headers=mine)).status == 403
        assert (await client.get(f"{API}/programmes/day?area=999999000000", headers=key)).status == 404
        assert (await (await client.get(f"{API}/programmes/day", headers=mine)).json())["area"] == TOWNSHIP
        assert (await client.get(f"{API}/programmes/day?day=9999-12-31", headers=key)).status == 422


async def test_rights_are_asked_of_the_service_and_answered_by_the_api() -> None:
    async with desk() as (there, client):
        mine = await auth(there, TOWN_DUTY)
        assert (await client.post(f"{API}/programmes", json=body(there, owner=CITY), headers=mine)).status == 403
        theirs = body(there, areas=[OTHER_TOWNSHIP], owner=OTHER_TOWNSHIP)
        assert (await client.post(f"{API}/programmes", json=theirs, headers=mine)).status == 403
        assert (
            await client.post(f"{API}/programmes", json=body(there), headers=await auth(there, VIEWER))
        ).status == 403
        own = await client.post(f"{API}/programmes", json=body(there, areas=[TOWNSHIP]), headers=mine)
        assert own.status == 201
        county = (await (await client.post(f"{API}/programmes", json=body(there), headers=await auth(there))).json())[
            "id"
        ]
        one = f"{API}/programmes/{county}"
        assert (await client.delete(one, headers={**mine, "If-Match": '"1"'})).status == 403
        assert (await client.get(f"{API}/programmes/01K5M0Z0000000000000000001", headers=mine)).status == 404
        assert (await client.get(f"{API}/programmes/nonsense", headers=mine)).status == 404
        assert (await client.get(f"{API}/programmes")).status == 401


async def test_an_area_has_a_plan_with_versions() -> None:
    async with desk() as (there, client):
        key, where = await auth(there), f"{API}/area-plans/{TOWNSHIP}"
        plan = {"volume_by_hour": [50] * 24, "budget_min": 120, "fallback": MELODY.asset.hex(), "note": "商定"}
        assert (await client.put(where, json=plan, headers=key)).status == 428
        saved = await client.put(where, json=plan, headers={**key, "If-Match": '"0"'})
        assert saved.status == 200 and saved.headers["ETag"] == '"1"'
        assert (await client.put(where, json=plan, headers={**key, "If-Match": '"0"'})).status == 412
        wrong = await client.put(where, json={"volume_by_hour": [101] * 23}, headers={**key, "If-Match": '"1"'})
        assert wrong.status == 422
        items = (await (await client.get(f"{API}/area-plans", headers=key)).json())["items"]
        assert [(one["area"], one["revision"], one["budget_min"], one["note"]) for one in items] == [
            (TOWNSHIP, 1, 120, "商定")
        ]


async def test_the_days_are_told_with_who_says_so() -> None:
    async with desk() as (there, client):
        key = await auth(there, CHIEF)
        own = {"entries": [{"day": "2026-12-25", "kind": "holiday", "name": "县庆"}]}
        assert (await client.put(f"{API}/calendar-days/own", json=own, headers=key | {"If-Match": '"0"'})).status == 200
        days = await (await client.get(f"{API}/calendar-days?first=2026-10-01&last=2026-12-25", headers=key)).json()
        by_day = {one["day"]: (one["kind"], one["name"], one["says"]) for one in days["items"]}
        assert by_day["2026-12-25"] == ("holiday", "县庆", "operator")
        assert by_day["2026-10-01"][0::2] == ("holiday", "announced")
        assert (await client.get(f"{API}/calendar-days?first=2026-10-01&last=2029-10-01", headers=key)).status == 422
        wrong = {"entries": [{"day": "2026-12-25", "kind": "holiday", "name": ""}]}
        assert (
            await client.put(f"{API}/calendar-days/own", json=wrong, headers=key | {"If-Match": '"1"'})
        ).status == 422
        assert len((await (await client.get(f"{API}/calendar-days/own", headers=key)).json())["items"]) == 1


async def test_the_record_is_counted_and_can_be_taken_to_a_spreadsheet() -> None:
    async with desk() as (there, client):
        await there.services.programmes.add(once_in(there.clock.now_ms(), -2, title="=HYPERLINK(1)"), by=DUTY)
        there.services.planning.tick()
        order = there.services.planning.boards.running()[0].id
        names = sorted(there.services.estate.speakers)
        await there.report(order, names[:700], Stage.SOUNDING)
        key = await auth(there)
        run = (await (await client.get(f"{API}/as-run", headers=key)).json())["items"][0]
        assert (run["occurrence"], run["speakers"], run["life"]) == (order, 718, "live")
        assert sum(run["counts"].values()) == 718 and run["counts"]["unknown"] == 18
        answer = await client.get(f"{API}/as-run.csv?area={TOWNSHIP}", headers=key)
        rows = list(csv.DictReader(io.StringIO((await answer.text()).removeprefix("\ufeff"))))
        assert len(rows) == len(there.services.estate.inside(TOWNSHIP))
        assert {row["title"] for row in rows} == {"'=HYPERLINK(1)"}
        assert {row["outcome"] for row in rows} <= {"on-time", "late", "unknown"}
        mine = await auth(there, TOWN_DUTY)
        assert (await client.get(f"{API}/as-run?area={CITY}", headers=mine)).status == 403
        assert (await client.get(f"{API}/as-run?from=2020-01-01T00:00:00Z", headers=key)).status == 422
        assert (await client.get(f"{API}/as-run?from=yesterday", headers=key)).status == 422


async def test_staging_is_told_by_township_and_by_speaker() -> None:
    async with desk() as (there, client):
        now_ms = there.clock.now_ms()
        await there.services.programmes.add(once_in(now_ms, 3_000, title="晚间"), by=DUTY)
        lacks = Stock("s-130281100200-1", 1, now_ms, 1, 0, 0, 10**9, now_ms, (), (MELODY.asset,))
        there.services.planning.staging.take(lacks)
        key = await auth(there)
        items = (await (await client.get(f"{API}/staging", headers=key)).json())["items"]
        assert len(items) == 28 and sum(one["speakers"] for one in items) == 718
        line = next(one for one in items if one["code"] == TOWNSHIP)
        assert (line["lacking"], line["unknown"]) == (1, line["speakers"] - 1)
        found = (await (await client.get(f"{API}/staging/speakers?state=lacking", headers=key)).json())["items"]
        assert [(one["speaker"], one["lacking"][0]["titles"]) for one in found] == [("s-130281100200-1", ["晚间"])]
        page = await (await client.get(f"{API}/staging/speakers?limit=700", headers=key)).json()
        rest = await (await client.get(f"{API}/staging/speakers?after={page['next']}", headers=key)).json()
        assert len(page["items"]) + len(rest["items"]) == 718 and rest["next"] is None
        one = await client.get(f"{API}/staging/speakers/s-130281100201-1", headers=key)
        assert (await one.json())["state"] == "unknown"
        mine = await auth(there, TOWN_DUTY)
        assert (await client.get(f"{API}/staging/speakers/s-130281101000-1", headers=mine)).status == 403


async def test_a_township_that_has_had_its_share_is_asked_to_come_back(tmp_path: object) -> None:
    async with (
        town(assets=tmp_path, bytes_per_s=1_000) as there,
        TestClient(TestServer(make_app(there.services))) as client,
    ):  # type: ignore[arg-type]
        name = MELODY.asset.hex()
        (tmp_path / name).write_bytes(bytes(20_000))  # type: ignore[operator]
        assert (await client.get(f"/assets/{name}")).status == 200
        busy = await client.get(f"/assets/{name}")
        assert busy.status == 429 and 1 <= int(busy.headers["Retry-After"]) <= 13
        assert (await client.head(f"/assets/{name}")).status == 200
        there.clock.advance(13)
        rest = await client.get(f"/assets/{name}", headers={"Range": "bytes=19000-"})
        assert rest.status == 206 and len(await rest.read()) == 1_000
        assert (await client.get(f"/assets/{name}", headers={"Range": "bytes=19000-"})).status == 206


async def test_a_day_names_every_slot_of_the_plan_though_another_is_heard() -> None:
    async with desk() as (there, client):
        key = await auth(there)
        day = (beijing(there.clock.now_ms()) + timedelta(days=1)).date().isoformat()
        for fields in ({"title": "县"}, {"title": "镇", "areas": [TOWNSHIP], "owner": TOWNSHIP}):
            assert (await client.post(f"{API}/programmes", json=body(there, **fields), headers={**key})).status == 201
        found = await (await client.get(f"{API}/programmes/day?area={TOWNSHIP}&day={day}", headers=key)).json()
        assert sorted((one["title"], one["begins"][11:16], one["everywhere"]) for one in found["slots"]) == [
            ("县", "12:00", True), ("镇", "12:00", True),
        ]  # fmt: skip
        assert {one["occurrence"][:1] for one in found["slots"]} == {"P"}
        whole = await (await client.get(f"{API}/programmes/day?area={CITY}&day={day}", headers=key)).json()
        assert {one["title"]: one["everywhere"] for one in whole["slots"]} == {"县": True, "镇": False}


async def test_one_day_of_the_operators_table_is_said_and_taken_back_and_the_others_stay() -> None:
    async with desk() as (there, client):
        key, own = await auth(there), f"{API}/calendar-days/own"
        assert (await client.put(f"{own}/2027-03-08", json={"kind": "workday"}, headers=key)).status == 204
        holiday = {"kind": "holiday", "name": "县庆"}
        assert (await client.put(f"{own}/2027-03-09", json=holiday, headers=key)).status == 204
        refused = await client.put(f"{own}/2027-03-10", json={"kind": "holiday"}, headers=key)
        assert refused.status == 422 and [one["field"] for one in (await refused.json())["errors"]] == ["name"]
        assert (await client.put(f"{own}/2027-02-30", json={"kind": "workday"}, headers=key)).status == 422
        town_key = await auth(there, TOWN_DUTY)
        assert (await client.put(f"{own}/2027-03-10", json={"kind": "workday"}, headers=town_key)).status == 403
        assert (await client.delete(f"{own}/2027-03-08", headers=town_key)).status == 403
        assert (await client.delete(f"{own}/2027-03-08", headers=key)).status == 204
        assert (await client.delete(f"{own}/2027-03-08", headers=key)).status == 204
        items = (await (await client.get(own, headers=key)).json())["items"]
        assert [(one["day"], one["kind"], one["name"]) for one in items] == [("2027-03-09", "holiday", "县庆")]
