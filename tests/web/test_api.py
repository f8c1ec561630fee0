"""The API as a client sees it."""

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from endpoints.protocol import Reason, Stage
from tests.town import CITY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, VIEWER, town
from tests.web.browser import machine, order


async def test_a_trigger_is_accepted_committed_and_published_before_the_answer() -> None:
    async with town() as there, machine(there) as client:
        answer = await client.post("/api/v1/broadcasts", json=order())
        body = await answer.json()
        assert answer.status == 202
        assert answer.headers["Location"] == f"/api/v1/broadcasts/{body['id']}"
        assert not body["repeated"]
        kept = await there.store.read(lambda tx: tx.broadcasts.get(body["id"]))
        assert kept is not None and kept.officer == "duty"
        assert [topic for topic, _ in there.wire.published] == [f"eb/v1/board/{CITY}"]
        shown = await (await client.get(answer.headers["Location"])).json()
        assert (shown["life"], shown["severity"], shown["on_air_pending"]) == ("live", "red", False)
        begins, ends = datetime.fromisoformat(shown["not_before"]), datetime.fromisoformat(shown["not_after"])
        assert ends - begins == timedelta(minutes=10)
        assert begins.utcoffset() == timedelta(hours=8)


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"areas": ["130281999000"]}, "areas.0", "unknown-area"),
        ({"areas": []}, "areas", "empty-target"),
        ({"excluded": [CITY]}, "excluded", "empty-target"),
        ({"not_after": "2020-01-01T00:00:00+08:00"}, "not_after", "in-the-past"),
        ({"not_after": "2030-01-01T00:00:00"}, "not_after", "time-without-offset"),
        ({"not_after": "tomorrow"}, "not_after", "malformed-time"),
        ({"not_after": 1_900_000_000}, "not_after", "malformed-time"),
        ({"text": "字" * 601}, "text", "too-long"),
        ({"text": "a\x00b"}, "text", "control-characters"),
        ({"severity": "purple"}, "severity", "not-offered"),
        ({"severity": 1}, "severity", "not-offered"),
        ({"severity": "unknown"}, "severity", "needed-for-emergency"),
        ({"kind": "live"}, "kind", "not-offered"),
        ({"minutes": 0}, "minutes", "out-of-range"),
        ({"minutes": "10"}, "minutes", "wrong-type"),
        ({"minutes": True}, "minutes", "wrong-type"),
        ({"exercise": "false"}, "exercise", "wrong-type"),
        ({"speakers": ["nobody-1"]}, "speakers.0", "unknown-speaker"),
        ({"exclude": [CITY]}, "exclude", "unknown-field"),
        ({"asset": "00" * 32}, "asset", "unknown-asset"),
        ({"asset": "00" * 31}, "asset", "malformed"),
        ({"areas": "130281000000"}, "areas", "wrong-type"),
        ({"areas": ["遵化"]}, "areas.0", "malformed"),
    ],
)
async def test_bad_input_names_the_field_and_the_reason_and_stores_nothing(
    change: dict[str, object], field: str, code: str
) -> None:
    async with town() as there, machine(there) as client:
        answer = await client.post("/api/v1/broadcasts", json=order(**change), headers={"Accept-Language": "en"})
        problem = await answer.json()
        assert answer.status == 422
        assert answer.content_type == "application/problem+json"
        assert [(fault["field"], fault["code"]) for fault in problem["errors"]] == [(field, code)]
        assert problem["errors"][0]["pointer"] == "/" + field.replace(".", "/")
        assert problem["errors"][0]["detail"]
        assert problem["title"] == "Something in it is not right; nothing was sent"
        assert there.wire.published == []
        assert await there.store.read(lambda tx: list(tx.broadcasts.page(before=None, limit=10))) == []


async def test_every_wrong_field_is_named_at_once_in_the_language_asked_for() -> None:
    async with town() as there, machine(there) as client:
        body = order(areas=["130281999000"], text="字" * 700, minutes=0)
        answer = await client.post(
            "/api/v1/broadcasts", json=body, headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
        )
        problem = await answer.json()
        assert {fault["field"] for fault in problem["errors"]} >= {"text", "minutes"}
        assert problem["title"] == "有的内容不对，什么也没有发出"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"kind": "\\ud800"}', b"[" * 30_000])
