"""What the API says and takes about the care of speakers: settings, secrets, codes, groups, tests."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field

from broadcast.domain.enrolments import LONGEST_MIN, SHORTEST_MIN, USUAL_MIN, Enrolment
from broadcast.domain.estate_tests import Finding, SaidOf, SilentTest
from broadcast.domain.groups import MAX_NAME as MAX_GROUP_NAME
from broadcast.domain.groups import Group
from broadcast.domain.speakers import COUNTY_RULE, MAX_CONTACTS, MAX_NAME, MAX_NOTE, Speaker, Wish
from broadcast.service.caretaking import LONGEST_ROLL_MIN, MAX_REASON, MOST_AT_ONCE, USUAL_ROLL_MIN
from broadcast.web.models import AreaCode, In, SpeakerId
from broadcast.web.words import rfc3339
from endpoints.arbitration import EMERGENCY_PERCENT
from endpoints.protocol import MAX_MS, Fault

Percent = Annotated[int, Field(ge=0, le=100)]
Minute = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Chosen = Annotated[list[SpeakerId], Field(min_length=1, max_length=MOST_AT_ONCE)]
Label = Annotated[str, Field(max_length=40)]
Box = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class QuietIn(In):
    """Local time, HH:MM, in which routine is silent. The same twice is never."""

    begins: Minute
    ends: Minute

    @property
    def minutes(self) -> tuple[int, int]:
        return _minute(self.begins), _minute(self.ends)


class SettingsIn(In):
    """What is to be changed; what is left out stays as it is. `county_quiet`: quiet hours as everywhere, in place of own ones.
    `muted_until`: null ends the work at the horn."""

    name: Annotated[str, Field(max_length=MAX_NAME)] | None = None
    note: Annotated[str, Field(max_length=MAX_NOTE)] | None = None
    contacts: Annotated[str, Field(max_length=MAX_CONTACTS)] | None = None
    volume_percent: Percent | None = None
    ceiling_percent: Percent | None = None
    floor_percent: Annotated[int, Field(ge=EMERGENCY_PERCENT, le=100)] | None = None
    quiet: QuietIn | None = None
    county_quiet: bool = False
    muted_until: AwareDatetime | None = None
    area: AreaCode | None = None

    def wish(self) -> Wish:
        said = self.model_fields_set
        quiet = self.quiet
        return Wish(
            name=self.name,
            note=self.note,
            contacts=self.contacts,
            volume_percent=self.volume_percent,
            ceiling_percent=self.ceiling_percent,
            floor_percent=self.floor_percent,
            quiet_min=COUNTY_RULE if self.county_quiet else None if quiet is None else quiet.minutes,
            muted_until_ms=_ms(self.muted_until) if "muted_until" in said else None,
            area=self.area,
        )


class BulkIn(In):
    """The same for many, all of them or none."""

    speakers: Chosen
    settings: SettingsIn


class RollIn(In):
    """`within_min`: after so many minutes the older secrets are refused in any case."""

    speakers: Chosen
    within_min: Annotated[int, Field(ge=1, le=LONGEST_ROLL_MIN)] = USUAL_ROLL_MIN


class RevokeIn(In):
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]


class TestIn(In):
    """`silent`: the way there and back and its own look at itself, without a sound. `tone`: a soft chime. No speakers with
    `silent`: all of one's area."""

    kind: Literal["silent", "tone"]
    speakers: Annotated[list[SpeakerId], Field(max_length=MOST_AT_ONCE, default_factory=list)]


class QuietOut(BaseModel):
    begins: str
    ends: str


