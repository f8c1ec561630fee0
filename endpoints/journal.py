"""What a speaker has to tell the server: numbered entries that are sent, and sent again until the server has them in its table."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from endpoints.protocol import MAX_ENTRIES, Entry, Reason, Stage

JOURNAL_LIMIT = 256  # 18 kB; a week without a network at 10 orders a day
RESEND_AFTER_S = 3.0
_NEVER = float("-inf")


@dataclass(slots=True)
class _Waiting:
    """An entry that the server has not confirmed, and when it was last sent."""

    entry: Entry
    sent_at: float = _NEVER


class Journal:
    """The entries of one boot, in order. Numbers count from 1 and are never used twice within a boot.

    :param kept: what the last boot could not tell; it is told under new numbers.
    """

    __slots__ = ("_waiting", "next_n")

    def __init__(self, kept: Iterable[Entry] = ()) -> None:
        self._waiting = [_Waiting(replace(entry, n=n)) for n, entry in enumerate(kept, start=1)]
        self.next_n = len(self._waiting) + 1

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What the server has not confirmed."""
        return tuple(waiting.entry for waiting in self._waiting)

    @property
    def oldest_n(self) -> int:
        """The number of the oldest of them; `next_n` when there is none."""
        return self._waiting[0].entry.n if self._waiting else self.next_n

    def add(self, order: str, revision: int, stage: Stage, reason: Reason, at_ms: int) -> None:
        """When it is full, the oldest entry goes that a later one of its order has overtaken: the last word stays longest."""
        self._waiting.append(_Waiting(Entry(self.next_n, order, revision, stage, reason, at_ms)))
        self.next_n += 1
        if len(self._waiting) > JOURNAL_LIMIT:
            del self._waiting[self._least_worth()]

    def _least_worth(self) -> int:
        last_at = {waiting.entry.order: index for index, waiting in enumerate(self._waiting)}
        overtaken = (i for i, waiting in enumerate(self._waiting) if last_at[waiting.entry.order] != i)
        return next(overtaken, 0)

    def confirm(self, n: int) -> bool:
        """The server has all up to `n` in its table. Whether that was news."""
        before = len(self._waiting)
        self._waiting = [waiting for waiting in self._waiting if waiting.entry.n > n]
        return len(self._waiting) != before

    def resend(self, now: float, *, older_than_s: float = RESEND_AFTER_S) -> None:
        """Have everything said again that was said that long ago; the broker may have lost it."""
        for waiting in self._waiting:
            if now - waiting.sent_at >= older_than_s:
                waiting.sent_at = _NEVER

    def take_unsent(self, now: float) -> list[tuple[Entry, ...]]:
        """What is to be sent now, in batches that fit a report; it counts as sent."""
        unsent = [waiting for waiting in self._waiting if waiting.sent_at == _NEVER]
        for waiting in unsent:
            waiting.sent_at = now
        starts = range(0, len(unsent), MAX_ENTRIES)
        return [tuple(waiting.entry for waiting in unsent[start : start + MAX_ENTRIES]) for start in starts]
