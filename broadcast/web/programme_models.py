"""What goes in and out of the API about the plan as JSON. Times of day are wall time in the programme's own zone."""

from datetime import date, time
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from broadcast.domain.broadcasts import MAX_TEXT
from broadcast.domain.calendar import Day, DayEntry, DayKind
from broadcast.domain.conflicts import Clash, Preview, When, Where
from broadcast.domain.programme_checks import (
    MAX_DATES,
    MAX_DEVICE,
    MAX_NOTE,
    MAX_TIMES,
    MAX_TITLE,
    MAX_URL,
    MAX_VOICE,
)
from broadcast.domain.programme_versions import PlanVersion, Version
from broadcast.domain.programmes import (
    BEIJING,
    LATEST_START_S,
    AreaPlan,
    DayRule,
    EndPolicy,
    File,
    LineIn,
    Pattern,
    Playlist,
    Programme,
    Source,
    Speech,
    StartPolicy,
    Stream,
)
from broadcast.web.models import AreaCode, AssetHash, In, SpeakerId
from broadcast.web.words import rfc3339
from endpoints.protocol import MAX_AREAS, MAX_MORE, MAX_SPEAKERS, Resume, Tone

ResumeWord = Literal["continue", "rejoin", "restart", "drop"]
ChimeWord = Literal["none", "chime"]
DayRuleWord = Literal["every", "workdays", "rest-days", "holidays", "not-holidays"]
StartWord = Literal["hard", "next", "grace"]
EndWord = Literal["cut", "finish", "fade"]


class PatternIn(In):
    """Weekdays (1 Monday … 7 Sunday) × times of day between two dates; `dates_out` without it, `dates_in` with it besides."""

    times: Annotated[list[time], Field(max_length=MAX_TIMES)]
    first: date
    last: date | None = None
    weekdays: Annotated[list[int], Field(max_length=7)] = Field(default_factory=lambda: list(range(1, 8)))
    rule: DayRuleWord = "every"
    dates_out: Annotated[list[date], Field(max_length=MAX_DATES)] = Field(default_factory=list)
    dates_in: Annotated[list[date], Field(max_length=MAX_DATES)] = Field(default_factory=list)

    def pattern(self) -> Pattern:
        return Pattern(
            times=tuple(self.times),
            first=self.first,
            last=self.last,
            weekdays=frozenset(self.weekdays),
            rule=DayRule(self.rule),
            dates_out=frozenset(self.dates_out),
            dates_in=frozenset(self.dates_in),
        )

    @classmethod
    def of(cls, one: Pattern) -> "PatternIn":
        return cls(
            times=list(one.times),
            first=one.first,
            last=one.last,
            weekdays=sorted(one.weekdays),
            rule=one.rule.value,
            dates_out=sorted(one.dates_out),
            dates_in=sorted(one.dates_in),
        )


class FileIn(In):
    kind: Literal["file"]
    asset: AssetHash


class PlaylistIn(In):
    kind: Literal["playlist"]
    assets: Annotated[list[AssetHash], Field(min_length=1, max_length=MAX_MORE + 1)]


class SpeechIn(In):
    """A text that is spoken when the programme is saved. `rate` in words a minute, 0 for the default."""

    kind: Literal["speech"]
    text: Annotated[str, Field(max_length=MAX_TEXT)]
    voice: Annotated[str, Field(max_length=MAX_VOICE)] = ""
    rate: Annotated[int, Field(ge=0, le=300)] = 0


class StreamIn(In):
    kind: Literal["stream"]
    url: Annotated[str, Field(max_length=MAX_URL)]


class LineInIn(In):
    kind: Literal["line-in"]
    device: Annotated[str, Field(max_length=MAX_DEVICE)] = ""


SourceIn = Annotated[FileIn | PlaylistIn | SpeechIn | StreamIn | LineInIn, Field(discriminator="kind")]


def source_of(one: FileIn | PlaylistIn | SpeechIn | StreamIn | LineInIn) -> Source:
    match one:
        case FileIn():
            return File(bytes.fromhex(one.asset))
        case PlaylistIn():
            return Playlist(tuple(map(bytes.fromhex, one.assets)))
        case SpeechIn():
            return Speech(one.text, one.voice, one.rate)
        case StreamIn():
            return Stream(one.url)
        case LineInIn():
            return LineIn(one.device)


def source_in(one: Source) -> FileIn | PlaylistIn | SpeechIn | StreamIn | LineInIn:
    match one:
        case File(asset):
            return FileIn(kind="file", asset=asset.hex())
        case Playlist(assets):
            return PlaylistIn(kind="playlist", assets=[asset.hex() for asset in assets])
        case Speech(text, voice, rate):
            return SpeechIn(kind="speech", text=text, voice=voice, rate=rate)
        case Stream(url):
            return StreamIn(kind="stream", url=url)
        case LineIn(device):
            return LineInIn(kind="line-in", device=device)


