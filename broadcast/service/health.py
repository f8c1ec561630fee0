"""What is wrong right now, in one place: the desk, /readyz and the metrics read it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """Something a technician should look at.

    :param name: stable, translated by the console: `broker-down`, `store-unavailable`, `speech-unavailable`, …
    :param facts: what the sentence needs.
    """

    name: str
    since_ms: int
    facts: Mapping[str, str]


class Health:
    """The conditions that hold, and counters that only grow. Unknown is a value of its own: it is never shown as 0."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._conditions: dict[str, Condition] = {}
        self.counters: dict[str, int] = {}

    def raise_(self, name: str, **facts: str) -> None:
        """It holds from now on; raised again, it keeps its beginning and takes the new facts."""
        held = self._conditions.get(name)
        since_ms = held.since_ms if held else self._now_ms()
        self._conditions[name] = Condition(name, since_ms, facts)

    def clear(self, name: str) -> None:
        self._conditions.pop(name, None)

    def count(self, name: str, by: int = 1) -> None:
        self.counters[name] = self.counters.get(name, 0) + by

    @property
    def conditions(self) -> tuple[Condition, ...]:
        return tuple(sorted(self._conditions.values(), key=lambda one: one.since_ms))