async def test_what_is_no_json_is_refused(body: bytes) -> None:
    async with town() as there, machine(there) as client:
        answer = await client.post("/api/v1/broadcasts", data=body, headers={"Content-Type": "application/json"})
        assert answer.status in (400, 422)
        assert (await answer.json())["type"] in ("/problems/not-readable", "/problems/invalid-request")


async def test_the_same_key_acts_once_and_with_another_body_is_refused() -> None:
    async with town() as there, machine(there) as client:
        headers = {"Idempotency-Key": "made-when-the-dialog-opened"}
        first = await (await client.post("/api/v1/broadcasts", json=order(), headers=headers)).json()
        again = await client.post("/api/v1/broadcasts", json=order(), headers=headers)
        other = await client.post("/api/v1/broadcasts", json=order(text="别的"), headers=headers)
        assert again.status == 202
        assert await again.json() == {**first, "repeated": True}
        assert other.status == 409
        assert (await other.json())["type"] == "/problems/key-reused"
        assert len(there.services.broadcasts.live()) == 1


async def test_a_late_repeat_gets_the_first_answer_although_the_end_has_passed() -> None:
    async with town() as there, machine(there) as client:
        ends = datetime.fromtimestamp(there.clock.now_ms() / 1000 + 20, UTC).isoformat()
        headers = {"Idempotency-Key": "lost-reply"}
        first = await (await client.post("/api/v1/broadcasts", json=order(not_after=ends), headers=headers)).json()
        there.clock.advance(25)
        again = await client.post("/api/v1/broadcasts", json=order(not_after=ends), headers=headers)
        assert (again.status, (await again.json())["id"]) == (202, first["id"])


async def test_a_hundred_clicks_at_once_start_one_broadcast() -> None:
    async with town() as there, machine(there) as client:
        headers = {"Idempotency-Key": "double-click"}

        async def click() -> str:
            async with client.post("/api/v1/broadcasts", json=order(), headers=headers) as answer:
                assert answer.status == 202
                return str((await answer.json())["id"])

        assert len(set(await asyncio.gather(*(click() for _ in range(100))))) == 1
        assert len(there.services.broadcasts.live()) == 1


async def test_nobody_gets_in_without_signing_in_and_the_answer_says_so() -> None:
    async with town() as there, machine(there, None) as client:
        for path in ("/api/v1/broadcasts", "/api/v1/speakers", "/api/v1/areas", "/api/v1/events", "/api/v1/session"):
            answer = await client.get(path)
            assert (answer.status, (await answer.json())["type"]) == (401, "/problems/not-signed-in")
        assert (await client.post("/api/v1/broadcasts", json=order())).status == 401
        assert (await client.post("/api/v1/stop-all")).status == 401


async def test_a_township_speaks_only_to_itself_and_a_viewer_to_nobody() -> None:
    async with town() as there, machine(there, TOWN_DUTY) as client:
        assert (await client.post("/api/v1/broadcasts", json=order())).status == 403
        assert (await client.post("/api/v1/broadcasts/preview", json=order(areas=[OTHER_TOWNSHIP]))).status == 403
        single = order(areas=[], speakers=["s-130281101200-1"])
        assert (await client.post("/api/v1/broadcasts", json=single)).status == 403
        assert (await client.get("/api/v1/speakers", params={"area": OTHER_TOWNSHIP})).status == 403
        assert (await client.get("/api/v1/speakers/s-130281101200-1")).status == 403
        assert (await client.post("/api/v1/broadcasts", json=order(areas=[TOWNSHIP]))).status == 202
        viewer = {"Authorization": f"Bearer {await there.sign_in(VIEWER)}"}
        for path in ("/api/v1/broadcasts", "/api/v1/broadcasts/preview"):
            assert (await client.post(path, json=order(), headers=viewer)).status == 403
        assert (await client.post("/api/v1/stop-all", headers=viewer)).status == 403
        assert len(there.services.broadcasts.live()) == 1


