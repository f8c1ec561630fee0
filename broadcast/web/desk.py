"""The duty desk (值班台) at /emergency: starts, shows, corrects and stops with nothing but forms; a script makes it livelier.

It stays as the fall-back beside the full console. GET never changes anything; every form carries the mark of its session.
"""

import secrets
from dataclasses import replace
from typing import NoReturn

from aiohttp import web

from broadcast.domain.approval_policy import Demand
from broadcast.domain.broadcasts import Fault, InvalidRequest, StartBroadcast
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer
from broadcast.domain.rights import PasswordChangeNeeded
from broadcast.service.announcer import SoundChanged
from broadcast.service.officers import NotSignedIn, SecondFactorNeeded, TooManyTries, WrongCode, WrongPassword
from broadcast.service.once import OnceKey
from broadcast.service.reach import Reached, place_of
from broadcast.service.skew import achieved
from broadcast.web.bodies import read_form
from broadcast.web.broadcasts import rungs
from broadcast.web.desk_endings import endings_shown
from broadcast.web.desk_parts import HOME, go, one_of, our_form
from broadcast.web.desk_sound import rehearsed, sound_shown
from broadcast.web.desk_templates import template_form, worded
from broadcast.web.forms import Draft, by_field, must_type_number
from broadcast.web.openapi import Call
from broadcast.web.pages import get_static, language_of, page
from broadcast.web.places import choices, target_words
from broadcast.web.problems import faults_of, status_of, title_of
from broadcast.web.services import SERVICES
from broadcast.web.session import give_cookies, officer_of, sign_in, take_cookie, token_of, who_asks
from broadcast.web.words import LANGUAGES, Words

PAGES = (HOME, "/sounds", "/programmes", "/live")  # below which people look at the answers


def is_page(request: web.Request) -> bool:
    """Whether a person looks at the answer."""
    return request.path in ("/", *PAGES) or request.path.startswith(tuple(f"{one}/" for one in PAGES))


# ---- the door -----------------------------------------------------------------------------------------------------------------


async def enter(request: web.Request) -> web.Response:
    """Sign in, back to the desk."""
    fields = await read_form(request)
    name = str(fields.get("name", ""))
    try:
        code = str(fields.get("code", ""))
        who = await sign_in(request, name, str(fields.get("password", "")), code=code)
    except (WrongPassword, TooManyTries, SecondFactorNeeded, WrongCode) as err:
        problem = title_of(err, Words(language_of(request)))
        return page(request, "sign_in.html", status=int(status_of(err)), problem=problem, name=name)
    response = go(HOME)
    give_cookies(request, response, who)
    return response


async def leave(request: web.Request) -> web.Response:
    await our_form(request, first=True)
    await request.app[SERVICES].officers.sign_out(token_of(request))
    response = go(HOME)
    take_cookie(request, response)
    return response


async def ask_password(request: web.Request) -> web.Response:
    return page(request, "password.html", officer=await who_asks(request), problem="", wrong={})


async def change_password(request: web.Request) -> web.Response:
    """One's own, with the old one typed again; every other session of this officer ends."""
    officer, fields = await our_form(request, first=True)
    old, new, again = (str(fields.get(name, "")) for name in ("old", "new", "again"))
    words = Words(language_of(request))
    try:
        await request.app[SERVICES].officers.check_password(token_of(request), old)
        if new != again:
            raise InvalidRequest([Fault("password", "not-the-same")])
        await request.app[SERVICES].officers.set_password(officer.name, new, by=officer)
    except (WrongPassword, TooManyTries, InvalidRequest) as err:
        wrong, problem = by_field(faults_of(err, words)), title_of(err, words)
        return page(request, "password.html", officer=officer, status=int(status_of(err)), problem=problem, wrong=wrong)
    response = go(HOME)
    try:
        give_cookies(request, response, await sign_in(request, officer.name, new))
    except SecondFactorNeeded:
        take_cookie(request, response)  # signs in anew, with a code
    return response


# ---- starting -----------------------------------------------------------------------------------------------------------------


async def desk(request: web.Request) -> web.Response:
    """The form, what is on air, what came before."""
    try:
        officer = await officer_of(request)
    except NotSignedIn:
        return page(request, "sign_in.html", problem="", name="")
    except PasswordChangeNeeded:
        return go("/emergency/password")
    return await _desk(request, officer, Draft())


