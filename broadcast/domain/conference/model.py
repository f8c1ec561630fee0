"""A conference as the server keeps it: one value, from which everything follows that anybody sees or hears."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.conference.errors import ConferenceOver, UnknownSite
from broadcast.domain.conference.media import Quality, Source, Stream
from broadcast.domain.conference.states import (
    IN,
    Asking,
    JoinedBy,
    LeftBy,
    Part,
    Phase,
    RollResult,
    Status,
    UnmutePolicy,
    Wall,
)
from endpoints.area_codes import TOWNSHIP, covers, depth

MOST_SITES = 128
MOST_TEXT = 200
MOST_NAME = 40
MOST_CHAT = 200  # messages that are kept
FREEZE_MS = 30_000  # so long the chair may be away before a deputy takes over (research/conference.md §8)
PATROL_S = (10, 120)  # Huawei SetHostView: 10–120 s, default 10


@dataclass(frozen=True, slots=True)
class Stay:
    """One time in the conference. :param lost_ms: of it without media. `to_ms` 0: it goes on."""

    from_ms: int
    to_ms: int = 0
    lost_ms: int = 0
    left_by: LeftBy = LeftBy.NONE


@dataclass(frozen=True, slots=True)
class Site:
    """A user with its endpoint (会场).

    :param identity: who this is, fixed by the server: an officer's name, or `seat:<id>` for who comes by a ticket.
    :param officer: who alone may take this seat; empty: whoever has a ticket for it, or the right in its area.
    :param auto_answer: its page takes a call without a hand.
    :param tries: calls without answer; `again_ms` when it is called again by itself, 0: not.
    :param muted: by the chair; `self_muted`: its own microphone key; `asked_unmute`: the chair asks it to open.
    :param lost_ms: since when no media comes; 0: it comes.
    """

    id: str
    name: str
    area: str
    part: Part = Part.PARTICIPANT
    officer: str = ""
    identity: str = ""
    feed: bool = False  # a camera or an intercom: no browser speaks for it
    auto_answer: bool = False
    status: Status = Status.PENDING
    status_ms: int = 0
    joined_by: JoinedBy = JoinedBy.NONE
    left_by: LeftBy = LeftBy.NONE
    in_plan: bool = False
    tries: int = 0
    again_ms: int = 0
    lost_ms: int = 0
    muted: bool = False
    self_muted: bool = False
    asked_unmute: bool = False
    camera: bool = False  # its picture is there
    content: bool = False  # its second stream is there
    quality: Quality = Quality.FULL
    choice: Source | None = None
    stays: tuple[Stay, ...] = ()

    @property
    def is_in(self) -> bool:
        return self.status in IN

    @property
    def speaks(self) -> bool:
        """Whether it may ever be heard."""
        return self.part is not Part.OBSERVER

    @property
    def shown_status(self) -> Status:
        """As RFC 4575 says it: who is connected and muted by the chair is `muted-via-focus`."""
        return Status.MUTED_VIA_FOCUS if self.is_in and self.muted else self.status


@dataclass(frozen=True, slots=True)
class Request:
    """For the audio floor (申请发言). :param beneficiary: who speaks; `site` asked, for itself or for another."""

    id: int
    site: str
    beneficiary: str
    asked_ms: int
    priority: int = 2  # RFC 8855 PRIORITY: 0 lowest … 4 highest, 2 normal
    status: Asking = Asking.PENDING
    why: str = ""


@dataclass(frozen=True, slots=True)
class Speech:
    """Who has the audio floor. :param until_ms: 0: no limit. `was_muted`: so it is again afterwards."""

    site: str
    from_ms: int
    until_ms: int = 0
    request: int = 0
    was_muted: bool = False


@dataclass(frozen=True, slots=True)
class SpeakingList:
    """发言名单: one after the other, each for `each_s` (0: until the chair says next). :param at: whose turn; -1: not begun."""

    sites: tuple[str, ...]
    each_s: int = 0
    at: int = -1


@dataclass(frozen=True, slots=True)
class RollCall:
    """点名签到: a guided run. :param at: who is on screen; len(sites): it is through. `results` by position, None: not marked."""

    id: int
    began_ms: int
    by: str
    sites: tuple[str, ...]
    results: tuple[RollResult | None, ...]
    marked_ms: tuple[int, ...]
    at: int = 0
    called: int = 1  # how often the one on screen was called
    ended_ms: int = 0

    @property
    def current(self) -> str:
        return self.sites[self.at] if not self.ended_ms and self.at < len(self.sites) else ""


@dataclass(frozen=True, slots=True)
class Pane:
    """One pane of a layout; with several sources it patrols by itself."""

    sources: tuple[Source, ...] = ()
    at: int = 0

    @property
    def source(self) -> Source | None:
        return self.sources[self.at % len(self.sources)] if self.sources else None


@dataclass(frozen=True, slots=True)
class Patrol:
    """轮巡: the chair's screen goes from site to site. Sites without a picture are passed over."""

    sites: tuple[str, ...] = ()
    interval_s: int = PATROL_S[0]
    at: int = 0
    held: bool = False
    next_ms: int = 0


