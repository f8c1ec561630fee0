"""What a speaker wants of files and what it has of them (备播): in which order they are needed, and when it says what is here."""

from collections.abc import Iterable
from functools import lru_cache
from random import Random

from endpoints.effects import OnHand, Wanted
from endpoints.protocol import MAX_LACKING, Held, Kind, Order, Part, ProgrammeBoard, Stock

JITTER_S = 10.0  # a programme for the county changes what 12,000 speakers lack in the same second
NOT_BEFORE_S = 30.0  # a hundred files that come one after the other are one piece of news
ANYWAY_S = 600.0  # for a server that has just started; it may get lost, too
_NEVER = float("inf")


def merged(first: tuple[Wanted, ...], second: tuple[Wanted, ...]) -> tuple[Wanted, ...]:
    """One list of two, each file once."""
    known = {one.part.asset for one in first}
    return (*first, *(one for one in second if one.part.asset not in known)) if first else second


def wanted_of(orders: Iterable[Order], fallback: Part | None) -> tuple[Wanted, ...]:
    """The files of these orders, each once, those needed first first; the fallback before all programmes."""
    first: dict[bytes, Wanted] = {}
    for order in sorted(orders, key=lambda one: (one.kind is Kind.ROUTINE, one.not_before_ms)):
        if order.kind is Kind.ROUTINE and fallback is not None:
            first.setdefault(fallback.asset, Wanted(fallback, order.not_before_ms))
        for part in order.parts:
            first.setdefault(part.asset, Wanted(part, order.not_before_ms, urgent=order.kind is not Kind.ROUTINE))
    return _shared(tuple(first.values()))


@lru_cache(maxsize=1024)
def _shared(wanted: tuple[Wanted, ...]) -> tuple[Wanted, ...]:
    """The same list as one object for all speakers of a process."""
    return wanted


def stock_of(speaker: str, boot: int, on_hand: OnHand, programmes: Iterable[ProgrammeBoard]) -> Stock:
    """The message, yet without what changes all the time: when, and how much room is left."""
    held, lacking = tuple(programmes), on_hand.lacking
    gaps_ms = [one.needed_at_ms for one in lacking]
    return Stock(
        speaker=speaker,
        boot=boot,
        at_ms=0,
        wanted=on_hand.held + len(lacking),
        held=on_hand.held,
        held_bytes=on_hand.held_bytes,
        free_bytes=0,
        complete_until_ms=min(gaps_ms or [one.until_ms for one in held], default=0),
        programmes=tuple(Held(one.scope, one.epoch, one.version) for one in held),
        lacking=tuple(one.part.asset for one in lacking[:MAX_LACKING]),
    )


class Stocktaking:
    """When it is said: soon after it has changed, and now and then anyway.

    :param random: for jitter.
    """

    __slots__ = ("_due_at", "_random", "_said", "_said_at")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._due_at = _NEVER
        self._said: Stock | None = None
        self._said_at = -_NEVER

    @property
    def due_at(self) -> float:
        """When to look what is here, monotonic seconds; infinite before the first `changed`."""
        return self._due_at

    def changed(self, now: float) -> None:
        """Something may be here that was not, or be wanted that was not."""
        soon = max(now + self._random.uniform(0, JITTER_S), self._said_at + NOT_BEFORE_S)
        self._due_at = min(self._due_at, soon)

    def asked(self, now: float) -> None:
        """Somebody has been sent to look; who never comes back is not sent again at once."""
        self._due_at = now + ANYWAY_S

    def is_news(self, what: Stock, now: float) -> bool:
        """Whether this is to be said; it counts as said then."""
        is_news = what != self._said or now - self._said_at >= 0.9 * ANYWAY_S
        if is_news:
            self._said, self._said_at = what, now
        self._due_at = self._said_at + ANYWAY_S * self._random.uniform(0.9, 1.1)
        return is_news
