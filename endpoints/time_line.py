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
RATE_OVER_S = 100.0  # answers of less than two minutes share what the machines were busy with
USED_PPM, KNOWN_PPM = 40.0, 10.0  # a rate that is no more wrong than that is used, and counted on
MOSTLY_PPM, UNSTEADY_PPM = 30.0, 1.0  # by how much crystals mostly differ, and by how much that changes in minutes
LIKELY = 0.25  # of what it can be wrong by, a quick answer mostly is
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
        """What they say together at the time of the newest; there must be one.

        The truth lies inside all the intervals. Where inside, and how fast it moves, is the likeliest (`_likeliest`).
        """
        now = self.taken[-1].at
        best = self._best(now, WANDER_PPM)
        rate_ppm, wrong_by_ppm = self._rate_ppm(best)
        if wrong_by_ppm > USED_PPM:
            best = self._best(now, DRIFT_PPM)
            rate_ppm, wrong_by_ppm = self._rate_ppm(best)
        off_us, rate_ppm = self._likeliest(best, now, rate_ppm, wrong_by_ppm)
        wander_ppm = WANDER_PPM if wrong_by_ppm <= KNOWN_PPM else DRIFT_PPM + ceil(abs(rate_ppm))
        middle = best.us(now) + (now - best.at) * rate_ppm
        least = best.error_at(now, wander_ppm)
        low = max(middle - least, *(one.us(now) - one.error_at(now, DRIFT_PPM) for one in self.taken))
        high = min(middle + least, *(one.us(now) + one.error_at(now, DRIFT_PPM) for one in self.taken))
        inside_us = round(min(max(best.us(now) + off_us, low), high))
        error_us = ceil(max(high - inside_us, inside_us - low))
        return TimeLine(now, inside_us, rate_ppm * 1e-6, error_us, wander_ppm)

    def _best(self, now: float, ppm: float) -> Sample:
        return min(self.taken, key=lambda one: one.error_at(now, ppm))

    def _rate_ppm(self, best: Sample) -> tuple[float, float]:
        """By so much are the server's seconds shorter than ours, by the best answer and an older one; and so wrong can that be."""
        rates = [(float("inf"), 0.0)]
        for one in self.taken:
            if (apart_s := best.at - one.at) >= RATE_OVER_S:
                wrong_by = (one.error_us + best.error_us) / apart_s
                rates.append((wrong_by, (best.server_us - one.us(best.at)) / apart_s))
        wrong_by, rate_ppm = min(rates)
        return rate_ppm, wrong_by

    def _likeliest(self, best: Sample, now: float, rate_ppm: float, wrong_by_ppm: float) -> tuple[float, float]:
        """How far off the best answer the likeliest time is, microseconds, and the likeliest rate: by the least squares of all
        answers and of what crystals mostly are. The quick ones count, by the square of their errors. While the rate could be
        far wrong there is none, and old answers count for less."""
        is_rate_used = wrong_by_ppm <= USED_PPM
        unsteady_ppm = UNSTEADY_PPM if is_rate_used else DRIFT_PPM
        s = sx = sy = sxy = 0.0
        sxx = 1 / MOSTLY_PPM**2
        for one in self.taken:
            x, y = one.at - now, one.us(now) - best.us(now)
            sigma = LIKELY * one.error_us * one.error_us / best.error_us + abs(x) * unsteady_ppm
            weight = sigma**-2
            s, sx, sy = s + weight, sx + weight * x, sy + weight * y
            sxx, sxy = sxx + weight * x * x, sxy + weight * x * y
        if not is_rate_used:
            return sy / s, 0.0
        likeliest_ppm = (s * sxy - sx * sy) / (s * sxx - sx * sx)
        likeliest_ppm = min(max(likeliest_ppm, rate_ppm - wrong_by_ppm, -DRIFT_PPM), rate_ppm + wrong_by_ppm, DRIFT_PPM)
        return (sy - likeliest_ppm * sx) / s, likeliest_ppm


def _agree(old: Sample, newest: Sample) -> bool:
    apart_us = abs(old.us(newest.at) - newest.server_us)
    return apart_us <= old.error_at(newest.at, DRIFT_PPM) + newest.error_us
