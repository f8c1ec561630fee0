"""When what is handed to a sink leaves the loudspeaker, found out by watching when the sink takes it.

A sink takes a frame when it has room for one, and says how long it is until that one is heard. Both wander by milliseconds with
what else the machine does; their median is good to 0.1 ms (research/audio §4.3). The stream is never opened or restarted for
this: it is warm, and one frame is like another.

What is counted are the sink's frames, its own silence among them: a frame that starved moves all after it by 20 ms, known at once.
When the device itself ran dry nothing of before counts.
"""

from collections import deque
from itertools import pairwise
from statistics import median

from audio_assets.pcm import FRAME_MS

FRAME_S = FRAME_MS / 1000
WINDOW_FRAMES = 100
SETTLED_AFTER = 40  # a fresh stream takes its first frames at once, until its buffer is full
MARK_FRAMES, MARKS = 250, 13  # a look every 5 s for a minute shows how long the card's frames really are
FEW_MARKS = 4
FASTEST = 500e-6  # no crystal is that bad; what seems so is something else


class SinkClock:
    """Of one stream, in the sound thread.

    :param trim_s: so much later than the card says does sound leave this speaker; negative to have it later than its neighbours'.
    """

    def __init__(self, *, trim_s: float = 0.0) -> None:
        self._trim_s = trim_s
        self.drift = 0.0  # its frames are longer than 20 ms by so many parts
        self._delays: deque[float] = deque(maxlen=WINDOW_FRAMES)  # when each was heard, against an even clock
        self._marks: deque[float] = deque(maxlen=MARKS)
        self._frames = 0  # ours
        self._starved = self._ran_dry = 0

    def wrote(self, heard_at: float, *, starved: int = 0, ran_dry: int = 0) -> None:
        """`write` came back, and what was written will be heard then, as far as the sink can say.

        :param starved, ran_dry: the sink's, as they are now.
        """
        if ran_dry != self._ran_dry:
            self._delays.clear()
            self._marks.clear()
        self._starved, self._ran_dry = starved, ran_dry
        self._delays.append(heard_at - (self._frames + starved) * FRAME_S)
        self._frames += 1
        if self._frames % MARK_FRAMES == 0:
            self._mark()

    def lost(self) -> None:
        """The card went away; the stream after it is another one."""
        self._delays.clear()
        self._marks.clear()
        self._frames, self._starved, self.drift = 0, 0, 0.0

    def next_leaves_at(self) -> float | None:
        """When the first sample of the next frame will be heard, monotonic seconds; None while that is not known."""
        if self._frames < SETTLED_AFTER:
            return None
        behind = (len(self._delays) + 1) / 2  # the median is as old as the middle of the window
        card_frames = self._frames + self._starved
        return median(self._delays) + (card_frames + behind * self.drift) * FRAME_S + self._trim_s

    def _mark(self) -> None:
        self._marks.append(median(self._delays))
        if len(self._marks) >= FEW_MARKS:
            steps = [after - before for before, after in pairwise(self._marks)]
            drift = median(steps) / (MARK_FRAMES * FRAME_S)
            self.drift = drift if abs(drift) < FASTEST else 0.0
