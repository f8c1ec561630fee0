"""The console (值班台): a single page with its scripts and styles, as `console/build.py` put them into the package.

Names of assets hold the digest of what stands in them, so browsers may keep them for ever; the page itself is asked for each
time. Where the console was not built (LIANBO_SKIP_CONSOLE), the server-rendered desk at /emergency is the home page.
"""

import re
from pathlib import Path

from aiohttp import web

from broadcast.web.desk_parts import HOME
from broadcast.web.errors import NotFound

BUILT = Path(__file__).with_name("console")
CONSOLE = "/console/"
FOLDER = web.AppKey("console_folder", Path)
KEPT = web.AppKey("console_assets", dict[str, tuple[bytes, bytes]])

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,120}")
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".md": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
SPEAKS_AND_LISTENS = "geolocation=(), camera=(self), microphone=(self), payment=()"  # live microphone, conference


async def get_page(request: web.Request) -> web.StreamResponse:
    """The one page of every address below /console/: which view it is, the script reads from the address."""
    headers = {
        "Cache-Control": "no-cache",
        "Content-Type": "text/html; charset=utf-8",
        "Permissions-Policy": SPEAKS_AND_LISTENS,
    }
    return web.Response(body=_file(request, "index.html").read_bytes(), headers=headers)


async def get_asset(request: web.Request) -> web.StreamResponse:
    """A script or style; never the page in its place, which a browser would try to run.

    From memory: a browser asks for a handful at once and the wall waits for the last of them. A megabyte in all.
    """
    name = request.match_info["name"]
    kept = request.app[KEPT]
    if name not in kept:
        path = _asset(request, f"assets/{name}", name)
        packed = path.with_name(name + ".gz")
        kept[name] = path.read_bytes(), packed.read_bytes() if packed.is_file() else b""
    raw, packed_bytes = kept[name]
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Type": TYPES[Path(name).suffix],
        "Vary": "Accept-Encoding",
    }
    if packed_bytes and "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=packed_bytes, headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=raw, headers=headers)


async def get_licences(request: web.Request) -> web.StreamResponse:
    """The licences of the software that the console is built from."""
    path = _asset(request, "licences.md", "licences.md")
    return web.FileResponse(path, headers={"Cache-Control": "no-cache", "Content-Type": TYPES[path.suffix]})


async def go_home(request: web.Request) -> web.Response:
    """The console where it is built, the desk without scripts where it is not."""
    raise web.HTTPFound(CONSOLE if is_there(request.app[FOLDER]) else HOME)


async def go_inside(_: web.Request) -> web.Response:
    raise web.HTTPFound(CONSOLE)


def is_there(folder: Path) -> bool:
    return (folder / "index.html").is_file()


def add_to(app: web.Application, folder: Path = BUILT) -> None:
    """Addresses are there in any case; without a bundle they say 404."""
    app[FOLDER], app[KEPT] = folder, {}
    get = app.router.add_get
    get("/", go_home)
    get("/console", go_inside)
    get("/console/assets/{name}", get_asset)
    get("/console/licences.md", get_licences)
    for path in ("/console/{rest:.*}", "/screen", "/m", "/m/{rest:.*}"):
        get(path, get_page)


def _asset(request: web.Request, path: str, name: str) -> Path:
    if Path(name).suffix not in TYPES or not NAME.fullmatch(name):
        raise NotFound
    return _file(request, path)


def _file(request: web.Request, name: str) -> Path:
    path = request.app[FOLDER] / name
    if not path.is_file():
        raise NotFound
    return path
