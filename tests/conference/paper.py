"""A media engine on paper: it keeps what it is told and computes who would hear and see what. For tests of the core alone.

It passes the contract (`contract.py`) with clients on paper; what it can't show is media.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from broadcast.domain.conference.media import (
    OFFERED_BY_SITE,
    AudioMode,
    BadSdp,
    Died,
    EngineCaps,
    EngineDown,
    EngineEvent,
    EngineFull,
    EngineStats,
    FedAt,
    Feed,
    KeyFrameShown,
    Kind,
    Link,
    LinkStats,
    MediaJoined,
    MediaLeft,
    MediaLost,
    NotCapable,
    Play,
    PlayEnded,
    Quality,
    Recorded,
    RecordSpec,
    RoomSpec,
    RoomStats,
    RtpTarget,
    SiteAudio,
    Source,
    Started,
    Stream,
    UnknownLink,
    UnknownRoom,
    View,
)

CAPS = EngineCaps(
    name="paper",
    version="1",
    max_sites=64,
    max_all_to_all=8,
    rtp_in=True,
    rtp_out=True,
    groups=True,
    record_tracks=True,
    record_mix=True,
)


@dataclass
class Room:
    spec: RoomSpec
    links: dict[str, set[Link]] = field(default_factory=dict)
    audio: dict[str, SiteAudio] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    quality: dict[str, Quality] = field(default_factory=dict)
    panes: dict[str, int] = field(default_factory=dict)  # as negotiated
    offered: dict[str, int] = field(default_factory=dict)  # by the engine, not answered yet
    muted: bool = False
    exempt: frozenset[str] = frozenset()
    forwards: dict[str, tuple[str, RtpTarget]] = field(default_factory=dict)
    recordings: dict[str, RecordSpec] = field(default_factory=dict)
    recorded: dict[str, list[Recorded]] = field(default_factory=dict)
    plays: dict[str, Play] = field(default_factory=dict)
    played: set[str] = field(default_factory=set)

    def audio_of(self, site: str) -> SiteAudio:
        wanted = self.audio.get(site, SiteAudio())
        if self.muted and site not in self.exempt and wanted.mode is AudioMode.TALK:
            return replace(wanted, mode=AudioMode.LISTEN)
        return wanted

    def heard_by(self, site: str) -> set[str]:
        if Link.AUDIO not in self.links.get(site, ()) or self.audio_of(site).mode is AudioMode.OFF:
            return set()
        if any(play.seize for play in self.plays.values()):
            return set()
        return {
            one
            for one, links in self.links.items()
            if one != site and Link.AUDIO in links and self.audio_of(one).mode is AudioMode.TALK
        }

    def seen_by(self, site: str) -> tuple[Source | None, ...]:
        if Link.VIEW not in self.links.get(site, ()):
            return ()
        shown = self.views.get(site, View()).panes[: self.panes.get(site, 0)]
        return tuple(one if one is not None and self.has(one) else None for one in shown)

    def has(self, source: Source) -> bool:
        link = Link.CAMERA if source.stream is Stream.CAMERA else Link.CONTENT
        return link in self.links.get(source.site, ())


class PaperEngine:
    """:param slow: calls raise this instead of doing anything, while it is set (a hung engine)."""

    def __init__(self, caps: EngineCaps = CAPS) -> None:
        self._caps = caps
        self.generation = 0
        self.rooms: dict[str, Room] = {}
        self.slow: Exception | None = None
        self.calls: list[str] = []
        self._hear: Callable[[EngineEvent], None] | None = None
        self._up = False

    # ---- for tests -----------------------------------------------------------------------------------------------------------

    def die(self, cause: str = "killed") -> None:
        self._up, self.rooms = False, {}
        self._say(Died(self.generation, cause))

    def rise(self) -> None:
        self.generation += 1
        self._up = True
        self._say(Started(self.generation))

    def lose(self, room: str, site: str, link: Link) -> None:
        self._say(MediaLost(self.generation, room, site, link))

    def finish(self, room: str, play: str) -> None:
        """A sound has come to its end."""
        self.rooms[room].plays.pop(play, None)
        self._say(PlayEnded(self.generation, room, play))

    def vanish(self, room: str, site: str) -> None:
        """Its browser is gone."""
        for link in sorted(self.rooms[room].links.pop(site, set())):
            self._say(MediaLost(self.generation, room, site, link))
            self._say(MediaLeft(self.generation, room, site, link, "ice-failed"))
        self.rooms[room].panes.pop(site, None)

    # ---- Engine --------------------------------------------------------------------------------------------------------------

    @property
    def caps(self) -> EngineCaps:
        return self._caps

    async def start(self, hear: Callable[[EngineEvent], None]) -> None:
        if self._up:
            return
        self._hear = hear
        self.rise()

    async def stop(self) -> None:
        self._up, self._hear, self.rooms = False, None, {}

    async def open_room(self, spec: RoomSpec) -> None:
        self._called("open_room")
        room = self.rooms.setdefault(spec.room, Room(spec))
        room.spec = spec

    async def close_room(self, room: str) -> None:
        self._called("close_room")
        gone = self.rooms.pop(room, None)
        for site, links in sorted((gone.links if gone else {}).items()):
            for link in sorted(links):
                self._say(MediaLeft(self.generation, room, site, link, "closed"))

    async def offer(self, room: str, site: str, link: Link, sdp: str) -> str:
        found = self._room(room, "offer")
        if link not in OFFERED_BY_SITE:
            raise BadSdp("not-allowed", f"{link.value} is offered by the engine")
        if not sdp.startswith("v=0"):
            raise BadSdp("malformed", "no v=0")
        if site not in found.links and len(found.links) >= self._caps.max_sites:
            raise EngineFull("sites", self._caps.max_sites)
        found.links.setdefault(site, set()).add(link)
        self._say(MediaJoined(self.generation, room, site, link))
        if link is not Link.AUDIO:
            self._show(found, Source(site, Stream.CAMERA if link is Link.CAMERA else Stream.CONTENT))
        return f"v=0\r\ns=paper answer {site} {link.value}\r\n"

    async def offer_to(self, room: str, site: str) -> str:
        found = self._room(room, "offer_to")
        found.offered[site] = len(found.views.get(site, View()).panes)
        return f"v=0\r\ns=paper offer {site} {found.offered[site]}\r\n"

    async def answer(self, room: str, site: str, sdp: str) -> None:
        found = self._room(room, "answer")
        if site not in found.offered:
            raise UnknownLink(room, site, Link.VIEW)
        if not sdp.startswith("v=0"):
            raise BadSdp("malformed", "no v=0")
        found.panes[site] = found.offered.pop(site)
        found.links.setdefault(site, set()).add(Link.VIEW)
        self._say(MediaJoined(self.generation, room, site, Link.VIEW))
        for pane, source in enumerate(found.seen_by(site)):
            if source is not None:
                self._say(KeyFrameShown(self.generation, room, site, pane, source))

    async def trickle(self, room: str, site: str, link: Link, candidate: str | None, *, mid: str, mline: int) -> None:
        found = self._room(room, "trickle")
        if link not in found.links.get(site, set()) and not (link is Link.VIEW and site in found.offered):
            raise UnknownLink(room, site, link)

    async def hang_up(self, room: str, site: str, link: Link) -> None:
        found = self._room(room, "hang_up")
        if link in found.links.get(site, set()):
            found.links[site].discard(link)
            self._say(MediaLeft(self.generation, room, site, link, "hung-up"))

    async def set_view(self, room: str, site: str, view: View) -> bool:
        found = self._room(room, "set_view")
        before = found.seen_by(site)
        found.views[site] = view
        for pane, source in enumerate(found.seen_by(site)):
            if source is not None and (pane >= len(before) or before[pane] != source):
                self._say(KeyFrameShown(self.generation, room, site, pane, source))
        return len(view.panes) > found.panes.get(site, 0)

    async def set_audio(self, room: str, site: str, audio: SiteAudio) -> None:
        self._room(room, "set_audio").audio[site] = audio

    async def set_quality(self, room: str, site: str, quality: Quality) -> None:
        self._room(room, "set_quality").quality[site] = quality

    async def mute_room(self, room: str, on: bool, exempt: frozenset[str] = frozenset()) -> None:
        found = self._room(room, "mute_room")
        found.muted, found.exempt = on, exempt

    async def kick(self, room: str, site: str) -> None:
        self._called("kick")
        found = self.rooms.get(room)
        if found is None:
            return
        for link in sorted(found.links.pop(site, set())):
            self._say(MediaLeft(self.generation, room, site, link, "kicked"))
        for settings in (found.audio, found.views, found.quality, found.panes, found.offered):
            settings.pop(site, None)

    async def feed(self, room: str, site: str, feed: Feed | None) -> FedAt:
        found = self._room(room, "feed")
        if feed is None:
            if found.links.pop(site, None):
                self._say(MediaLeft(self.generation, room, site, Link.AUDIO, "let-go"))
            return FedAt()
        if feed.kind is Kind.RTSP and not self._caps.camera_rtsp:
            raise NotCapable(self._caps.name, "camera_rtsp")
        link = Link.CAMERA if feed.kind is Kind.RTSP else Link.AUDIO
        if link not in found.links.get(site, set()):
            found.links.setdefault(site, set()).add(link)
            self._say(MediaJoined(self.generation, room, site, link))
        return FedAt("127.0.0.1", 20_000) if feed.kind is Kind.RTP else FedAt()

    async def forward_audio(self, room: str, forward: str, group: str, target: RtpTarget | None) -> None:
        found = self._room(room, "forward_audio")
        if not self._caps.rtp_out:
            raise NotCapable(self._caps.name, "rtp_out")
        if target is None:
            found.forwards.pop(forward, None)
        else:
            found.forwards[forward] = (group, target)

    async def play(self, room: str, play: str, what: Play | None) -> None:
        found = self._room(room, "play")
        if what is None:
            if found.plays.pop(play, None) is not None:
                self._say(PlayEnded(self.generation, room, play))
        elif play not in found.played:
            found.played.add(play)
            found.plays[play] = what

    async def record(self, room: str, recording: str, spec: RecordSpec | None) -> Sequence[Recorded]:
        found = self._room(room, "record")
        if spec is not None:
            if recording not in found.recorded:
                found.recordings.setdefault(recording, spec)
            return []
        if (ended := found.recordings.pop(recording, None)) is not None:
            sites = [*([""] if ended.mix else []), *ended.sites]
            found.recorded[recording] = [Recorded(f"{ended.folder}/{one or 'mix'}.opus", one, 0, 0) for one in sites]
        return found.recorded.get(recording, [])

    async def stats(self) -> EngineStats:
        self._called("stats")
        rooms = {
            name: RoomStats(
                name,
                {site: {link: LinkStats(True) for link in links} for site, links in room.links.items() if links},
                {site: room.audio_of(site) for site in {*room.audio, *room.links}},
                dict(room.views),
                frozenset(room.forwards),
                frozenset(room.recordings),
                frozenset(room.plays),
            )
            for name, room in self.rooms.items()
        }
        return EngineStats(self.generation, rooms)

    # ---- inside --------------------------------------------------------------------------------------------------------------

    def _show(self, room: Room, source: Source) -> None:
        for site in sorted(room.links):
            for pane, shown in enumerate(room.seen_by(site)):
                if shown == source:
                    self._say(KeyFrameShown(self.generation, room.spec.room, site, pane, source))

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if not self._up:
            raise EngineDown("it was killed")
        if self.slow is not None:
            raise self.slow

    def _room(self, room: str, call: str) -> Room:
        self._called(call)
        if room not in self.rooms:
            raise UnknownRoom(room)
        return self.rooms[room]

    def _say(self, event: EngineEvent) -> None:
        if self._hear is not None:
            self._hear(event)


class PaperClient:
    """A browser on paper. It hears and sees what the engine would send it."""

    def __init__(self, engine: PaperEngine, room: str, site: str) -> None:
        self.engine, self.room, self.site = engine, room, site

    async def send(self, link: Link) -> None:
        await self.engine.offer(self.room, self.site, link, "v=0\r\ns=paper\r\n")

    async def watch(self) -> None:
        await self.engine.offer_to(self.room, self.site)
        await self.engine.answer(self.room, self.site, "v=0\r\ns=paper\r\n")

    async def hears(self) -> set[str]:
        return self.engine.rooms[self.room].heard_by(self.site)

    async def sees(self) -> tuple[Source | None, ...]:
        return self.engine.rooms[self.room].seen_by(self.site)

    async def vanish(self) -> None:
        self.engine.vanish(self.room, self.site)
