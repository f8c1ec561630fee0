"""Long sounds on their way from the disk to the sound thread: decoded a few seconds ahead, by one thread for all of them.

A programme of an hour as samples would be 345 MB; four seconds are 384 kB, and a disk may hesitate for as long. The decoder's
thread works in bursts and, inside libav, without Python's lock, so the sound thread keeps its 20 ms.
"""

import logging
import threading
from collections import deque
from collections.abc import Generator
from typing import Protocol

from audio_assets.pcm import RATE_HZ, SAMPLE_BYTES
from audio_assets.rendering import UnsupportedAudio

AHEAD_BYTES = 4 * RATE_HZ * SAMPLE_BYTES
LOW_BYTES = (
    AHEAD_BYTES // 2
)  # from here on it is filled up again: a burst of 2 s of sound instead of a hundred small wake-ups
READY_BYTES = (
    RATE_HZ * SAMPLE_BYTES // 5
)  # enough to begin with: what follows is decoded a hundred times faster than it sounds
_TURN_BYTES = READY_BYTES  # decoded for one reel before the next has its turn
_CLOSE_WITHIN_S = 2.0

log = logging.getLogger(__name__)


class Source(Protocol):
    """A sound that can be read from any sample on; `OpusFile`."""

    @property
    def samples(self) -> int: ...

    def read(self, from_sample: int = 0) -> Generator[bytes, None, None]:
        """:raises UnsupportedAudio: damaged. :raises OSError: the disk does not give it."""
        ...


class Reel:
    """One long sound that is being read (预读). `take` and what it needs are for the sound thread and never wait."""

    def __init__(self, source: Source, from_sample: int, wake: threading.Event) -> None:
        self._wake = wake
        self._pieces: deque[bytes] = deque()
        self._rest, self._at = b"", 0  # of the piece that is being taken
        self._decoded = self._taken = 0
        self._whole = False  # nothing will be added any more
        self._closed = False
        self._failure: Exception | None = None
        self._is_ready = threading.Event()
        self._source = source.read(from_sample)

    @property
    def buffered_bytes(self) -> int:
        return self._decoded - self._taken

    @property
    def ready(self) -> bool:
        """Whether there is enough to begin with."""
        return self._is_ready.is_set()

    @property
    def ended(self) -> bool:
        """Whether everything there will ever be has been taken."""
        return self._whole and self._taken == self._decoded

    def take(self, size: int) -> bytes:
        """What is there of the next bytes; fewer when the decoder is late, or at the end.

        :raises UnsupportedAudio, OSError: the file can't be read any further; all that could has been taken.
        """
        taken = bytearray()
        while len(taken) < size:
            if self._at >= len(self._rest):
                if not self._pieces:
                    break
                self._rest, self._at = self._pieces.popleft(), 0
            piece = self._rest[self._at : self._at + size - len(taken)]
            self._at += len(piece)
            taken += piece
        self._taken += len(taken)
        if not self._whole and self.buffered_bytes < LOW_BYTES and not self._wake.is_set():
            self._wake.set()
        if not taken and self._failure is not None and self.ended:
            raise self._failure
        return bytes(taken)

    def wait(self, timeout_s: float) -> bool:
        """Until it is ready; never in the sound thread. Whether it is."""
        return self._is_ready.wait(timeout_s)

    def close(self) -> None:
        """Nobody takes from it any more."""
        self._closed = True
        self._wake.set()

    # ---- the decoder's thread -------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do for it."""
        return self._closed or self._whole

    @property
    def hungry(self) -> bool:
        return not self.over and self.buffered_bytes < AHEAD_BYTES

    def fill(self) -> None:
        """Decode one turn's worth."""
        goal = self._decoded + _TURN_BYTES
        try:
            while self._decoded < goal and not self._closed:
                piece = next(self._source, None)
                if piece is None:
                    self._whole = True
                    break
                self._pieces.append(piece)
                self._decoded += len(piece)
        except (UnsupportedAudio, OSError) as err:
            self._failure, self._whole = err, True
        if self._whole or self.buffered_bytes >= READY_BYTES:
            self._is_ready.set()

    def let_go(self) -> None:
        """Close the file."""
        self._source.close()


class Reels:
    """The decoder's thread and the reels that it fills, the emptiest first."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._reels: deque[Reel] = deque()  # appended to by anybody, emptied by the thread
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="reels", daemon=True)
        self._thread.start()

    def open(self, source: Source, from_sample: int = 0, *, at_once: bool = False) -> Reel:
        """Begin to read. Comes back at once: the file itself is opened by the decoder's thread.

        :param at_once: by the caller instead, who waits 2 ms for the disk; two threads that wait for each other take longer.
        """
        reel = Reel(source, from_sample, self._wake)
        if at_once:
            reel.fill()
        self._reels.append(reel)
        self._wake.set()
        return reel

    def close(self) -> None:
        """End the thread; reels give what they hold."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_WITHIN_S)

    def work(self) -> bool:
        """One turn: fill the emptiest reel a little; False when there is nothing to do. A test calls it in the thread's place."""
        for _ in range(len(self._reels)):
            reel = self._reels.popleft()
            if reel.over:
                reel.let_go()
            else:
                self._reels.append(reel)
        hungry = [reel for reel in self._reels if reel.hungry]
        if not hungry:
            return False
        min(hungry, key=lambda reel: reel.buffered_bytes).fill()
        return True

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait()
            self._wake.clear()
            try:
                while self.work() and not self._closing:
                    pass
            except Exception:  # one bad file must not end the thread that reads all the others
                log.exception("a sound could not be read")
        for reel in self._reels:
            reel.let_go()
