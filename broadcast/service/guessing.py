"""Somebody guesses passwords (口令猜测): many go wrong, and it rings. Nobody is locked out: the door's limits do the rest."""

from collections import deque
from typing import Protocol

from broadcast.clock import Clock

CONDITION = "login-flood"
WITHIN_S = 60.0
MANY = 20  # of strangers within that: ten officers who have each forgotten theirs are fewer
QUIET_S = 300.0  # without one more: it is over
MOST_KEPT = 10_000


class Bell(Protocol):
    def raise_(self, name: str, **facts: str) -> None: ...
    def clear(self, name: str) -> None: ...


class Guessing:
    """Counts what goes wrong at the door, refused tries included; in memory, and of nobody's password."""

    def __init__(self, *, clock: Clock, bell: Bell | None = None) -> None:
        self._clock, self._bell = clock, bell
        self._at: deque[tuple[float, str]] = deque(maxlen=MOST_KEPT)
        self._rings, self._all = False, 0

    def wrong(self, network: str) -> None:
        """One more try failed or was refused, from there."""
        now = self._clock.monotonic()
        self._at.append((now, network))
        while self._at and now - self._at[0][0] > WITHIN_S:
            self._at.popleft()
        self._all = self._all + 1 if self._rings else len(self._at)
        if self._bell is not None and (self._rings or len(self._at) >= MANY):
            self._rings = True
            networks = len({where for _, where in self._at})
            self._bell.raise_(CONDITION, tries=str(self._all), addresses=str(networks), newest=network[:64])

    def look(self) -> None:
        """Whether it has ended; call every minute."""
        if self._rings and (not self._at or self._clock.monotonic() - self._at[-1][0] > QUIET_S):
            self._rings = False
            if self._bell is not None:
                self._bell.clear(CONDITION)
