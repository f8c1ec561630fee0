"""The words in which the conference core and a media engine speak: links, sources, what is wanted, what happened, what is refused.

An engine moves media and decides nothing. It holds no truth: all of this can be said again, in any order, after either side was
restarted, and saying it twice changes nothing. See `broadcast.service.ports.engine` for the calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from broadcast.domain.errors import BroadcastError

MOST_PANES = 16


class Link(StrEnum):
    """One PeerConnection between a site and the engine. A browser has at most one of each."""

    AUDIO = "audio"  # the site offers: its microphone up (or nothing, a listener), the mix without itself down
    CAMERA = "camera"  # the site offers: its picture up
    CONTENT = "content"  # the site offers: the second stream (双流) up, a screen or a document camera
    VIEW = "view"  # the engine offers: one picture a pane down


OFFERED_BY_SITE = frozenset({Link.AUDIO, Link.CAMERA, Link.CONTENT})


class Stream(StrEnum):
    """Which picture of a site."""

    CAMERA = "camera"
    CONTENT = "content"


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """One picture in a conference."""

    site: str
    stream: Stream = Stream.CAMERA


class AudioMode(StrEnum):
    """What a site's sound may do. Nothing of a site is in any mix unless this says TALK."""

    TALK = "talk"  # in the mix, and hears it without itself
    LISTEN = "listen"  # hears
    OFF = "off"  # neither: in the waiting room


class Quality(StrEnum):
    """How much a site's line carries; pictures go before sound."""

    FULL = "full"
    LOW = "low"  # low-bandwidth mode (弱网): pictures capped at `LOW_VIDEO_BPS` each way, one pane
    AUDIO_ONLY = "audio_only"


LOW_VIDEO_BPS = 150_000


class Codec(StrEnum):
    OPUS = "opus"
    PCMA = "pcma"


class Kind(StrEnum):
    """How a site comes to the engine."""

    BROWSER = "browser"
    RTSP = "rtsp"  # a camera; needs caps.camera_rtsp
    RTP = "rtp"  # Opus over plain RTP, such as a village intercom; needs caps.rtp_in


@dataclass(frozen=True, slots=True)
class EngineCaps:
    """What an engine can do. Pages offer only this.

    :param name: `embedded` or `janus`; `version` as the program says it.
    :param max_sites: with one broadcast source; `max_all_to_all` when everybody sees everybody.
    :param max_pictures: forwarded at once over all rooms; 0: not limited.
    """

    name: str
    version: str
    max_sites: int
    max_all_to_all: int
    max_pictures: int = 0
    simulcast: bool = False
    rtp_in: bool = False
    rtp_out: bool = False
    groups: bool = False
    record_tracks: bool = False
    record_mix: bool = False
    camera_rtsp: bool = False
    cascade: bool = False
    remote_viewers: bool = False
    warnings: tuple[str, ...] = ()  # codes of what an operator should know, such as `engine-outdated`