class ProgrammeIn(In):
    """A programme of the plan. Nobody is never all: `areas` and `speakers` must not both be empty.

    `owner`: whose programme it is, which decides its level and who may change it; one's own area when it is not given.
    """

    title: Annotated[str, Field(max_length=MAX_TITLE)]
    owner: AreaCode | None = None
    pattern: PatternIn
    source: SourceIn
    length_min: Annotated[int, Field(ge=1, le=1_440)]
    areas: Annotated[list[AreaCode], Field(max_length=MAX_AREAS)] = Field(default_factory=list)
    excluded: Annotated[list[AreaCode], Field(max_length=MAX_AREAS)] = Field(default_factory=list)
    speakers: Annotated[list[SpeakerId], Field(max_length=MAX_SPEAKERS)] = Field(default_factory=list)
    zone: Annotated[str, Field(max_length=40)] = BEIJING
    loop: bool = False
    start: StartWord = "hard"
    grace_s: Annotated[int, Field(ge=0, le=3_600)] = 0
    end: EndWord = "fade"
    resume: ResumeWord | None = None
    volume_percent: Annotated[int, Field(ge=0, le=100)] = 0
    ceiling_percent: Annotated[int, Field(ge=1, le=100)] = 100
    latest_start_s: Annotated[int, Field(ge=10, le=3_600)] = LATEST_START_S
    opening: ChimeWord = "none"
    closing: ChimeWord = "none"
    paused: bool = False

    def programme(self, own_area: str) -> Programme:
        return Programme(
            id="",
            title=self.title,
            owner=self.owner or own_area,
            pattern=self.pattern.pattern(),
            source=source_of(self.source),
            length_min=self.length_min,
            areas=tuple(self.areas),
            excluded=tuple(self.excluded),
            speakers=tuple(self.speakers),
            zone=self.zone,
            loop=self.loop,
            start=StartPolicy(self.start),
            grace_s=self.grace_s,
            end=EndPolicy(self.end),
            resume=None if self.resume is None else Resume[self.resume.upper()],
            volume_percent=self.volume_percent,
            ceiling_percent=self.ceiling_percent,
            latest_start_s=self.latest_start_s,
            opening=Tone[self.opening.upper()],
            closing=Tone[self.closing.upper()],
            paused=self.paused,
        )


class ProgrammeOut(BaseModel):
    """A version of a programme. `revision` is what If-Match has to name; `sound_ms` one pass of its files, 0 for a relay."""

    id: str
    revision: int
    saved_at: str
    saved_by: str
    retired: bool
    level: str
    place: str
    title: str
    owner: str
    pattern: PatternIn
    source: SourceIn
    sound_ms: int
    length_min: int
    areas: list[str]
    excluded: list[str]
    speakers: list[str]
    zone: str
    loop: bool
    start: StartWord
    grace_s: int
    end: EndWord
    resume: str
    volume_percent: int
    ceiling_percent: int
    latest_start_s: int
    opening: str
    closing: str
    paused: bool

    @classmethod
    def of(cls, version: Version, *, place: str) -> "ProgrammeOut":
        one = version.programme
        return cls(
            id=one.id,
            revision=one.revision,
            saved_at=rfc3339(version.saved_at_ms),
            saved_by=version.saved_by,
            retired=version.retired,
            level=one.level.name.lower(),
            place=place,
            title=one.title,
            owner=one.owner,
            pattern=PatternIn.of(one.pattern),
            source=source_in(one.source),
            sound_ms=version.content.length_ms,
            length_min=one.length_min,
            areas=list(one.areas),
            excluded=list(one.excluded),
            speakers=list(one.speakers),
            zone=one.zone,
            loop=one.loop,
            start=one.start.value,
            grace_s=one.grace_s,
            end=one.end.value,
            resume=one.resumes.name.lower(),
            volume_percent=one.volume_percent,
            ceiling_percent=one.ceiling_percent,
            latest_start_s=one.latest_start_s,
            opening=one.opening.name.lower(),
            closing=one.closing.name.lower(),
            paused=one.paused,
        )


class ProgrammesOut(BaseModel):
    items: list[ProgrammeOut]


class SavedOut(BaseModel):
    """What an edit led to.

    `on_air`: ids of what has begun by the version before and goes on to its end; `POST /broadcasts/{id}/stop` ends it.
    """

    id: str
    revision: int
    on_air: list[str]
    repeated: bool


class WhenOut(BaseModel):
    """The same span of wall time on several days: `count` of them from `first` to `last`."""

    begins: time
    ends: time
    first: date
    last: date
    count: int

    @classmethod
    def of(cls, one: When) -> "WhenOut":
        return cls(begins=one.begins, ends=one.ends, first=one.days[0], last=one.days[-1], count=len(one.days))


class WhereOut(BaseModel):
    areas: list[str]
    villages: int
    speakers: list[str]

    @classmethod
    def of(cls, one: Where) -> "WhereOut":
        return cls(areas=list(one.areas), villages=one.villages, speakers=list(one.speakers))


class SideOut(BaseModel):
    """One side of a clash: programmes, or a broadcast that is live. `new`: the programme looked at is among them."""

    programmes: list[str]
    titles: list[str]
    broadcast: str
    new: bool


