"""Segments read as frames, with a position."""

from array import array
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.pcm import FRAME_BYTES, SAMPLES_PER_MS, Pcm
from endpoints.track import Await, Clip, Pause, Segment, Track, sequence


def numbered(ms: int, start: int = 1) -> Pcm:
    """A sound in which every millisecond is its own number."""
    return Pcm(b"".join(array("h", [start + index] * SAMPLES_PER_MS).tobytes() for index in range(ms)))


def read_all(track: Track) -> bytes:
    out = b""
    while piece := track.read():
        out += piece
    assert track.at_end
    return out


def after(tries: int, pcm: Pcm) -> Callable[[], Pcm | None]:
    """A download that is there at the n-th look."""
    left = [tries]

    def get() -> Pcm | None:
        left[0] -= 1
        return pcm if left[0] < 0 else None

    return get


def test_segments_follow_one_another_without_a_gap_of_their_own() -> None:
    track = Track([Clip(numbered(30)), Pause(15), Clip(numbered(30, 100))])
    assert read_all(track) == numbered(30).data + Pcm.silence(15).data + numbered(30, 100).data
    assert track.position_ms == 75


@given(st.integers(0, 90))
def test_it_begins_where_it_was_left(from_ms: int) -> None:
    segments: list[Segment] = [Clip(numbered(30)), Pause(15), Await(lambda: numbered(30, 100), Pcm(b""))]
    track = Track(segments, from_ms=from_ms)
    assert track.position_ms == from_ms
    assert read_all(track) == read_all(Track(segments))[from_ms * SAMPLES_PER_MS * 2 :]


def test_the_meanwhile_sounds_over_and_over_until_the_sound_is_there() -> None:
    waiting, sound = numbered(30, 500), numbered(40)
    track = Track([Await(after(4, sound), waiting)])
    heard = read_all(track)
    assert heard[: 4 * FRAME_BYTES] == (waiting.data * 3)[: 4 * FRAME_BYTES]
    assert heard[5 * FRAME_BYTES :] == sound.data, "whole, from its first sample"
    fade = array("h", heard[4 * FRAME_BYTES : 5 * FRAME_BYTES])
    assert (max(fade) > 400, fade[-1]) == (True, 0), "the frame between fades the meanwhile out"
    assert track.position_ms == 40, "waiting is no progress"


def test_waiting_in_the_middle_of_a_frame_loses_no_sample() -> None:
    track = Track([Clip(numbered(10)), Await(after(1, numbered(20, 100)), Pcm.silence(20))])
    assert track.read() == numbered(10).data + bytes(FRAME_BYTES // 2)
    assert read_all(track)[-20 * SAMPLES_PER_MS * 2 :] == numbered(20, 100).data


def test_a_position_behind_a_sound_that_is_not_there_yet_is_kept() -> None:
    track = Track([Clip(numbered(20)), Await(after(2, numbered(100, 100)), Pcm.silence(20))], from_ms=70)
    track.read()
    assert track.position_ms == 70
    track.read()
    track.read()
    assert track.position_ms == 70
    assert track.read() == numbered(100, 100).slice_ms(50, 70).data
    assert track.position_ms == 90


def test_a_sound_that_is_there_is_not_waited_for() -> None:
    assert read_all(Track([Await(lambda: numbered(20), numbered(20, 500))])) == numbered(20).data


def test_an_empty_meanwhile_is_silence() -> None:
    assert Track([Await(lambda: None, Pcm(b""))]).read() == bytes(FRAME_BYTES)


def test_what_get_raises_comes_out() -> None:
    def gone() -> Pcm | None:
        raise LookupError("removed")

    with pytest.raises(LookupError):
        Track([Await(gone, Pcm(b""))]).read()


@pytest.mark.parametrize("repeats", [1, 3])
def test_an_order_is_its_tone_and_then_its_sound_as_often_as_it_says(repeats: int) -> None:
    tone, sound = numbered(40, 700), numbered(25)
    heard = read_all(Track(sequence(tone, lambda: sound, meanwhile=tone, repeats=repeats, gap_ms=10)))
    gap = Pcm.silence(10).data
    assert heard == tone.data + gap.join([sound.data] * repeats)
    alone = read_all(Track(sequence(tone, None, meanwhile=tone, repeats=repeats, gap_ms=10)))
    assert alone == gap.join([tone.data] * repeats)
