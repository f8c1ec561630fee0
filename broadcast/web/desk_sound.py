"""A broadcast to be listened to at the desk, before it is sent: how long it sounds, and a control that plays the whole of it."""

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from broadcast.domain.broadcasts import InvalidRequest, StartBroadcast
from broadcast.domain.officers import Officer
from broadcast.domain.spoken import Layout
from broadcast.service.announcer import SPEECH_WITHIN_S, Rehearsal
from broadcast.service.ports import SpeechFailed
from broadcast.service.previews import TooManyPreviews
from broadcast.web.desk_parts import HOME
from broadcast.web.errors import NotFound
from broadcast.web.services import SERVICES, Services
from broadcast.web.session import officer_of
from broadcast.web.words import Words
from endpoints.protocol import Tone

LISTEN = f"{HOME}/listen"
MOST_REPEATS, MOST_GAP_MS = 100, 60_000
_HASH = re.compile("([0-9a-f]{64})?")
_NUMBER = re.compile(r"\d{1,6}")


@dataclass(frozen=True, slots=True)
class SoundShown:
    """What the confirm page says of the sound; `url` plays it."""

    url: str
    seconds: int
    fits: bool
    notes: list[str]


async def rehearsed(services: Services, command: StartBroadcast, officer: Officer) -> Rehearsal | None:
    """How it would sound, if that is known in the time in which it would be sent; nobody is kept waiting for it."""
    try:
        async with asyncio.timeout(SPEECH_WITHIN_S):
            return await services.previews.announcement(command, by=officer, whole=False)
    except (TimeoutError, SpeechFailed, TooManyPreviews):
        return None


def sound_shown(rehearsal: Rehearsal | None, words: Words) -> SoundShown | None:
    if rehearsal is None:
        return None
    notes = [words(f"spoken.{note.code}", fact=note.fact) for note in rehearsal.made.notes] if rehearsal.made else []
    order = rehearsal.order
    return SoundShown(listen_url(Layout.of(order)), -(-order.sound_ms // 1000), rehearsal.fits, notes)


def listen_url(layout: Layout) -> str:
    """Where all of it can be heard."""
    asked = {"asset": layout.asset.hex(), "tone": int(layout.tone), "repeats": layout.repeats}
    return f"{LISTEN}?{urlencode({**asked, 'gap_ms': layout.gap_ms, 'closing': int(layout.closing)})}"


async def listen(request: web.Request) -> web.StreamResponse:
    """The whole as one file, made when somebody wants to hear it. Which sound it is stands in the address, so it never changes."""
    officer, services = await officer_of(request), request.app[SERVICES]
    layout = _layout(request)
    again = not request.headers.get("Range", "bytes=0-").startswith("bytes=0-")
    try:
        whole = await services.previews.whole(layout, by=officer, again=again)
    except (SpeechFailed, InvalidRequest):
        raise NotFound from None
    path = services.asset(whole.asset.hex()) if whole else None
    if path is None:
        raise NotFound
    headers = {"Cache-Control": "private, max-age=3600", "Content-Type": "audio/ogg"}
    return web.FileResponse(path, headers=headers)


def _layout(request: web.Request) -> Layout:
    """:raises NotFound: nothing that we would have linked to."""
    asset = request.query.get("asset", "")
    numbers = {name: request.query.get(name, "") for name in ("tone", "repeats", "gap_ms", "closing")}
    if not _HASH.fullmatch(asset) or not all(_NUMBER.fullmatch(value) for value in numbers.values()):
        raise NotFound
    tone, repeats, gap_ms, closing = (int(value) for value in numbers.values())
    known = [int(one) for one in Tone]
    if not (tone in known and closing in known and 1 <= repeats <= MOST_REPEATS and gap_ms <= MOST_GAP_MS):
        raise NotFound
    return Layout(bytes.fromhex(asset), Tone(tone), repeats, gap_ms, Tone(closing))


def add_to(app: web.Application) -> None:
    app.router.add_get(LISTEN, listen)
