"""The library of sounds (音频素材) as pages at /sounds: forms and links, the waveform as SVG, complete without JavaScript."""

from datetime import datetime

from aiohttp import web
from multidict import MultiDictProxy

from broadcast.domain.assets import Asset, AssetState
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import holds
from broadcast.service.assets import Upload
from broadcast.service.reach import place_of
from broadcast.web.assets_api import expiry, take_in
from broadcast.web.assets_words import notes, refusal_of, seconds, wave_path
from broadcast.web.bodies import read_form
from broadcast.web.forms import by_field
from broadcast.web.pages import language_of, page
from broadcast.web.problems import faults_of, status_of, title_of
from broadcast.web.services import SERVICES
from broadcast.web.session import must_be_our_form, officer_of
from broadcast.web.uploads import Incoming, incoming
from broadcast.web.words import BEIJING, Words

HOME = "/sounds"
LISTED = 100
_THUMB_PAIRS = 120
_ID = "{asset:[0-9A-Z]{26}}"


async def sounds(request: web.Request) -> web.Response:
    """The form, what is under way, and what there is."""
    return await _list(request, await officer_of(request))


async def send(request: web.Request) -> web.Response:
    """Take a file in; the fields of the form are checked before its bytes are read."""
    officer = await officer_of(request)
    sent = await incoming(request)
    fields = dict(sent.fields)
    must_be_our_form(request, fields.pop("mark", ""))
    try:
        upload = await take_in(
            request.app[SERVICES], Incoming(fields, sent.file_name, sent.size_bytes, sent.chunks), by=officer
        )
    except BroadcastError as err:
        return await _list(request, officer, fields, err)
    return _go(f"{HOME}/{upload.id}")


async def sound(request: web.Request) -> web.Response:
    """One sound: listen, approve, let expire, delete; or how far an upload got."""
    officer = await officer_of(request)
    found = request.app[SERVICES].assets.look(request.match_info["asset"], by=officer)
    return await _one(request, officer, found)


async def approve(request: web.Request) -> web.Response:
    officer, fields, asset = await _form(request)
    await request.app[SERVICES].assets.approve(asset, str(fields.get("sha256", "")), by=officer)
    return _go(f"{HOME}/{asset}")


async def expire(request: web.Request) -> web.Response:
    officer, fields, asset = await _form(request)
    assets = request.app[SERVICES].assets
    try:
        await assets.expire(asset, expiry(str(fields.get("expires", "")).strip()), by=officer)
    except InvalidRequest as err:
        return await _one(request, officer, assets.get(asset, by=officer), err)
    return _go(f"{HOME}/{asset}")


async def delete(request: web.Request) -> web.Response:
    """The box has to be ticked: a sound that is gone is gone."""
    officer, fields, asset = await _form(request)
    assets = request.app[SERVICES].assets
    if fields.get("sure") != "1":
        err = InvalidRequest([Fault("sure", "missing")])
        return await _one(request, officer, assets.look(asset, by=officer), err)
    await assets.remove(asset, by=officer)
    return _go(HOME)


async def _list(
    request: web.Request,
    officer: Officer,
    fields: dict[str, str] | None = None,
    err: BroadcastError | None = None,
) -> web.Response:
    services, words = request.app[SERVICES], Words(language_of(request))
    assets = services.assets.page(by=officer, limit=LISTED)
    uploads = services.assets.uploads(by=officer)
    faults = faults_of(err, words) if err else []
    waiting = any(one.state is not AssetState.REFUSED for one in uploads)
    response = page(
        request,
        "sounds.html",
        officer=officer,
        status=int(status_of(err)) if err else 200,
        problem=title_of(err, words) if err else "",
        faults=faults,
        wrong=by_field(faults),
        typed={**dict.fromkeys(("name", "licence", "kind", "shared", "expires"), ""), **(fields or {})},
        kinds=("routine", "notice", "signal"),
        assets=[_row(one, request) for one in assets],
        uploads=[(one, refusal_of(words, one)) for one in uploads],
    )
    return _soon(response, waiting=waiting and err is None)


async def _one(
    request: web.Request, officer: Officer, found: Asset | Upload, err: BroadcastError | None = None
) -> web.Response:
    services, words = request.app[SERVICES], Words(language_of(request))
    problem, faults = (title_of(err, words), faults_of(err, words)) if err else ("", [])
    status = int(status_of(err)) if err else 200
    if isinstance(found, Upload):
        response = page(
            request,
            "sound_upload.html",
            officer=officer,
            status=status,
            upload=found,
            why=refusal_of(words, found),
            place=place_of(services.estate.tree, found.new.area),
        )
        return _soon(response, waiting=found.state is not AssetState.REFUSED)
    return page(
        request,
        "sound.html",
        officer=officer,
        status=status,
        problem=problem,
        wrong=by_field(faults),
        one=found,
        measured=found.measured,
        place=place_of(services.estate.tree, found.area),
        wave=wave_path(found.measured.pairs()),
        notes=notes(words, found),
        uses=await services.assets.uses(found),
        may_change=holds(officer, Verb.MANAGE_ASSETS, areas=[found.area], now_ms=services.clock.now_ms()),
        expires=_day(found.expires_ms),
        seconds=seconds,
    )


def _row(one: Asset, request: web.Request) -> dict[str, object]:
    tree = request.app[SERVICES].estate.tree
    wave = wave_path(one.measured.pairs(_THUMB_PAIRS))
    return {"asset": one, "place": place_of(tree, one.area), "wave": wave}


def _day(ms: int | None) -> str:
    """The last day on which it may be used, as a date field shows it."""
    return "" if ms is None else datetime.fromtimestamp((ms - 1) / 1000, BEIJING).date().isoformat()


def _soon(response: web.Response, *, waiting: bool) -> web.Response:
    """Look again while something is under way."""
    if waiting:
        response.headers["Refresh"] = "2"
    return response


async def _form(request: web.Request) -> tuple[Officer, MultiDictProxy[str], str]:
    officer = await officer_of(request)
    fields = await read_form(request)
    must_be_our_form(request, str(fields.get("mark", "")))
    return officer, fields, request.match_info["asset"]


def _go(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where})


def add_to(app: web.Application) -> None:
    one = f"{HOME}/{_ID}"
    app.router.add_get(HOME, sounds)
    app.router.add_post(HOME, send)
    app.router.add_get(one, sound)
    app.router.add_post(f"{one}/approve", approve)
    app.router.add_post(f"{one}/expire", expire)
    app.router.add_post(f"{one}/delete", delete)
