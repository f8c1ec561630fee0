"""Sound files by content hash. Public on purpose: a speaker checks the hash against its signed order, and nobody can guess one."""

import re

from aiohttp import web

from broadcast.web.errors import NotFound
from broadcast.web.services import SERVICES

NAME = re.compile(r"[0-9a-f]{64}")


async def get_asset(request: web.Request) -> web.StreamResponse:
    """The file with that SHA-256; ranges and HEAD as speakers ask for them after a broken link."""
    name = request.match_info["sha256"]
    path = request.app[SERVICES].asset(name) if NAME.fullmatch(name) else None
    if path is None:
        raise NotFound
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Content-Type": "audio/ogg"}
    return web.FileResponse(path, headers=headers)


def add_to(app: web.Application) -> None:
    app.router.add_get("/assets/{sha256}", get_asset)
