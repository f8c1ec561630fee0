"""How the console is served: the page for every address of its own, assets for ever, nothing beside them."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession

from broadcast.web.app import make_app
from broadcast.web.guard import serve
from tests.town import town

PAGE, SCRIPT = b"<!doctype html><title>console</title>", b"console.log(1)"


@asynccontextmanager
async def visitor(folder: Path) -> AsyncIterator[ClientSession]:
    async with town() as there:
        runner, port = await serve(make_app(there.services, console=folder), host="127.0.0.1", port=0)
        try:
            async with ClientSession(f"http://127.0.0.1:{port}") as client:
                yield client
        finally:
            await runner.cleanup()


def built(folder: Path) -> Path:
    (folder / "assets").mkdir()
    (folder / "index.html").write_bytes(PAGE)
    (folder / "licences.md").write_text("# Licences")
    (folder / "assets" / "index-abc123.js").write_bytes(SCRIPT)
    (folder / "assets" / "index-abc123.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "sources.sha256").write_text("secret")
    return folder


async def test_every_address_of_the_console_is_its_page_and_is_asked_for_each_time(tmp_path: Path) -> None:
    async with visitor(built(tmp_path)) as client:
        for path in (
            "/",
            "/console",
            "/console/",
            "/console/wall",
            "/console/broadcasts/01ABC",
            "/screen",
            "/m",
            "/m/x",
        ):
            async with client.get(path) as answer:
                assert (answer.status, await answer.read()) == (200, PAGE), path
                assert answer.headers["Cache-Control"] == "no-cache"
                assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
                assert "microphone=(self)" in answer.headers["Permissions-Policy"]
                assert answer.content_type == "text/html"


async def test_assets_are_kept_for_ever_and_packed_for_whoever_takes_that(tmp_path: Path) -> None:
    async with visitor(built(tmp_path)) as client:
        for encoding in ("gzip", "identity"):
            async with client.get("/console/assets/index-abc123.js", headers={"Accept-Encoding": encoding}) as answer:
                assert (answer.status, await answer.read()) == (200, SCRIPT)
                assert answer.headers.get("Content-Encoding", "identity") == encoding
                assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
                assert answer.content_type == "text/javascript"
        async with client.get("/console/licences.md") as answer:
            assert (answer.status, await answer.text(), answer.content_type) == (200, "# Licences", "text/plain")


async def test_what_is_not_there_is_not_the_page_and_nothing_else_can_be_reached(tmp_path: Path) -> None:
    inside = tmp_path / "console"
    inside.mkdir()
    built(inside)
    (tmp_path / "secret.js").write_text("secret")
    names = (
        "gone.js",
        "..%2f..%2fsecret.js",
        "%2e%2e/secret.js",
        "..%5csecret.js",
        "index-abc123.js.gz",
        "sources.sha256",
        ".js",
        "x.py",
    )
    async with visitor(inside) as client:
        for name in names:
            async with client.get(f"/console/assets/{name}") as answer:
                assert b"secret" not in await answer.read(), name
                assert answer.status == 404 or await answer.read() == PAGE, name


async def test_without_a_built_console_the_desk_without_scripts_is_home(tmp_path: Path) -> None:
    async with visitor(tmp_path) as client:
        async with client.get("/", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, "/emergency")
        async with client.get("/console/") as answer:
            assert answer.status == 404
