"""A speaker's ear (拾音): remembers the last seconds of what was heard, each sample with its time on the monotonic clock.

It listens to a microphone before the horn, to a monitor of the amplifier, or, where a box has neither, to what is handed to the
sound card: that shows at least that the right sound was handed over, at the right time and to its end.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Protocol

from audio_assets.pcm import FRAME_BYTES, FRAME_MS, RATE_HZ, SAMPLE_BYTES, SILENT_FRAME
from endpoints.proof import Ear
from endpoints.sinks import Sink, Timer

log = logging.getLogger(__name__)

FRAME_S = FRAME_MS / 1000
KEEP_S = 15.0  # a window of four seconds with one to either side, and time to ask for it
KEEP_FRAMES = int(KEEP_S / FRAME_S)
_CLOCK_FRAMES = 100
_AGAIN_AFTER_S = 5.0


class Hearing(Protocol):
    """What a prover asks."""

    @property
    def kind(self) -> Ear: ...
    def between(self, start: float, end: float, *, deaf_s: float = 0.0) -> bytes | None:
        """The samples (mono s16le, 48 kHz) heard then, monotonic seconds; None when it did not listen all that time.

        :param deaf_s: so long at most may its listening have begun too late; there is silence in place of what it missed.
        """


class Memory:
    """Frames of 20 ms and when they were heard. One thread writes, any asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: deque[bytes] = deque(maxlen=KEEP_FRAMES)
        self._delays: deque[float] = deque(maxlen=_CLOCK_FRAMES)
        self._count = 0

    def heard(self, frame: bytes, at: float) -> None:
        """A frame whose first sample was heard at that time, as far as one can tell; the median of many can tell better."""
        with self._lock:
            self._frames.append(frame)
            self._delays.append(at - self._count * FRAME_S)
            self._count += 1

    def interrupted(self) -> None:
        """What comes now is not the continuation of what came before."""
        with self._lock:
            self._frames.clear()
            self._delays.clear()
            self._count = 0

    def between(self, start: float, end: float, *, deaf_s: float = 0.0) -> bytes | None:
        with self._lock:
            if not self._delays:
                return None
            first_at = median(self._delays) + (self._count - len(self._frames)) * FRAME_S
            data = b"".join(self._frames)
        begin = round((start - first_at) * RATE_HZ) * SAMPLE_BYTES
        finish = round((end - first_at) * RATE_HZ) * SAMPLE_BYTES
        missed = max(0, -begin)
        if missed > round(deaf_s * RATE_HZ) * SAMPLE_BYTES or not begin + missed < finish <= len(data):
            return None
        return bytes(missed) + data[begin + missed : finish]


class SinkEar:
    """A sink that remembers what it was given, in front of the real one."""

    kind = Ear.MONITOR

    def __init__(self, sink: Sink, *, timer: Timer = time) -> None:
        self._sink, self._timer, self._memory = sink, timer, Memory()
        self._starved = sink.starved

    @property
    def latency_s(self) -> float:
        return self._sink.latency_s

    @property
    def lost(self) -> bool:
        return self._sink.lost

    @property
    def starved(self) -> int:
        return self._sink.starved

    @property
    def ran_dry(self) -> int:
        return self._sink.ran_dry

    def write(self, frame: bytes) -> None:
        """:raises SinkLost: see `Sink`."""
        try:
            self._sink.write(frame)
        finally:
            if self._sink.lost:
                self._memory.interrupted()
            else:
                self._hear(frame, self._timer.monotonic() + self._sink.latency_s)

    def _hear(self, frame: bytes, at: float) -> None:
        """What the sink had to put in front of it was heard too: it is part of what it played."""
        starved, self._starved = max(0, self._sink.starved - self._starved), self._sink.starved
        for before in range(min(starved, KEEP_FRAMES), 0, -1):
            self._memory.heard(SILENT_FRAME, at - before * FRAME_S)
        self._memory.heard(frame, at)

    def close(self) -> None:
        self._sink.close()

    def between(self, start: float, end: float, *, deaf_s: float = 0.0) -> bytes | None:
        return self._memory.between(start, end, deaf_s=deaf_s)


@contextmanager
def hearing_with(spec: str, sink: Sink) -> Iterator[tuple[Sink, Hearing | None]]:
    """The sink to play on and the ear of a setting: `sink`, `monitor:DEVICE`, `microphone:DEVICE`, or empty for none.

    :raises ValueError: none of these.
    """
    kind, _, device = spec.partition(":")
    if not spec:
        yield sink, None
    elif spec == "sink":
        ear = SinkEar(sink)
        yield ear, ear
    elif kind in ("monitor", "microphone"):
        card = CardEar(_Card(device), Ear.MONITOR if kind == "monitor" else Ear.MICROPHONE)
        card.start()
        try:
            yield sink, card
        finally:
            card.close()
    else:
        raise ValueError(f"an ear is sink, monitor:DEVICE or microphone:DEVICE, not {spec!r}")


class _Card:
    """An input of a sound card, on the monotonic clock."""

    def __init__(self, device: str) -> None:
        self._device = device

    def pieces(self) -> Iterator[tuple[bytes, float]]:
        from audio_assets.live_inputs import CardInput, NoInput  # noqa: PLC0415  only a box with an ear needs PyAudio's inputs

        try:
            for data, ended_us in CardInput(self._device).pieces():
                yield data, time.monotonic() - (time.time() - ended_us / 1e6)
        except NoInput as err:
            raise OSError(str(err)) from err


class Pieces(Protocol):
    """An input: samples, and when the last of them was heard, monotonic seconds."""

    def pieces(self) -> Iterator[tuple[bytes, float]]:
        """:raises OSError: it went away, or was never there."""


class CardEar:
    """Listens to an input of a sound card in a thread of its own, and again after it went away."""

    def __init__(self, source: Pieces, kind: Ear) -> None:
        self.kind, self._source, self._memory = kind, source, Memory()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ear", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """What is being read ends with its frame."""
        self._closing.set()
        self._thread.join(2.0)

    def between(self, start: float, end: float, *, deaf_s: float = 0.0) -> bytes | None:
        return self._memory.between(start, end, deaf_s=deaf_s)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._listen()
            except OSError as err:
                log.warning("the ear hears nothing: %s", err)
            self._memory.interrupted()
            self._closing.wait(_AGAIN_AFTER_S)

    def _listen(self) -> None:
        left = b""
        for data, ended_at in self._source.pieces():
            left += data
            while len(left) >= FRAME_BYTES:
                behind_s = len(left) / SAMPLE_BYTES / RATE_HZ
                self._memory.heard(left[:FRAME_BYTES], ended_at - behind_s)
                left = left[FRAME_BYTES:]
            if self._closing.is_set():
                return
