"""The ladder: every state with every cause, and what no report and no silence can do."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints.delivery import NEXT, Cause, Changed, Delivery, Event, ImpossibleReport, State
from endpoints.protocol import Reason, Stage

START_BY, END_BY = 5.0, 60.0
SOUNDED = {State.SOUNDING, State.INTERRUPTED, State.STOPPED, State.UNFINISHED, State.DONE}
SILENT = {State.REFUSED, State.MISSED, State.CANCELLED, State.UNREACHED}


def fresh(state: State = State.EXPECTED) -> Delivery:
    return Delivery.kept("o-1", "v-017", state, Reason.NONE, start_by=START_BY, end_by=END_BY)


# A line a state; a column a cause: RECEIVED SCHEDULED SOUNDING INTERRUPTED FINISHED REFUSED MISSED FAILED STOPPED OVERDUE.
# A dot: it cannot follow. This is the specification, written a second time and by hand.
TABLE = """
EXPECTED     RECEIVED    SCHEDULED   SOUNDING INTERRUPTED DONE REFUSED MISSED FAILED CANCELLED UNREACHED
RECEIVED     RECEIVED    SCHEDULED   SOUNDING INTERRUPTED DONE REFUSED MISSED FAILED CANCELLED UNREACHED
SCHEDULED    SCHEDULED   SCHEDULED   SOUNDING INTERRUPTED DONE REFUSED MISSED FAILED CANCELLED UNREACHED
SOUNDING     SOUNDING    SOUNDING    SOUNDING INTERRUPTED DONE .       .      FAILED STOPPED   UNFINISHED
INTERRUPTED  INTERRUPTED INTERRUPTED SOUNDING INTERRUPTED DONE .       .      FAILED STOPPED   UNFINISHED
DONE         DONE        DONE        DONE     DONE        DONE .       .      DONE   DONE      .
STOPPED      STOPPED     STOPPED     STOPPED  STOPPED     DONE .       .      STOPPED STOPPED  .
CANCELLED    CANCELLED   CANCELLED   STOPPED  STOPPED     DONE REFUSED MISSED FAILED CANCELLED .
REFUSED      REFUSED     REFUSED     SOUNDING INTERRUPTED DONE REFUSED MISSED FAILED CANCELLED .
MISSED       MISSED      MISSED      SOUNDING INTERRUPTED DONE REFUSED MISSED FAILED CANCELLED .
FAILED       FAILED      FAILED      FAILED   FAILED      DONE .       .      FAILED FAILED    .
UNREACHED    RECEIVED    SCHEDULED   SOUNDING INTERRUPTED DONE REFUSED MISSED FAILED CANCELLED .
UNFINISHED   UNFINISHED  UNFINISHED  UNFINISHED UNFINISHED DONE .      .      FAILED STOPPED   .
"""
CAUSES: tuple[Cause, ...] = (*Stage, Event.OVERDUE)
ROWS = [line.split() for line in TABLE.split("\n") if line]
CASES = [
    (State[row[0]], cause, None if after == "." else State[after])
    for row in ROWS
    for cause, after in zip(CAUSES, row[1:], strict=True)
]


def test_the_table_has_every_state_and_every_cause() -> None:
    assert {state for state, _, _ in CASES} == set(State) == set(NEXT)
    assert len(CASES) == len(State) * len(CAUSES)


@pytest.mark.parametrize(("before", "cause", "after"), CASES)
def test_every_state_with_every_cause(before: State, cause: Cause, after: State | None) -> None:
    assert NEXT[before].get(cause) is after
    if isinstance(cause, Stage):
        delivery = fresh(before)
        if after is None:
            with pytest.raises(ImpossibleReport):
                delivery.hear(cause, Reason.MUTED)
            assert (delivery.state, delivery.reason) == (before, Reason.NONE)
        elif after is before and before.name != cause.name:
            assert delivery.hear(cause, Reason.MUTED) is None
        elif after is before:
            assert delivery.hear(cause) is None
        else:
            assert delivery.hear(cause, Reason.MUTED) == Changed("o-1", "v-017", after, Reason.MUTED)
            assert (delivery.state, delivery.reason) == (after, Reason.MUTED)


def test_a_speaker_that_never_answers_is_not_reached() -> None:
    delivery = fresh()
    assert delivery.tick(START_BY - 0.1) is None
    assert delivery.tick(START_BY) == Changed("o-1", "v-017", State.UNREACHED, Reason.NONE)
    assert delivery.tick(END_BY) is None
    assert delivery.wake_at is None


def test_a_speaker_that_said_it_will_sound_later_is_waited_for_until_the_end() -> None:
    delivery = fresh()
    delivery.hear(Stage.SCHEDULED)
    assert delivery.tick(END_BY - 0.1) is None
    assert delivery.tick(END_BY) == Changed("o-1", "v-017", State.UNREACHED, Reason.NONE)


def test_a_speaker_that_received_it_and_fell_silent_is_not_reached_after_the_time_to_start() -> None:
    delivery = fresh()
    delivery.hear(Stage.RECEIVED)
    assert delivery.tick(START_BY) == Changed("o-1", "v-017", State.UNREACHED, Reason.NONE)


def test_a_speaker_whose_end_was_never_heard_of_is_unfinished() -> None:
    delivery = fresh()
    delivery.hear(Stage.SOUNDING)
    assert delivery.tick(END_BY - 0.1) is None
    assert delivery.tick(END_BY) == Changed("o-1", "v-017", State.UNFINISHED, Reason.NONE)


def test_late_news_is_news() -> None:
    delivery = fresh()
    delivery.tick(START_BY)
    assert delivery.hear(Stage.SOUNDING) == Changed("o-1", "v-017", State.SOUNDING, Reason.NONE)
    assert delivery.wake_at == END_BY
    delivery.tick(END_BY)
    assert delivery.hear(Stage.FINISHED) == Changed("o-1", "v-017", State.DONE, Reason.NONE)


@pytest.mark.parametrize("stage", [Stage.SCHEDULED, Stage.SOUNDING, Stage.INTERRUPTED])
def test_a_new_reason_for_the_same_state_is_news_once_and_is_not_taken_back(stage: Stage) -> None:
    delivery = fresh()
    delivery.hear(stage)
    state, wake_at = delivery.state, delivery.wake_at
    assert delivery.hear(stage, Reason.FALLBACK) == Changed("o-1", "v-017", state, Reason.FALLBACK)
    for repeated in (Reason.FALLBACK, Reason.NONE):
        assert delivery.hear(stage, repeated) is None
    assert delivery.hear(Stage.RECEIVED, Reason.BUSY) is None
    assert (delivery.state, delivery.reason, delivery.wake_at) == (state, Reason.FALLBACK, wake_at)


@pytest.mark.parametrize("stage", [Stage.FINISHED, Stage.STOPPED, Stage.FAILED, Stage.REFUSED, Stage.MISSED])
def test_the_first_reason_of_an_end_stands(stage: Stage) -> None:
    delivery = fresh()
    delivery.hear(stage, Reason.BUSY)
    assert delivery.hear(stage, Reason.FALLBACK) is None
    assert delivery.reason is Reason.BUSY


def test_after_a_stop_nothing_is_waited_for_longer_than_is_said() -> None:
    delivery = fresh()
    delivery.hear(Stage.SOUNDING)
    delivery.shorten(end_by=20)
    delivery.shorten(end_by=30)
    assert delivery.wake_at == 20
    delivery.hear(Stage.INTERRUPTED)
    assert delivery.wake_at == 20
    assert delivery.tick(20) == Changed("o-1", "v-017", State.UNFINISHED, Reason.NONE)
    silent = fresh()
    silent.shorten(end_by=2)
    assert silent.tick(2) == Changed("o-1", "v-017", State.UNREACHED, Reason.NONE)


def test_an_impossible_report_says_who_where_and_what() -> None:
    with pytest.raises(ImpossibleReport, match="v-017: MISSED cannot follow DONE") as caught:
        fresh(State.DONE).hear(Stage.MISSED)
    assert (caught.value.speaker, caught.value.before, caught.value.cause) == ("v-017", State.DONE, Stage.MISSED)


@given(st.sampled_from(State))
def test_what_the_table_keeps_is_taken_up_as_it_was(state: State) -> None:
    delivery = fresh(state)
    assert delivery.state is state
    assert (delivery.wake_at is None) is (Event.OVERDUE not in NEXT[state])


stages = st.lists(st.sampled_from(Stage), max_size=12)
ticks = st.lists(st.floats(0, 100), max_size=12)


@given(stages)
def test_no_report_and_no_silence_takes_back_what_was_played(reports: list[Stage]) -> None:
    delivery = fresh()
    delivery.hear(Stage.FINISHED)
    for report in reports:
        with suppress(ImpossibleReport):
            delivery.hear(report)
        assert delivery.state is State.DONE
        assert delivery.tick(1e9) is None


@given(stages, stages, st.sampled_from([Stage.SOUNDING, Stage.INTERRUPTED]))
def test_once_it_sounded_it_is_never_shown_as_silent(before: list[Stage], after: list[Stage], sound: Stage) -> None:
    delivery = fresh()
    for report in (*before, sound, *after):
        with suppress(ImpossibleReport):
            delivery.hear(report)
    delivery.tick(1e9)
    assert delivery.state in SOUNDED | {State.FAILED}


@given(stages, ticks)
def test_after_the_end_every_delivery_is_in_one_terminal_state(reports: list[Stage], times: list[float]) -> None:
    delivery = fresh()
    for report, now in zip(reports, times, strict=False):
        with suppress(ImpossibleReport):
            delivery.hear(report)
        delivery.tick(now)
        assert (delivery.wake_at is None) is delivery.state.terminal
    delivery.tick(END_BY)
    assert delivery.state.terminal
    assert delivery.tick(1e9) is None


@given(stages)
def test_a_repeated_report_has_no_effect(reports: list[Stage]) -> None:
    once, twice = fresh(), fresh()
    for report in reports:
        for delivery, times in ((once, 1), (twice, 2)):
            for _ in range(times):
                with suppress(ImpossibleReport):
                    delivery.hear(report)
        assert once.state is twice.state


@given(st.lists(st.sampled_from(Stage), max_size=6))
def test_the_whole_story_told_again_ends_where_it_ended(story: list[Stage]) -> None:
    """A speaker sends its journal again until it is confirmed; what could be told once can be told twice."""
    delivery = fresh()
    for report in story:
        with suppress(ImpossibleReport):
            delivery.hear(report)
    if delivery.state in {State.DONE, State.STOPPED, State.FAILED}:
        before = delivery.state
        for report in story:
            with suppress(ImpossibleReport):
                delivery.hear(report)
        assert delivery.state in {before, State.DONE}


def test_states_of_silence_and_of_sound_are_apart() -> None:
    assert not SILENT & SOUNDED
    assert {state for state in State if state.terminal} == SILENT | {
        State.DONE,
        State.STOPPED,
        State.FAILED,
        State.UNFINISHED,
    }
