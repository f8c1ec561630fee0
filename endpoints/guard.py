"""No dead air: what is missing or silent in a programme is filled by the fallback, and said (补播).

The programme itself is read on unheard meanwhile: it keeps its place in time, and comes back when its sound does.
"""

import audioop
from collections.abc import Callable
from typing import Protocol

from audio_assets.pcm import FRAME_MS, SAMPLE_BYTES, mix, ramp, slope
from endpoints.track import Readable, Track
from endpoints.vocabulary import Reason

SILENT_RMS = 32  # of 32,768: -60 dBFS
SILENT_AFTER_FRAMES = 5_000 // FRAME_MS
SOUND_AFTER_FRAMES = 100 // FRAME_MS  # a crackle in a dead file is no sound


class SilenceDetector:
    """Says when something that should sound does not: five seconds under -60 dBFS, planned gaps left out, and no sound of 100 ms
    between. It is over when there is such a sound again."""

    def __init__(self) -> None:
        self.silent = False
        self._quiet = self._loud = 0  # frames

    def hear(self, frame: bytes, *, planned: bool = False) -> bool:
        """Whether it is silent now.

        :param planned: a gap that was meant, which neither adds to a silence nor ends it.
        """
        if planned:
            return self.silent
        if audioop.rms(frame, SAMPLE_BYTES) < SILENT_RMS:
            self._quiet, self._loud = self._quiet + 1, 0
        else:
            self._loud += 1
            if self._loud >= SOUND_AFTER_FRAMES:
                self._quiet = 0
        if self._quiet >= SILENT_AFTER_FRAMES:
            self.silent = True
        elif not self._quiet:
            self.silent = False
        return self.silent


class Watched(Readable, Protocol):
    """What says of each frame that it read what it was: a `Track`, or a live stream."""

    underruns: int
    planned: bool
    absent: bool

    @property
    def begins_absent(self) -> bool: ...
    @property
    def ready(self) -> bool: ...
    def wait(self, timeout_s: float) -> bool: ...
    def close(self) -> None: ...


class Guarded:
    """A track under guard.

    :param fallback: what sounds in its place, made anew as often as needed; None while there is nothing. Asked every 20 ms.
    :param tell: called in the sound thread with each change of `trouble` and `silent`; it must not wait.
    """

    def __init__(
        self, track: Watched, *, fallback: Callable[[], Track | None], tell: Callable[[Reason, bool], None]
    ) -> None:
        self.trouble = Reason.NONE  # FALLBACK: that sounds in its place. SILENT: nothing does
        self.silent = False  # it should sound and does not, whatever fills it
        self._track, self._make, self._tell = track, fallback, tell
        self._inside, self._outside = SilenceDetector(), SilenceDetector()
        self._fallback: Track | None = None
        self._fills = False  # whether the fallback is heard

    @property
    def position_ms(self) -> int:
        return self._track.position_ms

    @property
    def at_end(self) -> bool:
        return self._track.at_end

    @property
    def underruns(self) -> int:
        return self._track.underruns

    @property
    def ready(self) -> bool:
        """Whether the beginning is at hand: of the track, or of what sounds in its place."""
        return self._track.ready and (not (filling := self._filling_at_once()) or filling.ready)

    def wait(self, timeout_s: float) -> bool:
        """Until it is ready; never in the sound thread. Whether it is."""
        if not self._track.wait(timeout_s):
            return False
        filling = self._filling_at_once()
        return filling is None or filling.wait(timeout_s)

    def close(self) -> None:
        """It will not be read on, but for a frame that fades out."""
        self._track.close()
        if self._fallback is not None:
            self._fallback.close()

    def read(self) -> bytes:
        own = self._track.read()
        planned, absent = self._track.planned, self._track.absent
        silent = self._inside.hear(own, planned=planned or absent or not own)
        filling = self._filling() if (absent or silent) and own and not planned else None
        frame = self._back(own) if filling is None else self._in_place(own, filling)
        unheard = self._outside.hear(frame, planned=planned or not frame)
        self._judge(silent=(silent and not absent) or unheard, unheard=unheard or (silent and not self._fills))
        return frame

    def _filling_at_once(self) -> Track | None:
        """The fallback, if that is what sounds first."""
        return self._filling() if self._track.begins_absent else None

    def _filling(self) -> Track | None:
        """The fallback, over and over."""
        if self._fallback is None or self._fallback.at_end:
            self._fallback = self._make()
        return self._fallback

    def _in_place(self, own: bytes, filling: Track) -> bytes:
        """The fallback's frame; over the first one the two change places."""
        if not self._fills and not filling.ready:
            return own
        frame = filling.read()[: len(own)].ljust(len(own), b"\0")
        begins, self._fills = not self._fills, True
        return mix(ramp(own, rising=False), ramp(frame, rising=True)) if begins else frame

    def _back(self, own: bytes) -> bytes:
        if not self._fills or self._fallback is None or not own:
            self._fills = False
            return own
        last = self._fallback.read()[: len(own)].ljust(len(own), b"\0")
        self._fallback.close()
        self._fallback, self._fills = None, False
        return mix(ramp(own, rising=True), ramp(last, rising=False))

    def _judge(self, *, silent: bool, unheard: bool) -> None:
        trouble = Reason.SILENT if unheard else Reason.FALLBACK if self._fills else Reason.NONE
        if (trouble, silent) != (self.trouble, self.silent):
            self.trouble, self.silent = trouble, silent
            self._tell(trouble, silent)


class FadeOut:
    """Ends softly when told: a straight ramp down to silence, which lasts until it is stopped or goes on."""

    def __init__(self, inner: Readable) -> None:
        self._inner = inner
        self._over_frames = self._left_frames = 0
        self._level = 1.0  # how loud the last sample was

    @property
    def position_ms(self) -> int:
        return self._inner.position_ms

    @property
    def at_end(self) -> bool:
        return self._inner.at_end

    def begin(self, *, left_ms: int, over_ms: int) -> None:
        """From the next frame on, so that it is silent in `left_ms`; from any thread.

        :param over_ms: of the whole ramp; it begins in the middle when less is left.
        """
        self._left_frames = max(0, left_ms) // FRAME_MS
        self._over_frames = max(1, over_ms // FRAME_MS)

    def go_on(self) -> None:
        """It has another end: back to full within the next frame."""
        self._over_frames = 0

    def read(self) -> bytes:
        data, before = self._inner.read(), self._level
        self._level = 1.0
        if self._over_frames:
            self._left_frames = max(0, self._left_frames - 1)
            self._level = min(1.0, self._left_frames / self._over_frames)
        return data if before == self._level == 1.0 else slope(data, before, self._level)
