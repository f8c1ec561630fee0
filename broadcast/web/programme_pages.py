"""The plan as pages at /programmes: list, form, what it would meet, stock and record; plain forms, complete without a script."""

import secrets
from datetime import date, datetime, timedelta

from aiohttp import web
from multidict import MultiDictProxy

from broadcast.clock import at_ms
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.conflicts import Preview
from broadcast.domain.errors import BroadcastError
from broadcast.domain.occurrences import occurrences
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.programme_versions import Version
from broadcast.domain.programmes import ProgrammeChanged
from broadcast.domain.rights import may
from broadcast.service.once import OnceKey
from broadcast.service.programmes import ProgrammeBoardFull
from broadcast.service.reach import place_of
from broadcast.web.as_run import shelf_out, state_of
from broadcast.web.bodies import read_form
from broadcast.web.openapi import Call
from broadcast.web.pages import language_of, page
from broadcast.web.places import choices, target_words
from broadcast.web.problems import faults_of, status_of, title_of
from broadcast.web.programme_forms import ENDS, MORE, RESUMES, RULES, SOURCES, STARTS, Draft, by_place
from broadcast.web.programmes import preview_out
from broadcast.web.services import SERVICES
from broadcast.web.session import must_be_our_form, officer_of
from broadcast.web.words import BEIJING, Words, rfc3339
from endpoints.area_codes import covers

HOME = "/programmes"
AHEAD = timedelta(days=8)
MOST_SOUNDS, MOST_SHELVES, MOST_DAYS_BACK = 200, 60, 400
_ID = "{programme:[0-7][0-9A-HJKMNP-TV-Z]{25}}"


async def programmes(request: web.Request) -> web.Response:
    """Every programme of one's own area by level, with its next time, what is on the air, and how the stock stands."""
    officer = await officer_of(request)
    services = request.app[SERVICES]
    found = services.programmes.seen(officer)
    upcoming = _next_times(request, found)
    running = {one.programme: one for one in services.wall.running(officer)}
    rows = [
        {
            "version": one,
            "place": place_of(services.estate.tree, one.programme.owner),
            "next_ms": upcoming.get(one.programme.id),
            "running": running.get(one.programme.id),
        }
        for one in found
    ]
    by_level = [
        (level, [row for row, one in zip(rows, found, strict=True) if one.programme.level is level])
        for level in sorted({one.programme.level for one in found}, reverse=True)
    ]
    stock = services.planning.staging.townships(officer.area)
    return page(request, "programmes.html", officer=officer, by_level=by_level, stock=stock)


async def programme(request: web.Request) -> web.Response:
    """One programme with all that it was before."""
    officer = await officer_of(request)
    services, name = request.app[SERVICES], request.match_info["programme"]
    version = services.programmes.get(name, by=officer)
    history = await services.programmes.history(name, by=officer)
    running = [one for one in services.wall.running(officer) if one.programme == name]
    return page(
        request,
        "programme.html",
        officer=officer,
        version=version,
        one=version.programme,
        place=place_of(services.estate.tree, version.programme.owner),
        where=_where(request, version),
        upcoming=_times(request, version),
        history=list(reversed(history)),
        running=running,
        mine=_may_change(officer, version) and not version.retired,
    )


async def new(request: web.Request) -> web.Response:
    officer = await officer_of(request)
    may(officer, Verb.PLAN_PROGRAMME, now_ms=request.app[SERVICES].clock.now_ms())
    return _form(request, officer, Draft.empty(area=officer.area, today=_today(request).isoformat()))


async def edit(request: web.Request) -> web.Response:
    officer = await officer_of(request)
    may(officer, Verb.PLAN_PROGRAMME, now_ms=request.app[SERVICES].clock.now_ms())
    version = request.app[SERVICES].programmes.get(request.match_info["programme"], by=officer)
    return _form(request, officer, Draft.of(version))


