"""How many minutes of routine a village hears in a day, against what it has been promised at most (每日播出时长). Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from broadcast.domain.audience import Audience, Place, Where
from broadcast.domain.clashes import Plan
from broadcast.domain.programmes import AreaPlan, plan_of
from broadcast.domain.quiet_spans import loud_spans
from endpoints.arbitration import DAY_MS, QuietHours

MINUTE_MS = 60_000
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class OverBudget:
    """With it, there is more routine on these days than the villages' budget (超出每日时长).

    :param planned_min: on the worst of the days.
    :param refused: ids of the programmes that may not begin any more, on one or the other day; none where the last one that
        begins within the budget goes beyond it.
    """

    budget_min: int
    planned_min: int
    days: tuple[date, ...]
    where: Where
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Excess:
    budget_min: int
    planned_min: int
    days: tuple[int, ...]
    refused: frozenset[int]


def over_budget(
    plan: Plan,
    groups: Mapping[tuple[int, ...], Sequence[Place]],
    audience: Audience,
    plans: Iterable[AreaPlan],
    *,
    about: int,
    quiet: QuietHours,
) -> tuple[OverBudget, ...]:
    """Where and when a programme takes villages over their budget, or sounds where they are over it.

    Counted is what sounds: of overlapping slots the time once, and nothing of the quiet hours. A day is the speaker's.

    :param groups: places by what is meant for them, all of which hear the programme.
    """
    by_area = {one.area: one for one in plans if one.budget_min}
    if not by_area:
        return ()
    found: dict[_Excess, list[Place]] = defaultdict(list)
    for meant, places in groups.items():
        for budget_min, same in _by_budget(places, by_area).items():
            excess = _excess(plan, meant, budget_min, about, quiet)
            if excess is not None:
                found[excess] += same
    return tuple(
        OverBudget(
            one.budget_min,
            one.planned_min,
            tuple(date.fromordinal(EPOCH_ORDINAL + day) for day in one.days),
            audience.where(places),
            tuple(sorted(plan.programmes[owner].id for owner in one.refused)),
        )
        for one, places in sorted(found.items(), key=lambda item: (-len(item[1]), item[0].days))
    )


def _by_budget(places: Sequence[Place], plans: dict[str, AreaPlan]) -> dict[int, list[Place]]:
    result: dict[int, list[Place]] = defaultdict(list)
    for place in places:
        if budget_min := plan_of(plans, place.area).budget_min:
            result[budget_min].append(place)
    return result


def _excess(plan: Plan, meant: Sequence[int], budget_min: int, about: int, quiet: QuietHours) -> _Excess | None:
    owners = [owner for owner in meant if owner < len(plan.programmes)]
    slots = [plan.slot(index) for owner in owners for index in plan.slots_of(owner)]
    if sum(slot.sounds_ms * len(slot.hours) for slot in slots) <= budget_min * MINUTE_MS:
        return None  # not even if all of them fell on one day
    local_ms = quiet.utc_offset_min * MINUTE_MS
    own_days = {(start + local_ms) // DAY_MS for slot in slots if slot.owner == about for start in slot.starts}
    by_day: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for slot in slots:
        for start in slot.starts:
            if (day := (start + local_ms) // DAY_MS) in own_days:
                by_day[day] += ((*span, slot.owner) for span in loud_spans(start, start + slot.sounds_ms, quiet))
    days, worst_ms, refused = [], 0, set[int]()
    for day, windows in sorted(by_day.items()):
        planned_ms, late = _of_a_day(sorted(windows), budget_min * MINUTE_MS)
        if planned_ms > budget_min * MINUTE_MS:
            days.append(day)
            worst_ms = max(worst_ms, planned_ms)
            refused |= late
    if not days:
        return None
    return _Excess(budget_min, -(-worst_ms // MINUTE_MS), tuple(days), frozenset(refused))


def _of_a_day(windows: Sequence[tuple[int, int, int]], budget_ms: int) -> tuple[int, set[int]]:
    """How long something would sound, and what may not begin any more. What has begun goes on (`endpoints.budget`)."""
    planned_ms, spent_ms, end_ms, refused = 0, 0, 0, set[int]()
    for from_ms, until_ms, owner in windows:
        more_ms = max(0, until_ms - max(from_ms, end_ms))
        planned_ms += more_ms
        end_ms = max(end_ms, until_ms)
        if spent_ms >= budget_ms:
            refused.add(owner)
        else:
            spent_ms += more_ms
    return planned_ms, refused
