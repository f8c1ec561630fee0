"""What a sound card's word is worth: steady, when the sound server misjudges itself, after it ran dry."""

from random import Random

import pytest

from endpoints.card_time import AFTER_GAP_FRAMES, DOUBTED_AT_MOST, FRAME_S, LINE_FRAMES, LOOK_FRAMES, CardTime


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
        self.lie_s *= 0.995
        return self.time.asks(at + late_s, word_s) - (at + self.buffers_s)

    def worst(self, frames: int) -> float:
        return max(abs(self.asks()) for _ in range(frames))


def test_in_steady_times_its_word_counts() -> None:
    assert Card().worst(2_000) < 0.0002


@pytest.mark.parametrize("lie_s", [-0.03, -0.005, 0.005, 0.03])
def test_a_sound_server_that_misjudges_itself_while_nothing_has_happened_is_not_believed(lie_s: float) -> None:
    card = Card()
    card.worst(1_000)
    card.lie_s = lie_s
    assert card.worst(1_000) < 0.0025
    assert card.worst(1_000) < 0.0005


def test_after_a_gap_its_word_counts_whatever_it_says() -> None:
    card = Card()
    card.worst(1_000)
    for lost_s, buffers_s in ((0.14, 0.041), (0.05, 0.06), (0.3, 0.075)):
        card.lost_s, card.buffers_s = card.lost_s + lost_s, buffers_s
        card.worst(LOOK_FRAMES)
        assert card.worst(LINE_FRAMES + AFTER_GAP_FRAMES) < 0.0002
        assert card.worst(500) < 0.0002


def test_what_has_changed_for_good_without_a_gap_is_believed_after_a_while() -> None:
    """Somebody moved the stream to another output."""
    card = Card()
    card.worst(1_000)
    card.buffers_s = 0.09
    card.worst(DOUBTED_AT_MOST + 1)
    assert card.worst(500) < 0.0002


def test_waking_late_is_no_gap() -> None:
    card, random = CardTime(), Random(2)
    for count in range(3_000):
        late_s = random.choice([0.0, 0.0, 0.0, 0.012])
        at = count * FRAME_S + late_s
        assert card.asks(at, 0.06 - late_s) == pytest.approx(count * FRAME_S + 0.06)


def test_before_anything_was_steady_its_word_is_all_there_is() -> None:
    card = CardTime()
    for count in range(3):
        card.asks(count * FRAME_S, 0.06)
    assert card.asks(5.0, 0.071) == pytest.approx(5.071)
