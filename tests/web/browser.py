"""A client as a machine is one (a bearer token) or as a browser is one (a cookie), against the real application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, CookieJar, TCPConnector

from broadcast.domain.officers import Officer
from broadcast.web.app import make_app
from broadcast.web.guard import serve
from tests.town import DUTY, Town


@asynccontextmanager
async def served(town: Town, **limits: int) -> AsyncIterator[str]:
    """The address of the application, served as in earnest."""
    runner, port = await serve(make_app(town.services), host="127.0.0.1", port=0, **limits)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def machine(town: Town, officer: Officer | None = DUTY, **limits: int) -> AsyncIterator[ClientSession]:
    """Signed in as this officer."""
    headers = {"Authorization": f"Bearer {await town.sign_in(officer)}"} if officer else {}
    async with served(town, **limits) as base, ClientSession(base, headers=headers) as client:
        yield client


@asynccontextmanager
async def visitor(base: str, address: str = "127.0.0.1") -> AsyncIterator[ClientSession]:
    """Somebody with an empty jar of cookies, coming from that address of this machine."""
    connector = TCPConnector(local_addr=(address, 0))
    async with ClientSession(base, cookie_jar=CookieJar(unsafe=True), connector=connector) as client:
        yield client


def order(**fields: Any) -> dict[str, Any]:
    """A right request, with these fields changed."""
    body = {
        "kind": "emergency",
        "severity": "red",
        "areas": ["130281000000"],
        "text": "山洪，请立即转移。",
        "minutes": 10,
    }
    return {**body, **fields}
