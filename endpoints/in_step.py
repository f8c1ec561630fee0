"""Sounds so that neighbours sound together: the first sample at its instant, every other one when the server's time says.

The instant lies somewhere inside a frame, so silence of that many samples goes before. Later on card and server drift apart by
some 50 ppm, 6 ms in a minute between two bad crystals (research/audio §4.3): single samples are left out or said twice, where
the sound is flattest, at most so many that nobody hears it. In silence there is nothing to hear, and it goes faster.

Far out of step is what a card left behind that ran dry, or a late beginning. A listener between two loudspeakers hears that, so
it is taken back at once: pieces of up to 20 ms are left out or said twice (`splice`), five a second, a tenth of the sound. No word
is lost by that. A clock that was set is not followed.
"""

import audioop
from array import array
from collections.abc import Callable
from itertools import pairwise

from audio_assets.pcm import FRAME_BYTES, FRAME_SAMPLES, RATE_HZ, SAMPLE_BYTES, ramp
from endpoints.splice import needed, with_more, without
from endpoints.time_line import TimeLine
from endpoints.track import Readable

Line = Callable[[], TimeLine | None]

CATCH_UP_S = 2.0  # what begins later than this stays as late as it is
JUMP_S = 0.1  # by more a clock was set: neighbours see that each at another time, so it is not followed
BEGIN_S, ENOUGH_S = 0.06e-3, 0.02e-3  # off by so much a correction begins, and ends
PULL_PER_S = 0.4  # of what it is off by is taken back each second
LEARN_PER_S = PULL_PER_S**2 / 4  # and the crystals' difference learned so fast that nothing swings
FASTEST = 500e-6  # a hundredth of a semitone, 24 samples a second
FAR_S, NEAR_S = 3e-3, 1e-3  # off by more pieces go or are said twice, until it is off by less
LESS_S, MORE_S = 0.02, 0.01  # of one piece, at most
APART_S = 0.2  # from one piece to the next
LOOK_S = 3e-3  # so much more or less of it is as good, if it fits better
EVEN = 5e-6  # crystals that differ by less are left alone
SILENT_PEAK = 32  # -60 dBFS
IN_SILENCE = 0.25  # of a silent frame may go, or be added


class Due:
    """When each moment of a sound should be heard: its beginning at `at`, all the rest by the server's time.

    :param at: monotonic seconds.
    :param line: asked again and again: the server's time as it is known then.
    """

    def __init__(self, at: float, line: Line) -> None:
        self._line = line
        self._drawn = line() or TimeLine(at, 0)
        self._begin_us = self._drawn.us(at)

    def when(self, seconds: float) -> float:
        """The monotonic time at which that much of it should have been heard."""
        us = self._begin_us + round(seconds * 1e6)
        before, line = self._drawn, self._line()
        if line is None or line is before:
            return before.when(us)
        jump_s = line.when(us) - before.when(us)
        if abs(jump_s) > JUMP_S:
            self._begin_us += line.us(before.when(us)) - us
            us = self._begin_us + round(seconds * 1e6)
        self._drawn = line
        return line.when(us)


