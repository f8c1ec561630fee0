"""The engine follows the conferences: at once, for late joiners, after its death and after the server's; a client can't undo it."""

import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from broadcast.domain.broadcasts import Broadcast
from broadcast.domain.conference import acts
from broadcast.domain.conference.acting import Actor
from broadcast.domain.conference.acts import AnyAct
from broadcast.domain.conference.desired import desired
from broadcast.domain.conference.errors import NotNow
from broadcast.domain.conference.media import (
    AudioMode,
    BadSdp,
    EngineTimeout,
    Link,
    Quality,
    SiteAudio,
    Source,
    Stream,
    Talking,
)
from broadcast.domain.conference.states import UnmutePolicy
from broadcast.domain.errors import BroadcastError
from broadcast.service.conference.emergencies import Emergencies
from endpoints.protocol import Kind
from tests.conference.council import BOSS, Council, council
from tests.conference.hall import CHAIR, TOWNS, A, B, C, D
from tests.conference.offers import offer
from tests.conference.paper import Room
from tests.store.rows import ORDER

ANSWER = offer(Link.VIEW, "recvonly")
FORCE = acts.Policy(policy=UnmutePolicy.FORCE)


async def on_screen(there: Council, conference: str, *sites: str) -> None:
    """They come in with sound and picture."""
    for site in sites:
        await there.sit(conference, site)
        await there.settle()
        actor = Actor("", site)
        await there.media.offer(conference, Link.AUDIO, offer(Link.AUDIO, "sendrecv"), by=actor)
        await there.media.offer(conference, Link.CAMERA, offer(Link.CAMERA, "sendonly"), by=actor)
        await there.settle()
        await watch(there, conference, site)
    for site in sites:
        await watch(there, conference, site)


async def watch(there: Council, conference: str, site: str) -> None:
    await there.media.view(conference, by=Actor("", site))
    await there.media.answer(conference, ANSWER, by=Actor("", site))
    await there.settle()


async def act(there: Council, conference: str, *wanted: AnyAct) -> None:
    for one in wanted:
        await there.conferences.act(conference, one, by=BOSS)
        await there.settle()


def room(there: Council, conference: str) -> Room:
    return there.engine.rooms[conference]


async def test_an_act_reaches_the_engine_and_a_late_joiner_gets_everything_at_once() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await on_screen(there, conference, CHAIR, A, B)
        assert room(there, conference).heard_by(B) == {CHAIR, A}
        await act(there, conference, acts.MuteAll(), acts.Broadcast(source=Source(A)))
        await on_screen(there, conference, C)
        for site in (A, B, C):
            assert room(there, conference).heard_by(site) == {CHAIR}
        assert room(there, conference).seen_by(C) == (Source(A),)


async def test_an_engine_that_died_is_told_everything_again_and_every_site_to_negotiate() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await on_screen(there, conference, CHAIR, A, B)
        await act(there, conference, FORCE, acts.MuteAll(), acts.Unmute(site=A))
        there.said.clear()
        there.engine.die()
        await there.settle()
        there.engine.rise()
        await there.settle()
        assert (conference, "", "renegotiate") in there.said
        assert there.engine.rooms[conference].audio[A] == SiteAudio(AudioMode.TALK)
        assert there.engine.rooms[conference].audio[B] == SiteAudio(AudioMode.LISTEN)
        assert there.engine.rooms[conference].muted
        assert not there.conferences.now(conference).site(A).camera


async def test_a_server_that_was_restarted_finds_its_conferences_and_the_engine_as_it_was() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await on_screen(there, conference, CHAIR, A)
        await act(there, conference, acts.MuteAll())
        there.make()
        await there.conferences.load()
        there.engine.rooms[conference].audio[A] = SiteAudio(AudioMode.TALK)  # somebody else told it so meanwhile
        there.engine.rooms[conference].muted = False
        await there.settle()
        assert room(there, conference).audio_of(A) == SiteAudio(AudioMode.LISTEN)


async def test_drift_is_found_and_mended_and_a_room_that_nobody_wants_closed() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await on_screen(there, conference, CHAIR, A)
        await act(there, conference, acts.Mute(site=A))
        there.engine.rooms[conference].audio[A] = SiteAudio(AudioMode.TALK)
        from broadcast.domain.conference.media import RoomSpec

        await there.engine.open_room(RoomSpec("nobodys"))
        there.clock.advance(11)
        await there.settle()
        assert room(there, conference).audio_of(A) == SiteAudio(AudioMode.LISTEN)
        assert set(there.engine.rooms) == {conference}


async def test_an_engine_that_does_not_answer_is_told_when_it_does() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await on_screen(there, conference, CHAIR, A)
        there.engine.slow = EngineTimeout("set_audio", 5.0)
        await act(there, conference, acts.Mute(site=A))
        assert [one.name for one in there.health.conditions] == ["conference-engine-down"]
        there.engine.slow = None
        there.clock.advance(2)
        await there.settle()
        assert room(there, conference).audio_of(A) == SiteAudio(AudioMode.LISTEN)
        assert there.health.conditions == ()


