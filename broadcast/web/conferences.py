"""Conferences (视频会议) over the API: begun, chaired, looked back on. What sites say while they are in goes over the socket."""

import csv
import io
from dataclasses import replace
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, Field, RootModel

from broadcast.domain.areas import UnknownArea
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.conference.acts import AnyAct
from broadcast.domain.conference.errors import (
    AskedTooOften,
    Banned,
    ConferenceLocked,
    ConferenceOver,
    Howling,
    Muted,
    NotNow,
    NotYours,
    UnknownConference,
    UnknownSite,
)
from broadcast.domain.conference.model import Conference
from broadcast.domain.conference.plans import Plan, seats_of
from broadcast.domain.conference.records import Attended, attendance
from broadcast.domain.conference.telling import full, plain
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.service.conference.conferring import Conferring
from broadcast.service.ports import Paper, PrintingFailed, Table, Value
from broadcast.service.reach import place_of
from broadcast.web.models import AreaCode, In
from broadcast.web.openapi import Api, Call
from broadcast.web.reports import XLSX, at, attached, words_for
from broadcast.web.words import Words, rfc3339

api = Api()
HELD = (Verb.HOLD_CONFERENCE, Verb.JOIN_CONFERENCE)
ACTING = (
    UnknownConference,
    UnknownSite,
    ConferenceOver,
    NotYours,
    NotNow,
    Muted,
    Howling,
    AskedTooOften,
    AreaNotGranted,
)


class StartIn(In):
    """`areas`: beside the seats of the plan, one for each of these areas and each right below. `call`: everybody rings."""

    plan: Plan
    areas: Annotated[list[AreaCode], Field(max_length=64, default_factory=list)]
    call: bool = False


class ActIn(RootModel[Annotated[AnyAct, Field(discriminator="act")]]):
    """One act by its word; docs/conference.md lists them with who may."""


class TicketIn(In):
    site: Annotated[str, Field(max_length=32)]


class TicketOut(BaseModel):
    """`secret` is said this once; it admits one browser to that seat before `until`."""

    conference: str
    site: str
    secret: str
    until: str


