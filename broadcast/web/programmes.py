"""The plan over the API: programmes, what they would meet, areas' plans, days. Nobody's work is overwritten: see If-Match."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Annotated

from pydantic import Field

from broadcast.domain.areas import UnknownArea
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.calendar import Says
from broadcast.domain.conflicts import Claim, Clash, Preview
from broadcast.domain.day_grid import Slot
from broadcast.domain.day_heard import Piece
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.domain.programme_checks import EARLIEST, LATEST
from broadcast.domain.programme_versions import Version
from broadcast.domain.programmes import ProgrammeChanged, UnknownProgramme
from broadcast.service.own_days import DaysChanged
from broadcast.service.ports import SpeechFailed
from broadcast.service.programmes import PREVIEW_DAYS, PlanChanged, ProgrammeBoardFull, Saved
from broadcast.service.reach import place_of
from broadcast.web.day_models import DayGridOut, SlotOut, SpanOut, names_in
from broadcast.web.models import AreaCode, In
from broadcast.web.openapi import PREFIX, Api, Call
from broadcast.web.programme_models import (
    AreaPlanIn,
    AreaPlanOut,
    AreaPlansOut,
    ClashOut,
    DayOut,
    DaysIn,
    DaysOut,
    OwnDayIn,
    OwnDaysOut,
    PreviewOut,
    ProgrammeIn,
    ProgrammeOut,
    ProgrammesOut,
    RevisionOut,
    SavedOut,
    SideOut,
)
from broadcast.web.words import BEIJING

api = Api()

PLANNING: tuple[type[BroadcastError], ...] = (AreaNotGranted, RoleNotGranted, SpeechFailed, ProgrammeBoardFull)
CHANGING: tuple[type[BroadcastError], ...] = (UnknownProgramme, ProgrammeChanged, AreaNotGranted, RoleNotGranted)
DAYS: tuple[type[BroadcastError], ...] = (InvalidRequest, AreaNotGranted, RoleNotGranted)
MOST_DAYS = 400
NAMED = 5


class ListQuery(In):
    """:param retired: those too that are not in the plan any more."""

    retired: bool = False


class PreviewQuery(In):
    """:param replaces: id of the programme that it is the next version of.
    :param days: so many are looked at, from its first time on, or from now on when it has begun."""

    replaces: Annotated[str, Field(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")] | None = None
    days: Annotated[int, Field(ge=1, le=366)] = PREVIEW_DAYS


class DayQuery(In):
    """:param area: one's own when it is not given. :param day: today."""

    area: AreaCode | None = None
    day: date | None = None


class DaysQuery(In):
    first: date
    last: date


# ---- programmes ---------------------------------------------------------------------------------------------------------------


@api.get("/programmes")
async def list_programmes(call: Call, query: ListQuery) -> ProgrammesOut:
    """The programmes that concern one's own area, the county's first."""
    found = call.services.programmes.seen(call.officer, retired=query.retired)
    return ProgrammesOut(items=[_out(call, one) for one in found])


@api.post("/programmes", status=201, once=True, errors=PLANNING, verb=Verb.PLAN_PROGRAMME)
async def add_programme(call: Call, body: ProgrammeIn) -> SavedOut:
    """Put a programme into the plan; it is on the boards of its areas when this answers.

    Every fault is named. Look at `POST /programmes/preview` first: what it would meet stands there.
    """
    draft = body.programme(call.officer.area)
    return _saved(call, await call.services.programmes.add(draft, by=call.officer, once=call.once))


@api.post("/programmes/preview", errors=(AreaNotGranted, RoleNotGranted, ProgrammeBoardFull), verb=Verb.PLAN_PROGRAMME)
async def preview_programme(call: Call, query: PreviewQuery, body: ProgrammeIn) -> PreviewOut:
    """What it would meet in its first year: who wins, where and why, as the speakers would decide. Nothing is stored.

    `looked_from` and `looked_until` say what was looked at; `goes_on` that it may sound after that, where nothing was looked at.
    """
    draft, replaces = body.programme(call.officer.area), query.replaces or ""
    found = await call.services.programmes.preview(draft, by=call.officer, replaces=replaces, days=query.days)
    return preview_out(call, found, replaces)


