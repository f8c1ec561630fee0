"""A tune is not proved by another one in its key, nor an announcement by what is left of it: the pieces are asked by themselves."""

from collections.abc import Callable

import numpy as np
import pytest

from audio_assets.correlation import ENOUGH_HEARD, THRESHOLD, Samples, find, samples, share_heard
from audio_assets.pcm import RATE_HZ
from audio_assets.tones import melody
from endpoints.proof import MAX_SPREAD_US

TUNE = samples(bytes(melody().slice_ms(0, 24_000).data))
RANDOM = np.random.default_rng(7)


def noisy(sound: Samples) -> Samples:
    """6 dB more noise than sound."""
    return sound + RANDOM.normal(0, 2 * np.sqrt(np.mean(sound**2)), len(sound))


def stuttering(sound: Samples) -> Samples:
    """Four of five frames of 20 ms are silent."""
    frames = np.arange(len(sound)) // (RATE_HZ // 50)
    return np.where(frames % 5 == 0, sound, 0.0)


def proved(recording: Samples) -> bool:
    """As a speaker's ear asks: beginning, middle and end, each four seconds, looked for one second to either side."""
    around, places = np.pad(recording, RATE_HZ), []
    for start in (0, 10 * RATE_HZ, 20 * RATE_HZ):
        wanted, there = TUNE[start : start + 4 * RATE_HZ], around[start : start + 6 * RATE_HZ]
        match = find(wanted, there)
        heard = share_heard(wanted, there[match.at : match.at + len(wanted)])
        if match.score < THRESHOLD or heard < ENOUGH_HEARD:
            return False
        places.append(match.at)
    return (max(places) - min(places)) / RATE_HZ <= MAX_SPREAD_US / 1e6


@pytest.mark.parametrize(
    "way", [np.copy, noisy, lambda sound: np.round(sound / 30), lambda sound: np.roll(sound, 9_000)]
)
def test_the_right_sound_is_proved_through_noise_softly_and_late(way: Callable[[Samples], Samples]) -> None:
    assert proved(way(TUNE))


@pytest.mark.parametrize(
    "way",
    [
        lambda sound: np.roll(sound, 3 * RATE_HZ),
        lambda sound: np.roll(sound, len(sound) // 2),
        lambda sound: sound[::-1],
        lambda sound: -sound,
        stuttering,
        np.zeros_like,
        lambda sound: RANDOM.normal(0, 3_000, len(sound)),
        lambda sound: 8_000 * np.sin(2 * np.pi * 440 * np.arange(len(sound)) / RATE_HZ),
    ],
    ids=[
        "three seconds late",
        "halves swapped",
        "backwards",
        "turned over",
        "stuttering",
        "silence",
        "noise",
        "a tone",
    ],
)
def test_what_only_resembles_it_is_not(way: Callable[[Samples], Samples]) -> None:
    assert not proved(way(TUNE))


def test_of_silence_nothing_is_heard() -> None:
    assert share_heard(np.zeros(RATE_HZ), np.ones(RATE_HZ)) == 0.0
    assert share_heard(np.ones(10), np.ones(10)) == 0.0
