"""A whole county as it stands in the field: `lianbo serve` and `lianbo simulate` as processes of their own, an officer over HTTP.

What became durable is read from the database itself, beside the server, so it is not asked how it is doing.
"""

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from bench.floor import CITY, cpu_of
from broadcast.clock import SystemClock
from broadcast.domain.area_import import read_table
from broadcast.domain.speakers import Speaker, default_id
from broadcast.keyring import open_keyring
from broadcast.provisioning import provision
from broadcast.service.officers import Officers
from broadcast.service.passwords import Argon2Hasher
from broadcast.store.store import open_store
from config.areas import load_packaged
from config.settings import load
from endpoints.mqtt_link import BrokerAddress
from endpoints.protocol import Stage
from endpoints.provisioning import Provisioning, write_provisioning
from endpoints.simulator_control import ask
from tests.system.city import OFFICER, ServerProcess, environment, free_port

PASSWORD = "correct horse battery staple"
EMERGENCY = {"kind": "emergency", "severity": "red", "areas": [CITY], "minutes": 30, "repeats": 20}


async def first_data(data: Path, count: int) -> list[Speaker]:
    """A database with areas, one officer and so many speakers: one in each area, then a second round."""
    data.mkdir(parents=True)  # noqa: ASYNC240
    store, hasher = open_store(f"sqlite:///{data / 'lianbo.db'}"), Argon2Hasher()
    tree = read_table(load_packaged())
    areas = list(tree)
    speakers = [
        Speaker(default_id(area.code, n // len(areas) + 1), area.code, area.name)
        for n in range(count)
        if (area := areas[n % len(areas)])
    ]
    await store.write(lambda tx: tx.areas.replace(tree))
    await store.write(lambda tx: tx.speakers.add(speakers))
    await Officers(clock=SystemClock(), store=store, hasher=hasher).add(OFFICER, PASSWORD, by=OFFICER)
    hasher.close()
    await store.close()
    return speakers


@dataclass
class Reported:
    """Of one order: when each speaker says that it came to a stage, by the server's time there."""

    at_ms: Sequence[int]

    @property
    def first_ms(self) -> int:
        return min(self.at_ms)

    @property
    def last_ms(self) -> int:
        return max(self.at_ms)


@dataclass
class County:
    """The server, its officer, and who its speakers are."""

    folder: Path
    server: ServerProcess
    session: aiohttp.ClientSession
    told: Provisioning

    # ---- processes ----------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def simulator(
        self, name: str = "speakers", speakers: slice = slice(None)
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """`lianbo simulate` for some of the speakers; `control(name)` is its socket."""
        file = self.folder / f"{name}.json"
        write_provisioning(file, replace(self.told, speakers=self.told.speakers[speakers]))
        with (self.folder / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "broadcast.main", "simulate", str(file)),
                *("--control", str(self.control(name))),
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    @asynccontextmanager
    async def flood(
        self, accounts: slice, order: str, *, per_s: int, seconds: float
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """`tests.system.flood` with these speakers' accounts, under way; its last line says what it sent."""
        file = self.folder / "stolen.json"
        write_provisioning(file, replace(self.told, speakers=self.told.speakers[accounts]))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.system.flood", str(file), order, str(per_s), str(seconds)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            assert (await asyncio.wait_for(process.stdout.readline(), 20)).strip() == b"up"
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    def control(self, name: str = "speakers") -> Path:
        return self.folder / f"{name}.sock"

    async def sounding(self, name: str = "speakers") -> int:
        """At how many something is heard, as the simulator itself sees it."""
        found = (await ask(self.control(name), {"ask": "status"}))["sounding"]
        assert isinstance(found, int)
        return found

    @property
    def broker_pid(self) -> int:
        pid: int = json.loads((self.folder / "data" / "broker" / "child.pid").read_text())["pid"]
        return pid

    def cpu_s(self) -> tuple[float, float]:
        """Of the server and of its broker."""
        return cpu_of(self.server.pid), cpu_of(self.broker_pid)

    # ---- the API ------------------------------------------------------------------------------------------------------------

    async def sign_in(self) -> None:
        body = {"name": OFFICER.name, "password": PASSWORD}
        async with self.session.post(f"{self.server.url}/api/v1/session", json=body) as answer:
            assert answer.status < 300, await answer.text()

    async def trigger(self, **change: object) -> tuple[str, float]:
        """Its id, and the seconds until the answer. :raises AssertionError: it was not accepted."""
        return await self._post("/broadcasts", {**EMERGENCY, **change})

    async def stop_all(self) -> float:
        """The seconds until the answer."""
        return (await self._post("/stop-all", {}))[1]

    async def _post(self, path: str, body: dict[str, object]) -> tuple[str, float]:
        began = time.monotonic()
        async with self.session.post(f"{self.server.url}/api/v1{path}", json=body) as answer:
            got = await answer.json()
            assert answer.status == 202, got
        return got["id"], time.monotonic() - began

    async def get(self, path: str) -> dict[str, object]:
        async with self.session.get(f"{self.server.url}/api/v1{path}") as answer:
            got: dict[str, object] = await answer.json()
            assert answer.status == 200, got
            return got

    async def online(self) -> int:
        counts = (await self.get("/speakers?limit=1"))["counts"]
        assert isinstance(counts, dict)
        found: int = counts["online"]
        return found

    async def all_online(self, count: int, *, within_s: float = 60.0) -> float:
        return await wait_for(self.online, lambda found: found >= count, f"{count} online", within_s=within_s)

    # ---- the table ----------------------------------------------------------------------------------------------------------

    def reported(self, order: str, stage: Stage) -> Reported:
        """What is committed, each speaker once."""
        with closing(sqlite3.connect(f"file:{self.folder / 'data' / 'lianbo.db'}?mode=ro", uri=True)) as database:
            query = "SELECT MIN(at_ms) FROM report WHERE order_id = ? AND stage = ? GROUP BY speaker_id"
            return Reported([at_ms for (at_ms,) in database.execute(query, (order, stage.value))])

    async def durable(self, order: str, stage: Stage, count: int, *, within_s: float = 60.0) -> float:
        """Until so many speakers' reports are in the table; seconds."""

        async def found() -> int:
            return len(self.reported(order, stage).at_ms)

        what = f"{count} times {stage.name} in the table"
        return await wait_for(found, lambda there: there >= count, what, within_s=within_s, every_s=0.005)


async def wait_for(
    ask_it: Callable[[], object], enough: Callable[[int], bool], what: str, *, within_s: float, every_s: float = 0.02
) -> float:
    """Ask until it is enough; the seconds it took."""
    began, found = time.monotonic(), -1
    while time.monotonic() - began < within_s:
        found = await ask_it()  # type: ignore[misc]
        if enough(found):
            return time.monotonic() - began
        await asyncio.sleep(every_s)
    raise AssertionError(f"not within {within_s} s: {what}; {found} there")


@asynccontextmanager
async def county(folder: Path, count: int, **settings: object) -> AsyncIterator[County]:
    """A server on its defaults but for folder and ports, with an officer signed in; speakers are not switched on."""
    data, broker_port = folder / "data", free_port()
    speakers = await first_data(data, count)
    keyring = open_keyring(
        data / "keys", county=CITY[:6], algorithm="ed25519", key_days=100, now_ms=time.time_ns() // 1_000_000
    )
    server = ServerProcess(folder, BROKER_PORT=broker_port, **settings)
    rules = load(environment=environment(data, **settings)).rules
    told = provision(
        speakers,
        keyring=keyring,
        rules=rules,
        broker=BrokerAddress("127.0.0.1", broker_port, "", ""),
        assets_url=server.url,
    )
    await server.start()
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            await server.ready(session)
            whole = County(folder, server, session, told)
            await whole.sign_in()
            yield whole
    finally:
        await server.stop()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4 / 1024
