"""The microphone's WebSocket: what an officer says and hears over it, who is refused, and what a broken or hostile end can do."""

import asyncio
import json
import os
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from broadcast.domain.broadcasts import Life
from broadcast.domain.live import LiveEnd, LiveState
from broadcast.domain.speakers import Speaker, default_id
from broadcast.service.live_run import SILENT_FRAME
from broadcast.web.live import SOCKET
from broadcast.web.live_socket import MOST_SOCKETS
from endpoints.protocol import EXERCISE_ROOT, Kind, Stage
from tests.service.live_stage import HEAD, TAIL
from tests.system.city import until
from tests.town import CHIEF, DUTY, OTHER_TOWNSHIP, TOWN_DUTY, TOWNSHIP, VIEWER
from tests.web.live_desk import OPEN, VOICE, desk, frame, voice


async def test_a_voice_goes_from_the_socket_to_the_speakers_and_its_end_is_told(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        state = await officer.opened(headline="防汛")
        assert (state["state"], state["order"], state["speakers"], state["delay_ms"]) == ("prelisten", "", 41, 200)
        await asyncio.sleep(0.3)
        assert stage.town.wire.published == []
        await officer.say(type="begin")
        state = await officer.until(lambda one: one["order"])
        assert (state["state"], state["may_speak"], state["headline"]) == ("waiting", False, "防汛")
        await stage.sound(stage.live.view(state["id"], by=DUTY))
        state = await officer.until(lambda one: one["may_speak"])
        assert (state["state"], state["sounding"], state["interrupted"]) == ("on_air", 3, 0)
        await asyncio.sleep(0.5)
        order = stage.order(stage.live.view(state["id"], by=DUTY))
        sent = stage.frames(order)
        assert len(sent) >= 24 and set(sent) == {VOICE}
        await officer.say(type="mute", on=True)
        await officer.until(lambda one: one["muted"])
        await asyncio.sleep(0.2)
        assert stage.frames(order)[-3:] == [SILENT_FRAME] * 3
        await officer.say(type="mute", on=False)
        await officer.until(lambda one: not one["muted"])
        await officer.say(type="close")
        state = await officer.until(lambda one: one["state"] == "ended")
        assert (state["why"], state["lost"], state["late"]) == ("closed", 0, 0)
        assert await officer.closed() == (1000, "")
        assert stage.town.services.boards.find(order.id) is None
        assert stage.town.kinds() == []


async def test_samples_are_taken_where_a_browser_makes_no_opus(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        await officer.say(**{**OPEN, "sound": "pcm"})
        await officer.until(lambda one: True)
        officer.speak(bytes(1_920))
        await until(lambda: len(stage.sources.opened[0].given) > 10, "samples")
        assert set(stage.sources.opened[0].given) == {bytes(1_920)}


async def test_nothing_is_left_of_a_microphone_that_was_only_looked_at(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        await officer.opened()
        await officer.tear()
        await until(lambda: stage.live.all() == [], "it is gone")
        assert stage.sources.opened[0].closed
        async with voice(stage, base) as again:
            assert (await again.opened())["state"] == "prelisten"


async def test_the_same_officer_goes_on_with_a_microphone_whose_connection_broke(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        state = await officer.begun()
        await stage.sound(stage.live.view(state["id"], by=DUTY))
        await officer.until(lambda one: one["may_speak"])
        await officer.tear()
        await until(lambda: stage.live.view(state["id"], by=DUTY).state is LiveState.HELD, "held")
        order = stage.order(stage.live.view(state["id"], by=DUTY))
        before = len(stage.packets(order))
        async with voice(stage, base) as again:
            await again.say(type="resume", id=state["id"], sound="opus")
            back = await again.until(lambda one: one["state"] == "on_air")
            assert (back["id"], back["order"]) == (state["id"], state["order"])
            again.speak(since=9_000)
            await until(lambda: len(stage.packets(order)) > before + 5, "more of the same stream")
            seqs = [packet.seq for packet in stage.packets(order)]
            assert seqs == list(range(len(seqs)))
            await again.say(type="close")
            assert await again.closed() == (1000, "")


async def test_who_stays_away_is_ended_with_an_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broadcast.domain.live.HELD_S", 1.0)
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        state = await officer.begun()
        await officer.tear()
        await until(lambda: stage.live.view(state["id"], by=DUTY).state is LiveState.HELD, "held")
        await until(lambda: stage.live.view(state["id"], by=DUTY).state is LiveState.ENDED, "ended")
        ended = stage.live.view(state["id"], by=DUTY)
        assert ended.why is LiveEnd.LOST
        assert [one.name for one in stage.town.services.health.conditions] == ["live-lost"]
        assert [one.life for one in await stage.town.services.broadcasts.page(limit=1)] == [Life.STOPPED]
        async with voice(stage, base) as late:
            await late.say(type="resume", id=state["id"], sound="opus")
            assert await late.closed() == (4409, "/problems/live-over")


async def test_a_second_window_takes_the_microphone_over_and_the_first_is_told(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as first, voice(stage, base) as second:
        state = await first.begun()
        await second.say(type="resume", id=state["id"], sound="opus")
        await second.until(lambda one: one["id"] == state["id"])
        second.speak()
        assert await first.closed() == (4409, "/problems/taken-over")
        await asyncio.sleep(0.3)
        assert stage.live.view(state["id"], by=DUTY).state is LiveState.WAITING


async def test_a_socket_that_brings_no_sound_is_closed_and_its_microphone_held(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        state = await officer.begun()
        await officer.fall_silent()
        for _ in range(6):
            await officer.socket.ping()  # alive is not enough
            await asyncio.sleep(0.4)
        assert await officer.closed() == (4408, "/problems/sound-stopped")
        await until(lambda: stage.live.view(state["id"], by=DUTY).state is LiveState.HELD, "held")


async def test_who_says_nothing_at_all_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broadcast.web.live_socket.OPEN_WITHIN_S", 0.5)
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        assert await officer.closed() == (4408, "/problems/too-slow")


async def test_an_officer_has_one_microphone_and_is_told_which(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base, TOWN_DUTY) as first:
        await first.begun()
        async with voice(stage, base) as second:
            await second.begun()  # the city may speak over a township
        async with voice(stage, base, TOWN_DUTY) as again:
            await again.say(**OPEN)
            assert await again.closed() == (4409, "/problems/microphone-open")
            assert again.problem["live"] == first.states[-1]["id"]


async def test_who_is_of_the_same_rank_is_told_who_speaks_there(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base, CHIEF) as first, voice(stage, base) as second:
        await first.begun()
        await second.say(**OPEN)
        assert await second.closed() == (4409, "/problems/live-busy")
        assert (second.problem["officer"], second.problem["areas"]) == ("chief", [TOWNSHIP])
        await first.say(type="close")
        assert await first.closed() == (1000, "")
        async with voice(stage, base) as third:
            await third.begun()


async def test_more_listeners_than_the_broker_carries_are_refused_with_the_numbers(tmp_path: Path) -> None:
    async with desk(tmp_path, max_deliveries_per_s=200) as (stage, base), voice(stage, base) as officer:
        await officer.say(**OPEN)
        assert await officer.closed() == (4503, "/problems/live-over-budget")
        assert (officer.problem["listeners"], officer.problem["most_per_s"]) == (41, 200)
        assert "41" in officer.problem["title"] and "200" in officer.problem["title"]


async def test_an_exercise_says_so_and_goes_to_the_exercise_alone(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        drill = Speaker(default_id(TOWNSHIP, 5), TOWNSHIP, "x", exercise=True)
        await stage.town.services.estate.enrol([drill], by=CHIEF)
        state = await officer.begun(exercise=True)
        assert (state["speakers"], state["exercise"]) == (1, True)
        await stage.town.report(state["order"], [drill.id], Stage.RECEIVED, Stage.SOUNDING)
        await officer.until(lambda one: one["state"] == "announcing")
        await officer.until(lambda one: one["state"] == "on_air")
        order = stage.order(stage.live.view(state["id"], by=DUTY))
        await until(lambda: VOICE in stage.frames(order), "the voice")
        await officer.say(type="close")
        await officer.closed(within_s=10)
        assert stage.topics() and all(topic.startswith(f"{EXERCISE_ROOT}/") for topic in stage.topics())
        sent = stage.frames(order)
        head, voice_at, tail = sent.index(HEAD[0]), sent.index(VOICE), sent.index(TAIL[0])
        assert sent[head : head + len(HEAD)] == list(HEAD)
        assert sent[tail : tail + len(TAIL)] == list(TAIL)
        assert head + len(HEAD) <= voice_at < tail


# ---- who may not ------------------------------------------------------------------------------------------------------------


async def refused(base: str, headers: dict[str, str]) -> int:
    async with ClientSession(base) as client:
        try:
            async with client.ws_connect(SOCKET, headers=headers):
                return 101
        except WSServerHandshakeError as err:
            return err.status


async def test_other_sites_cannot_open_it_with_an_officers_cookie(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base):
        token = await stage.town.sign_in(DUTY)
        cookie = {"Cookie": f"lianbo_session={token}"}
        assert await refused(base, cookie | {"Origin": base}) == 101
        for origin in ("https://elsewhere.example", "null", "http://127.0.0.1:1", f"{base}.evil.example", "http://["):
            assert await refused(base, cookie | {"Origin": origin}) == 403, origin
        assert await refused(base, cookie) == 403  # a browser says where it comes from
        assert await refused(base, cookie | {"Origin": base, "Sec-Fetch-Site": "cross-site"}) == 403
        assert await refused(base, {"Origin": "https://elsewhere.example", "Authorization": f"Bearer {token}"}) == 403


async def test_strangers_and_viewers_cannot_open_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base):
        assert await refused(base, {"Origin": base}) == 401
        token = await stage.town.sign_in(VIEWER)
        assert await refused(base, {"Authorization": f"Bearer {token}"}) == 403


async def test_an_area_that_is_not_the_officers_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base, TOWN_DUTY) as officer:
        await officer.say(**{**OPEN, "areas": [OTHER_TOWNSHIP]})
        assert await officer.closed() == (4403, "/problems/area-not-granted")


async def test_nobody_goes_on_with_anothers_microphone(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as first, voice(stage, base, TOWN_DUTY) as other:
        state = await first.begun()
        await other.say(type="resume", id=state["id"], sound="opus")
        assert await other.closed() == (4404, "/problems/unknown-live")
        await asyncio.sleep(0.3)
        assert first.states[-1]["state"] == "waiting"


async def test_who_signs_out_speaks_no_longer(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        state = await officer.begun()
        header = officer.socket._response.request_info.headers["Authorization"]
        await stage.town.services.officers.sign_out(header.partition(" ")[2])
        code, problem = await officer.closed()
        assert (code, problem) in [(4401, "/problems/not-signed-in"), (1000, "")]
        assert stage.live.view(state["id"], by=DUTY).why is LiveEnd.CLOSED


async def test_an_officer_has_only_so_many_sockets(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base):
        headers = {"Authorization": f"Bearer {await stage.town.sign_in(DUTY)}"}
        async with ClientSession(base, headers=headers) as client:
            opened = [await client.ws_connect(SOCKET) for _ in range(MOST_SOCKETS)]
            assert await refused(base, headers) == 429
            for one in opened:
                await one.close()
        await asyncio.sleep(0.1)
        assert await refused(base, headers) == 101


# ---- what a hostile end says ----------------------------------------------------------------------------------------------

JUNK: list[tuple[str | bytes, int, str]] = [
    ("", 4400, "/problems/not-readable"),
    ("{", 4400, "/problems/not-readable"),
    ("[]", 4422, "/problems/invalid-request"),
    ('{"type":"hello"}', 4422, "/problems/invalid-request"),
    ('{"type":"begin"}', 4409, "/problems/out-of-turn"),
    ('{"type":"close"}', 4409, "/problems/out-of-turn"),
    ('{"type":"mute","on":1}', 4422, "/problems/invalid-request"),
    (json.dumps({**OPEN, "areas": []}), 4422, "/problems/invalid-request"),
    (json.dumps({**OPEN, "areas": ["1"]}), 4422, "/problems/invalid-request"),
    (json.dumps({**OPEN, "areas": ["130281999000"]}), 4422, "/problems/invalid-request"),
    (json.dumps({**OPEN, "minutes": 10_000}), 4422, "/problems/invalid-request"),
    (json.dumps({**OPEN, "sound": "mp3"}), 4422, "/problems/invalid-request"),
    (json.dumps({**OPEN, "exclude": []}), 4422, "/problems/invalid-request"),
    (json.dumps({**OPEN, "headline": "x\ny"}), 4422, "/problems/invalid-request"),
    (json.dumps({"type": "resume", "id": "live-0123456789abcdef", "sound": "opus"}), 4404, "/problems/unknown-live"),
    (json.dumps({"type": "resume", "id": "../../etc", "sound": "opus"}), 4422, "/problems/invalid-request"),
    ("[" * 60_000, 4400, "/problems/not-readable"),
    ("x" * 70_000, 1009, ""),
    (bytes(70_000), 1009, ""),
    (frame(0), 4409, "/problems/out-of-turn"),
]


async def test_a_wrong_field_is_named_as_the_officer_typed_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        await officer.say(**{**OPEN, "minutes": 0, "areas": ["x"]})
        await officer.closed()
        assert [(one["field"], one["code"]) for one in officer.problem["errors"]] == [
            ("areas.0", "malformed"),
            ("minutes", "out-of-range"),
        ]


async def test_more_minutes_than_the_settings_allow_are_refused_with_how_many_they_allow(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        await officer.say(**{**OPEN, "minutes": 9_999})
        await officer.closed()
        (fault,) = officer.problem["errors"]
        assert (fault["field"], fault["code"], fault["high"]) == ("minutes", "out-of-range", "30")


@pytest.mark.parametrize(("first", "code", "problem"), JUNK, ids=range(len(JUNK)))
async def test_a_first_message_that_is_none_is_answered_and_the_socket_closed(
    tmp_path: Path, first: str | bytes, code: int, problem: str
) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        await (officer.socket.send_str(first) if isinstance(first, str) else officer.socket.send_bytes(first))
        assert await officer.closed() == (code, problem)
        assert (stage.live.all(), stage.town.wire.published) == ([], [])


NO_SOUND: list[bytes] = [
    b"",
    b"\0\0",
    frame(0, b""),
    frame(0, bytes(256)),
    frame(0, b"\xfcstereo"),  # two channels
    frame(0, b"\xe0" + bytes(40)),  # 2.5 ms
    frame(0, b"\xfb\x30" + bytes(40)),  # 48 frames of 20 ms
    frame(0, os.urandom(4_000)),
]


@pytest.mark.parametrize("bad", NO_SOUND, ids=range(len(NO_SOUND)))
async def test_what_is_no_sound_closes_the_socket_and_harms_nobody_else(tmp_path: Path, bad: bytes) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer, voice(stage, base, TOWN_DUTY) as other:
        quiet = await other.begun()
        state = await officer.opened(areas=[OTHER_TOWNSHIP])
        await officer.fall_silent()
        await officer.socket.send_bytes(bad)
        assert await officer.closed() == (4422, "/problems/bad-sound")
        await until(lambda: [one.id for one in stage.live.all()] == [quiet["id"]], "the other's alone is left")
        assert stage.live.view(state["id"], by=DUTY).why is LiveEnd.ABANDONED


async def test_samples_of_another_length_are_no_sound(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        await officer.opened(sound="pcm")
        assert await officer.closed() == (4422, "/problems/bad-sound")


@pytest.mark.parametrize("kind", ["sound", "ping", "text"])
async def test_a_thousand_messages_a_second_close_the_socket_and_others_go_on(tmp_path: Path, kind: str) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer, voice(stage, base, TOWN_DUTY) as other:
        state = await other.begun()
        await stage.sound(stage.live.view(state["id"], by=TOWN_DUTY))
        order = stage.order(stage.live.view(state["id"], by=TOWN_DUTY))
        await officer.opened(areas=[OTHER_TOWNSHIP])
        await officer.fall_silent()

        async def flood() -> None:
            for n in range(20_000):
                if kind == "sound":
                    await officer.socket.send_bytes(frame(n))
                elif kind == "ping":
                    await officer.socket.ping()
                else:
                    await officer.say(type="mute", on=True)
                if n % 20 == 0:
                    await asyncio.sleep(0.02)

        before = len(stage.packets(order))
        flooding = asyncio.create_task(flood())
        code = await officer.closed()
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
        assert code == (4429, "/problems/too-fast")
        await asyncio.sleep(0.3)
        assert other.states[-1]["state"] == "on_air"
        assert len(stage.packets(order)) > before
        assert other.states[-1]["late"] < 5


async def test_a_reader_that_never_reads_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broadcast.web.live_socket.SEND_WITHIN_S", 0.5)
    monkeypatch.setattr("broadcast.web.live_socket.LOOK_S", 0.0)
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        state = await officer.begun()
        officer._reading.cancel()
        transport: Any = officer.socket._response.connection.transport  # type: ignore[union-attr]
        transport.pause_reading()
        await until(lambda: stage.live.view(state["id"], by=DUTY).state is LiveState.HELD, "held", within_s=30)


async def test_the_page_alone_may_use_a_microphone(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base):
        headers = {"Authorization": f"Bearer {await stage.town.sign_in(DUTY)}"}
        async with ClientSession(base, headers=headers) as client:
            async with client.get("/live") as answer:
                assert answer.status == 200
                assert "microphone=(self)" in answer.headers["Permissions-Policy"]
                assert "camera=()" in answer.headers["Permissions-Policy"]
            for path in ("/emergency", "/emergency/wall", "/sounds", "/api/v1/session"):
                async with client.get(path) as answer:
                    assert "microphone=()" in answer.headers["Permissions-Policy"]


async def test_a_viewer_sees_a_page_without_a_microphone(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base):
        headers = {"Authorization": f"Bearer {await stage.town.sign_in(VIEWER)}"}
        async with ClientSession(base, headers=headers) as client, client.get("/live") as answer:
            text = await answer.text()
            assert answer.status == 200
            assert "live-form" not in text and "live.js" not in text


async def test_a_server_that_ends_says_so_to_its_sockets(tmp_path: Path) -> None:
    async with AsyncExitStack() as open_for_long:
        async with desk(tmp_path) as (stage, base):
            officer = await open_for_long.enter_async_context(voice(stage, base))
            await officer.begun()
            assert stage.town.kinds() == [Kind.LIVE]
        assert await officer.closed() == (1001, "")
        assert stage.town.kinds() == []


async def test_what_went_out_can_be_listened_to_on_the_broadcasts_page_and_who_speaks_is_listed(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        state = await officer.begun()
        headers = {"Authorization": f"Bearer {await stage.town.sign_in(VIEWER)}"}
        async with ClientSession(base, headers=headers) as client:
            listed = (await (await client.get("/api/v1/live/microphones")).json())["items"]
            assert [(one["id"], one["officer"], one["state"]) for one in listed] == [(state["id"], "duty", "waiting")]
            path = f"/api/v1/broadcasts/{state['order']}/recordings"
            (running,) = (await (await client.get(path)).json())["items"]
            assert (running["url"], running["ends"]) == (None, None)
            await asyncio.sleep(0.4)
            await officer.say(type="close")
            await officer.closed()
            (recording,) = (await (await client.get(path)).json())["items"]
            assert recording["why"] == "closed" and recording["sound_ms"] > 200
            page = await (await client.get(f"/emergency/broadcasts/{state['order']}")).text()
            assert f'<audio controls preload="none" src="{recording["url"]}">' in page
            assert (await (await client.get("/api/v1/live/microphones")).json())["items"] == []
            assert (await client.get("/api/v1/broadcasts/NOT-THERE/recordings")).status == 404


async def test_a_microphone_that_is_only_looked_at_is_nobody_elses_business(tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base), voice(stage, base) as officer:
        state = await officer.opened()
        for who, ids in ((CHIEF, []), (DUTY, [state["id"]])):
            headers = {"Authorization": f"Bearer {await stage.town.sign_in(who)}"}
            async with ClientSession(base, headers=headers) as client:
                listed = (await (await client.get("/api/v1/live/microphones")).json())["items"]
                assert [one["id"] for one in listed] == ids


async def test_whatever_comes_is_answered_and_never_a_mistake_of_ours(tmp_path: Path) -> None:
    """Sixty sockets that say anything: shuffled words of the protocol, broken JSON, bytes; before, in and after a microphone."""
    chance = Random(4)
    words = [
        "type",
        "open",
        "resume",
        "begin",
        "mute",
        "close",
        "sound",
        "opus",
        "id",
        "areas",
        "on",
        True,
        None,
        -1,
        1e9,
        "\0",
    ]

    def anything(depth: int = 0) -> Any:
        if depth > 3 or chance.random() < 0.5:
            return chance.choice(words)
        if chance.random() < 0.5:
            return [anything(depth + 1) for _ in range(chance.randrange(4))]
        return {str(chance.choice(words)): anything(depth + 1) for _ in range(chance.randrange(5))}

    async with desk(tmp_path) as (stage, base):
        for n in range(60):
            async with voice(stage, base) as officer:
                if n % 2:
                    await officer.opened()
                with suppress(ConnectionError):
                    for _ in range(5):
                        if chance.random() < 0.5:
                            await officer.socket.send_bytes(chance.randbytes(chance.randrange(300)))
                        else:
                            text = json.dumps(anything())
                            await officer.socket.send_str(text[: chance.randrange(1, len(text) + 2)])
                code, problem = await officer.closed()
                assert code in (4400, 4409, 4422), (code, problem)
        await until(lambda: stage.live.all() == [], "nothing is left")
        assert stage.town.services.health.counters.get("web_errors", 0) == 0