async def correct(request: web.Request) -> web.Response:
    """The form once more, filled with what is on the air."""
    officer, broadcast = await one_of(request)
    return await _desk(request, officer, Draft.of(broadcast, request.app[SERVICES].clock.now_ms()))


async def confirm(request: web.Request) -> web.Response:
    """What would happen, computed from the live state; the key that makes the act happen once is made here."""
    officer, fields = await our_form(request)
    draft = Draft.read(fields)
    if "change" in fields:
        return await _again(request, officer, draft)
    try:
        draft, command, reached = _checked(request, officer, draft)
    except InvalidRequest as err:
        return await _again(request, officer, draft, err)
    return await _confirm_page(request, officer, draft, command, reached, key=secrets.token_urlsafe(18))


async def start(request: web.Request) -> web.Response:
    """Do it; a second click or a repeated request does nothing more."""
    officer, fields = await our_form(request)
    draft, key = Draft.read(fields), str(fields.get("key", ""))[:100]
    try:
        draft, command, reached = _checked(request, officer, draft)
    except InvalidRequest as err:
        return await _again(request, officer, draft, err)
    wanted = str(fields.get("villages", ""))
    if must_type_number(command, reached) and (not wanted.isdigit() or str(fields.get("typed", "")).strip() != wanted):
        return await _confirm_page(request, officer, draft, command, reached, key=key, wrong=True)
    once = OnceKey.of(key, "desk", draft.hidden()) if key else None
    approvals = request.app[SERVICES].approvals
    try:
        outcome = await approvals.submit(command, by=officer, once=once, replaces=draft.update)
    except SoundChanged as err:
        key = secrets.token_urlsafe(18)
        return await _confirm_page(request, officer, draft, command, reached, key=key, changed=err)
    return go(f"{HOME}/approvals/{outcome.approval}" if outcome.approval else f"{HOME}/broadcasts/{outcome.ids[0]}")


def _checked(request: web.Request, officer: Officer, draft: Draft) -> tuple[Draft, StartBroadcast, Reached]:
    services = request.app[SERVICES]
    draft, unfilled = worded(services, officer, draft)
    command, faults = draft.command()
    faults += unfilled
    try:
        services.broadcasts.must_be_right(command, officer)
    except InvalidRequest as err:
        if faults:
            _refuse(err, InvalidRequest(faults))
        raise
    if faults:
        raise InvalidRequest(faults)
    return draft, command, services.reach.of(command, by=officer)


def _refuse(*errors: InvalidRequest) -> NoReturn:
    joined = InvalidRequest([])
    joined.errors = [fault for err in errors for fault in err.errors]
    raise joined


async def _again(
    request: web.Request, officer: Officer, draft: Draft, err: BroadcastError | None = None
) -> web.Response:
    """The form that it came from, with what was typed and what is wrong with it."""
    if draft.template:
        return template_form(request, officer, draft, err)
    return await _desk(request, officer, draft, err)


async def _desk(
    request: web.Request, officer: Officer, draft: Draft, err: BroadcastError | None = None
) -> web.Response:
    services, words = request.app[SERVICES], Words(language_of(request))
    recent, _ = await services.wall.page(by=officer, before=None, limit=10)
    faults = faults_of(err, words) if err else []
    old = await services.wall.get(draft.update, by=officer) if draft.update else None
    return page(
        request,
        "desk.html",
        officer=officer,
        status=int(status_of(err)) if err else 200,
        draft=draft,
        old=old,
        faults=faults,
        wrong=by_field(faults),
        choices=choices(services.estate.tree, officer.area),
        templates=list(services.wording.templates.values()),
        words_at=LANGUAGES.index(words.language),
        recent=recent,
    )


async def _confirm_page(
    request: web.Request,
    officer: Officer,
    draft: Draft,
    command: StartBroadcast,
    reached: Reached,
    *,
    key: str,
    wrong: bool = False,
    changed: SoundChanged | None = None,
) -> web.Response:
    services, words = request.app[SERVICES], Words(language_of(request))
    rehearsal = await rehearsed(services, replace(command, heard=b""), officer)
    draft = replace(draft, heard=rehearsal.order.asset.hex() if rehearsal else "")
    return page(
        request,
        "confirm.html",
        officer=officer,
        status=409 if changed else 422 if wrong else 200,
        draft=draft,
        changed=title_of(changed, words) if changed else "",
        sound=sound_shown(rehearsal, words),
        reached=reached,
        where=target_words(services.estate, command),
        key=key,
        typed=must_type_number(command, reached),
        second_person=services.policy.demand(command, by=officer) is Demand.SECOND_PERSON,
        wrong=wrong,
    )


