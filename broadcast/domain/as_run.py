"""What was planned against what sounded (播出核对): the outcome of one occurrence at one speaker. Pure.

Nothing is skipped without a visible reason: every occurrence × speaker has exactly one of these words, and what is not good is
either explained by a rule that everybody knew beforehand, or a mismatch that raises an alarm.
"""

from collections.abc import Mapping
from enum import StrEnum

from endpoints.delivery import State
from endpoints.protocol import Reason

ON_TIME_MS = 2_000  # a start that is later begins in the middle, in step with the neighbours


class Outcome(StrEnum):
    """What became of an occurrence at a speaker."""

    ON_TIME = "on-time"
    LATE = "late"
    FALLBACK = "fallback"  # something sounded, and not what was planned
    BROKEN_OFF = "broken-off"  # it began and failed
    STOPPED = "stopped"  # taken off by an officer, before or while it sounded
    REFUSED = "refused"
    MISSED = "missed"
    FAILED = "failed"  # it should have begun and could not
    UNREACHED = "unreached"  # no word that it began, and the time for it is over
    UNKNOWN = "unknown"  # not yet


SOUNDED = frozenset({Outcome.ON_TIME, Outcome.LATE, Outcome.FALLBACK, Outcome.BROKEN_OFF})

# Known beforehand from the plan, or ordered by a person: no alarm follows.
BY_RULE = frozenset({Reason.QUIET_HOURS, Reason.BUDGET, Reason.MUTED, Reason.WRONG_MODE, Reason.CANCELLED, Reason.BUSY})

_ENDS: Mapping[State, Outcome] = {
    State.REFUSED: Outcome.REFUSED,
    State.MISSED: Outcome.MISSED,
    State.FAILED: Outcome.FAILED,
    State.UNREACHED: Outcome.UNREACHED,
    State.CANCELLED: Outcome.STOPPED,
}


def outcome_of(state: State, reason: Reason, start_reason: Reason, *, began: bool, late: bool) -> Outcome:
    """
    :param reason: of the state.
    :param start_reason: that it gave when it began to sound.
    :param began: whether it said that it sounded.
    :param late: by more than ON_TIME_MS.
    """
    if not began:
        return _ENDS.get(state, Outcome.UNKNOWN)
    if state is State.FAILED:
        return Outcome.BROKEN_OFF
    if start_reason is Reason.FALLBACK:
        return Outcome.FALLBACK
    if state is State.STOPPED and reason is Reason.CANCELLED:
        return Outcome.STOPPED
    return Outcome.LATE if late else Outcome.ON_TIME


def is_late(started_ms: int, due_ms: int) -> bool:
    return started_ms > due_ms + ON_TIME_MS


def is_mismatch(outcome: Outcome, reason: Reason) -> bool:
    """Whether something other than the plan, its rules and its officers decided what was heard."""
    if outcome in (Outcome.ON_TIME, Outcome.LATE, Outcome.STOPPED, Outcome.UNKNOWN):
        return False
    return reason not in BY_RULE
