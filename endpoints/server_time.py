"""The server's signed time, run on a speaker's monotonic clock: questions, answers, and how late it is at least.

A speaker has no clock that it trusts. It asks with a nonce; the answer is as good as half the way there and back, and the best
of the last minutes counts. Between answers the monotonic clock goes on, which nobody outside can set. Over a power cut it
remembers a floor: it was at least that late.
"""

from endpoints.protocol import Band, TimeAnswer
from endpoints.sealing import TrustedKey
from endpoints.shelf import reaches
from endpoints.time_line import MOST_SAMPLES, Sample, Samples, TimeLine
from endpoints.time_pings import TimePings

ASK_AGAIN_S = 3.0
ASK_AGAIN_AT_MOST_S = 20.0  # 12,000 speakers that ask a dead server every 3 s would be 4,000 messages a second
FRESH_FOR_S = 600.0  # a crystal of 50 ppm is 30 ms off by then
LONGEST_ROUND_TRIP_S = 5.0  # the answer's error is half of it
CLOCK_FAULT_MS = 2_000
FLOOR_EVERY_MS = 3_600_000  # how much the floor on the disk may lag behind; spares the flash
FEW_SAMPLES = 4  # of who does not ping: thousands of them are simulated in one process
TIME_BAND = Band.EMERGENCY  # who sets the clock ends orders: no key that may not give an emergency may end one


class ServerTime:
    """What a speaker knows of the time.

    :param floor_ms: it was at least this late when the last run wrote its state.
    :param pings: when to ask for nothing but the time; None: only with heartbeats.
    """

    __slots__ = ("_answered_at", "_asked", "_floor_ms", "_kept_ms", "_key", "_patience_s", "_pings", "_samples", "line")

    def __init__(self, floor_ms: int, pings: TimePings | None = None) -> None:
        self._floor_ms = self._kept_ms = floor_ms
        self._pings = pings
        self.line: TimeLine | None = None  # the time, as soon as there is one that can be trusted
        self._samples = Samples()
        self._key: TrustedKey | None = None  # who says so; None: the box's own clock
        self._answered_at = float("-inf")
        self._asked: list[tuple[bytes, float]] = []
        self._patience_s = ASK_AGAIN_S

    def now_ms(self, now: float) -> int | None:
        """The server's time, or None before the first one that can be trusted."""
        return None if self.line is None else self.line.us(now) // 1_000

    def when(self, server_ms: int) -> float | None:
        """When it is that time at the server, on the monotonic clock; None before the first answer."""
        return None if self.line is None else self.line.when(server_ms * 1_000)

    def error_us(self, now: float) -> int | None:
        """How wrong `now_ms` can be by what is known, microseconds; None before the first answer."""
        return None if self.line is None or self._key is None else self.line.error_at(now)

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
        self.line, self._key, self._samples = TimeLine(now, rtc_ms * 1_000), None, Samples()
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

    @property
    def ping_at(self) -> float:
        """When to ask for nothing but the time; infinite for who doesn't."""
        return float("inf") if self._pings is None else self._pings.next_at

    def ping(self, nonce: bytes, now: float) -> None:
        if self._pings is not None:
            self._pings.ask(nonce, now)

    def connected(self, now: float) -> None:
        """What was asked on an earlier connection will not be answered."""
        self.forget_questions()
        if self._pings is not None:
            self._pings.connected(now)

    def disconnected(self) -> None:
        self.forget_questions()
        if self._pings is not None:
            self._pings.disconnected()

    def forget_questions(self) -> None:
        self._asked, self._patience_s = [], ASK_AGAIN_S

    # ---- answers --------------------------------------------------------------------------------------------------------

    def asked_at(self, nonce: bytes, now: float) -> float | None:
        """When that was asked, in a heartbeat or by a ping; None for what was never asked, or is answered already."""
        at = next((at for asked, at in self._asked if asked == nonce), None)
        return self._pings.asked_at(nonce, now) if at is None and self._pings is not None else at

    def may_answer(self, key: TrustedKey, server_ms: int, now: float) -> bool:
        """Whether the key may say the time, and this time: by its band, and by its dates then and as far as we know now."""
        in_dates = key.in_force(server_ms) and self.floor_ms(now) < key.not_after_ms
        return key.highest_band >= TIME_BAND and in_dates

    def answered(self, answer: TimeAnswer, asked_at: float, key: TrustedKey, now: float) -> bool:
        """Take an answer in; whether the clock was found wrong by it."""
        if now - asked_at > LONGEST_ROUND_TRIP_S:
            return False
        self._close(answer.nonce, now)
        if self._key is not None and not reaches(key, self._key):
            return False  # a township may not turn the clock that the city has set
        if self._key is None or not reaches(self._key, key):
            self._samples = Samples()  # what a lesser one said no longer counts
        before_ms = self.now_ms(now)
        sample = Sample.of(asked_at=asked_at, now=now, received_us=answer.received_us, sent_us=answer.sent_us)
        self._samples = self._samples.with_one(sample, most=FEW_SAMPLES if self._pings is None else MOST_SAMPLES)
        self.line, self._key, self._answered_at = self._samples.line(), key, now
        return before_ms is not None and abs(self.line.us(now) // 1_000 - before_ms) > CLOCK_FAULT_MS

    def _close(self, nonce: bytes, now: float) -> None:
        """That question is answered, and with a heartbeat's all of the heartbeats' are."""
        if any(asked == nonce for asked, _ in self._asked):
            self.forget_questions()
        elif self._pings is not None:
            self._pings.answered(nonce, now)

    def should_be_kept(self, now: float) -> bool:
        """Whether the floor on the disk is ahead of the time, or too far behind."""
        return not 0 <= self.floor_ms(now) - self._kept_ms <= FLOOR_EVERY_MS