class SettingsOut(BaseModel):
    """`quiet` null: as everywhere in the county; in what a speaker reports it is always told."""

    volume_percent: int
    ceiling_percent: int
    floor_percent: int
    quiet: QuietOut | None
    muted_until: str | None

    @classmethod
    def wanted(cls, one: Speaker) -> "SettingsOut":
        own = one.quiet_from_min, one.quiet_until_min
        return cls(
            volume_percent=one.volume_percent,
            ceiling_percent=one.ceiling_percent,
            floor_percent=one.floor_percent,
            quiet=None if own == COUNTY_RULE else _quiet(*own),
            muted_until=rfc3339(one.muted_until_ms) if one.muted_until_ms else None,
        )

    @classmethod
    def reported(cls, said: SaidOf) -> "SettingsOut":
        return cls(
            volume_percent=said.volume_percent,
            ceiling_percent=said.ceiling_percent,
            floor_percent=said.floor_percent,
            quiet=_quiet(said.quiet_from_min, said.quiet_until_min),
            muted_until=rfc3339(said.muted_until_ms) if said.muted_until_ms else None,
        )


class ReportedOut(BaseModel):
    """What a speaker said of itself last, `at`. `ear`: what hears it. `generation`: of the secrets it uses."""

    at: str
    model: str
    firmware: str
    version: int
    generation: int
    faults: list[str]
    ear: Literal["none", "monitor", "microphone"]
    settings: SettingsOut

    @classmethod
    def of(cls, said: SaidOf) -> "ReportedOut":
        ears: tuple[Literal["none", "monitor", "microphone"], ...] = ("none", "monitor", "microphone")
        return cls(
            at=rfc3339(said.heard_ms),
            model=said.model,
            firmware=said.firmware,
            version=said.version,
            generation=said.generation,
            faults=[fault.name.lower() for fault in Fault if said.faults & fault],
            ear=ears[said.ear],
            settings=SettingsOut.reported(said),
        )


class SecretsOut(BaseModel):
    """`rolling_until`: newer secrets were made; until then the older ones are taken too. `fetched`: the box has asked for them."""

    generation: int
    rolling_until: str | None
    fetched: bool
    revoked: bool


class CareOut(BaseModel):
    """Everything about one speaker: wanted against reported, and in what they differ (`drift`)."""

    id: str
    name: str
    area: str
    place: str
    exercise: bool
    note: str
    contacts: str
    revision: int
    presence: Literal["unknown", "online", "offline"]
    faults: list[str]
    wanted: SettingsOut
    reported: ReportedOut | None
    drift: list[str]
    secrets: SecretsOut


class CaresOut(BaseModel):
    """`models`, `firmwares`: of all that were asked for, how many of each; the empty name has not said."""

    items: list[CareOut]
    models: dict[str, int]
    firmwares: dict[str, int]
    drifting: int
    next: str | None


class BulkOut(BaseModel):
    """What became of each."""

    items: list[CareOut]


class TestOut(BaseModel):
    """`broadcasts`: of a tone, each with its ladder and proofs. `test`: a silent one; its list stands under /estate/morning."""

    kind: Literal["silent", "tone"]
    test: str | None
    broadcasts: list[str]


class FindingOut(BaseModel):
    speaker: str
    name: str
    area: str
    place: str
    why: list[str]
    drift: list[str]
    heard: str | None

    @classmethod
    def of(cls, one: Finding, *, name: str, place: str) -> "FindingOut":
        heard = rfc3339(one.heard_ms) if one.heard_ms else None
        return cls(
            speaker=one.speaker,
            name=name,
            area=one.area,
            place=place,
            why=list(one.why),
            drift=list(one.drift),
            heard=heard,
        )


class TownshipOut(BaseModel):
    area: str
    name: str
    asked: int
    passed: int
    failed: list[FindingOut]


class TestRunOut(BaseModel):
    """`by` empty: the hour began it."""

    id: str
    at: str
    ended: str
    by: str
    asked: int
    passed: int

    @classmethod
    def of(cls, one: SilentTest) -> "TestRunOut":
        return cls(
            id=one.id, at=rfc3339(one.at_ms), ended=rfc3339(one.ended_ms), by=one.by, asked=one.asked, passed=one.passed
        )


class MorningOut(BaseModel):
    """The list of the morning (晨检单): by township, those with failures first. `test` null: there was none yet."""

    test: TestRunOut | None
    running: bool
    townships: list[TownshipOut]
    tests: list[TestRunOut]