async def test_a_township_sees_what_concerns_it_and_can_not_stop_what_the_city_ordered() -> None:
    async with town() as there, machine(there) as client:
        town_headers = {"Authorization": f"Bearer {await there.sign_in(TOWN_DUTY)}"}
        city = (await (await client.post("/api/v1/broadcasts", json=order())).json())["id"]
        elsewhere = (await (await client.post("/api/v1/broadcasts", json=order(areas=[OTHER_TOWNSHIP]))).json())["id"]
        listed = await (await client.get("/api/v1/broadcasts", headers=town_headers)).json()
        assert [one["id"] for one in listed["items"]] == [city]
        assert (await client.get(f"/api/v1/broadcasts/{elsewhere}", headers=town_headers)).status == 404
        stopped = await client.post(f"/api/v1/broadcasts/{city}/stop", headers=town_headers)
        assert (stopped.status, (await stopped.json())["type"]) == (403, "/problems/higher-level")
        ladder = await (await client.get(f"/api/v1/broadcasts/{city}/ladder", headers=town_headers)).json()
        assert [one["code"] for one in ladder["townships"]] == [TOWNSHIP]


async def test_stop_update_all_clear_and_stop_all() -> None:
    async with town() as there, machine(there) as client:
        one = (await (await client.post("/api/v1/broadcasts", json=order())).json())["id"]
        corrected = await client.post(f"/api/v1/broadcasts/{one}/update", json=order(text="更正：只有洪水。"))
        assert corrected.status == 202
        two = (await corrected.json())["id"]
        assert (await (await client.get(f"/api/v1/broadcasts/{one}")).json())["life"] == "replaced"
        part = await client.post(f"/api/v1/broadcasts/{two}/all-clear", json={"areas": [TOWNSHIP]})
        assert part.status == 202
        assert (await (await client.get(f"/api/v1/broadcasts/{two}")).json())["excluded"] == [TOWNSHIP]
        stopped = await client.post(f"/api/v1/broadcasts/{two}/stop")
        assert (stopped.status, (await stopped.json())["repeated"]) == (202, False)
        again = await client.post(f"/api/v1/broadcasts/{two}/stop")
        assert (again.status, (await again.json())["repeated"]) == (202, True)
        assert (await client.post(f"/api/v1/broadcasts/{two}/update", json=order())).status == 409
        assert (await client.post("/api/v1/stop-all")).status == 202
        assert there.services.broadcasts.live() == []


async def test_the_township_of_a_singly_chosen_speaker_is_cleared_and_no_other() -> None:
    here, there_too = "s-130281100200-1", "s-130281101200-1"  # in TOWNSHIP, and in the next one
    third = "130281102000"
    async with town() as there, machine(there) as client:
        body = order(areas=[third], speakers=[here, there_too])
        one = (await (await client.post("/api/v1/broadcasts", json=body)).json())["id"]
        wrong = await client.post(f"/api/v1/broadcasts/{one}/all-clear", json={"areas": ["130281103000"]})
        fault = (await wrong.json())["errors"][0]
        assert (wrong.status, fault["field"], fault["code"]) == (422, "areas.0", "not-in-broadcast")
        part = await client.post(f"/api/v1/broadcasts/{one}/all-clear", json={"areas": [TOWNSHIP]})
        assert part.status == 202, await part.text()
        left = await (await client.get(f"/api/v1/broadcasts/{one}")).json()
        assert (left["life"], left["areas"], left["excluded"], left["speakers"]) == ("live", [third], [], [there_too])
        said = await (await client.get(f"/api/v1/broadcasts/{(await part.json())['id']}")).json()
        assert (said["areas"], said["speakers"]) == ([], [here])
        assert (await client.post(f"/api/v1/broadcasts/{one}/all-clear", json={"areas": [third]})).status == 202
        rest = await client.post(f"/api/v1/broadcasts/{one}/all-clear", json={"areas": ["130281101000"]})
        assert rest.status == 202
        assert (await (await client.get(f"/api/v1/broadcasts/{one}")).json())["life"] == "cleared"


async def test_the_preview_counts_from_the_live_state_and_names_who_is_away() -> None:
    async with town() as there, machine(there) as client:
        there.all_there(but=["s-130281100200-1", "s-130281101200-1"])
        reach = await (await client.post("/api/v1/broadcasts/preview", json=order())).json()
        assert (reach["townships"], reach["villages"], reach["speakers"], reach["online"]) == (27, 690, 718, 716)
        assert [one["id"] for one in reach["offline"]] == ["s-130281100200-1", "s-130281101200-1"]
        assert there.wire.published == []


