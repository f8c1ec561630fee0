"""Sound files by content hash. Public on purpose: a speaker checks the hash against its signed order, and nobody can guess one.

A township gets so many bytes a second; a speaker shows its pass, so that it is known whose share it is.
"""

import math
import re

from aiohttp import web

from broadcast.web.errors import NotFound, TownshipBusy
from broadcast.web.services import SERVICES
from broadcast.web.session import address_of

NAME = re.compile(r"[0-9a-f]{64}")
FROM = re.compile(r"bytes=(\d{1,15})-")
SHOWN = "Lianbo-Speaker"


async def get_asset(request: web.Request) -> web.StreamResponse:
    """The file with that SHA-256; ranges and HEAD as speakers ask for them after a broken link."""
    name = request.match_info["sha256"]
    path = request.app[SERVICES].asset(name) if NAME.fullmatch(name) else None
    if path is None:
        raise NotFound
    if request.method == "GET":
        begin = FROM.match(request.headers.get("Range", ""))
        size_bytes = max(0, path.stat().st_size - (int(begin[1]) if begin else 0))
        wait_s = request.app[SERVICES].gate.wait_s(
            bytes.fromhex(name), size_bytes, shown=request.headers.get(SHOWN, ""), address=address_of(request)
        )
        if wait_s > 0:
            raise TownshipBusy(math.ceil(wait_s))
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Content-Type": "audio/ogg"}
    return web.FileResponse(path, headers=headers)


def add_to(app: web.Application) -> None:
    app.router.add_get("/assets/{sha256}", get_asset)