class InStep:
    """Reads a sound frame by frame, in time.

    :param due: None: it begins with the next frame and is corrected by nothing.
    :param keeps_time: the sound looks at the clock itself, as live sound does: its beginning is put in step, no more.
    :param skip_ms: when it begins too late it may leave out so much of its beginning to be in step. Later than that it begins
        with its first sample, and comes into step slowly.
    """

    def __init__(self, sound: Readable, due: Due | None = None, *, skip_ms: int = 0, keeps_time: bool = False) -> None:
        self.sound, self._due, self._skip_s, self._keeps_time = sound, due, skip_ms / 1000, keeps_time
        self.begins_at: float | None = None  # when its first sample is heard; known from the first frame on
        self.corrected = 0  # samples left out, less those said twice
        self._begun = self._fresh = False
        self._ready = b""  # read and not yet heard
        self._taken = 0  # samples read
        self._late_s = 0.0  # it began so much too late
        self._correcting = False
        self._far = False
        self._spliced = 0  # samples read until the last splice
        self._drift = 0.0  # the card's frames are longer than the server's, by so many parts
        self._owed = 0.0  # samples that should go by now; negative: come

    @property
    def position_ms(self) -> int:
        """Where the next frame begins."""
        return max(0, self.sound.position_ms - len(self._ready) * 1000 // (RATE_HZ * SAMPLE_BYTES))

    @property
    def ahead_s(self) -> float:
        """What the sound is asked for now is heard so much later than the frame that is being read begins."""
        return len(self._ready) / (RATE_HZ * SAMPLE_BYTES)

    @property
    def at_end(self) -> bool:
        return self._begun and not self._ready and self.sound.at_end

    def read(self, leaves_at: float | None, *, drift: float = 0.0) -> bytes | None:
        """The next frame; shorter, in the end empty, when there is no more. None: its instant has not come.

        :param leaves_at: when the first sample of this frame will be heard.
        :param drift: by how many parts the card's frames are longer than 20 ms, as far as is known; looked at when it begins.
        :raises Exception: what the sound raises.
        """
        if not self._begun:
            self._drift = drift
            wait = self._wait(leaves_at)
            if wait >= FRAME_SAMPLES:
                return None
            self._begin(wait, leaves_at)
        while len(self._ready) < FRAME_BYTES and not self.sound.at_end:
            piece = self._next_piece(leaves_at)
            if not piece:
                break
            self._ready += piece
        frame, self._ready = self._ready[:FRAME_BYTES], self._ready[FRAME_BYTES:]
        return frame

    # ---- the beginning ------------------------------------------------------------------------------------------------------

    def _wait(self, leaves_at: float | None) -> int:
        """How many samples of silence come first; negative when it is too late."""
        if self._due is None or leaves_at is None:
            return 0
        return round((self._due.when(0.0) - leaves_at) * RATE_HZ)

    def _begin(self, wait: int, leaves_at: float | None) -> None:
        self._begun = self._fresh = True
        if wait >= 0:
            self._ready = bytes(wait * SAMPLE_BYTES)
        elif -wait <= self._skip_s * RATE_HZ:
            self._skip(-wait)
        elif -wait > CATCH_UP_S * RATE_HZ:
            self._late_s = -wait / RATE_HZ
        if leaves_at is not None:
            self.begins_at = leaves_at + max(0, wait) / RATE_HZ
        if leaves_at is None or self._keeps_time:  # nobody knows when what sounds is heard, or it does so itself
            self._due = None

    def _skip(self, samples: int) -> None:
        size, read = samples * SAMPLE_BYTES, bytearray()
        while len(read) < size + FRAME_BYTES and not self.sound.at_end:
            read += self.sound.read()
        self._taken = len(read) // SAMPLE_BYTES
        self._ready = self._faded_in(bytes(read[size:]))

    def _faded_in(self, piece: bytes) -> bytes:
        if not piece or not self._fresh:
            return piece
        self._fresh = False
        return ramp(piece, rising=True)

    # ---- all the rest -------------------------------------------------------------------------------------------------------

    def _next_piece(self, leaves_at: float | None) -> bytes:
        """As much as the sound gives, a little more or less of it."""
        begins_s, piece = self._taken / RATE_HZ, self.sound.read()
        self._taken += len(piece) // SAMPLE_BYTES
        if self._fresh:
            return self._faded_in(piece)
        if self._due is None or leaves_at is None:
            return piece
        late_s = leaves_at + self.ahead_s - self._due.when(begins_s) - self._late_s
        self._far = abs(late_s) > (NEAR_S if self._far else FAR_S)
        if self._far and self._taken - self._spliced >= APART_S * RATE_HZ and not _is_silent(piece):
            return self._brought_near(piece, late_s)
        return self._corrected(piece, late_s)

    def _brought_near(self, piece: bytes, late_s: float) -> bytes:
        """The piece, and what follows it if that is needed, with up to 20 ms less; or with up to 10 ms more."""
        wanted_s = min(late_s, LESS_S) if late_s > 0 else min(-late_s, MORE_S)
        look_s = min(LOOK_S, wanted_s / 4)
        least, most = round((wanted_s - look_s) * RATE_HZ), round((wanted_s + look_s) * RATE_HZ)
        while len(piece) < needed(most) * SAMPLE_BYTES and not self.sound.at_end:
            more = self.sound.read()
            self._taken += len(more) // SAMPLE_BYTES
            piece += more
        if len(piece) < needed(most) * SAMPLE_BYTES:
            return piece  # its end
        changed = without(piece, least, most) if late_s > 0 else with_more(piece, least, most)
        self.corrected += (len(piece) - len(changed)) // SAMPLE_BYTES
        self._spliced, self._owed = self._taken, 0.0
        return changed

    def _corrected(self, piece: bytes, late_s: float) -> bytes:
        """The piece with a sample less when it is late, one more when it is early."""
        count = len(piece) // SAMPLE_BYTES
        self._correcting = abs(late_s) > BEGIN_S or (
            self._correcting and (abs(late_s) > ENOUGH_S or abs(self._drift) > EVEN)
        )
        if not self._correcting or count < FRAME_SAMPLES // 2:
            return piece
        if abs(late_s) > BEGIN_S and _is_silent(piece):
            size = min(round(abs(late_s) * RATE_HZ), int(count * IN_SILENCE))
            return self._changed(piece, size if late_s > 0 else -size)
        pace = late_s * PULL_PER_S + self._drift
        if abs(pace) < FASTEST:
            self._drift += late_s * LEARN_PER_S * count / RATE_HZ
        self._owed += min(max(pace, -FASTEST), FASTEST) * count
        if abs(self._owed) < 1:
            return piece
        size = 1 if self._owed > 0 else -1
        self._owed -= size
        return self._changed(piece, size)

    def _changed(self, piece: bytes, size: int) -> bytes:
        self.corrected += size
        return shorter(piece, size) if size > 0 else longer(piece, -size)


def _is_silent(piece: bytes) -> bool:
    return audioop.max(piece, SAMPLE_BYTES) < SILENT_PEAK


def shorter(piece: bytes, size: int) -> bytes:
    """Without so many samples, where that is least heard."""
    cut = (_flattest(piece) + 1) * SAMPLE_BYTES if size == 1 else len(piece) // 2 // SAMPLE_BYTES * SAMPLE_BYTES
    cut = min(cut, len(piece) - size * SAMPLE_BYTES)
    return piece[:cut] + piece[cut + size * SAMPLE_BYTES :]


def longer(piece: bytes, size: int) -> bytes:
    """With so many samples more, in between the two that they take after."""
    at = _flattest(piece) if size == 1 else len(piece) // 2 // SAMPLE_BYTES
    samples = array("h", piece)
    between = (samples[at] + samples[min(at + 1, len(samples) - 1)]) // 2
    cut = (at + 1) * SAMPLE_BYTES
    return piece[:cut] + array("h", [between] * size).tobytes() + piece[cut:]


def _flattest(piece: bytes) -> int:
    """The sample whose neighbours on both sides are nearest to it: between them one more or less changes least."""
    samples = array("h", piece)
    steps = [abs(one - other) for one, other in pairwise(samples)]
    both = [one + other for one, other in pairwise(steps)]
    return both.index(min(both))
