"""Saved plans (预案) over the API: cards 1 to 9, their versions, who approved them; started live or as an exercise."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, Field

from broadcast.domain.approval_policy import Source
from broadcast.domain.broadcasts import MAX_AREAS
from broadcast.domain.drills import Run
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.domain.plans import MAX_NOTE, MAX_TITLE, Card, OwnPlan, Plan, PlanVersion, SavedPlanChanged, UnknownPlan
from broadcast.domain.rights import PRACTISING
from broadcast.domain.templates import MAX_ACTIONS, MAX_GAPS, MAX_PLACE, Filling
from broadcast.service.plans import Start
from broadcast.service.reach import place_of
from broadcast.service.wording import UnknownTemplate
from broadcast.web.broadcasts import STARTING, done_of
from broadcast.web.effects import EffectOut, effect_of
from broadcast.web.models import AreaCode, AssetHash, Done, In, NewBroadcast, SeverityWord
from broadcast.web.openapi import PREFIX, Api, Call
from broadcast.web.saved import broadcast_out
from broadcast.web.words import rfc3339
from endpoints.protocol import Severity

api = Api()

MAX_VALUE = 200
CHANGING: tuple[type[BroadcastError], ...] = (UnknownPlan, SavedPlanChanged, RoleNotGranted, AreaNotGranted)


class PlanFilling(In):
    """What stands in the gaps of the template. The times are filled in when it is started; without a place, the areas' names."""

    severity: SeverityWord = "unknown"
    place: Annotated[str, Field(max_length=MAX_PLACE)] = ""
    actions: Annotated[
        list[Annotated[int, Field(ge=0, lt=MAX_ACTIONS)]], Field(max_length=MAX_ACTIONS, default_factory=lambda: [0])
    ]
    values: Annotated[
        dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=MAX_VALUE)]],
        Field(max_length=MAX_GAPS, default_factory=dict),
    ]

    def filling(self) -> Filling:
        severity = Severity[self.severity.upper()]
        return Filling(severity, self.place, "", "", tuple(self.actions), dict(self.values))


class PlanIn(In):
    """A plan, told whole. With a `template` its words and kind are the template's, and `broadcast.text` stays empty."""

    title: Annotated[str, Field(max_length=MAX_TITLE)]
    hotkey: Annotated[int, Field(ge=0, le=9)] = 0
    note: Annotated[str, Field(max_length=MAX_NOTE)] = ""
    template: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")] | None = None
    filling: PlanFilling | None = None
    broadcast: NewBroadcast

    def plan(self) -> Plan:
        filling = _filling(self.filling) if self.template else None
        return Plan(
            id="",
            title=self.title.strip(),
            owner="",
            command=self.broadcast.command(),
            hotkey=self.hotkey,
            template=self.template or "",
            filling=filling,
            note=self.note,
        )


class StartIn(In):
    """How it is started. `areas`: a part of the plan's, empty for all; `heard`: the file of its effect that was listened to."""

    exercise: bool = False
    areas: Annotated[list[AreaCode], Field(max_length=MAX_AREAS, default_factory=list)]
    heard: AssetHash | None = None

    def how(self) -> Start:
        return Start(self.exercise, tuple(self.areas), bytes.fromhex(self.heard or ""))


class LastDrillOut(BaseModel):
    """The last drill that was held with it."""

    id: str
    held: str
    percent: int
    passed: bool

    @classmethod
    def of(cls, one: Run) -> "LastDrillOut":
        return cls(id=one.id, held=rfc3339(one.began_ms), percent=one.percent, passed=one.passed)


class PlanOut(BaseModel):
    """One version of a plan. `starts`: the revision that a press of its key would start, approved (`approved`) or not."""

    id: str
    revision: int
    title: str
    owner: str
    place: str
    hotkey: int
    note: str
    template: str | None
    filling: PlanFilling | None
    broadcast: NewBroadcast
    saved: str
    saved_by: str
    approved: bool
    approved_by: str
    approved_at: str | None
    retired: bool
    starts: int | None
    starts_approved: bool
    last_drill: LastDrillOut | None


class PlansOut(BaseModel):
    items: list[PlanOut]


class PlansQuery(In):
    """:param retired: those too that are not on the desk any more."""

    retired: bool = False


@api.get("/plans")
async def list_plans(call: Call, query: PlansQuery) -> PlansOut:
    """The plans of one's own place, of places in it and above it: by key, then by title."""
    found = call.services.plans.seen(call.officer, retired=query.retired)
    return PlansOut(items=[_out(call, one, one.newest) for one in found])


@api.post("/plans", status=201, errors=(RoleNotGranted, AreaNotGranted), verb=Verb.MANAGE_PLANS)
async def add_plan(call: Call, body: PlanIn) -> PlanOut:
    """Save a plan of one's own place. Nobody has approved it yet."""
    return _saved(call, await call.services.plans.add(body.plan(), by=call.officer))


