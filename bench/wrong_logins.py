"""1,000 wrong passwords, 50 at a time from 20 addresses, while an officer triggers every 50 ms: guessing does not slow warning.

Twice: against one account, which its rate limit meets before the hash; and against 1,000 names, each of which may be tried, so that
hashes are really made. `reliability.md` §2.3: hashed in the event loop, the trigger's p99 was 1,287 ms.
"""

import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiohttp

from bench.county import County, county
from bench.figures import Figure, write
from endpoints.area_codes import VILLAGE, depth
from tests.system.city import OFFICER

COUNT, TRIES, HOSTS, AT_ONCE = 718, 1_000, 20, 50
EVERY_S, GOAL_MS = 0.05, 250.0


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        async with county(Path(name) / "county", COUNT) as there, there.simulator():
            await there.all_online(COUNT)
            villages = iter([one.area for one in there.told.speakers if depth(one.area) >= VILLAGE])
            over = asyncio.Event()
            asyncio.get_running_loop().call_later(3.0, over.set)
            calm = await _triggers(there, itertools.islice(villages, 60), over)
            one, one_said = await _flooded(there, villages, "one")
            many, many_said = await _flooded(there, villages, "many")
    return [
        *_figures("calm", calm, None),
        *_figures("one account guessed", one, GOAL_MS),
        Figure("one account guessed: 1,000 tries took", one_said["seconds"], "s"),
        Figure("one account guessed: tries that were hashed", one_said["hashed"], "", goal=12),
        *_figures("1,000 names guessed", many, GOAL_MS),
        Figure("1,000 names guessed: 1,000 tries took", many_said["seconds"], "s"),
        Figure("1,000 names guessed: tries that were hashed", many_said["hashed"], ""),
    ]


def _figures(when: str, took_ms: Sequence[float], goal: float | None) -> list[Figure]:
    ordered = sorted(took_ms)
    late = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return [
        Figure(f"{when}: trigger → accepted, p50 of {len(ordered)}", ordered[len(ordered) // 2], "ms"),
        Figure(f"{when}: trigger → accepted, p99", late, "ms", goal=goal),
    ]


async def _flooded(there: County, villages: Iterator[str], whom: str) -> tuple[list[float], dict[str, float]]:
    """Triggers until the guessing is over, and what it said of itself."""
    over = asyncio.Event()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.wrong_logins", there.server.url, whom, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None

    async def wait() -> dict[str, float]:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 120)
        over.set()
        said: dict[str, float] = json.loads(line)
        return said

    said = asyncio.create_task(wait())
    took = await _triggers(there, villages, over)
    found = await said
    await process.wait()
    return took, found


async def _triggers(there: County, villages: Iterator[str], over: asyncio.Event) -> list[float]:
    """Milliseconds until the answer, of one in each village; at least one, also when all was over at once."""
    took: list[float] = []
    for village in villages:
        _, accepted_s = await there.trigger(areas=[village], severity="red", minutes=5)
        took.append(accepted_s * 1_000)
        if over.is_set():
            break
        await asyncio.sleep(EVERY_S)
    return took


async def guess(url: str, whom: str) -> dict[str, float]:
    """The flood, in a process of its own."""
    tries = iter(range(TRIES))
    statuses: list[int] = []

    async def guesser(host: int) -> None:
        connector = aiohttp.TCPConnector(local_addr=(f"127.0.1.{host + 1}", 0))
        async with aiohttp.ClientSession(connector=connector) as client:
            for n in tries:
                name = OFFICER.name if whom == "one" else f"officer-{n}"
                body = {"name": name, "password": f"wrong password {n}"}
                async with client.post(f"{url}/api/v1/session", json=body) as answer:
                    statuses.append(answer.status)

    began = time.monotonic()
    await asyncio.gather(*(guesser(n % HOSTS) for n in range(AT_ONCE)))
    return {"seconds": time.monotonic() - began, "hashed": statuses.count(401), "refused": statuses.count(429)}


def main() -> None:
    write("wrong_logins", asyncio.run(measure()))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(guess(sys.argv[1], sys.argv[2]))), flush=True)
