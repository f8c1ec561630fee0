"""A little less or a little more of a sound (接合), spliced where one moment of it is most like the other.

A piece shorter than a syllable is left out, or said twice, with a cross-fade between two places that look alike: in a vowel one or
two of its periods are missing, and nobody misses them. So a voice is made quicker without being made higher.
"""

import audioop

from audio_assets.pcm import SAMPLE_BYTES, mix, ramp

FADE = 240  # samples, 5 ms


def needed(most: int) -> int:
    """Samples without which so many can't be left out or said twice."""
    return most + FADE


def without(data: bytes, least: int, most: int) -> bytes:
    """Without `least` to `most` of its samples; it begins as it did, and ends as it did.

    :param data: `needed(most)` samples or more.
    """
    head = data[: FADE * SAMPLE_BYTES]
    at = least + _best_fit(data[least * SAMPLE_BYTES : (most + FADE) * SAMPLE_BYTES], head)
    return _faded(head, data[at * SAMPLE_BYTES : (at + FADE) * SAMPLE_BYTES]) + data[(at + FADE) * SAMPLE_BYTES :]


def with_more(data: bytes, least: int, most: int) -> bytes:
    """With `least` to `most` samples more; likewise."""
    end = len(data) // SAMPLE_BYTES - FADE
    tail = data[end * SAMPLE_BYTES :]
    around = data[(end - most) * SAMPLE_BYTES : (end - least + FADE) * SAMPLE_BYTES]
    back = end - most + _best_fit(around, tail)
    again = data[back * SAMPLE_BYTES : (back + FADE) * SAMPLE_BYTES]
    return data[: end * SAMPLE_BYTES] + _faded(tail, again) + data[(back + FADE) * SAMPLE_BYTES :]


def _best_fit(place: bytes, sample: bytes) -> int:
    """How many samples into the place it is most like the sample."""
    return int(audioop.findfit(place, sample)[0])


def _faded(old: bytes, new: bytes) -> bytes:
    return mix(ramp(old, rising=False), ramp(new, rising=True))
