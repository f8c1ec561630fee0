"""What changes, for whoever looks: a snapshot and numbered changes after it, coalesced, with a bound on the past."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

EVERY_S = 0.1  # a report is in its place on the wall within 300 ms
PAST = 600  # batches: one minute of a busy feed; who was away longer takes a new snapshot


@dataclass(slots=True)
class Batch:
    """What changed within one interval.

    :param deliveries: by broadcast, the speakers whose state moved.
    :param speakers: those whose presence, fault or on-air changed.
    :param broadcasts: those that began, changed or ended.
    """

    seq: int = 0
    deliveries: dict[str, set[str]] = field(default_factory=dict)
    speakers: set[str] = field(default_factory=set)
    broadcasts: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.deliveries or self.speakers or self.broadcasts)


class Feed:
    """Collects changes and hands them out as numbered batches.

    Readers are woken, not fed: each reads at its own pace from the kept past, so a slow one costs nothing and finds out by the
    numbers that it has missed too much.
    """

    def __init__(self) -> None:
        self._gathering = Batch()
        self._past: deque[Batch] = deque(maxlen=PAST)
        self.seq = 0
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    def delivered(self, broadcast: str, speakers: Sequence[str]) -> None:
        self._gather(lambda batch: batch.deliveries.setdefault(broadcast, set()).update(speakers))

    def spoke(self, speakers: Sequence[str]) -> None:
        self._gather(lambda batch: batch.speakers.update(speakers))

    def changed(self, broadcast: str) -> None:
        self._gather(lambda batch: batch.broadcasts.add(broadcast))

    def nudge(self) -> None:
        """Something else than the wall changed: whoever waits looks at once."""
        self._wake()

    def since(self, seq: int) -> list[Batch] | None:
        """The batches after `seq`; None when some of them are forgotten (or the number is not ours): take a new snapshot."""
        if seq == self.seq:
            return []
        if seq > self.seq or not self._past or seq < self._past[0].seq - 1:
            return None
        return [batch for batch in self._past if batch.seq > seq]

    async def wait(self, seq: int, *, timeout_s: float) -> bool:
        """Until there is something after `seq`; False when nothing came in time."""
        if seq != self.seq:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return seq != self.seq  # or it was only nudged

    def _gather(self, add: Callable[[Batch], object]) -> None:
        add(self._gathering)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._hand_out)

    def _hand_out(self) -> None:
        self._timer = None
        batch, self._gathering = self._gathering, Batch()
        self.seq += 1
        batch.seq = self.seq
        self._past.append(batch)
        self._wake()

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()