# ---- what is wanted -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoomSpec:
    """A conference as the engine needs it. A room that is there takes over what has changed.

    :param room: the conference's id.
    :param video_bps: of one camera at most; `thumbnail_bps` while only small panes show it.
    """

    room: str
    audio_bps: int = 24_000
    video_bps: int = 1_000_000
    thumbnail_bps: int = 150_000
    all_to_all: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What one site sees, pane by pane.

    :param panes: None is an empty pane. () shows nothing.
    :param prepare: what is shown next: subscribed now and asked for a key frame, so that a switch shows at once.
    """

    panes: tuple[Source | None, ...] = ()
    prepare: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class SiteAudio:
    """:param podium: its sound is also in the group `podium`, which alone goes to loudspeakers."""

    mode: AudioMode = AudioMode.LISTEN
    podium: bool = False


@dataclass(frozen=True, slots=True)
class RtpTarget:
    """:param ssrc, payload_type: as the receiver wants them."""

    host: str
    port: int
    codec: Codec = Codec.OPUS
    bps: int = 24_000
    payload_type: int = 111
    ssrc: int = 0


@dataclass(frozen=True, slots=True)
class Feed:
    """A site that no browser speaks for.

    :param address: of an RTSP camera, checked by the server; empty for RTP.
    """

    kind: Kind
    address: str = ""
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class FedAt:
    """Where a plain-RTP site sends its sound, and from where it gets the mix; empty for RTSP."""

    host: str = ""
    port: int = 0
    payload_type: int = 111


@dataclass(frozen=True, slots=True)
class Play:
    """Sound that is put into a room over everything, also while the room is muted.

    :param path: an Ogg Opus file of the library.
    :param seize: sites are silent while it plays: an emergency.
    """

    path: str
    seize: bool = False


@dataclass(frozen=True, slots=True)
class RecordSpec:
    """:param folder: of this recording alone; it exists. Files there survive a crash of the engine."""

    folder: str
    mix: bool = True
    sites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """One finished file. :param site: empty for the mix."""

    path: str
    site: str
    from_ms: int
    sound_ms: int


# ---- what is there ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkStats:
    """Of one link, over the last interval; None is not known. `up`: media flows at all."""

    up: bool
    loss_percent: float | None = None
    rtt_ms: float | None = None
    jitter_ms: float | None = None
    in_bps: int | None = None
    out_bps: int | None = None


@dataclass(frozen=True, slots=True)
class RoomStats:
    """What the engine really has: the reconciler compares it with what is wanted.

    :param audio: as it is applied now; `mute_all` and who is exempt are in it already.
    :param views: as applied; `forwards` and `recordings` by id; `playing` names the sounds that still play.
    """

    room: str
    links: Mapping[str, Mapping[Link, LinkStats]]
    audio: Mapping[str, SiteAudio]
    views: Mapping[str, View]
    forwards: frozenset[str] = frozenset()
    recordings: frozenset[str] = frozenset()
    playing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class EngineStats:
    """:param generation: grows with each start of the engine; rooms of another one are gone.
    :param ticks: of the mixer since its start; `late_ticks` of them by more than 20 ms.
    """

    generation: int
    rooms: Mapping[str, RoomStats]
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    ticks: int = 0
    late_ticks: int = 0


# ---- what happened ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """An engine is there. A fresh one has nothing in it: everything has to be said again, every site negotiates again.

    :param fresh: False: it has outlived a restart of the server and still carries its rooms (Janus, claimed sessions).
    """

    generation: int
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class Died:
    """It is gone with all its rooms; it is started again by itself."""

    generation: int
    cause: str


@dataclass(frozen=True, slots=True)
class MediaJoined:
    """The first packet of a link is there (VIEW: the connection stands)."""

    generation: int
    room: str
    site: str
    link: Link


@dataclass(frozen=True, slots=True)
class MediaLost:
    """Nothing comes any more; it may come back by itself, which is MediaJoined again."""

    generation: int
    room: str
    site: str
    link: Link


@dataclass(frozen=True, slots=True)
class MediaLeft:
    """The link is over: closed by the site, by `kick`, or given up."""

    generation: int
    room: str
    site: str
    link: Link
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Talking:
    """A site begins or stops to be heard in the mix. `level_db`: of its last 300 ms, dBFS."""

    generation: int
    room: str
    site: str
    on: bool
    level_db: float = 0.0


@dataclass(frozen=True, slots=True)
class KeyFrameShown:
    """From this moment a pane shows that source."""

    generation: int
    room: str
    site: str
    pane: int
    source: Source


@dataclass(frozen=True, slots=True)
class Ticks:
    """Once a second: how the mixer keeps time, and what was shed to let it (pictures before cameras, never sound)."""

    generation: int
    ticks: int
    late: int
    cpu_percent: float | None = None
    shed: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class PlayEnded:
    generation: int
    room: str
    play: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """An ICE candidate of the engine for the site; None: there are no more."""

    generation: int
    room: str
    site: str
    link: Link
    candidate: str | None
    mid: str = ""
    mline: int = 0


EngineEvent = (
    Started | Died | MediaJoined | MediaLost | MediaLeft | Talking | KeyFrameShown | Ticks | PlayEnded | Candidate
)


# ---- what is refused ----------------------------------------------------------------------------------------------------------


class EngineDown(BroadcastError):
    """There is no engine now; it is being started. What was wanted is kept and applied then."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(f"the conference engine does not run: {cause}")


class EngineTimeout(EngineDown):
    """It did not answer in time. Whether it did it is not known; asking again is harmless."""

    def __init__(self, call: str, after_s: float) -> None:
        super().__init__(f"no answer to {call} within {after_s:g} s")
        self.call, self.after_s = call, after_s


class UnknownRoom(BroadcastError):
    """The engine has no such room (any more): open it and say the rest again."""

    def __init__(self, room: str) -> None:
        self.room = room
        super().__init__(f"the engine has no room {room}")


class UnknownLink(BroadcastError):
    """The site has no such link to answer or trickle to; it has to begin anew."""

    def __init__(self, room: str, site: str, link: Link) -> None:
        self.room, self.site, self.link = room, site, link.value
        super().__init__(f"{site} has no {link.value} link in {room}")


class BadSdp(BroadcastError):
    """A session description that is no such thing, or asks for what this link may not.

    :param fault: a code: too-large, malformed, not-allowed, no-codec.
    """

    def __init__(self, fault: str, cause: str) -> None:
        self.fault, self.cause = fault, cause
        super().__init__(f"session description refused ({fault}): {cause}")


class EngineFull(BroadcastError):
    """The engine takes no more; it would have to shed what runs. :param what: sites, pictures, rooms."""

    def __init__(self, what: str, most: int) -> None:
        self.what, self.most = what, most
        super().__init__(f"the conference engine takes {most} {what} at most")


class NotCapable(BroadcastError):
    """This engine can't do that. :param cap: the field of EngineCaps that it lacks."""

    def __init__(self, engine: str, cap: str) -> None:
        self.engine, self.cap = engine, cap
        super().__init__(f"the engine {engine} has no {cap}")
