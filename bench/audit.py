"""The audit trail: verified from memory and from an SQLite file, against bare hashing of the same bytes; and what an act costs.

The goal is 400,000 acts a second (reliability.md §8): a year of a busy county, 7 million acts, in 18 seconds.
"""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cbor2

from bench.figures import Figure, median, write
from broadcast.domain.audit import GENESIS, Entry, link_of
from broadcast.domain.audit_faults import Walk
from broadcast.service.audit import BATCH, check
from broadcast.service.ports import ActRow, Tx
from broadcast.store.store import open_store

ACTS = 200_000
ROUNDS = 5
LEAST_PER_S = 400_000


def an_act(number: int) -> ActRow:
    """139 bytes on average in the chain."""
    verb = ("start broadcast", "stop broadcast", "sign in", "acknowledge alarm")[number % 4]
    return ActRow(
        1_790_000_000_000 + number * 997,
        f"officer{number % 40}",
        verb,
        f"01K5M0Z{number:019d}",
        "黎河水位上涨" * (number % 3),
    )


def a_chain(count: int) -> list[Entry]:
    rows, link = [], GENESIS
    for seq in range(1, count + 1):
        said, previous = an_act(seq), link
        link = link_of(seq, said, previous)
        rows.append(Entry(seq, *said, previous, link))
    return rows


def seconds(work: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return median(took)


def walked(rows: list[Entry]) -> None:
    walk = Walk()
    for at in range(0, len(rows), BATCH):
        walk.take(rows[at : at + BATCH])
    if walk.end():
        raise AssertionError("an honest chain has nothing wrong")


def bare(encoded: list[bytes]) -> None:
    sha256 = hashlib.sha256
    for one in encoded:
        sha256(one).digest()


async def from_file(folder: Path) -> tuple[float, float]:
    """:returns: seconds to verify all of it, and microseconds that an act costs in a transaction of a hundred."""
    store = open_store(f"sqlite:///{folder / 'lianbo.db'}")

    def add(first: int) -> Callable[[Tx], None]:
        def work(tx: Tx) -> None:
            for number in range(first, first + 1_000):
                tx.acts.add(an_act(number))

        return work

    began = time.perf_counter()
    for first in range(0, ACTS, 1_000):
        await store.write(add(first))
    cost_us = (time.perf_counter() - began) / ACTS * 1e6
    took = []
    for _ in range(3):
        began = time.perf_counter()
        verdict = await check(store, {})
        took.append(time.perf_counter() - began)
        if not verdict.is_whole or verdict.acts != ACTS:
            raise AssertionError("the chain in the file is not the one that was written")
    await store.close()
    return median(took), cost_us


def main() -> None:
    rows = a_chain(ACTS)
    encoded = [cbor2.dumps(list(row[:7]), canonical=True) for row in rows]
    floor_s, memory_s = seconds(lambda: bare(encoded)), seconds(lambda: walked(rows))
    with tempfile.TemporaryDirectory() as folder:
        file_s, cost_us = asyncio.run(from_file(Path(folder)))
    most_us = 1e6 / LEAST_PER_S
    per = 1e6 / ACTS
    print(
        f"{ACTS / memory_s:,.0f} acts/s in memory, {ACTS / file_s:,.0f} from the file, bare hashing {ACTS / floor_s:,.0f}"
    )
    figures = [
        Figure("verify an act in memory", memory_s * per, "us", floor_s * per, goal=most_us),
        Figure("verify an act of an SQLite file", file_s * per, "us", floor_s * per, goal=most_us),
        Figure("the same against bare hashing", memory_s * per, "us", floor_s * per, goal=5, goal_of="ratio"),
        Figure("write an act, a thousand to a transaction", cost_us, "us"),
    ]
    write("audit", figures)


if __name__ == "__main__":
    main()
