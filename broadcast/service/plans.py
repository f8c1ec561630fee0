"""Saved plans (预案): written, approved, started. What is started is the approved version as it is, live or as an exercise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.approval_policy import Source
from broadcast.domain.broadcasts import Fault, InvalidRequest, StartBroadcast, check, check_targets, day_of
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.plans import (
    MAX_PLANS,
    Card,
    Plan,
    PlanVersion,
    SavedPlanChanged,
    UnknownPlan,
    approved,
    cards,
    lies_inside,
    narrowed,
    plan_faults,
)
from broadcast.domain.rights import may
from broadcast.service.approvals import Approvals
from broadcast.service.estate import Estate
from broadcast.service.once import OnceKey
from broadcast.service.outcomes import Outcome
from broadcast.service.ports import ActRow, Sounds, Store, Tx
from broadcast.service.wording import UnknownTemplate, When, Wording, place_fault
from endpoints.area_codes import covers


@dataclass(frozen=True, slots=True)
class Start:
    """How a plan is to be started.

    :param areas: a part of the plan's; empty: all of them.
    :param heard: the file that was listened to; another one is not sent.
    """

    exercise: bool = False
    areas: tuple[str, ...] = ()
    heard: bytes = b""


class Plans:
    """The plans of this installation."""

    def __init__(
        self, *, clock: Clock, store: Store, estate: Estate, approvals: Approvals, wording: Wording, sounds: Sounds
    ) -> None:
        self._clock, self._store, self._estate = clock, store, estate
        self._approvals, self._wording, self._sounds = approvals, wording, sounds
        self._cards: dict[str, Card] = {}

    async def load(self) -> None:
        """Read all of them; asked for on every press of a key, they stay in memory."""
        self._cards = cards(await self._store.read(lambda tx: tx.plans.all()))

    # ---- looking --------------------------------------------------------------------------------------------------------

    def seen(self, by: Officer, *, retired: bool = False) -> list[Card]:
        """Those of the officer's own place, of places in it and above it: by key, then by title."""
        found = [one for one in self._cards.values() if self._sees(one, by) and (retired or not one.newest.retired)]
        return sorted(found, key=lambda one: (one.newest.plan.hotkey or 10, one.newest.plan.title, one.id))

    def get(self, plan: str, *, by: Officer) -> Card:
        """:raises UnknownPlan: there is none, or none for this officer's eyes."""
        card = self._cards.get(plan)
        if card is None or not self._sees(card, by):
            raise UnknownPlan(plan)
        return card

    async def history(self, plan: str, *, by: Officer) -> Sequence[PlanVersion]:
        """All its versions, oldest first."""
        self.get(plan, by=by)
        return await self._store.read(lambda tx: tx.plans.of(plan))

    def command_of(self, version: PlanVersion, how: Start, *, by: Officer) -> StartBroadcast:
        """What it would send if it were started now: the times of a template are filled in with now and its end.

        :raises InvalidRequest, UnknownTemplate: the areas are no part of the plan's, or the words can't be made any more.
        """
        if not lies_inside(how.areas, version.plan):
            raise InvalidRequest([Fault("areas", "not-in-plan")])
        plan = narrowed(version.plan, how.areas)
        command = replace(plan.command, exercise=how.exercise, heard=how.heard)
        if not plan.template or plan.filling is None:
            return replace(command, headline=command.headline or plan.title)
        now_ms = self._clock.now_ms()
        when = When(now_ms, now_ms + command.minutes * 60_000)
        filling = plan.filling
        if how.areas and place_fault(self._estate.tree, filling.place, command.areas):
            filling = replace(filling, place="")  # it lies in a part that is left out: say what is chosen
        worded = self._wording.word(plan.template, filling, when, areas=command.areas, by=by)
        severity = plan.filling.severity
        return self._wording.command_of(plan.template, worded, replace(command, severity=severity))

    # ---- writing --------------------------------------------------------------------------------------------------------

    async def add(self, draft: Plan, *, by: Officer) -> PlanVersion:
        """A new plan; nobody has approved it. :raises InvalidRequest, RoleNotGranted, AreaNotGranted: nothing was stored."""
        plan = replace(draft, id=str(ULID()), owner=by.area)
        self._must_be_right(plan, by)
        if sum(not one.newest.retired for one in self._cards.values()) >= MAX_PLANS:
            raise InvalidRequest([Fault("title", "too-many", (("most", str(MAX_PLANS)),))])
        return await self._save(PlanVersion(plan, 1, self._clock.now_ms(), by.name), by=by, verb="add plan")

    async def change(self, name: str, draft: Plan, *, by: Officer, revision: int) -> PlanVersion:
        """The next version; until somebody approves it, the approved one before is what is started.

        :raises UnknownPlan, SavedPlanChanged, InvalidRequest, RoleNotGranted, AreaNotGranted: nothing was stored.
        """
        was = self._to_change(name, by, revision)
        plan = replace(draft, id=name, owner=was.plan.owner)
        self._must_be_right(plan, by)
        return await self._save(
            PlanVersion(plan, revision + 1, self._clock.now_ms(), by.name), by=by, verb="change plan"
        )

    async def retire(self, name: str, *, by: Officer, revision: int) -> PlanVersion:
        """Take it off the desk (删除); its versions stay."""
        was = self._to_change(name, by, revision)
        plan = replace(was.plan, hotkey=0)
        version = PlanVersion(plan, revision + 1, self._clock.now_ms(), by.name, retired=True)
        return await self._save(version, by=by, verb="retire plan")

    async def approve(self, name: str, *, by: Officer, revision: int) -> PlanVersion:
        """Somebody else than its writer agrees to this version, which is the newest.

        :raises OwnPlan, UnknownPlan, SavedPlanChanged, RoleNotGranted, AreaNotGranted: nothing was stored.
        """
        was = self._newest(name, by, revision)
        now_ms = self._clock.now_ms()
        may(by, Verb.APPROVE, areas=self._areas(was.plan), exercise=None, now_ms=now_ms)
        version = approved(was, by=by.name, at_ms=now_ms)

        def work(tx: Tx) -> None:
            _must_be_newest(tx, name, revision)
            tx.plans.approve(version)
            tx.acts.add(ActRow(now_ms, by.name, "approve plan", name, f"{version.plan.title} {revision}"))

        await self._store.write(work)
        await self.load()
        return version

    # ---- starting -------------------------------------------------------------------------------------------------------

    async def start(self, name: str, how: Start, *, by: Officer, once: OnceKey | None = None) -> Outcome:
        """Start its approved version; without one, its newest, which is words like any others.

        :raises: as `Approvals.submit`; UnknownPlan, UnknownTemplate.
        """
        version = self.startable(self.get(name, by=by))
        command = self.command_of(version, how, by=by)
        source = Source.PLAN if version.is_approved else Source.TEXT
        return await self._approvals.submit(command, by=by, once=once, source=source, plan=name)

    def startable(self, card: Card) -> PlanVersion:
        """:raises UnknownPlan: it is retired."""
        if card.newest.retired:
            raise UnknownPlan(card.id)
        return card.approved or card.newest

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _sees(self, card: Card, by: Officer) -> bool:
        owner = card.newest.plan.owner
        return covers(by.area, owner) or covers(owner, by.area)

    def _areas(self, plan: Plan) -> list[str]:
        single = [self._estate.speaker(one).area for one in plan.command.speakers if one in self._estate]
        return [plan.owner, *plan.command.areas, *single]

    def _newest(self, name: str, by: Officer, revision: int) -> PlanVersion:
        newest = self.get(name, by=by).newest
        if newest.revision != revision:
            raise _overtaken(newest)
        if newest.retired:
            raise UnknownPlan(name)
        return newest

    def _to_change(self, name: str, by: Officer, revision: int) -> PlanVersion:
        was = self._newest(name, by, revision)
        may(by, Verb.MANAGE_PLANS, areas=[was.plan.owner], exercise=None, now_ms=self._clock.now_ms())
        return was

    def _must_be_right(self, plan: Plan, by: Officer) -> None:
        """:raises InvalidRequest: with every fault of the plan, of its words and of what it would send."""
        now_ms = self._clock.now_ms()
        may(by, Verb.MANAGE_PLANS, exercise=None, now_ms=now_ms)
        others = [one.newest.plan for one in self._cards.values() if not one.newest.retired]
        faults = plan_faults(plan, others)
        targets = check_targets(plan.command, self._estate.tree, self._estate.speakers.keys(), day_of(now_ms))
        faults += [_inside_broadcast(one) for one in targets]
        if not faults:
            command = plan.command
            try:
                command = self.command_of(PlanVersion(plan, 1, now_ms, by.name), Start(), by=by)
            except InvalidRequest as err:
                raise InvalidRequest([_inside_filling(one) for one in err.errors]) from None
            except UnknownTemplate:
                raise InvalidRequest([Fault("template", "unknown-template")]) from None
            wrong = check(command, self._estate.tree, self._estate.speakers.keys(), now_ms=now_ms)
            faults = [_inside_broadcast(one) for one in wrong]
            for field, asset in (("asset", command.asset), ("bed", command.bed.asset if command.bed else b"")):
                if asset and (code := self._sounds.fault(asset)):
                    faults.append(_inside_broadcast(Fault(field, code, (("asset", asset.hex()),))))
        if faults:
            raise InvalidRequest(faults)
        may(by, Verb.MANAGE_PLANS, areas=self._areas(plan), exercise=None, now_ms=now_ms)

    async def _save(self, version: PlanVersion, *, by: Officer, verb: str) -> PlanVersion:
        name = version.plan.id

        def work(tx: Tx) -> None:
            if version.revision > 1:
                _must_be_newest(tx, name, version.revision - 1)
            tx.plans.add(version)
            said = f"{version.plan.title} {version.revision}"
            tx.acts.add(ActRow(version.saved_at_ms, by.name, verb, name, said))

        await self._store.write(work)
        await self.load()
        return version


def _must_be_newest(tx: Tx, plan: str, revision: int) -> None:
    known = tx.plans.of(plan)
    if not known:
        raise SavedPlanChanged(plan, 0)
    if known[-1].revision != revision:
        raise _overtaken(known[-1])


def _overtaken(newest: PlanVersion) -> SavedPlanChanged:
    return SavedPlanChanged(newest.plan.id, newest.revision, newest.saved_by, newest.saved_at_ms)


def _inside_broadcast(fault: Fault) -> Fault:
    """What is wrong with the broadcast of a plan, as the plan's form has it."""
    return replace(fault, field=f"broadcast.{fault.field}")


def _inside_filling(found: dict[str, str]) -> Fault:
    """A gap's fault at the field of the plan in which it stands."""
    facts = tuple((name, value) for name, value in found.items() if name not in ("field", "code"))
    return Fault(f"filling.{found['field']}", found["code"], facts)
