"""What a sound card's word is worth: steady, when the sound server misjudges itself, after it ran dry."""

from random import Random

import pytest

from endpoints.card_time import FRAME_S, LOOK_FRAMES, WORDS, CardTime


class Card:
    """Behind a sound server: it asks every 20 ms, a little late each time, and says how long its buffers are."""

    def __init__(self) -> None:
        self.time, self._random = CardTime(), Random(1)
        self.asked, self.lost_s, self.buffers_s, self.lie_s = 0, 0.0, 0.060, 0.0

    def asks(self) -> float:
        """How wrong what we think is, seconds."""
        at = self.asked * FRAME_S + self.lost_s
        late_s = self._random.uniform(0, 0.0004)
        word_s = self.buffers_s - late_s + self.lie_s + self._random.gauss(0, 0.00003)
        self.asked += 1
        self.lie_s *= 0.99
        return self.time.asks(at + late_s, word_s) - (at + self.buffers_s)

    def worst(self, frames: int) -> float:
        return max(abs(self.asks()) for _ in range(frames))


def test_in_steady_times_its_word_counts() -> None:
    """But for the lateness of each waking, which its median takes out (`SinkClock`)."""
    assert Card().worst(2_000) < 0.0004


@pytest.mark.parametrize("lie_s", [-0.03, -0.005, 0.005, 0.03])
def test_a_sound_server_that_misjudges_itself_while_nothing_has_happened_is_not_believed(lie_s: float) -> None:
    card = Card()
    card.worst(2 * WORDS)
    card.lie_s = lie_s
    assert card.worst(2 * WORDS) < 0.0006


def test_at_the_start_of_a_stream_its_later_words_count() -> None:
    card = Card()
    card.lie_s = 0.02
    card.worst(700)
    assert card.worst(1_000) < 0.004
    assert card.worst(1_000) < 0.0006


def test_after_a_gap_its_word_counts_whatever_it_says() -> None:
    card = Card()
    card.worst(1_000)
    for lost_s, buffers_s in ((0.14, 0.041), (0.05, 0.06), (0.3, 0.075)):
        card.lost_s, card.buffers_s = card.lost_s + lost_s, buffers_s
        card.worst(2 * LOOK_FRAMES)
        assert card.worst(1_000) < 0.0004


@pytest.mark.parametrize("gap_s", [0.003, 0.14, 0.4])
def test_after_a_gap_of_which_the_card_tells_it_is_right_from_the_first_frame_on(gap_s: float) -> None:
    """Its buffer is empty and fills up at once."""
    card = Card()
    card.worst(1_000)
    card.time.ran_dry()
    at = card.asked * FRAME_S + gap_s
    for filled in range(3):
        assert card.time.asks(at, filled * FRAME_S) == pytest.approx(at + filled * FRAME_S)
        card.asked += 1
    card.lost_s = gap_s - 3 * FRAME_S
    assert card.worst(1_000) < 0.0006


def test_what_has_changed_for_good_without_a_gap_is_believed_after_a_while() -> None:
    """Somebody moved the stream to another output."""
    card = Card()
    card.worst(1_000)
    card.buffers_s = 0.09
    card.worst(WORDS)
    assert card.worst(500) < 0.0004


def test_waking_late_is_no_gap() -> None:
    """Were it one, the words would be forgotten, and of a few the middle is late as often as not; as in its first second."""
    card, random = CardTime(), Random(2)
    wrong = []
    for count in range(3_000):
        late_s = random.choice([0.0, 0.0, 0.0, 0.012])
        heard_at = card.asks(count * FRAME_S + late_s, 0.06 - late_s)
        wrong.append(abs(heard_at - late_s - (count * FRAME_S + 0.06)))
    assert max(wrong[LOOK_FRAMES:]) < 1e-9


def test_before_anything_was_steady_its_word_is_all_there_is() -> None:
    card = CardTime()
    assert card.asks(5.0, 0.071) == pytest.approx(5.071)
