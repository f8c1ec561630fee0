"""Makes the engine do what the conferences want: after each change, after a restart of either side, and against drift.

What an engine of one generation was told is remembered; a new generation knows nothing, so everything is said again.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from broadcast.clock import Clock
from broadcast.domain.conference.desired import Desired, desired
from broadcast.domain.conference.media import (
    AudioMode,
    EngineDown,
    Link,
    Play,
    Quality,
    RoomStats,
    RtpTarget,
    SiteAudio,
    UnknownRoom,
    View,
)
from broadcast.domain.conference.model import Conference
from broadcast.domain.errors import BroadcastError
from broadcast.service.conference.rooms import Conferences
from broadcast.service.health import Health
from broadcast.service.ports import Engine

log = logging.getLogger(__name__)

LOOK_S = 10.0  # how often what is wanted is compared with what is there (research/conference.md §4.2)
AGAIN_S = 1.0  # after an engine that did not answer
PODIUM = "podium"


@dataclass(slots=True)
class Told:
    """What an engine was told of one room."""

    muted: tuple[bool, frozenset[str]] | None = None
    audio: dict[str, SiteAudio] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    quality: dict[str, Quality] = field(default_factory=dict)
    content: str = ""
    announce: str = ""
    relay: str = ""


class Reconciler:
    """:param sound_of: the path of a sound of the library by its hex SHA-256; None: there is none.
    :param renegotiate: a site has to negotiate its view again (`View`), or, with an empty site, everybody everything.
    :param relay_target: where the mix for the loudspeakers of that order goes; None: nobody takes it.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        engine: Engine,
        conferences: Conferences,
        health: Health,
        sound_of: Callable[[str], str | None],
        renegotiate: Callable[[str, str], None],
        relay_target: Callable[[str], RtpTarget | None] = lambda _: None,
    ) -> None:
        self._clock, self._engine, self._conferences, self._health = clock, engine, conferences, health
        self._sound_of, self._renegotiate, self._relay_target = sound_of, renegotiate, relay_target
        self._told: dict[str, Told] = {}
        self._dirty: set[str] = set()
        self._again_at = self._look_at = 0.0
        self._news = asyncio.Event()
        conferences.listen(self._changed)

    def _changed(self, before: Conference, after: Conference) -> None:
        self._dirty.add(after.id)
        self.poke()

    def poke(self) -> None:
        """There is something to do."""
        self._news.set()

    async def wait(self, timeout_s: float) -> None:
        """Until there is, or the time has passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        self._news.clear()

    def forget(self) -> None:
        """The engine is another one (`Started`): it knows nothing of what was said."""
        self._told.clear()
        self._dirty |= {one.id for one in self._conferences.live}
        self._again_at = 0.0
        for one in self._conferences.live:
            self._renegotiate(one.id, "")

    async def step(self) -> None:
        """Apply what has changed; compare when it is time. Call a few times a second, and after each act."""
        now = self._clock.monotonic()
        if now < self._again_at or not (self._conferences.live or self._told or self._dirty):
            return
        try:
            if now >= self._look_at:
                self._look_at = now + LOOK_S
                await self._compare()
            while self._dirty:
                await self._apply(next(iter(self._dirty)))
            self._health.clear("conference-engine-down")
        except EngineDown as err:
            self._again_at = now + AGAIN_S
            log.warning("conference engine: %s", err)
            self._health.raise_("conference-engine-down", cause=err.cause)

    async def _apply(self, room: str) -> None:
        conference = next((one for one in self._conferences.live if one.id == room), None)
        wanted = desired(conference) if conference is not None else None
        self._dirty.discard(room)
        try:
            if conference is None or wanted is None:
                await self._engine.close_room(room)
                self._told.pop(room, None)
            else:
                await self._say(conference, wanted)
        except UnknownRoom:
            log.warning("the engine has lost room %s", room)
            self._told.pop(room, None)
            self._dirty.add(room)
        except EngineDown:
            self._dirty.add(room)
            raise
        except BroadcastError as err:  # full, not capable: the rest holds, and the next comparison tries again
            log.warning("conference %s: %s", room, err)

    async def _say(self, conference: Conference, wanted: Desired) -> None:
        """First whatever silences somebody, then the lock for all, then whatever lets somebody be heard."""
        engine, room = self._engine, conference.id
        if room not in self._told:
            await engine.open_room(wanted.spec)
            self._told[room] = Told()
        told = self._told[room]
        for site in [one for one in (*told.audio, *told.views) if one not in wanted.audio]:
            await engine.kick(room, site)
            for kept in (told.audio, told.views, told.quality):
                kept.pop(site, None)
        changed = {site: audio for site, audio in wanted.audio.items() if told.audio.get(site) != audio}
        for site, audio in sorted(changed.items(), key=lambda one: one[1].mode is AudioMode.TALK):
            if audio.mode is AudioMode.TALK:
                await self._lock(room, told, wanted)
            await engine.set_audio(room, site, audio)
            told.audio[site] = audio
        await self._lock(room, told, wanted)
        for site, quality in wanted.quality.items():
            if told.quality.get(site) != quality:
                await engine.set_quality(room, site, quality)
                told.quality[site] = quality
        for site, view in wanted.views.items():
            if told.views.get(site) != view:
                again = await engine.set_view(room, site, view)
                told.views[site] = view
                if again:
                    self._renegotiate(room, site)
        if told.content and told.content != wanted.content:
            await engine.hang_up(room, told.content, Link.CONTENT)
        told.content = wanted.content
        await self._announce(conference, told, wanted)
        await self._relay(room, told, wanted)

    async def _lock(self, room: str, told: Told, wanted: Desired) -> None:
        lock = (wanted.mute, wanted.exempt if wanted.mute else frozenset())
        if told.muted != lock:
            await self._engine.mute_room(room, *lock)
            told.muted = lock

    async def _announce(self, conference: Conference, told: Told, wanted: Desired) -> None:
        if told.announce == wanted.announce:
            return
        if told.announce:
            await self._engine.play(conference.id, told.announce, None)
        path = self._sound_of(conference.emergency.asset) if wanted.announce and conference.emergency else None
        if path is not None:
            await self._engine.play(conference.id, wanted.announce, Play(path, seize=True))
        told.announce = wanted.announce

    async def _relay(self, room: str, told: Told, wanted: Desired) -> None:
        target = self._relay_target(wanted.relay) if wanted.relay else None
        name = wanted.relay if target is not None else ""
        if told.relay and told.relay != name:
            await self._engine.forward_audio(room, told.relay, PODIUM, None)
        if name and told.relay != name:
            await self._engine.forward_audio(room, name, PODIUM, target)
        told.relay = name

    async def _compare(self) -> None:
        """What was said and is not there is said again; rooms that nobody wants are closed."""
        stats = await self._engine.stats()
        wanted = {one.id for one in self._conferences.live}
        for room in stats.rooms.keys() - wanted:
            log.warning("the engine has a room %s that no conference wants", room)
            await self._engine.close_room(room)
        for room in wanted:
            told, there = self._told.get(room), stats.rooms.get(room)
            if told is not None and (there is None or not _same(told, there)):
                log.warning("room %s is not as it was told; it is told again", room)
                self._told.pop(room)
            if room not in self._told:
                self._dirty.add(room)


def _same(told: Told, there: RoomStats) -> bool:
    """Nobody is heard who was not to be, and everybody sees what was said."""
    heard = {site for site, one in there.audio.items() if one.mode is AudioMode.TALK}
    wanted = {site for site, one in told.audio.items() if one.mode is AudioMode.TALK}
    views = {site: view.panes for site, view in there.views.items()}
    return heard == wanted and all(views.get(site) == view.panes for site, view in told.views.items())