@api.get("/plans/{plan}", errors=(UnknownPlan,))
async def get_plan(call: Call) -> PlanOut:
    """One plan in its newest version; the ETag is what If-Match names."""
    card = call.services.plans.get(call.path("plan"), by=call.officer)
    call.headers["ETag"] = f'"{card.newest.revision}"'
    return _out(call, card, card.newest)


@api.get("/plans/{plan}/history", errors=(UnknownPlan,))
async def plan_history(call: Call) -> PlansOut:
    """All its versions, oldest first."""
    card = call.services.plans.get(call.path("plan"), by=call.officer)
    return PlansOut(
        items=[_out(call, card, one) for one in await call.services.plans.history(card.id, by=call.officer)]
    )


@api.put("/plans/{plan}", versioned=True, errors=CHANGING, verb=Verb.MANAGE_PLANS)
async def change_plan(call: Call, body: PlanIn) -> PlanOut:
    """The next version; until somebody approves it, the approved one before is what is started."""
    plans = call.services.plans
    return _saved(call, await plans.change(call.path("plan"), body.plan(), by=call.officer, revision=call.revision))


@api.delete("/plans/{plan}", versioned=True, errors=CHANGING, verb=Verb.MANAGE_PLANS)
async def retire_plan(call: Call) -> PlanOut:
    """Take it off the desk (删除); its versions stay."""
    plans = call.services.plans
    return _saved(call, await plans.retire(call.path("plan"), by=call.officer, revision=call.revision))


@api.post("/plans/{plan}/approve", versioned=True, errors=(*CHANGING, OwnPlan), verb=Verb.APPROVE)
async def approve_plan(call: Call) -> PlanOut:
    """Agree to its newest version; not whoever wrote it. From now on that is what is started."""
    plans = call.services.plans
    return _saved(call, await plans.approve(call.path("plan"), by=call.officer, revision=call.revision))


@api.post(
    "/plans/{plan}/effect", errors=(UnknownPlan, UnknownTemplate, RoleNotGranted, AreaNotGranted), verb=PRACTISING
)
async def effect_of_plan(call: Call, body: StartIn) -> EffectOut:
    """What would happen if it were started now. Nothing is stored but a sound."""
    plans = call.services.plans
    version = plans.startable(plans.get(call.path("plan"), by=call.officer))
    command = plans.command_of(version, body.how(), by=call.officer)
    return await effect_of(call, command, source=Source.PLAN if version.is_approved else Source.TEXT)


@api.post(
    "/plans/{plan}/start", status=202, once=True, errors=(*STARTING, UnknownPlan, UnknownTemplate), verb=PRACTISING
)
async def start_plan(call: Call, body: StartIn) -> Done:
    """Start it, live or as an exercise: on its way when this answers, or waiting for a second person (`approval`)."""
    outcome = await call.services.plans.start(call.path("plan"), body.how(), by=call.officer, once=call.once)
    return done_of(call, outcome)


def _filling(given: PlanFilling | None) -> Filling:
    return Filling() if given is None else given.filling()


def _saved(call: Call, version: PlanVersion) -> PlanOut:
    name = version.plan.id
    call.headers["ETag"] = f'"{version.revision}"'
    call.headers["Location"] = f"{PREFIX}/plans/{name}"
    return _out(call, call.services.plans.get(name, by=call.officer), version)


def _out(call: Call, card: Card, one: PlanVersion) -> PlanOut:
    plan, filling = one.plan, one.plan.filling
    starts = None if card.newest.retired else card.approved or card.newest
    last = call.services.drills.last_of(plan.id)
    return PlanOut(
        id=plan.id,
        revision=one.revision,
        title=plan.title,
        owner=plan.owner,
        place=place_of(call.services.estate.tree, plan.owner),
        hotkey=plan.hotkey,
        note=plan.note,
        template=plan.template or None,
        filling=None if filling is None else _filling_out(filling),
        broadcast=broadcast_out(plan.command),
        saved=rfc3339(one.saved_at_ms),
        saved_by=one.saved_by,
        approved=one.is_approved,
        approved_by=one.approved_by,
        approved_at=rfc3339(one.approved_at_ms) if one.approved_at_ms else None,
        retired=one.retired,
        starts=starts.revision if starts else None,
        starts_approved=bool(starts and starts.is_approved),
        last_drill=None if last is None else LastDrillOut.of(last),
    )


def _filling_out(filling: Filling) -> PlanFilling:
    return PlanFilling.model_construct(
        severity=_WORDS[filling.severity],
        place=filling.place,
        actions=list(filling.actions),
        values=dict(filling.values),
    )


_WORDS: Mapping[Severity, SeverityWord] = {
    Severity.UNKNOWN: "unknown",
    Severity.RED: "red",
    Severity.ORANGE: "orange",
    Severity.YELLOW: "yellow",
    Severity.BLUE: "blue",
}
