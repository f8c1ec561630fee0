"""Stub."""

from aiohttp import web


async def serve(
    app: web.Application, *, host: str, port: int, per_address: int = 100, per_loopback: int = 1_000
) -> tuple[web.AppRunner, int]:
    """Serve the application behind the connection guard; the runner to clean up, and the port that was taken."""
    raise NotImplementedError