class PageQuery(In):
    before: Annotated[str, Field(pattern=r"^[0-9A-Z]{26}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class SummaryOut(BaseModel):
    id: str
    title: str
    area: str
    place: str
    creator: str
    began: str
    ends: str
    ended: str | None
    live: bool
    exercise: bool
    sites: int
    present: int
    mine: str


class PageOut(BaseModel):
    items: list[SummaryOut]
    next: str | None


class StateOut(BaseModel):
    """The full state as RFC 4575 numbers it; `conference` and `sites` (by id) hold what the viewer may know."""

    id: str
    version: int
    state: Literal["full", "deleted"]
    conference: dict[str, Any]
    sites: dict[str, dict[str, Any]]
    mine: str
    chairs: bool


class CallOut(BaseModel):
    conference: str
    title: str
    site: str
    name: str
    status: str
    auto_answer: bool


class CallsOut(BaseModel):
    items: list[CallOut]


class EngineOut(BaseModel):
    """What the media engine can do; `name` none: there is no engine, and nobody is heard."""

    name: str
    version: str
    max_sites: int
    caps: list[str]
    warnings: list[str]


class AttendedOut(BaseModel):
    """`first`, `last` null: never came. `total_s`: in all its stays, `lost_s` of them without media."""

    site: str
    name: str
    place: str
    identity: str
    joined_by: str
    left_by: str
    first: str | None
    last: str | None
    total_s: int
    lost_s: int
    stays: int


class AttendanceOut(BaseModel):
    sites: list[AttendedOut]
    roll_calls: list[dict[str, Any]]


class RecordQuery(In):
    language: Literal["zh-CN", "en"] | None = None


@api.get("/conferences")
async def list_conferences(call: Call, query: PageQuery) -> PageOut:
    """Those that concern one's own area, newest first; the live ones among them."""
    found = await _of(call).conferences.page(before=query.before, limit=query.limit, by=call.officer)
    after = found[-1].id if len(found) == query.limit else None
    return PageOut(items=[_summary(call, one) for one in found], next=after)


@api.post(
    "/conferences",
    status=201,
    verb=Verb.HOLD_CONFERENCE,
    errors=(InvalidRequest, RoleNotGranted, AreaNotGranted, UnknownArea),
)
async def start_conference(call: Call, body: StartIn) -> StateOut:
    """Begin one now (召开会议); with `call` everybody rings (一键调度)."""
    plan = with_areas(call, body.plan, body.areas)
    made = await _of(call).conferences.start(plan, by=call.officer, call=body.call)
    return state_of(call, made)


@api.get("/conference-calls")
async def list_calls(call: Call) -> CallsOut:
    """The seats that one is called to now (呼叫): the page rings, and a ticket for the seat answers."""
    calls = []
    for one, site in _of(call).doors.ringing(call.officer):
        await _of(call).doors.ring(one.id, site.id)
        calls.append(
            CallOut(
                conference=one.id,
                title=one.title,
                site=site.id,
                name=site.name,
                status=site.status.value,
                auto_answer=site.auto_answer,
            )
        )
    return CallsOut(items=calls)


@api.get("/conference-engine")
async def get_engine(call: Call) -> EngineOut:
    """Which media engine this server has, and what it can do."""
    caps = _of(call).engine.caps
    can = ("simulcast", "rtp_in", "rtp_out", "groups", "record_tracks", "record_mix", "camera_rtsp")
    return EngineOut(
        name=caps.name,
        version=caps.version,
        max_sites=caps.max_sites,
        caps=[name for name in can if getattr(caps, name)],
        warnings=list(caps.warnings),
    )


@api.get("/conferences/{conference}", errors=(UnknownConference,))
async def get_conference(call: Call) -> StateOut:
    """One with everything that one may know of it; numbered changes come over its socket."""
    return state_of(call, await _of(call).conferences.get(call.path("conference"), by=call.officer))


@api.post("/conferences/{conference}/acts", verb=HELD, errors=(*ACTING, RoleNotGranted, InvalidRequest))
async def act_in_conference(call: Call, body: ActIn) -> StateOut:
    """Do one thing in it: the chair's control, and what an officer's own seat may (会控)."""
    after = await _of(call).conferences.act(call.path("conference"), body.root, by=call.officer)
    return state_of(call, after)


@api.post(
    "/conferences/{conference}/tickets",
    status=201,
    verb=HELD,
    errors=(UnknownConference, UnknownSite, ConferenceOver, ConferenceLocked, Banned, NotYours, RoleNotGranted),
)
async def make_ticket(call: Call, body: TicketIn) -> TicketOut:
    """A ticket for one seat, for a link or QR code: 60 s to use, one use. Who comes by it is fixed here."""
    secret, made = await _of(call).doors.ticket(call.path("conference"), body.site, by=call.officer)
    return TicketOut(conference=made.conference, site=made.site, secret=secret, until=rfc3339(made.until_ms))


@api.get("/conferences/{conference}/attendance", errors=(UnknownConference,))
async def get_attendance(call: Call) -> AttendanceOut:
    """Who came, when and for how long, and the roll calls with their results."""
    conference = await _of(call).conferences.get(call.path("conference"), by=call.officer)
    rows = attendance(conference, call.services.clock.now_ms())
    return AttendanceOut(sites=[_attended(call, one) for one in rows], roll_calls=plain(conference.roll_calls))


@api.get("/conferences/{conference}/attendance.csv", media="text/csv", errors=(UnknownConference,))
async def get_attendance_csv(call: Call, query: RecordQuery) -> web.Response:
    """Attendance and roll calls as CSV, with a byte order mark for spreadsheets."""
    _, _, tables = await _record(call, query)
    out = io.StringIO()
    writer = csv.writer(out)
    for table in tables:
        writer.writerow([table.title])
        writer.writerow(table.columns)
        writer.writerows([_harmless(cell) for cell in row] for row in table.rows)
        writer.writerow([])
    return attached(("\ufeff" + out.getvalue()).encode(), "text/csv", f"attendance-{call.path('conference')}.csv")


@api.get("/conferences/{conference}/attendance.xlsx", media=XLSX, errors=(UnknownConference, PrintingFailed))
async def get_attendance_xlsx(call: Call, query: RecordQuery) -> web.Response:
    """The same as a spreadsheet."""
    _, paper, _ = await _record(call, query)
    return attached(await call.services.printer.xlsx(paper), XLSX, f"attendance-{call.path('conference')}.xlsx")


@api.get("/conferences/{conference}/minutes.pdf", media="application/pdf", errors=(UnknownConference, PrintingFailed))
async def get_minutes(call: Call, query: RecordQuery) -> web.Response:
    """A template of its minutes (会议纪要): head, attendance and roll calls are filled in."""
    words, paper, _ = await _record(call, query)
    paper = replace(paper, title=f"{words('conference.minutes')} {paper.title}")
    name = f"minutes-{call.path('conference')}.pdf"
    return attached(await call.services.printer.pdf(paper), "application/pdf", name)


# ---- inside -------------------------------------------------------------------------------------------------------------------


def with_areas(call: Call, plan: Plan, areas: list[str]) -> Plan:
    """With a seat for each of these areas that has none. :raises UnknownArea."""
    taken = {one.id for one in plan.seats}
    more = (one for one in seats_of(call.services.estate.tree, areas) if one.id not in taken)
    return replace(plan, seats=(*plan.seats, *more))


def _of(call: Call) -> Conferring:
    return call.services.conferring


def _summary(call: Call, one: Conference) -> SummaryOut:
    return SummaryOut(
        id=one.id,
        title=one.title,
        area=one.area,
        place=place_of(call.services.estate.tree, one.area),
        creator=one.creator,
        began=rfc3339(one.began_ms),
        ends=rfc3339(one.ends_ms),
        ended=rfc3339(one.ended_ms) if one.ended_ms else None,
        live=one.is_live,
        exercise=one.exercise,
        sites=len(one.sites),
        present=sum(site.is_in for site in one.sites),
        mine=_of(call).conferences.actor(one, call.officer).site,
    )


def state_of(call: Call, one: Conference) -> StateOut:
    conferences = _of(call).conferences
    actor = conferences.actor(one, call.officer)
    viewer = conferences.viewer(one, actor)
    return StateOut(id=one.id, mine=actor.site, chairs=viewer.all, **full(one, viewer))


def _attended(call: Call, one: Attended) -> AttendedOut:
    return AttendedOut(
        site=one.site,
        name=one.name,
        place=place_of(call.services.estate.tree, one.area),
        identity=one.identity,
        joined_by=one.joined_by.value,
        left_by=one.left_by.value,
        first=rfc3339(one.first_ms) if one.first_ms else None,
        last=rfc3339(one.last_ms) if one.last_ms else None,
        total_s=one.total_s,
        lost_s=one.lost_s,
        stays=one.stays,
    )


async def _record(call: Call, query: RecordQuery) -> tuple[Words, Paper, list[Table]]:
    conference = await _of(call).conferences.get(call.path("conference"), by=call.officer)
    words = words_for(call, query.language)
    names = {one.id: one.name for one in conference.sites}
    rows: list[list[Value]] = [
        [
            one.name,
            place_of(call.services.estate.tree, one.area),
            at(one.first_ms) if one.first_ms else "",
            at(one.last_ms) if one.last_ms else "",
            one.total_s,
            one.lost_s,
            one.stays,
        ]
        for one in attendance(conference, call.services.clock.now_ms())
    ]
    columns = [words(f"conference.{one}") for one in ("site", "place", "first", "last", "total_s", "lost_s", "stays")]
    tables = [Table(words("conference.attendance"), columns, rows, widths=(3, 3, 3, 3, 1, 1, 1), most=40)]
    for run in conference.roll_calls:
        called: list[list[Value]] = [
            [
                names.get(site, site),
                words(f"conference.result_{result.value.replace('-', '_')}") if result else "",
                at(ms),
            ]
            for site, result, ms in zip(run.sites, run.results, run.marked_ms, strict=True)
        ]
        heads = [words(f"conference.{one}") for one in ("site", "result", "marked")]
        title = f"{words('conference.roll_call')} {at(run.began_ms)} {run.by}"
        tables.append(Table(title, heads, called, widths=(3, 2, 3), most=40))
    facts: list[tuple[str, Value]] = [
        (words("conference.title"), conference.title),
        (words("conference.creator"), conference.creator),
        (words("conference.began"), at(conference.began_ms)),
        (words("conference.ended"), at(conference.ended_ms) if conference.ended_ms else ""),
    ]
    return words, Paper(conference.title, facts, tables), tables


def _harmless(cell: Value) -> Value:
    """A name must not become a formula in a spreadsheet."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t") else cell
