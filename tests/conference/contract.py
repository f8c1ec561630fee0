"""The contract of every media engine: subclass `EngineContract`, give it a `stage`, and all of it is tested.

    class TestJanus(EngineContract):
        @pytest.fixture
        async def stage(self) -> AsyncIterator[Stage]: ...

A client is one site's browser (Chromium, aiortc, paper): what it hears is the set of sites whose own tone is in what it gets, what
it sees are the sources whose own picture is in its panes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import pytest

from broadcast.domain.conference.media import (
    AudioMode,
    BadSdp,
    EngineDown,
    EngineEvent,
    KeyFrameShown,
    Link,
    MediaJoined,
    MediaLeft,
    MediaLost,
    Play,
    RoomSpec,
    RtpTarget,
    SiteAudio,
    Source,
    Started,
    Stream,
    UnknownLink,
    UnknownRoom,
    View,
)
from broadcast.service.ports import Engine

ROOM = "01JCONFERENCE0000000000000"
TALK, LISTEN, OFF = (SiteAudio(mode) for mode in (AudioMode.TALK, AudioMode.LISTEN, AudioMode.OFF))
WITHIN_S = 10.0


class Client(Protocol):
    async def send(self, link: Link) -> None: ...  # offer, answer, and media flows
    async def watch(self) -> None: ...  # the engine offers; as many panes as the view has
    async def hears(self) -> set[str]: ...
    async def sees(self) -> tuple[Source | None, ...]: ...
    async def vanish(self) -> None: ...  # killed, without a word


class Stage(Protocol):
    """:ivar heard: every event, in order."""

    @property
    def engine(self) -> Engine: ...
    @property
    def heard(self) -> Sequence[EngineEvent]: ...
    def client(self, room: str, site: str) -> Client: ...
    async def kill(self) -> None: ...  # the engine, hard; returns when it is being started again, or has to be


async def until(what: Callable[[], Awaitable[bool]] | Callable[[], bool], within_s: float = WITHIN_S) -> None:
    """Until it is true; media needs its time."""
    async with asyncio.timeout(within_s):
        while True:
            found = what()
            if (found if isinstance(found, bool) else await found) is True:
                return
            await asyncio.sleep(0.05)


async def hears(client: Client, sites: set[str]) -> None:
    async def same() -> bool:
        return await client.hears() == sites

    await until(same)


async def sees(client: Client, *sources: Source | None) -> None:
    async def same() -> bool:
        return await client.sees() == sources

    await until(same)


class EngineContract:
    @pytest.fixture
    async def room(self, stage: Stage) -> str:
        await stage.engine.open_room(RoomSpec(ROOM))
        return ROOM

    # ---- rooms and what is said twice -----------------------------------------------------------------------------------------

    async def test_a_start_is_heard_with_a_generation(self, stage: Stage) -> None:
        started = [one for one in stage.heard if isinstance(one, Started)]
        assert len(started) == 1
        assert (await stage.engine.stats()).generation == started[0].generation > 0

    async def test_a_room_is_opened_and_closed_as_often_as_one_likes(self, stage: Stage) -> None:
        for _ in range(2):
            await stage.engine.open_room(RoomSpec(ROOM))
        assert set((await stage.engine.stats()).rooms) == {ROOM}
        for _ in range(2):
            await stage.engine.close_room(ROOM)
        assert not (await stage.engine.stats()).rooms

    async def test_a_room_that_is_not_open_is_refused_by_name(self, stage: Stage) -> None:
        engine = stage.engine
        for call in (
            engine.set_audio("nowhere", "a", TALK),
            engine.set_view("nowhere", "a", View()),
            engine.mute_room("nowhere", True),
            engine.offer_to("nowhere", "a"),
            engine.play("nowhere", "p", None),
        ):
            with pytest.raises(UnknownRoom):
                await call

    async def test_who_is_not_there_can_be_kicked_and_hung_up_without_an_error(self, stage: Stage, room: str) -> None:
        await stage.engine.kick(room, "nobody")
        await stage.engine.kick("nowhere", "nobody")
        await stage.engine.hang_up(room, "nobody", Link.CONTENT)

    # ---- negotiation ----------------------------------------------------------------------------------------------------------

    async def test_what_is_no_sdp_is_refused_and_leaves_nothing(self, stage: Stage, room: str) -> None:
        for sdp in ("", "hello", "\x00" * 100):
            with pytest.raises(BadSdp):
                await stage.engine.offer(room, "a", Link.AUDIO, sdp)
        assert not (await stage.engine.stats()).rooms[room].links.get("a")

    async def test_a_view_is_offered_by_the_engine_alone(self, stage: Stage, room: str) -> None:
        with pytest.raises(BadSdp):
            await stage.engine.offer(room, "a", Link.VIEW, "v=0\r\n")

    async def test_an_answer_without_an_offer_is_refused(self, stage: Stage, room: str) -> None:
        with pytest.raises(UnknownLink):
            await stage.engine.answer(room, "a", "v=0\r\n")

    async def test_a_link_that_stands_is_heard(self, stage: Stage, room: str) -> None:
        await stage.client(room, "a").send(Link.AUDIO)
        generation = (await stage.engine.stats()).generation
        await until(lambda: MediaJoined(generation, room, "a", Link.AUDIO) in stage.heard)

    # ---- sound ----------------------------------------------------------------------------------------------------------------

    async def test_nobody_is_heard_without_a_word_of_the_server(self, stage: Stage, room: str) -> None:
        a, b = stage.client(room, "a"), stage.client(room, "b")
        await a.send(Link.AUDIO)
        await b.send(Link.AUDIO)
        await hears(b, set())
        await stage.engine.set_audio(room, "a", TALK)
        await hears(b, {"a"})
        assert await a.hears() == set()  # not itself

    async def test_everybody_hears_the_others_and_not_itself(self, stage: Stage, room: str) -> None:
        clients = {site: stage.client(room, site) for site in ("a", "b", "c")}
        for site, client in clients.items():
            await stage.engine.set_audio(room, site, TALK)  # before it is there
            await client.send(Link.AUDIO)
        for site, client in clients.items():
            await hears(client, clients.keys() - {site})

    async def test_a_room_that_is_muted_hears_the_exempt_alone_and_so_does_who_comes_late(
        self, stage: Stage, room: str
    ) -> None:
        a, b, c = (stage.client(room, site) for site in ("a", "b", "c"))
        for site, client in (("a", a), ("b", b)):
            await stage.engine.set_audio(room, site, TALK)
            await client.send(Link.AUDIO)
        await stage.engine.mute_room(room, True, frozenset({"a"}))
        await hears(b, {"a"})
        await hears(a, set())
        await stage.engine.set_audio(room, "c", TALK)
        await c.send(Link.AUDIO)
        await hears(c, {"a"})
        await hears(a, set())
        await stage.engine.mute_room(room, False)
        await hears(a, {"b", "c"})

    async def test_who_waits_hears_nothing(self, stage: Stage, room: str) -> None:
        a, b = stage.client(room, "a"), stage.client(room, "b")
        await stage.engine.set_audio(room, "a", TALK)
        await stage.engine.set_audio(room, "b", OFF)
        await a.send(Link.AUDIO)
        await b.send(Link.AUDIO)
        await hears(b, set())
        await stage.engine.set_audio(room, "b", LISTEN)
        await hears(b, {"a"})

    # ---- pictures -------------------------------------------------------------------------------------------------------------

    async def test_a_view_that_was_set_before_is_there_when_the_site_comes(self, stage: Stage, room: str) -> None:
        a, b = stage.client(room, "a"), stage.client(room, "b")
        await stage.engine.set_view(room, "b", View((Source("a"),)))
        await a.send(Link.CAMERA)
        await b.watch()
        await sees(b, Source("a"))

    async def test_a_switch_needs_no_negotiation_and_says_when_it_shows(self, stage: Stage, room: str) -> None:
        a, b, c = (stage.client(room, site) for site in ("a", "b", "c"))
        await a.send(Link.CAMERA)
        await b.send(Link.CAMERA)
        assert await stage.engine.set_view(room, "c", View((Source("a"),), prepare=(Source("b"),)))
        await c.watch()
        await sees(c, Source("a"))
        assert not await stage.engine.set_view(room, "c", View((Source("b"),)))
        await sees(c, Source("b"))
        generation = (await stage.engine.stats()).generation
        await until(lambda: KeyFrameShown(generation, room, "c", 0, Source("b")) in stage.heard)

    async def test_more_panes_need_another_offer(self, stage: Stage, room: str) -> None:
        a, b = stage.client(room, "a"), stage.client(room, "b")
        await a.send(Link.CAMERA)
        await a.send(Link.CONTENT)
        await stage.engine.set_view(room, "b", View((Source("a"),)))
        await b.watch()
        both = (Source("a"), Source("a", Stream.CONTENT))
        assert await stage.engine.set_view(room, "b", View(both))
        await b.watch()
        await sees(b, *both)

    async def test_the_second_stream_can_be_ended_alone(self, stage: Stage, room: str) -> None:
        a, b = stage.client(room, "a"), stage.client(room, "b")
        await a.send(Link.CAMERA)
        await a.send(Link.CONTENT)
        await stage.engine.set_view(room, "b", View((Source("a"), Source("a", Stream.CONTENT))))
        await b.watch()
        await sees(b, Source("a"), Source("a", Stream.CONTENT))
        await stage.engine.hang_up(room, "a", Link.CONTENT)
        await sees(b, Source("a"), None)

    # ---- leaving --------------------------------------------------------------------------------------------------------------

    async def test_who_is_kicked_is_out_and_its_settings_are_gone(self, stage: Stage, room: str) -> None:
        a, b = stage.client(room, "a"), stage.client(room, "b")
        await stage.engine.set_audio(room, "a", TALK)
        await a.send(Link.AUDIO)
        await b.send(Link.AUDIO)
        await hears(b, {"a"})
        await stage.engine.kick(room, "a")
        await hears(b, set())
        assert any(isinstance(one, MediaLeft) and one.site == "a" for one in stage.heard)
        assert "a" not in (await stage.engine.stats()).rooms[room].audio

    async def test_a_browser_that_vanishes_is_lost_then_left(self, stage: Stage, room: str) -> None:
        a = stage.client(room, "a")
        await a.send(Link.AUDIO)
        await a.vanish()
        kinds = (MediaLost, MediaLeft)
        await until(lambda: any(isinstance(one, MediaLeft) and one.site == "a" for one in stage.heard), 90)
        assert [type(one) for one in stage.heard if isinstance(one, kinds) and one.site == "a"] == list(kinds)

    async def test_an_engine_that_was_killed_has_nothing_and_says_so(self, stage: Stage, room: str) -> None:
        before = (await stage.engine.stats()).generation
        await stage.kill()
        await until(lambda: any(isinstance(one, Started) and one.generation > before for one in stage.heard), 15)
        assert not (await stage.engine.stats()).rooms
        with pytest.raises((UnknownRoom, EngineDown)):
            await stage.engine.set_audio(room, "a", TALK)
        await stage.engine.open_room(RoomSpec(ROOM))

    # ---- what goes out and comes in -------------------------------------------------------------------------------------------

    async def test_a_forward_runs_until_it_is_ended(self, stage: Stage, room: str) -> None:
        if not stage.engine.caps.rtp_out:
            pytest.skip("this engine forwards nothing, and says so")
        for _ in range(2):
            await stage.engine.forward_audio(room, "relay", "podium", RtpTarget("127.0.0.1", 45_678))
        assert (await stage.engine.stats()).rooms[room].forwards == {"relay"}
        for _ in range(2):
            await stage.engine.forward_audio(room, "relay", "podium", None)
        assert not (await stage.engine.stats()).rooms[room].forwards

    async def test_a_sound_that_was_stopped_is_not_begun_again_by_the_same_name(
        self, stage: Stage, room: str, opus_file: str
    ) -> None:
        await stage.engine.play(room, "p", Play(opus_file))
        assert (await stage.engine.stats()).rooms[room].playing == {"p"}
        await stage.engine.play(room, "p", None)
        await stage.engine.play(room, "p", Play(opus_file))
        assert not (await stage.engine.stats()).rooms[room].playing
