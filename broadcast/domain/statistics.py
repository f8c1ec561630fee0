"""Figures of a month (月度统计): online rate, time to nine of ten, failures by cause, drills. Pure.

The online rate counts what was observed: time in which the server was down, or cut off from its broker, is in neither half of it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from broadcast.domain.drills import Run
from broadcast.domain.report import time_to
from endpoints.delivery import State
from endpoints.protocol import Reason

FAILURES = frozenset(
    {State.REFUSED, State.MISSED, State.FAILED, State.UNREACHED, State.UNFINISHED, State.EXPECTED, State.RECEIVED}
)  # of a broadcast that is over


class SpeakerDay(NamedTuple):
    """One speaker on one day of Beijing.

    :param day: `2026-11-23`.
    :param known_s: so long it was known whether it is there; `online_s`: and it was.
    """

    day: str
    speaker: str
    known_s: int
    online_s: int


class Observed(NamedTuple):
    """Likewise, of many speakers together; `name` is a day or the code of a township."""

    name: str
    known_s: int
    online_s: int

    @property
    def percent(self) -> float | None:
        """None: nothing was observed."""
        return round(100 * self.online_s / self.known_s, 2) if self.known_s else None


class Standing(NamedTuple):
    """How one broadcast ended at one speaker."""

    order: str
    speaker: str
    state: State
    reason: Reason
    started_ms: int


@dataclass(frozen=True, slots=True)
class Reached:
    """One broadcast of an officer.

    :param ninety_ms: from its start until nine of ten had begun; None: never.
    """

    broadcast: str
    headline: str
    at_ms: int
    exercise: bool
    meant: int
    began: int
    ninety_ms: int | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """
    :param failures: speakers × broadcasts by state and reason, the most first; exercises are not among them.
    """

    total: Observed
    days: Sequence[Observed]
    townships: Sequence[Observed]
    broadcasts: Sequence[Reached]
    failures: Sequence[tuple[State, Reason, int]]
    drills: Sequence[Run]


def reached(broadcast: str, headline: str, at_ms: int, exercise: bool, rows: Sequence[Standing]) -> Reached:
    """What became of one broadcast."""
    starts = sorted(row.started_ms for row in rows if row.started_ms)
    return Reached(broadcast, headline, at_ms, exercise, len(rows), len(starts), time_to(90, starts, len(rows), at_ms))


def failures_of(rows: Iterable[Standing]) -> list[tuple[State, Reason, int]]:
    """By cause, the most first."""
    counted = Counter((row.state, row.reason) for row in rows if row.state in FAILURES)
    return [(state, reason, count) for (state, reason), count in counted.most_common()]


def together(named: Iterable[tuple[str, SpeakerDay]]) -> list[Observed]:
    """Summed by name, in order of name."""
    sums: dict[str, tuple[int, int]] = {}
    for name, row in named:
        known, online = sums.get(name, (0, 0))
        sums[name] = known + row.known_s, online + row.online_s
    return [Observed(name, *sums[name]) for name in sorted(sums)]
