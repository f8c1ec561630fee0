"""Conferences over HTTP and their socket: the chair at the desk, sites by ticket, hostile pages."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from broadcast.domain.conference.media import Link
from tests.conference.offers import offer
from tests.town import CITY, DUTY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, VIEWER, Town, town
from tests.web.browser import machine

PLAN = {
    "title": "防汛调度",
    "area": CITY,
    "chair": "chair",
    "deputies": [],
    "seats": [
        {"id": "chair", "name": "指挥中心", "area": CITY, "officer": "duty"},
        {"id": "zunhua", "name": "遵化镇", "area": TOWNSHIP},
    ],
}


async def sent(client: ClientSession, path: str, body: object | None = None, method: str = "POST") -> tuple[int, Any]:
    answer = await client.request(method, f"/api/v1{path}", json=body)
    return answer.status, await answer.json() if answer.content_type.endswith("json") else await answer.read()


async def started(client: ClientSession, **more: object) -> str:
    status, made = await sent(client, "/conferences", {"plan": PLAN, **more})
    assert status == 201, made
    return str(made["id"])


@asynccontextmanager
async def socket(client: ClientSession, conference: str, **first: object) -> AsyncIterator[ClientWebSocketResponse]:
    async with client.ws_connect(f"/api/v1/conferences/{conference}/socket") as line:
        await line.send_json({"type": "enter", **first})
        yield line


async def heard(line: ClientWebSocketResponse, kind: str) -> Any:
    """The next of that kind."""
    async with asyncio.timeout(5):
        while True:
            message = await line.receive()
            assert message.type is WSMsgType.TEXT, message
            said = json.loads(message.data)
            if said["type"] == kind:
                return said


async def ticket(client: ClientSession, conference: str, site: str) -> str:
    status, made = await sent(client, f"/conferences/{conference}/tickets", {"site": site})
    assert status == 201, made
    return str(made["secret"])


async def settle(there: Town) -> None:
    await there.services.conferring.tick()


async def test_a_conference_is_begun_chaired_and_looked_back_on() -> None:
    async with town() as there, machine(there, DUTY) as desk:
        conference = await started(desk, areas=[CITY], call=True)
        status, state = await sent(desk, f"/conferences/{conference}", method="GET")
        assert (status, state["chairs"], len(state["sites"])) == (200, True, 2 + 28)
        status, state = await sent(desk, f"/conferences/{conference}/acts", {"act": "mute_all", "may_unmute": False})
        assert (status, state["conference"]["mute_all"]) == (200, True)
        status, page = await sent(desk, "/conferences", method="GET")
        assert [one["id"] for one in page["items"]] == [conference]
        await sent(desk, f"/conferences/{conference}/acts", {"act": "roll_begin"})
        await sent(desk, f"/conferences/{conference}/acts", {"act": "roll_end"})
        status, _ = await sent(desk, f"/conferences/{conference}/acts", {"act": "end"})
        assert status == 200
        status, told = await sent(desk, f"/conferences/{conference}/acts", {"act": "mute_all"})
        assert (status, told["type"]) == (409, "/problems/conference-over")
        status, record = await sent(desk, f"/conferences/{conference}/attendance", method="GET")
        assert status == 200 and set(record["roll_calls"][0]["results"]) == {"absent"}
        for name, start in (("attendance.csv", b"\xef\xbb\xbf"), ("attendance.xlsx", b"PK"), ("minutes.pdf", b"%PDF")):
            status, body = await sent(desk, f"/conferences/{conference}/{name}", method="GET")
            assert (status, body[: len(start)]) == (200, start)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"act": "shout"}, 422),
        ({"act": "mute"}, 422),
        ({"act": "mute", "site": "zunhua", "more": 1}, 422),
        ({"act": "mute", "site": 7}, 422),
        ({"act": "mute", "site": "nobody"}, 404),
        ({"act": "patrol", "sites": ["zunhua"], "interval_s": 9}, 422),
        ({"act": "caption", "text": "x" * 201}, 422),
        ({"act": "extend", "minutes": 10**30}, 422),
        ([], 422),
    ],
)
async def test_an_act_that_is_none_is_refused_and_changes_nothing(body: Any, status: int) -> None:
    async with town() as there, machine(there, DUTY) as desk:
        conference = await started(desk)
        got, _ = await sent(desk, f"/conferences/{conference}/acts", body)
        assert got == status
        assert there.services.conferring.conferences.now(conference).version == 1


async def test_a_site_comes_by_ticket_negotiates_speaks_and_is_muted_for_all_it_says() -> None:
    async with town() as there, machine(there, DUTY) as desk, ClientSession(desk._base_url) as page:
        conference = await started(desk)
        secret = await ticket(desk, conference, "zunhua")
        async with socket(page, conference, ticket=secret) as line:
            assert (await heard(line, "seated"))["site"] == "zunhua"
            state = await heard(line, "state")
            assert state["state"] == "full" and "banned" not in state["conference"]
            await settle(there)
            sdp = offer(Link.AUDIO, "sendrecv")
            await line.send_json({"type": "offer", "n": 1, "link": "audio", "sdp": sdp})
            assert (await heard(line, "answer"))["n"] == 1
            await line.send_json({"type": "act", "n": 2, "act": {"act": "ask"}})
            assert (await heard(line, "done"))["n"] == 2
            await sent(desk, f"/conferences/{conference}/acts", {"act": "mute_all"})
            await line.send_json({"type": "act", "n": 3, "act": {"act": "microphone", "on": True}})
            assert (await heard(line, "refused"))["problem"]["type"] == "/problems/muted"
            await line.send_json({"type": "act", "n": 4, "act": {"act": "unmute_all"}})
            assert (await heard(line, "refused"))["problem"]["type"] == "/problems/not-yours"
            await line.send_json({"type": "offer", "n": 5, "link": "audio", "sdp": "v=0\r\n" + "a=x\r\n" * 9_000})
            assert (await heard(line, "refused"))["problem"]["type"] == "/problems/bad-sdp"
            await sent(desk, f"/conferences/{conference}/acts", {"act": "kick", "site": "zunhua"})
            assert (await heard(line, "over"))["problem"]["type"] == "/problems/bad-ticket"


async def test_changes_come_numbered_without_a_hole_and_the_desk_sees_them_too() -> None:
    async with town() as there, machine(there, DUTY) as desk:
        conference = await started(desk)
        async with socket(desk, conference) as line:
            state = await heard(line, "state")
            versions = [state["version"]]
            for n in range(5):
                await line.send_json({"type": "act", "n": n, "act": {"act": "caption", "text": f"{n}"}})
            while versions[-1] < versions[0] + 5:
                versions.append((await heard(line, "state"))["version"])
            assert versions == list(range(versions[0], versions[0] + 6))


async def test_a_key_brings_a_page_back_and_a_used_ticket_does_not() -> None:
    async with town() as there, machine(there, DUTY) as desk, ClientSession(desk._base_url) as page:
        conference = await started(desk)
        secret = await ticket(desk, conference, "zunhua")
        async with socket(page, conference, ticket=secret) as line:
            key = (await heard(line, "seated"))["key"]
        async with socket(page, conference, key=key) as line:
            assert (await heard(line, "seated"))["site"] == "zunhua"
        for wrong in ({"ticket": secret}, {"key": "A" * 43}, {"ticket": "x"}):
            async with socket(page, conference, **wrong) as line:
                assert (await heard(line, "refused"))["problem"]["type"] == "/problems/bad-ticket"
                await line.receive()
                assert line.close_code == 4403
        async with socket(page, conference) as line:  # nobody
            closed = await line.receive()
            assert closed.type in (WSMsgType.TEXT, WSMsgType.CLOSE)


async def test_a_page_that_floods_its_socket_loses_it() -> None:
    async with town() as there, machine(there, DUTY) as desk, ClientSession(desk._base_url) as page:
        conference = await started(desk)
        async with socket(page, conference, ticket=await ticket(desk, conference, "zunhua")) as line:
            for n in range(200):
                await line.send_json({"type": "view", "n": n})
            while True:
                message = await line.receive(timeout=5)
                if message.type is not WSMsgType.TEXT:
                    break
            assert line.close_code == 4429


async def test_who_may_what_by_role_and_area() -> None:
    async with town() as there, machine(there, DUTY) as desk:
        conference = await started(desk, call=True)
        async with machine(there, VIEWER) as viewer:
            assert (await sent(viewer, "/conferences", {"plan": PLAN}))[0] == 403
            assert (await sent(viewer, f"/conferences/{conference}/acts", {"act": "end"}))[0] == 403
        async with machine(there, TOWN_DUTY) as town_desk:
            _, calls = await sent(town_desk, "/conference-calls", method="GET")
            assert [one["site"] for one in calls["items"]] == ["zunhua"]
            assert (await sent(town_desk, f"/conferences/{conference}/acts", {"act": "end"}))[0] == 403
            assert (await sent(town_desk, f"/conferences/{conference}/tickets", {"site": "chair"}))[0] == 403
            assert await ticket(town_desk, conference, "zunhua")
            other = {**PLAN, "area": OTHER_TOWNSHIP, "seats": [], "chair": ""}
            assert (await sent(town_desk, "/conferences", {"plan": other}))[0] == 403


async def test_a_plan_is_kept_changed_begun_with_one_key_and_booked_with_an_invitation() -> None:
    async with town() as there, machine(there, DUTY) as desk:
        status, kept = await sent(desk, "/conference-blueprints", {"plan": PLAN, "areas": []})
        assert (status, kept["revision"]) == (201, 1)
        headers = {"If-Match": '"1"'}
        path = f"/api/v1/conference-blueprints/{kept['id']}"
        assert (await desk.put(path, json={"plan": PLAN}, headers=headers)).status == 200
        assert (await desk.put(path, json={"plan": PLAN}, headers=headers)).status == 412
        status, state = await sent(desk, f"/conference-blueprints/{kept['id']}/start")
        assert {one["status"] for one in state["sites"].values()} == {"dialing-out"}
        booking = {"plan": PLAN, "starts": "2099-01-01T09:00:00+08:00"}
        assert (await sent(desk, "/conference-reservations", booking))[0] == 422  # too far away
        soon = there.clock.now().replace(microsecond=0).isoformat()
        status, _ = await sent(desk, "/conference-reservations", {"plan": PLAN, "starts": soon})
        assert status == 422  # in the past by now
        from datetime import timedelta

        soon = (there.clock.now() + timedelta(hours=2)).isoformat()
        status, booked = await sent(desk, "/conference-reservations", {"plan": PLAN, "starts": soon})
        assert (status, booked["state"]) == (201, "waiting")
        status, ics = await sent(desk, f"/conference-reservations/{booked['id']}/invitation.ics", method="GET")
        lines = ics.decode().split("\r\n")
        assert status == 200 and "SUMMARY:防汛调度" in lines and max(len(one.encode()) for one in lines) <= 75
        status, gone = await sent(desk, f"/conference-reservations/{booked['id']}", method="DELETE")
        assert gone["state"] == "cancelled"
        assert (await desk.delete(path)).status == 204
