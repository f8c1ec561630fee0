"""The server's time as a straight line over a monotonic clock, drawn through answers that each carry their own error.

An answer is wrong by half of its way at most, whoever delayed what on it: if the question took no time at all and the answer
all of it, or the reverse (RFC 5905 §8). So every answer is an interval that holds the truth, and an attacker who delays some
can only make theirs wider: the line stays inside all of them, and the narrowest ones draw it.
"""

from dataclasses import dataclass
from math import ceil

KEEP_S = 3_600.0  # a good answer of an hour ago is better than one that was held back for a second: 0.36 s by the worst drift
MOST_SAMPLES = 64
DRIFT_PPM = 100  # two crystals of ±50 ppm, at their worst against each other
WANDER_PPM = 15  # what is left when the rate is known: our error and its warmth (RFC 5905 §7.1, PHI)
RATE_OVER_S, RATE_WITHIN_PPM = 50.0, 10.0  # a rate that is known no better would make the time swing
SAME_TIME_S = 10.0
FEW = 2.0**-4  # those whose error is at most twice the best one's
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
        return cls(now, sent_us + way_us // 2, way_us // 2 + STAMP_US + trip_us * DRIFT_PPM // 1_000_000)

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

    def with_one(self, newest: Sample, *, most: int = MOST_SAMPLES) -> "Samples":
        """Those that can't be true together with the newest are forgotten: the server's clock was set since."""
        kept = [one for one in self.taken if newest.at - one.at <= KEEP_S and _agree(one, newest)]
        if len(kept) >= most:
            kept.remove(max(kept, key=lambda one: one.error_at(newest.at, DRIFT_PPM)))
        return Samples((*kept, newest))

    def line(self) -> TimeLine:
        """What they say together at the time of the newest; there must be one."""
        now = self.taken[-1].at
        best = min(self.taken, key=lambda one: one.error_at(now, WANDER_PPM))
        rate_ppm = self._rate_ppm(best)
        wander_ppm = DRIFT_PPM if rate_ppm is None else WANDER_PPM
        middle = best.us(now) + (now - best.at) * (rate_ppm or 0.0)
        least = best.error_at(now, wander_ppm)
        low = max(middle - least, *(one.us(now) - one.error_at(now, DRIFT_PPM) for one in self.taken))
        high = min(middle + least, *(one.us(now) + one.error_at(now, DRIFT_PPM) for one in self.taken))
        drawn_us = middle + self._beside(best, now, rate_ppm)
        inside_us = round(min(max(drawn_us, low), high))
        error_us = max(high - inside_us, inside_us - low)
        return TimeLine(now, inside_us, (rate_ppm or 0.0) * 1e-6, ceil(error_us), wander_ppm)

    def _beside(self, best: Sample, now: float, rate_ppm: float | None) -> float:
        """How far from the best answer the mean of the quickest few is: what chance delayed in one of them is evened out, which
        leaves a third less error than the best one alone. Without a rate only those of the same time can be compared."""
        total = weights = 0.0
        least = best.error_at(now, WANDER_PPM)
        for one in self.taken:
            weight = (least / one.error_at(now, WANDER_PPM)) ** 4
            if weight < FEW or (rate_ppm is None and abs(one.at - best.at) > SAME_TIME_S):
                continue
            total += weight * (one.us(best.at) - best.server_us + (best.at - one.at) * (rate_ppm or 0.0))
            weights += weight
        return total / weights

    def _rate_ppm(self, best: Sample) -> float | None:
        """By how much the server's seconds are shorter than ours, from the best answer and an older one. None while that
        could be wrong by more than RATE_WITHIN_PPM."""
        rates = []
        for one in self.taken:
            if (apart_s := best.at - one.at) >= RATE_OVER_S:
                wrong_by = (one.error_us + best.error_us) / apart_s
                rates.append((wrong_by, (best.server_us - one.us(best.at)) / apart_s))
        wrong_by, rate_ppm = min(rates, default=(float("inf"), 0.0))
        return min(max(rate_ppm, -DRIFT_PPM), DRIFT_PPM) if wrong_by <= RATE_WITHIN_PPM else None


def _agree(old: Sample, newest: Sample) -> bool:
    apart_us = abs(old.us(newest.at) - newest.server_us)
    return apart_us <= old.error_at(newest.at, DRIFT_PPM) + newest.error_us