async def check(request: web.Request) -> web.Response:
    """What it would meet, before it is saved; the key that makes the act happen once is made here."""
    officer, fields = await _our_form(request)
    draft = Draft.read(fields)
    if "change" in fields:
        return _form(request, officer, draft)
    plan = request.app[SERVICES].programmes
    try:
        wanted = draft.programme(officer.area)
        found = await plan.preview(wanted, by=officer, replaces=draft.replaces)
    except (InvalidRequest, ProgrammeBoardFull) as err:
        return _form(request, officer, draft, err)
    return _check_page(request, officer, draft, found)


async def save(request: web.Request) -> web.Response:
    """Do it; a second click does nothing more. What somebody else has changed meanwhile is not overwritten."""
    officer, fields = await _our_form(request)
    draft, key = Draft.read(fields), str(fields.get("key", ""))[:100]
    plan = request.app[SERVICES].programmes
    once = OnceKey.of(key, "programme", draft.hidden()) if key else None
    try:
        wanted = draft.programme(officer.area)
        if draft.replaces:
            saved = await plan.change(draft.replaces, wanted, by=officer, revision=draft.revision, once=once)
        else:
            saved = await plan.add(wanted, by=officer, once=once)
    except (InvalidRequest, ProgrammeBoardFull, ProgrammeChanged) as err:
        return _form(request, officer, draft, err)
    return _go(f"{HOME}/{saved.programme}")


async def act(request: web.Request) -> web.Response:
    """Pause, go on, take out of the plan."""
    officer, fields = await _our_form(request)
    plan, name = request.app[SERVICES].programmes, request.match_info["programme"]
    revision = str(fields.get("revision", ""))
    read = int(revision) if revision.isdigit() and len(revision) < 10 else 0
    match fields.get("act"):
        case "pause":
            await plan.pause(name, on=True, by=officer, revision=read)
        case "resume":
            await plan.pause(name, on=False, by=officer, revision=read)
        case "retire":
            await plan.retire(name, by=officer, revision=read)
            return _go(HOME)
        case _:
            raise InvalidRequest([Fault("act", "not-offered")])
    return _go(f"{HOME}/{name}")


async def record(request: web.Request) -> web.Response:
    """One day: every time of every programme, and how it went."""
    officer = await officer_of(request)
    services, today = request.app[SERVICES], _today(request)
    day = _day(request.query.get("day", ""), today)
    begins = datetime(day.year, day.month, day.day, tzinfo=BEIJING)
    from_ms, until_ms = at_ms(begins), at_ms(begins + timedelta(days=1))
    runs = await services.planning.as_run.runs(by=officer, area=officer.area, from_ms=from_ms, until_ms=until_ms)
    csv = f"/api/v1/as-run.csv?from={_query(from_ms)}&until={_query(until_ms)}"
    return page(
        request,
        "record.html",
        officer=officer,
        runs=runs,
        day=day,
        before=day - timedelta(days=1),
        after=day + timedelta(days=1) if day <= today else None,
        csv=csv,
        tree=services.estate.tree,
    )


async def staging(request: web.Request) -> web.Response:
    """What the speakers hold of the coming 48 hours, and what they lack by name."""
    officer = await officer_of(request)
    services, call = request.app[SERVICES], Call(request, officer)
    shelves = services.planning.staging.shelves(officer.area)
    short = [one for one in shelves if state_of(one) in ("lacking", "behind")]
    return page(
        request,
        "staging.html",
        officer=officer,
        lines=[
            (place_of(services.estate.tree, one.code), one) for one in services.planning.staging.townships(officer.area)
        ],
        short=[shelf_out(call, one) for one in short[:MOST_SHELVES]],
        more=max(0, len(short) - MOST_SHELVES),
        instant=datetime.fromisoformat,
    )


# ---- inside -------------------------------------------------------------------------------------------------------------------