@api.get("/programmes/day", errors=(AreaNotGranted, UnknownArea))
async def programme_day(call: Call, query: DayQuery) -> DayGridOut:
    """What is heard in one area on one day, span by span without gaps: which programme, which others wait for it and why.

    What officers send besides is not in it. Nothing is drawn for a part of the area: ask for that part.
    """
    area, day = query.area or call.officer.area, query.day or call.services.clock.now().astimezone(BEIJING).date()
    if not EARLIEST <= day <= LATEST:
        raise InvalidRequest([Fault("day", "out-of-range")])
    plan = call.services.programmes
    pieces, slots = await plan.day(area, day, by=call.officer)
    return day_out(call, area, day, pieces, slots)


@api.get("/programmes/{programme}", errors=(UnknownProgramme,))
async def get_programme(call: Call) -> ProgrammeOut:
    """One programme in its newest version; the ETag is what If-Match names."""
    found = call.services.programmes.get(call.path("programme"), by=call.officer)
    call.headers["ETag"] = f'"{found.programme.revision}"'
    return _out(call, found)


@api.get("/programmes/{programme}/history", errors=(UnknownProgramme,))
async def programme_history(call: Call) -> ProgrammesOut:
    """All its versions, oldest first: who changed what and when."""
    found = await call.services.programmes.history(call.path("programme"), by=call.officer)
    return ProgrammesOut(items=[_out(call, one) for one in found])


@api.put(
    "/programmes/{programme}",
    once=True,
    versioned=True,
    errors=(*CHANGING, SpeechFailed, ProgrammeBoardFull),
    verb=Verb.PLAN_PROGRAMME,
)
async def change_programme(call: Call, body: ProgrammeIn) -> SavedOut:
    """The next version of a programme, told whole; live on the boards concerned and on no others.

    What has begun already goes on as it was announced, see `on_air`.
    """
    draft, name = body.programme(call.officer.area), call.path("programme")
    plan = call.services.programmes
    return _saved(call, await plan.change(name, draft, by=call.officer, revision=call.revision, once=call.once))


@api.post("/programmes/{programme}/pause", versioned=True, errors=CHANGING, verb=Verb.PLAN_PROGRAMME)
async def pause_programme(call: Call) -> SavedOut:
    """It has no times until it goes on (暂停)."""
    plan = call.services.programmes
    return _saved(call, await plan.pause(call.path("programme"), on=True, by=call.officer, revision=call.revision))


@api.post(
    "/programmes/{programme}/resume", versioned=True, errors=(*CHANGING, ProgrammeBoardFull), verb=Verb.PLAN_PROGRAMME
)
async def resume_programme(call: Call) -> SavedOut:
    """It goes on (恢复)."""
    plan = call.services.programmes
    return _saved(call, await plan.pause(call.path("programme"), on=False, by=call.officer, revision=call.revision))


@api.delete("/programmes/{programme}", versioned=True, errors=CHANGING, verb=Verb.PLAN_PROGRAMME)
async def retire_programme(call: Call) -> SavedOut:
    """Take it out of the plan (删除); its record stays."""
    plan = call.services.programmes
    return _saved(call, await plan.retire(call.path("programme"), by=call.officer, revision=call.revision))


# ---- plans of areas -----------------------------------------------------------------------------------------------------------


@api.get("/area-plans")
async def list_area_plans(call: Call) -> AreaPlansOut:
    """Volume by the hour, minutes a day and fallback of the areas that say something about them."""
    found = await call.services.programmes.plans()
    tree = call.services.estate.tree
    return AreaPlansOut(items=[AreaPlanOut.of(one, place=place_of(tree, area)) for area, one in found.items()])


@api.put(
    "/area-plans/{area}", versioned=True, errors=(PlanChanged, AreaNotGranted, RoleNotGranted), verb=Verb.PLAN_PROGRAMME
)
async def save_area_plan(call: Call, body: AreaPlanIn) -> RevisionOut:
    """What holds for all routine there from now on. If-Match "0" for an area that has none yet."""
    area, fallback = call.path("area"), bytes.fromhex(body.fallback or "")
    plan = body.plan(area)
    revision = await call.services.programmes.save_plan(
        plan, fallback=fallback, by=call.officer, revision=call.revision
    )
    call.headers["ETag"] = f'"{revision}"'
    return RevisionOut(revision=revision)


# ---- days ---------------------------------------------------------------------------------------------------------------------


@api.get("/calendar-days")
async def list_days(call: Call, query: DaysQuery) -> DaysOut:
    """What every day is: workday, rest day or holiday, and who says so."""
    if not timedelta(0) <= query.last - query.first < timedelta(days=MOST_DAYS):
        raise InvalidRequest([Fault("last", "out-of-range")])
    calendar, count = call.services.programmes.plan.calendar, (query.last - query.first).days + 1
    days = [calendar.day(query.first + timedelta(days=n)) for n in range(count)]
    return DaysOut(items=[DayOut.of(day) for day in days])


