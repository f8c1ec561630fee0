"""Tests of the estate (终端巡检): what a speaker is found to lack, silently at night or by a tone that somebody asks for. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from broadcast.domain.errors import BroadcastError
from broadcast.domain.speakers import COUNTY_RULE, Speaker
from endpoints.arbitration import QuietHours
from endpoints.area_codes import TOWNSHIP, padded, significant
from endpoints.protocol import Fault

ANSWER_WITHIN_MS = 90_000  # the setups of 12,000 speakers go out in seconds; who reconnects just then needs a minute
LATE_HOURS = 3  # a server that was off at the hour of the test makes up for it so long


class UnknownTest(BroadcastError):
    """There is no such test."""

    def __init__(self, test: str) -> None:
        self.test = test
        super().__init__(f"there is no test {test}")


class Found(StrEnum):
    """What can be wrong with a speaker, beside the faults that it says itself (`sound`, `amplifier`, …)."""

    NO_ANSWER = "no-answer"  # it is connected and does not answer
    OFFLINE = "offline"
    CANNOT_SAY = "cannot-say"  # its program knows no silent test: what it says in heartbeats is all there is
    DRIFT = "drift"  # it goes by other settings than it should
    OLD_BOARDS = "old-boards"
    KEY_ROLL = "key-roll"  # newer secrets were made and it has not fetched them
    REVOKED = "revoked"  # no box stands for this speaker


@dataclass(frozen=True, slots=True)
class SaidOf:
    """What a speaker said of itself last, with when that was taken in.

    :param boot, check_ms: see `endpoints.setup.About`.
    """

    speaker: str
    heard_ms: int
    boot: int
    model: str
    firmware: str
    version: int
    check_ms: int
    volume_percent: int
    ceiling_percent: int
    floor_percent: int
    quiet_from_min: int
    quiet_until_min: int
    muted_until_ms: int
    generation: int
    faults: int
    ear: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One speaker that failed, and why.

    :param why: `Found` values and names of faults; the gravest first.
    :param drift: settings in which it differs, of which each is a field of `Speaker`.
    :param heard_ms: when it was last heard of at all; 0: never by this server.
    """

    speaker: str
    area: str
    why: tuple[str, ...]
    drift: tuple[str, ...] = ()
    heard_ms: int = 0


@dataclass(frozen=True, slots=True)
class SilentTest:
    """One silent test: who was asked, who passed.

    :param by: who asked for it; empty: the hour did.
    :param townships: of each township (or county, for what stands there itself) how many were asked and how many passed.
    """

    id: str
    at_ms: int
    ended_ms: int
    by: str
    townships: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def asked(self) -> int:
        return sum(asked for asked, _ in self.townships.values())

    @property
    def passed(self) -> int:
        return sum(passed for _, passed in self.townships.values())


def quiet_of(speaker: Speaker, county: QuietHours) -> tuple[int, int]:
    """From and until, minutes after local midnight, as they are to be there."""
    own = speaker.quiet_from_min, speaker.quiet_until_min
    return (county.from_min, county.until_min) if own == COUNTY_RULE else own


def drift_of(speaker: Speaker, said: SaidOf, county: QuietHours, *, now_ms: int) -> tuple[str, ...]:
    """The settings in which a speaker differs from what is wanted of it. A mute that is over is none."""
    names = ["volume_percent", "ceiling_percent", "floor_percent"]
    odd = [name for name in names if getattr(speaker, name) != getattr(said, name)]
    if (said.quiet_from_min, said.quiet_until_min) != quiet_of(speaker, county):
        odd.append("quiet")
    wanted_ms, said_ms = (ms if ms > now_ms else 0 for ms in (speaker.muted_until_ms, said.muted_until_ms))
    if wanted_ms != said_ms:
        odd.append("muted_until")
    if said.generation not in speaker.generations(now_ms):
        odd.append("generation")
    return tuple(odd)


def judged(
    speaker: Speaker,
    said: SaidOf | None,
    *,
    check_ms: int,
    online: bool,
    faults: int,
    boards_whole: bool,
    heard_ms: int,
    county: QuietHours,
    now_ms: int,
) -> Finding | None:
    """What a silent test found, or None: it passed.

    :param check_ms: of the test; the answer names it.
    :param online, faults, boards_whole, heard_ms: by its heartbeats.
    """
    why: list[str] = []
    drift: tuple[str, ...] = ()
    answered = said is not None and said.check_ms == check_ms
    if speaker.revoked:
        why.append(Found.REVOKED)
    elif not online:
        why.append(Found.OFFLINE)
    elif said is None:
        why.append(Found.CANNOT_SAY)
    elif not answered:
        why.append(Found.NO_ANSWER)
    if online and not speaker.revoked:
        bits = faults | (said.faults if said is not None and answered else 0)
        why += [fault.name.lower() for fault in Fault if bits & fault]
        if not boards_whole:
            why.append(Found.OLD_BOARDS)
        if said is not None:
            drift = drift_of(speaker, said, county, now_ms=now_ms)
            why += [Found.DRIFT] if drift else []
    if not speaker.revoked and (speaker.is_rolling(now_ms) or not speaker.handed_out):
        why.append(Found.KEY_ROLL)
    return Finding(speaker.id, speaker.area, tuple(why), drift, heard_ms) if why else None


def township_of(area: str) -> str:
    """The code of the township that an area lies in; of the county's own speakers, the county's."""
    return padded(significant(area)[:TOWNSHIP])


def tally(speakers: Iterable[Speaker], findings: Sequence[Finding]) -> dict[str, tuple[int, int]]:
    """Of each township how many were asked and how many passed."""
    failed = {one.speaker for one in findings}
    counts: dict[str, tuple[int, int]] = {}
    for one in speakers:
        where = township_of(one.area)
        asked, passed = counts.get(where, (0, 0))
        counts[where] = asked + 1, passed + (one.id not in failed)
    return counts


def is_due(now_ms: int, *, at_min: int, utc_offset_min: int, last_ms: int) -> bool:
    """Whether the nightly test should begin now: its minute of the local day has come, not long ago, and none has begun since."""
    minute_ms = 60_000
    local = now_ms // minute_ms + utc_offset_min
    begins = local // 1_440 * 1_440 + at_min
    if begins > local:
        begins -= 1_440
    begins_ms = (begins - utc_offset_min) * minute_ms
    return begins_ms <= now_ms < begins_ms + LATE_HOURS * 3_600_000 and last_ms < begins_ms
