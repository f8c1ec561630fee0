"""The built-in sounds: what a villager hears must not be taken for an air raid, nor click, nor differ between boxes."""

import hashlib
from array import array
from itertools import pairwise

import numpy as np
import pytest

from audio_assets.pcm import FRAME_SAMPLES, Pcm
from audio_assets.tones import ToneId, melody, tone
from endpoints.protocol import TONE_MS, Tone
from tests.correlation import RATE_HZ, THRESHOLD, Samples, find, samples

SOUNDS = [ToneId.ATTENTION, ToneId.CHIME, ToneId.ALL_CLEAR]


def pitches(sound: Samples, window_ms: int = 100) -> list[float]:
    """The strongest frequency of each window, Hz."""
    size = window_ms * RATE_HZ // 1000
    windows = sound[: len(sound) // size * size].reshape(-1, size) * np.hanning(size)
    return [float(np.argmax(np.abs(np.fft.rfft(window, 8 * size))) * RATE_HZ / (8 * size)) for window in windows]


def test_the_tones_are_those_of_the_wire_and_as_long_as_it_says() -> None:
    assert {kind.name: int(kind) for kind in ToneId} == {kind.name: int(kind) for kind in Tone}
    assert {int(kind): tone(kind).duration_ms for kind in ToneId} == {int(kind): ms for kind, ms in TONE_MS.items()}


@pytest.mark.parametrize("kind", SOUNDS)
def test_a_tone_is_whole_frames_below_full_scale_with_quiet_edges(kind: ToneId) -> None:
    sound = array("h", tone(kind).data)
    assert len(sound) % FRAME_SAMPLES == 0
    assert max(map(abs, sound)) <= 23_198  # -3 dBFS
    assert abs(sound[0]) < 50
    assert abs(sound[-1]) < 50
    assert max(abs(after - before) for before, after in pairwise(sound)) < 0.2 * 32_767


def test_the_attention_signal_sweeps_without_a_pause_and_without_a_steady_pitch() -> None:
    """The reserved air-raid patterns are on for 6 or 36 s with pauses between, or steady for 3 minutes."""
    signal = samples(tone(ToneId.ATTENTION).data)
    heard = pitches(signal)
    assert min(heard) == pytest.approx(400, abs=15)
    assert max(heard) == pytest.approx(1000, abs=15)
    assert max(heard[18:22]) > 950, "the middle of the period is the highest"
    assert not any(max(heard[at : at + 15]) - min(heard[at : at + 15]) < 100 for at in range(25)), "no steady 1.5 s"
    inner = signal[RATE_HZ // 50 : -RATE_HZ // 50].reshape(-1, RATE_HZ // 50)
    assert np.sqrt((inner**2).mean(axis=1)).min() > 10_000, "no pause"


def test_the_chime_falls_and_the_all_clear_rises() -> None:
    chime = pitches(samples(tone(ToneId.CHIME).data), 400)
    assert [round(pitch) for pitch in chime[:3]] == pytest.approx([659, 523, 392], abs=8)
    clear = pitches(samples(tone(ToneId.ALL_CLEAR).data), 250)
    assert clear[0] == pytest.approx(440, abs=8)
    assert clear[-1] == pytest.approx(1175, abs=10)


def test_no_built_in_sound_can_be_taken_for_another() -> None:
    sounds = {kind.name: samples(tone(kind).data) for kind in SOUNDS} | {"melody": samples(melody().data)}
    for name, sound in sounds.items():
        for other, longer in sounds.items():
            if name != other and len(sound) <= len(longer):
                assert find(sound, longer).score < 2 * THRESHOLD, (name, other)


def test_every_three_seconds_of_the_melody_tell_their_place() -> None:
    tune = samples(melody().data)
    assert 20 <= len(tune) / RATE_HZ <= 30
    for start_s in (0, 5, 11, 17, 20.5):
        start = int(start_s * RATE_HZ)
        match = find(tune[start : start + 3 * RATE_HZ], tune)
        assert (match.at, round(match.score, 3)) == (start, 1.0)


def test_the_samples_are_the_same_on_every_run() -> None:
    digests = {kind.name: hashlib.sha256(tone(kind).data).hexdigest()[:16] for kind in SOUNDS}
    tone.cache_clear()
    assert digests == {kind.name: hashlib.sha256(tone(kind).data).hexdigest()[:16] for kind in SOUNDS}
    assert tone(ToneId.NONE) == Pcm(b"")