# ---- looking ------------------------------------------------------------------------------------------------------------------


async def live(request: web.Request) -> web.Response:
    """The wall of one broadcast; without one, of the newest live one or of who is there."""
    services = request.app[SERVICES]
    chosen = request.match_info.get("broadcast")
    officer = await officer_of(request)
    broadcast = await services.wall.get(chosen, by=officer) if chosen else services.wall.newest(officer)
    rows = await services.wall.deliveries(broadcast, by=officer) if broadcast else {}
    view = await services.wall.view(by=officer, broadcast=broadcast)
    is_live = broadcast is not None and broadcast.is_live(services.clock.now_ms())
    return page(
        request,
        "live.html",
        officer=officer,
        shown_id=broadcast.id if broadcast else "",
        broadcast=broadcast,
        view=view,
        missing=services.wall.missing(view, rows),
        is_live=is_live,
        endings=endings_shown(services, broadcast) if broadcast and is_live else None,
        pending=is_live and broadcast is not None and services.boards.is_pending(broadcast),
        where=target_words(services.estate, broadcast.order) if broadcast else "",
        recordings=await services.live.recordings(broadcast.id) if broadcast and broadcast.order.stream else (),
        skew=achieved(broadcast, rows, estate=services.estate, speakers=services.speakers) if broadcast else None,
        place_of=lambda code: place_of(services.estate.tree, code),
        follow=f"/api/v1/events?broadcast={chosen}" if chosen else "/api/v1/events",
    )


async def ladder(request: web.Request) -> web.Response:
    """One township or village: every speaker with all that it reported."""
    officer, broadcast = await one_of(request)
    services, area = request.app[SERVICES], request.match_info["area"]
    place = place_of(services.estate.tree, services.estate.tree.area(area).code)
    found = await rungs(Call(request, officer), broadcast, area=area)
    is_live = broadcast.is_live(services.clock.now_ms())
    return page(
        request,
        "ladder.html",
        officer=officer,
        broadcast=broadcast,
        area=area,
        place=place,
        rungs=found,
        endings=endings_shown(services, broadcast) if is_live else None,
    )


# ---- stopping -----------------------------------------------------------------------------------------------------------------


async def ask_stop(request: web.Request) -> web.Response:
    officer, broadcast = await one_of(request)
    return page(request, "stop.html", officer=officer, broadcast=broadcast)


async def stop(request: web.Request) -> web.Response:
    officer, _ = await our_form(request)
    broadcast = request.match_info["broadcast"]
    await request.app[SERVICES].broadcasts.stop(broadcast, by=officer)
    return go(f"{HOME}/broadcasts/{broadcast}")


async def ask_stop_all(request: web.Request) -> web.Response:
    officer = await officer_of(request)
    services = request.app[SERVICES]
    seen = [one for one in services.broadcasts.live() if services.wall.sees(one, by=officer)]
    return page(
        request,
        "stop_all.html",
        officer=officer,
        ours=[one for one in seen if one.order.level <= officer.level],
        higher=[one for one in seen if one.order.level > officer.level],
    )


async def stop_all(request: web.Request) -> web.Response:
    officer, _ = await our_form(request)
    await request.app[SERVICES].broadcasts.stop_all(by=officer)
    return go(HOME)


def add_to(app: web.Application) -> None:
    one = HOME + "/broadcasts/{broadcast}"
    app.router.add_get("/static/{name}", get_static)
    app.router.add_get(HOME, desk)
    app.router.add_post(f"{HOME}/sign-in", enter)
    app.router.add_post(f"{HOME}/sign-out", leave)
    app.router.add_get(f"{HOME}/password", ask_password)
    app.router.add_post(f"{HOME}/password", change_password)
    app.router.add_post(f"{HOME}/confirm", confirm)
    app.router.add_post(f"{HOME}/broadcasts", start)
    app.router.add_get(f"{HOME}/wall", live)
    app.router.add_get(one, live)
    app.router.add_get(f"{one}/correct", correct)
    app.router.add_get(f"{one}/areas/{{area}}", ladder)
    app.router.add_get(f"{one}/stop", ask_stop)
    app.router.add_post(f"{one}/stop", stop)
    app.router.add_get(f"{HOME}/stop-all", ask_stop_all)
    app.router.add_post(f"{HOME}/stop-all", stop_all)
