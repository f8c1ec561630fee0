"""10,000 worthless reports a second for ten seconds, from four stolen accounts, while an officer triggers every 150 ms.

Each trigger is for another village, so that no board fills up. The flood is `tests/system/flood.py`: malformed, too long, in
another's name, of another time, about nothing that was ordered, a heartbeat of yesterday.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.county import CITY, County, county, now_ms, wait_for
from bench.figures import Figure, write
from endpoints.area_codes import VILLAGE, depth
from endpoints.protocol import Stage

COUNT, STOLEN = 718, 4
PER_S, SECONDS = 10_000, 10.0
EVERY_S = 0.15


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        async with county(Path(name) / "county", COUNT + STOLEN) as there, there.simulator(speakers=slice(COUNT)):
            await there.all_online(COUNT)
            villages = [one.area for one in there.told.speakers[:COUNT] if depth(one.area) >= VILLAGE]
            order, _ = await there.trigger(areas=[CITY])
            calm = await _triggers(there, villages[:60], seconds=SECONDS / 2)
            flooded, sent, counted = await _flooded(there, order, villages[60:])
            city_ms = await _whole_city(there)
    return [
        *_figures("calm", calm),
        *_figures("flooded", flooded, goal=500),
        Figure("flooded: reports sent a second", sent["sent"] / sent["seconds"], "/s"),
        Figure("flooded: reports that the broker took", sent["taken"], ""),
        Figure("flooded: reports that the server looked at", counted, ""),
        Figure("after the flood: trigger → all 718 sound, durable", city_ms, "ms"),
    ]


def _figures(when: str, triggers: Sequence[tuple[float, float]], goal: float | None = None) -> list[Figure]:
    figures = []
    for what, column in zip(("accepted", "the speaker sounds"), zip(*triggers, strict=True), strict=True):
        ordered = sorted(column)
        middle, late = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        figures += [
            Figure(f"{when}: trigger → {what}, p50 of {len(ordered)}", middle, "ms"),
            Figure(f"{when}: trigger → {what}, p99", late, "ms", goal=goal),
        ]
    return figures


async def _flooded(
    there: County, order: str, villages: Sequence[str]
) -> tuple[list[tuple[float, float]], dict[str, float], float]:
    """The triggers, what was sent, and what the server counted."""
    before = await _counted(there)
    async with there.flood(slice(COUNT, None), order, per_s=PER_S, seconds=SECONDS) as process:
        triggers = await _triggers(there, villages, seconds=SECONDS - 0.5)
        assert process.stdout is not None
        sent: dict[str, float] = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
    wanted = before + sent["taken"] * 0.85  # an eighth is kept from us by the broker's access list
    await wait_for(lambda: _counted(there), lambda found: found >= wanted, "all looked at", within_s=60, every_s=0.5)
    return triggers, sent, await _counted(there) - before


async def _triggers(there: County, villages: Sequence[str], *, seconds: float) -> list[tuple[float, float]]:
    """Of each: milliseconds until the answer, and until the first speaker of the village says that it sounds."""
    began, asked = time.monotonic(), []
    for n, village in enumerate(villages):
        await asyncio.sleep(max(0.0, began + n * EVERY_S - time.monotonic()))
        if time.monotonic() - began > seconds:
            break
        at_ms = now_ms()
        order, accepted_s = await there.trigger(areas=[village], severity="red", life_safety=True)
        asked.append((order, at_ms, accepted_s * 1000))
    found = []
    for order, at_ms, accepted_ms in asked:
        await there.durable(order, Stage.SOUNDING, 1)
        found.append((accepted_ms, float(there.reported(order, Stage.SOUNDING).first_ms - at_ms)))
    return found


async def _whole_city(there: County) -> float:
    await there.stop_all()
    began = time.monotonic()
    order, _ = await there.trigger()
    await there.durable(order, Stage.SOUNDING, COUNT)
    return (time.monotonic() - began) * 1000


async def _counted(there: County) -> float:
    """Reports that came to some end at the server."""
    async with there.session.get(f"{there.server.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith('lianbo_events_total{event="reports'))


def main() -> None:
    write("flood", asyncio.run(measure()))
