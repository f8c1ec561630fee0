"""How far one order got at one speaker (回执阶梯): reports and times go in, what changed comes out; the caller keeps and shows it.

The table `NEXT` is the rule; the drawing in docs/ is made from it. A report may be repeated and may be late: late news is news. One
that cannot follow is impossible: a fault at the speaker or a forgery, counted and shown, never believed.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum

from endpoints.protocol import Reason, Stage


class State(IntEnum):
    """Where an order is at a speaker, as far as reports say. The numbers are kept in the table."""

    EXPECTED = 0  # on the board; nothing heard of it
    RECEIVED = 1
    SCHEDULED = 2
    SOUNDING = 3
    INTERRUPTED = 4  # something higher has the air; it comes back
    DONE = 5
    STOPPED = 6  # taken off before its own end, after it sounded
    CANCELLED = 7  # taken off before it sounded
    REFUSED = 8
    MISSED = 9
    FAILED = 10
    UNREACHED = 11  # no word that it began, and the time for it is over
    UNFINISHED = 12  # it began, and the end was never heard of

    @property
    def terminal(self) -> bool:
        return self >= State.DONE


class Event(Enum):
    """What only the server sees."""

    OVERDUE = "overdue"


S, R, E = State, Stage, Event
Cause = Stage | Event

_STARTED: dict[Cause, State] = {
    R.SOUNDING: S.SOUNDING,
    R.INTERRUPTED: S.INTERRUPTED,
    R.FINISHED: S.DONE,
    R.FAILED: S.FAILED,
    R.STOPPED: S.STOPPED,
}
_FIRST: dict[Cause, State] = {
    R.RECEIVED: S.RECEIVED,
    R.SCHEDULED: S.SCHEDULED,
    R.REFUSED: S.REFUSED,
    R.MISSED: S.MISSED,
    **_STARTED,
    R.STOPPED: S.CANCELLED,
}


def _stay(state: State, *causes: Cause) -> dict[Cause, State]:
    return dict.fromkeys(causes, state)


_BEFORE_SOUND = (R.RECEIVED, R.SCHEDULED)
_LATE = (*_BEFORE_SOUND, R.SOUNDING, R.INTERRUPTED)  # older news that arrives after its successor

# What was played is never taken back. A terminal state that stands for silence gives way to news of sound: late news, or a later
# revision brought the order back; one that stands for a part gives way to the whole; DONE gives way to nothing.
NEXT: dict[State, dict[Cause, State]] = {
    S.EXPECTED: {E.OVERDUE: S.UNREACHED, **_FIRST},
    S.RECEIVED: {E.OVERDUE: S.UNREACHED, **_FIRST},
    S.SCHEDULED: {E.OVERDUE: S.UNREACHED, **_FIRST, R.RECEIVED: S.SCHEDULED},
    S.SOUNDING: {E.OVERDUE: S.UNFINISHED, **_stay(S.SOUNDING, *_BEFORE_SOUND), **_STARTED},
    S.INTERRUPTED: {E.OVERDUE: S.UNFINISHED, **_stay(S.INTERRUPTED, *_BEFORE_SOUND), **_STARTED},
    S.UNREACHED: dict(_FIRST),  # given up, yet it may still sound
    S.REFUSED: {**_FIRST, **_stay(S.REFUSED, *_BEFORE_SOUND)},
    S.MISSED: {**_FIRST, **_stay(S.MISSED, *_BEFORE_SOUND)},
    S.CANCELLED: {**_FIRST, **_stay(S.CANCELLED, *_BEFORE_SOUND), **_stay(S.STOPPED, R.SOUNDING, R.INTERRUPTED)},
    S.UNFINISHED: {**_stay(S.UNFINISHED, *_LATE), R.FINISHED: S.DONE, R.STOPPED: S.STOPPED, R.FAILED: S.FAILED},
    S.STOPPED: {**_stay(S.STOPPED, *_LATE, R.STOPPED, R.FAILED), R.FINISHED: S.DONE},
    S.FAILED: {**_stay(S.FAILED, *_LATE, R.FAILED, R.STOPPED), R.FINISHED: S.DONE},
    S.DONE: _stay(S.DONE, *_LATE, R.STOPPED, R.FINISHED, R.FAILED),
}


_WORD = {S.SCHEDULED: R.SCHEDULED, S.SOUNDING: R.SOUNDING, S.INTERRUPTED: R.INTERRUPTED}  # what says that it is there
_WAIT_FOR_END = (S.SCHEDULED, S.SOUNDING, S.INTERRUPTED)  # the speaker has said that it knows; it will say more


@dataclass(frozen=True, slots=True)
class Changed:
    """The order stands elsewhere at that speaker now."""

    order: str
    speaker: str
    state: State
    reason: Reason


class ImpossibleReport(ValueError):
    """It cannot follow; the state stays."""

    def __init__(self, speaker: str, before: State, cause: Cause) -> None:
        self.speaker, self.before, self.cause = speaker, before, cause
        super().__init__(f"{speaker}: {cause.name} cannot follow {before.name}")


class Delivery:
    """The life of one order at one speaker. It sends nothing: the board that carries the order does.

    :param start_by: on the scale of now, seconds; without a start by then the speaker is not reached.
    :param end_by: likewise for the end.
    """

    __slots__ = ("_end_by", "order", "reason", "speaker", "state", "wake_at")

    def __init__(self, order: str, speaker: str, *, start_by: float, end_by: float) -> None:
        self.order, self.speaker = order, speaker
        self.state, self.reason = State.EXPECTED, Reason.NONE
        self.wake_at: float | None = start_by  # when tick() next has work
        self._end_by = end_by

    @classmethod
    def kept(
        cls, order: str, speaker: str, state: State, reason: Reason, *, start_by: float, end_by: float
    ) -> "Delivery":
        """As the table has it."""
        delivery = cls(order, speaker, start_by=start_by, end_by=end_by)
        delivery.state, delivery.reason = state, reason
        delivery._set_wake(state)
        return delivery

    def shorten(self, *, end_by: float) -> None:
        """The order was taken off the boards: nothing is waited for after `end_by`."""
        self._end_by = min(self._end_by, end_by)
        if self.wake_at is not None:
            self.wake_at = min(self.wake_at, end_by)

    def hear(self, stage: Stage, reason: Reason = Reason.NONE) -> Changed | None:
        """Take in a report; MQTT may repeat it, and a repeat has no effect. A new reason for the same state is news: the fallback
        sounds in place of what began, or an order waits for the morning now.

        :raises ImpossibleReport: it cannot follow; the state stays. A fault at the speaker, or a forgery.
        """
        return self._move(stage, reason)

    def tick(self, now: float) -> Changed | None:
        """Draw the conclusion from silence. Early calls do nothing."""
        if self.wake_at is None or now < self.wake_at:
            return None
        return self._move(Event.OVERDUE, Reason.NONE)

    def _move(self, cause: Cause, reason: Reason) -> Changed | None:
        before, after = self.state, NEXT[self.state].get(cause)
        if after is None:
            raise ImpossibleReport(self.speaker, before, cause)
        if after is before and (reason in {Reason.NONE, self.reason} or _WORD.get(before) is not cause):
            return None
        self.state, self.reason = after, reason
        self._set_wake(before)
        return Changed(self.order, self.speaker, after, reason)

    def _set_wake(self, before: State) -> None:
        if Event.OVERDUE not in NEXT[self.state]:
            self.wake_at = None
        elif self.state in _WAIT_FOR_END or before is State.UNREACHED:
            self.wake_at = self._end_by
