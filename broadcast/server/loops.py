"""Work that is done again and again. One loop's fault is shown on the desk and stops no other, nor itself."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from broadcast.clock import Clock
from broadcast.service.health import Health
from broadcast.service.ports import StoreUnavailable

log = logging.getLogger(__name__)


class Loops:
    """The tasks of one server, by name."""

    def __init__(self, clock: Clock, health: Health) -> None:
        self._clock, self._health = clock, health
        self._tasks: list[asyncio.Task[None]] = []

    def every(self, name: str, every_s: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` now and so many seconds after it has ended, until `end`.

        :param name: what it is called in the conditions and counters (`loop-<name>`).
        """
        self._tasks.append(asyncio.get_running_loop().create_task(self._again(name, every_s, work), name=name))

    async def end(self) -> None:
        """Cancel all and wait for them; without any it is no error."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _again(self, name: str, every_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                self._health.clear(f"loop-{name}")
            except StoreUnavailable as err:
                self._health.raise_("store-unavailable", cause=err.cause)
            except Exception as err:  # the loop must go on; what failed is logged, counted and shown
                log.exception("loop %s", name)
                self._health.count(f"loop_errors_{name}")
                self._health.raise_(f"loop-{name}", cause=repr(err))
            await self._clock.sleep_until(self._clock.monotonic() + every_s)
