"""What a simulated speaker is made of besides its player and its link: parts that can be broken on purpose."""

import asyncio
import errno
import time
from collections import OrderedDict
from collections.abc import Callable

from endpoints.effects import OnHand, Wanted
from endpoints.fields import BadMessage
from endpoints.kept import Kept
from endpoints.output import Sounding
from endpoints.player import Play, Trust
from endpoints.sealing import Message, NotAuthentic, Opened, TrustedKey
from endpoints.time_line import TimeLine
from endpoints.vocabulary import Reason


class RememberingTrust:
    """A trust store that remembers what it found, for thousands of speakers of one process that trust the same keys.

    Every frame is still verified, once for all of them instead of once for each: right for what the server is asked to stand,
    wrong as a measure of the speakers' own processors. What was refused is remembered likewise.

    :param size: how many frames; the least recently used one is forgotten.
    """

    def __init__(self, trust: Trust, *, size: int = 4096) -> None:
        self._trust, self._size = trust, size
        self._found: OrderedDict[tuple[bytes, Message, bool], Opened | NotAuthentic | BadMessage] = OrderedDict()

    @property
    def keys(self) -> tuple[TrustedKey, ...]:
        return self._trust.keys

    def open(self, frame: bytes, message: Message, *, exercise: bool) -> Opened:
        """:raises NotAuthentic: as the store. :raises BadMessage: as the store."""
        if message is Message.TIME:  # the answer to one speaker's nonce: nobody else will see it
            return self._trust.open(frame, message, exercise=exercise)
        which = frame, message, exercise
        found = self._found.get(which)
        if found is None:
            try:
                found = self._trust.open(frame, message, exercise=exercise)
            except (NotAuthentic, BadMessage) as err:
                found = err.with_traceback(None)
            self._found[which] = found
            if len(self._found) > self._size:
                self._found.popitem(last=False)
        else:
            self._found.move_to_end(which)
        if isinstance(found, Opened):
            return found
        raise found


class MemoryDisk:
    """Survives a power cut of the simulated speaker, not of the process. What is read has gone through bytes, as on a disk."""

    __slots__ = ("_kept", "full")

    def __init__(self) -> None:
        self._kept, self.full = Kept(), False

    def read(self) -> Kept:
        return Kept.from_bytes(self._kept.to_bytes())

    def write(self, kept: Kept) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "the disk is full")
        self._kept = kept


class SimulatedClock:
    """The machine's monotonic clock, until it is made to run wrong."""

    __slots__ = ("_base", "_rate", "_since")

    def __init__(self) -> None:
        self._base = self._since = 0.0
        self._rate = 1.0

    def now(self) -> float:
        return self._base + (time.monotonic() - self._since) * self._rate

    def seconds_until(self, at: float) -> float:
        return (at - self.now()) / self._rate

    def run_wrong(self, *, drift_ms_per_s: float, jump_ms: float) -> None:
        """:raises ValueError: it would stand still or run backwards."""
        if drift_ms_per_s <= -1000:
            raise ValueError(f"a clock that loses {-drift_ms_per_s} ms a second does not go forward")
        self._base = self.now() + jump_ms / 1000
        self._since, self._rate = time.monotonic(), 1 + drift_ms_per_s / 1000


class SimulatedOutput:
    """Sounds nothing and says that it did: started after a short while, finished when the order's sound would be over.

    :param latency_s: from `play` to the first frame, as at a real card.
    """

    __slots__ = ("_latency_s", "_loop", "_order", "_sounding", "_started", "_timer", "broken", "heard")

    def __init__(self, *, latency_s: float, heard: Callable[[Play], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._latency_s, self.heard, self.broken = latency_s, heard, False
        self._order, self._started = "", False
        self._sounding: Sounding | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def sounds(self) -> str:
        """The order that is heard now, or empty."""
        return self._order if self._started else ""

    silent = short_of_files = False

    def follow(self, line: Callable[[], TimeLine | None]) -> None:
        """It is as precise as its timer."""

    def on_change(self, changed: Callable[[], None]) -> None:
        """Whoever breaks it tells the box."""

    def play(self, play: Play, sounding: Sounding, *, left_s: float, at: float | None) -> None:
        self._clear()
        self._order, self._sounding = play.order.id, sounding
        self._timer = self._loop.call_later(self._latency_s, self._start, play)

    def stop(self, order: str) -> None:
        if order == self._order:
            self._clear()

    def set_volume(self, order: str, percent: int) -> None:
        """Nobody hears it."""

    def expect(self, wanted: tuple[Wanted, ...]) -> None:
        """Nothing to fetch."""

    def stock(self) -> OnHand:
        """Nothing was fetched."""
        return OnHand(0, 0, 0)

    def break_down(self, *, broken: bool) -> None:
        self.broken = broken
        if broken and self._started:
            self._end(Reason.SOUND_CARD)

    def _start(self, play: Play) -> None:
        if self.broken:
            self._end(Reason.SOUND_CARD)
            return
        self._started = True
        rest_s = max(0, play.order.sound_ms - play.from_ms) / 1000
        self._timer = self._loop.call_later(rest_s, self._end, Reason.NONE)
        self.heard(play)
        if self._sounding is not None:
            self._sounding.started()

    def _end(self, failure: Reason) -> None:
        sounding = self._sounding
        self._clear()
        if sounding is not None and failure is Reason.NONE:
            sounding.finished()
        elif sounding is not None:
            sounding.failed(failure)

    def _clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._sounding, self._order, self._started = None, None, "", False
