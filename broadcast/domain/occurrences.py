"""From programmes to what sounds when: occurrences (场次) with UTC instants, and the order that each becomes. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from broadcast.domain.areas import AreaTree
from broadcast.domain.calendar import Calendar
from broadcast.domain.programmes import NOTHING_YET, Content, Programme
from endpoints.protocol import Order


class Occurrence(NamedTuple):
    """One time that a programme sounds.

    :param start_ms: UTC.
    :param at: its nominal wall time in the programme's zone, to the second; on a day when the clock jumps over it, the one
        that does not exist.
    """

    start_ms: int
    programme: Programme
    at: datetime

    @property
    def id(self) -> str:
        """`P` + ULID + `-` + yymmddhhmmss in wall time: exactly the 40 characters of an order id.

        Two servers derive the same, and a wall time that the clock passes twice is one occurrence.
        """
        return f"P{self.programme.id}-{self.at:%y%m%d%H%M%S}"

    @property
    def end_ms(self) -> int:
        """The end of its slot."""
        return self.start_ms + self.programme.length_ms


def programme_id(order_id: str) -> str:
    """The programme that an order id belongs to, or "" when it belongs to none."""
    raise NotImplementedError


def occurrences(programmes: Iterable[Programme], calendar: Calendar, from_ms: int, until_ms: int) -> list[Occurrence]:
    """All that begin in from ≤ start < until, by start and then by programme id.

    What began before `from_ms` may still sound: ask from `LONGEST_MS` earlier and look at `end_ms`.
    """
    raise NotImplementedError


def to_order(occurrence: Occurrence, content: Content = NOTHING_YET, *, tree: AreaTree | None = None) -> Order:
    """The order that an occurrence becomes; the same on two servers with the same tables.

    :param content: what its source has become; with neither files nor stream the order has no sound, and its window is the slot.
    :param tree: with it, areas that were merged into the targets are targets too.
    """
    raise NotImplementedError
