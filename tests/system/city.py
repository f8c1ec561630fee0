"""A whole city for a test: server, broker, simulated speakers; in this process, or the server as a process that can be killed."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.officers import Officer, Role
from broadcast.domain.speakers import Speaker, default_id
from broadcast.server import Server
from broadcast.service.presence import Presence
from config.settings import load
from endpoints.delivery import State
from endpoints.protocol import Kind, Severity
from endpoints.simulator import Simulator

CITY = "130281000000"
OFFICER = Officer("duty", "duty", Role.ADMINISTRATOR, CITY)
RED = StartBroadcast(kind=Kind.EMERGENCY, severity=Severity.RED, areas=(CITY,), minutes=5)


async def until(true: Callable[[], object], what: str, *, within_s: float = 10.0) -> float:
    """Wait for it; the seconds it took. Fails with what was waited for."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > within_s:
            raise AssertionError(f"not within {within_s} s: {what}")
        await asyncio.sleep(0.005)
    return time.monotonic() - began


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def environment(folder: Path, **settings: object) -> dict[str, str]:
    """Settings of a server in that folder, everything else on its defaults."""
    alone = {  # one officer does everything here, and nobody confers; approvals and engines have tests of their own
        "RULES_SECOND_PERSON": "false",
        "CONFERENCE_ENGINE": "none",
    }
    chosen: dict[str, object] = {"SERVER_DATA_FOLDER": folder, "SERVER_PORT": 0, **alone, **settings}
    return {f"LIANBO_{name}": str(value) for name, value in chosen.items()}


def some_speakers(server: Server, count: int, *, exercise: bool = False) -> list[Speaker]:
    """One in each area, county first, then a second round."""
    areas = list(server.estate.tree)
    start = 5 if exercise else 1
    return [
        Speaker(
            default_id(areas[n % len(areas)].code, start + n // len(areas)), areas[n % len(areas)].code, "x", exercise
        )
        for n in range(count)
    ]


@dataclass
class City:
    """A server in this process and its speakers."""

    server: Server
    simulator: Simulator

    @property
    def online(self) -> int:
        return self.server.speakers.counts()[Presence.ONLINE]

    def counts(self, broadcast: str) -> Mapping[State, int]:
        return self.server.ladder.counts(broadcast) or {}

    async def all_online(self, *, within_s: float = 15.0) -> float:
        count = len(self.simulator.speakers)
        return await until(lambda: self.online == count, f"{count} speakers online", within_s=within_s)

    async def all_in(self, broadcast: str, *states: State, within_s: float = 10.0) -> float:
        """Until every speaker that it means stands in one of these states."""

        def there() -> bool:
            counts = self.counts(broadcast)
            return bool(counts) and sum(counts.values()) == sum(counts.get(state, 0) for state in states)

        return await until(there, f"all in {[s.name for s in states]}", within_s=within_s)


@asynccontextmanager
async def city(folder: Path, *, count: int, exercise: int = 0, **settings: object) -> AsyncIterator[City]:
    """Up, with all speakers online."""
    server = Server(load(environment=environment(folder / "data", **settings)))
    await server.start()
    try:
        speakers = some_speakers(server, count) + some_speakers(server, exercise, exercise=True)
        await server.estate.enrol(speakers, by=OFFICER)
        server.refresh_users()
        simulator = Simulator(server.provisioning(), seed=1)
        simulator.start()
        try:
            whole = City(server, simulator)
            await whole.all_online()
            yield whole
        finally:
            await simulator.stop()
    finally:
        await server.stop()


class ServerProcess:
    """`lianbo serve` as a process of its own, to be killed without notice."""

    def __init__(self, folder: Path, *, python: Path = Path(sys.executable), **settings: object) -> None:
        self._python = python
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self._environment = {**os.environ, **environment(folder / "data", **{**settings, "SERVER_PORT": self.port})}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(self._python, "-P", "-m", "broadcast.main", "serve"), env=self._environment, stdout=log, stderr=log
            )

    async def ready(self, session: aiohttp.ClientSession, *, within_s: float = 20.0) -> float:
        """Until /readyz says so; the seconds it took."""
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            if self._process is not None and self._process.returncode is not None:
                raise AssertionError(f"the server ended: {self.log.read_text()[-2000:]}")
            try:
                async with session.get(f"{self.url}/readyz") as answer:
                    if answer.status == 200:
                        return time.monotonic() - began
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.02)
        raise AssertionError(f"not ready within {within_s} s: {self.log.read_text()[-2000:]}")

    async def kill(self) -> None:
        """`kill -9`: no handler runs, nothing is flushed."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(self._process.wait(), 15)
