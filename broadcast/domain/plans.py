"""Saved plans (预案): what would be said where, written and approved in quiet hours, started with one key. Pure.

A version is never changed. What is started is the newest *approved* one, as it is: then no second person is needed in the night.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from broadcast.domain.broadcasts import Fault, StartBroadcast
from broadcast.domain.errors import BroadcastError, Overtaken
from broadcast.domain.templates import Filling
from endpoints.area_codes import covers

MAX_TITLE, MAX_NOTE = 40, 400
HOTKEYS = range(1, 10)
MAX_PLANS = 200


class UnknownPlan(BroadcastError):
    """There is no such plan, or none that this officer may see."""

    def __init__(self, plan: str) -> None:
        self.plan = plan
        super().__init__(f"there is no plan {plan}")


class SavedPlanChanged(Overtaken):
    """Somebody has saved the plan since it was read."""

    def __init__(self, plan: str, revision: int, by: str = "", at_ms: int = 0) -> None:
        self.plan = plan
        super().__init__(f"plan {plan} has been changed", revision, by, at_ms)


class OwnPlan(BroadcastError):
    """Who wrote a plan does not approve it."""

    def __init__(self, plan: str, officer: str) -> None:
        self.plan, self.officer = plan, officer
        super().__init__(f"{officer} has written plan {plan}; somebody else approves it")


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan (预案).

    :param owner: the area whose duty wrote it; who acts there or above may change it.
    :param hotkey: 1 to 9 on the desk of the owner's area; 0: none.
    :param command: everything but, of a plan with a template, the words and the kind. Never an exercise by itself.
    :param template: whose words it has, or empty: those of the command.
    :param filling: what stands in the template's gaps; the times are filled when it is started.
    """

    id: str
    title: str
    owner: str
    command: StartBroadcast
    hotkey: int = 0
    template: str = ""
    filling: Filling | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """One version of a plan; approved or not, it stays as it is."""

    plan: Plan
    revision: int
    saved_at_ms: int
    saved_by: str
    approved_at_ms: int = 0
    approved_by: str = ""
    retired: bool = False

    @property
    def is_approved(self) -> bool:
        return bool(self.approved_by)


@dataclass(frozen=True, slots=True)
class Card:
    """What the desk shows of a plan: its newest version, and the one that would be started."""

    newest: PlanVersion
    approved: PlanVersion | None = None

    @property
    def id(self) -> str:
        return self.newest.plan.id


def cards(versions: Iterable[PlanVersion]) -> dict[str, Card]:
    """By id. A plan whose newest version is retired has nothing to be started."""
    by_plan: dict[str, list[PlanVersion]] = {}
    for one in versions:
        by_plan.setdefault(one.plan.id, []).append(one)
    found = {}
    for name, known in by_plan.items():
        known.sort(key=lambda one: one.revision)
        approved = [one for one in known if one.is_approved]
        found[name] = Card(known[-1], approved[-1] if approved and not known[-1].retired else None)
    return found


def approved(version: PlanVersion, *, by: str, at_ms: int) -> PlanVersion:
    """:raises OwnPlan: it is by its own writer. What is approved already stays so."""
    if by == version.saved_by:
        raise OwnPlan(version.plan.id, by)
    return version if version.is_approved else replace(version, approved_by=by, approved_at_ms=at_ms)


def plan_faults(plan: Plan, others: Iterable[Plan]) -> list[Fault]:
    """What is wrong with a plan beside its command, which is checked as one that would be sent."""
    faults = []
    if not plan.title.strip():
        faults.append(Fault("title", "missing"))
    for name, value, most in (("title", plan.title, MAX_TITLE), ("note", plan.note, MAX_NOTE)):
        if len(value) > most:
            faults.append(Fault(name, "too-long", (("most", str(most)), ("length", str(len(value))))))
        if any(ord(char) < 32 and char not in "\n\t\r" for char in value):
            faults.append(Fault(name, "control-characters"))
    if plan.hotkey and plan.hotkey not in HOTKEYS:
        faults.append(Fault("hotkey", "out-of-range", (("low", "1"), ("high", "9"))))
    taken = next((one for one in others if plan.hotkey and one.hotkey == plan.hotkey and one.owner == plan.owner), None)
    if taken is not None and taken.id != plan.id:
        faults.append(Fault("hotkey", "hotkey-taken", (("plan", taken.title),)))
    command = plan.command
    if command.not_before_ms is not None or command.not_after_ms is not None:
        faults.append(Fault("broadcast.not_before", "not-in-a-plan"))
    if command.exercise:
        faults.append(Fault("broadcast.exercise", "not-in-a-plan"))
    if plan.template and (command.text or command.asset):
        faults.append(Fault("broadcast.text", "words-of-the-template"))
    return faults


def narrowed(plan: Plan, areas: Sequence[str]) -> Plan:
    """For a part of its areas; `lies_inside` says whether it is one."""
    return replace(plan, command=replace(plan.command, areas=tuple(areas), speakers=())) if areas else plan


def lies_inside(areas: Iterable[str], plan: Plan) -> bool:
    """Whether these areas are a part of the plan's: only then it is still what was approved."""
    return all(any(covers(one, area) for one in plan.command.areas) for area in areas)