class RegisterIn(In):
    """Without an `id` it gets the next free one of its area, without a `name` that of its area."""

    area: AreaCode
    id: SpeakerId | None = None
    name: Annotated[str, Field(max_length=MAX_NAME)] = ""
    exercise: bool = False


class EnrolIn(In):
    """Either `speaker`, whose box is to be replaced, or `area` for a new one."""

    speaker: SpeakerId | None = None
    area: AreaCode | None = None
    name: Annotated[str, Field(max_length=MAX_NAME)] = ""
    exercise: bool = False
    valid_min: Annotated[int, Field(ge=SHORTEST_MIN, le=LONGEST_MIN)] = USUAL_MIN


class EnrolmentOut(BaseModel):
    """`foreign_tries`: so often it was tried with another box after it was used."""

    id: str
    speaker: str
    area: str
    place: str
    name: str
    exercise: bool
    replaces: bool
    by: str
    made: str
    until: str
    state: Literal["open", "used", "expired", "withdrawn"]
    used: str | None
    model: str
    firmware: str
    foreign_tries: int

    @classmethod
    def of(cls, one: Enrolment, *, place: str, now_ms: int) -> "EnrolmentOut":
        return cls(
            id=one.id,
            speaker=one.speaker,
            area=one.area,
            place=place,
            name=one.name,
            exercise=one.exercise,
            replaces=one.replaces,
            by=one.by,
            made=rfc3339(one.made_ms),
            until=rfc3339(one.until_ms),
            state=one.state(now_ms).value,
            used=rfc3339(one.used_ms) if one.used_ms else None,
            model=one.model,
            firmware=one.firmware,
            foreign_tries=one.foreign_tries,
        )


class EnrolmentsOut(BaseModel):
    items: list[EnrolmentOut]


class CodeOut(BaseModel):
    """A code, shown this once. `qr`: an SVG of what a scanner at the box reads. `keys`: to compare with what the box shows."""

    enrolment: EnrolmentOut
    code: str
    server: str
    keys: str
    qr: str


class RedeemIn(In):
    """See docs/wire.md §12."""

    code: Annotated[str, Field(min_length=1, max_length=40)]
    box: Box
    model: Label = ""
    firmware: Label = ""


class RenewIn(In):
    """See docs/wire.md §12."""

    speaker: SpeakerId
    box: Box
    proof: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class HandedOut(BaseModel):
    speaker: str
    sealed: str


class GroupIn(In):
    """Nobody is never all: `areas` and `speakers` must not both be empty."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_GROUP_NAME)]
    owner: AreaCode
    areas: Annotated[list[AreaCode], Field(max_length=1_024, default_factory=list)]
    speakers: Annotated[list[SpeakerId], Field(max_length=256, default_factory=list)]

    def group(self, name: str = "", revision: int = 1) -> Group:
        return Group(name, self.name.strip(), self.owner, tuple(self.areas), tuple(self.speakers), revision)


class GroupOut(BaseModel):
    id: str
    name: str
    owner: str
    place: str
    areas: list[str]
    speakers: list[str]
    revision: int

    @classmethod
    def of(cls, one: Group, *, place: str) -> "GroupOut":
        return cls(
            id=one.id,
            name=one.name,
            owner=one.owner,
            place=place,
            areas=list(one.areas),
            speakers=list(one.speakers),
            revision=one.revision,
        )


class GroupsOut(BaseModel):
    items: list[GroupOut]


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _quiet(from_min: int, until_min: int) -> QuietOut:
    return QuietOut(begins=_hhmm(from_min), ends=_hhmm(until_min))


def _hhmm(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _ms(instant: datetime | None) -> int:
    """Beyond what a calendar holds is beyond what we take: refused at its field."""
    if instant is None:
        return 0
    try:
        return max(1, int(instant.astimezone(UTC).timestamp() * 1000))
    except OverflowError:
        return MAX_MS if instant.year > 5_000 else 1
