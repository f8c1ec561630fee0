"""How well a speaker knows the server's time, whoever delays its questions and answers."""

from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints.time_line import DRIFT_PPM, KEEP_S, MOST_SAMPLES, STAMP_US, WANDER_PPM, Sample, Samples, TimeLine
from endpoints.time_pings import EACH_TIME, EVERY_S, FIRST, GAP_S, LONGEST_GAP_S, TimePings

T0_US = 1_800_000_000_000_000


@dataclass
class World:
    """A server whose seconds are shorter than ours by so much; our clock stood at 0 at T0."""

    drift_ppm: float = 0.0

    def server_us(self, at: float) -> int:
        return T0_US + round(at * 1e6 * (1 + self.drift_ppm * 1e-6))

    def ask(self, at: float, there_s: float, back_s: float, *, work_s: float = 0.0) -> Sample:
        received, sent = at + there_s, at + there_s + work_s
        return Sample.of(
            asked_at=at,
            now=sent + back_s,
            received_us=self.server_us(received),
            sent_us=self.server_us(sent),
        )


def believing(samples: list[Sample]) -> Samples:
    taken = Samples()
    for one in samples:
        taken = taken.with_one(one)
    return taken


def test_an_answer_is_dated_to_the_middle_of_its_way_and_wrong_by_half_of_it_at_most() -> None:
    sample = World().ask(10.0, 0.004, 0.004, work_s=0.5)
    assert (sample.at, sample.server_us, sample.error_us) == (10.508, T0_US + 10_508_000, 4_000 + STAMP_US + 50)


def test_a_server_whose_clock_is_set_between_question_and_answer_is_taken_for_a_slow_line() -> None:
    sample = Sample.of(asked_at=0.0, now=0.1, received_us=T0_US, sent_us=T0_US + 3_600_000_000)
    assert sample.error_us == 50_000 + STAMP_US + 10


def test_of_sixteen_answers_the_quickest_counts() -> None:
    random = Random(1)
    world = World()
    samples = [world.ask(at / 5, random.uniform(0.0002, 0.03), random.uniform(0.0002, 0.03)) for at in range(16)]
    samples.insert(7, world.ask(1.45, 0.00015, 0.00015))
    line = believing(samples).line()
    assert line.us(5.0) == pytest.approx(world.server_us(5.0), abs=150)
    assert line.error_at(line.at) < 400


def test_an_attacker_who_delays_every_answer_but_an_old_one_moves_nothing() -> None:
    world = World()
    line = believing([world.ask(0.0, 0.0005, 0.0005), *(world.ask(10.0 + n, 0.0, 4.0) for n in range(16))]).line()
    assert abs(line.us(30.0) - world.server_us(30.0)) < 10


Ways = st.lists(
    st.tuples(st.floats(0.01, 90.0), st.floats(0.00005, 2.5), st.floats(0.00005, 2.5), st.floats(0.0, 0.1)),
    min_size=1,
    max_size=40,
)


@given(st.floats(-DRIFT_PPM, DRIFT_PPM), Ways, st.floats(0.0, 120.0))
def test_whoever_delays_what_the_time_is_never_more_wrong_than_it_says(
    drift_ppm: float, ways: list[tuple[float, float, float, float]], later_s: float
) -> None:
    world, taken, at = World(drift_ppm), Samples(), 0.0
    for pause_s, there_s, back_s, work_s in ways:
        at += pause_s
        taken = taken.with_one(world.ask(at, there_s, back_s, work_s=work_s))
        at = taken.taken[-1].at
        line = taken.line()
        for when in (at, at + later_s):
            assert abs(line.us(when) - world.server_us(when)) <= line.error_at(when) + 2


@given(st.floats(-DRIFT_PPM, DRIFT_PPM), Ways)
def test_one_more_answer_moves_the_time_by_no_more_than_it_could_be_wrong(
    drift_ppm: float, ways: list[tuple[float, float, float, float]]
) -> None:
    """What an attacker can do with the next one."""
    world, taken, at = World(drift_ppm), Samples(), 0.0
    before: TimeLine | None = None
    for pause_s, there_s, back_s, work_s in ways:
        at += pause_s
        taken = taken.with_one(world.ask(at, there_s, back_s, work_s=work_s))
        at, line = taken.taken[-1].at, taken.line()
        if before is not None:
            assert abs(line.us(at) - before.us(at)) <= before.error_at(at) + line.error_at(at) + 4
        before = line


def test_after_some_minutes_the_rate_is_known_and_a_minute_without_answers_costs_little() -> None:
    world, random = World(48.0), Random(2)
    samples = [
        world.ask(60.0 * minute + n / 5, random.uniform(1, 4) * 1e-4, random.uniform(1, 4) * 1e-4)
        for minute in range(6)
        for n in range(16 if minute == 0 else 4)
    ]
    line = believing(samples).line()
    assert line.rate == pytest.approx(48e-6, abs=3e-6)
    assert line.wander_ppm == WANDER_PPM
    assert abs(line.us(line.at + 60) - world.server_us(line.at + 60)) < 300
    assert believing(samples[:16]).line().rate == 0