class ClashOut(BaseModel):
    """Two want the air: who has it, why, and what becomes of the other."""

    winner: SideOut
    loser: SideOut
    cause: str
    winner_has: str
    loser_has: str
    effect: str
    when: WhenOut
    where: WhereOut

    @classmethod
    def of(cls, one: Clash, winner: SideOut, loser: SideOut) -> "ClashOut":
        facts = dict(one.facts)
        return cls(
            winner=winner,
            loser=loser,
            cause=one.cause.value,
            winner_has=facts.get("winner", ""),
            loser_has=facts.get("loser", ""),
            effect=one.effect.value,
            when=WhenOut.of(one.when),
            where=WhereOut.of(one.where),
        )


class OverBudgetOut(BaseModel):
    budget_min: int
    planned_min: int
    first: date
    last: date
    days: int
    where: WhereOut
    refused: list[str]


class OverrunOut(BaseModel):
    slot_ms: int
    sound_ms: int


class PreviewOut(BaseModel):
    """What a programme would do to the plan from `looked_from` until `looked_until`, in which it begins `count` times.

    `goes_on`: it may sound after that, too, and what it meets there was not looked at. `over`: it never begins again, and
    saving it would be refused.
    """

    count: int
    villages: int
    looked_from: str
    looked_until: str
    goes_on: bool
    over: bool
    clashes: list[ClashOut]
    quiet: list[WhenOut]
    over_budget: list[OverBudgetOut]
    overrun: OverrunOut | None
    unannounced: list[int]

    @classmethod
    def of(cls, one: Preview, clashes: list[ClashOut]) -> "PreviewOut":
        return cls(
            count=one.count,
            villages=one.villages,
            looked_from=rfc3339(one.from_ms),
            looked_until=rfc3339(one.until_ms),
            goes_on=one.goes_on,
            over=one.over,
            clashes=clashes,
            quiet=[WhenOut.of(quiet.when) for quiet in one.quiet],
            over_budget=[
                OverBudgetOut(
                    budget_min=over.budget_min,
                    planned_min=over.planned_min,
                    first=over.days[0],
                    last=over.days[-1],
                    days=len(over.days),
                    where=WhereOut.of(over.where),
                    refused=list(over.refused),
                )
                for over in one.over_budget
            ],
            overrun=None
            if one.overrun is None
            else OverrunOut(slot_ms=one.overrun.slot_ms, sound_ms=one.overrun.sound_ms),
            unannounced=list(one.unannounced),
        )


class AreaPlanIn(In):
    """What holds for all routine of an area. `fallback`: a file of the library."""

    volume_by_hour: Annotated[list[int], Field(max_length=24)] = Field(default_factory=list)
    budget_min: Annotated[int, Field(ge=0, le=1_440)] = 0
    fallback: AssetHash | None = None
    note: Annotated[str, Field(max_length=MAX_NOTE)] = ""

    def plan(self, area: str) -> AreaPlan:
        return AreaPlan(area, tuple(self.volume_by_hour), self.budget_min, note=self.note)


class AreaPlanOut(BaseModel):
    area: str
    place: str
    revision: int
    saved_at: str
    saved_by: str
    volume_by_hour: list[int]
    budget_min: int
    fallback: str
    note: str

    @classmethod
    def of(cls, version: PlanVersion, *, place: str) -> "AreaPlanOut":
        plan = version.plan
        return cls(
            area=plan.area,
            place=place,
            revision=version.revision,
            saved_at=rfc3339(version.saved_at_ms),
            saved_by=version.saved_by,
            volume_by_hour=list(plan.volume_by_hour),
            budget_min=plan.budget_min,
            fallback="" if plan.fallback is None else plan.fallback.asset.hex(),
            note=plan.note,
        )


class AreaPlansOut(BaseModel):
    items: list[AreaPlanOut]


class RevisionOut(BaseModel):
    revision: int


class DayIn(In):
    day: date
    kind: Literal["workday", "rest-day", "holiday"]
    name: Annotated[str, Field(max_length=40)] = ""

    def entry(self) -> DayEntry:
        return DayEntry(self.day, DayKind(self.kind), self.name)


class OwnDayIn(In):
    kind: Literal["workday", "rest-day", "holiday"]
    name: Annotated[str, Field(max_length=40)] = ""

    def entry(self, day: date) -> DayEntry:
        return DayEntry(day, DayKind(self.kind), self.name)


class DaysIn(In):
    """The operator's own table, whole; it stands above what was announced."""

    entries: Annotated[list[DayIn], Field(max_length=1_000)]


class DayOut(BaseModel):
    """What a day is, and who says so: `operator`, `announced`, or `weekday` in a year that nobody has announced yet."""

    day: date
    kind: str
    name: str
    says: str

    @classmethod
    def of(cls, one: Day) -> "DayOut":
        return cls(day=one.day, kind=one.kind.value, name=one.name, says=one.says.value)


class DaysOut(BaseModel):
    items: list[DayOut]


class OwnDaysOut(BaseModel):
    """`revision` is what If-Match names."""

    items: list[DayOut]
    revision: int
