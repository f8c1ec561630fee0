"""Play-out of a live stream: in time, in order, once, and given up when nothing comes."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoints.jitter import (
    CONCEAL_FRAMES,
    HOLD_US,
    LOST_US,
    MAX_FRAMES,
    PREROLL_FRAMES,
    SNAP_US,
    Jitter,
    Sound,
    Step,
    Verdict,
)
from endpoints.live_packets import FRAME_US, LAST, Packet

T0_US = 1_800_000_000_000_000
DELAY_US = 200_000
PACKET_US = 3 * FRAME_US


def frame(n: int) -> bytes:
    return struct.pack(">I", n)


def packet(seq: int, *, frames: int = 3, flags: int = 0, late_us: int = 0) -> Packet:
    """The frames of a stream that began at T0 are numbered from 0."""
    first = seq * frames
    media_us = T0_US + first * FRAME_US + late_us
    return Packet(7, seq, media_us, tuple(frame(first + k) for k in range(frames)), flags)


def opened() -> Jitter:
    return Jitter(delay_us=DELAY_US)


def play(jitter: Jitter, from_us: int, until_us: int) -> list[tuple[int, Step]]:
    """What is heard in that time, and when."""
    heard, air_us = [], from_us
    while air_us < until_us:
        step = jitter.pull(air_us)
        heard.append((air_us, step))
        if step.sound in (Sound.END, Sound.LOST):
            break
        air_us += step.us
    return heard


def numbers(heard: list[tuple[int, Step]]) -> list[int]:
    return [int.from_bytes(step.frame, "big") for _, step in heard if step.sound is Sound.FRAME]


def test_each_frame_leaves_to_the_microsecond_when_it_is_due() -> None:
    jitter = opened()
    for seq in range(10):
        jitter.put(packet(seq))
    heard = play(jitter, T0_US + 7_003, T0_US + DELAY_US + 10 * PACKET_US)
    frames = [(at, step) for at, step in heard if step.sound is Sound.FRAME]
    assert [at for at, _ in frames] == [T0_US + DELAY_US + n * FRAME_US for n in range(30)]
    assert numbers(heard) == list(range(30))
    assert all(step.early_us == 0 and step.preroll == () for _, step in frames)


def test_packets_in_any_order_are_heard_in_theirs() -> None:
    jitter = opened()
    for seq in (2, 0, 1, 4, 3, 3, 0):
        jitter.put(packet(seq))
    assert numbers(play(jitter, T0_US, T0_US + DELAY_US + 5 * PACKET_US)) == list(range(15))
    assert jitter.tally.twice == 2


def test_what_comes_after_its_time_is_dropped_and_counted() -> None:
    jitter = opened()
    jitter.put(packet(0))
    play(jitter, T0_US, T0_US + DELAY_US + 2 * PACKET_US)
    assert jitter.put(packet(0)) is Verdict.LATE
    jitter.put(packet(1))
    heard = play(jitter, T0_US + DELAY_US + 2 * PACKET_US, T0_US + DELAY_US + 3 * PACKET_US)
    assert numbers(heard) == []
    assert jitter.tally.late == 6


def test_sixty_milliseconds_of_loss_are_covered_and_no_more() -> None:
    for lost, covered in ((1, 3), (2, 3)):
        jitter = opened()
        for seq in range(10):
            if not 4 <= seq < 4 + lost:
                jitter.put(packet(seq))
        heard = play(jitter, T0_US + DELAY_US, T0_US + DELAY_US + 10 * PACKET_US)
        assert sum(step.sound is Sound.CONCEAL for _, step in heard) == covered == CONCEAL_FRAMES
        silent_us = sum(step.us for _, step in heard if step.sound is Sound.SILENCE)
        assert silent_us == (lost - 1) * PACKET_US
        after = next(at for at, step in heard if step.frame == frame(3 * (4 + lost)))
        assert after == T0_US + DELAY_US + (4 + lost) * PACKET_US, "in step again at once"


def test_who_joins_in_the_middle_gives_the_decoder_eighty_milliseconds() -> None:
    jitter = opened()
    for seq in range(100, 110):
        jitter.put(packet(seq))
    heard = play(jitter, T0_US + 100 * PACKET_US, T0_US + DELAY_US + 110 * PACKET_US)
    first = next(step for _, step in heard if step.sound is Sound.FRAME)
    assert first.preroll == tuple(frame(300 + n) for n in range(PREROLL_FRAMES))
    assert numbers(heard) == list(range(304, 330))


def test_the_hold_tone_comes_after_three_seconds_and_the_end_after_ten() -> None:
    jitter = opened()
    jitter.put(packet(0))
    heard = play(jitter, T0_US + DELAY_US, T0_US + 60_000_000)
    ends_us = T0_US + DELAY_US + PACKET_US
    first_hold = next(at for at, step in heard if step.sound is Sound.HOLD)
    assert 0 <= first_hold - (ends_us + HOLD_US) < FRAME_US
    at, step = heard[-1]
    assert step.sound is Sound.LOST
    assert 0 <= at - (ends_us + LOST_US) < FRAME_US
    assert jitter.pull(at + FRAME_US).sound is Sound.END, "it does not come back"


def test_a_stream_that_never_comes_is_given_up_after_ten_seconds() -> None:
    heard = play(opened(), T0_US, T0_US + 60_000_000)
    assert heard[-1] == (T0_US + LOST_US, Step(Sound.LOST))


def test_after_a_cut_of_four_seconds_it_goes_on_with_a_decoder_that_converged() -> None:
    jitter = opened()
    for seq in range(5):
        jitter.put(packet(seq))
    play(jitter, T0_US, T0_US + 4_000_000)
    back = 4_100_000 // PACKET_US
    for seq in range(back, back + 10):
        jitter.put(packet(seq))
    heard = play(jitter, T0_US + 4_000_000, T0_US + DELAY_US + (back + 10) * PACKET_US)
    assert heard[0][1].sound is Sound.HOLD
    at, first = next((at, step) for at, step in heard if step.sound is Sound.FRAME)
    assert len(first.preroll) == PREROLL_FRAMES
    assert at == T0_US + DELAY_US + back * PACKET_US + PREROLL_FRAMES * FRAME_US
    assert numbers(heard) == list(range(3 * back + PREROLL_FRAMES, 3 * back + 30))


def test_the_last_packet_ends_it() -> None:
    jitter = opened()
    jitter.put(packet(0))
    jitter.put(packet(1, flags=LAST))
    heard = play(jitter, T0_US, T0_US + 60_000_000)
    assert heard[-1] == (T0_US + DELAY_US + 2 * PACKET_US, Step(Sound.END))
    assert numbers(heard) == list(range(6))


def test_a_stream_that_is_begun_anew_counts_from_nothing() -> None:
    jitter = opened()
    for seq in range(50):
        jitter.put(packet(seq))
    play(jitter, T0_US, T0_US + DELAY_US + 10 * PACKET_US)
    jitter.begin_again()
    again_us = 2_000_000
    for seq in range(5):
        jitter.put(packet(seq, late_us=again_us))
    heard = play(jitter, T0_US + DELAY_US + 10 * PACKET_US, T0_US + DELAY_US + again_us + 5 * PACKET_US)
    assert numbers(heard) == list(range(15))


def test_an_ended_stream_sounds_out_what_is_there() -> None:
    jitter = opened()
    jitter.put(packet(0))
    jitter.finish()
    heard = play(jitter, T0_US, T0_US + 60_000_000)
    assert (numbers(heard), heard[-1][1].sound) == ([0, 1, 2], Sound.END)


def test_more_delay_is_a_pause_and_nothing_is_lost() -> None:
    jitter = opened()
    for seq in range(10):
        jitter.put(packet(seq))
    heard = play(jitter, T0_US, T0_US + DELAY_US + 2 * PACKET_US)
    jitter.delay_us = 2 * DELAY_US
    heard += play(jitter, heard[-1][0] + FRAME_US, T0_US + 2 * DELAY_US + 10 * PACKET_US)
    assert numbers(heard) == list(range(30))
    assert heard[-1][0] == T0_US + 2 * DELAY_US + 29 * FRAME_US


def test_a_clock_that_leaps_puts_the_sound_right_at_once() -> None:
    jitter = opened()
    for seq in range(20):
        jitter.put(packet(seq))
    play(jitter, T0_US, T0_US + DELAY_US + 2 * PACKET_US)
    leap_us = T0_US + DELAY_US + 5 * PACKET_US
    heard = play(jitter, leap_us, leap_us + PACKET_US)
    assert numbers(heard) == [15, 16, 17]
    assert jitter.tally.late == 9


def test_a_slow_card_is_told_how_late_it_is() -> None:
    jitter = opened()
    for seq in range(4):
        jitter.put(packet(seq))
    play(jitter, T0_US, T0_US + DELAY_US)
    late = [jitter.pull(T0_US + DELAY_US + n * (FRAME_US + 100)).early_us for n in range(6)]
    assert late == [-100 * n for n in range(6)]


def test_a_flood_does_not_fill_the_memory() -> None:
    jitter = opened()
    verdicts = {jitter.put(packet(seq)) for seq in range(10_000)}
    assert verdicts == {Verdict.TAKEN, Verdict.FULL}
    assert jitter.frames <= MAX_FRAMES


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    frames=st.sampled_from([1, 3, 5, 10]),
    loss=st.floats(0, 0.9),
    spread_us=st.integers(0, 400_000),
    twice=st.floats(0, 0.5),
    leaps=st.booleans(),
    pauses=st.booleans(),
)
def test_whatever_comes_in_whatever_order_nothing_is_heard_twice_or_out_of_order_or_at_a_wrong_time(  # noqa: PLR0917
    seed: int, frames: int, loss: float, spread_us: int, twice: float, leaps: bool, pauses: bool
) -> None:
    chance = random.Random(seed)
    arrivals: list[tuple[int, Packet]] = []
    jump_us = 0
    for seq in range(chance.randrange(5), 120):
        if pauses and chance.random() < 0.02:
            jump_us += chance.randrange(3_000_000)  # the source was away; the stream's time goes on
        one = packet(seq, frames=frames, late_us=jump_us)
        for _ in range(1 + (chance.random() < twice)):
            if chance.random() >= loss:
                arrivals.append((one.end_us + chance.randrange(spread_us + 1), one))
    arrivals.sort(key=lambda item: item[0])
    jitter, now_us = opened(), T0_US
    heard: list[tuple[int, Step]] = []
    while now_us < T0_US + 60_000_000:
        while arrivals and arrivals[0][0] <= now_us:
            jitter.put(arrivals.pop(0)[1])
            assert jitter.frames <= MAX_FRAMES
        step = jitter.pull(now_us)
        assert 0 < step.us <= FRAME_US
        heard.append((now_us, step))
        if step.sound in (Sound.LOST, Sound.END):
            break
        now_us += step.us
        if leaps and chance.random() < 0.01:
            now_us += chance.randrange(500_000)
    played = numbers(heard)
    assert played == sorted(set(played))
    assert all(abs(step.early_us) <= SNAP_US for _, step in heard)
    gap = 0
    for _, step in heard:
        gap = 0 if step.sound is Sound.FRAME else gap + (step.sound is Sound.CONCEAL)
        assert gap <= CONCEAL_FRAMES
    if spread_us == 0 and not (leaps or pauses) and loss == 0:
        assert jitter.tally.late == 0


def test_stamps_that_follow_the_sources_crystal_are_no_fault() -> None:
    jitter = opened()
    for seq in range(50):
        jitter.put(packet(seq, late_us=-seq * 60))
    heard = play(jitter, T0_US, T0_US + DELAY_US + 50 * PACKET_US - 10_000)
    assert numbers(heard) == list(range(150))[: len(numbers(heard))]
    assert jitter.tally.concealed == 0
    assert 2_000 < -heard[-1][1].early_us < 4_000, "its time is said, so that the sound can be put right"


@pytest.mark.parametrize("media_us", [T0_US - PACKET_US, T0_US + PACKET_US - 10_001, T0_US + PACKET_US + 10_001])
def test_a_packet_whose_time_does_not_fit_its_number_is_dropped(media_us: int) -> None:
    jitter = opened()
    jitter.put(packet(0))
    jitter.put(packet(2))
    wrong = Packet(7, 1, media_us, (b"x", b"y", b"z"))
    assert jitter.put(wrong) is Verdict.ASKEW