def _form(request: web.Request, officer: Officer, draft: Draft, err: BroadcastError | None = None) -> web.Response:
    services, words = request.app[SERVICES], Words(language_of(request))
    faults = faults_of(err, words) if err else []
    seen = services.assets.page(by=officer, limit=MOST_SOUNDS)
    sounds = [one for one in seen if not services.assets.fault(one.sha256)]  # the others could not be saved
    return page(
        request,
        "programme_form.html",
        officer=officer,
        status=int(status_of(err)) if err else 200,
        draft=draft,
        problem=title_of(err, words) if err else "",
        faults=faults,
        wrong=by_place(faults),
        choices=choices(services.estate.tree, officer.area),
        sounds=sounds,
        named={one.sha256.hex(): one for one in seen},
        tree=services.estate.tree,
        more=any(place in MORE for place in by_place(faults)),
        resumes=RESUMES,
        sources=SOURCES,
        rules=RULES,
        starts=STARTS,
        ends=ENDS,
    )


def _check_page(request: web.Request, officer: Officer, draft: Draft, found: Preview) -> web.Response:
    call = Call(request, officer)
    tree = call.services.estate.tree
    seen = preview_out(call, found, draft.replaces)
    places = [[place_of(tree, code) for code in clash.where.areas] for clash in seen.clashes]
    over = [[place_of(tree, code) for code in one.where.areas] for one in seen.over_budget]
    return page(
        request,
        "programme_check.html",
        officer=officer,
        draft=draft,
        seen=seen,
        clashes=list(zip(seen.clashes, places, strict=True)),
        over_budget=list(zip(seen.over_budget, over, strict=True)),
        where=target_words(call.services.estate, draft.programme(officer.area)),
        key=secrets.token_urlsafe(18),
    )


def _next_times(request: web.Request, versions: list[Version]) -> dict[str, int]:
    """When each begins next, of those that do within a week."""
    services = request.app[SERVICES]
    now_ms, ahead = services.clock.now_ms(), int(AHEAD.total_seconds() * 1000)
    upcoming: dict[str, int] = {}
    plan = [one.programme for one in versions if one.in_force]
    for one in occurrences(plan, services.programmes.plan.calendar, now_ms, now_ms + ahead):
        upcoming.setdefault(one.programme.id, one.start_ms)
    return upcoming


def _times(request: web.Request, version: Version) -> list[int]:
    """Its next ten."""
    if not version.in_force:
        return []
    services = request.app[SERVICES]
    now_ms, year_ms = services.clock.now_ms(), 366 * 86_400_000
    found = occurrences([version.programme], services.programmes.plan.calendar, now_ms, now_ms + year_ms)
    return [one.start_ms for one in found[:10]]


def _where(request: web.Request, version: Version) -> str:
    return target_words(request.app[SERVICES].estate, version.programme)


def _may_change(officer: Officer, version: Version) -> bool:
    return covers(officer.area, version.programme.owner)


def _today(request: web.Request) -> date:
    return request.app[SERVICES].clock.now().astimezone(BEIJING).date()


def _day(text: str, today: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return today
    return day if abs((day - today).days) <= MOST_DAYS_BACK else today


def _query(ms: int) -> str:
    return rfc3339(ms).replace("+", "%2B")


async def _our_form(request: web.Request) -> tuple[Officer, MultiDictProxy[str]]:
    officer = await officer_of(request)
    fields = await read_form(request)
    must_be_our_form(request, str(fields.get("mark", "")))
    return officer, fields


def _go(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where})


def add_to(app: web.Application) -> None:
    app.router.add_get(HOME, programmes)
    app.router.add_get(f"{HOME}/new", new)
    app.router.add_post(f"{HOME}/check", check)
    app.router.add_post(f"{HOME}/save", save)
    app.router.add_get(f"{HOME}/record", record)
    app.router.add_get(f"{HOME}/staging", staging)
    app.router.add_get(f"{HOME}/{_ID}", programme)
    app.router.add_get(f"{HOME}/{_ID}/edit", edit)
    app.router.add_post(f"{HOME}/{_ID}", act)
