"""What a simulated speaker is made of besides its player and its link: parts that can be broken on purpose."""

import errno
import time
from collections import OrderedDict

from endpoints.fields import BadMessage
from endpoints.kept import Kept
from endpoints.player import Trust
from endpoints.sealing import Message, NotAuthentic, Opened, TrustedKey


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
