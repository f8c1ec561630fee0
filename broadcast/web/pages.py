"""Pages for people: rendered here, complete without JavaScript, in Chinese or English."""

import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import holds
from broadcast.service.officers import NotSignedIn
from broadcast.service.wall import Look
from broadcast.web.errors import NotFound
from broadcast.web.events import state_of
from broadcast.web.problems import faults_of, headers_of, status_of, title_of
from broadcast.web.services import OPTIONS, REQUEST_ID, SERVICES
from broadcast.web.session import form_mark, is_secure
from broadcast.web.words import LANGUAGES, Words, clock_time, span

LANGUAGE_COOKIE = "lianbo_lang"
TYPES = {
    "desk.css": "text/css",
    "desk.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "live.css": "text/css",
    "live.js": "text/javascript",
    "live_booth.js": "text/javascript",
    "live_sound.js": "text/javascript",
    "live_worklet.js": "text/javascript",
}

# Shape first, then colour, a word beside it in the legend. All are in the fonts of old machines.
SHAPES = {
    Look.FAILED: "×",
    Look.REFUSED: "／",
    Look.MISSED: "－",
    Look.UNREACHED: "！",
    Look.UNFINISHED: "～",
    Look.OFFLINE: "○",
    Look.UNKNOWN: "?",
    Look.PARTLY: "◐",
    Look.EXPECTED: "→",
    Look.WAITING: "…",
    Look.RECEIVED: "√",
    Look.INTERRUPTED: "‖",
    Look.SOUNDING: "♪",
    Look.STOPPED: "□",
    Look.DONE: "■",
    Look.IDLE: "·",
    Look.OUTSIDE: "",
    Look.NONE: "",
}

_environment = Environment(
    loader=PackageLoader("broadcast.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@cache
def _static(name: str) -> bytes:
    return resources.files("broadcast.web").joinpath("static", name).read_bytes()


@cache
def _static_url(name: str) -> str:
    return f"/static/{name}?v={hashlib.sha256(_static(name)).hexdigest()[:12]}"


async def get_static(request: web.Request) -> web.Response:
    """One of our few files; its address changes with its content."""
    name = request.match_info["name"]
    if name not in TYPES:
        raise NotFound
    cache_control = "public, max-age=31536000, immutable" if "v" in request.query else "no-cache"
    headers = {"Cache-Control": cache_control}
    return web.Response(body=_static(name), content_type=TYPES[name], charset="utf-8", headers=headers)


def language_of(request: web.Request) -> str:
    """What the visitor chose, now or earlier; else the server's."""
    asked = request.query.get("lang", "")
    kept = request.cookies.get(LANGUAGE_COOKIE, "")
    return next((one for one in (asked, kept) if one in LANGUAGES), request.app[OPTIONS].language)


def page(
    request: web.Request,
    template: str,
    *,
    officer: Officer | None = None,
    status: int = 200,
    shown_id: str = "",
    **facts: Any,
) -> web.Response:
    """A template with what every page shows: language, who is signed in, what is on air, what is wrong."""
    services, words = request.app[SERVICES], Words(language_of(request))
    now_ms = services.clock.now_ms()
    other = next(one for one in LANGUAGES if one != words.language)
    text = _environment.get_template(template).render(
        t=words,
        language=words.language,
        other_language=other,
        here=request.path if request.method == "GET" else "/emergency",
        officer=officer,
        may_act=officer is not None and holds(officer, Verb.STOP),
        head=state_of(services, officer) if officer else None,
        mark=form_mark(request),
        shown_id=shown_id,
        now_ms=now_ms,
        clock=lambda ms: clock_time(ms, now_ms),
        span=span,
        static=_static_url,
        shapes=SHAPES,
        shapes_by_word={look.value: shape for look, shape in SHAPES.items()},
        looks=list(Look),
        texts=json.dumps(_script_texts(words), ensure_ascii=False) if officer else "{}",
        **facts,
    )
    response = web.Response(text=text, content_type="text/html", charset="utf-8", status=status)
    if request.query.get("lang") in LANGUAGES:
        age = 365 * 86_400
        response.set_cookie(
            LANGUAGE_COOKIE, words.language, max_age=age, samesite="Lax", secure=is_secure(request), path="/"
        )
    return response


def _script_texts(words: Words) -> dict[str, str]:
    """The sentences that the script needs, so that it has none of its own."""
    keys = "live.stale live.stream_lost live.signed_out live.missing_more desk.selected desk.text_length"
    keys += " page.broker_up page.broker_down page.all_well page.exercise_mark air.silent air.pending"
    return {key: words.raw(key) for key in keys.split()} | words.section("reason") | words.section("condition")


def problem_page(request: web.Request, err: BroadcastError) -> web.StreamResponse:
    """The same facts as the problem+json, for people. Who is not signed in is led to the door."""
    if isinstance(err, NotSignedIn) and request.method == "GET":
        return web.Response(status=303, headers={"Location": "/emergency"})
    words = Words(language_of(request))
    response = page(
        request,
        "problem.html",
        status=int(status_of(err)),
        title=title_of(err, words),
        faults=faults_of(err, words),
        number=request.get(REQUEST_ID, ""),
    )
    response.headers.update(headers_of(err))
    return response
