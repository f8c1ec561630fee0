"""The server's signed time, run on a speaker's monotonic clock: questions, answers, and how late it is at least.

A speaker has no clock that it trusts. It asks with a nonce; the answer is as good as half the way there and back. Between answers
the monotonic clock goes on, which nobody outside can set. Over a power cut it remembers a floor: it was at least that late.
"""

from dataclasses import dataclass

from endpoints.protocol import Band
from endpoints.sealing import TrustedKey
from endpoints.shelf import reaches

ASK_AGAIN_S = 3.0
ASK_AGAIN_AT_MOST_S = 20.0  # 12,000 speakers that ask a dead server every 3 s would be 4,000 messages a second
FRESH_FOR_S = 600.0  # a crystal of 50 ppm is 30 ms off by then
LONGEST_ROUND_TRIP_S = 5.0  # the answer's error is half of it
CLOCK_FAULT_MS = 2_000
FLOOR_EVERY_MS = 3_600_000  # how much the floor on the disk may lag behind; spares the flash
TIME_BAND = Band.EMERGENCY  # who sets the clock ends orders: no key that may not give an emergency may end one


@dataclass(frozen=True, slots=True)
class _Anchor:
    """It was `server_ms` when the monotonic clock stood at `at`; so says `key`, or the box's own clock (None)."""

    server_ms: int
    at: float
    key: TrustedKey | None


class ServerTime:
    """What a speaker knows of the time.

    :param floor_ms: it was at least this late when the last run wrote its state.
    """

    __slots__ = ("_anchor", "_answered_at", "_asked", "_floor_ms", "_kept_ms", "_patience_s")

    def __init__(self, floor_ms: int) -> None:
        self._floor_ms = self._kept_ms = floor_ms
        self._anchor: _Anchor | None = None
        self._answered_at = float("-inf")
        self._asked: list[tuple[bytes, float]] = []
        self._patience_s = ASK_AGAIN_S

    def now_ms(self, now: float) -> int | None:
        """The server's time, or None before the first one that can be trusted."""
        return None if self._anchor is None else self._anchor.server_ms + int((now - self._anchor.at) * 1000)

    def when(self, server_ms: int) -> float | None:
        """When it is that time at the server, on the monotonic clock; None before the first answer."""
        return None if self._anchor is None else self._anchor.at + (server_ms - self._anchor.server_ms) / 1000

    def floor_ms(self, now: float) -> int:
        """It is at least this late: the time where it is known, else what the last run wrote."""
        now_ms = self.now_ms(now)
        return self._floor_ms if now_ms is None else now_ms

    def kept_ms(self, now: float) -> int:
        """The floor, for writing to the disk."""
        self._kept_ms = self.floor_ms(now)
        return self._kept_ms

    def trust_box(self, rtc_ms: int, now: float) -> bool:
        """Start from a battery clock, unless it is earlier than we know it to be: then it was set or ran dry."""
        if rtc_ms < self._floor_ms:
            return False
        self._anchor = _Anchor(rtc_ms, now, None)
        return True

    # ---- asking ---------------------------------------------------------------------------------------------------------

    @property
    def ask_again_at(self) -> float:
        """When to ask again if no answer comes; infinite when nothing is asked."""
        return self._asked[-1][1] + self._patience_s if self._asked else float("inf")

    def is_wanted(self, now: float) -> bool:
        return now - self._answered_at > FRESH_FOR_S

    def ask(self, nonce: bytes, now: float) -> None:
        """An earlier question stays open as long as its answer would be good enough."""
        if self._asked:
            self._patience_s = min(2 * self._patience_s, ASK_AGAIN_AT_MOST_S)
        self._asked = [(old, at) for old, at in self._asked if now - at <= LONGEST_ROUND_TRIP_S]
        self._asked.append((nonce, now))

    def forget_questions(self) -> None:
        self._asked, self._patience_s = [], ASK_AGAIN_S

    # ---- answers --------------------------------------------------------------------------------------------------------

    def round_trip_s(self, nonce: bytes, now: float) -> float | None:
        """How long ago that was asked; None for what was never asked, or is answered already."""
        return next((now - at for asked, at in self._asked if asked == nonce), None)

    def may_answer(self, key: TrustedKey, server_ms: int, now: float) -> bool:
        """Whether the key may say the time, and this time: by its band, and by its dates then and as far as we know now."""
        in_dates = key.in_force(server_ms) and self.floor_ms(now) < key.not_after_ms
        return key.highest_band >= TIME_BAND and in_dates

    def answered(self, server_ms: int, round_trip_s: float, key: TrustedKey, now: float) -> bool:
        """Take an answer in; whether the clock was found wrong by it."""
        if round_trip_s > LONGEST_ROUND_TRIP_S:
            return False
        self.forget_questions()
        if self._anchor is not None and self._anchor.key is not None and not reaches(key, self._anchor.key):
            return False  # a township may not turn the clock that the city has set
        before_ms, after_ms = self.now_ms(now), server_ms + int(round_trip_s * 500)
        self._anchor, self._answered_at = _Anchor(after_ms, now, key), now
        return before_ms is not None and abs(after_ms - before_ms) > CLOCK_FAULT_MS

    def should_be_kept(self, now: float) -> bool:
        """Whether the floor on the disk is ahead of the time, or too far behind."""
        return not 0 <= self.floor_ms(now) - self._kept_ms <= FLOOR_EVERY_MS
