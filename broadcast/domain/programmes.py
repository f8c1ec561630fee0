"""A programme (节目) of the daily plan: what sounds where, at which times of day, on which days, and how it begins and ends. Pure.

Times of day are wall time in the programme's own zone; what instants they are is `occurrences`' to say. Fields are checked by
`programme_checks`.
"""

from dataclasses import dataclass, replace
from datetime import date, time
from enum import StrEnum

from broadcast.domain.areas import AreaTree, minimal_cover
from broadcast.domain.errors import BroadcastError, Overtaken
from broadcast.domain.officers import level_of
from endpoints.area_codes import significant
from endpoints.protocol import Band, Level, Part, Resume, Tone

BEIJING = "Asia/Shanghai"
EVERY_WEEKDAY = frozenset(range(1, 8))
LATEST_START_S = 300  # Kubernetes' startingDeadlineSeconds, Rivendell's grace: five minutes late is another programme


class DayRule(StrEnum):
    """On which days, beside the weekdays (日期规则). A make-up workday (调休) is a workday, whatever its weekday."""

    EVERY = "every"
    WORKDAYS = "workdays"  # 工作日
    REST_DAYS = "rest-days"  # 休息日: weekends that are not worked, and holidays
    HOLIDAYS = "holidays"  # 节假日: the days of a public holiday only
    NOT_HOLIDAYS = "not-holidays"


class StartPolicy(StrEnum):
    """What it does when an equal one has the air at its time (Rivendell's time types)."""

    HARD = "hard"  # takes the air at its time
    NEXT = "next"  # waits until that one has finished
    GRACE = "grace"  # waits so many seconds, then takes the air


class EndPolicy(StrEnum):
    """What happens when its slot is over and there is sound left."""

    CUT = "cut"
    FINISH = "finish"  # it is played to its end
    FADE = "fade"  # 3 s


@dataclass(frozen=True, slots=True)
class Pattern:
    """When it sounds (播出规律): weekdays × times of day between two dates, except on some dates, and on some dates besides.

    A one-off is no weekday, one date in and one time: `Pattern.once`.

    :param times: of day, in wall time, to the second; each is one occurrence.
    :param weekdays: 1 Monday … 7 Sunday.
    :param first: the first day.
    :param last: the last day, itself included; None: no end.
    :param dates_out: days without it.
    :param dates_in: days with it whatever their weekday and the rule say; inside first and last.
    """

    times: tuple[time, ...]
    first: date
    last: date | None = None
    weekdays: frozenset[int] = EVERY_WEEKDAY
    rule: DayRule = DayRule.EVERY
    dates_out: frozenset[date] = frozenset()
    dates_in: frozenset[date] = frozenset()

    @classmethod
    def once(cls, day: date, at: time) -> "Pattern":
        return cls((at,), day, day, weekdays=frozenset(), dates_in=frozenset({day}))


@dataclass(frozen=True, slots=True)
class File:
    """A sound file of the library, by its SHA-256 (32 bytes)."""

    asset: bytes


@dataclass(frozen=True, slots=True)
class Playlist:
    """Files that follow each other without a gap (播放列表)."""

    assets: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Speech:
    """A text that is spoken (文转语音); it becomes a file before its time.

    :param voice: empty for the default one.
    :param rate: words a minute; 0 for the default.
    """

    text: str
    voice: str = ""
    rate: int = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """A network stream that is relayed (转播), by its http or https address."""

    url: str


@dataclass(frozen=True, slots=True)
class LineIn:
    """The sound card's input at the control server (线路输入); empty: the default device."""

    device: str = ""


Source = File | Playlist | Speech | Stream | LineIn


@dataclass(frozen=True, slots=True)
class Content:
    """What a source has become: files of the library, or the live stream that is relayed. Empty: not yet anything.

    :param stream: number of the live stream; 0 for none.
    """

    parts: tuple[Part, ...] = ()
    stream: int = 0

    @property
    def length_ms(self) -> int:
        """Of one pass; 0 when there is no file."""
        return sum(part.asset_ms for part in self.parts)


NOTHING_YET = Content()


