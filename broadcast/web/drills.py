"""Drills (演练) over the API: hold one, acknowledge it, read the points of every township."""

from typing import Annotated

from pydantic import BaseModel, Field

from broadcast.domain.approval import ApprovalNeeded
from broadcast.domain.broadcasts import MAX_AREAS
from broadcast.domain.drills import MAX_TITLE, WAIT_S, DrillOver, DrillReachesNobody, Run, Score, Script, UnknownDrill
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.domain.plans import UnknownPlan
from broadcast.service.reach import place_of
from broadcast.service.wording import UnknownTemplate
from broadcast.web.broadcasts import STARTING
from broadcast.web.models import AreaCode, In
from broadcast.web.openapi import PREFIX, Api, Call
from broadcast.web.words import rfc3339

api = Api()

Wait = Annotated[int, Field(ge=WAIT_S[0], le=WAIT_S[-1])]


class DrillIn(In):
    """The script: which plan goes out as an exercise, and what has to come back by when. `areas`: a part of the plan's."""

    title: Annotated[str, Field(max_length=MAX_TITLE)]
    plan: Annotated[str, Field(pattern=r"^[0-9A-Z]{26}$")]
    areas: Annotated[list[AreaCode], Field(max_length=MAX_AREAS, default_factory=list)]
    started_within_s: Wait = 30
    acknowledged_within_s: Wait = 300
    least_percent: Annotated[int, Field(ge=0, le=100)] = 80

    def script(self) -> Script:
        return Script(
            self.title.strip(),
            self.plan,
            tuple(self.areas),
            self.started_within_s,
            self.acknowledged_within_s,
            self.least_percent,
        )


class ScoreOut(BaseModel):
    """One township: so many of how many. `acknowledged` null: no officer there; `proved` null: no speaker has an ear."""

    township: str
    place: str
    speakers: int
    online: int
    started: int
    acknowledged: bool | None
    proved: int | None
    ears: int
    points: int


class AcknowledgedOut(BaseModel):
    officer: str
    area: str
    at: str


class DrillOut(BaseModel):
    """One drill; `scores` are empty while it runs."""

    id: str
    title: str
    plan: str
    areas: list[str]
    started_within_s: int
    acknowledged_within_s: int
    least_percent: int
    broadcast: str
    by: str
    began: str
    ends: str
    ended: str | None
    acknowledged: list[AcknowledgedOut]
    scores: list[ScoreOut]
    percent: int | None
    passed: bool | None


class DrillPage(BaseModel):
    items: list[DrillOut]
    next: str | None


class DrillsQuery(In):
    before: Annotated[str, Field(pattern=r"^[0-9A-Z]{26}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


@api.get("/drills", errors=(RoleNotGranted,))
async def list_drills(call: Call, query: DrillsQuery) -> DrillPage:
    """Drills that concern one's own place, newest first."""
    found, after = await call.services.drills.page(by=call.officer, before=query.before, limit=query.limit)
    return DrillPage(items=[_out(call, one) for one in found], next=after)


@api.post(
    "/drills",
    status=202,
    once=True,
    errors=(*STARTING, UnknownPlan, UnknownTemplate, DrillReachesNobody, ApprovalNeeded),
    verb=Verb.DRILL,
)
async def hold_drill(call: Call, body: DrillIn) -> DrillOut:
    """Send the plan as an exercise, and watch: points are counted when its time is over."""
    run = await call.services.drills.hold(body.script(), by=call.officer, once=call.once)
    call.headers["Location"] = f"{PREFIX}/drills/{run.id}"
    return _out(call, run)


@api.get("/drills/{drill}", errors=(UnknownDrill,))
async def get_drill(call: Call) -> DrillOut:
    """One drill with its points."""
    return _out(call, await call.services.drills.get(call.path("drill"), by=call.officer))


@api.post("/drills/{drill}/acknowledge", errors=(UnknownDrill, DrillOver, RoleNotGranted), verb=Verb.DRILL)
async def acknowledge_drill(call: Call) -> DrillOut:
    """This officer has noticed it (收到)."""
    return _out(call, await call.services.drills.acknowledge(call.path("drill"), by=call.officer))


@api.post("/drills/{drill}/end", errors=(UnknownDrill, DrillOver, RoleNotGranted, AreaNotGranted), verb=Verb.DRILL)
async def end_drill(call: Call) -> DrillOut:
    """Count the points now."""
    return _out(call, await call.services.drills.end(call.path("drill"), by=call.officer))


def _out(call: Call, run: Run) -> DrillOut:
    script = run.script
    return DrillOut(
        id=run.id,
        title=script.title,
        plan=script.plan,
        areas=list(script.areas),
        started_within_s=script.started_within_s,
        acknowledged_within_s=script.acknowledged_within_s,
        least_percent=script.least_percent,
        broadcast=run.broadcast,
        by=run.by,
        began=rfc3339(run.began_ms),
        ends=rfc3339(run.ends_ms),
        ended=rfc3339(run.ended_ms) if run.is_over else None,
        acknowledged=[
            AcknowledgedOut(officer=one.officer, area=one.area, at=rfc3339(one.at_ms)) for one in run.acknowledged
        ],
        scores=[_score(call, one) for one in run.scores],
        percent=run.percent if run.is_over else None,
        passed=run.passed if run.is_over else None,
    )


def _score(call: Call, one: Score) -> ScoreOut:
    return ScoreOut(
        township=one.township,
        place=place_of(call.services.estate.tree, one.township),
        speakers=one.speakers,
        online=one.online,
        started=one.started,
        acknowledged=one.acknowledged,
        proved=one.proved,
        ears=one.ears,
        points=one.points,
    )
