"""What sounds under one token: segments one after another, read 20 ms at a time, with a position that can be resumed.

A sound is in memory (`Pcm`) or read from the disk while it sounds (`Long`); one follows the other without a gap either way, since
a long one is opened before its turn. What is not there is waited for (`Await`: an emergency's words) or has its time pass without
it (`Slot`: a part of a programme, which stays in step with the neighbours' and is taken up in the middle when its file comes).
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from audio_assets.pcm import FRAME_BYTES, SAMPLE_BYTES, SAMPLES_PER_MS, SILENT_FRAME, Pcm, ramp

BYTES_PER_MS = SAMPLES_PER_MS * SAMPLE_BYTES
LOOK_AHEAD_BYTES = 3_000 * BYTES_PER_MS  # so long before its turn the next sound is opened
_WORTH_WAITING_BYTES = 100 * BYTES_PER_MS


class Readable(Protocol):
    """What a voice can sound. Read in the sound thread: nothing here waits."""

    @property
    def position_ms(self) -> int:
        """Where the next frame begins."""
        ...

    @property
    def at_end(self) -> bool:
        """Whether everything has been read."""
        ...

    def read(self) -> bytes:
        """The next frame; shorter, in the end empty, when there is no more. What it raises fails the token."""
        ...


class Reader(Protocol):
    """A long sound that is being read ahead; `Reel`."""

    @property
    def ready(self) -> bool: ...
    @property
    def ended(self) -> bool: ...
    def take(self, size: int) -> bytes: ...
    def wait(self, timeout_s: float) -> bool: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Long:
    """A sound that is read from the disk while it sounds.

    :param samples: its length.
    :param open: begins to read it from a sample on, without waiting for the disk.
    :param open_now: likewise, and is ready; not for the sound thread.
    """

    samples: int
    open: Callable[[int], Reader]
    open_now: Callable[[int], Reader]


Sound = Pcm | Long
Get = Callable[[], Sound | None]  # asked every 20 ms in the sound thread, so it only looks something up


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
    """A sound that may still be on its way: `meanwhile` sounds over and over until `get` has it; what it raises fails the track.

    An emergency never waits for a download: its attention signal goes on instead. The time of waiting does not count as position.
    """

    get: Get
    meanwhile: Pcm


@dataclass(frozen=True, slots=True)
class Slot:
    """A sound that has its time: while it is not there the track is `absent`, and what follows comes when it should.

    :param ms: how long it is said to be.
    """

    get: Get
    ms: int


Segment = Clip | Pause | Await | Slot


def sequence(
    tone: Pcm, parts: Sequence[Segment], *, repeats: int = 1, gap_ms: int = 0, closing: Pcm | None = None
) -> tuple[Segment, ...]:
    """An order's segments: its tone, its parts as often as it says, the closing. Without parts the tone is repeated."""
    first: tuple[Segment, ...] = (Clip(tone),) if parts and tone.samples else ()
    repeated: tuple[Segment, ...] = tuple(parts) or (Clip(tone),)
    gap: tuple[Segment, ...] = (Pause(gap_ms),) if gap_ms else ()
    last: tuple[Segment, ...] = (Clip(closing),) if closing is not None and closing.samples else ()
    return (*first, *repeated, *((*gap, *repeated) * (repeats - 1)), *last)


