"""When a real speaker asks for the time and nothing else: often at first, then a few times a minute, less while nobody answers."""

from random import Random

FIRST, EACH_TIME = (
    16,
    4,
)  # of sixteen the quickest is 0.11 ms off in the middle, of one alone 1.2 ms under load (research/audio §4.3)
AS_QUICK = 1.3  # each time one of them is to be about as quick as the quickest ever, or there are sixteen again
FORGET = 1.05  # the quickest ever counts for so much less each time: lines change
EVERY_S = 60.0
GAP_S = 0.2
LONGEST_GAP_S = (
    60.0  # 12,000 that come back at once, or a server that is down: what is not answered is asked less often
)
ANSWER_WITHIN_S = 5.0

_NEVER = float("inf")


class TimePings:
    """The questions of one speaker. Only an answer counts against the sixteen, so a crowd spreads itself."""

    __slots__ = ("_answers", "_enough", "_gap_s", "_open", "_quickest_now_s", "_quickest_s", "_random", "next_at")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._open: list[tuple[bytes, float]] = []
        self._answers, self._enough, self._gap_s = 0, FIRST, GAP_S
        self._quickest_s = self._quickest_now_s = _NEVER
        self.next_at = _NEVER

    def connected(self, now: float) -> None:
        """There is a line (again): begin with the many."""
        self._open, self._gap_s, self._quickest_s = [], GAP_S, _NEVER
        self._answers, self._enough, self._quickest_now_s = 0, FIRST, _NEVER
        self.next_at = now + self._random.uniform(0, 1)

    def disconnected(self) -> None:
        """Nothing is asked, and what is under way is not waited for."""
        self._open, self.next_at = [], _NEVER

    def ask(self, nonce: bytes, now: float) -> None:
        """One question goes out now."""
        self._open = [one for one in self._open if now - one[1] <= ANSWER_WITHIN_S]
        self._open.append((nonce, now))
        self.next_at = now + self._gap_s
        self._gap_s = min(2 * self._gap_s, LONGEST_GAP_S)

    def asked_at(self, nonce: bytes, now: float) -> float | None:
        """When that was asked; None for what never was, is answered already, or too long ago."""
        return next((at for asked, at in self._open if asked == nonce and now - at <= ANSWER_WITHIN_S), None)

    def answered(self, nonce: bytes, now: float) -> None:
        """One of them came back."""
        asked_at = self.asked_at(nonce, now)
        if asked_at is None:
            return
        self._open = [one for one in self._open if one[0] != nonce]
        self._answers, self._gap_s = self._answers + 1, GAP_S
        self._quickest_now_s = min(self._quickest_now_s, now - asked_at)
        if not self._has_enough():
            self.next_at = min(self.next_at, now + GAP_S)
            return
        self._quickest_s = min(self._quickest_s * FORGET, self._quickest_now_s)
        self._answers, self._enough, self._quickest_now_s, self._open = 0, EACH_TIME, _NEVER, []
        self.next_at = now + EVERY_S * self._random.uniform(0.9, 1.1)

    def _has_enough(self) -> bool:
        is_quick = self._quickest_now_s <= self._quickest_s * AS_QUICK
        return self._answers >= (self._enough if is_quick else FIRST)
