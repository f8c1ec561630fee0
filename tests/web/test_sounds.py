"""The library of sounds over the API and as pages: rights, states, limits; a quick stand-in takes the files apart."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, FormData

from broadcast.domain.broadcasts import Broadcast, Life, ended
from broadcast.service.assets import AssetRules
from broadcast.web import uploads
from broadcast.web.assets_words import refusal
from broadcast.web.words import Words
from tests.quick_workshop import QuickWorkshop
from tests.town import CHIEF, CITY, DUTY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, VIEWER, Town, town
from tests.web.browser import machine, order, served, visitor
from tests.web.reading import read

SONG = b"a song of the county" * 50


def form(data: bytes = SONG, *, file_name: str = "早安.mp3", **fields: str) -> FormData:
    """As a browser sends it: the fields, then the file."""
    sent = FormData()
    for name, value in {"name": "早安遵化", "licence": "自行录制", **fields}.items():
        sent.add_field(name, value)
    sent.add_field("file", data, filename=file_name, content_type="audio/mpeg")
    return sent


async def settled(client: ClientSession, where: str) -> dict[str, Any]:
    """What became of an upload."""
    for _ in range(400):
        shown: dict[str, Any] = await (await client.get(where)).json()
        if shown["state"] in ("ready", "refused"):
            return shown
        await asyncio.sleep(0.005)
    raise AssertionError(shown)


async def sent(client: ClientSession, data: bytes = SONG, **fields: str) -> dict[str, Any]:
    answer = await client.post("/api/v1/assets", data=form(data, **fields))
    assert answer.status == 202, await answer.text()
    return await settled(client, answer.headers["Location"])


def nothing_is_left(there: Town) -> bool:
    bench = there.workshop
    assert isinstance(bench, QuickWorkshop)
    return not bench.coming and not bench.made


async def as_other(there: Town, officer: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {await there.sign_in(officer)}"}


async def test_a_sound_goes_from_received_over_probing_to_ready_and_into_the_table() -> None:
    bench = QuickWorkshop()
    bench.may_go_on.clear()
    async with town(workshop=bench) as there, machine(there) as client:
        answer = await client.post("/api/v1/assets", data=form())
        shown = await answer.json()
        assert (answer.status, answer.headers["Location"]) == (202, f"/api/v1/assets/{shown['id']}")
        assert shown["state"] in ("received", "probing") and shown["sound"] is None
        await asyncio.sleep(0.01)
        listed = await (await client.get("/api/v1/assets")).json()
        assert [one["state"] for one in listed["uploads"]] == ["probing"] and listed["items"] == []
        bench.may_go_on.set()
        ready = await settled(client, answer.headers["Location"])
        assert (ready["state"], ready["name"], ready["licence"]) == ("ready", "早安遵化", "自行录制")
        assert (ready["area"], ready["kind"], ready["uploader"]) == (CITY, "routine", "duty")
        assert ready["sound"]["lufs"] == -18.04 and ready["uses"] == [] and ready["approved"] is None
        kept = await there.store.read(lambda tx: tx.assets.all())
        assert [one.id for one in kept] == [ready["id"]]
        acts = await there.store.read(lambda tx: tx.acts.page(limit=1))
        assert [(act.verb, act.subject, act.officer) for act in acts] == [("take in sound", ready["id"], "duty")]


async def test_the_body_itself_may_be_the_file_with_the_fields_in_the_query() -> None:
    async with town() as there, machine(there) as client:
        query = {"licence": "CC BY 4.0", "kind": "notice", "file_name": "../../etc/水位.wav", "shared": "false"}
        answer = await client.post("/api/v1/assets", data=SONG, params=query, headers={"Content-Type": "audio/wav"})
        ready = await settled(client, answer.headers["Location"])
        assert (ready["name"], ready["kind"], ready["shared"]) == ("水位", "notice", False)
        assert ready["sound"]["misnamed"] == "wav" and ".wav" in ready["sound"]["notes"][0]


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"licence": ""}, "licence", "missing-licence"),
        ({"licence": "  "}, "licence", "missing-licence"),
        ({"licence": "x" * 301}, "licence", "too-long"),
        ({"name": "n" * 81}, "name", "too-long"),
        ({"name": "a\x00b"}, "name", "control-characters"),
        ({"name": "\u202e\u200f"}, "name", "missing"),
        ({"kind": "music"}, "kind", "not-offered"),
        ({"area": "130281999000"}, "area", "unknown-area"),
        ({"area": "130281"}, "area", "malformed"),
        ({"shared": "perhaps"}, "shared", "wrong-type"),
        ({"expires": "tomorrow"}, "expires", "malformed"),
        ({"expires": "2020-01-01"}, "expires", "in-the-past"),
        ({"expires": "2999-01-01"}, "expires", "out-of-range"),
        ({"path": "/etc/passwd"}, "path", "unknown-field"),
    ],
)
async def test_a_wrong_field_is_named_before_the_file_is_read(change: dict[str, str], field: str, code: str) -> None:
    async with town() as there, machine(there) as client:
        answer = await client.post("/api/v1/assets", data=form(**change))
        problem = await answer.json()
        assert answer.status == 422, problem
        assert [(fault["field"], fault["code"]) for fault in problem["errors"]] == [(field, code)]
        assert problem["errors"][0]["detail"]
        assert nothing_is_left(there)


async def test_a_refused_sound_says_why_in_the_language_asked_for_and_leaves_nothing() -> None:
    async with town() as there, machine(there) as client:
        refused = await sent(client, b"refused: silent")
        assert refused["state"] == "refused" and refused["sound"] is None
        assert refused["refusal"]["code"] == "silent"
        assert refused["refusal"]["sentence"] == "静音：0:12–0:31"
        english = await client.get(f"/api/v1/assets/{refused['id']}", headers={"Accept-Language": "en"})
        assert (await english.json())["refusal"]["sentence"] == "Silent from 0:12–0:31"
        assert nothing_is_left(there)
        assert await there.store.read(lambda tx: list(tx.assets.all())) == []
        assert (await client.delete(f"/api/v1/assets/{refused['id']}")).status == 204
        assert (await client.get(f"/api/v1/assets/{refused['id']}")).status == 404


def test_a_refusal_names_lengths_as_they_are() -> None:
    words = Words("zh-CN")
    cut = refusal(words, "cut-off", {"expected_ms": 10_000, "duration_ms": 4_990})
    assert cut == "文件不完整：应有 10 s，只有 4.99 s"
    assert refusal(words, "too-short", {"duration_ms": 50, "least_ms": 500}) == "只有 0.05 s，至少 0.5 s"
    assert refusal(words, "too-long", {"most_ms": 3_600_000}) == "超过 1:00:00"
    long = refusal(words, "cut-off", {"expected_ms": 120_000, "duration_ms": 89_990})
    assert long == "文件不完整：应有 2:00，只有 1:30"


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_a_refusal_is_a_whole_sentence(language: str) -> None:
    words = Words(language)
    whole = refusal(words, "damaged", {"spans": []})
    assert "0:00" in whole and whole == whole.strip()
    assert "0:05" in refusal(words, "damaged", {"spans": [(5_000, 6_000)]})
    tag, zeros = (refusal(words, "not-a-sound", {"looks_like": name}) for name in ("tag", "nothing"))
    assert tag != zeros and ("标签" in tag or "tag" in tag)


async def test_the_same_file_is_taken_once_an_area_and_a_kind() -> None:
    async with town() as there, machine(there) as client:
        first = await sent(client)
        again = await client.post("/api/v1/assets", data=form(name="again"))
        problem = await again.json()
        assert (again.status, problem["type"], problem["asset"]) == (409, "/problems/same-file", first["id"])
        assert (await sent(client, kind="notice"))["state"] == "ready"
        assert (await sent(client, area=TOWNSHIP))["state"] == "ready"


async def test_an_officer_sees_own_sounds_and_those_that_areas_above_share() -> None:
    async with town() as there, machine(there) as client:
        shared = await sent(client, b"county, shared")
        own = await sent(client, b"county, its own", shared="0")
        theirs = await sent(client, b"the other township's", area=OTHER_TOWNSHIP)
        headers = await as_other(there, TOWN_DUTY)
        listed = await (await client.get("/api/v1/assets", headers=headers)).json()
        assert [one["id"] for one in listed["items"]] == [shared["id"]]
        for hidden in (own["id"], theirs["id"]):
            for path in ("", "/waveform", "/audio"):
                assert (await client.get(f"/api/v1/assets/{hidden}{path}", headers=headers)).status == 404
        everything = await (await client.get("/api/v1/assets")).json()
        assert {one["id"] for one in everything["items"]} == {shared["id"], own["id"], theirs["id"]}


async def test_a_township_changes_only_its_own_and_a_viewer_nothing() -> None:
    async with town() as there, machine(there) as client:
        county = await sent(client)
        town_headers, viewer = await as_other(there, TOWN_DUTY), await as_other(there, VIEWER)
        approval = {"sha256": county["sound"]["sha256"]}
        for headers in (town_headers, viewer):
            where = f"/api/v1/assets/{county['id']}"
            assert (await client.post(f"{where}/approve", json=approval, headers=headers)).status == 403
            assert (await client.post(f"{where}/expire", json={"expires": ""}, headers=headers)).status == 403
            assert (await client.delete(where, headers=headers)).status == 403
        assert (await client.post("/api/v1/assets", data=form(b"2"), headers=viewer)).status == 403
        elsewhere = form(b"3", area=OTHER_TOWNSHIP)
        assert (await client.post("/api/v1/assets", data=elsewhere, headers=town_headers)).status == 403
        mine = await client.post("/api/v1/assets", data=form(b"4"), headers=town_headers)
        assert (await mine.json())["area"] == TOWNSHIP


async def test_approval_is_of_the_file_that_was_heard() -> None:
    async with town(rules=AssetRules(approver_must_differ=True)) as there, machine(there) as client:
        ready = await sent(client)
        where, sha256 = f"/api/v1/assets/{ready['id']}/approve", ready["sound"]["sha256"]
        own = await client.post(where, json={"sha256": sha256})
        assert (own.status, (await own.json())["type"]) == (403, "/problems/own-upload")
        chief = await as_other(there, CHIEF)
        other = await client.post(where, json={"sha256": "0" * 64}, headers=chief)
        assert (other.status, (await other.json())["type"]) == (409, "/problems/another-sound")
        good = await client.post(where, json={"sha256": sha256}, headers=chief)
        approved = (await good.json())["approved"]
        assert (approved["by"], approved["sha256"]) == ("chief", sha256)
        assert approved["at"].endswith("+08:00")


async def test_a_sound_whose_time_is_over_or_that_nobody_approved_is_not_chosen_anew() -> None:
    async with town(rules=AssetRules(only_approved=True)) as there, machine(there) as client:
        assets = there.services.assets
        ready = await sent(client)
        sha256 = bytes.fromhex(ready["sound"]["sha256"])
        assert assets.fault(sha256) == "unapproved-asset"
        await assets.approve(ready["id"], sha256.hex(), by=DUTY)
        assert assets.fault(sha256) == ""
        assert assets.fault(b"\0" * 32) == "", "what was never uploaded, speech, has no rules"
        soon = there.clock.now_ms() + 60_000
        await assets.expire(ready["id"], soon, by=DUTY)
        shown = await (await client.get(f"/api/v1/assets/{ready['id']}")).json()
        assert (shown["expired"], shown["expires_soon"]) == (False, True)
        there.clock.advance(61)
        assert assets.fault(sha256) == "expired-asset"
        assert (await (await client.get(f"/api/v1/assets/{ready['id']}")).json())["expired"] is True
        await assets.expire(ready["id"], None, by=DUTY)
        assert assets.fault(sha256) == ""


async def test_what_is_to_be_played_is_not_deleted_and_the_answer_says_by_what() -> None:
    async with town() as there, machine(there) as client:
        ready = await sent(client)
        where = f"/api/v1/assets/{ready['id']}"
        sha256 = bytes.fromhex(ready["sound"]["sha256"])
        made = await (await client.post("/api/v1/broadcasts", json=order())).json()

        def now_with_the_file(tx: Any) -> None:
            one = tx.broadcasts.get(made["id"])
            tx.broadcasts.save(with_file(one, sha256))

        await there.store.write(now_with_the_file)
        refused = await client.delete(where)
        problem = await refused.json()
        assert (refused.status, problem["type"]) == (409, "/problems/asset-in-use")
        assert [(use["what"], use["id"]) for use in problem["uses"]] == [("broadcast", made["id"])]
        shown = await (await client.get(where)).json()
        assert [use["what"] for use in shown["uses"]] == ["broadcast"]
        await there.store.write(lambda tx: tx.broadcasts.save(stopped(tx.broadcasts.get(made["id"]))))
        assert (await client.delete(where)).status == 204
        assert (await client.get(where)).status == 404
        assert nothing_is_left(there)


def with_file(one: Broadcast, sha256: bytes) -> Broadcast:
    return replace(one, order=replace(one.order, asset=sha256, asset_bytes=1, asset_ms=1))


def stopped(one: Broadcast) -> Broadcast:
    return ended(one, Life.STOPPED, by="duty", now_ms=1)


async def test_the_file_of_two_sounds_goes_with_the_last_of_them() -> None:
    async with town() as there, machine(there) as client:
        one = await sent(client)
        two = await sent(client, area=TOWNSHIP)
        assert one["sound"]["sha256"] == two["sound"]["sha256"]
        sha256 = bytes.fromhex(one["sound"]["sha256"])
        assert (await client.delete(f"/api/v1/assets/{one['id']}")).status == 204
        assert await there.workshop.has(sha256)
        assert (await client.delete(f"/api/v1/assets/{two['id']}")).status == 204
        assert not await there.workshop.has(sha256)


async def test_sounds_in_use_that_expire_are_a_condition_until_they_do_not() -> None:
    async with town() as there, machine(there) as client:
        assets, health = there.services.assets, there.services.health
        ready = await sent(client)
        await assets.expire(ready["id"], there.clock.now_ms() + 86_400_000, by=DUTY)
        await assets.housekeep()
        assert "sounds-expire" not in {one.name for one in health.conditions}, "nothing plays it"
        made = await (await client.post("/api/v1/broadcasts", json=order())).json()
        sha256 = bytes.fromhex(ready["sound"]["sha256"])
        await there.store.write(lambda tx: tx.broadcasts.save(with_file(tx.broadcasts.get(made["id"]), sha256)))
        await assets.housekeep()
        held = {one.name: one.facts for one in health.conditions}
        assert held["sounds-expire"] == {"count": "1", "names": "早安遵化"}
        await assets.expire(ready["id"], None, by=DUTY)
        await assets.housekeep()
        assert "sounds-expire" not in {one.name for one in health.conditions}


# ---- what should not come in ---------------------------------------------------------------------------------------------


async def test_too_much_is_refused_while_it_comes_and_nothing_of_it_stays() -> None:
    async with town(workshop=QuickWorkshop(most_bytes=100_000)) as there, machine(there) as client:
        announced = await client.post(
            "/api/v1/assets", data=b"x" * 200_000, params={"licence": "own", "name": "x"}, headers=RAW
        )
        assert (announced.status, (await announced.json())["type"]) == (413, "/problems/upload-too-large")

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(1_000):
                yield b"x" * 1_000

        answer = await client.post(
            "/api/v1/assets", data=endless(), params={"licence": "own", "name": "x"}, headers=RAW
        )
        assert (answer.status, (await answer.json())["most_bytes"]) == (413, 100_000)
        assert nothing_is_left(there)


RAW = {"Content-Type": "application/octet-stream"}


async def test_a_full_disk_is_said() -> None:
    bench = QuickWorkshop()
    bench.free_bytes = 10
    async with town(workshop=bench) as there, machine(there) as client:
        answer = await client.post("/api/v1/assets", data=form())
        assert (answer.status, (await answer.json())["type"]) == (507, "/problems/no-room")
        assert nothing_is_left(there)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "application/json"}, b"{}", 415),
        ({"Content-Type": "audio/mpeg", "Content-Encoding": "gzip"}, b"\x1f\x8b", 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"no form at all", 400),
        ({"Content-Type": "multipart/form-data"}, b"--x\r\n\r\n--x--", 400),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x\r\n", 400),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--\r\n", 422),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--x--\r\n',
            422,
        ),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="licence"\r\n\r\n' + b"l" * 5_000 + b"\r\n--x--\r\n",
            413,
        ),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            b"".join(b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\nv\r\n' % n for n in range(40))
            + b"--x--",
            422,
        ),
    ],
)
async def test_what_is_no_upload_is_refused(headers: dict[str, str], body: bytes, status: int) -> None:
    async with town() as there, machine(there) as client:
        answer = await client.post("/api/v1/assets", data=body, headers=headers)
        assert (answer.status, answer.content_type) == (status, "application/problem+json"), await answer.text()
        assert nothing_is_left(there)


async def test_a_sender_that_goes_away_leaves_nothing_and_no_slot_taken() -> None:
    async with town(rules=AssetRules(at_once=1)) as there, machine(there) as client:
        token = client.headers["Authorization"]
        host, port = str(client._base_url).removeprefix("http://").rstrip("/").split(":")
        for _ in range(3):
            with closing(socket.create_connection((host, int(port)))) as sender:
                head = "POST /api/v1/assets?licence=own&name=x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
                sender.sendall(
                    f"{head}Content-Type: audio/mpeg\r\nAuthorization: {token}\r\n\r\n".encode() + b"x" * 500
                )
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.05)
        assert (await sent(client))["state"] == "ready"
        assert "web_errors" not in there.services.health.counters


async def test_one_that_trickles_is_shown_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "STALLED_S", 0.2)
    async with town() as there, machine(there) as client:

        async def stalling() -> AsyncIterator[bytes]:
            yield b"x" * 100
            await asyncio.sleep(5)

        with pytest.raises(ClientError):
            async with client.post(
                "/api/v1/assets", data=stalling(), params={"licence": "own", "name": "x"}, headers=RAW
            ) as answer:
                assert answer.status == 408
                raise ClientError
        assert nothing_is_left(there)


async def test_more_uploads_than_are_taken_at_once_are_asked_to_wait() -> None:
    async with town(rules=AssetRules(at_once=2)) as there, machine(there) as client:
        go_on = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"x" * 100
            await go_on.wait()

        params = {"licence": "own", "name": "x"}
        slow_ones = [
            asyncio.create_task(client.post("/api/v1/assets", data=slow(), params=params, headers=RAW))
            for _ in range(2)
        ]
        await asyncio.sleep(0.1)
        answer = await client.post("/api/v1/assets", data=form())
        assert (answer.status, (await answer.json())["type"]) == (429, "/problems/too-many-uploads")
        assert answer.headers["Retry-After"] == "30"
        go_on.set()
        statuses = sorted([(await task).status for task in slow_ones])
        assert statuses == [202, 202]


async def test_without_signing_in_nothing_is_read() -> None:
    async with town() as there, machine(there, None) as client:
        assert (await client.post("/api/v1/assets", data=form())).status == 401
        assert (await client.get("/api/v1/assets")).status == 401
        assert nothing_is_left(there)


# ---- pages ---------------------------------------------------------------------------------------------------------------


async def signed_in(there: Town, visit: ClientSession) -> str:
    """The mark of the forms of this session."""
    await visit.post("/emergency/sign-in", data={"name": "duty", "password": "correct horse battery"})
    page = read(await (await visit.get("/sounds")).text())
    return page.all("input", name="mark")[-1].get("value")


async def test_the_page_takes_a_file_shows_how_far_it_is_and_then_what_it_is() -> None:
    async with town() as there, served(there) as base, visitor(base) as visit:
        mark = await signed_in(there, visit)
        answer = await visit.post("/sounds", data=marked(mark))
        assert str(answer.url).startswith(f"{base}/sounds/01")
        for _ in range(200):
            answer = await visit.get(answer.url)
            if "Refresh" not in answer.headers:
                break
            await asyncio.sleep(0.005)
        page = read(await answer.text())
        assert page.one("h1").words == "早安遵化"
        assert page.one("svg", class_="wave").one("path").get("d").startswith("M0.0 ")
        assert page.one("audio").get("src").endswith("/audio")
        assert "-18.04 LUFS" in page.one("main").words


def marked(mark: str, data: bytes = SONG, **fields: str) -> FormData:
    """The page's own form, its mark first."""
    made = FormData()
    for name, value in {"mark": mark, "name": "早安遵化", "licence": "自行录制", **fields}.items():
        made.add_field(name, value)
    made.add_field("file", data, filename="a.mp3")
    return made


