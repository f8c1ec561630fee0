"""How far apart speakers began, from what they reported."""

from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.skew import JOINED_LATER_MS, Skew, Spread, Start, percentile, skew_of

HERE, THERE = "130281001001", "130281001002"


def test_the_figures_of_a_broadcast_that_began_at_one_instant() -> None:
    starts = [
        Start("a", HERE, 0, 300),
        Start("b", HERE, 3, 1_200),
        Start("c", THERE, -2),
        Start("d", THERE, 1),
        Start("e", "130281001003", 40),
        Start("f", HERE, JOINED_LATER_MS + 1, 9_000),
    ]
    assert skew_of(starts, planned=True) == Skew(
        planned=True,
        speakers=5,
        joined_later=1,
        p50_ms=2,
        p99_ms=40,
        max_ms=40,
        spread_ms=42,
        villages=(Spread(HERE, 2, 3), Spread(THERE, 2, 3)),
        time_error_us=1_200,
    )


def test_before_anybody_has_begun_there_is_nothing_to_say() -> None:
    assert skew_of([], planned=True) is None
    assert skew_of([Start("a", HERE, 5_000)], planned=True) is None


def test_clocks_of_which_nothing_is_known_are_not_called_right() -> None:
    skew = skew_of([Start("a", HERE, 1)], planned=False)
    assert skew is not None and (skew.time_error_us, skew.planned) == (None, False)


@given(st.lists(st.integers(-JOINED_LATER_MS, JOINED_LATER_MS), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[int], percent: int) -> None:
    values.sort()
    found = percentile(values, percent)
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    below = [value for value in values if value < found]
    assert len(below) * 100 < percent * len(values)


@given(st.lists(st.integers(-JOINED_LATER_MS, JOINED_LATER_MS), min_size=1))
def test_nobody_is_further_off_than_the_worst_and_the_spread_is_at_most_twice_that(values: list[int]) -> None:
    skew = skew_of([Start(str(n), HERE, off) for n, off in enumerate(values)], planned=True)
    assert skew is not None
    assert skew.p50_ms <= skew.p99_ms <= skew.max_ms == max(map(abs, values))
    assert skew.spread_ms <= 2 * skew.max_ms
