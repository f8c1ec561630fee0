"""A piece less or a piece more: as long as was wanted, and nothing clicks."""

from collections.abc import Callable

import numpy as np
import pytest

from audio_assets.tones import melody
from endpoints.splice import FADE, needed, with_more, without
from tests.correlation import RATE_HZ


def read(data: bytes) -> "np.typing.NDArray[np.int64]":
    return np.frombuffer(data, dtype="<i2").astype(np.int64)


def tone_of(hz: float, samples: int) -> bytes:
    return (20_000 * np.sin(2 * np.pi * hz * np.arange(samples) / RATE_HZ)).astype("<i2").tobytes()


@pytest.mark.parametrize("change", [without, with_more])
@pytest.mark.parametrize("hz", [90.0, 200.0, 441.3, 3_000.0])
def test_in_a_voice_as_deep_as_a_mans_no_step_and_no_hole_is_heard(
    change: Callable[[bytes, int, int], bytes], hz: float
) -> None:
    """The place is chosen so that the period goes on: amplitude and steepness stay what they are."""
    piece = tone_of(hz, needed(1_200) + 500)
    least, most = 240, 240 + round(RATE_HZ / 90)
    heard = read(change(piece, least, most))
    steepest = int(np.abs(np.diff(read(piece))).max())
    assert np.abs(np.diff(heard)).max() <= steepest * 1.3
    loud = [int(np.abs(heard[at : at + round(RATE_HZ / 90)]).max()) for at in range(0, heard.size - 600, 60)]
    assert min(loud) > 18_500


@pytest.mark.parametrize(("least", "most"), [(1, 1), (36, 60), (816, 1_104), (48, 480)])
def test_it_is_shorter_or_longer_by_as_much_as_was_wanted_and_begins_and_ends_as_it_did(least: int, most: int) -> None:
    piece = melody().slice_ms(700, 700 + (needed(most) + 960) // 48).data
    whole = read(piece)
    less, more = read(without(piece, least, most)), read(with_more(piece, least, most))
    assert least <= whole.size - less.size <= most
    assert least <= more.size - whole.size <= most
    for changed in (less, more):
        assert changed[0] == pytest.approx(whole[0], rel=0.01)
        assert changed[-1] == pytest.approx(whole[-1], rel=0.01)
    assert np.array_equal(less[FADE:], whole[-(less.size - FADE) :])
    assert np.array_equal(more[: whole.size - FADE], whole[:-FADE])


def test_of_silence_and_of_a_constant_it_makes_no_more_than_less_of_it() -> None:
    for piece in (bytes(4_000), np.full(2_000, 8_000, dtype="<i2").tobytes()):
        for change in (without, with_more):
            heard = read(change(piece, 100, 200))
            assert heard == pytest.approx(np.full(heard.size, read(piece)[0]), rel=0.01)
