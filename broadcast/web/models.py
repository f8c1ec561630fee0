"""What goes in and out of the API as JSON: words for numbers, times in RFC 3339 with their offset, areas as 12-digit codes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from broadcast.domain.broadcasts import (
    LONGEST_MIN,
    MAX_AREAS,
    MAX_HEADLINE,
    MAX_REPEATS,
    MAX_SPEAKERS,
    MAX_TEXT,
    Broadcast,
    Fault,
    InvalidRequest,
    StartBroadcast,
)
from broadcast.domain.proofs import Proved, Witnessed
from broadcast.domain.spoken import FASTEST, MAX_BED_MS, SLOWEST, Bed
from broadcast.service.ports import ReportRow
from broadcast.service.reach import Named, Reached
from broadcast.service.wall import Look, Missing, WallView
from broadcast.web.words import rfc3339
from endpoints.protocol import Kind, Resume, Severity, Tone

AreaCode = Annotated[str, Field(pattern=r"^[0-9]{12}([0-9]{3}){0,2}$")]
AssetHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SpeakerId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{2,31}$")]
KindWord = Literal["routine", "notice", "emergency"]
ToneWord = Literal["none", "attention", "chime", "all_clear"]
SeverityWord = Literal["unknown", "red", "orange", "yellow", "blue"]


class In(BaseModel):
    """A request: a field that we do not know is refused, so that a misspelt `excluded` can't widen a broadcast."""

    model_config = ConfigDict(extra="forbid")


class BedIn(In):
    """Music under a text: a sound of the library, and for how long it is heard before and after the words."""

    asset: AssetHash
    lead_ms: Annotated[int, Field(ge=0, le=MAX_BED_MS)] = 2_500
    tail_ms: Annotated[int, Field(ge=0, le=MAX_BED_MS)] = 3_000

    def bed(self) -> Bed:
        return Bed(bytes.fromhex(self.asset), self.lead_ms, self.tail_ms)


class NewBroadcast(In):
    """A broadcast to be started. Nobody is never all: `areas`, `speakers` and `groups` must not all be empty.

    `asset`: the SHA-256 of a sound file of the library, which sounds instead of `text`; in an exercise with the words before and
    after it that say so. `voice`, `rate`: of a text, by default those of the installation; a voice that is not there gives way to
    the default, and the broadcast's `note` says so. `heard`: the file (`asset` of a preview) that was listened to: when another
    one would be sent, nothing is (409 `sound-changed`).
    """

    kind: KindWord
    areas: Annotated[list[AreaCode], Field(max_length=MAX_AREAS)] = []
    excluded: Annotated[list[AreaCode], Field(max_length=MAX_AREAS)] = []
    speakers: Annotated[list[SpeakerId], Field(max_length=MAX_SPEAKERS)] = []
    groups: Annotated[list[Annotated[str, Field(pattern=r"^[0-9A-Z]{26}$")]], Field(max_length=50)] = []
    text: Annotated[str, Field(max_length=MAX_TEXT)] = ""
    headline: Annotated[str, Field(max_length=MAX_HEADLINE)] = ""
    severity: SeverityWord = "unknown"
    not_before: AwareDatetime | None = None
    not_after: AwareDatetime | None = None
    minutes: Annotated[int, Field(ge=1, le=LONGEST_MIN)] = 30
    repeats: Annotated[int, Field(ge=1, le=MAX_REPEATS)] = 2
    gap_ms: Annotated[int, Field(ge=0, le=60_000)] = 1_500
    resume: Literal["continue", "rejoin", "restart", "drop"] | None = None
    tone: ToneWord | None = None
    closing: ToneWord | None = None
    volume_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    life_safety: bool = False
    exercise: bool = False
    asset: AssetHash | None = None
    voice: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] | None = None
    rate: Annotated[int, Field(ge=SLOWEST, le=FASTEST)] | None = None
    bed: BedIn | None = None
    heard: AssetHash | None = None

    def command(self) -> StartBroadcast:
        """:raises InvalidRequest: it names groups and nobody has told them as areas and speakers (`grouped.command_of`)."""
        if self.groups:
            raise InvalidRequest([Fault("groups", "not-offered")])
        return StartBroadcast(
            kind=Kind[self.kind.upper()],
            areas=tuple(self.areas),
            excluded=tuple(self.excluded),
            speakers=tuple(self.speakers),
            text=self.text,
            headline=self.headline,
            severity=Severity[self.severity.upper()],
            not_before_ms=_ms(self.not_before),
            not_after_ms=_ms(self.not_after),
            minutes=self.minutes,
            repeats=self.repeats,
            gap_ms=self.gap_ms,
            resume=None if self.resume is None else Resume[self.resume.upper()],
            tone=None if self.tone is None else Tone[self.tone.upper()],
            closing=None if self.closing is None else Tone[self.closing.upper()],
            volume_percent=self.volume_percent,
            life_safety=self.life_safety,
            exercise=self.exercise,
            asset=bytes.fromhex(self.asset or ""),
            voice=self.voice or "",
            rate=self.rate or 0,
            bed=None if self.bed is None else self.bed.bed(),
            heard=bytes.fromhex(self.heard or ""),
        )


