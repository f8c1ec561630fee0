"""The database does not take it: the disk of the server is full, or another program holds the lock.

Then a trigger is refused with a sentence, nothing of it is left behind, what sounds goes on, and what speakers report meanwhile
waits at the broker. When there is room again everything goes on by itself.
"""

import asyncio
import contextlib
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from broadcast.service.presence import Presence
from endpoints.delivery import State
from endpoints.protocol import Reason, Stage
from tests.system.city import CITY, OFFICER, RED, City, city, until

COUNT = 20
PASSWORD = "correct horse battery staple"
TRIGGER = {"kind": "emergency", "severity": "red", "areas": [CITY], "minutes": 5, "repeats": 20}


@dataclass
class Desk:
    """An officer who has signed in."""

    city: City
    session: aiohttp.ClientSession

    async def trigger(self, key: str) -> tuple[int, str, dict[str, object]]:
        """Status, kind of answer, and the answer."""
        url = f"{self.city.server.address}/api/v1/broadcasts"
        async with self.session.post(url, json=TRIGGER, headers={"Idempotency-Key": key}) as answer:
            return answer.status, answer.content_type, await answer.json()

    async def ready(self) -> dict[str, object]:
        async with self.session.get(f"{self.city.server.address}/readyz") as answer:
            found: dict[str, object] = await answer.json()
            return found

    async def ids(self) -> set[str]:
        return {one.id for one in await self.city.server.broadcasts.page(limit=200)}


@contextlib.asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    async with (
        city(folder, count=COUNT, BROKER_PERSISTENCE="false") as there,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
    ):
        await there.server.officers.add(OFFICER, PASSWORD, by=OFFICER)
        url = f"{there.server.address}/api/v1/session"
        async with session.post(url, json={"name": OFFICER.name, "password": PASSWORD}) as answer:
            assert answer.status < 300, await answer.text()
        yield Desk(there, session)


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", folder], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all that is left."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return ballast


async def test_a_full_disk_refuses_the_trigger_and_loses_no_report_and_when_there_is_room_everything_goes_on(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "small", megabytes=24):
        async with desk(tmp_path / "small") as duty:
            await _while_broken(duty, lambda: fill(tmp_path / "small"), lambda ballast: ballast.unlink())


async def test_a_locked_database_does_the_same(tmp_path: Path) -> None:
    async with desk(tmp_path) as duty:

        def lock() -> sqlite3.Connection:
            other = sqlite3.connect(tmp_path / "data" / "lianbo.db", isolation_level=None, timeout=10)
            other.execute("BEGIN IMMEDIATE")
            return other

        await _while_broken(duty, lock, lambda other: other.close())


async def _while_broken(duty: Desk, break_it, mend) -> None:  # type: ignore[no-untyped-def]
    there, server = duty.city, duty.city.server
    before = (await server.broadcasts.start(RED, by=OFFICER)).ids[0]
    await there.all_in(before, State.SOUNDING)
    rows_before = len(await server.store.read(lambda tx: tx.reports.of(before)))
    known = await duty.ids()
    broken = await asyncio.to_thread(break_it)

    # A log that is reused takes some more before it has to grow.
    for attempt in range(40):
        status, kind, answer = await duty.trigger(f"while-broken-{attempt}")
        if status != 202:
            break
        known.add(str(answer["id"]))
        before = str(answer["id"])
    assert (status, kind) == (503, "application/problem+json"), answer
    assert answer["type"] == "/problems/store-unavailable"
    assert answer["cause"] and answer["title"]

    refused = f"while-broken-{attempt}"
    assert await duty.ids() == known, "nothing of it is there"
    assert set(server.boards.carried) == known, "and nothing of it on a board"
    await until(lambda: all(one.sounds == before for one in there.simulator.speakers.values()), "what sounds goes on")
    await until(lambda: "store-unavailable" in {one.name for one in server.health.conditions}, "shown at the desk")
    ready = await duty.ready()
    assert ready["ready"] is False and "store-unavailable" in ready["reasons"]  # type: ignore[operator]

    restarted = list(there.simulator.speakers.values())[:5]
    for one in restarted:  # they will have something to report that can't be written
        one.loses_power()
        one.gets_power()
    await until(lambda: all(one.sounds == before for one in restarted), "they sound again")
    assert server.ladder.counts(before), "the ladder is there"

    await asyncio.to_thread(mend, broken)
    await until(lambda: "store-unavailable" not in {one.name for one in server.health.conditions}, "over", within_s=15)

    def told() -> bool:
        return all(server.speakers.status(one.config.id).presence is Presence.ONLINE for one in restarted)

    await until(told, "all online", within_s=10)
    for one in restarted:
        await _reported_power_lost(duty, before, one.config.id)
    assert len(await server.store.read(lambda tx: tx.reports.of(before))) >= rows_before
    status, _, answer = await duty.trigger(refused)
    assert status == 202 and not answer["repeated"], "the same request again is taken now"
    order = str(answer["id"])
    await there.all_in(order, State.SOUNDING)
    assert await duty.ids() == known | {order}
    rows = await server.store.read(lambda tx: tx.reports.of(order))
    assert len({row.speaker for row in rows if row.stage is Stage.SOUNDING}) == COUNT


async def _reported_power_lost(duty: Desk, order: str, speaker: str) -> None:
    for _ in range(400):
        rows = await duty.city.server.store.read(lambda tx: tx.reports.of(order, speaker))
        if (Stage.INTERRUPTED, Reason.POWER_LOST) in {(row.stage, row.reason) for row in rows}:
            return
        await asyncio.sleep(0.025)
    raise AssertionError(f"{speaker}'s report was lost")
