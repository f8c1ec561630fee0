"""One conference in the engine's process: its links, what each site hears and sees, how pictures find their panes."""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from aiortc.rtp import RtpPacket

from broadcast.domain.conference.media import (
    LOW_VIDEO_BPS,
    AudioMode,
    BadSdp,
    EngineEvent,
    KeyFrameShown,
    Link,
    MediaJoined,
    MediaLeft,
    MediaLost,
    PlayEnded,
    Quality,
    Recorded,
    RoomSpec,
    RoomStats,
    SiteAudio,
    Source,
    Stream,
    Talking,
    UnknownLink,
    View,
)
from broadcast.transport.embedded.ear import Ear
from broadcast.transport.embedded.pane import Pane
from broadcast.transport.embedded.private_names import connected
from broadcast.transport.embedded.sound import Sound
from broadcast.transport.embedded.wire import Wire

ASK_AGAIN_S = 0.5  # a source that is waited for is asked for its key frame this often at most
LEAST_BPS = 30_000  # a camera that nobody may see; less, and browsers stop for good
STEP = 960
OF_STREAM = {Stream.CAMERA: Link.CAMERA, Stream.CONTENT: Link.CONTENT}
STREAM_OF = {link: stream for stream, link in OF_STREAM.items()}


class Room:
    """
    :param say: hears what happens. :param later: keeps a task that nobody waits for.
    """

    def __init__(
        self,
        spec: RoomSpec,
        generation: int,
        say: Callable[[EngineEvent], None],
        later: Callable[[Coroutine[Any, Any, Any]], None],
    ) -> None:
        self.spec, self._generation, self._say, self._later = spec, generation, say, later
        self.sound = Sound(spec.audio_bps)
        self.wires: dict[tuple[str, Link], Wire] = {}
        self.offered: dict[str, Wire] = {}  # views that wait for their answer
        self.views: dict[str, View] = {}
        self.quality: dict[str, Quality] = {}
        self.panes: dict[str, list[Pane]] = {}
        self._showing: dict[Source, list[tuple[str, int]]] = {}
        self._asked: dict[Source, float] = {}
        self.recorded: dict[str, list[Recorded]] = {}
        self.shed: frozenset[Source] = frozenset()
        self.shed_panes = False  # only the first pane of each site is sent

    @property
    def sites(self) -> set[str]:
        return {site for site, _ in self.wires} | set(self.offered)

    def pictures(self, *, but: str | None) -> int:
        """How many panes are forwarded or offered, those of one site left out."""
        wires = [*(wire for (_, link), wire in self.wires.items() if link is Link.VIEW), *self.offered.values()]
        return sum(len(wire.outlets) for wire in wires if wire.site != but)

    # ---- links -----------------------------------------------------------------------------------------------------------------

    async def offer(self, site: str, link: Link, sdp: str) -> str:
        """:raises BadSdp: the link is as before."""
        wire = Wire(site, link, self._ended)
        take = (
            partial(self._sound, site)
            if link is Link.AUDIO
            else partial(self._picture, wire, Source(site, STREAM_OF[link]))
        )
        try:
            answer = await wire.take_offer(sdp, take)
        except BadSdp:
            self._later(wire.close())
            raise
        self._replace(wire)
        if link is Link.AUDIO:
            self.sound.ears[site] = Ear()
        return answer

    async def offer_to(self, site: str) -> str:
        wire = Wire(site, Link.VIEW, self._ended)
        offer = await wire.make_offer(len(self.views.get(site, View()).panes), partial(self._wanted_by, site))
        if (older := self.offered.pop(site, None)) is not None:
            self._later(older.close())
        self.offered[site] = wire
        return offer

    async def answer(self, site: str, sdp: str) -> None:
        """:raises BadSdp, UnknownLink."""
        wire = self.offered.get(site)
        if wire is None:
            raise UnknownLink(self.spec.room, site, Link.VIEW)
        await wire.take_answer(sdp)
        await wire.take_early()
        self.offered.pop(site, None)
        self._replace(wire)
        self.panes[site] = [Pane(secrets.randbelow(0x8000), secrets.randbelow(1 << 31)) for _ in wire.outlets]
        self.apply(site)

    async def trickle(self, site: str, link: Link, candidate: str | None, mid: str, mline: int) -> None:
        """:raises UnknownLink, BadSdp."""
        wire = (self.offered.get(site) if link is Link.VIEW else None) or self.wires.get((site, link))
        if wire is None:
            raise UnknownLink(self.spec.room, site, link)
        await wire.trickle(candidate, mid, mline)

    def hang_up(self, site: str, link: Link, cause: str) -> None:
        wire = self.wires.pop((site, link), None)
        if wire is not None:
            self._let_go(wire)
            self._say(MediaLeft(self._generation, self.spec.room, site, link, cause))

    def kick(self, site: str, cause: str = "kicked") -> None:
        for link in Link:
            self.hang_up(site, link, cause)
        if (offered := self.offered.pop(site, None)) is not None:
            self._later(offered.close())
        for settings in (self.sound.audio, self.views, self.quality, self.panes):
            settings.pop(site, None)
        self.sound.forget(site)
        self._sort()

    def close(self) -> None:
        for site in sorted(self.sites):
            self.kick(site, "closed")
        self.sound.close()

    def _replace(self, wire: Wire) -> None:
        older = self.wires.get((wire.site, wire.link))
        self.wires[wire.site, wire.link] = wire
        if older is not None:
            older.over = True
            self._later(older.close())

    def _let_go(self, wire: Wire) -> None:
        self._later(wire.close())
        wire.over = True
        if wire.link is Link.AUDIO:
            self.sound.forget(wire.site)
        elif wire.link is Link.VIEW:
            self.panes.pop(wire.site, None)
            self._sort()
        else:
            for panes in self.panes.values():
                for pane in panes:
                    pane.gone(Source(wire.site, STREAM_OF[wire.link]))

    def _ended(self, wire: Wire, cause: str) -> None:
        if self.wires.get((wire.site, wire.link)) is wire:
            self.hang_up(wire.site, wire.link, cause)

    # ---- sound -----------------------------------------------------------------------------------------------------------------

    async def _sound(self, site: str, packet: RtpPacket) -> None:
        if (ear := self.sound.ears.get(site)) is not None:
            ear.push(packet.sequence_number, packet.payload)

    async def tick(self) -> None:
        """Once in 20 ms."""
        hearing = {site: wire for (site, link), wire in self.wires.items() if link is Link.AUDIO and connected(wire.pc)}
        mixed = self.sound.tick(hearing)
        for site, on, level in mixed.turned:
            self._say(Talking(self._generation, self.spec.room, site, on, level))
        for play in mixed.ended:
            self._say(PlayEnded(self._generation, self.spec.room, play))
        for site, wire in hearing.items():
            wire.timestamp = (wire.timestamp + STEP) & 0xFFFFFFFF
            frame = mixed.out.get(site)
            if frame:
                wire.sequence = (wire.sequence + 1) & 0xFFFF
                await wire.outlets[0].send(wire.sequence, wire.timestamp, frame, marker=0)

    # ---- pictures --------------------------------------------------------------------------------------------------------------

    def set_view(self, site: str, view: View) -> bool:
        self.views[site] = view
        self.apply(site)
        for source in view.prepare:
            self._ask(source)
        return len(view.panes) > len(self.panes.get(site, ()))

    def apply(self, site: str) -> None:
        """Panes that are there show what the view says from the next key frame on."""
        wanted = self.views.get(site, View()).panes
        waits = False
        for number, pane in enumerate(self.panes.get(site, ())):
            source = wanted[number] if number < len(wanted) and self._may_see(site, number) else None
            if pane.wanted != source:
                pane.want(source)
            waits |= pane.wanted != pane.shown
        self._sort()
        if waits:
            for pane in self.panes.get(site, ()):
                if pane.wanted is not None and pane.wanted != pane.shown:
                    self._ask(pane.wanted)

    def _may_see(self, site: str, number: int) -> bool:
        quality = self.quality.get(site, Quality.FULL)
        waits = self.sound.audio.get(site, SiteAudio()).mode is AudioMode.OFF
        if quality is Quality.AUDIO_ONLY or waits:
            return False
        return number == 0 or not (quality is Quality.LOW or self.shed_panes)

    def _sort(self) -> None:
        """Who gets the packets of which source."""
        showing: dict[Source, list[tuple[str, int]]] = {}
        for site, panes in self.panes.items():
            for number, pane in enumerate(panes):
                for source in {pane.wanted, pane.shown} - {None}:
                    showing.setdefault(source, []).append((site, number))  # type: ignore[arg-type]
        self._showing = showing

    async def _picture(self, wire: Wire, source: Source, packet: RtpPacket) -> None:
        if wire.over or source in self.shed:
            return
        for site, number in self._showing.get(source, ()):
            panes, view = self.panes.get(site), self.wires.get((site, Link.VIEW))
            if panes is None or view is None or number >= len(view.outlets) or not connected(view.pc):
                continue
            piece, begins = panes[number].take(
                source, packet.sequence_number, packet.timestamp, packet.payload, packet.marker
            )
            if piece is None:
                continue
            if begins:
                self._say(KeyFrameShown(self._generation, self.spec.room, site, number, source))
                asyncio.get_running_loop().call_soon(self._sort)  # not while we go through it
            await view.outlets[number].send(
                piece.sequence, piece.timestamp, piece.payload, marker=piece.marker, keep=True
            )

    def _wanted_by(self, site: str, number: int) -> None:
        """A browser asks for a key frame of what its pane shows."""
        panes = self.panes.get(site, [])
        if number < len(panes) and panes[number].wanted is not None:
            self._ask(panes[number].wanted)

    def _ask(self, source: Source | None) -> None:
        wire = self.wires.get((source.site, OF_STREAM[source.stream])) if source is not None else None
        now = time.monotonic()
        if source is None or wire is None or wire.inlet is None or now - self._asked.get(source, 0.0) < ASK_AGAIN_S:
            return
        self._asked[source] = now
        self._later(wire.inlet.ask_key_frame())

    def most_bps(self, source: Source) -> int:
        """What its camera may send: little while only small panes show it."""
        quality = self.quality.get(source.site, Quality.FULL)
        if quality is Quality.AUDIO_ONLY:
            return LEAST_BPS
        large = any(len(self.panes.get(site, ())) <= 1 or number == 0 for site, number in self._showing.get(source, ()))
        most = self.spec.video_bps if large or source.stream is Stream.CONTENT else self.spec.thumbnail_bps
        return min(most, LOW_VIDEO_BPS) if quality is Quality.LOW else most

    # ---- four times a second ---------------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """See who came and went; ask again for the key frames that did not come."""
        for (site, link), wire in list(self.wires.items()):
            told = wire.look()
            if told == "joined":
                self._say(MediaJoined(self._generation, self.spec.room, site, link))
            elif told == "lost":
                self._say(MediaLost(self._generation, self.spec.room, site, link))
            elif told == "left":
                self.hang_up(site, link, "silent" if wire.joined else "not-connected")
            if link in STREAM_OF and wire.inlet is not None:
                await wire.inlet.cap(self.most_bps(Source(site, STREAM_OF[link])))
        for site, wire in list(self.offered.items()):
            if wire.look() == "left":  # never answered
                del self.offered[site]
                self._later(wire.close())
        for panes in self.panes.values():
            for pane in panes:
                if pane.wanted is not None and pane.wanted != pane.shown:
                    self._ask(pane.wanted)
        await asyncio.sleep(0)

    def end_recording(self, recording: str) -> list[Recorded]:
        """Its files, the same when asked again."""
        if (running := self.sound.recordings.pop(recording, None)) is not None:
            self.recorded[recording] = running.end()
        return self.recorded.get(recording, [])

    def stats(self) -> RoomStats:
        links: dict[str, dict[Link, Any]] = {}
        for (site, link), wire in self.wires.items():
            links.setdefault(site, {})[link] = wire.stats()
        sites = {*self.sound.audio, *(site for site, _ in self.wires)}
        return RoomStats(
            self.spec.room,
            links,
            {site: self.sound.audio_of(site) for site in sites},
            dict(self.views),
            frozenset(self.sound.forwards),
            frozenset(self.sound.recordings),
            frozenset(self.sound.playing),
        )
