"""What one site says, put in order: packets go in as they come, one frame of 20 ms goes out at each tick."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from audio_assets.live_codec import LiveDecoder
from audio_assets.pcm import FRAME_SAMPLES

Samples = NDArray[np.int32]
SILENCE: Samples = np.zeros(FRAME_SAMPLES, dtype=np.int32)

BEGIN_WITH = 3  # frames kept before the first sounds: 60 ms against jitter
MOST = 10  # more than this waiting is delay that nobody wants: the oldest go
GIVE_UP = 10  # frames without anything after which the beginning is waited for again
MOST_BYTES = 1275  # of an Opus frame (RFC 6716 §3.4)
GATE_DB = -55.0  # below this a site adds nothing but the noise of its room …
HANGOVER = 50  # … from one second after it was last louder
LEVEL_FRAMES = 15  # 300 ms
FULL_SCALE = 32_768.0
FLOOR_DB = -90.0


class Ear:
    """
    :ivar heard: it is in the mix: allowed, and louder than the gate within the last second.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, bytes] = {}
        self._next: int | None = None  # sequence number; None: waiting for a beginning
        self._missed = 0
        self._decoder: LiveDecoder | None = None
        self._quiet = HANGOVER
        self._powers: deque[float] = deque(maxlen=LEVEL_FRAMES)
        self.heard = False

    def push(self, sequence: int, payload: bytes) -> None:
        """A packet as it came; one that is late, twice or no Opus frame is dropped."""
        if len(payload) > MOST_BYTES or (self._next is not None and _behind(sequence, self._next)):
            return
        self._waiting[sequence] = payload
        if len(self._waiting) > MOST:
            newest = max(self._waiting, key=lambda one: (one - sequence + 0x8000) & 0xFFFF)
            self._next = (newest - BEGIN_WITH) & 0xFFFF
            self._waiting = {n: one for n, one in self._waiting.items() if not _behind(n, self._next)}

    def pull(self) -> bytes | None:
        """The frame whose turn it is; None: nothing, or it was lost."""
        if self._next is None:
            if len(self._waiting) < BEGIN_WITH:
                return None
            some = next(iter(self._waiting))
            self._next = min(self._waiting, key=lambda one: (one - some + 0x8000) & 0xFFFF)
        frame = self._waiting.pop(self._next, None)
        if frame is None and not self._waiting:
            self._missed += 1  # nothing later is there either: it may still come
            if self._missed >= GIVE_UP:
                self._next, self._missed = None, 0
            return None
        self._missed = 0
        self._next = (self._next + 1) & 0xFFFF
        return frame

    def decode(self, frame: bytes | None) -> Samples:
        """Its samples, and silence below the gate."""
        if self._decoder is None:
            self._decoder = LiveDecoder()
        raw = self._decoder.decode(frame) if frame else None
        samples = SILENCE if raw is None else np.frombuffer(raw, dtype=np.int16).astype(np.int32)
        power = float(np.mean(np.square(samples, dtype=np.float64))) if raw is not None else 0.0
        self._powers.append(power)
        self._quiet = 0 if _decibel(power) > GATE_DB else self._quiet + 1
        self.heard = self._quiet < HANGOVER
        return samples if self.heard else SILENCE

    def forget(self) -> None:
        """It is not to be heard: what it said meanwhile is not kept."""
        self._quiet, self.heard = HANGOVER, False
        self._powers.clear()

    @property
    def level_db(self) -> float:
        return _decibel(sum(self._powers) / len(self._powers)) if self._powers else FLOOR_DB


def _behind(sequence: int, other: int) -> bool:
    return ((sequence - other) & 0xFFFF) >= 0x8000


def _decibel(power: float) -> float:
    return max(FLOOR_DB, 10 * float(np.log10(power / FULL_SCALE**2))) if power > 0 else FLOOR_DB


def clipped(samples: Samples) -> bytes:
    return bytes(np.clip(samples, -32_768, 32_767).astype(np.int16).tobytes())
