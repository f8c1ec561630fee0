"""Segments read as frames, with a position."""

from array import array
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.pcm import FRAME_BYTES, SAMPLES_PER_MS, Pcm
from audio_assets.rendering import UnsupportedAudio
from endpoints.track import BYTES_PER_MS, Await, Clip, Long, Pause, Segment, Slot, Track, sequence


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


def test_what_get_raises_does_not_cut_off_what_sounds_before() -> None:
    def gone() -> Pcm | None:
        raise LookupError("removed")

    track = Track([Clip(numbered(40)), Await(gone, Pcm(b""))])
    assert track.read() + track.read() == numbered(40).data
    with pytest.raises(LookupError):
        track.read()


@pytest.mark.parametrize("repeats", [1, 3])
def test_an_order_is_its_tone_and_then_its_sound_as_often_as_it_says(repeats: int) -> None:
    tone, sound = numbered(40, 700), numbered(25)
    heard = read_all(Track(sequence(tone, [Await(lambda: sound, tone)], repeats=repeats, gap_ms=10)))
    gap = Pcm.silence(10).data
    assert heard == tone.data + gap.join([sound.data] * repeats)
    alone = read_all(Track(sequence(tone, [], repeats=repeats, gap_ms=10)))
    assert alone == gap.join([tone.data] * repeats)


