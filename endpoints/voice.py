"""Between the player's decisions and the sink: a thread that hands over one frame of 20 ms after another, always.

One token sounds at a time. A decision takes effect with the next frame: what sounded fades out over it while the new sound
fades in, so from decision to the new sound it is at most one frame that the sink is taking plus the sink's own latency. What has
an instant begins at that one, to the sample, and stays with it (`in_step`).
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from audio_assets.pcm import FRAME_BYTES, SILENT_FRAME, amplify, mix, ramp
from endpoints.in_step import Due, InStep, Line
from endpoints.real_time import real_time
from endpoints.sink_clock import SinkClock
from endpoints.sinks import FRAME_S, Sink, SinkLost, Timer
from endpoints.track import Readable, Segment, Track

log = logging.getLogger(__name__)

Post = Callable[..., Any]  # loop.call_soon_threadsafe, or a test's
_CLOSE_WITHIN_S = 5.0


class _Playing:
    """One token on air. `over` is set once nobody wants to hear of it any more."""

    def __init__(self, token: str, sound: InStep, gain_db: float) -> None:
        self.token, self.sound = token, sound
        self.gain_db = self.next_gain_db = gain_db
        self.frames = 0
        self.frames_to_drain: int | None = None  # set with the last sample
        self.over = False

    def read(self, leaves_at: float | None, *, drift: float = 0.0) -> bytes | None:
        """The next frame at its gain, filled up with silence; None while its instant has not come."""
        data = self.sound.read(leaves_at, drift=drift)
        if data is None:
            return None
        frame = amplify(data, self.gain_db) if self.gain_db else data
        if self.next_gain_db != self.gain_db:
            louder = amplify(data, self.next_gain_db)
            frame = mix(ramp(frame, rising=False), ramp(louder, rising=True))
            self.gain_db = self.next_gain_db
        self.frames += 1
        return frame.ljust(FRAME_BYTES, b"\0")


class Voice:
    """The sound of one speaker (发声). Its methods are called from one asyncio loop; it calls back there.

    A callback comes only for a token that was neither stopped nor replaced. Times are `monotonic()` of the timer.

    :param post: `loop.call_soon_threadsafe`.
    :param on_started: token, time: the sink has the first frame, whose first sample leaves the loudspeaker then.
    :param on_finished: token, time: the last sample has left the sink.
    :param on_failed: token, reason: `SinkLost`, or what an `Await` raised.
    :param trim_s: see `SinkClock`.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        post: Post,
        on_started: Callable[[str, float], None],
        on_finished: Callable[[str, float], None],
        on_failed: Callable[[str, Exception], None],
        timer: Timer = time,
        trim_s: float = 0.0,
    ) -> None:
        self.late_frames = 0  # handed over after the sink had run dry: the process got no time
        self._sink, self._post, self._timer = sink, post, timer
        self._on_started, self._on_finished, self._on_failed = on_started, on_finished, on_failed
        self._clock = SinkClock(trim_s=trim_s)
        self._line: Line = _no_line
        self._frame_at: float | None = None  # when the frame that is being read will be heard
        self._reading: _Playing | None = None
        self._lock = threading.Lock()
        self._current: _Playing | None = None
        self._fading: _Playing | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._taken_at: float | None = None
        self._starved = sink.starved  # as of the frame that is being written

    @property
    def sink_lost(self) -> bool:
        """Whether the sound card is away; what is played now fails."""
        return self._sink.lost

    @property
    def gaps(self) -> int:
        """Times that the sound card had to play silence in between, since it was opened: for want of a frame, or of time."""
        return self._sink.starved + self._sink.ran_dry

    @property
    def token(self) -> str | None:
        """What sounds or is about to."""
        with self._lock:
            return self._current.token if self._current else None

    @property
    def leaves_at(self) -> float | None:
        """When what a sound is asked for just now will be heard, for one that keeps time itself. None while that is not known."""
        if self._frame_at is None or self._reading is None:
            return None
        return self._frame_at + self._reading.sound.ahead_s

    def start(self) -> None:
        """Begin to feed the sink, with silence at first."""
        self._thread = threading.Thread(target=self._run, name="voice", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Fall silent and close the sink. Nobody is called back any more."""
        with self._lock:
            self._replace(None)
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_WITHIN_S)
        else:
            self._sink.close()

    def follow(self, line: Line) -> None:
        """The server's time: what is played with an instant from now on stays with it. Asked in the sound thread."""
        self._line = line

    def play(
        self,
        token: str,
        sound: Readable | Sequence[Segment],
        *,
        from_ms: int = 0,
        gain_db: float = 0.0,
        at: float | None = None,
        skip_ms: int = 0,
        keeps_time: bool = False,
    ) -> None:
        """Sound this in place of what sounds now. What needs decoding comes decoded or ready.

        :param from_ms: where in the segments; what is readable stands where it is to be read.
        :param at: when its first sample shall leave the loudspeaker; until then there is silence. None: with the next frame.
        :param skip_ms: so much of its beginning may be left out to be in step, when `at` has passed.
        :param keeps_time: see `InStep`.
        """
        track = Track(sound, from_ms=from_ms) if isinstance(sound, Sequence) else sound
        due = None if at is None else Due(at, self._line)
        playing = _Playing(token, InStep(track, due, skip_ms=skip_ms, keeps_time=keeps_time), gain_db)
        with self._lock:
            self._replace(playing)

    def stop(self, token: str) -> int | None:
        """Fade this out with the next frame. Where it goes on, ms; the faded frame is heard again then.

        None when the token does not sound.
        """
        with self._lock:
            if self._current is None or self._current.token != token:
                return None
            position_ms = self._current.sound.position_ms
            self._replace(None)
            return position_ms

    def set_gain(self, token: str, gain_db: float) -> None:
        """Make what sounds louder or softer, over one frame."""
        with self._lock:
            if self._current is not None and self._current.token == token:
                self._current.next_gain_db = gain_db

    def step(self) -> None:
        """Hand one frame to the sink. The thread does nothing else; a test calls it in the thread's place."""
        frame, tell = self._next_frame()
        now = self._timer.monotonic()
        if self._taken_at is not None and now - self._taken_at > FRAME_S:
            self.late_frames += 1
        self._starved = self._sink.starved
        try:
            self._sink.write(frame)
        except SinkLost as err:
            log.error("%s", err)
            self._clock.lost()
            with self._lock:
                for playing, _ in tell:
                    self._fail(playing, err)
            tell = []
        self._taken_at = self._timer.monotonic()
        if not self._sink.lost:
            heard_at = self._taken_at + self._sink.latency_s
            self._clock.wrote(heard_at, starved=self._sink.starved, ran_dry=self._sink.ran_dry)
        for playing, callback in tell:
            self._tell(playing, callback, self._told_at(playing, callback))

    def _next_frame(self) -> tuple[bytes, list[tuple[_Playing, Callable[[str, float], None]]]]:
        """One frame, and whom to tell what when the sink has it."""
        with self._lock:
            frame, tell = SILENT_FRAME, []
            self._frame_at = self._clock.next_leaves_at()
            playing, fading = self._current, self._fading
            self._fading = None
            if playing is not None and self._sink.lost:
                self._fail(playing, SinkLost("there is no sound card to play on"))
            elif playing is not None and playing.frames_to_drain is None:
                first = not playing.frames
                frame = self._read(playing)
                if first and playing.frames and self._current is playing:
                    tell.append((playing, self._on_started))
            elif playing is not None and playing.frames_to_drain:
                playing.frames_to_drain -= 1
            elif playing is not None:
                self._current = None
                tell.append((playing, self._on_finished))
            if fading is not None:
                frame = mix(frame, self._faded(fading))
            return frame, tell

    def _read(self, playing: _Playing) -> bytes:
        try:
            self._reading = playing
            frame = playing.read(self._frame_at, drift=self._clock.drift)
        except Exception as err:  # whatever fetches or decodes: the sink must be fed
            self._fail(playing, err)
            return SILENT_FRAME
        if frame is None:
            return SILENT_FRAME
        if playing.sound.at_end:
            playing.frames_to_drain = max(0, math.ceil(self._sink.latency_s / FRAME_S))
        return frame

    def _faded(self, fading: _Playing) -> bytes:
        self._reading = fading
        try:
            return ramp(fading.read(None) or SILENT_FRAME, rising=False)
        except Exception:  # it is being given up anyway
            return SILENT_FRAME

    def _told_at(self, playing: _Playing, callback: Callable[[str, float], None]) -> float:
        now = self._taken_at or 0.0
        if callback != self._on_started:
            return now
        if playing.sound.begins_at is None:
            return now + self._sink.latency_s
        starved = max(0, self._sink.starved - self._starved)  # silence that the sink had to put before it
        return playing.sound.begins_at + starved * FRAME_S

    def _replace(self, playing: _Playing | None) -> None:
        was, self._current = self._current, playing
        if was is None:
            return
        was.over = True
        if was.frames and was.frames_to_drain is None:
            self._fading = was

    def _fail(self, playing: _Playing, err: Exception) -> None:
        if self._current is playing:
            self._current = None
        self._tell(playing, self._on_failed, err)

    def _tell(self, playing: _Playing, callback: Callable[[str, Any], None], what: object) -> None:
        def deliver() -> None:
            if not playing.over:
                callback(playing.token, what)

        try:
            self._post(deliver)
        except RuntimeError:  # the loop is closed
            log.debug("nobody is left to hear about %s", playing.token)

    def _run(self) -> None:
        with real_time():
            try:
                while not self._closing.is_set():
                    self.step()
                self.step()  # the fade
            finally:
                self._sink.close()


def _no_line() -> None:
    """Nobody knows the server's time."""
