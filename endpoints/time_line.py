"""The server's time as a straight line over a monotonic clock, drawn through answers that each carry their own error.

An answer is wrong by half of its way at most, whoever delayed what on it: if the question took no time at all and the answer
all of it, or the reverse (RFC 5905 §8). So every answer is an interval that holds the truth, and an attacker who delays some
can only make theirs wider: the line stays inside all of them, and the narrowest one draws it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

KEEP_S = 300.0  # longer ago, the crystals' drift says more than the answer
MOST_SAMPLES = 64
DRIFT_PPM = 100  # two crystals of ±50 ppm, at their worst against each other
WANDER_PPM = 15  # what is left when the rate is known: warmth and age (RFC 5905 §7.1, PHI)
RATE_OVER_S = 100.0  # over less, an error of the line is easily taken for a rate
RATE_WITHIN_PPM = 20.0  # a rate that is known no better is not used
STAMP_US = 20  # reading a clock and saying so takes this long


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer: the server's time was `server_us` when the monotonic clock stood at `at`, give or take `error_us`."""

    at: float
    server_us: int
    error_us: int

    @classmethod
    def of(cls, *, asked_at: float, now: float, received_us: int, sent_us: int) -> "Sample":
        """From the four times of a question and its answer. What the server needed between the two is no part of the way."""
        trip_us = round((now - asked_at) * 1e6)
        way_us = trip_us - (sent_us - received_us)
        if way_us < 0:  # its clock was set in between
            way_us = trip_us
        return cls(now, sent_us + way_us // 2, way_us // 2 + STAMP_US)

    def us(self, at: float) -> int:
        """The server's time at another moment, were both clocks equally fast."""
        return self.server_us + round((at - self.at) * 1e6)

    def error_at(self, at: float, ppm: float) -> float:
        """How wrong that can be, microseconds, when the clocks' rates differ by so much."""
        return self.error_us + abs(at - self.at) * ppm


@dataclass(frozen=True, slots=True)
class TimeLine:
    """It is `server_us` at `at`, and each monotonic second is 1 + `rate` of the server's.

    :param error_us: how wrong that can be then; it grows by `wander_ppm`.
    """

    at: float
    server_us: int
    rate: float = 0.0
    error_us: int = 0
    wander_ppm: int = DRIFT_PPM

    def us(self, at: float) -> int:
        """The server's time at a monotonic one, microseconds."""
        return self.server_us + round((at - self.at) * 1e6 * (1 + self.rate))

    def when(self, server_us: int) -> float:
        """The monotonic time at a time of the server, seconds."""
        return self.at + (server_us - self.server_us) / (1e6 * (1 + self.rate))

    def error_at(self, at: float) -> int:
        """How far the server's true time can be from `us(at)`, microseconds."""
        return self.error_us + int(abs(at - self.at) * self.wander_ppm)


@dataclass(frozen=True, slots=True)
class Samples:
    """The answers of the last minutes, oldest first. A value: adding one gives another."""

    taken: tuple[Sample, ...] = ()

    def with_one(self, newest: Sample) -> "Samples":
        """Those that can't be true together with the newest are forgotten: the server's clock was set since."""
        kept = tuple(one for one in self.taken if newest.at - one.at <= KEEP_S and _agree(one, newest))
        return Samples((*kept[1 - MOST_SAMPLES :], newest))

    def line(self) -> TimeLine:
        """What they say together at the time of the newest; there must be one."""
        now = self.taken[-1].at
        rate_ppm = _rate_ppm(self.taken)
        wander_ppm = DRIFT_PPM if rate_ppm is None else WANDER_PPM
        best = min(self.taken, key=lambda one: one.error_at(now, wander_ppm))
        drawn_us = best.us(now) + (now - best.at) * (rate_ppm or 0.0)
        low = max(one.us(now) - one.error_at(now, DRIFT_PPM) for one in self.taken)
        high = min(one.us(now) + one.error_at(now, DRIFT_PPM) for one in self.taken)
        inside_us = round(min(max(drawn_us, low), high))
        error_us = min(best.error_at(now, wander_ppm), max(high - inside_us, inside_us - low))
        return TimeLine(now, inside_us, (rate_ppm or 0.0) * 1e-6, int(error_us), wander_ppm)


def _agree(old: Sample, newest: Sample) -> bool:
    apart_us = abs(old.us(newest.at) - newest.server_us)
    return apart_us <= old.error_at(newest.at, DRIFT_PPM) + newest.error_us


def _rate_ppm(taken: Iterable[Sample]) -> float | None:
    """By how much the server's seconds are shorter than ours: the slope of the least squares, each answer with the weight
    of its error. None while that is not known well enough."""
    taken = tuple(taken)
    if taken[-1].at - taken[0].at < RATE_OVER_S:
        return None
    first = taken[0]
    points = [(one.at - first.at, one.server_us - first.us(one.at), one.error_us**-2) for one in taken]
    weight = sum(w for _, _, w in points)
    middle_s = sum(w * s for s, _, w in points) / weight
    middle_us = sum(w * us for _, us, w in points) / weight
    spread = sum(w * (s - middle_s) ** 2 for s, _, w in points)
    if spread * RATE_WITHIN_PPM**2 < 1:  # its standard error is spread ** -0.5
        return None
    slope = sum(w * (s - middle_s) * (us - middle_us) for s, us, w in points) / spread
    return min(max(slope, -DRIFT_PPM), DRIFT_PPM)