class Track:
    """Reads segments as frames, from a position on.

    :param at_once: `ready` waits for the disk if it must, and so is true.
    """

    def __init__(self, segments: Sequence[Segment], *, from_ms: int = 0, at_once: bool = False) -> None:
        self.underruns = 0  # frames for which the disk was too slow; silence in their place
        self.absent = False  # whether the frame read last is silence in place of a sound that is not there
        self.planned = False  # whether it is silence that was meant
        self._left = deque(segments)
        self._skip = from_ms * BYTES_PER_MS  # bytes of the segments ahead that are not to be heard
        self._passed = 0  # bytes of the segments that are over
        self._cell: _Cell | None = None  # the one that sounds
        self._ahead: tuple[Segment, Long, Reader] | None = None  # opened before its turn
        self._at_once = at_once  # until its first sound is open

    @property
    def position_ms(self) -> int:
        """How much of the segments, without any waiting, lies before the next frame."""
        at = self._cell.at if self._cell else 0
        return (self._passed + at + self._skip) // BYTES_PER_MS

    @property
    def at_end(self) -> bool:
        return self._cell is None and not self._left

    @property
    def ready(self) -> bool:
        """Whether the beginning is at hand. Asked before the first `read`, outside of the sound thread."""
        if self._cell is None:
            self._next()
        self._at_once = False
        return not isinstance(self._cell, _Spool) or self._cell.reader.ready

    @property
    def begins_absent(self) -> bool:
        """Whether what sounds next is not there. Like `ready`."""
        return self.ready and isinstance(self._cell, _Missing)

    def wait(self, timeout_s: float) -> bool:
        """Until it is ready; never in the sound thread. Whether it is."""
        return self.ready or (isinstance(self._cell, _Spool) and self._cell.reader.wait(timeout_s))

    def close(self) -> None:
        """It will not be read on, but for a frame that fades out."""
        if self._cell is not None:
            self._cell.close()
        if self._ahead is not None:
            self._ahead[2].close()

    def read(self) -> bytes:
        frame = bytearray()
        self.absent = self.planned = False
        while len(frame) < FRAME_BYTES and (self._cell is not None or self._next()):
            cell = self._cell
            if cell is None:
                break
            frame += cell.read(FRAME_BYTES - len(frame))
            self.absent |= cell.absent
            self.planned |= isinstance(cell, _Silence)
            self.underruns += cell.late
            cell.late = 0
            if cell.done:
                self._over(cell)
        self._look_ahead()
        return bytes(frame)

    def _over(self, cell: "_Cell") -> None:
        """The cell has come to its end, or another takes its place."""
        after, self._cell = cell.successor, None
        if after is None:
            self._passed += cell.at
        elif isinstance(after, int):
            self._skipped(after)
        else:
            self._cell, self._skip = after, 0

    def _next(self) -> bool:
        """Begin with the next segment that is not skipped; False when there is none."""
        while self._left:
            segment = self._left.popleft()
            cell = self._cell_of(segment, self._skip)
            if isinstance(cell, int):
                self._skipped(cell)
                continue
            if not isinstance(cell, _Waiting):
                self._skip = 0
            self._cell = cell
            return True
        return False

    def _skipped(self, length: int) -> None:
        """A segment of that length lies before what is to be heard."""
        self._passed += length
        self._skip -= length

    def _cell_of(self, segment: Segment, at: int) -> "_Cell | int":
        """What reads the segment from there on, or its length when that lies behind it."""
        match segment:
            case Clip(pcm):
                return _Memory(pcm.data, at) if at < len(pcm.data) else len(pcm.data)
            case Pause(ms):
                length = ms * BYTES_PER_MS
                return _Silence(length, at) if at < length else length
            case Await(get, meanwhile):
                sound = self._opened(segment) or get()
                if sound is None:
                    return _Waiting(get, meanwhile.data or SILENT_FRAME, at)
                return _cell_of_sound(sound, at, self._reader_of(sound, at), in_step=False)
            case Slot(get, ms):
                sound = self._opened(segment) or get()
                if sound is None:
                    length = ms * BYTES_PER_MS
                    return _Missing(get, length, at) if at < length else length
                return _cell_of_sound(sound, at, self._reader_of(sound, at), in_step=True)

    def _look_ahead(self) -> None:
        """Open the next sound when its turn is near."""
        if self._ahead is not None or self._cell is None or not self._left:
            return
        segment = self._left[0]
        if isinstance(segment, Await | Slot) and self._cell.length - self._cell.at <= LOOK_AHEAD_BYTES:
            try:
                sound = segment.get()
            except Exception:  # it fails when its turn has come, and not what sounds before it
                return
            if isinstance(sound, Long):
                self._ahead = segment, sound, sound.open(0)

    def _opened(self, segment: Segment) -> Sound | None:
        return self._ahead[1] if self._ahead is not None and self._ahead[0] is segment else None

    def _reader_of(self, sound: Sound, at: int) -> Reader | None:
        """One that is open already."""
        if self._at_once and isinstance(sound, Long) and at < sound.samples * SAMPLE_BYTES:
            return sound.open_now(at // SAMPLE_BYTES)
        if self._ahead is None or self._ahead[1] is not sound:
            return None
        reader, self._ahead = self._ahead[2], None
        return reader


# ---- what reads one segment --------------------------------------------------------------------------------------------------


class _Cell:
    """One segment that is being read, in bytes: where it is, how long it is, and what goes on in its place."""

    absent = False
    done = False
    late = 0  # frames since the track looked that came too late from the disk
    successor: "_Cell | int | None" = None  # a length: it lies before what is to be heard

    def __init__(self, length: int, at: int) -> None:
        self.length, self.at = length, at

    def read(self, size: int) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of a file."""


def _cell_of_sound(sound: Sound, at: int, reader: Reader | None, *, in_step: bool) -> "_Cell | int":
    if isinstance(sound, Pcm):
        return _Memory(sound.data, at) if at < len(sound.data) else len(sound.data)
    length = sound.samples * SAMPLE_BYTES
    if at >= length:
        return length
    return _Spool(reader or sound.open(at // SAMPLE_BYTES), length, at, in_step=in_step)


class _Memory(_Cell):
    def __init__(self, data: bytes, at: int) -> None:
        super().__init__(len(data), at)
        self._data = data
        self.done = at >= self.length

    def read(self, size: int) -> bytes:
        piece = self._data[self.at : self.at + size]
        self.at += len(piece)
        self.done = self.at >= self.length
        return piece


class _Silence(_Cell):
    def read(self, size: int) -> bytes:
        piece = bytes(min(size, self.length - self.at))
        self.at += len(piece)
        self.done = self.at >= self.length
        return piece


class _Spool(_Cell):
    """A long sound.

    :param in_step: what came too late is left out, so that it stays in step with the neighbours; otherwise nothing is lost.
    :param behind: so many bytes lie between where the reader begins and `at`.
    """

    def __init__(self, reader: Reader, length: int, at: int, *, in_step: bool, behind: int = 0) -> None:
        super().__init__(length, at)
        self.reader, self._in_step, self._behind = reader, in_step, behind

    def read(self, size: int) -> bytes:
        size = min(size, self.length - self.at)
        piece = b""
        try:
            self._behind -= len(self.reader.take(self._behind)) if self._behind else 0
            piece = b"" if self._behind else self.reader.take(size)
        except Exception:
            if not self._in_step:
                raise
            self._give_way()
            return b""
        if len(piece) < size and not self.reader.ended:
            self.late += 1
            if self._in_step:
                self._behind += size - len(piece)
                self.at += size - len(piece)
            self.at += len(piece)
            piece = piece.ljust(size, b"\0")
        else:
            self.at += len(piece)
        if self.at >= self.length:
            self.done = True
            self.reader.close()
        elif self.reader.ended:
            self._give_way()
        return piece

    def close(self) -> None:
        self.reader.close()

    def _give_way(self) -> None:
        """The file holds less than it said."""
        self.reader.close()
        self.done = True
        if self._in_step and self.length - self.at > _WORTH_WAITING_BYTES:
            self.successor = _Missing(lambda: None, self.length, self.at)


class _Missing(_Cell):
    """Silence in place of a sound that is not there, until it comes."""

    def __init__(self, get: Get, length: int, at: int) -> None:
        super().__init__(length, at)
        self._get = get
        self._reader: Reader | None = None
        self._sound: Sound | None = None
        self._opened_at = 0

    def read(self, size: int) -> bytes:
        self._look()
        if self.done:
            return b""
        self.absent = True
        piece = bytes(min(size, self.length - self.at))
        self.at += len(piece)
        self.done = self.at >= self.length
        return piece

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _look(self) -> None:
        """Whether the sound is there now, and can be gone on with where it would be."""
        if self._sound is None:
            self._sound = self._get()
            if isinstance(self._sound, Long) and self.at < self._sound.samples * SAMPLE_BYTES:
                self._reader, self._opened_at = self._sound.open(self.at // SAMPLE_BYTES), self.at
        if isinstance(self._sound, Pcm) and self.at < len(self._sound.data):
            self._give_way_to(_Memory(self._sound.data, self.at))
        elif isinstance(self._sound, Long) and self._reader is not None and self._reader.ready:
            length, behind = self._sound.samples * SAMPLE_BYTES, self.at - self._opened_at
            if self.at < length:
                self._give_way_to(_Spool(self._reader, length, self.at, in_step=True, behind=behind))

    def _give_way_to(self, cell: _Cell) -> None:
        self.done, self.successor, self.absent = True, cell, False


class _Waiting(_Cell):
    """The meanwhile sound, over and over; its last piece fades out when the sound has come.

    :param skip: where in the sound it goes on.
    """

    def __init__(self, get: Get, loop: bytes, skip: int) -> None:
        super().__init__(0, 0)
        self._get, self._loop, self._skip = get, loop, skip
        self._loop_at, self._fresh = 0, True
        self._next: _Cell | int | None = None

    def read(self, size: int) -> bytes:
        piece = self._loop[self._loop_at : self._loop_at + size]
        while len(piece) < size:
            piece += self._loop[: size - len(piece)]
        self._loop_at = (self._loop_at + size) % len(self._loop)
        if self._fresh:  # it was asked just now
            self._fresh = False
            return piece
        if self._next is None:
            sound = self._get()
            if sound is None:
                return piece
            self._next = _cell_of_sound(sound, self._skip, None, in_step=False)
        if isinstance(self._next, _Spool) and not self._next.reader.ready:
            return piece
        self.done, self.successor = True, self._next
        return ramp(piece, rising=False)

    def close(self) -> None:
        if isinstance(self._next, _Cell):
            self._next.close()