class AllClear(In):
    """Which part of an alert ends, and what is said there; without areas, the whole of it."""

    areas: Annotated[list[AreaCode], Field(max_length=MAX_AREAS)] = []
    text: Annotated[str, Field(max_length=MAX_TEXT)] = ""


class Done(BaseModel):
    """What an act led to.

    `repeated`: the same request came before (or there was nothing left to do), and nothing was done again. `approval`: it waits for
    a second person under this id, and nothing is on the air; empty when it is.
    """

    id: str
    ids: list[str]
    repeated: bool
    approval: str = ""


class BroadcastOut(BaseModel):
    """A broadcast. `on_air_pending`: the broker does not have its boards yet, so nothing of the last change has gone out."""

    id: str
    kind: str
    band: str
    severity: SeverityWord
    level: str
    exercise: bool
    headline: str
    text: str
    officer: str
    life: str
    issued_at: str
    not_before: str
    not_after: str
    ended_at: str | None
    ended_by: str
    replaces: str
    note: str
    areas: list[str]
    excluded: list[str]
    speakers: list[str]
    repeats: int
    tone: str
    closing: str
    asset: str
    asset_ms: int
    revision: int
    on_air_pending: bool

    @classmethod
    def of(cls, one: Broadcast, *, pending: bool) -> "BroadcastOut":
        order = one.order
        return cls(
            id=one.id,
            kind=order.kind.name.lower(),
            band=order.band.name.lower(),
            severity=_severity(order.severity),
            level=order.level.name.lower(),
            exercise=order.exercise,
            headline=one.headline,
            text=one.text,
            officer=one.officer,
            life=one.life.value,
            issued_at=rfc3339(order.issued_at_ms),
            not_before=rfc3339(order.not_before_ms),
            not_after=rfc3339(order.not_after_ms),
            ended_at=None if one.ended_at_ms is None else rfc3339(one.ended_at_ms),
            ended_by=one.ended_by,
            replaces=one.replaces,
            note=one.note,
            areas=list(order.areas),
            excluded=list(order.excluded),
            speakers=list(order.speakers),
            repeats=order.repeats,
            tone=order.tone.name.lower(),
            closing=order.closing.name.lower(),
            asset=order.asset.hex(),
            asset_ms=order.asset_ms,
            revision=order.revision,
            on_air_pending=pending,
        )


class BroadcastPage(BaseModel):
    """Newest first; `next` is the cursor of the next page, null at the end."""

    items: list[BroadcastOut]
    next: str | None


class NamedOut(BaseModel):
    id: str
    name: str
    area: str
    place: str
    why: str
    since: str | None

    @classmethod
    def of(cls, one: Named) -> "NamedOut":
        since = rfc3339(one.since_ms) if one.since_ms else None
        return cls(id=one.id, name=one.name, area=one.area, place=one.place, why=one.why, since=since)


class OnAirOut(BaseModel):
    broadcast: str
    headline: str
    speakers: int
    gives_way: bool


class ReachOut(BaseModel):
    """Whom it would reach, from the live state. `online`, `offline` and `unknown` add up to `speakers`."""

    townships: int
    villages: int
    speakers: int
    online: int
    offline: list[NamedOut]
    unknown: list[NamedOut]
    faulty: list[NamedOut]
    on_air: list[OnAirOut]
    not_before: str
    not_after: str

    @classmethod
    def of(cls, one: Reached) -> "ReachOut":
        return cls(
            townships=one.townships,
            villages=one.villages,
            speakers=one.speakers,
            online=one.online,
            offline=[NamedOut.of(name) for name in one.offline],
            unknown=[NamedOut.of(name) for name in one.unknown],
            faulty=[NamedOut.of(name) for name in one.faulty],
            on_air=[
                OnAirOut(broadcast=o.broadcast, headline=o.headline, speakers=o.speakers, gives_way=o.gives_way)
                for o in one.on_air
            ],
            not_before=rfc3339(one.begins_ms),
            not_after=rfc3339(one.ends_ms),
        )


class MissingOut(BaseModel):
    id: str
    name: str
    area: str
    place: str
    look: str
    reason: str
    since: str | None

    @classmethod
    def of(cls, one: Missing) -> "MissingOut":
        since = rfc3339(one.since_ms) if one.since_ms else None
        return cls(
            id=one.id,
            name=one.name,
            area=one.area,
            place=one.place,
            look=one.look.value,
            reason=one.reason.name.lower(),
            since=since,
        )