def test_a_playlist_is_its_tone_its_parts_again_and_again_and_the_closing() -> None:
    tone, closing, gap = numbered(40, 700), numbered(30, 900), Pcm.silence(10).data
    one, two = numbered(25, 100), numbered(33, 200)
    parts: list[Segment] = [Slot(lambda: one, 25), Slot(lambda: two, 33)]
    heard = read_all(Track(sequence(tone, parts, repeats=2, gap_ms=10, closing=closing)))
    once = one.data + two.data
    assert heard == tone.data + once + gap + once + closing.data
    for from_ms in range(0, len(heard) // BYTES_PER_MS, 7):
        track = Track(sequence(tone, parts, repeats=2, gap_ms=10, closing=closing), from_ms=from_ms)
        assert (track.position_ms, read_all(track)) == (from_ms, heard[from_ms * BYTES_PER_MS :])


# ---- long sounds ------------------------------------------------------------------------------------------------------


class Spool:
    """A reader that has as much as it is given."""

    def __init__(self, pcm: Pcm, at: int, given: int | None) -> None:
        self._data, self._at = pcm.data[at * 2 :], 0
        self.given = len(self._data) if given is None else given
        self.breaks_at: int | None = None
        self.closed = False

    @property
    def ready(self) -> bool:
        return self.given > self._at or self.ended

    @property
    def ended(self) -> bool:
        return self._at >= len(self._data)

    def take(self, size: int) -> bytes:
        if self.breaks_at is not None and self._at >= self.breaks_at:
            raise UnsupportedAudio("damaged")
        piece = self._data[self._at : min(self._at + size, self.given, self.breaks_at or self.given)]
        self._at += len(piece)
        return piece

    def wait(self, timeout_s: float) -> bool:
        return self.ready

    def close(self) -> None:
        self.closed = True


class Shelf:
    """Long sounds, and which of them were opened where."""

    def __init__(self, *, given: int | None = None) -> None:
        self.opened: list[tuple[int, int]] = []  # first number of the sound, sample
        self.spools: list[Spool] = []
        self._given = given

    def long(self, pcm: Pcm, *, samples: int | None = None) -> Long:
        def open_(at: int) -> Spool:
            self.opened.append((array("h", pcm.data[:2])[0], at))
            self.spools.append(Spool(pcm, at, self._given))
            return self.spools[-1]

        return Long(samples or pcm.samples, open_, open_)


def test_long_sounds_follow_one_another_without_a_gap_and_are_opened_before_their_turn() -> None:
    shelf, first, second = Shelf(), numbered(4_010, 1), numbered(2_015, 10_000)
    one, two = shelf.long(first), shelf.long(second)
    track = Track([Slot(lambda: one, 4_010), Slot(lambda: two, 2_015), Clip(numbered(15, 30_000))])
    heard = b""
    while len(shelf.opened) < 2:
        heard += track.read()
    assert 2_980 <= 4_010 - len(heard) // BYTES_PER_MS <= 3_000, "three seconds before"
    heard += read_all(track)
    assert heard == first.data + second.data + numbered(15, 30_000).data
    assert shelf.opened == [(1, 0), (10_000, 0)]
    assert (track.underruns, all(spool.closed for spool in shelf.spools)) == (0, True)


@given(st.integers(0, 6_050))
def test_a_long_sound_is_opened_where_it_is_to_be_heard(from_ms: int) -> None:
    shelf, first, second = Shelf(), numbered(4_000, 1), numbered(2_000, 10_000)
    one, two = shelf.long(first), shelf.long(second)
    segments: list[Segment] = [Slot(lambda: one, 4_000), Pause(50), Slot(lambda: two, 2_000)]
    track = Track(segments, from_ms=from_ms)
    assert read_all(track) == (first.data + bytes(50 * BYTES_PER_MS) + second.data)[from_ms * BYTES_PER_MS :]
    opened = [(1, from_ms * 48)] if from_ms < 4_000 else []
    opened += [(10_000, max(0, from_ms - 4_050) * 48)] if from_ms < 6_050 else []
    assert shelf.opened == opened


def test_a_slow_disk_is_silence_that_is_counted_and_a_programme_stays_in_step() -> None:
    shelf, sound = Shelf(given=3 * FRAME_BYTES), numbered(200)
    one = shelf.long(sound)
    track = Track([Slot(lambda: one, 200)])
    heard = [track.read() for _ in range(5)]
    shelf.spools[0].given = len(sound.data)
    heard.append(track.read())
    assert b"".join(heard[:3]) == sound.slice_ms(0, 60).data
    assert heard[3:5] == [bytes(FRAME_BYTES)] * 2
    assert heard[5] == sound.slice_ms(100, 120).data, "what came too late is left out"
    assert (track.underruns, track.position_ms) == (2, 120)


def test_a_slow_disk_costs_an_emergency_no_word() -> None:
    shelf, sound = Shelf(given=3 * FRAME_BYTES), numbered(200)
    one = shelf.long(sound)
    track = Track([Await(lambda: one, numbered(20, 900))])
    for _ in range(5):
        track.read()
    shelf.spools[0].given = len(sound.data)
    assert track.position_ms == 60
    assert read_all(track) == sound.slice_ms(60).data


def test_a_long_sound_that_is_awaited_begins_when_it_can_go_on() -> None:
    shelf, got, waiting = Shelf(given=0), list[Long](), numbered(20, 900)
    track = Track([Await(lambda: got[0] if got else None, waiting)], from_ms=40)
    assert track.read() == waiting.data
    got.append(shelf.long(numbered(100)))
    assert [track.read() for _ in range(3)] == [waiting.data] * 3
    shelf.spools[0].given = 10**6
    fade = array("h", track.read())
    assert (fade[0] > 800, fade[-1]) == (True, 0)
    assert (track.position_ms, shelf.opened) == (40, [(1, 40 * 48)])
    assert read_all(track) == numbered(100).slice_ms(40).data


def test_a_position_behind_a_long_sound_that_came_late_is_kept() -> None:
    shelf, got = Shelf(), list[Long]()
    track = Track([Await(lambda: got[0] if got else None, Pcm(b"")), Clip(numbered(100, 500))], from_ms=130)
    track.read()
    got.append(shelf.long(numbered(100)))
    track.read()
    assert track.position_ms == 130
    assert read_all(track) == numbered(100, 500).slice_ms(30).data


def test_a_part_that_is_not_there_has_its_time_pass_and_is_taken_up_in_the_middle() -> None:
    shelf, got, sound = Shelf(), list[Long](), numbered(400, 100)
    track = Track([Clip(numbered(30)), Slot(lambda: got[0] if got else None, 400), Clip(numbered(30, 900))])
    heard = track.read() + track.read()
    assert (heard, track.absent) == (numbered(30).data + bytes(10 * BYTES_PER_MS), True)
    track.read()
    got.append(shelf.long(sound))
    heard = track.read()
    assert (heard, track.absent, shelf.opened) == (sound.slice_ms(30, 50).data, False, [(100, 30 * 48)])
    assert read_all(track) == sound.slice_ms(50).data + numbered(30, 900).data
    assert track.position_ms == 460


def test_a_part_that_never_comes_takes_as_long_as_it_is_said_to_be() -> None:
    track = Track([Slot(lambda: None, 70), Clip(numbered(30, 900))])
    assert read_all(track) == bytes(70 * BYTES_PER_MS) + numbered(30, 900).data


def test_the_rest_of_a_damaged_part_is_absent_and_of_an_emergency_is_a_failure() -> None:
    shelf = Shelf()
    one = shelf.long(numbered(400))
    track = Track([Slot(lambda: one, 400), Clip(numbered(30, 900))])
    track.read()
    shelf.spools[0].breaks_at = 5 * FRAME_BYTES
    heard = read_all(track)
    assert heard == numbered(400).slice_ms(20, 100).data + bytes(300 * BYTES_PER_MS) + numbered(30, 900).data
    track = Track([Await(lambda: one, Pcm(b""))])
    track.read()
    shelf.spools[1].breaks_at = 5 * FRAME_BYTES
    with pytest.raises(UnsupportedAudio):
        read_all(track)


def test_a_file_that_holds_less_than_it_says_leaves_the_rest_absent() -> None:
    shelf = Shelf()
    one = shelf.long(numbered(200), samples=400 * SAMPLES_PER_MS)
    assert read_all(Track([Slot(lambda: one, 400)])) == numbered(200).data + bytes(200 * BYTES_PER_MS)


def test_the_beginning_is_at_hand_before_it_is_sounded() -> None:
    shelf = Shelf(given=0)
    one = shelf.long(numbered(400))
    track = Track([Slot(lambda: one, 400)], from_ms=100)
    assert (track.ready, track.wait(0)) == (False, False)
    shelf.spools[0].given = 10**6
    assert (track.ready, track.wait(0), shelf.opened) == (True, True, [(1, 4_800)])
    track.close()
    assert shelf.spools[0].closed
    assert Track([Clip(numbered(10))]).ready


def test_gaps_are_silence_that_was_meant() -> None:
    track = Track([Clip(numbered(20)), Pause(600_000), Clip(numbered(20))])
    flags = []
    for _ in range(3):
        track.read()
        flags.append((track.planned, track.absent))
    assert flags == [(False, False), (True, False), (True, False)]
