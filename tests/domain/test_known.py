"""What is known of an order at a speaker: its word, its ear, a person."""

from dataclasses import replace

import pytest

from broadcast.domain.proofs import Known, Proved, Witnessed, known_of
from endpoints.delivery import State
from endpoints.proof import Ear, Place, Proof, Window

RIGHT = (Window(Place.START, 400, 0, -200), Window(Place.END, 380, 0, -200))
WRONG = (RIGHT[0], Window(Place.END, 20, 0, -200))
HEARD = Proved(Proof("v-1", 1, "o-1", 1, 10, 0, Ear.MONITOR, True, RIGHT), 20)
NOT_HEARD = Proved(replace(HEARD.proof, windows=WRONG), 30)


def said(heard: bool, at_ms: int) -> Witnessed:
    return Witnessed("o-1", "v-1", "cadre", at_ms, heard)


@pytest.mark.parametrize("state", State)
def test_a_word_alone_is_a_word_and_silence_is_nothing(state: State) -> None:
    sounded = state in (State.SOUNDING, State.INTERRUPTED, State.DONE, State.STOPPED, State.UNFINISHED)
    assert known_of(state, [], []) is (Known.REPORTED if sounded else Known.NOTHING)


def test_an_ear_measures_or_contradicts_and_the_latest_counts() -> None:
    assert known_of(State.DONE, [HEARD], []) is Known.MEASURED
    assert known_of(State.DONE, [HEARD, NOT_HEARD], []) is Known.CONTRADICTED
    assert known_of(State.DONE, [NOT_HEARD, replace(HEARD, received_ms=40)], []) is Known.MEASURED


def test_a_person_on_the_spot_outweighs_an_ear_and_his_last_word_counts() -> None:
    assert known_of(State.DONE, [NOT_HEARD], [said(True, 1)]) is Known.HEARD
    assert known_of(State.DONE, [HEARD], [said(True, 1), said(False, 2)]) is Known.CONTRADICTED
    assert known_of(State.UNREACHED, [], [said(True, 1)]) is Known.HEARD
