"""Blueprints (预案会议) and booked conferences (预约会议) over the API."""

from typing import Annotated

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, Field

from broadcast.clock import at_ms
from broadcast.domain.areas import UnknownArea
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.conference.errors import NotNow, UnknownBlueprint, UnknownReservation
from broadcast.domain.conference.plans import Blueprint, Plan, Reservation
from broadcast.domain.conference.records import invitation
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.service.conference.bookings import BlueprintChanged, Bookings
from broadcast.web.conferences import StateOut, state_of, with_areas
from broadcast.web.models import AreaCode, In
from broadcast.web.openapi import Api, Call
from broadcast.web.reports import attached
from broadcast.web.words import rfc3339

api = Api()
HOLD = Verb.HOLD_CONFERENCE
REFUSED = (InvalidRequest, RoleNotGranted, AreaNotGranted, UnknownArea)
MONTH_MS = 31 * 86_400_000


class PlanIn(In):
    """`areas`: beside the seats of the plan, one for each of these areas and each right below."""

    plan: Plan
    areas: Annotated[list[AreaCode], Field(max_length=64, default_factory=list)]


class BookIn(PlanIn):
    """`calls`: at its time everybody rings; else its room opens ten minutes before."""

    starts: AwareDatetime
    calls: bool = False


class BlueprintOut(BaseModel):
    id: str
    revision: int
    plan: Plan
    by: str
    at: str


class BlueprintsOut(BaseModel):
    items: list[BlueprintOut]


class ReservationOut(BaseModel):
    id: str
    plan: Plan
    starts: str
    ends: str
    by: str
    state: str
    conference: str | None
    calls: bool


class ReservationsOut(BaseModel):
    items: list[ReservationOut]


class ReservationsQuery(In):
    """Without times, from yesterday for 31 days."""

    since: Annotated[AwareDatetime | None, Field(alias="from")] = None
    to: AwareDatetime | None = None


@api.get("/conference-blueprints")
async def list_blueprints(call: Call) -> BlueprintsOut:
    """Those of one's own area."""
    return BlueprintsOut(items=[_blueprint(one) for one in await _of(call).blueprints(by=call.officer)])


@api.post("/conference-blueprints", status=201, verb=HOLD, errors=REFUSED)
async def add_blueprint(call: Call, body: PlanIn) -> BlueprintOut:
    """Keep a conference to be begun with one key."""
    plan = with_areas(call, body.plan, body.areas)
    return _blueprint(await _of(call).keep(plan, by=call.officer))


@api.put(
    "/conference-blueprints/{blueprint}",
    verb=HOLD,
    versioned=True,
    errors=(*REFUSED, UnknownBlueprint, BlueprintChanged),
)
async def change_blueprint(call: Call, body: PlanIn) -> BlueprintOut:
    """Change it from the revision in If-Match."""
    plan = with_areas(call, body.plan, body.areas)
    blueprint, revision = call.path("blueprint"), call.revision
    return _blueprint(await _of(call).keep(plan, by=call.officer, blueprint=blueprint, revision=revision))


@api.delete(
    "/conference-blueprints/{blueprint}",
    status=204,
    verb=HOLD,
    errors=(UnknownBlueprint, RoleNotGranted, AreaNotGranted),
)
async def drop_blueprint(call: Call) -> web.Response:
    """Take it away; conferences that it began go on."""
    await _of(call).drop(call.path("blueprint"), by=call.officer)
    return web.Response(status=204)


@api.post("/conference-blueprints/{blueprint}/start", status=201, verb=HOLD, errors=(*REFUSED, UnknownBlueprint))
async def start_blueprint(call: Call) -> StateOut:
    """一键调度: begin it now, and everybody rings."""
    return state_of(call, await _of(call).start(call.path("blueprint"), by=call.officer))


@api.get("/conference-reservations")
async def list_reservations(call: Call, query: ReservationsQuery) -> ReservationsOut:
    """Those that concern one's own area, by start."""
    now_ms = call.services.clock.now_ms()
    from_ms = at_ms(query.since) if query.since else now_ms - 86_400_000
    until_ms = at_ms(query.to) if query.to else from_ms + MONTH_MS
    found = await _of(call).booked(from_ms, min(until_ms, from_ms + 12 * MONTH_MS), by=call.officer)
    return ReservationsOut(items=[_reservation(one) for one in found])


@api.post("/conference-reservations", status=201, verb=HOLD, errors=REFUSED)
async def book_conference(call: Call, body: BookIn) -> ReservationOut:
    """Book one. It begins by itself, and ends at its time unless it is extended."""
    plan = with_areas(call, body.plan, body.areas)
    return _reservation(await _of(call).book(plan, at_ms(body.starts), calls=body.calls, by=call.officer))


@api.delete(
    "/conference-reservations/{reservation}",
    verb=HOLD,
    errors=(UnknownReservation, NotNow, RoleNotGranted, AreaNotGranted),
)
async def cancel_reservation(call: Call) -> ReservationOut:
    """Cancel it; its invitation says so from now on."""
    return _reservation(await _of(call).cancel(call.path("reservation"), by=call.officer))


@api.get("/conference-reservations/{reservation}/invitation.ics", media="text/calendar", errors=(UnknownReservation,))
async def get_invitation(call: Call) -> web.Response:
    """The invitation for a calendar (RFC 5545)."""
    found = await _of(call).reservation(call.path("reservation"), by=call.officer)
    text = invitation(found, now_ms=call.services.clock.now_ms(), host=call.request.host[:253])
    return attached(text.encode(), "text/calendar", f"conference-{found.id}.ics")


def _of(call: Call) -> Bookings:
    return call.services.conferring.bookings


def _blueprint(one: Blueprint) -> BlueprintOut:
    return BlueprintOut(id=one.id, revision=one.revision, plan=one.plan, by=one.by, at=rfc3339(one.at_ms))


def _reservation(one: Reservation) -> ReservationOut:
    return ReservationOut(
        id=one.id,
        plan=one.plan,
        starts=rfc3339(one.starts_ms),
        ends=rfc3339(one.ends_ms),
        by=one.by,
        state=one.state.value,
        conference=one.conference or None,
        calls=one.calls,
    )