async def test_the_page_approves_sets_an_end_and_deletes_only_when_the_box_is_ticked() -> None:
    async with town() as there, served(there) as base, visitor(base) as visit:
        mark = await signed_in(there, visit)
        where = (await visit.post("/sounds", data=marked(mark))).url
        await asyncio.sleep(0.05)
        page = read(await (await visit.get(where)).text())
        approve = page.one("form", action="/approve")
        assert (await visit.post(f"{base}{approve.get('action')}", data=approve.fields())).status == 200
        assert "duty" in read(await (await visit.get(where)).text()).one("main").words
        assert "/approve" not in await (await visit.get(where)).text()
        await visit.post(f"{where}/expire", data={"mark": mark, "expires": "2040-05-01"})
        assert 'value="2040-05-01"' in await (await visit.get(where)).text()
        wrong = await visit.post(f"{where}/expire", data={"mark": mark, "expires": "soon"})
        assert wrong.status == 422
        unsure = await visit.post(f"{where}/delete", data={"mark": mark})
        assert unsure.status == 422
        gone = await visit.post(f"{where}/delete", data={"mark": mark, "sure": "1"})
        assert str(gone.url) == f"{base}/sounds"
        assert (await visit.get(where)).status == 404


async def test_a_wrong_field_keeps_what_was_typed_and_markup_stays_text() -> None:
    async with town() as there, served(there) as base, visitor(base) as visit:
        mark = await signed_in(there, visit)
        answer = await visit.post("/sounds", data=marked(mark, name="<script>alert(1)</script>", licence=""))
        text = await answer.text()
        assert answer.status == 422
        assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text
        assert read(text).one("p", id="f-licence").all("span", class_="fault")
        good = await visit.post("/sounds", data=marked(mark, name="<b>\u202egnp.exe"))
        shown = read(await good.text()).one("h1").words
        assert shown == "<b> gnp.exe", "no mark that turns the writing round"
        assert "web_errors" not in there.services.health.counters


async def test_a_form_of_another_session_takes_no_file() -> None:
    async with town() as there, served(there) as base, visitor(base) as visit:
        await signed_in(there, visit)
        answer = await visit.post("/sounds", data=marked("0" * 32))
        assert answer.status == 403
        assert nothing_is_left(there)
