"""The web application: everything that speaks HTTP, put together from services that main.py made."""

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

import structlog
from aiohttp import web

from broadcast.domain.errors import BroadcastError
from broadcast.web import (
    account_changes,
    alarms,
    approvals,
    as_run,
    assets,
    assets_api,
    assets_page,
    audit,
    backups,
    broadcasts,
    care,
    composing,
    conference_plans,
    conference_socket,
    conferences,
    console_files,
    day_page,
    desk,
    desk_approvals,
    desk_endings,
    desk_sound,
    desk_templates,
    drafts,
    drills,
    effects,
    estate,
    events,
    health,
    invitations,
    live,
    live_api,
    me,
    officers,
    passkeys,
    plans,
    policies,
    programme_pages,
    programmes,
    reports,
    session,
    shifts,
    skew,
    speech,
    statistics,
    tokens,
    wording,
)
from broadcast.web.bodies import MOST_BYTES
from broadcast.web.errors import BodyTooLarge, Broken, NotFound, WrongMethod
from broadcast.web.guard import Guard
from broadcast.web.openapi import Api
from broadcast.web.pages import problem_page
from broadcast.web.problems import problem
from broadcast.web.services import OFFICER_NAME, OPTIONS, REQUEST_ID, SERVICES, Options, Services
from broadcast.web.words import Words, chosen

__all__ = ["Options", "Services", "make_api", "make_app"]

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SECURITY = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
    " object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # no-referrer would make browsers send `Origin: null` with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=(), payment=()",  # /live alone says otherwise
}


def make_api() -> Api:
    """Every operation of /api/v1, in the order of the document."""
    api = Api()
    for part in (
        session.api,
        me.api,
        passkeys.api,
        officers.api,
        account_changes.api,
        invitations.api,
        tokens.api,
        broadcasts.api,
        reports.api,
        statistics.api,
        skew.api,
        wording.api,
        speech.api,
        composing.api,
        assets_api.api,
        live_api.api,
        programmes.api,
        as_run.api,
        estate.api,
        care.api,
        alarms.api,
        shifts.api,
        audit.api,
        backups.api,
        approvals.api,
        effects.api,
        plans.api,
        policies.api,
        drafts.api,
        drills.api,
        conferences.api,
        conference_plans.api,
        events.api,
    ):
        api.operations += part.operations
    return api


def make_app(
    services: Services,
    *,
    language: str = "zh-CN",
    trust_forwarded: bool = False,
    console: Path = console_files.BUILT,
) -> web.Application:
    """The application, to be served with `broadcast.web.guard.serve`.

    :param trust_forwarded: a proxy stands before it and sets X-Forwarded-For and X-Forwarded-Proto.
    :param console: the folder of the built console; where it holds none, /emergency is the home page.
    """
    app = web.Application(middlewares=[_noted, _answered, _guarded], client_max_size=MOST_BYTES)
    app[SERVICES] = services
    app[OPTIONS] = Options(language, trust_forwarded)
    app[events.STREAMS] = events.Streams()
    make_api().add_to(app, session.who_asks)
    assets.add_to(app)
    console_files.add_to(app, console)
    assets_page.add_to(app)
    health.add_to(app)
    day_page.add_to(app)
    programme_pages.add_to(app)
    live.add_to(app)
    conference_socket.add_to(app)
    desk.add_to(app)
    desk_endings.add_to(app)
    desk_approvals.add_to(app)
    desk_sound.add_to(app)
    desk_templates.add_to(app)
    app.on_response_prepare.append(_secured)
    app.on_shutdown.append(_end_streams)
    return app


async def _end_streams(app: web.Application) -> None:
    await app[events.STREAMS].close()


async def _secured(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Request-ID"] = request.get(REQUEST_ID, "")
    if "Server" in response.headers:
        del response.headers["Server"]


@web.middleware
async def _noted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One log line a request: no query, no body, no cookie. And the door learns that the head is whole."""
    request[REQUEST_ID] = secrets.token_hex(6)
    guard = request.transport.get_protocol() if request.transport is not None else None
    if isinstance(guard, Guard):
        guard.head_is_whole()
    began, status = perf_counter(), 0
    with structlog.contextvars.bound_contextvars(request=request[REQUEST_ID]):
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            if isinstance(guard, Guard):
                guard.answered()
            if not request.path.startswith(("/static/", "/assets/", "/console/assets/", "/healthz", "/metrics")):
                log.info(
                    "request",
                    method=request.method,
                    path=request.path[:200],
                    status=status,
                    ms=round((perf_counter() - began) * 1000, 1),
                    officer=request.get(OFFICER_NAME, ""),
                )


@web.middleware
async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """BroadcastError becomes problem+json, or a page for people; anything else is our bug: logged, and a bare 500."""
    try:
        return await handler(request)
    except BroadcastError as err:
        refused = err
    except web.HTTPMethodNotAllowed as err:
        refused = WrongMethod(sorted(err.allowed_methods))
    except web.HTTPRequestEntityTooLarge:
        refused = BodyTooLarge(MOST_BYTES)
    except web.HTTPNotFound:
        refused = NotFound()
    except web.HTTPException:
        raise
    except Exception:  # the officer gets a sentence and the id, the log gets the rest
        log.exception("unexpected", path=request.path[:200])
        request.app[SERVICES].health.count("web_errors")
        refused = Broken(request[REQUEST_ID])
    if desk.is_page(request):
        return problem_page(request, refused)
    language = chosen(request.headers.get("Accept-Language", ""), request.app[OPTIONS].language)
    return problem(refused, Words(language))


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    session.must_be_same_origin(request)
    return await handler(request)
