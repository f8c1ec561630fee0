"""The stamps of live frames: even, never backwards by more than a hair, and right again after whatever happened."""

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.domain.live_clock import FRAME_US, SLEW_US, MediaClock

T0_US = 1_800_000_000_000_000


def test_frames_that_come_in_bursts_are_stamped_evenly() -> None:
    clock, chance, stamps = MediaClock(), random.Random(1), []
    for n in range(500):
        captured_us = T0_US + n * FRAME_US
        stamps.append(clock.stamp(1, captured_us + FRAME_US + chance.choice((0, 0, 5_000, 25_000)))[0])
    steps = [later - earlier for earlier, later in pairwise(stamps)]
    assert all(abs(step - FRAME_US) <= SLEW_US for step in steps)
    assert abs(stamps[-1] - (T0_US + 499 * FRAME_US)) < 6_000


def test_a_crystal_that_runs_wrong_is_followed() -> None:
    for ppm in (-100, 100):
        clock, stamp = MediaClock(), 0
        for n in range(180_000):  # an hour: 360 ms apart
            arrived_us = T0_US + round((n + 1) * FRAME_US * (1 + ppm * 1e-6))
            stamp, gap = clock.stamp(1, arrived_us)
            assert not gap
        assert abs(stamp + FRAME_US - arrived_us) < 3_000


def test_what_the_source_left_out_is_missing_and_nothing_is_late_for_ever() -> None:
    clock = MediaClock()
    gaps, lag_us = 0, 0
    for n in range(200):
        lag_us = 200_000 if n >= 100 else 0  # the page froze and dropped a fifth of a second
        media_us, gap = clock.stamp(1, T0_US + (n + 1) * FRAME_US + lag_us)
        gaps += gap
    assert gaps == 1
    assert media_us == T0_US + 199 * FRAME_US + lag_us


def test_what_comes_late_once_moves_nothing() -> None:
    clock = MediaClock()
    for n in range(200):
        late_us = 300_000 - (n - 100) * FRAME_US if 100 <= n < 115 else 0
        media_us, gap = clock.stamp(1, T0_US + (n + 1) * FRAME_US + late_us)
        assert not gap
        assert media_us == T0_US + n * FRAME_US


def test_after_a_pause_it_begins_anew() -> None:
    clock = MediaClock()
    clock.stamp(3, T0_US + 60_000)
    assert clock.stamp(3, T0_US + 5_000_000) == (T0_US + 4_940_000, True)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10), st.integers(-50_000, 3_000_000)), min_size=2, max_size=200))
def test_no_arrival_makes_time_run_backwards(arrivals: list[tuple[int, int]]) -> None:
    clock, now_us, end_us = MediaClock(), T0_US, 0
    for frames, step_us in arrivals:
        now_us += max(0, step_us)
        media_us, gap = clock.stamp(frames, now_us)
        assert media_us >= end_us - SLEW_US * frames
        assert not gap or media_us > end_us
        end_us = media_us + frames * FRAME_US
