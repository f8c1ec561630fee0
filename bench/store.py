"""How long the store takes: batches of reports and single writes, beside an idle loop and beside one that never rests.

    .venv/bin/python -m bench.store

Milliseconds, median and worst; `thread` is CPU time of the writer's thread.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

from broadcast.service.ports import ReportRow
from broadcast.store.store import SqlStore, open_store
from endpoints.protocol import Reason, Stage
from tests.postgres import running

ROUNDS = 8
_seed = count()


def reports(number: int) -> list[ReportRow]:
    """Of a new order each time."""
    at_ms, order = 1_790_000_000_000, f"01K5M0Z{next(_seed):019d}"
    return [
        ReportRow(order, f"s-{130281001000 + i}-1", Stage.SOUNDING, at_ms, 1, Reason.NONE, 2**40, i, at_ms)
        for i in range(number)
    ]


async def restless(slice_s: float) -> None:
    """A loop under load: small pieces of work without a pause."""
    while True:
        end = time.perf_counter() + slice_s
        while time.perf_counter() < end:
            pass
        await asyncio.sleep(0)


async def measure(name: str, once: Callable[[], Awaitable[object]]) -> None:
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await once()
        took.append((time.perf_counter() - began) * 1000)
    print(f"  {name:<28} {statistics.median(took):7.1f} {max(took):7.1f}")


async def flooded(store: SqlStore) -> None:
    """Single writes while 36,000 reports wait."""
    flood = [store.keep_reports(reports(3_000)) for _ in range(12)]
    await measure("a write in a flood", lambda: store.write(lambda tx: tx.facts.set("n", "1")))
    await asyncio.gather(*flood)


async def thread_time(store: SqlStore) -> None:
    before = await store.write(lambda tx: time.thread_time())
    for _ in range(ROUNDS):
        await store.keep_reports(reports(12_000))
    spent = await store.write(lambda tx: time.thread_time()) - before
    print(f"  {'thread, 12,000 reports':<28} {spent / ROUNDS * 1000:7.1f}")


async def run(url: str) -> None:
    store = open_store(url)
    for slice_s in (0.0, 0.00004, 0.0003):
        print(f" loop {'idle' if not slice_s else f'busy in slices of {slice_s * 1e6:.0f} us'}")
        load = asyncio.create_task(restless(slice_s)) if slice_s else None
        await measure("a write", lambda: store.write(lambda tx: tx.facts.set("n", "1")))
        await measure("718 reports", lambda: store.keep_reports(reports(718)))
        await measure("12,000 reports", lambda: store.keep_reports(reports(12_000)))
        await flooded(store)
        if load is None:
            await thread_time(store)
        else:
            load.cancel()
    await store.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print("SQLite")
        asyncio.run(run(f"sqlite:///{Path(folder) / 'bench.db'}"))
    with running() as server:
        if server is not None:
            print("PostgreSQL (fsync off)")
            with server.database() as url:
                asyncio.run(run(url))


if __name__ == "__main__":
    main()
