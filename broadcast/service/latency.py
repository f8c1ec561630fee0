"""How long from the officer's trigger to the first and to the last loudspeaker (首响, 末响): what the metrics show.

The receiver's clock decides: an instant is when the report was in the table here, so nothing depends on a speaker's clock.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Broadcast
from endpoints.delivery import State

BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
HEARD = frozenset({State.SOUNDING, State.INTERRUPTED, State.DONE, State.STOPPED})
KEEP = 200


@dataclass(slots=True)
class Histogram:
    """Counts of observations up to each bound, the last one without a bound."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_s: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds


@dataclass(slots=True)
class _Watched:
    begins_ms: int
    heard: set[str] = field(default_factory=set)
    last_ms: int = 0


class Latency:
    """Watches the ladder's changes.

    :param broadcast: one that stands on the boards, by id.
    :param state: where a broadcast stands at a speaker, as the ladder says.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        broadcast: Callable[[str], Broadcast | None],
        state: Callable[[str, str], State | None],
    ) -> None:
        self._clock, self._broadcast, self._state = clock, broadcast, state
        self._since_ms = clock.now_ms()  # what was ordered before this start is told again by the table, not measured
        self._watched: OrderedDict[str, _Watched] = OrderedDict()
        self.first = Histogram()
        self.last = Histogram()

    def moved(self, order: str, speakers: Sequence[str]) -> None:
        """The ladder's `on_change`."""
        one = self._watched.get(order) or self._watch(order)
        if one is None:
            return
        fresh = {name for name in speakers if self._state(order, name) in HEARD} - one.heard
        if not fresh:
            return
        one.last_ms = self._clock.now_ms()
        if not one.heard:
            self.first.observe(max(0, one.last_ms - one.begins_ms) / 1000)
        one.heard |= fresh

    def tick(self) -> None:
        """Those that are over: the last start so far was the last; call now and then."""
        now_ms = self._clock.now_ms()
        for order in list(self._watched):
            broadcast = self._broadcast(order)
            if broadcast is None or not broadcast.is_live(now_ms):
                self._close(self._watched.pop(order))

    def _watch(self, order: str) -> _Watched | None:
        broadcast = self._broadcast(order)
        if broadcast is None or broadcast.order.issued_at_ms < self._since_ms:
            return None
        if not broadcast.is_live(self._clock.now_ms()):
            return None
        begins_ms = max(broadcast.order.issued_at_ms, broadcast.order.not_before_ms)
        one = self._watched[order] = _Watched(begins_ms)
        while len(self._watched) > KEEP:
            self._close(self._watched.popitem(last=False)[1])
        return one

    def _close(self, one: _Watched) -> None:
        if one.heard:
            self.last.observe(max(0, one.last_ms - one.begins_ms) / 1000)