class TownshipOut(BaseModel):
    code: str
    name: str
    counts: dict[str, int]


class LadderOut(BaseModel):
    """How far a broadcast got: speakers by look, in all and by township, and those in trouble by name."""

    broadcast: str
    speakers: int
    counts: dict[str, int]
    townships: list[TownshipOut]
    missing: list[MissingOut]

    @classmethod
    def of(cls, broadcast: str, view: WallView, missing: list[Missing]) -> "LadderOut":
        townships = [(panel, view.counts_of(panel)) for panel in view.layout.panels]
        return cls(
            broadcast=broadcast,
            speakers=view.meant,
            counts=counts_out(view.counts),
            townships=[TownshipOut(code=p.code, name=p.name, counts=counts_out(c)) for p, c in townships if c],
            missing=[MissingOut.of(one) for one in missing],
        )


class ReportOut(BaseModel):
    """One line that a speaker said. `at` is its own account of the server's time, null when it had none."""

    stage: str
    reason: str
    at: str | None
    received: str
    revision: int
    boot: int
    n: int

    @classmethod
    def of(cls, one: ReportRow) -> "ReportOut":
        return cls(
            stage=one.stage.name.lower(),
            reason=one.reason.name.lower(),
            at=rfc3339(one.at_ms) if one.at_ms else None,
            received=rfc3339(one.received_ms),
            revision=one.revision,
            boot=one.boot,
            n=one.n,
        )


class WindowOut(BaseModel):
    """A window of an order as an ear heard it: how surely it is that sound (0 to 1), how much too late, how loud."""

    place: str
    correlation: float
    late_ms: float
    level_db: float


class ProofOut(BaseModel):
    """What a speaker's ear heard. `at` is when the order ended there; `clock_ms` how wrong its times can be."""

    at: str
    ear: str
    confirms: bool
    played_out: bool
    clock_ms: float
    windows: list[WindowOut]

    @classmethod
    def of(cls, one: Proved) -> "ProofOut":
        proof = one.proof
        return cls(
            at=rfc3339(proof.at_ms),
            ear=proof.ear.name.lower(),
            confirms=proof.confirms,
            played_out=proof.played_out,
            clock_ms=proof.clock_us / 1_000,
            windows=[
                WindowOut(
                    place=window.place.name.lower(),
                    correlation=window.correlation_permille / 1_000,
                    late_ms=window.start_error_us / 1_000,
                    level_db=window.level_cb / 10,
                )
                for window in proof.windows
            ],
        )


class WitnessOut(BaseModel):
    """What a person on the spot says."""

    at: str
    officer: str
    heard: bool
    note: str

    @classmethod
    def of(cls, one: Witnessed) -> "WitnessOut":
        return cls(at=rfc3339(one.at_ms), officer=one.officer, heard=one.heard, note=one.note)


class HeardIn(In):
    """Whether it was heard on the spot."""

    heard: bool
    note: Annotated[str, Field(max_length=200)] = ""


class RungOut(BaseModel):
    """Where a broadcast stands at one speaker."""

    speaker: str
    name: str
    area: str
    place: str
    state: str
    look: str
    reason: str
    changed: str | None
    known: str
    proofs: list[ProofOut]
    witnesses: list[WitnessOut]
    reports: list[ReportOut]


class RungsOut(BaseModel):
    items: list[RungOut]


class SpeakerOut(BaseModel):
    """A speaker and what is known of it now; `heard` null: nothing since this server came up."""

    id: str
    name: str
    area: str
    place: str
    exercise: bool
    presence: Literal["unknown", "online", "offline"]
    since: str
    heard: str | None
    on_air: str | None
    faults: list[str]
    boards_whole: bool
    bad_reports: int
    boots: int


class SpeakersOut(BaseModel):
    counts: dict[str, int]
    items: list[SpeakerOut]
    next: str | None


class AreaOut(BaseModel):
    code: str
    level: str
    name: str
    parent: str
    speakers: int


class AreasOut(BaseModel):
    items: list[AreaOut]


def counts_out(counts: Mapping[Look, int]) -> dict[str, int]:
    return {look.value: count for look, count in counts.items()}


def _severity(severity: Severity) -> SeverityWord:
    words: dict[Severity, SeverityWord] = {
        Severity.UNKNOWN: "unknown",
        Severity.RED: "red",
        Severity.ORANGE: "orange",
        Severity.YELLOW: "yellow",
        Severity.BLUE: "blue",
    }
    return words[severity]


def _ms(instant: datetime | None) -> int | None:
    """Out of range for a calendar is out of range for us: a time that `check` refuses with its field."""
    if instant is None:
        return None
    try:
        return int(instant.astimezone(UTC).timestamp() * 1000)
    except (OverflowError, ValueError, OSError):
        return -1
