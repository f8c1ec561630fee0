"""Live sound at simulated speakers: each knows whether its stream comes, and none decodes it.

One of them listens for all of its process, as `RememberingTrust` verifies for all: 718 that each took 17 packets a second would be
a measure of this process and of nothing else. Whose own line is cut, or who is deaf, hears nothing all the same. What follows from
a stream that does not come is the real speaker's rule (`jitter`): the fallback after three seconds, where there is one, else it is
given up after ten.
"""

import asyncio
import logging
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from endpoints.fields import BadMessage
from endpoints.jitter import HOLD_US, LOST_US
from endpoints.live_packets import StreamGuard, head_topic, live_topic
from endpoints.orders import Order
from endpoints.player import Trust
from endpoints.protocol import root_of
from endpoints.sealing import NotAuthentic

HOLD_S, LOST_S = HOLD_US / 1e6, LOST_US / 1e6
LOOK_S = 1.0  # 718 of them cost a thousandth of a core

log = logging.getLogger(__name__)


class News(Enum):
    """What has become of a stream at one speaker."""

    COMES = "comes"  # again
    AWAY = "away"  # for three seconds, and the fallback sounds
    LOST = "lost"  # for ten; it is given up
    END = "end"  # its last packet was there


class Line(Protocol):
    """A simulated speaker's way to the broker."""

    @property
    def area(self) -> str: ...
    @property
    def hears(self) -> bool: ...  # it is connected, and takes in what comes
    def time_us(self) -> int | None: ...
    def listen(self, topic: str, handler: Callable[[bytes], None], *, qos: int = 0) -> None: ...
    def unlisten(self, topic: str) -> None: ...


class SimulatedStreams:
    """All that the simulated speakers of one process listen to."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._streams: dict[tuple[str, int], _Stream] = {}

    def open(
        self, order: Order, line: Line, tell: Callable[[News], None], *, after_s: float, filled: bool
    ) -> "Listening":
        """Follow the stream that the order names, until it is closed or told to be over.

        :param tell: called with each change, never from in here.
        :param after_s: its sound is wanted from then on.
        :param filled: something else sounds while it is away, so that it is never given up.
        """
        key = order.id, order.stream
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream(
                order, self._trust, line.area, over=lambda: self._streams.pop(key, None)
            )
        return Listening(stream, line, tell, after_s=after_s, filled=filled)


class _Stream:
    """What one of them hears for all."""

    def __init__(self, order: Order, trust: Trust, area: str, *, over: Callable[[], object]) -> None:
        self.came_at = 0.0  # when a packet was believed last, by the loop's clock
        self.ended = False
        self._guard, self._over = StreamGuard(order, trust, area=area), over
        root = root_of(order.exercise)
        self._head, self._packets = head_topic(root, order.stream), live_topic(root, order.stream)
        self._lines: list[Line] = []
        self._ear: Line | None = None
        self._loop = asyncio.get_running_loop()

    def join(self, line: Line) -> None:
        self._lines.append(line)
        self.attend()

    def attend(self) -> None:
        """Somebody who can listens."""
        if self._ear is not None and self._ear.hears:
            return
        self._hang_up()
        self._ear = next((line for line in self._lines if line.hears), None)
        if self._ear is not None:
            self._ear.listen(self._head, self._hear_head)
            self._ear.listen(self._packets, self._hear_packet)

    def leave(self, line: Line) -> None:
        self._lines.remove(line)
        if line is self._ear:
            self._hang_up()
            self.attend()
        if not self._lines:
            self._over()

    def _hang_up(self) -> None:
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.unlisten(self._packets)
            ear.unlisten(self._head)

    def _hear_head(self, frame: bytes) -> None:
        now_us = None if self._ear is None else self._ear.time_us()
        if now_us is None:
            return
        try:
            self._guard.hear_head(frame, now_us)
        except (NotAuthentic, BadMessage) as err:
            log.debug("a head is refused: %s", err)
            return
        self.ended = self._guard.head is not None and self._guard.head.ended

    def _hear_packet(self, data: bytes) -> None:
        now_us = None if self._ear is None else self._ear.time_us()
        if now_us is None:
            return
        try:
            self._guard.hear_packet(data, now_us)
        except (NotAuthentic, BadMessage) as err:
            log.debug("a packet is refused: %s", err)
            return
        self.came_at = self._loop.time()


class Listening:
    """One simulated speaker that sounds a stream."""

    __slots__ = ("_away", "_came_at", "_filled", "_line", "_loop", "_stream", "_tell", "_timer")

    def __init__(
        self, stream: _Stream, line: Line, tell: Callable[[News], None], *, after_s: float, filled: bool
    ) -> None:
        self._stream, self._line, self._tell, self._filled = stream, line, tell, filled
        self._loop = asyncio.get_running_loop()
        self._came_at = self._loop.time() + after_s
        self._away = False
        stream.join(line)
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(LOOK_S, self._look)

    def close(self) -> None:
        """It does not sound any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._stream.leave(self._line)

    def _look(self) -> None:
        stream, now = self._stream, self._loop.time()
        stream.attend()
        if self._line.hears:
            self._came_at = max(self._came_at, stream.came_at)
        away_s = now - self._came_at
        if self._line.hears and stream.ended:
            self._over(News.END)
        elif away_s >= LOST_S and not self._filled:
            self._over(News.LOST)
        else:
            left_s = LOST_S - away_s if not self._filled else LOOK_S
            self._timer = self._loop.call_later(min(LOOK_S, max(left_s, 0.0)), self._look)
            if self._filled and self._away is not (away_s >= HOLD_S):
                self._away = not self._away
                self._tell(News.AWAY if self._away else News.COMES)

    def _over(self, news: News) -> None:
        self.close()
        self._tell(news)
