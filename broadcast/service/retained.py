"""Boards of one kind on the broker: signed, retained, in their newest version, and again whenever the broker comes back.

Nothing here waits for a speaker. A board is known to be on the broker only after its PUBACK; until then it is pending. What stands
on a board is its owner's business: it gives the frame of a name and a version when it is asked for it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping

from broadcast.clock import Clock
from broadcast.service.health import Health
from broadcast.service.ports import Store, StoreUnavailable, Tx, Wire, WireDown
from endpoints.protocol import Held

log = logging.getLogger(__name__)

REPAIR_EVERY_S = 5.0  # a board that a speaker does not have is published again, not more often than this
SLICE_S = 0.01  # of many boards so many go out that the event loop is held no longer than this

Name = tuple[bool, str]  # exercise, scope
Frame = tuple[str, bytes]  # topic, sealed bytes


class Retained:
    """Every board of one kind, its version, and what the broker has of it.

    :param label: in logs and counters: `boards`, `programmes`.
    :param epoch: of this server; above every earlier one.
    :param frame: the topic and the sealed bytes of a board in a version.
    :param raise_version: the next version of one board, in the table.
    :param in_slices: what is published again goes out in slices between which the loop breathes: for boards that nobody waits for.
    """

    def __init__(
        self,
        label: str,
        *,
        clock: Clock,
        store: Store,
        wire: Wire,
        health: Health,
        epoch: int,
        frame: Callable[[Name, int], Frame],
        raise_version: Callable[[Tx, Name], int],
        in_slices: bool = False,
    ) -> None:
        self._label, self._clock, self._store, self._wire, self._health = label, clock, store, wire, health
        self._epoch, self._frame, self._raise_version, self._in_slices = epoch, frame, raise_version, in_slices
        self._versions: dict[Name, int] = {}
        self._published: dict[Name, int] = {}  # the version that the broker has acknowledged on this connection
        self._sent_at: dict[Name, float] = {}
        self._owed: set[Name] = set()  # speakers lack these, and they were sent a moment ago
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def versions(self) -> Mapping[Name, int]:
        """The newest version of every board ever written."""
        return self._versions

    @property
    def pending(self) -> int:
        """How many boards the broker does not have in their newest version."""
        return sum(self._published.get(name, 0) < version for name, version in self._versions.items())

    def is_pending(self, names: Iterable[Name]) -> bool:
        """Whether one of these is not yet on the broker."""
        return any(self._published.get(name, 0) < self._versions.get(name, 0) for name in names)

    def take(self, versions: Mapping[Name, int]) -> None:
        """These versions stand in the table; they come from there and from nowhere else: each names one content."""
        for name, version in versions.items():
            self._versions[name] = max(version, self._versions.get(name, 0))

    def republish(self) -> None:
        """The broker is there (again) and may have lost everything: publish every board ever written."""
        self._published.clear()
        if self._in_slices:
            self._spawn(self._publish_slowly(list(self._versions)), f"{self._label} again")
        else:
            for name in self._versions:
                self.publish(name)

    def lost(self) -> None:
        """The broker is gone; what it has is not known."""
        self._published.clear()

    def lacks(self, names: Iterable[Name], held: Mapping[str, Held]) -> bool:
        """Whether a speaker that says it holds these boards lacks one; that is published again at the next `tick`.

        Its word is no authority: it never decides which version a board has.
        """
        lacking = False
        for name in names:
            version, has = self._versions.get(name, 0), held.get(name[1])
            if version == 0 and has is None:
                continue
            if has is not None and (has.epoch, has.version) >= (self._epoch, version) and version > 0:
                continue
            lacking = True
            self._owed.add(name)
        return lacking

    def tick(self) -> None:
        """Publish again what speakers said they lack; call every second. They say so seldom: it must not be forgotten."""
        now = self._clock.monotonic()
        for name in [name for name in self._owed if now - self._sent_at.get(name, -1e9) >= REPAIR_EVERY_S]:
            self._health.count(f"{self._label}_repaired")
            if name in self._versions:
                self.publish(name)
                continue
            self._owed.discard(name)
            self._sent_at[name] = now
            self._spawn(self._remember(name), f"{self._label} {name[1]}")

    def publish(self, name: Name) -> None:
        """Put the newest version on the broker; while that is away it stays pending."""
        version = self._versions[name]
        self._sent_at[name] = self._clock.monotonic()
        self._owed.discard(name)
        if not self._wire.is_up:
            return
        topic, frame = self._frame(name, version)
        try:
            done = self._wire.publish(topic, frame, qos=1, retain=True)
        except WireDown as err:  # it stays pending and goes out when it is up
            log.warning("%s: %s v%s is not on the broker yet: %s", self._label, name[1], version, err)
            return
        done.add_done_callback(lambda future: self._acknowledged(name, version, future))

    async def publish_all(self, names: Iterable[Name]) -> None:
        """Likewise many, with pauses in which the loop does what is more urgent."""
        await self._publish_slowly(list(names))

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- inside ---------------------------------------------------------------------------------------------------------

    async def _publish_slowly(self, names: list[Name]) -> None:
        until = self._clock.monotonic() + SLICE_S
        for name in names:
            self.publish(name)
            if self._clock.monotonic() >= until:
                await asyncio.sleep(0)
                until = self._clock.monotonic() + SLICE_S

    async def _remember(self, name: Name) -> None:
        """A board that we do not know, from before a restored backup: it gets a version of the table, and what stands on it now."""
        try:
            version = await self._store.write(lambda tx: self._raise_version(tx, name))
        except StoreUnavailable as err:  # the speaker says again what it holds
            log.warning("%s: %s is repaired later: %s", self._label, name[1], err.cause)
            return
        self.take({name: version})
        self.publish(name)

    def _acknowledged(self, name: Name, version: int, future: asyncio.Future[None]) -> None:
        if future.cancelled() or future.exception() is not None:
            return
        self._published[name] = max(version, self._published.get(name, 0))

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
