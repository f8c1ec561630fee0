"""Between sites and the engine: what they offer is checked and passed on, and what the engine hears becomes state."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from broadcast.clock import Clock
from broadcast.domain.conference import roster, sound
from broadcast.domain.conference.acting import Actor
from broadcast.domain.conference.errors import ConferenceOver, NotNow, UnknownConference
from broadcast.domain.conference.media import (
    BadSdp,
    Candidate,
    EngineEvent,
    Link,
    MediaJoined,
    MediaLeft,
    MediaLost,
    Quality,
    Started,
    Talking,
)
from broadcast.domain.conference.model import Conference
from broadcast.domain.conference.sdp import must_be_candidate, must_be_fine
from broadcast.service.conference.rooms import Conferences
from broadcast.service.ports import Engine, StoreUnavailable

log = logging.getLogger(__name__)

VOICE_S = 2.0  # who is heard for so long is who the picture follows; research/conference.md names none, MCUs take 1–3 s
Tell = Callable[[str, str, dict[str, object]], None]


class Media:
    """:param tell: (conference, site, message) to the site's page.
    :param started: the engine is a new one. :param news: something was heard.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        engine: Engine,
        conferences: Conferences,
        tell: Tell,
        started: Callable[[], None],
        news: Callable[[], None],
    ) -> None:
        self._clock, self._engine, self._conferences = clock, engine, conferences
        self._tell, self._started, self._news = tell, started, news
        self._events: asyncio.Queue[EngineEvent] = asyncio.Queue()
        self._generation = 0
        self._voices: dict[tuple[str, str], float] = {}

    # ---- what sites offer -----------------------------------------------------------------------------------------------------

    async def offer(self, conference: str, link: Link, sdp: str, *, by: Actor) -> str:
        """A site's offer; the engine's answer. Nothing of a description that is refused reaches the engine.

        :raises BadSdp, NotNow, UnknownConference, ConferenceOver, EngineDown, EngineFull.
        """
        now = self._present(conference, by)
        site = now.site(by.site)
        must_be_fine(sdp, link, speaks=site.speaks)
        if link is Link.VIEW:
            raise BadSdp("not-allowed", "a view is offered by the engine")
        if link is Link.CONTENT and now.content != by.site:
            raise NotNow("no-content-token")
        if link is not Link.AUDIO and Quality.AUDIO_ONLY in (now.quality, site.quality):
            raise NotNow("audio-only")
        return await self._engine.offer(conference, by.site, link, sdp)

    async def view(self, conference: str, *, by: Actor) -> str:
        """The engine's offer of what the site sees."""
        self._present(conference, by)
        return await self._engine.offer_to(conference, by.site)

    async def answer(self, conference: str, sdp: str, *, by: Actor) -> None:
        """:raises BadSdp, UnknownLink."""
        self._present(conference, by)
        must_be_fine(sdp, Link.VIEW, speaks=False)
        await self._engine.answer(conference, by.site, sdp)

    async def trickle(
        self, conference: str, link: Link, candidate: str | None, mid: str, mline: int, *, by: Actor
    ) -> None:
        """:raises BadSdp, UnknownLink."""
        self._present(conference, by)
        must_be_candidate(candidate)
        if len(mid) > 16 or not 0 <= mline < 32:
            raise BadSdp("malformed", "no such medium")
        await self._engine.trickle(conference, by.site, link, candidate, mid=mid, mline=mline)

    async def hang_up(self, conference: str, link: Link, *, by: Actor) -> None:
        """Switch the own camera or second stream off."""
        self._present(conference, by)
        await self._engine.hang_up(conference, by.site, link)

    def _present(self, conference: str, by: Actor) -> Conference:
        """:raises NotNow: only who is in has media."""
        now = self._conferences.now(conference)
        if not by.site or not now.is_in(by.site):
            raise NotNow("not-in")
        return now

    # ---- what the engine hears ------------------------------------------------------------------------------------------------

    def hear(self, event: EngineEvent) -> None:
        """To be handed to `Engine.start`."""
        self._events.put_nowait(event)
        self._news()

    async def drain(self) -> None:
        """Everything that was heard until now."""
        while not self._events.empty():
            await self.take(self._events.get_nowait())

    async def take(self, event: EngineEvent) -> None:
        """Those of an older engine are of nobody."""
        if isinstance(event, Started):
            self._generation = event.generation
            self._voices.clear()
            if not event.fresh:  # its rooms are as they were; the reconciler compares them before long
                return
            for one in self._conferences.live:
                await self._change(one.id, _without_media)
            self._started()
            return
        if event.generation != self._generation:
            return
        if isinstance(event, Candidate):
            said = {"candidate": event.candidate, "mid": event.mid, "mline": event.mline}
            self._tell(event.room, event.site, {"type": "candidate", "link": event.link.value, **said})
        elif isinstance(event, Talking):
            self._talks(event)
        elif isinstance(event, MediaJoined | MediaLost | MediaLeft):
            now_ms = self._clock.now_ms()
            await self._change(event.room, lambda now: _moved(now, event, now_ms))

    async def tick(self) -> None:
        """Who was heard for long enough; call about twice a second."""
        now = self._clock.monotonic()
        for (room, site), since in sorted(self._voices.items(), key=lambda one: one[1]):
            if now - since >= VOICE_S:
                await self._change(room, lambda conference, site=site: sound.talker(conference, site))  # type: ignore[misc]
                self._voices.pop((room, site), None)

    def _talks(self, event: Talking) -> None:
        key = (event.room, event.site)
        if event.on:
            self._voices.setdefault(key, self._clock.monotonic())
        else:
            self._voices.pop(key, None)

    async def _change(self, room: str, change: Callable[[Conference], Conference]) -> None:
        try:
            await self._conferences.change(room, change)
        except (UnknownConference, ConferenceOver):
            return
        except StoreUnavailable as err:
            log.warning("what the engine heard of %s is not kept: %s", room, err.cause)


def _moved(conference: Conference, event: MediaJoined | MediaLost | MediaLeft, now_ms: int) -> Conference:
    one = conference.find(event.site)
    if one is None or not one.is_in:
        return conference
    there = isinstance(event, MediaJoined)
    match event.link:
        case Link.CAMERA:
            return conference.with_site(event.site, camera=there)
        case Link.CONTENT:
            return conference.with_site(event.site, content=there and conference.content == event.site)
        case Link.AUDIO:
            change = roster.media_back if there else roster.media_lost
            return change(conference, event.site, now_ms)
    return conference


def _without_media(conference: Conference) -> Conference:
    """A new engine has nobody's picture until they have negotiated again."""
    return conference.with_sites(lambda one: one if one.feed else replace(one, camera=False, content=False))
