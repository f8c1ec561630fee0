"""How far apart the speakers of one broadcast began (起播偏差), by their own reports. Pure.

A speaker reports when its first sample leaves the loudspeaker, in milliseconds of the server's time as it knows it. So a figure
is right to a millisecond and to what that speaker's clock may be wrong by; the proof is what a microphone hears.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

JOINED_LATER_MS = 2_000  # such a one did not begin with the others: it was off, or its file was on its way


@dataclass(frozen=True, slots=True)
class Start:
    """When one speaker began.

    :param off_ms: after the instant at which all were to begin; negative before it.
    :param time_error_us: how wrong its clock can be, as it said last; 0: it has not said.
    """

    speaker: str
    village: str
    off_ms: int
    time_error_us: int = 0


@dataclass(frozen=True, slots=True)
class Spread:
    """Between the first and the last of so many speakers in one village: neighbours that hear each other."""

    village: str
    speakers: int
    spread_ms: int


@dataclass(frozen=True, slots=True)
class Skew:
    """Of those that began within JOINED_LATER_MS of the instant.

    :param planned: the instant lay ahead when the order was given, so it is what they aimed at. An emergency waits for no instant:
        each begins as soon as it hears of it, in the middle of what its neighbours sound.
    :param p50_ms, p99_ms, max_ms: how far from the instant, before or after.
    :param spread_ms: between the first and the last of all.
    :param villages: those with more than one speaker, the widest apart first.
    :param time_error_us: the worst clock among those that said how wrong theirs can be; None: no one has.
    """

    planned: bool
    speakers: int
    joined_later: int
    p50_ms: int
    p99_ms: int
    max_ms: int
    spread_ms: int
    villages: tuple[Spread, ...]
    time_error_us: int | None


def skew_of(starts: Iterable[Start], *, planned: bool) -> Skew | None:
    """None while nobody has begun in time."""
    starts = list(starts)
    together = [one for one in starts if abs(one.off_ms) <= JOINED_LATER_MS]
    if not together:
        return None
    by_village: dict[str, list[int]] = {}
    for one in together:
        by_village.setdefault(one.village, []).append(one.off_ms)
    villages = [Spread(code, len(off), max(off) - min(off)) for code, off in by_village.items() if len(off) > 1]
    off_ms = [one.off_ms for one in together]
    far_ms = sorted(map(abs, off_ms))
    return Skew(
        planned=planned,
        speakers=len(together),
        joined_later=len(starts) - len(together),
        p50_ms=percentile(far_ms, 50),
        p99_ms=percentile(far_ms, 99),
        max_ms=far_ms[-1],
        spread_ms=max(off_ms) - min(off_ms),
        villages=tuple(sorted(villages, key=lambda one: (-one.spread_ms, one.village))),
        time_error_us=max((one.time_error_us for one in together if one.time_error_us), default=None),
    )


def percentile(ordered: list[int], percent: int) -> int:
    """The smallest of the sorted values that is not exceeded by so many percent of them."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]
