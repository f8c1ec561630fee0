"""When what a sound card asks for will be heard, from when it asks and what it says of its delay.

Behind a sound server its word wanders: by 0.1 to 0.4 ms over some ten seconds, by 5 to 30 ms when the machine is busy. But while
the card goes on asking 50 times a second the delay is what it was, so the middle of what it said for half a minute counts. After
a gap everything may have changed, and it is asked anew: while its buffer fills up each word counts by itself, 0, 20, 40, 60 ms, and
all of them are right (measured against a recording: to 0.1 ms, from the first frame after the gap on).
"""

from collections import deque
from itertools import islice
from statistics import median

from audio_assets.pcm import FRAME_MS

FRAME_S = FRAME_MS / 1000
WORDS = 1_500  # four streams in one recording: 0.07 ms apart with 30 s, 0.12 ms with one; at worst 0.26 and 1.3 ms
EVERY_FRAMES = 10
LOOK_FRAMES = 100
GAP_S = 0.004  # the middle of a second's asks moves by this: the card has lost time; waking late moves no middle
FEW_WORDS = 20
FILLING = 10  # asks after a gap, or at the start, in which the buffer fills up


class CardTime:
    """Of one stream."""

    def __init__(self) -> None:
        self._count = 0
        self._asked: deque[float] = deque(maxlen=LOOK_FRAMES)  # against an even clock
        self._words: deque[float] = deque(maxlen=WORDS)  # since the last gap
        self._delay_s = 0.0
        self._filling = FILLING

    def ran_dry(self) -> None:
        """The card had nothing more to play, and says so: what it asks for from now on is heard later than it would have been."""
        self._count, self._filling = 0, FILLING
        self._asked.clear()
        self._words.clear()

    def asks(self, now: float, delay_s: float) -> float:
        """The card asks for a frame, and says how long until it is heard: when it is."""
        if self._filling:
            self._filling -= 1
            return now + delay_s
        self._asked.append(now - self._count * FRAME_S)
        self._count += 1
        if self._has_gap():
            self._words.clear()
        self._words.append(delay_s)
        if len(self._words) <= FEW_WORDS or self._count % EVERY_FRAMES == 0:
            self._delay_s = self._middle_s()
        return now + self._delay_s

    def _middle_s(self) -> float:
        """Of its later words while they are few: at the start of a stream the first are the worst."""
        early = len(self._words) * 2 // 3 if len(self._words) < WORDS else 0
        return median(islice(self._words, early, None))

    def _has_gap(self) -> bool:
        if len(self._asked) < LOOK_FRAMES:
            return False
        before = median(islice(self._asked, LOOK_FRAMES // 2))
        return abs(median(islice(self._asked, LOOK_FRAMES // 2, None)) - before) > GAP_S