@dataclass(frozen=True, slots=True)
class Programme:
    """A programme of the plan (节目). Who owns it decides its band and level, as an officer's level does for a broadcast.

    :param id: a ULID.
    :param owner: area code of whose programme it is: the county's, a township's, a village's.
    :param length_min: its slot (时段), in minutes from its time.
    :param areas, excluded, speakers: where, as in an Order: nobody is never all.
    :param zone: IANA name of the zone of its times.
    :param loop: begins again until its slot is over.
    :param grace_s: with StartPolicy.GRACE.
    :param resume: when it gets the air back; None: by what it is, see `resumes`.
    :param volume_percent: at least so loud; 0 leaves the speaker's volume alone.
    :param ceiling_percent: at most so loud.
    :param latest_start_s: what could not begin by then is missed and not caught up with.
    :param opening, closing: built-in chimes before and after.
    :param paused: it has no occurrences until it goes on (暂停).
    :param revision: grows with each edit.
    :param created_at_ms: when it was first saved; stays with each edit, so that two servers derive the same orders.
    """

    id: str
    title: str
    owner: str
    pattern: Pattern
    source: Source
    length_min: int
    areas: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    zone: str = BEIJING
    loop: bool = False
    start: StartPolicy = StartPolicy.HARD
    grace_s: int = 0
    end: EndPolicy = EndPolicy.FADE
    resume: Resume | None = None
    volume_percent: int = 0
    ceiling_percent: int = 100
    latest_start_s: int = LATEST_START_S
    opening: Tone = Tone.NONE
    closing: Tone = Tone.NONE
    paused: bool = False
    revision: int = 1
    created_at_ms: int = 0

    @property
    def level(self) -> Level:
        return level_of(self.owner)

    @property
    def band(self) -> Band:
        """A township's and a village's own programme stands above the county's routine (DESIGN §2)."""
        return Band.ROUTINE if self.level >= Level.CITY else Band.LOCAL_ROUTINE

    @property
    def length_ms(self) -> int:
        return self.length_min * 60_000

    @property
    def is_relay(self) -> bool:
        """Whether it has no files that could be brought to the speakers ahead."""
        return isinstance(self.source, Stream | LineIn)

    @property
    def resumes(self) -> Resume:
        """Spoken text begins again, since half a sentence is none; the rest goes on in step with the neighbours."""
        if self.resume is not None:
            return self.resume
        return Resume.RESTART if isinstance(self.source, Speech) else Resume.REJOIN


def as_of_today(programme: Programme, tree: AreaTree) -> Programme:
    """With its targets frozen: as few areas as will do, and those that were merged into them, whose speakers go by the old code."""
    return replace(
        programme,
        areas=minimal_cover((*programme.areas, *tree.merged_into(programme.areas))),
        excluded=minimal_cover((*programme.excluded, *tree.merged_into(programme.excluded))),
        speakers=tuple(sorted(set(programme.speakers))),
    )


@dataclass(frozen=True, slots=True)
class AreaPlan:
    """What holds for all routine of an area (区域播出规则). The smallest area above a speaker that says something counts.

    :param volume_by_hour: 24 percentages of the speaker's own volume, by the hour of its local time; empty: says nothing.
    :param budget_min: minutes of routine a day at most (每日播出时长上限); 0: says nothing.
    :param fallback: what sounds when something should and its file is missing or silent (垫播).
    :param note: for people: why, and what was agreed with whom about quiet hours and loudness.
    """

    area: str
    volume_by_hour: tuple[int, ...] = ()
    budget_min: int = 0
    fallback: Part | None = None
    note: str = ""


def plan_of(plans: dict[str, AreaPlan], area: str) -> AreaPlan:
    """What holds in an area: each field from the smallest area above or at it that says something about it.

    :param plans: by area code.
    """
    above = sorted((one for code, one in plans.items() if significant(area).startswith(significant(code))), key=_size)
    return AreaPlan(
        area,
        next((one.volume_by_hour for one in above if one.volume_by_hour), ()),
        next((one.budget_min for one in above if one.budget_min), 0),
        next((one.fallback for one in above if one.fallback), None),
        next((one.note for one in above if one.note), ""),
    )


def _size(plan: AreaPlan) -> int:
    return -len(significant(plan.area))


class UnknownProgramme(BroadcastError):
    """No programme has this id, or none that this officer may see."""

    def __init__(self, programme: str) -> None:
        self.programme = programme
        super().__init__(f"there is no programme {programme}")


class ProgrammeChanged(Overtaken):
    """Someone else has saved it since it was read."""

    def __init__(self, programme: str, revision: int, by: str = "", at_ms: int = 0) -> None:
        self.programme = programme
        super().__init__(f"programme {programme} has been changed", revision, by, at_ms)
