"""The wall as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientResponse, ClientSession

from broadcast.domain.accounts import AccountRules
from broadcast.service import feed
from broadcast.web import events
from endpoints.protocol import Stage
from tests.town import CHIEF, CITY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, town
from tests.web.browser import machine, order, served, visitor


class Stream:
    """What a browser's EventSource reads."""

    def __init__(self, answer: ClientResponse) -> None:
        self._answer = answer
        self.last_id = ""

    async def next(self, *wanted: str) -> dict[str, Any]:
        """The next event of one of these names."""
        name, data = "", ""
        async with asyncio.timeout(5):
            async for raw in self._answer.content:
                line = raw.decode().rstrip("\r\n")
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif field == "id":
                    self.last_id = value
                elif not line and name:
                    if not wanted or name in wanted:
                        return {"event": name, **json.loads(data)}
                    name = ""
        raise EOFError


@asynccontextmanager
async def follow(client: ClientSession, broadcast: str = "", last_id: str = "") -> AsyncIterator[Stream]:
    params = {"broadcast": broadcast} if broadcast else {}
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with client.get("/api/v1/events", params=params, headers=headers, timeout=None) as answer:  # type: ignore[arg-type]
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        yield Stream(answer)


async def test_first_the_whole_wall_then_only_what_changes() -> None:
    async with town() as there, machine(there) as client:
        there.all_there()
        one = (await (await client.post("/api/v1/broadcasts", json=order())).json())["id"]
        async with follow(client) as stream:
            snapshot = await stream.next("snapshot")
            assert snapshot["broadcast"]["id"] == one
            assert len(snapshot["cells"]) == 690 + 27 + 1
            assert sum(len(panel["cells"]) for panel in snapshot["panels"]) == 718
            assert snapshot["counts"] == {"expected": 718}
            place = [code for code, _, _ in snapshot["cells"]].index("130281100200")
            await there.report(one, ["s-130281100200-1"], Stage.RECEIVED, Stage.SOUNDING)
            change = await stream.next("change")
            while not change["cells"]:
                change = await stream.next("change")
            assert change["cells"] == [[place, "sounding"]]
            assert change["counts"] == {"expected": 717, "sounding": 1}


async def test_seven_hundred_reports_become_a_handful_of_events() -> None:
    async with town() as there, machine(there) as client:
        there.all_there()
        one = (await (await client.post("/api/v1/broadcasts", json=order())).json())["id"]
        async with follow(client, one) as stream:
            await stream.next("snapshot")
            for name in there.services.estate.speakers:
                await there.report(one, [name], Stage.RECEIVED)
            events, cells = 0, 0
            while cells < 718:
                cells += len((await stream.next("change"))["cells"])
                events += 1
            assert events <= 5


async def test_after_a_short_break_only_what_was_missed_after_a_long_one_all(monkeypatch: Any) -> None:
    async with town() as there, machine(there) as client:
        there.all_there()
        one = (await (await client.post("/api/v1/broadcasts", json=order())).json())["id"]
        await asyncio.sleep(feed.EVERY_S * 1.5)
        async with follow(client, one) as stream:
            await stream.next("snapshot")
            last_id = stream.last_id
        await there.report(one, ["s-130281100200-1"], Stage.FAILED)
        await asyncio.sleep(feed.EVERY_S * 1.5)
        async with follow(client, one, last_id) as stream:
            first = await stream.next("snapshot", "change")
            assert first["event"] == "change"
            assert [look for _, look in first["cells"]] == ["failed"]
        for stale in ("nonsense", "0.0.0.0", last_id.replace(".", "x", 1), f"{last_id}9"):
            async with follow(client, one, stale) as stream:
                assert (await stream.next("snapshot", "change"))["event"] == "snapshot"


async def test_without_a_broadcast_the_wall_shows_who_is_there_and_turns_to_the_first_that_begins() -> None:
    async with town() as there, machine(there) as client:
        there.all_there(but=["s-130281100200-1"])
        await asyncio.sleep(feed.EVERY_S * 1.5)
        async with follow(client) as stream:
            snapshot = await stream.next("snapshot")
            assert snapshot["broadcast"] is None
            assert snapshot["counts"] == {"offline": 1, "idle": 717}
            assert [one["id"] for one in snapshot["missing"]] == ["s-130281100200-1"]
            one = (await (await client.post("/api/v1/broadcasts", json=order())).json())["id"]
            turned = await stream.next("snapshot")
            assert turned["broadcast"]["id"] == one
            state = await stream.next("state")
            assert [live["id"] for live in state["on_air"]] == [one]