@dataclass(frozen=True, slots=True)
class Chat:
    """To the chair, or from the chair to `to`."""

    id: int
    at_ms: int
    site: str
    to: str
    text: str


@dataclass(frozen=True, slots=True)
class Relay:
    """会议转广播: the podium goes to loudspeakers. :param order: of the broadcast; areas and excluded are its frozen targets."""

    order: str
    areas: tuple[str, ...]
    excluded: tuple[str, ...]
    speaker_areas: tuple[str, ...]
    from_ms: int

    def sounds_at(self, area: str) -> bool:
        """Whether loudspeakers of that place carry it. A city's own site is its control room, where none hang."""
        if depth(area) < TOWNSHIP or any(covers(out, area) for out in self.excluded):
            return False
        return any(covers(one, area) for one in (*self.areas, *self.speaker_areas))


@dataclass(frozen=True, slots=True)
class Emergency:
    """An emergency that is on the air where this conference has sites: it pre-empts it. :param asset: hex SHA-256, or empty."""

    order: str
    headline: str
    asset: str
    from_ms: int


@dataclass(frozen=True, slots=True)
class Recording:
    """:param sites: whose own sound is kept beside the mix."""

    id: str
    by: str
    from_ms: int
    sites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conference:
    """会议. Versions have no holes: every change that anybody could see is one more.

    :param chair: the site that holds the chair token; `chair_owner` may take it back, `chair_lost_ms`: since when it is away.
    :param exclusive: 点名发言: this site and the chair are heard, nobody else.
    :param on_air: 广播会场: what everybody sees; one pane, or a layout.
    :param layout: what the chair composes; it is seen when it is put on the air or on the wall.
    :param content: who holds the second stream's token (双流令牌).
    :param talker: who was heard last for long enough (声控切换).
    :param sent_ms: of each site, when it last asked or wrote: the rate limit survives a restart.
    """

    id: str
    title: str
    area: str
    creator: str
    began_ms: int
    ends_ms: int
    sites: tuple[Site, ...] = ()
    version: int = 1
    phase: Phase = Phase.LIVE
    ended_ms: int = 0
    exercise: bool = False
    reservation: str = ""
    locked: bool = False
    waiting_room: bool = False
    banned: tuple[str, ...] = ()
    chair: str = ""
    chair_owner: str = ""
    deputies: tuple[str, ...] = ()
    chair_lost_ms: int = 0
    chair_asks: tuple[str, ...] = ()
    mute_all: bool = False
    may_unmute: bool = False
    unmute: UnmutePolicy = UnmutePolicy.CONSENT
    queue: tuple[Request, ...] = ()
    speaking: tuple[Speech, ...] = ()
    speak_s: int = 0
    speakers_at_once: int = 1
    speaking_list: SpeakingList | None = None
    next_id: int = 1
    exclusive: str = ""
    roll_call: RollCall | None = None
    roll_calls: tuple[RollCall, ...] = ()
    content: str = ""
    content_locked: bool = False
    content_asks: tuple[str, ...] = ()
    on_air: tuple[Pane, ...] = ()
    layout: tuple[Pane, ...] = ()
    wall: Wall = Wall.PANES
    watching: Source | None = None
    preview: Source | None = None
    patrol: Patrol = field(default_factory=Patrol)
    panes_next_ms: int = 0
    voice_switching: bool = True
    talker: str = ""
    caption: str = ""
    banner: str = ""
    quality: Quality = Quality.FULL
    chat: tuple[Chat, ...] = ()
    relay: Relay | None = None
    emergency: Emergency | None = None
    recording: Recording | None = None
    sent_ms: tuple[tuple[str, tuple[int, ...]], ...] = ()

    # ---- questions -------------------------------------------------------------------------------------------------------------

    @property
    def is_live(self) -> bool:
        return self.phase is Phase.LIVE

    @property
    def is_frozen(self) -> bool:
        """The chair is away and nobody has taken over: what runs by itself stands still."""
        return self.chair_lost_ms > 0

    def site(self, site: str) -> Site:
        """:raises UnknownSite."""
        for one in self.sites:
            if one.id == site:
                return one
        raise UnknownSite(self.id, site)

    def find(self, site: str) -> Site | None:
        return next((one for one in self.sites if one.id == site), None)

    def is_in(self, site: str) -> bool:
        found = self.find(site)
        return found is not None and found.is_in

    def shows(self, source: Source) -> bool:
        """Whether there is such a picture now."""
        found = self.find(source.site)
        if found is None or not found.is_in or found.lost_ms:
            return False
        return found.camera if source.stream is Stream.CAMERA else found.content and self.content == found.id

    def howls(self, site: Site) -> bool:
        return self.relay is not None and self.relay.sounds_at(site.area)

    # ---- changes ---------------------------------------------------------------------------------------------------------------

    def with_site(self, site: str, **changes: Any) -> "Conference":
        """:raises UnknownSite."""
        self.site(site)
        return replace(self, sites=tuple(replace(one, **changes) if one.id == site else one for one in self.sites))

    def with_sites(self, change: Callable[[Site], Site]) -> "Conference":
        return replace(self, sites=tuple(map(change, self.sites)))

    def must_be_live(self) -> None:
        """:raises ConferenceOver."""
        if not self.is_live:
            raise ConferenceOver(self.id)


