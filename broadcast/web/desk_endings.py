"""The ends of an alert at the desk: the all-clear (解除) and the correction (更正), prepared, with a button each.

What ends is always said: the whole by its own button, or the places that were ticked; never one that was not chosen.
"""

import secrets
from dataclasses import dataclass

from aiohttp import web

from broadcast.domain.broadcasts import Broadcast, Fault, InvalidRequest
from broadcast.domain.officers import Officer
from broadcast.domain.spoken import Layout
from broadcast.service.endings import Prepared
from broadcast.service.once import OnceKey
from broadcast.service.reach import place_of
from broadcast.web.desk_parts import HOME, go, one_of, our_form
from broadcast.web.desk_sound import listen_url
from broadcast.web.forms import by_field
from broadcast.web.pages import language_of, page
from broadcast.web.places import clearable
from broadcast.web.problems import faults_of
from broadcast.web.services import SERVICES, Services
from broadcast.web.words import Words
from endpoints.protocol import Kind, Tone


@dataclass(frozen=True, slots=True)
class EndingShown:
    """A prepared end: its words, and where they can be heard once they have been spoken."""

    text: str
    url: str

    @classmethod
    def of(cls, one: Prepared, tone: Tone, repeats: int) -> "EndingShown":
        spoken = one.spoken
        url = listen_url(Layout(spoken.asset, tone, repeats, 1_500, Tone.NONE)) if spoken else ""
        return cls(one.worded.text, url)


@dataclass(frozen=True, slots=True)
class EndingsShown:
    """Both."""

    all_clear: EndingShown
    correction: EndingShown


def endings_shown(services: Services, broadcast: Broadcast) -> EndingsShown | None:
    """Of an alert or a notice of an officer; a programme has none."""
    if broadcast.programme or broadcast.order.kind not in (Kind.EMERGENCY, Kind.NOTICE):
        return None
    all_clear, correction = services.endings.of(broadcast)
    return EndingsShown(EndingShown.of(all_clear, Tone.ALL_CLEAR, 2), EndingShown.of(correction, Tone.CHIME, 2))


async def ask_all_clear(request: web.Request) -> web.Response:
    """What will be said, and which places end."""
    officer, broadcast = await one_of(request)
    ticked = tuple(request.query.getall("areas", []))
    return _clear_page(request, officer, broadcast, ticked=ticked, text="", key=secrets.token_urlsafe(18))


async def all_clear(request: web.Request) -> web.Response:
    """End it, in the chosen places or whole: what the button says has to agree with what is ticked."""
    officer, fields = await our_form(request)
    _, broadcast = await one_of(request)
    services = request.app[SERVICES]
    areas, text = tuple(map(str, fields.getall("areas", []))), _typed(str(fields.get("text", "")))
    scope, key = str(fields.get("scope", "")), str(fields.get("key", ""))[:100]
    code = ""
    if scope == "whole" and areas:
        code = "whole-or-chosen"
    elif scope != "whole" and not areas:
        code = "choose-places"
    if code:
        err = InvalidRequest([Fault("areas", code)])
        return _clear_page(request, officer, broadcast, ticked=areas, text=text, key=key, err=err)
    prepared = services.endings.of(broadcast)[0].worded.text
    own = "" if text == prepared else text  # the prepared words name the places that end
    once = OnceKey.of(key, "all-clear", broadcast.id, areas, text) if key else None
    try:
        outcome = await services.endings.all_clear(broadcast.id, by=officer, areas=areas, text=own, once=once)
    except InvalidRequest as err:
        return _clear_page(request, officer, broadcast, ticked=areas, text=text, key=key, err=err)
    return go(f"{HOME}/broadcasts/{outcome.ids[0]}")


async def ask_withdraw(request: web.Request) -> web.Response:
    """What will be said instead of it."""
    officer, broadcast = await one_of(request)
    return _withdraw_page(request, officer, broadcast, text="", key=secrets.token_urlsafe(18))


async def withdraw(request: web.Request) -> web.Response:
    """Say in the same places that it was wrong."""
    officer, fields = await our_form(request)
    _, broadcast = await one_of(request)
    services, text = request.app[SERVICES], _typed(str(fields.get("text", "")))
    key = str(fields.get("key", ""))[:100]
    once = OnceKey.of(key, "correct", broadcast.id, text) if key else None
    try:
        outcome = await services.endings.correct(broadcast.id, by=officer, text=text, once=once)
    except InvalidRequest as err:
        return _withdraw_page(request, officer, broadcast, text=text, key=key, err=err)
    return go(f"{HOME}/broadcasts/{outcome.ids[0]}")


def _clear_page(
    request: web.Request,
    officer: Officer,
    broadcast: Broadcast,
    *,
    ticked: tuple[str, ...],
    text: str,
    key: str,
    err: InvalidRequest | None = None,
) -> web.Response:
    services = request.app[SERVICES]
    tree = services.estate.tree
    places = [(code, place_of(tree, code)) for code in clearable(tree, broadcast.order, officer.area)]
    return page(
        request,
        "all_clear.html",
        officer=officer,
        status=422 if err else 200,
        broadcast=broadcast,
        places=places,
        ticked=ticked,
        text=text or services.endings.of(broadcast)[0].worded.text,
        ending=endings_shown(services, broadcast),
        wrong=_wrong(request, err),
        key=key,
    )


def _withdraw_page(
    request: web.Request,
    officer: Officer,
    broadcast: Broadcast,
    *,
    text: str,
    key: str,
    err: InvalidRequest | None = None,
) -> web.Response:
    services = request.app[SERVICES]
    return page(
        request,
        "withdraw.html",
        officer=officer,
        status=422 if err else 200,
        broadcast=broadcast,
        text=text or services.endings.of(broadcast)[1].worded.text,
        ending=endings_shown(services, broadcast),
        wrong=_wrong(request, err),
        key=key,
    )


def _wrong(request: web.Request, err: InvalidRequest | None) -> dict[str, str]:
    return dict(by_field(faults_of(err, Words(language_of(request))))) if err else {}


def _typed(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def add_to(app: web.Application) -> None:
    one = HOME + "/broadcasts/{broadcast}"
    app.router.add_get(f"{one}/all-clear", ask_all_clear)
    app.router.add_post(f"{one}/all-clear", all_clear)
    app.router.add_get(f"{one}/withdraw", ask_withdraw)
    app.router.add_post(f"{one}/withdraw", withdraw)