def test_a_bad_line_says_nothing_about_the_rate() -> None:
    world = World(0.0)
    samples = [world.ask(20.0 * n, 0.001 * n, 0.02 - 0.001 * n) for n in range(15)]
    assert (believing(samples).line().rate, believing(samples).line().wander_ppm) == (0.0, DRIFT_PPM)


def test_a_server_whose_clock_was_set_is_believed_at_once() -> None:
    world = World()
    old = [world.ask(n, 0.001, 0.001) for n in range(10)]
    newest = Sample(20.0, world.server_us(20.0) + 3_000_000, 1_000)
    assert believing([*old, newest]).taken == (newest,)


def test_what_is_long_ago_is_forgotten_and_so_is_too_much() -> None:
    world = World()
    taken = believing([world.ask(n, 0.001, 0.001) for n in range(200)])
    assert len(taken.taken) == MOST_SAMPLES
    late = world.ask(200 + KEEP_S, 0.001, 0.001)
    assert taken.with_one(late).taken == (late,)


def test_the_line_reads_both_ways() -> None:
    line = TimeLine(100.0, T0_US, rate=50e-6, error_us=200, wander_ppm=15)
    assert line.when(line.us(160.0)) == pytest.approx(160.0, abs=1e-6)
    assert line.us(160.0) == T0_US + 60_003_000
    assert line.error_at(160.0) == 200 + 900


# ---- when it asks -------------------------------------------------------------------------------------------------------------


class Asking:
    """A speaker whose questions are answered after so long, or never."""

    def __init__(self, *, answer_s: float | None) -> None:
        self.pings, self.answer_s = TimePings(Random(1)), answer_s
        self.now, self.asked_at = 0.0, list[float]()
        self._due: list[tuple[float, bytes]] = []
        self.pings.connected(0.0)

    def until(self, end: float) -> "Asking":
        while True:
            next_at = min([self.pings.next_at, *(at for at, _ in self._due)])
            if next_at > end:
                return self
            self.now = next_at
            if self._due and self._due[0][0] <= self.now:
                self.pings.answered(self._due.pop(0)[1], self.now)
                continue
            nonce = b"%08d" % len(self.asked_at)
            self.pings.ask(nonce, self.now)
            self.asked_at.append(self.now)
            if self.answer_s is not None:
                self._due.append((self.now + self.answer_s, nonce))


def test_sixteen_after_a_connect_within_some_seconds_then_four_a_minute() -> None:
    asking = Asking(answer_s=0.001).until(5.0)
    assert len(asking.asked_at) == FIRST
    assert asking.asked_at[-1] - asking.asked_at[0] == pytest.approx(15 * GAP_S, abs=0.1)
    asking.until(605.0)
    assert len(asking.asked_at) - FIRST == pytest.approx(10 * EACH_TIME, abs=EACH_TIME)


def test_a_server_that_does_not_answer_is_asked_less_and_less_often() -> None:
    asking = Asking(answer_s=None).until(600.0)
    assert len(asking.asked_at) < 10 + 600 / LONGEST_GAP_S


def test_where_answers_take_a_second_all_sixteen_are_got_all_the_same() -> None:
    asking = Asking(answer_s=1.0).until(40.0)
    assert len(asking.asked_at) >= FIRST


def test_an_answer_counts_once_and_not_after_five_seconds() -> None:
    pings = TimePings(Random(1))
    pings.connected(0.0)
    pings.ask(b"n" * 8, 1.0)
    pings.ask(b"m" * 8, 2.0)
    assert (pings.asked_at(b"n" * 8, 1.2), pings.asked_at(b"n" * 8, 6.1), pings.asked_at(b"x" * 8, 1.2)) == (
        1.0,
        None,
        None,
    )
    pings.answered(b"m" * 8, 2.1)
    assert pings.asked_at(b"m" * 8, 2.1) is None


def test_nothing_is_asked_without_a_line() -> None:
    pings = TimePings(Random(1))
    assert pings.next_at == EVERY_S * float("inf")
    pings.connected(0.0)
    pings.disconnected()
    assert pings.next_at == float("inf")


def test_when_all_four_are_slow_it_goes_on_until_one_is_quick_or_there_are_sixteen() -> None:
    asking = Asking(answer_s=0.001).until(6.0)
    assert len(asking.asked_at) == FIRST
    asking.answer_s = 0.02
    asking.until(100.0)
    assert len(asking.asked_at) == FIRST + FIRST
    asking.answer_s = 0.0011
    asking.until(170.0)
    assert len(asking.asked_at) == FIRST + FIRST + EACH_TIME
