"""Sound in memory."""

from array import array

import pytest

from audio_assets.pcm import FRAME_BYTES, FRAME_SAMPLES, MAX_BYTES, Pcm, PcmTooLong, mix, ramp, slope


def loud(samples: int, value: int = 10_000) -> Pcm:
    return Pcm(array("h", [value] * samples).tobytes())


def test_lengths_are_told_in_samples_and_in_milliseconds_rounded_up() -> None:
    assert (Pcm.silence(20).samples, Pcm.silence(20).duration_ms) == (FRAME_SAMPLES, 20)
    assert len(Pcm.silence(20).data) == FRAME_BYTES
    assert loud(FRAME_SAMPLES + 1).duration_ms == 21
    assert Pcm(b"").duration_ms == 0


def test_half_a_sample_and_more_than_half_an_hour_are_refused() -> None:
    with pytest.raises(ValueError, match="middle of a sample"):
        Pcm(b"123")
    with pytest.raises(PcmTooLong):
        Pcm(bytes(MAX_BYTES + 2))


def test_a_slice_is_cut_to_what_there_is() -> None:
    sound = Pcm.join([loud(480, 1), loud(480, 2)])
    assert sound.slice_ms(10) == loud(480, 2)
    assert sound.slice_ms(0, 10) == loud(480, 1)
    assert sound.slice_ms(15, 99).samples == 240
    assert sound.slice_ms(30) == Pcm(b"")
    with pytest.raises(ValueError, match="before the sound"):
        sound.slice_ms(-1)


def test_gain_is_in_decibels_and_clips_at_full_scale() -> None:
    assert loud(10).gain(-20).peak == 1_000
    assert loud(10).gain(20).peak == 32_767
    assert loud(10).gain(0) == loud(10)


def test_a_ramp_begins_in_silence_and_never_exceeds_the_sound() -> None:
    up = array("h", ramp(loud(960).data, rising=True))
    down = array("h", ramp(loud(960).data, rising=False))
    assert (up[0], list(up) == sorted(up), max(up) < 10_000) == (0, True, True)
    assert list(down) == list(reversed(up))
    assert ramp(b"", rising=True) == b""


def test_a_slope_goes_from_one_factor_to_the_other() -> None:
    down = array("h", slope(loud(960).data, 0.5, 0.25))
    assert (down[0], down[-1], list(down) == sorted(down, reverse=True)) == (5_000, 2_502, True)
    assert slope(loud(960).data, 1, 1) == loud(960).data
    assert slope(b"", 1, 0) == b""


def test_fades_touch_the_edges_only() -> None:
    faded = loud(4800).faded(in_ms=5, out_ms=20)
    assert faded.samples == 4800
    assert faded.slice_ms(5, 80) == loud(4800).slice_ms(5, 80)
    assert array("h", faded.data)[0] == array("h", faded.data)[-1] == 0


def test_what_is_mixed_is_clipped_and_not_wrapped() -> None:
    assert mix(loud(4, 20_000).data, loud(4, 20_000).data) == loud(4, 32_767).data
