"""The power comes back: all speakers switched on at the same moment, in one process of their own, while an alert is live.

Over when the server has every speaker online, every one holds the newest boards and says that it sounds the alert, and that stands
in the table. The time begins with the speakers' process, so its own start is in it.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from bench.county import County, county, resident_mb
from bench.figures import Figure, write
from endpoints.protocol import Stage

SIZES = ((718, 10.0), (12_000, 60.0))  # speakers, and the seconds in which all must be back


async def measure() -> list[Figure]:
    figures: list[Figure] = []
    for count, goal_s in SIZES:
        with tempfile.TemporaryDirectory() as name:
            async with county(Path(name) / "county", count) as there:
                figures += await _power_up(there, count, goal_s)
    return figures


async def _power_up(there: County, count: int, goal_s: float) -> list[Figure]:
    order, _ = await there.trigger()
    server_s, broker_s = there.cpu_s()
    began = time.monotonic()
    async with there.simulator():
        await there.all_online(count, within_s=5 * goal_s)
        online_s = time.monotonic() - began
        await there.durable(order, Stage.SOUNDING, count, within_s=5 * goal_s)
        sounding_s = time.monotonic() - began
        server_then_s, broker_then_s = there.cpu_s()
        assert await there.sounding() == count
        wrong = await _without_the_right_boards(there, count)
        await there.stop_all()
    return [
        Figure(f"{count} switched on at once → all online", online_s, "s", goal=goal_s),
        Figure(f"{count} switched on at once → all sound the alert, durable", sounding_s, "s", goal=goal_s),
        Figure(f"{count}: speakers without the right boards then", wrong, "", goal=0),
        Figure(f"{count}: the server's CPU", server_then_s - server_s, "s"),
        Figure(f"{count}: the broker's CPU", broker_then_s - broker_s, "s"),
        Figure(f"{count}: the server's memory after it", resident_mb(there.server.pid), "MB"),
    ]


async def _without_the_right_boards(there: County, count: int) -> int:
    """By their own heartbeats; a speaker says on the first one after its boards came what it holds."""
    whole, after = 0, ""
    for _ in range(count // 1_000 + 1):
        page = await there.get(f"/speakers?limit=1000&after={after}")
        items = page["items"]
        assert isinstance(items, list)
        whole += sum(bool(one["boards_whole"]) for one in items)
        after = str(page["next"] or "")
        if not after:
            break
    return count - whole


def main() -> None:
    write("power_up", asyncio.run(measure()))
