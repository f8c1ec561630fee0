"""How much may come over one socket, and what comes too late to be live: in numbers, without a socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.web.errors import TooFast
from broadcast.web.live_flow import BURST, MESSAGES_PER_S, STALE_S, Flow

FRAME_S = 0.02


def feed(flow: Flow, arrivals: list[tuple[int, float]]) -> list[int]:
    """The numbers of those that are taken."""
    return [seq for seq, at in arrivals if not flow.is_late(seq, at)]


def test_a_microphone_of_half_an_hour_is_never_too_fast_nor_late_though_its_crystal_is() -> None:
    for drift in (1 - 2e-4, 1 + 2e-4):
        flow = Flow(0.0)
        for seq in range(90_000):
            now = seq * FRAME_S * drift + 0.03 * (seq % 7 == 0)
            flow.take(now)
            assert not flow.is_late(seq, now)
        assert flow.late == 0


def test_more_than_a_microphone_makes_is_refused_and_a_burst_after_a_stall_is_not() -> None:
    flow = Flow(0.0)
    for _ in range(int(BURST)):
        flow.take(0.0)
    with pytest.raises(TooFast):
        flow.take(0.0)
    flow = Flow(0.0)
    with pytest.raises(TooFast):
        for n in range(2_000):
            flow.take(n / 1_000)
    assert BURST + MESSAGES_PER_S < 500


def test_what_waited_behind_a_stall_is_dropped_and_what_comes_in_time_again_is_taken() -> None:
    """Two seconds without the network: then all of it at once. Only what is nearly live is of use to anybody."""
    flow = Flow(0.0)
    before = [(seq, seq * FRAME_S) for seq in range(100)]
    stalled = [(seq, 4.0 + 0.0001 * seq) for seq in range(100, 200)]
    after = [(seq, seq * FRAME_S) for seq in range(201, 300)]
    taken = feed(flow, before + stalled + after)
    assert taken[:100] == list(range(100))
    assert taken[-99:] == list(range(201, 300))
    fresh = [seq for seq in taken if 100 <= seq < 200]
    assert fresh and min(fresh) >= 200 - round(STALE_S / FRAME_S) - 2
    assert flow.late == 100 - len(fresh)


def test_a_longer_way_is_a_new_way_after_a_second() -> None:
    flow = Flow(0.0)
    feed(flow, [(seq, seq * FRAME_S) for seq in range(100)])
    longer = [(seq, seq * FRAME_S + 0.8) for seq in range(100, 300)]
    taken = feed(flow, longer)
    assert taken[-1] == 299
    assert 45 <= flow.late <= 55


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 0.1)), max_size=200))
def test_numbers_of_any_kind_break_nothing_and_a_good_end_is_heard_after_a_second(
    wild: list[tuple[int, float]],
) -> None:
    flow, now = Flow(0.0), 0.0
    for seq, wait_s in wild:
        now += wait_s
        flow.is_late(seq, now)
    good = [(1_000 + n, now + n * FRAME_S) for n in range(100)]
    taken = feed(flow, good)
    assert taken[-1] == 1_099
    assert len(taken) >= 40