@api.get("/calendar-days/own")
async def list_own_days(call: Call) -> OwnDaysOut:
    """The operator's own table; the ETag is what If-Match names."""
    found, revision = await call.services.programmes.days()
    call.headers["ETag"] = f'"{revision}"'
    items = [DayOut(day=e.day, kind=e.kind.value, name=e.name, says=Says.OPERATOR.value) for e in found]
    return OwnDaysOut(items=items, revision=revision)


@api.put(
    "/calendar-days/own",
    versioned=True,
    errors=(DaysChanged, AreaNotGranted, RoleNotGranted),
    verb=Verb.PLAN_PROGRAMME,
)
async def set_own_days(call: Call, body: DaysIn) -> RevisionOut:
    """Replace the operator's own table: holidays and make-up workdays above what was announced. The county's duty alone.

    If-Match "0" at first.
    """
    entries = [entry.entry() for entry in body.entries]
    revision = await call.services.programmes.set_days(entries, by=call.officer, revision=call.revision)
    call.headers["ETag"] = f'"{revision}"'
    return RevisionOut(revision=revision)


@api.put("/calendar-days/own/{day}", status=204, errors=DAYS, verb=Verb.PLAN_PROGRAMME)
async def set_own_day(call: Call, body: OwnDayIn) -> None:
    """What the operator says of one day; what stands in the table of other days stays. The county's duty alone."""
    day = _day_of(call)
    await call.services.programmes.set_day(day, body.entry(day), by=call.officer)


@api.delete("/calendar-days/own/{day}", status=204, errors=DAYS, verb=Verb.PLAN_PROGRAMME)
async def drop_own_day(call: Call) -> None:
    """It is again what was announced, or what its weekday says."""
    await call.services.programmes.set_day(_day_of(call), None, by=call.officer)


# ---- inside -------------------------------------------------------------------------------------------------------------------


def _out(call: Call, version: Version) -> ProgrammeOut:
    return ProgrammeOut.of(version, place=place_of(call.services.estate.tree, version.programme.owner))


def _day_of(call: Call) -> date:
    try:
        day = date.fromisoformat(call.path("day"))
    except ValueError:
        raise InvalidRequest([Fault("day", "malformed-day")]) from None
    if not EARLIEST <= day <= LATEST:
        raise InvalidRequest([Fault("day", "out-of-range")])
    return day


def _saved(call: Call, saved: Saved) -> SavedOut:
    call.headers["ETag"] = f'"{saved.revision}"'
    call.headers["Location"] = f"{PREFIX}/programmes/{saved.programme}"
    return SavedOut(id=saved.programme, revision=saved.revision, on_air=list(saved.on_air), repeated=saved.repeated)


def day_out(call: Call, area: str, day: date, pieces: Iterable[Piece], slots: Iterable[Slot] = ()) -> DayGridOut:
    """With titles for ids; what an officer may not see by itself has its title all the same: it is heard where he is."""
    versions = call.services.programmes.plan.versions
    spans = [SpanOut.of(one, {name: versions[name].programme for name in names_in(one)}) for one in pieces]
    times = [SlotOut.at(one, versions[one.programme].programme) for one in slots]
    return DayGridOut(area=area, place=place_of(call.services.estate.tree, area), day=day, spans=spans, slots=times)


def preview_out(call: Call, found: Preview, replaces: str) -> PreviewOut:
    """With titles for ids, of programmes that the officer may see."""
    return PreviewOut.of(found, [_clash(call, one, replaces) for one in found.clashes])


def _clash(call: Call, one: Clash, replaces: str) -> ClashOut:
    return ClashOut.of(one, _side(call, one.winner, replaces), _side(call, one.loser, replaces))


def _side(call: Call, claim: Claim, replaces: str) -> SideOut:
    versions = call.services.programmes.plan.versions
    known = [name for name in claim.programmes if name in versions and name != replaces]
    live = call.services.boards.find(claim.order) if claim.order else None
    titles = [live.headline] if live else [versions[name].programme.title for name in known[:NAMED]]
    return SideOut(
        programmes=known,
        titles=list(dict.fromkeys(titles)),
        broadcast=claim.order,
        new=len(known) < len(claim.programmes),
    )