async def test_a_township_hears_of_itself_alone() -> None:
    async with town() as there, machine(there, TOWN_DUTY) as client:
        city = {"Authorization": f"Bearer {await there.sign_in()}"}
        elsewhere = await client.post("/api/v1/broadcasts", json=order(areas=[OTHER_TOWNSHIP]), headers=city)
        async with follow(client) as stream:
            snapshot = await stream.next("snapshot")
            assert snapshot["broadcast"] is None
            assert {code[:9] for code, _, _ in snapshot["cells"]} == {TOWNSHIP[:9]}
            assert (await stream.next("state"))["on_air"] == []
        hidden = await client.get("/api/v1/events", params={"broadcast": (await elsewhere.json())["id"]})
        assert hidden.status == 404


async def test_a_board_that_is_not_on_the_broker_is_said_to_be_pending() -> None:
    async with town() as there, machine(there) as client:
        there.wire.is_up = False
        one = (await (await client.post("/api/v1/broadcasts", json=order())).json())["id"]
        async with follow(client, one) as stream:
            assert (await stream.next("snapshot"))["broadcast"]["on_air_pending"]
            state = await stream.next("state")
            assert (state["wire_up"], state["on_air"][0]["pending"]) == (False, True)
            there.wire.is_up = True
            there.services.boards.republish()
            state = await stream.next("state")
            assert (state["wire_up"], state["on_air"][0]["pending"]) == (True, False)


async def test_an_officer_has_eight_windows_and_a_ninth_is_told_to_wait() -> None:
    async with town() as there, served(there) as base, visitor(base) as client:
        headers = {"Authorization": f"Bearer {await there.sign_in()}"}
        open_ones = [await client.get("/api/v1/events", headers=headers) for _ in range(8)]
        refused = await client.get("/api/v1/events", headers=headers)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
        for answer in open_ones:
            answer.close()
        await asyncio.sleep(0.1)
        there.hello("s-130281100200-1")  # whoever is gone is noticed when there is something to send
        await asyncio.sleep(0.6)
        again = await client.get("/api/v1/events", headers=headers)
        assert again.status == 200
        again.close()


async def test_windows_that_were_closed_make_room_at_once() -> None:
    async with town() as there, machine(there) as client:
        there.all_there()
        for _ in range(3 * events.MOST_STREAMS):
            async with follow(client) as stream:
                await stream.next("snapshot")


async def test_a_reader_that_does_not_read_is_dropped_and_costs_the_others_nothing() -> None:
    async with town() as there, machine(there) as client:
        one = (await (await client.post("/api/v1/broadcasts", json=order())).json())["id"]
        lazy = await client.get("/api/v1/events")
        async with follow(client, one) as stream:
            await stream.next("snapshot")
            there.all_there()
            assert await stream.next("change", "state")
        lazy.close()
        assert events.SEND_WITHIN_S <= 10


async def test_whoever_signs_out_hears_no_more() -> None:
    async with town() as there, served(there) as base, visitor(base) as client:
        token = await there.sign_in()
        headers = {"Authorization": f"Bearer {token}"}
        async with client.get("/api/v1/events", headers=headers) as answer:
            stream = Stream(answer)
            await stream.next("snapshot")
            await there.services.officers.sign_out(token)
            there.hello("s-130281100200-1")
            assert (await stream.next("signed-out", "change"))["event"] == "signed-out"


async def test_streams_end_when_the_server_stops() -> None:
    async with town() as there:
        async with served(there) as base, visitor(base) as client:
            headers = {"Authorization": f"Bearer {await there.sign_in()}"}
            answer = await client.get("/api/v1/events", headers=headers)
            await Stream(answer).next("snapshot")
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 3


async def test_a_right_that_is_taken_back_is_told_at_once_and_a_disabled_account_s_streams_end_at_once() -> None:
    async with town() as there, machine(there, TOWN_DUTY) as client, follow(client) as stream:
        first = await stream.next("state")
        await there.services.officers.ungrant("town", "granted", by=CHIEF)
        second = await stream.next("state")
        assert second["me"] != first["me"]
        await there.services.officers.disable("town", by=CHIEF)
        assert (await stream.next("signed-out", "tick"))["event"] == "signed-out"


async def test_a_screen_whose_token_is_revoked_sees_nothing_more() -> None:
    async with town(accounts=AccountRules(two_person=False)) as there:
        asked = await there.services.admission.changes.make_token(
            "屏", frozenset(), CITY, days=1, screen=True, exercise=False, by=CHIEF
        )
        headers = {"Authorization": f"Bearer {asked.secret}"}
        async with served(there) as base, ClientSession(base, headers=headers) as client, follow(client) as stream:
            await stream.next("state")
            await there.services.officers.tokens.revoke(asked.change.id, by=CHIEF)
            assert (await stream.next("signed-out", "tick"))["event"] == "signed-out"