async def test_the_ladder_by_township_and_by_speaker_with_every_report() -> None:
    async with town() as there, machine(there) as client:
        there.all_there(but=["s-130281100200-1"])
        one = (await (await client.post("/api/v1/broadcasts", json=order())).json())["id"]
        others = [name for name in there.services.estate.speakers if name != "s-130281100200-1"]
        await there.report(one, others, Stage.RECEIVED, Stage.SOUNDING)
        await there.report(one, ["s-130281101200-1"], Stage.FAILED, reason=Reason.SOUND_CARD)
        ladder = await (await client.get(f"/api/v1/broadcasts/{one}/ladder")).json()
        assert ladder["speakers"] == 718
        assert ladder["counts"] == {"failed": 1, "offline": 1, "sounding": 716}
        assert [(one["id"], one["look"], one["reason"]) for one in ladder["missing"]] == [
            ("s-130281101200-1", "failed", "sound_card"),
            ("s-130281100200-1", "offline", "none"),
        ]
        assert sum(sum(one["counts"].values()) for one in ladder["townships"]) == 718
        rung = await (await client.get(f"/api/v1/broadcasts/{one}/speakers/s-130281101200-1")).json()
        assert rung["state"] == "failed"
        assert [report["stage"] for report in rung["reports"]] == ["received", "sounding", "failed"]
        town_rungs = await (await client.get(f"/api/v1/broadcasts/{one}/ladder/{OTHER_TOWNSHIP}")).json()
        assert all(rung["area"].startswith("130281101") for rung in town_rungs["items"])


async def test_evidence_holds_every_report_and_every_speaker_and_no_formula() -> None:
    async with town() as there, machine(there) as client:
        there.all_there()
        one = (await (await client.post("/api/v1/broadcasts", json=order(areas=[TOWNSHIP]))).json())["id"]
        meant = [name for name, s in there.services.estate.speakers.items() if s.area.startswith("130281100")]
        await there.report(one, meant[1:], Stage.RECEIVED, Stage.SOUNDING)
        answer = await client.get(f"/api/v1/broadcasts/{one}/evidence.csv")
        raw = await answer.read()
        assert raw.startswith(b"\xef\xbb\xbf")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))
        assert sum(row["line"] == "report" for row in rows) == 2 * (len(meant) - 1)
        states = {row["speaker"]: row["what"] for row in rows if row["line"] == "state"}
        assert set(states) == set(meant)
        assert states[meant[0]] == "expected"


async def test_a_broken_store_is_said_and_nothing_goes_out() -> None:
    async with town() as there, machine(there) as client:
        there.store.goes_away("disk full")
        answer = await client.post("/api/v1/broadcasts", json=order())
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert there.wire.published == []
        there.store.comes_back()
        assert (await client.post("/api/v1/broadcasts", json=order())).status == 202


async def test_cursors_walk_through_everything_once() -> None:
    async with town() as there, machine(there) as client:
        made = [
            (await (await client.post("/api/v1/broadcasts", json=order(areas=[TOWNSHIP]))).json())["id"]
            for _ in range(7)
        ]
        seen: list[str] = []
        cursor = ""
        while cursor is not None:
            page = await (await client.get(f"/api/v1/broadcasts?limit=3{'&before=' + cursor if cursor else ''}")).json()
            seen += [one["id"] for one in page["items"]]
            cursor = page["next"]
        assert seen == sorted(made, reverse=True)


async def test_speakers_and_areas_are_listed_with_what_is_known() -> None:
    async with town() as there, machine(there) as client:
        there.hello("s-130281100200-1", on_air="")
        speakers = await (await client.get("/api/v1/speakers", params={"limit": 2})).json()
        assert speakers["counts"] == {"unknown": 717, "online": 1, "offline": 0}
        assert len(speakers["items"]) == 2 and speakers["next"] == speakers["items"][-1]["id"]
        one = await (await client.get("/api/v1/speakers/s-130281100200-1")).json()
        assert one["presence"] == "online"
        assert (await client.get("/api/v1/speakers/s-130281100999-1")).status == 404
        areas = (await (await client.get("/api/v1/areas")).json())["items"]
        assert len(areas) == 718 and areas[0]["speakers"] == 718
        assert (await client.get("/api/v1/nothing")).status == 404
        wrong = await client.delete("/api/v1/broadcasts")
        assert (wrong.status, wrong.headers["Allow"]) == (405, "GET, POST")


async def test_paths_with_anything_in_them_are_not_found() -> None:
    async with town() as there, machine(there) as client:
        for path in ("broadcasts/%00", "broadcasts/a%2Fb", "speakers/%27%20OR%201=1", "broadcasts/" + "a" * 300):
            assert (await client.get(f"/api/v1/{path}")).status == 404
