"""One word for every occurrence at every speaker, and which of them are nobody's decision."""

from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.as_run import BY_RULE, SOUNDED, Outcome, is_late, is_mismatch, outcome_of
from endpoints.delivery import State
from endpoints.protocol import Reason

STATES, REASONS = st.sampled_from(State), st.sampled_from(Reason)


@given(STATES, REASONS, REASONS, st.booleans(), st.booleans())
def test_every_state_has_a_word_and_what_sounded_is_never_taken_back(
    state: State, reason: Reason, start: Reason, began: bool, late: bool
) -> None:
    outcome = outcome_of(state, reason, start, began=began, late=late)
    if began:
        assert outcome in SOUNDED | {Outcome.STOPPED}
    else:
        assert outcome not in SOUNDED
    if not began and not state.terminal:
        assert outcome is Outcome.UNKNOWN


@given(st.sampled_from(Outcome), REASONS)
def test_silence_that_nobody_decided_is_a_mismatch(outcome: Outcome, reason: Reason) -> None:
    silent = {Outcome.MISSED, Outcome.FAILED, Outcome.UNREACHED, Outcome.REFUSED, Outcome.BROKEN_OFF, Outcome.FALLBACK}
    assert is_mismatch(outcome, reason) is (outcome in silent and reason not in BY_RULE)


def test_the_words_one_by_one() -> None:
    none = Reason.NONE

    def word(
        state: State, reason: Reason = none, start: Reason = none, *, began: bool = True, late: bool = False
    ) -> Outcome:
        return outcome_of(state, reason, start, began=began, late=late)

    assert word(State.SOUNDING) is word(State.DONE) is word(State.INTERRUPTED) is Outcome.ON_TIME
    assert word(State.STOPPED, Reason.ENDED) is Outcome.ON_TIME  # its slot was over
    assert word(State.STOPPED, Reason.CANCELLED) is Outcome.STOPPED
    assert word(State.DONE, late=True) is Outcome.LATE
    assert word(State.DONE, start=Reason.FALLBACK, late=True) is Outcome.FALLBACK
    assert word(State.FAILED, Reason.SOUND_CARD) is Outcome.BROKEN_OFF
    assert word(State.FAILED, Reason.SOUND_CARD, began=False) is Outcome.FAILED
    assert word(State.MISSED, Reason.TOO_LATE, began=False) is Outcome.MISSED
    assert word(State.CANCELLED, Reason.CANCELLED, began=False) is Outcome.STOPPED
    assert word(State.UNREACHED, began=False) is Outcome.UNREACHED
    assert word(State.SCHEDULED, began=False) is Outcome.UNKNOWN


def test_late_is_what_begins_in_the_middle() -> None:
    assert not is_late(12_000, 10_000)
    assert is_late(12_001, 10_000)
