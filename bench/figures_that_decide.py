"""The figures by which an officer's decision counts: 718 speakers in a process of their own, the server on its defaults.

First sound and silence are what the speakers themselves report; durable is what stands in the database. Medians of several rounds.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from bench.county import County, county, now_ms, resident_mb, wait_for
from bench.figures import Figure, median, write
from endpoints.protocol import Stage
from tests.system.city import ServerProcess, free_port

COUNT = 718
ROUNDS = 7
STARTS = 5
SETTLE_S, IDLE_S = 45.0, 30.0
WORDS = "暴雨红色预警，第{}次，请马上转移到高处，带上老人和孩子。"


async def measure() -> list[Figure]:
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        async with county(Path(name) / "county", COUNT + 1) as there, there.simulator(speakers=slice(COUNT)):
            await there.all_online(COUNT)
            figures += await _idle(there)
            figures += await _decisions(there)
            figures.append(await _dead_speaker(there))
    return [*figures, *await _starts(), *await _demos()]


# ---- an officer decides -----------------------------------------------------------------------------------------------------


async def _decisions(there: County) -> list[Figure]:
    first_words = await _rounds(there, [WORDS.format(n) for n in range(ROUNDS)])
    known_words = await _rounds(there, [WORDS.format(0)] * ROUNDS)
    no_words = await _rounds(there, [""] * ROUNDS)
    figures = []
    for what, rounds in (
        ("attention signal only", no_words),
        ("words spoken before", known_words),
        ("new words", first_words),
    ):
        accepted, first, durable, _ = (median(list(column)) for column in zip(*rounds, strict=True))
        figures += [
            Figure(f"confirm → accepted, {what}", accepted, "ms"),
            Figure(f"confirm → first speaker started, {what}", first, "ms", goal=500),
            Figure(f"confirm → 99 % of started-reports durable, {what}", durable, "ms", goal=1_000),
        ]
    silent = median([one[3] for one in (*first_words, *known_words, *no_words)])
    return [*figures, Figure("stop-all → the last speaker silent", silent, "ms", goal=1_000)]


async def _rounds(there: County, texts: list[str]) -> list[tuple[float, float, float, float]]:
    """Milliseconds of each: accepted, first started, 99 % durable, the last silent."""
    rounds = []
    for text in texts:
        began, began_ms = time.monotonic(), now_ms()
        order, accepted_s = await there.trigger(text=text)
        await there.durable(order, Stage.SOUNDING, COUNT * 99 // 100)
        durable_s = time.monotonic() - began
        await there.durable(order, Stage.SOUNDING, COUNT)
        first_ms = there.reported(order, Stage.SOUNDING).first_ms - began_ms
        stopped_ms = now_ms()
        await there.stop_all()
        await there.durable(order, Stage.STOPPED, COUNT)
        silent_ms = there.reported(order, Stage.STOPPED).last_ms - stopped_ms
        assert await there.sounding() == 0
        rounds.append((accepted_s * 1000, first_ms, durable_s * 1000, silent_ms))
        await asyncio.sleep(0.5)
    return rounds


# ---- nothing happens --------------------------------------------------------------------------------------------------------


async def _idle(there: County) -> list[Figure]:
    await asyncio.sleep(SETTLE_S)
    began, (server_s, broker_s) = time.monotonic(), there.cpu_s()
    await asyncio.sleep(IDLE_S)
    took_s, (server_then_s, broker_then_s) = time.monotonic() - began, there.cpu_s()
    return [
        Figure("idle: the server", 100 * (server_then_s - server_s) / took_s, "% core", goal=3),
        Figure("idle: the server's memory", resident_mb(there.server.pid), "MB", goal=150),
        Figure("idle: the broker", 100 * (broker_then_s - broker_s) / took_s, "% core"),
        Figure("idle: the broker's memory", resident_mb(there.broker_pid), "MB"),
    ]


async def _dead_speaker(there: County) -> Figure:
    """Its process is frozen: no connection closes, nobody says anything."""
    async with there.simulator("one", slice(COUNT, COUNT + 1)) as process:
        await there.all_online(COUNT + 1)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            took_s = await wait_for(
                there.online, lambda online: online <= COUNT, "shown as offline", within_s=90, every_s=0.2
            )
        finally:
            os.kill(process.pid, signal.SIGCONT)
    return Figure("a speaker that died is shown", took_s, "s", goal=60)


# ---- starts -----------------------------------------------------------------------------------------------------------------


async def _starts() -> list[Figure]:
    """Of the server alone: on an empty folder, and again with what it then has."""
    first, again = [], []
    async with aiohttp.ClientSession() as session:
        for _ in range(STARTS):
            with tempfile.TemporaryDirectory() as name:
                server = ServerProcess(Path(name))
                for times in (first, again):
                    began = time.monotonic()
                    await server.start()
                    await server.ready(session)
                    times.append(time.monotonic() - began)
                    await server.stop()
    return [
        Figure("server: start on an empty folder → ready", median(first), "s", goal=1.5),
        Figure("server: start again → ready", median(again), "s", goal=1.5),
    ]


async def _demos() -> list[Figure]:
    first, again = [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as name:
            for times in (first, again):
                times.append(await _demo(Path(name)))
    return [
        Figure("demo: first start → desk with 718 speakers online", median(first), "s", goal=15),
        Figure("demo: second start", median(again), "s", goal=5),
    ]


async def _demo(folder: Path) -> float:
    """Seconds until it says where the desk is."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "broadcast.main", "demo", "--port", str(free_port())),
        env={**os.environ, "LIANBO_SERVER_DATA_FOLDER": str(folder)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        while line := await asyncio.wait_for(process.stdout.readline(), 90):
            if line.startswith(b"Desk:"):
                return time.monotonic() - began
        raise AssertionError("the demo ended before its desk was there")
    finally:
        process.terminate()
        await process.wait()


def main() -> None:
    write("figures_that_decide", asyncio.run(measure()))
