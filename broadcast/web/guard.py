"""The door before aiohttp, which has no time limit for a request's head: trickling and idle connections go, officers get in.

Measured: without this, 500 sockets that send a byte now and then stay open for an hour each.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from aiohttp import web

HEAD_WITHIN_S = 10.0
KEEP_ALIVE_S = 75.0
LOOPBACK = frozenset({"127.0.0.1", "::1"})


class Guard(asyncio.Protocol):
    """Stands between a connection and aiohttp's protocol and passes everything on.

    A head that is not whole in time ends the connection. `aiohttp` handlers find it as `request.transport.get_protocol()`.
    """

    def __init__(self, door: "Door", inner: asyncio.Protocol) -> None:
        self._door, self._inner = door, inner
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.address = ""
        self.busy = False  # a request's head is whole, its answer is not

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # TCP and TLS both are
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else ""
        if not self._door.admits(self):
            self._transport.abort()
            self._transport = None
            return
        self._wait_for_head()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        if not self.busy and self._timer is None:
            self._wait_for_head()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        self._forget_timer()
        self._door.left(self)
        self._inner.connection_lost(exc)

    def head_is_whole(self) -> None:
        """A request has come in; the application looks after it from here."""
        self.busy = True
        self._forget_timer()

    def answered(self) -> None:
        """The request is answered; idle until the next byte."""
        self.busy = False

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _wait_for_head(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(HEAD_WITHIN_S, self.drop)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Door:
    """Who is connected, by address, oldest first.

    At the limit of an address the oldest of its connections that waits for nothing but its own head makes room; when all of
    them are busy with requests, the new one is refused. So whoever trickles pushes out whoever trickled before.
    """

    def __init__(self, make: Callable[[], asyncio.Protocol], *, per_address: int, per_loopback: int) -> None:
        self._make, self._per_address, self._per_loopback = make, per_address, per_loopback
        self._inside: dict[str, dict[Guard, None]] = {}

    def __call__(self) -> Guard:
        return Guard(self, self._make())

    @property
    def connections(self) -> int:
        return sum(len(guards) for guards in self._inside.values())

    def admits(self, guard: Guard) -> bool:
        guards = self._inside.setdefault(guard.address, {})
        if len(guards) >= (self._per_loopback if guard.address in LOOPBACK else self._per_address):
            idle = next((one for one in guards if not one.busy), None)
            if idle is None:
                return False
            del guards[idle]
            idle.drop()
        guards[guard] = None
        return True

    def left(self, guard: Guard) -> None:
        guards = self._inside.get(guard.address, {})
        guards.pop(guard, None)
        if not guards:
            self._inside.pop(guard.address, None)


class GuardedSite(web.BaseSite):
    """A listening socket with the door before it."""

    def __init__(self, runner: web.AppRunner, listening: socket.socket, *, per_address: int, per_loopback: int) -> None:
        super().__init__(runner)
        self._listening, self._per_address, self._per_loopback = listening, per_address, per_loopback

    @property
    def name(self) -> str:
        host, port = self._listening.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        await super().start()
        if (server := self._runner.server) is None:
            raise RuntimeError("the runner is not set up")
        door = Door(server, per_address=self._per_address, per_loopback=self._per_loopback)
        self._server = await asyncio.get_running_loop().create_server(door, sock=self._listening, backlog=512)


async def serve(
    app: web.Application, *, host: str, port: int, per_address: int = 100, per_loopback: int = 1_000
) -> tuple[web.AppRunner, int]:
    """Serve the application behind the door; the runner to clean up, and the port that was taken.

    :param host: one address; empty or 0.0.0.0 for all of IPv4, :: for both.
    :raises OSError: the port is taken or the address not ours.
    """
    runner = web.AppRunner(
        app,
        access_log=None,  # ours has request ids and no query strings
        keepalive_timeout=KEEP_ALIVE_S,
        auto_decompress=False,  # no request here may be packed; 200 MB of zeros are 200 kB of gzip
        lingering_time=0.5,
        shutdown_timeout=5.0,
        max_line_size=4_096,
        max_field_size=8_190,
    )
    await runner.setup()
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=512, dualstack_ipv6=host == "::")
        listening.setblocking(False)
        site = GuardedSite(runner, listening, per_address=per_address, per_loopback=per_loopback)
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, listening.getsockname()[1]