async def test_who_is_put_out_has_no_media_and_a_second_stream_without_its_token_none() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await on_screen(there, conference, CHAIR, A, B)
        screen = offer(Link.CONTENT, "sendonly")
        with pytest.raises(NotNow):
            await there.media.offer(conference, Link.CONTENT, screen, by=Actor("", A))
        await act(there, conference, acts.GiveContent(site=A))
        await there.media.offer(conference, Link.CONTENT, screen, by=Actor("", A))
        await there.settle()
        await watch(there, conference, B)
        assert Source(A, Stream.CONTENT) in room(there, conference).seen_by(B)
        await act(there, conference, acts.GiveContent(site=B))
        assert Link.CONTENT not in room(there, conference).links[A]
        await act(there, conference, acts.Kick(site=A))
        assert A not in room(there, conference).links
        with pytest.raises(NotNow):
            await there.media.offer(conference, Link.AUDIO, offer(Link.AUDIO, "sendrecv"), by=Actor("", A))


async def test_what_is_refused_never_reaches_the_engine() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await there.sit(conference, A)
        await act(there, conference, acts.Observe(site=A, on=True))
        calls = len(there.engine.calls)
        for link, sdp in (
            (Link.AUDIO, offer(Link.AUDIO, "sendrecv")),  # an observer that would speak
            (Link.CAMERA, offer(Link.CAMERA, "sendonly")),
            (Link.AUDIO, "v=0\r\n" + "a=x\r\n" * 100_000),
            (Link.VIEW, offer(Link.VIEW, "recvonly")),
        ):
            with pytest.raises(BadSdp):
                await there.media.offer(conference, link, sdp, by=Actor("", A))
        assert len(there.engine.calls) == calls


async def test_the_picture_follows_who_speaks_for_two_seconds() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await on_screen(there, conference, CHAIR, A, B)
        for on in (True, False, True):
            there.media.hear(Talking(there.engine.generation, conference, A, on))
        await there.settle()
        there.clock.advance(1.9)
        await there.settle()
        assert there.conferences.now(conference).talker == ""
        there.clock.advance(0.1)
        await there.settle()
        assert there.conferences.now(conference).talker == A


async def test_after_any_acts_the_engine_is_as_the_state_says() -> None:
    """The end-to-end law: whatever the chair does, and whatever dies meanwhile, nobody is heard who should not be."""
    dice = random.Random(6)
    async with council() as there:
        conference = (await there.start(minutes=600)).id
        await on_screen(there, conference, CHAIR, A, B, C, D)
        await act(there, conference, FORCE)
        for _ in range(150):
            site = dice.choice((A, B, C, D))
            wanted: Any = dice.choice(
                [
                    acts.Mute(site=site),
                    acts.Unmute(site=site),
                    acts.MuteAll(may_unmute=dice.random() < 0.5),
                    acts.UnmuteAll(),
                    acts.CallOut(site=site),
                    acts.CallOutEnd(),
                    acts.AskFor(site=site),
                    acts.Revoke(site=site),
                    acts.Observe(site=site, on=dice.random() < 0.3),
                    acts.Broadcast(source=Source(site)),
                    acts.BroadcastEnd(),
                    acts.Patrol(sites=(A, B, C)),
                    acts.SetQuality(quality=dice.choice((Quality.FULL, Quality.LOW)), site=site),
                ]
            )
            with suppress(BroadcastError):
                await act(there, conference, wanted)
            if dice.random() < 0.05:
                there.engine.die()
                there.engine.rise()
                await there.settle()
            now = there.conferences.now(conference)
            state, told = desired(now), there.engine.rooms[conference]
            assert state is not None
            assert {one: told.audio_of(one) for one in state.audio} == dict(state.audio)
            assert {one: told.views[one] for one in state.views} == dict(state.views)


async def test_an_emergency_where_a_site_is_pre_empts_the_conference_and_gives_it_back() -> None:
    async with council() as there:
        conference = (await there.start()).id
        await on_screen(there, conference, CHAIR, A, B)
        order = replace(
            ORDER,
            kind=Kind.EMERGENCY,
            exercise=False,
            areas=(TOWNS[0],),
            asset=b"\xab" * 32,
            not_before_ms=there.clock.ms,
            not_after_ms=there.clock.ms + 60_000,
        )
        on_air = [Broadcast(order, "洪水", "", "duty")]
        emergencies = Emergencies(clock=there.clock, conferences=there.conferences, live=lambda: on_air)
        await emergencies.tick()
        await there.settle()
        assert room(there, conference).plays[order.id].seize
        assert room(there, conference).heard_by(B) == set() and room(there, conference).seen_by(B) == ()
        on_air.clear()
        await emergencies.tick()
        await there.settle()
        assert not room(there, conference).plays
        assert room(there, conference).heard_by(B) == {CHAIR, A}
        on_air.append(Broadcast(replace(order, areas=(TOWNS[5],)), "别处", "", "duty"))  # nobody of it is there
        await emergencies.tick()
        assert there.conferences.now(conference).emergency is None