def must_know(conference: Conference, sites: Iterable[str]) -> tuple[str, ...]:
    """The sites, each once, in their order. :raises UnknownSite."""
    return tuple(dict.fromkeys(conference.site(one).id for one in sites))


def must_be_text(text: str, field_name: str, *, most: int = MOST_TEXT, empty: bool = True) -> str:
    """The text without blanks around it. :raises InvalidRequest."""
    if fault := text_fault(text, field_name, most=most, empty=empty):
        raise InvalidRequest([fault])
    return text.strip()


def text_fault(text: str, field_name: str, *, most: int = MOST_TEXT, empty: bool = True) -> Fault | None:
    """What is wrong with it: nothing in it, too much, or what no screen can show."""
    text = text.strip()
    if not text and not empty:
        return Fault(field_name, "missing")
    if len(text) > most:
        return Fault(field_name, "too-long", (("most", str(most)), ("length", str(len(text)))))
    if any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 or ord(char) == 127 for char in text):
        return Fault(field_name, "control-characters")
    return None


def must_be_within(number: int, low: int, high: int, field_name: str) -> int:
    """:raises InvalidRequest."""
    if not low <= number <= high:
        raise InvalidRequest([Fault(field_name, "out-of-range", (("low", str(low)), ("high", str(high))))])
    return number
