"""When each frame of a live source was captured, on the server's time line: even, as the source's crystal makes it. Pure.

Frames arrive in bursts, each later than it was captured by whatever the way took. The quickest of the last half second says
what the way takes at least, so the stamps follow that one, slowly: a speaker plays by them, and what it plays must not stumble.
"""

from collections import deque

FRAME_US = 20_000
WINDOW_FRAMES = 25
DEAF_US = 1_000  # an error below this is left alone
SLEW_US = 20  # a frame: a thousand millionth, ten times what crystals differ by
LATE_US = 60_000  # so much later for half a second: what is missing will not come any more
GONE_US = 1_000_000  # after so long nothing is what it was


class MediaClock:
    """Stamps the frames of one source. All numbers are microseconds."""

    def __init__(self) -> None:
        self._next_us: int | None = None
        self._late: deque[int] = deque(maxlen=WINDOW_FRAMES)

    def stamp(self, frames: int, arrived_us: int) -> tuple[int, bool]:
        """When the first of these frames was captured, and whether time is missing before it.

        :param arrived_us: when the last of them was there.
        """
        length_us = frames * FRAME_US
        if self._next_us is None:
            return self._begin(arrived_us - length_us, length_us, gap=False)
        late_us = arrived_us - length_us - self._next_us
        if late_us > GONE_US:
            return self._begin(arrived_us - length_us, length_us, gap=True)
        self._late.extend([late_us] * min(frames, WINDOW_FRAMES))
        least_us = min(self._late)
        if least_us > LATE_US and len(self._late) == WINDOW_FRAMES:
            return self._begin(self._next_us + least_us, length_us, gap=True)
        slew_us = 0
        if abs(least_us) > DEAF_US:
            slew_us = max(-SLEW_US * frames, min(SLEW_US * frames, least_us))
            self._late = deque((one - slew_us for one in self._late), maxlen=WINDOW_FRAMES)
        media_us = self._next_us + slew_us
        self._next_us = media_us + length_us
        return media_us, False

    def _begin(self, media_us: int, length_us: int, *, gap: bool) -> tuple[int, bool]:
        self._late.clear()
        self._next_us = media_us + length_us
        return media_us, gap
