"""The second person over the API: what waits, what goes out, and who can't do what. One town with the policy as delivered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession

from broadcast.domain.accounts import AccountRules
from broadcast.domain.approval import REVIEW_WITHIN_MS
from broadcast.domain.approval_policy import DEFAULT, AtDeadline, Demand, Policy
from broadcast.domain.officers import Officer, Role
from broadcast.service.ports import Account, Tx
from tests.town import APPROVER, CHIEF, CITY, DUTY, OTHER_TOWNSHIP, PASSWORD, TOWN_DUTY, TOWNSHIP, VIEWER, Town, town
from tests.web.browser import machine, order, served

API = "/api/v1"


@asynccontextmanager
async def people(there: Town) -> AsyncIterator[dict[str, ClientSession]]:
    """Everybody of the town, signed in."""
    async with served(there) as base, AsyncExitStack() as stack:
        found = {}
        for officer in (CHIEF, DUTY, APPROVER, TOWN_DUTY, VIEWER):
            headers = {"Authorization": f"Bearer {await there.sign_in(officer)}", "Accept-Language": "en"}
            found[officer.name] = await stack.enter_async_context(ClientSession(base, headers=headers))
        yield found


async def asked(client: ClientSession, **fields: Any) -> dict[str, Any]:
    """A request that waits, as its author sees it."""
    answer = await client.post(f"{API}/broadcasts", json=order(**fields))
    done = await answer.json()
    assert (answer.status, done["id"], done["ids"]) == (202, "", [])
    assert answer.headers["Location"] == f"{API}/approvals/{done['approval']}"
    found: dict[str, Any] = await (await client.get(answer.headers["Location"])).json()
    return found


def of(one: dict[str, Any]) -> dict[str, Any]:
    return {"heard": one["heard"], "digest": one["digest"]}


async def refusal(client: ClientSession, path: str, body: Any = None, **how: Any) -> tuple[int, str]:
    answer = await client.post(f"{API}{path}", json=body, **how)
    return answer.status, (await answer.json())["type"].removeprefix("/problems/")


async def test_a_red_alert_waits_and_the_second_person_puts_exactly_what_was_heard_on_the_air() -> None:
    async with town(second_person=True) as there, people(there) as who:
        one = await asked(who["duty"])
        assert there.wire.published == []
        assert there.services.broadcasts.live() == []
        assert (one["stage"], one["author"], one["mine"], one["may_decide"]) == ("waiting", "duty", True, False)
        seen = (await (await who["approver"].get(f"{API}/approvals")).json())["items"]
        assert [(item["id"], item["mine"], item["may_decide"]) for item in seen] == [(one["id"], False, True)]
        effect = await (await who["approver"].get(f"{API}/approvals/{one['id']}/effect")).json()
        assert (effect["reach"]["villages"], effect["heard"]) == (690, one["heard"])
        answer = await who["approver"].post(f"{API}/approvals/{one['id']}/approve", json=of(one))
        done = await answer.json()
        assert (answer.status, answer.headers["Location"]) == (202, f"{API}/broadcasts/{done['id']}")
        live = there.services.broadcasts.live()
        assert [(b.id, b.officer, b.order.asset.hex(), b.order.areas) for b in live] == [
            (done["id"], "duty", one["heard"], (CITY,))
        ]
        assert [topic for topic, _ in there.wire.published] == [f"eb/v1/board/{CITY}"]
        again = await who["approver"].post(f"{API}/approvals/{one['id']}/approve", json=of(one))
        assert (await again.json()) == {**done, "repeated": True}
        assert len(there.services.broadcasts.live()) == 1
        acts = await there.store.read(lambda tx: [(a.officer, a.verb) for a in tx.acts.page(limit=4)])
        assert {("duty", "ask approval"), ("approver", "approve"), ("duty", "start")} <= set(acts)


async def test_the_author_the_viewer_the_stranger_and_the_deaf_do_not_approve() -> None:
    async with town(second_person=True) as there, people(there) as who:
        one = await asked(who["chief"])  # an administrator may approve, but not this
        path = f"/approvals/{one['id']}/approve"
        assert await refusal(who["chief"], path, of(one)) == (403, "own-request")
        assert await refusal(who["viewer"], path, of(one)) == (403, "role-not-granted")
        assert await refusal(who["duty"], path, of(one)) == (403, "role-not-granted")
        assert await refusal(who["town"], path, of(one)) == (404, "unknown-approval")
        assert await refusal(who["approver"], path, {**of(one), "heard": "00" * 32}) == (409, "not-what-waits")
        assert await refusal(who["approver"], path, {**of(one), "heard": None}) == (409, "not-what-waits")
        assert await refusal(who["approver"], path, {**of(one), "digest": "00" * 32}) == (409, "not-what-waits")
        assert await refusal(who["approver"], path, {"heard": one["heard"]}) == (422, "invalid-request")
        assert await refusal(who["approver"], path, {**of(one), "areas": [TOWNSHIP]}) == (422, "invalid-request")
        assert await refusal(who["approver"], f"/approvals/{'0' * 26}/approve", of(one)) == (404, "unknown-approval")
        assert (await who["town"].get(f"{API}/approvals/{one['id']}")).status == 404
        assert (await (await who["town"].get(f"{API}/approvals")).json())["items"] == []
        assert there.wire.published == []


async def test_reject_and_return_need_a_reason_and_nothing_goes_out() -> None:
    async with town(second_person=True) as there, people(there) as who:
        for verb, stage in (("reject", "rejected"), ("return", "returned")):
            one = await asked(who["duty"], text=f"山洪{verb}")
            path = f"/approvals/{one['id']}/{verb}"
            assert await refusal(who["approver"], path, {"reason": " "}) == (422, "invalid-request")
            assert await refusal(who["approver"], path, {"reason": "字" * 301}) == (422, "invalid-request")
            assert await refusal(who["duty"], path, {"reason": "不对"}) == (403, "role-not-granted")
            done = await (await who["approver"].post(f"{API}{path}", json={"reason": "<b>请写清地点"})).json()
            assert (done["stage"], done["decided_by"], done["reason"]) == (stage, "approver", "<b>请写清地点")
            assert await refusal(who["approver"], f"/approvals/{one['id']}/approve", of(one)) == (409, "approval-over")
        assert there.wire.published == []


async def test_one_s_own_request_can_be_taken_back_and_then_nobody_approves_it() -> None:
    async with town(second_person=True) as there, people(there) as who:
        one = await asked(who["duty"])
        assert await refusal(who["chief"], f"/approvals/{one['id']}/withdraw") == (403, "not-the-author")
        done = await (await who["duty"].post(f"{API}/approvals/{one['id']}/withdraw")).json()
        assert done["stage"] == "withdrawn"
        assert await refusal(who["approver"], f"/approvals/{one['id']}/approve", of(one)) == (409, "approval-over")


async def test_the_glass_is_broken_by_its_author_with_a_reason_heard_by_leaders_and_reviewed_by_another() -> None:
    async with town(second_person=True) as there, people(there) as who:
        one = await asked(who["duty"], minutes=60)  # nobody is signed out meanwhile
        path = f"/approvals/{one['id']}/break-glass"
        assert await refusal(who["duty"], path, {"reason": ""}) == (422, "invalid-request")
        assert await refusal(who["chief"], path, {"reason": "来不及"}) == (403, "not-the-author")
        done = await (await who["duty"].post(f"{API}{path}", json={"reason": "河堤正在决口，审批人联系不上"})).json()
        again = await (await who["duty"].post(f"{API}{path}", json={"reason": "河堤正在决口，审批人联系不上"})).json()
        assert again == {**done, "repeated": True}
        assert [b.id for b in there.services.broadcasts.live()] == [done["id"]]
        assert [c.name for c in there.services.health.conditions] == ["glass-broken"]
        there.clock.advance(REVIEW_WITHIN_MS / 1_000)
        await there.services.approvals.tick()
        assert [c.name for c in there.services.health.conditions] == ["glass-broken", "review-overdue"]
        review = f"/approvals/{one['id']}/review"
        body = {"justified": True, "note": "情况属实"}
        assert await refusal(who["duty"], review, body) == (403, "role-not-granted")
        assert await refusal(who["approver"], review, {**body, "note": ""}) == (422, "invalid-request")
        seen = await (await who["approver"].post(f"{API}{review}", json=body)).json()
        assert (seen["stage"], seen["reviewed_by"], seen["justified"]) == ("broken-glass", "approver", True)
        assert there.services.health.conditions == ()
        assert await refusal(who["chief"], review, body) == (409, "nothing-to-review")


async def test_stopping_needs_nobody_and_prepared_ends_need_nobody() -> None:
    async with town(second_person=True) as there, people(there) as who:
        for end, body in (("stop", None), ("all-clear", {}), ("correct", {})):
            one = await asked(who["duty"], text=f"山洪{end}")
            sent = await (await who["approver"].post(f"{API}/approvals/{one['id']}/approve", json=of(one))).json()
            answer = await who["duty"].post(f"{API}/broadcasts/{sent['id']}/{end}", json=body)
            done = await answer.json()
            assert (answer.status, done["approval"]) == (202, ""), end
            assert sent["id"] not in {b.id for b in there.services.broadcasts.live()}
            await who["duty"].post(f"{API}/stop-all")


async def test_a_correction_in_own_words_is_words_like_any_others() -> None:
    async with town(second_person=True) as there, people(there) as who:
        one = await asked(who["duty"])
        sent = await (await who["approver"].post(f"{API}/approvals/{one['id']}/approve", json=of(one))).json()
        path = f"/broadcasts/{sent['id']}/correct"
        assert await refusal(who["duty"], path, {"text": "换一个说法"}) == (409, "approval-needed")
        answer = await who["duty"].post(f"{API}/broadcasts/{sent['id']}/update", json=order(text="换一个说法"))
        update = await (await who["duty"].get(answer.headers["Location"])).json()
        assert (update["stage"], update["replaces"]) == ("waiting", sent["id"])
        assert [b.text for b in there.services.broadcasts.live()] == ["山洪，请立即转移。"]
        done = await who["approver"].post(f"{API}/approvals/{update['id']}/approve", json=of(update))
        assert done.status == 202
        assert [b.text for b in there.services.broadcasts.live()] == ["换一个说法"]


async def test_what_is_mild_narrow_or_an_exercise_goes_out_at_once() -> None:
    async with town(second_person=True) as there, people(there) as who:
        for fields in (
            {"kind": "notice", "severity": "unknown"},
            {"kind": "routine", "severity": "unknown"},
            {"severity": "yellow", "areas": [TOWNSHIP]},
            {"exercise": True},
        ):
            done = await (await who["duty"].post(f"{API}/broadcasts", json=order(**fields))).json()
            assert done["id"] and not done["approval"], fields
        done = await (await who["town"].post(f"{API}/broadcasts", json=order(severity="blue", areas=[TOWNSHIP]))).json()
        assert done["approval"]
        assert len(there.services.broadcasts.live()) == 4


async def test_the_same_key_asks_once_and_answers_the_same_when_it_has_been_approved() -> None:
    async with town(second_person=True) as there, people(there) as who:
        key = {"Idempotency-Key": "when-the-dialog-opened"}
        answers = await asyncio.gather(
            *(who["duty"].post(f"{API}/broadcasts", json=order(), headers=key) for _ in range(20))
        )
        names = {(await answer.json())["approval"] for answer in answers}
        assert len(names) == 1
        assert len(there.services.approvals.open(by=APPROVER)) == 1
        assert await refusal(who["duty"], "/broadcasts", order(text="别的"), headers=key) == (409, "key-reused")
        one = await (await who["duty"].get(f"{API}/approvals/{names.pop()}")).json()
        await who["approver"].post(f"{API}/approvals/{one['id']}/approve", json=of(one))
        late = await (await who["duty"].post(f"{API}/broadcasts", json=order(), headers=key)).json()
        assert (late["approval"], late["repeated"]) == (one["id"], True)
        assert len(there.services.broadcasts.live()) == 1


async def test_of_two_who_approve_at_once_one_sends_it() -> None:
    async with town(second_person=True) as there, people(there) as who:
        one = await asked(who["duty"])
        path = f"{API}/approvals/{one['id']}/approve"
        answers = await asyncio.gather(
            *(who[name].post(path, json=of(one)) for name in ("approver", "chief") for _ in range(5))
        )
        assert sorted({answer.status for answer in answers}) in ([202], [202, 409])
        assert len(there.services.broadcasts.live()) == 1


async def test_a_deadline_refuses_or_releases_as_the_policy_said_when_it_was_asked() -> None:
    async with town(second_person=True) as there, people(there) as who:
        refused = await asked(who["duty"], text="第一条")
        there.clock.advance(601)
        await there.services.approvals.tick()
        gone = await (await who["duty"].get(f"{API}/approvals/{refused['id']}")).json()
        assert (gone["stage"], there.services.broadcasts.live()) == ("refused", [])
        assert "approval-expired" in {c.name for c in there.services.health.conditions}
        eager = Policy(tuple(replace(rule, at_deadline=AtDeadline.RELEASE, within_s=60) for rule in DEFAULT.rules))
        await there.services.policy.save(eager, by=CHIEF, revision=0)
        kept = await asked(who["duty"], text="第二条")
        stopped = await asked(who["duty"], text="第三条")
        there.clock.advance(30)
        await who["duty"].post(f"{API}/approvals/{stopped['id']}/withdraw")
        there.clock.advance(31)
        await there.services.approvals.tick()
        assert [(b.text, b.order.asset.hex()) for b in there.services.broadcasts.live()] == [("第二条", kept["heard"])]
        page = await (await who["duty"].get(f"{API}/approvals", params={"state": "all", "limit": "2"})).json()
        assert [item["stage"] for item in page["items"]] == ["withdrawn", "released"]
        rest = await (await who["duty"].get(f"{API}/approvals", params={"state": "all", "before": page["next"]})).json()
        assert [item["stage"] for item in rest["items"]] == ["refused"]


async def test_what_was_stopped_meanwhile_is_not_released() -> None:
    async with town(second_person=True) as there, people(there) as who:
        eager = Policy(tuple(replace(rule, at_deadline=AtDeadline.RELEASE, within_s=60) for rule in DEFAULT.rules))
        await there.services.policy.save(eager, by=CHIEF, revision=0)
        one = await asked(who["duty"])
        there.clock.advance(30)
        await who["chief"].post(f"{API}/stop-all")
        there.clock.advance(31)
        await there.services.approvals.tick()
        done = await (await who["duty"].get(f"{API}/approvals/{one['id']}")).json()
        assert (done["stage"], there.services.broadcasts.live()) == ("refused", [])
        assert "stopped everything" in done["reason"]


async def test_nothing_goes_out_in_the_name_of_somebody_who_is_gone_or_has_lost_the_right() -> None:
    async with town(second_person=True) as there, people(there) as who:
        one = await asked(who["duty"])
        local = await asked(who["town"], severity="blue", areas=[TOWNSHIP])

        def fall(tx: Tx) -> None:
            account = tx.accounts.get("duty")
            assert account is not None
            tx.accounts.save(replace(account, disabled=True))
            account = tx.accounts.get("town")
            assert account is not None
            tx.accounts.save(replace(account, officer=replace(account.officer, grants=())))

        await there.store.write(fall)
        assert await refusal(who["approver"], f"/approvals/{one['id']}/approve", of(one)) == (409, "author-gone")
        assert await refusal(who["approver"], f"/approvals/{local['id']}/approve", of(local)) == (403, "not-delegated")
        assert there.wire.published == []


async def test_an_emergency_that_cannot_be_spoken_waits_with_its_tone_alone_and_gets_no_words_later() -> None:
    async with town(second_person=True) as there, people(there) as who:
        there.speech.fails = "no voice"
        one = await asked(who["duty"])
        assert (one["heard"], one["note"]) == (None, "speech-unavailable")
        there.speech.fails = ""
        answer = await who["approver"].post(f"{API}/approvals/{one['id']}/approve", json=of(one))
        assert answer.status == 202
        assert [(b.order.asset, b.order.revision) for b in there.services.broadcasts.live()] == [(b"", 1)]


async def test_nobody_buries_the_approvers_under_requests() -> None:
    async with town(second_person=True) as there, people(there) as who:
        for number in range(20):
            await asked(who["duty"], text=f"第{number}条")
        assert await refusal(who["duty"], "/broadcasts", order(text="再一条")) == (409, "too-many-waiting")
        assert len(there.services.approvals.open(by=APPROVER)) == 20


async def test_what_waits_survives_a_restart_with_its_deadline() -> None:
    async with town(second_person=True) as there, people(there) as who:
        one = await asked(who["duty"])
        await there.services.approvals.load()
        assert [request.id for request in there.services.approvals.open(by=APPROVER)] == [one["id"]]
        there.store.goes_away("disk full")
        assert await refusal(who["approver"], f"/approvals/{one['id']}/approve", of(one)) == (503, "store-unavailable")
        there.store.comes_back()
        assert there.services.broadcasts.live() == []
        answer = await who["approver"].post(f"{API}/approvals/{one['id']}/approve", json=of(one))
        assert answer.status == 202
        assert len(there.services.broadcasts.live()) == 1


async def test_the_state_that_every_page_follows_counts_what_waits() -> None:
    async with town(second_person=True) as there, people(there) as who:
        await asked(who["duty"])
        approvals = there.services.approvals
        assert approvals.counts(by=APPROVER) == {"waiting": 1, "to_decide": 1, "to_review": 0}
        assert approvals.counts(by=DUTY) == {"waiting": 1, "to_decide": 0, "to_review": 0}
        assert approvals.counts(by=TOWN_DUTY) == {"waiting": 0, "to_decide": 0, "to_review": 0}


# ---- the policy ---------------------------------------------------------------------------------------------------------------


async def test_the_policy_is_changed_by_administrators_from_the_version_that_they_read() -> None:
    async with town(second_person=True, accounts=AccountRules(two_person=False)) as there, people(there) as who:
        answer = await who["duty"].get(f"{API}/policies/approval")
        table = await answer.json()
        assert (table["revision"], answer.headers["ETag"], table["in_force"]) == (0, '"0"', True)
        rules = [{"demand": "second-person", "kinds": ["notice"], "within_s": 60}, {"demand": "none"}]
        path, match = f"{API}/policies/approval", {"If-Match": '"0"'}
        assert (await who["chief"].put(path, json={"rules": rules})).status == 428
        assert (await who["duty"].put(path, json={"rules": rules}, headers=match)).status == 403
        assert (await who["chief"].put(path, json={"rules": rules}, headers=match)).status == 200
        assert (await who["chief"].put(path, json={"rules": rules}, headers=match)).status == 412
        notice = await (
            await who["duty"].post(f"{API}/broadcasts", json=order(kind="notice", severity="unknown"))
        ).json()
        red = await (await who["duty"].post(f"{API}/broadcasts", json=order())).json()
        assert (bool(notice["approval"]), bool(red["approval"])) == (True, False)
        history = (await (await who["viewer"].get(f"{path}/history")).json())["items"]
        assert [(one["revision"], one["saved_by"]) for one in history] == [(0, ""), (1, "chief")]


async def test_the_table_of_who_agrees_is_itself_changed_by_two_and_by_nobody_below_the_county() -> None:
    supervisor, small = Officer("second", "", Role.SUPERVISOR, CITY), Officer("small", "", Role.ADMINISTRATOR, TOWNSHIP)
    async with town(second_person=True) as there, people(there) as who:
        hashed = await there.hasher.hash(PASSWORD)
        for one in (supervisor, small):
            await there.store.write(lambda tx, one=one: tx.accounts.add(Account(one, hashed)))  # type: ignore[misc]
        path, match, open_to_all = f"{API}/policies/approval", {"If-Match": '"0"'}, {"rules": [{"demand": "none"}]}
        async with machine(there, supervisor) as second, machine(there, small) as village:
            assert (await village.put(path, json=open_to_all, headers=match)).status == 403
            answer = await who["chief"].put(path, json=open_to_all, headers=match)
            told = await answer.json()
            assert (answer.status, told["revision"], there.services.policy.now.revision) == (200, 0, 0)
            red = await (await who["duty"].post(f"{API}/broadcasts", json=order())).json()
            assert red["approval"], "the table in force still asks"
            change = f"{API}/account-changes/{told['waiting']}"
            shown = await (await second.get(change)).json()
            assert (shown["kind"], shown["by"], shown["state"]) == ("policy", "chief", "waiting")
            assert (await who["chief"].post(f"{change}/confirm")).status == 403
            assert (await who["duty"].post(f"{change}/confirm")).status == 403
            later = await (await who["chief"].put(path, json=open_to_all, headers=match)).json()
            assert (await second.post(f"{change}/confirm")).status == 200
            now = there.services.policy.now
            assert (now.revision, now.saved_by, now.policy.rules[0].demand) == (1, "chief", Demand.NONE)
            stale = await second.post(f"{API}/account-changes/{later['waiting']}/confirm")
            assert (stale.status, there.services.policy.now.revision) == (409, 1)
            free = await (await who["duty"].post(f"{API}/broadcasts", json=order(text="另一条"))).json()
            assert not free["approval"]


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ([], "rules"),
        ([{"demand": "auto-start"}], "rules.0.demand"),
        ([{"demand": "auto-start", "sources": ["pinned", "text"]}], "rules.0.demand"),
        ([{"demand": "none", "within_s": 1}], "rules.0.within_s"),
        ([{"demand": "maybe"}], "rules.0.demand"),
        ([{"demand": "none", "kinds": ["live"]}], "rules.0.kinds.0"),
        ([{"demand": "none", "when": "night"}], "rules.0.when"),
        ([{"demand": "none"}] * 41, "rules"),
    ],
)
async def test_a_table_that_cannot_be_taken_is_refused_at_its_field(rules: list[Any], field: str) -> None:
    async with town(second_person=True) as there, people(there) as who:
        answer = await who["chief"].put(f"{API}/policies/approval", json={"rules": rules}, headers={"If-Match": '"0"'})
        assert answer.status == 422
        assert [fault["field"] for fault in (await answer.json())["errors"]] == [field]


async def test_an_officer_of_another_township_neither_sees_nor_decides() -> None:
    async with town(second_person=True) as there, people(there) as who:
        one = await asked(who["duty"], areas=[OTHER_TOWNSHIP])
        other = replace(APPROVER, name="town", area=TOWNSHIP)
        assert there.services.approvals.open(by=other) == []
        assert await refusal(who["town"], f"/approvals/{one['id']}/reject", {"reason": "不对"}) == (
            404,
            "unknown-approval",
        )
