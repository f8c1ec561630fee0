"""When what is handed to a sink leaves the loudspeaker, found out by watching when the sink takes it.

A sink takes a frame when it has room for one, so the times at which `write` returns are the card's own clock with the process's
delays on top. Their median is good to 0.1 ms where one of them is 20 ms off (research/audio §4.3). The stream is never opened
or restarted for this: it is warm, and one frame is like another.
"""

from collections import deque
from statistics import median

from audio_assets.pcm import FRAME_MS

FRAME_S = FRAME_MS / 1000
WINDOW_FRAMES = 100  # 2 s: half of it is how far the median lies back, 0.05 ms for a crystal of 50 ppm
SETTLED_AFTER = 40  # a fresh stream takes its first frames at once, until its buffer is full


class SinkClock:
    """Of one stream, in the sound thread.

    :param trim_s: so much later than the card says does sound leave this speaker; negative to have it later than its neighbours'.
    """

    def __init__(self, *, trim_s: float = 0.0) -> None:
        self._trim_s = trim_s
        self._delays: deque[float] = deque(maxlen=WINDOW_FRAMES)  # each return of `write` against an even clock
        self._frames = 0

    def wrote(self, at: float) -> None:
        """`write` came back."""
        self._delays.append(at - self._frames * FRAME_S)
        self._frames += 1

    def lost(self) -> None:
        """The card went away; the stream after it is another one."""
        self._delays.clear()
        self._frames = 0

    def next_leaves_at(self, latency_s: float) -> float | None:
        """When the first sample of the next frame will be heard, monotonic seconds; None while that is not known.

        :param latency_s: what the sink says of itself.
        """
        if self._frames < SETTLED_AFTER:
            return None
        return median(self._delays) + self._frames * FRAME_S + latency_s + self._trim_s
