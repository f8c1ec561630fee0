"""Plans (预案), their effect, drafts and drills over the API."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession

from broadcast.domain.speakers import Speaker
from endpoints.protocol import Stage
from tests.town import APPROVER, CITY, DUTY, OTHER_TOWNSHIP, TOWNSHIP, Town, town
from tests.web.browser import order
from tests.web.test_approvals import API, people, refusal

FLOOD = {
    "title": "洪水红色",
    "hotkey": 1,
    "template": "flood",
    "filling": {"severity": "red", "values": {"river": "沙河"}},
    "broadcast": {"kind": "emergency", "areas": [CITY], "minutes": 30},
}
MATCH = {"If-Match": '"1"'}


async def saved(client: ClientSession, **change: Any) -> dict[str, Any]:
    answer = await client.post(f"{API}/plans", json={**FLOOD, **change})
    found: dict[str, Any] = await answer.json()
    assert answer.status == 201, found
    return found


async def approved(who: dict[str, ClientSession], **change: Any) -> str:
    plan = await saved(who["duty"], **change)
    answer = await who["approver"].post(f"{API}/plans/{plan['id']}/approve", headers=MATCH)
    assert answer.status == 200
    return str(plan["id"])


# ---- plans --------------------------------------------------------------------------------------------------------------------


async def test_an_approved_plan_goes_to_the_whole_city_in_red_with_one_press_and_no_second_person() -> None:
    async with town(second_person=True) as there, people(there) as who:
        plan = await approved(who)
        effect = await (await who["duty"].post(f"{API}/plans/{plan}/effect", json={})).json()
        assert effect["demand"] == "none"
        assert effect["text"].startswith("遵化市应急广播发布洪水红色预警。")
        assert "沙河水位将超过警戒水位" in effect["text"]
        answer = await who["duty"].post(f"{API}/plans/{plan}/start", json={"heard": effect["heard"]})
        done = await answer.json()
        assert (answer.status, done["approval"]) == (202, "")
        (live,) = there.services.broadcasts.live()
        assert (live.order.areas, live.order.severity.name, live.order.asset.hex()) == ((CITY,), "RED", effect["heard"])


async def test_a_plan_that_nobody_approved_is_words_like_any_others() -> None:
    async with town(second_person=True) as there, people(there) as who:
        plan = (await saved(who["duty"]))["id"]
        done = await (await who["duty"].post(f"{API}/plans/{plan}/start", json={})).json()
        assert done["approval"]
        assert there.services.broadcasts.live() == []
        exercise = await (await who["duty"].post(f"{API}/plans/{plan}/start", json={"exercise": True})).json()
        assert not exercise["approval"]
        assert [one.order.exercise for one in there.services.broadcasts.live()] == [True]


async def test_until_the_next_version_is_approved_the_one_before_is_started() -> None:
    async with town(second_person=True) as there, people(there) as who:
        plan = await approved(who)
        other = {**FLOOD, "filling": {"severity": "red", "values": {"river": "黎河"}}}
        answer = await who["duty"].put(f"{API}/plans/{plan}", json=other, headers=MATCH)
        changed = await answer.json()
        assert (changed["revision"], changed["approved"], changed["starts"]) == (2, False, 1)
        await who["duty"].post(f"{API}/plans/{plan}/start", json={})
        (live,) = there.services.broadcasts.live()
        assert "沙河" in live.text
        history = (await (await who["duty"].get(f"{API}/plans/{plan}/history")).json())["items"]
        assert [(one["revision"], one["approved_by"]) for one in history] == [(1, "approver"), (2, "")]


async def test_who_wrote_a_plan_does_not_approve_it_and_who_read_an_old_version_overwrites_nothing() -> None:
    async with town(second_person=True) as there, people(there) as who:
        plan = (await saved(who["chief"]))["id"]
        path = f"/plans/{plan}/approve"
        assert await refusal(who["chief"], path, headers=MATCH) == (403, "own-plan")
        assert await refusal(who["duty"], path, headers=MATCH) == (403, "role-not-granted")
        assert await refusal(who["approver"], path, headers={"If-Match": '"7"'}) == (412, "saved-plan-changed")
        assert await refusal(who["approver"], path) == (428, "revision-needed")
        first = await who["chief"].put(f"{API}/plans/{plan}", json={**FLOOD, "title": "甲"}, headers=MATCH)
        second = await who["duty"].put(f"{API}/plans/{plan}", json={**FLOOD, "title": "乙"}, headers=MATCH)
        assert (first.status, second.status) == (200, 412)
        shown = await (await who["duty"].get(f"{API}/plans/{plan}")).json()
        assert (shown["title"], shown["revision"]) == ("甲", 2)
        assert await refusal(who["approver"], path, headers=MATCH) == (412, "saved-plan-changed")


async def test_a_plan_is_started_for_a_part_of_its_areas_and_never_for_more() -> None:
    async with town(second_person=True) as there, people(there) as who:
        plan = await approved(who, broadcast={**FLOOD["broadcast"], "areas": [TOWNSHIP]})
        path = f"/plans/{plan}/start"
        assert await refusal(who["duty"], path, {"areas": [OTHER_TOWNSHIP]}) == (422, "invalid-request")
        assert await refusal(who["duty"], path, {"areas": [CITY]}) == (422, "invalid-request")
        assert await refusal(who["duty"], path, {"text": "别的"}) == (422, "invalid-request")
        assert there.wire.published == []
        answer = await who["duty"].post(f"{API}{path}", json={"areas": ["130281100201"]})
        assert answer.status == 202


async def test_a_retired_plan_is_off_the_desk_and_its_key_is_free() -> None:
    async with town(second_person=True) as there, people(there) as who:
        plan = await approved(who)
        taken = await who["duty"].post(f"{API}/plans", json={**FLOOD, "title": "另一个"})
        assert [fault["code"] for fault in (await taken.json())["errors"]] == ["hotkey-taken"]
        assert (await who["duty"].delete(f"{API}/plans/{plan}", headers=MATCH)).status == 200
        assert await refusal(who["duty"], f"/plans/{plan}/start", {}) == (404, "unknown-plan")
        assert (await (await who["duty"].get(f"{API}/plans")).json())["items"] == []
        await saved(who["duty"], title="另一个")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "字" * 41}, "title"),
        ({"title": "a\0"}, "title"),
        ({"hotkey": 10}, "hotkey"),
        ({"template": "no-such"}, "template"),
        ({"filling": {"severity": "red"}}, "filling.values.river"),
        ({"filling": {"severity": "unknown", "values": {"river": "沙河"}}}, "filling.severity"),
        ({"broadcast": {"kind": "emergency", "areas": []}}, "broadcast.areas"),
        ({"broadcast": {"kind": "emergency", "areas": ["130281999000"]}}, "broadcast.areas.0"),
        ({"broadcast": {"kind": "emergency", "areas": [CITY], "text": "自己的话"}}, "broadcast.text"),
        ({"broadcast": {"kind": "emergency", "areas": [CITY], "exercise": True}}, "broadcast.exercise"),
        (
            {"broadcast": {"kind": "emergency", "areas": [CITY], "not_after": "2030-01-01T00:00:00+08:00"}},
            "broadcast.not_before",
        ),
        ({"broadcast": {"kind": "emergency", "areas": [CITY], "exclude": []}}, "broadcast.exclude"),
        ({"approved_by": "approver"}, "approved_by"),
    ],
)
async def test_a_plan_that_could_not_be_sent_is_refused_at_its_field(change: dict[str, Any], field: str) -> None:
    async with town() as there, people(there) as who:
        answer = await who["duty"].post(f"{API}/plans", json={**FLOOD, **change})
        problem = await answer.json()
        assert answer.status == 422, problem
        assert [fault["field"] for fault in problem["errors"]] == [field]
        assert all(fault["detail"] for fault in problem["errors"])
        assert there.services.plans.seen(DUTY) == []


async def test_markup_in_a_plan_stays_text_and_a_viewer_or_a_township_changes_nothing_of_the_city() -> None:
    async with town() as there, people(there) as who:
        plan = await saved(who["duty"], title="<script>x</script>", note='"><b>')
        assert (plan["title"], plan["note"]) == ("<script>x</script>", '"><b>')
        for name in ("viewer", "approver"):
            assert await refusal(who[name], "/plans", FLOOD) == (403, "role-not-granted")
        assert (await who["town"].put(f"{API}/plans/{plan['id']}", json=FLOOD, headers=MATCH)).status == 403
        assert (await who["town"].get(f"{API}/plans/{plan['id']}")).status == 200
        assert await refusal(who["town"], f"/plans/{plan['id']}/start", {}) == (403, "area-not-granted")


async def test_one_press_that_is_sent_twice_starts_once_although_the_clock_in_its_words_has_moved() -> None:
    async with town(second_person=True) as there, people(there) as who:
        plan = await approved(who)
        key = {"Idempotency-Key": "k"}
        first = await (await who["duty"].post(f"{API}/plans/{plan}/start", json={}, headers=key)).json()
        there.clock.advance(120)
        again = await (await who["duty"].post(f"{API}/plans/{plan}/start", json={}, headers=key)).json()
        assert again == {**first, "repeated": True}
        assert len(there.services.broadcasts.live()) == 1


# ---- effect -------------------------------------------------------------------------------------------------------------------


async def test_the_effect_names_who_hears_it_what_is_cut_where_and_when_that_comes_back() -> None:
    async with town() as there, people(there) as who:
        there.all_there(but=["s-130281100201-1"])
        notice = order(kind="notice", severity="unknown", areas=[TOWNSHIP], text="字" * 100, repeats=10, minutes=30)
        cut = await (await who["duty"].post(f"{API}/broadcasts", json=notice)).json()
        await who["duty"].post(f"{API}/broadcasts", json=notice | {"areas": [OTHER_TOWNSHIP], "text": "别处"})
        there.clock.advance(1)
        body = order(severity="yellow", areas=[TOWNSHIP], text="先说这几个字，再说别的。", repeats=2, minutes=5)
        effect = await (await who["duty"].post(f"{API}/broadcasts/effect", json=body)).json()
        assert effect["reach"]["offline"][0]["id"] == "s-130281100201-1"
        assert effect["first_words"] == "先说这几个字，再说别的。"
        assert (effect["estimated"], effect["fits"]) == (False, True)
        (one,) = effect["cuts"]
        assert (one["broadcast"], one["effect"], one["waits_for"]) == (cut["id"], "interrupted", False)
        assert one["townships"] == {TOWNSHIP: effect["reach"]["speakers"]}
        assert one["back"] == effect["sounds_until"]
        assert effect["sound_ms"] == 4_000 + 2 * 12 * 250 + 1_500
        assert there.services.broadcasts.live()[0].id != "effect"


async def test_the_effect_says_that_it_would_wait_for_something_higher() -> None:
    async with town() as there, people(there) as who:
        red = await (await who["duty"].post(f"{API}/broadcasts", json=order(repeats=20))).json()
        body = order(kind="notice", severity="unknown", areas=[TOWNSHIP])
        effect = await (await who["duty"].post(f"{API}/broadcasts/effect", json=body)).json()
        assert [(one["broadcast"], one["waits_for"], one["effect"]) for one in effect["cuts"]] == [
            (red["id"], True, "delayed")
        ]


async def test_the_effect_of_what_could_not_be_sent_is_refused_like_it() -> None:
    async with town() as there, people(there) as who:
        assert await refusal(who["town"], "/broadcasts/effect", order()) == (403, "area-not-granted")
        assert await refusal(who["viewer"], "/broadcasts/effect", order()) == (403, "role-not-granted")
        assert await refusal(who["duty"], "/broadcasts/effect", order(areas=[])) == (422, "invalid-request")


# ---- drafts -------------------------------------------------------------------------------------------------------------------


async def test_a_draft_survives_signing_in_again_and_belongs_to_its_officer() -> None:
    async with town() as there, people(there) as who:
        path, body = f"{API}/drafts/emergency-1", {"body": {"text": "<b>写到一半", "areas": [CITY]}}
        assert (await who["duty"].put(path, json=body)).status == 428
        answer = await who["duty"].put(path, json=body, headers={"If-Match": '"0"'})
        assert (answer.status, answer.headers["ETag"]) == (200, '"1"')
        async with people(there) as later:
            kept = await (await later["duty"].get(path)).json()
            assert kept["body"] == body["body"]
            assert (await later["chief"].get(path)).status == 404
            assert (await (await later["chief"].get(f"{API}/drafts")).json())["items"] == []
        stale = await who["duty"].put(path, json=body, headers={"If-Match": '"0"'})
        assert stale.status == 412
        assert (await who["duty"].delete(path)).status == 204
        assert (await who["duty"].delete(path)).status == 404


async def test_drafts_have_an_end() -> None:
    async with town() as there, people(there) as who:
        new = {"If-Match": '"0"'}
        big = await who["duty"].put(f"{API}/drafts/big", json={"body": {"t": "x" * 33_000}}, headers=new)
        assert (big.status, (await big.json())["errors"][0]["field"]) == (422, "body")
        huge = await who["duty"].put(f"{API}/drafts/big", json={"body": {"t": "x" * 70_000}}, headers=new)
        assert huge.status == 413
        assert (await who["duty"].put(f"{API}/drafts/Bad!", json={"body": {}}, headers=new)).status == 404
        assert (await who["duty"].put(f"{API}/drafts/list", json={"body": []}, headers=new)).status == 422
        for number in range(31):
            there.clock.advance(1)
            await who["duty"].put(f"{API}/drafts/d-{number}", json={"body": {}}, headers=new)
        names = [one["name"] for one in (await (await who["duty"].get(f"{API}/drafts")).json())["items"]]
        assert (len(names), names[0], "d-0" in names) == (30, "d-30", False)


# ---- drills -------------------------------------------------------------------------------------------------------------------


async def exercise_speakers(there: Town) -> list[str]:
    """Three that are locked in an exercise: two in one township, one in another."""
    places = (TOWNSHIP, "130281100201", OTHER_TOWNSHIP)
    speakers = [Speaker(f"x-{number}-1", area, "演练", exercise=True) for number, area in enumerate(places)]
    await there.store.write(lambda tx: tx.speakers.add(speakers))
    await there.services.estate.load()
    there.services.speakers.expect(there.services.estate.speakers)
    return [one.id for one in speakers]


async def test_a_drill_gives_every_township_its_points_and_whoever_held_it_has_passed() -> None:
    async with town(second_person=True) as there, people(there) as who:
        names = await exercise_speakers(there)
        plan = await approved(who)
        body = {"title": "汛期演练", "plan": plan, "started_within_s": 30, "acknowledged_within_s": 60}
        answer = await who["duty"].post(f"{API}/drills", json=body)
        drill = await answer.json()
        assert (answer.status, answer.headers["Location"]) == (202, f"{API}/drills/{drill['id']}")
        (live,) = there.services.broadcasts.live()
        assert (live.order.exercise, live.id) == (True, drill["broadcast"])
        assert {topic.split("/board")[0] for topic, _ in there.wire.published} == {"ex/v1"}
        there.hello(*names)
        there.clock.advance(2)
        await there.report(live.id, names[1:], Stage.RECEIVED, Stage.SOUNDING)
        said = await (await who["town"].post(f"{API}/drills/{drill['id']}/acknowledge")).json()
        assert [(one["officer"], one["area"]) for one in said["acknowledged"]] == [("town", TOWNSHIP)]
        await who["town"].post(f"{API}/drills/{drill['id']}/acknowledge")
        there.clock.advance(60)
        await there.services.drills.tick()
        done = await (await who["duty"].get(f"{API}/drills/{drill['id']}")).json()
        scores = {one["township"]: one for one in done["scores"]}
        assert (scores[TOWNSHIP]["speakers"], scores[TOWNSHIP]["started"], scores[TOWNSHIP]["points"]) == (2, 1, 75)
        assert (scores[OTHER_TOWNSHIP]["points"], scores[OTHER_TOWNSHIP]["acknowledged"]) == (100, None)
        assert (done["percent"], done["passed"]) == (83, True)
        assert there.services.broadcasts.live() == [], "what the drill sounded ends with it"
        shown = await (await who["duty"].get(f"{API}/plans/{plan}")).json()
        assert (shown["last_drill"]["id"], shown["last_drill"]["percent"]) == (drill["id"], 83)
        assert await refusal(who["town"], f"/drills/{drill['id']}/acknowledge") == (409, "drill-over")


async def test_a_drill_that_nobody_could_hear_is_not_held() -> None:
    async with town() as there, people(there) as who:
        plan = await approved(who)
        body = {"title": "演练", "plan": plan}
        assert await refusal(who["duty"], "/drills", body) == (409, "drill-reaches-nobody")
        assert await refusal(who["viewer"], "/drills", body) == (403, "role-not-granted")
        assert await refusal(who["duty"], "/drills", {**body, "plan": "0" * 26}) == (404, "unknown-plan")
        assert await refusal(who["duty"], "/drills", {**body, "started_within_s": 0}) == (422, "invalid-request")
        assert await refusal(who["duty"], "/drills", {**body, "areas": ["130300000000"]}) == (422, "invalid-request")
        assert there.wire.published == []


async def test_a_drill_goes_on_after_a_restart_and_one_key_holds_one() -> None:
    async with town() as there, people(there) as who:
        await exercise_speakers(there)
        plan = await approved(who)
        key, body = {"Idempotency-Key": "k"}, {"title": "演练", "plan": plan}
        answers = await asyncio.gather(*(who["duty"].post(f"{API}/drills", json=body, headers=key) for _ in range(3)))
        assert len({(await answer.json())["broadcast"] for answer in answers}) == 1
        await there.services.drills.load()
        assert len(there.services.drills.running(by=APPROVER)) == 1
        drill = there.services.drills.running(by=APPROVER)[0]
        ended = await (await who["duty"].post(f"{API}/drills/{drill.id}/end")).json()
        assert (ended["passed"], ended["percent"]) == (False, 0)
        assert there.services.broadcasts.live() == []
        assert await refusal(who["duty"], f"/drills/{drill.id}/end") == (409, "drill-over")
