"""A server that writes as fast as it can and says what was acknowledged; the test kills it. Argument: the URL."""

import asyncio
import sys

from broadcast.service.ports import Tx
from broadcast.store.store import open_store
from tests.store.rows import broadcast, county


async def main(url: str) -> None:
    store = open_store(url)
    start = int(await store.read(lambda tx: tx.facts.get("next") or "1"))
    for number in range(start, start + 100_000):

        def trigger(tx: Tx, number: int = number) -> None:
            one = broadcast(number)
            tx.broadcasts.add(one)
            tx.boards.raise_versions(one.order.areas, exercise=False)
            tx.facts.set("next", str(number + 1))

        done = store.keep_reports(county(150, order=f"o-{number}"))
        await store.write(trigger)
        print(f"trigger {number}", flush=True)
        await done
        print(f"reports {number}", flush=True)


asyncio.run(main(sys.argv[1]))
