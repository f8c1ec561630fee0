"""The realistic plan of 718 areas on a real server with SQLite and Mosquitto: its boards, their size, and what they cost at rest.

The plan is that of `bench.year`: 1,466 programmes, about 2,000 occurrences in 48 hours.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.figures import Figure, write
from bench.year import county_plan
from broadcast.domain.programme_versions import Version
from broadcast.domain.programmes import Content, Programme
from broadcast.server import Server
from broadcast.service.ports import Tx
from config.settings import load
from endpoints.protocol import Part
from tests.system.city import OFFICER, environment, some_speakers

IDLE_S = 20.0
SPEAKERS = 718
CHUNK = 200
CONTENT = Content((Part(b"\x01" * 32, 240_000, 600_000),))


def main() -> None:
    asyncio.run(_main())


async def _main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(load(environment=environment(Path(folder) / "data", BROKER_ENGINE="mosquitto")))
        await server.start()
        try:
            await server.estate.enrol(some_speakers(server, SPEAKERS), by=OFFICER)
            server.refresh_users()
            write("plan_boards", await _measure(server))
        finally:
            await server.stop()


async def _measure(server: Server) -> list[Figure]:
    await asyncio.sleep(3)
    empty = await _idle(IDLE_S)
    plan = county_plan(server.estate.tree)
    await _save(server, plan)
    renew_s = await _timed(server, server.planning.boards.renew)
    sizes = sorted(len(frame) for _, frame in server.planning.boards._frames.values())
    rows = len(server.planning.boards.rows)
    roll_s = await _timed(server, server.planning.boards.renew)
    republish_s = await _timed(server, _again(server))
    edit_s = await _timed(server, _edit(server))
    await asyncio.sleep(3)
    full = await _idle(IDLE_S)
    return [
        Figure("Programmes of 718 areas", len(plan), ""),
        Figure("Occurrences in the coming 48 hours", rows, ""),
        Figure("Programme boards that are written", len(sizes), ""),
        Figure("Largest programme board", sizes[-1] / 1000, "kB", goal=65.5),
        Figure("Median programme board", sizes[len(sizes) // 2] / 1000, "kB"),
        Figure("All programme boards", sum(sizes) / 1000, "kB"),
        Figure("The whole plan saved to all boards on the broker", renew_s * 1000, "ms"),
        Figure("The hour comes: derived anew, nothing changed", roll_s * 1000, "ms"),
        Figure("The broker comes back: all programme boards on it again", republish_s * 1000, "ms"),
        Figure("One programme edited to its boards on the broker", edit_s * 1000, "ms", goal=1_000),
        Figure("Processor at rest without a plan", empty * 100, "%"),
        Figure("Processor at rest with the whole plan", full * 100, "%", goal=3),
    ]


async def _save(server: Server, plan: list[Programme]) -> None:
    now_ms = server.clock.now_ms()
    for at in range(0, len(plan), CHUNK):
        some = [Version(one, now_ms, "bench", CONTENT) for one in plan[at : at + CHUNK]]

        def work(tx: Tx, some: list[Version] = some) -> None:
            for version in some:
                tx.programmes.add(version)

        await server.store.write(work)


async def _timed(server: Server, work: Callable[[], object]) -> float:
    """Until the broker has everything."""
    began = time.monotonic()
    done = work()
    if asyncio.iscoroutine(done):
        await done
    while server.planning.boards.pending:  # noqa: ASYNC110  a PUBACK wakes nobody here
        await asyncio.sleep(0.001)
    return time.monotonic() - began


def _again(server: Server) -> Callable[[], None]:
    def work() -> None:
        server.planning.boards.lost()
        server.planning.boards.republish()

    return work


def _edit(server: Server) -> Callable[[], object]:
    version = next(one for one in server.programmes.seen(OFFICER) if one.programme.title == "早间新闻")
    changed = replace(version, programme=replace(version.programme, length_min=25, revision=2))
    return lambda: server.programmes._commit(changed, 1, by=OFFICER, verb="bench")


async def _idle(seconds: float) -> float:
    """Share of one core that this process takes, its broker apart."""
    began, cpu = time.monotonic(), _cpu()
    await asyncio.sleep(seconds)
    return (_cpu() - cpu) / (time.monotonic() - began)


def _cpu() -> float:
    times = os.times()
    return times.user + times.system
