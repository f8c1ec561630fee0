"""The officer's microphone (现场喊话): its page at /live, and the door to the WebSocket that carries the voice."""

import json
from urllib.parse import urlsplit

from aiohttp import web

from broadcast.domain.officers import Verb
from broadcast.domain.rights import may
from broadcast.web.errors import CrossOrigin
from broadcast.web.live_socket import SOCKETS, Connection, Sockets
from broadcast.web.pages import language_of, page
from broadcast.web.places import choices
from broadcast.web.services import SERVICES
from broadcast.web.session import officer_of
from broadcast.web.words import Words

HOME = "/live"
SOCKET = "/api/v1/live/microphone"
TEXTS = ("microphone", "mic_state", "mic_end")
MAY_HEAR = {"Permissions-Policy": "geolocation=(), camera=(), microphone=(self), payment=()"}


async def microphone(request: web.Request) -> web.Response:
    """The only page that may use a microphone."""
    officer = await officer_of(request)
    services, words = request.app[SERVICES], Words(language_of(request))
    held = next((one for one in services.live.all() if one.officer == officer.name and one.order), None)
    sentences = {key: text for name in TEXTS for key, text in words.section(name).items()}
    response = page(
        request,
        "live_mic.html",
        officer=officer,
        choices=choices(services.estate.tree, officer.area),
        rules=services.live.rules,
        held=held,
        socket=SOCKET,
        sentences=json.dumps(sentences, ensure_ascii=False),
    )
    response.headers.update(MAY_HEAR)
    return response


async def connect(request: web.Request) -> web.StreamResponse:
    """The socket. What may not be is refused before it opens, as any request is."""
    must_be_our_page(request)
    officer = await officer_of(request)
    may(officer, Verb.LIVE, exercise=None, now_ms=request.app[SERVICES].clock.now_ms())
    return await Connection(request, officer).run()


def must_be_our_page(request: web.Request) -> None:
    """Any page may open a WebSocket to anywhere, with the cookies of that place: browsers ask nobody first (RFC 6455 §10.2).

    :raises CrossOrigin: it was not one of ours. A machine with a token need not say where it comes from.
    """
    origin = request.headers.get("Origin")
    if origin is None and "Authorization" in request.headers:
        return
    if origin is None or _host(origin) != request.host.lower():
        raise CrossOrigin
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise CrossOrigin


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


async def _end_sockets(app: web.Application) -> None:
    await app[SOCKETS].close()


def add_to(app: web.Application) -> None:
    app[SOCKETS] = Sockets()
    app.router.add_get(HOME, microphone)
    app.router.add_get(SOCKET, connect)
    app.on_shutdown.append(_end_sockets)
