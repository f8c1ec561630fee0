"""What was planned against what sounded (播出核对): the outcome of one occurrence at one speaker. Pure.

Nothing is skipped without a visible reason: every occurrence × speaker has exactly one of these words, and what is not good is
either explained by a rule that everybody knew beforehand, or a mismatch that raises an alarm.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from broadcast.domain.broadcasts import Life
from broadcast.domain.live_records import RELAY_LOST, LiveRecord
from endpoints.delivery import State
from endpoints.protocol import Order, Reason

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


GIVEN_UP_MS = 10_000  # a speaker gives a stream up that has not come for so long

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


def relay_cause(order: Order, life: Life, records: Sequence[LiveRecord], now_ms: int) -> str:
    """Why a relay can't have sounded as planned, by what the server itself sent: RELAY_LOST, or empty.

    :param records: of its stream. There is none of one that never got onto the air at all.
    """
    if not order.stream or now_ms < order.not_before_ms + GIVEN_UP_MS:
        return ""
    if any(one.why == RELAY_LOST for one in records):
        return RELAY_LOST
    silent = all(one.nothing_went_out for one in records)
    return RELAY_LOST if silent and life in (Life.LIVE, Life.ENDED) else ""


def contradicted(outcome: Outcome, reason: Reason, cause: str) -> tuple[Outcome, Reason]:
    """What is written down when the server knows better: a speaker can't have sounded well what was not sent."""
    if cause and outcome in (Outcome.ON_TIME, Outcome.LATE):
        return Outcome.BROKEN_OFF, Reason.STREAM_LOST
    return outcome, reason


def is_late(started_ms: int, due_ms: int) -> bool:
    return started_ms > due_ms + ON_TIME_MS


def is_mismatch(outcome: Outcome, reason: Reason) -> bool:
    """Whether something other than the plan, its rules and its officers decided what was heard."""
    if outcome in (Outcome.ON_TIME, Outcome.LATE, Outcome.STOPPED, Outcome.UNKNOWN):
        return False
    return reason not in BY_RULE
