"""What sounds under one token: segments one after another, read 20 ms at a time, with a position that can be resumed."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audio_assets.pcm import FRAME_BYTES, SAMPLE_BYTES, SAMPLES_PER_MS, SILENT_FRAME, Pcm, ramp

_BYTES_PER_MS = SAMPLES_PER_MS * SAMPLE_BYTES


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound that is there."""

    pcm: Pcm


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing, for a while."""

    ms: int


@dataclass(frozen=True, slots=True)
class Await:
    """A sound that may still be on its way: `meanwhile` sounds over and over until `get` has it.

    An emergency never waits for a download: its attention signal goes on instead. `get` is asked every 20 ms in the sound
    thread, so it only looks something up; what it raises fails the track. The time of waiting does not count as position.
    """

    get: Callable[[], Pcm | None]
    meanwhile: Pcm


Segment = Clip | Pause | Await


def sequence(
    tone: Pcm, sound: Callable[[], Pcm | None] | None, *, meanwhile: Pcm, repeats: int = 1, gap_ms: int = 0
) -> tuple[Segment, ...]:
    """An order's segments: its tone, then its sound as often as it says. Without a sound the tone is repeated."""
    first: tuple[Segment, ...] = (Clip(tone),) if sound is not None and tone.samples else ()
    repeated: Segment = Clip(tone) if sound is None else Await(sound, meanwhile)
    gap: tuple[Segment, ...] = (Pause(gap_ms),) if gap_ms else ()
    return (*first, repeated, *((*gap, repeated) * (repeats - 1)))


class Track:
    """Reads segments as frames, from a position on."""

    def __init__(self, segments: Sequence[Segment], *, from_ms: int = 0) -> None:
        self._left = deque(segments)
        self._skip = from_ms * _BYTES_PER_MS  # bytes of the segments ahead that are not to be heard
        self._data = b""
        self._at = 0
        self._passed = 0  # bytes of the segments read so far
        self._loop = SILENT_FRAME  # the meanwhile sound
        self._waiting_at: int | None = None  # where in it, while it is needed

    @property
    def position_ms(self) -> int:
        """Where the next frame begins: how much of the segments, without any waiting, lies before it."""
        return (self._passed + self._skip) // _BYTES_PER_MS

    @property
    def at_end(self) -> bool:
        """Whether everything has been read."""
        return not self._left and self._at >= len(self._data)

    def read(self) -> bytes:
        """The next frame; shorter, in the end empty, when there is no more.

        :raises Exception: whatever an `Await.get` raises.
        """
        frame = bytearray()
        while len(frame) < FRAME_BYTES and not self.at_end:
            if self._at >= len(self._data) and not self._load():
                waited = self._wait(FRAME_BYTES - len(frame))
                return bytes(frame) + waited
            piece = self._data[self._at : self._at + FRAME_BYTES - len(frame)]
            frame += piece
            self._at += len(piece)
            self._passed += len(piece)
        return bytes(frame)

    def _load(self) -> bool:
        """Take up the next segment; False when its sound is not there, or has just come and the meanwhile must end first."""
        segment = self._left[0]
        match segment:
            case Clip(pcm):
                data = pcm.data
            case Pause(ms):
                data = bytes(ms * _BYTES_PER_MS)
            case Await(get):
                got = get()
                if got is None:
                    self._waiting_at = self._waiting_at or 0
                    return False
                if self._waiting_at is not None:
                    self._left[0] = Clip(got)
                    return False
                data = got.data
        self._left.popleft()
        self._at = min(self._skip, len(data))
        self._passed += self._at
        self._skip -= self._at
        self._data = data
        return True

    def _wait(self, size: int) -> bytes:
        """A piece of the meanwhile sound; the last one fades out when the sound has come."""
        segment, at = self._left[0], self._waiting_at or 0
        if isinstance(segment, Await):
            self._loop = segment.meanwhile.data or SILENT_FRAME
        piece = self._loop[at : at + size]
        while len(piece) < size:
            piece += self._loop[: size - len(piece)]
        if isinstance(segment, Await):
            self._waiting_at = (at + size) % len(self._loop)
            return piece
        self._waiting_at = None
        return ramp(piece, rising=False)
