"""What a new or changed programme does to the plan, shown before it is saved (冲突预览). Pure.

Who wins is not decided here: each contended span is played through with `endpoints.arbitration.choose`, as a speaker does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from broadcast.domain.areas import AreaTree
from broadcast.domain.calendar import Calendar
from broadcast.domain.programmes import AreaPlan, Content, Programme
from endpoints.arbitration import QuietHours
from endpoints.protocol import Order, OrderRule

USUAL_QUIET_HOURS = QuietHours()


class Cause(StrEnum):
    """Why the one wins over the other: the first part of the key to the air in which they differ."""

    BAND = "band"
    SEVERITY = "severity"
    LEVEL = "level"
    HARD_TIME = "hard-time"  # equal, and it takes the air at its hard time
    BEGAN_FIRST = "began-first"  # equal, and the other waits until it has finished
    NEWEST = "newest"  # equal emergencies
    ID = "id"  # equal in everything; some order there must be


class Effect(StrEnum):
    """What becomes of the loser."""

    DELAYED = "delayed"
    INTERRUPTED = "interrupted"  # it gets the air back
    CUT_SHORT = "cut-short"  # it does not
    LOST = "lost"  # it never sounds


@dataclass(frozen=True, slots=True)
class When:
    """The same span of wall time on several days.

    :param begins, ends: HH:MM:SS in the zone of the new programme; an end before the beginning lies on the next day.
    :param days: on which it begins, in order.
    """

    begins: str
    ends: str
    days: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Where:
    """The same for many villages, told by as few names as will do.

    :param areas: codes; one whose villages are all affected stands for them.
    :param villages: how many of them in all.
    :param speakers: single speakers, beside the areas.
    """

    areas: tuple[str, ...]
    villages: int
    speakers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """One side of a clash.

    :param programmes: ids; several where the same happens to the own programme of many villages.
    :param order: instead, the id of a broadcast that is live.
    """

    programmes: tuple[str, ...]
    order: str = ""


@dataclass(frozen=True, slots=True)
class Clash:
    """Two want the air.

    :param facts: of the cause, what each side has: band, severity, level by name, or the time since which it is on.
    """

    winner: Claim
    loser: Claim
    cause: Cause
    facts: tuple[tuple[str, str], ...]
    effect: Effect
    when: When
    where: Where


@dataclass(frozen=True, slots=True)
class InQuietHours:
    """A part of its slot in which no speaker sounds routine."""

    when: When


@dataclass(frozen=True, slots=True)
class OverBudget:
    """With it, there is more routine on these days than the villages' budget; what comes last in the day is refused.

    :param planned_min: on the worst of the days.
    :param refused: ids of the programmes that would fall silent.
    """

    budget_min: int
    planned_min: int
    days: tuple[date, ...]
    where: Where
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overrun:
    """Its sound is longer than its slot: cut, faded, or going on after it, by its end policy."""

    slot_ms: int
    sound_ms: int


@dataclass(frozen=True, slots=True)
class Preview:
    """All that an officer should see before saving.

    :param count: occurrences in the span looked at.
    :param villages: how many it means.
    :param unannounced: years of the span whose holidays nobody has announced, when its day rule needs them.
    """

    count: int
    villages: int
    clashes: tuple[Clash, ...] = ()
    quiet: tuple[InQuietHours, ...] = ()
    over_budget: tuple[OverBudget, ...] = ()
    overrun: Overrun | None = None
    unannounced: tuple[int, ...] = ()


def preview(
    programme: Programme,
    others: Iterable[Programme],
    *,
    tree: AreaTree,
    calendar: Calendar,
    from_ms: int,
    until_ms: int,
    contents: Mapping[str, Content] | None = None,
    plans: Iterable[AreaPlan] = (),
    live: Iterable[Order] = (),
    speakers: Mapping[str, str] | None = None,
    quiet: QuietHours = USUAL_QUIET_HOURS,
    rule: OrderRule = OrderRule.SEVERITY_FIRST,
) -> Preview:
    """What the programme, new or changed, meets in from ≤ start < until.

    :param others: the plan; an older revision of the same programme in it is left out.
    :param contents: what sources have become, by programme id; without one, a programme fills its slot.
    :param live: broadcasts on the boards.
    :param speakers: area by id of every speaker that a programme names by itself.
    :param quiet, rule: as at the speakers.
    """
    raise NotImplementedError
