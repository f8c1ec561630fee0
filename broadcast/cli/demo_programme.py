"""The demonstration's morning programme (早间节目): the project's own melody and a spoken greeting, on the air when it starts."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from audio_assets.rendering import RenderError
from broadcast.domain.assets import AssetKind, NewAsset, SameFile
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.officers import Officer
from broadcast.domain.programmes import Pattern, Playlist, Programme
from broadcast.server import Server
from broadcast.service.ports import SpeechFailed
from endpoints.protocol import Tone

log = logging.getLogger(__name__)

TITLE = "早间节目"
GREETING = "各位村民，早上好。这里是联播演示，现在播送早间节目。"
TUNE, LICENCE = "联播晨曲", "本项目自作曲并合成，Apache-2.0 (composed for this project)"
SLOT_MIN = 50
SOON = timedelta(seconds=4)  # all begin in step, so the order has to be at the speakers before
READY_WITHIN_S = 30.0
BEIJING = timedelta(hours=8)


async def morning(server: Server, by: Officer) -> str:
    """Have the programme on the air in a few seconds, whatever the time of day; its title, or why there is none.

    A start that finds it running leaves it alone; another moves it to now.
    """
    plan = server.programmes
    was = next((one.programme for one in plan.seen(by) if one.programme.title == TITLE), None)
    if was is not None and any(one.programme == was.id for one in server.planning.boards.running()):
        return TITLE
    try:
        draft = _draft(await _content(server, by), server.county, server.clock.now())
        if was is None:
            await plan.add(draft, by=by)
        else:
            await plan.change(was.id, draft, by=by, revision=was.revision)
    except (RenderError, SpeechFailed, InvalidRequest, TimeoutError, OSError) as err:
        log.warning("no morning programme: %s", err)
        return f"no morning programme: {err}"
    return TITLE


def _draft(assets: tuple[bytes, ...], county: str, now: datetime) -> Programme:
    """Every day at this time of day."""
    at = (now.astimezone(UTC).replace(tzinfo=None) + BEIJING + SOON).replace(microsecond=0)
    draft = Programme("", TITLE, county, Pattern((at.time(),), at.date()), Playlist(assets), SLOT_MIN, areas=(county,))
    return replace(draft, loop=True, opening=Tone.CHIME)


async def _content(server: Server, by: Officer) -> tuple[bytes, ...]:
    tune = await _tune(server, by)
    try:
        return tune, (await server.speech.speak(GREETING, exercise=False)).asset
    except SpeechFailed as err:  # a machine without a voice has a tune all the same
        log.warning("no greeting: %s", err)
        return (tune,)


async def _tune(server: Server, by: Officer) -> bytes:
    """In the library like any other sound, with where it comes from."""
    made = await server.worker.melody()

    async def chunks() -> AsyncIterator[bytes]:
        yield made.data

    new = NewAsset(TUNE, LICENCE, AssetKind.ROUTINE, server.county, shared=True)
    try:
        upload = await server.assets.receive(new, chunks(), size_bytes=len(made.data), by=by)
        name = upload.id
    except SameFile as err:
        name = err.asset
    found = None
    async with asyncio.timeout(READY_WITHIN_S):
        while found is None:
            await asyncio.sleep(0.05)
            found = next((one for one in server.assets.page(by=by, limit=200) if one.id == name), None)
    return (await server.assets.approve(name, found.sha256.hex(), by=by)).sha256
