"""When what a sound card asks for will be heard, from when it asks and what it says of its delay.

Together they are steady to 0.03 ms behind PulseAudio. But when the machine is busy the sound server misjudges its own delay by
5 to 30 ms, and comes back to the truth within some ten seconds. While the card goes on asking 50 times a second nothing has
really changed, so such a word is not believed. After a gap everything may have changed, and its word counts again.
"""

from collections import deque
from itertools import islice
from statistics import median

from audio_assets.pcm import FRAME_MS

FRAME_S = FRAME_MS / 1000
LINE_FRAMES = 50
FAR_S = 0.002
LOOK_FRAMES = 20
GAP_S = 0.004  # the middle of ten asks moves by this: the card has lost time
AFTER_GAP_FRAMES = 50
DOUBTED_AT_MOST = 750  # 15 s; then it is so


class CardTime:
    """Of one stream."""

    def __init__(self) -> None:
        self._count = self._doubted = 0
        self._gap_until = 0  # frames
        self._asked: deque[float] = deque(maxlen=LOOK_FRAMES)  # against an even clock
        self._line: deque[float] = deque(maxlen=LINE_FRAMES)  # when each was heard, likewise

    def asks(self, now: float, delay_s: float) -> float:
        """The card asks for a frame, and says how long until it is heard: when it is."""
        even = self._count * FRAME_S
        self._count += 1
        self._asked.append(now - even)
        if self._has_gap():
            self._gap_until = self._count + AFTER_GAP_FRAMES
            self._line.clear()
        heard = now + delay_s - even
        if self._is_doubtful(heard):
            self._doubted += 1
            return even + median(self._line)
        self._doubted = 0
        self._line.append(heard)
        return even + heard

    def _is_doubtful(self, heard: float) -> bool:
        if self._count < self._gap_until or len(self._line) < LINE_FRAMES:
            return False
        if self._doubted >= DOUBTED_AT_MOST:
            self._line.clear()
            return False
        return abs(heard - median(self._line)) > FAR_S

    def _has_gap(self) -> bool:
        if len(self._asked) < LOOK_FRAMES:
            return False
        before = median(islice(self._asked, LOOK_FRAMES // 2))
        return abs(median(islice(self._asked, LOOK_FRAMES // 2, None)) - before) > GAP_S
