"""Live sound at a speaker: what it listens to while an order names a stream, and how that sounds out of its `Voice`.

Packets are verified in the event loop (0.1 ms each, 17 a second) and decoded in the sound thread when due (0.03 ms, 50 a second).
"""

import audioop
import logging
import math
import threading
from array import array
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Protocol

from audio_assets.live_codec import LiveDecoder
from audio_assets.pcm import FRAME_BYTES, FRAME_SAMPLES, FULL_SCALE, RATE_HZ, SAMPLE_BYTES, Pcm, amplify, ramp
from audio_assets.tones import ToneId, tone
from endpoints.effects import Play
from endpoints.in_step import longer, shorter
from endpoints.jitter import CONCEAL_FRAMES, Jitter, Sound, Step, Tally
from endpoints.live_packets import Packet, StreamGuard, StreamHead, head_topic, live_topic
from endpoints.orders import Order
from endpoints.protocol import BadMessage, root_of
from endpoints.sealing import NotAuthentic
from endpoints.shelf import Trust
from endpoints.supply import SoundUnavailable
from endpoints.vocabulary import Reason

EARLY_PACKETS = 64  # that come before their head are put aside, 4 s of them
CORRECT_US = 500  # a steady error of play-out above this is the crystals'; it is put right sample by sample
FAR_US, FAST = 10_000, 3  # further off it is three samples a frame: a twentieth of a semitone
SMOOTH = 0.05  # of each frame's error enters the steady one
SILENT_PEAK = 32  # -60 dBFS
CONCEAL_DB = (-3.0, -9.0, -18.0)
HOLD_EVERY_S, HOLD_BEEP_S, HOLD_HZ, HOLD_DB = 2.0, 0.15, 523.25, -24.0
_US_PER_BYTE = 1_000_000 / (RATE_HZ * SAMPLE_BYTES)

log = logging.getLogger(__name__)


class Listening(Protocol):
    """A speaker's connection to the broker, and its time; `Box`."""

    def time_us(self) -> int | None: ...

    def listen(self, topic: str, handler: Callable[[bytes], None], *, qos: int = 0) -> None: ...
    def unlisten(self, topic: str) -> None: ...


@cache
def hold_tone() -> Pcm:
    """What sounds while the source is away: a soft short beep every two seconds, to be taken for no alarm."""
    beep = round(HOLD_BEEP_S * RATE_HZ)
    peak = FULL_SCALE * 10 ** (HOLD_DB / 20)
    wave = array("h", (round(peak * math.sin(2 * math.pi * HOLD_HZ * n / RATE_HZ)) for n in range(beep)))
    sound = Pcm(wave.tobytes()).faded(in_ms=20, out_ms=20)
    return Pcm(sound.data.ljust(round(HOLD_EVERY_S * RATE_HZ) * SAMPLE_BYTES, b"\0"))


class LiveTrack:
    """What a `Voice` reads: the order's tone, then the stream. `head` and `put` come from the loop, `read` from the sound thread.

    :param heard_us: the server's time when the frame that is read now leaves the loudspeaker; None while no time is known.
    :param is_filled: something else sounds while the stream is away: no hold tone, and it is never given up.
    """

    underruns = 0
    planned = begins_absent = False
    ready = True

    def __init__(
        self,
        tone: Pcm,
        heard_us: Callable[[], int | None],
        *,
        from_ms: int = 0,
        is_filled: bool = False,
    ) -> None:
        self.closed: Callable[[], None] | None = None  # called once, when nobody wants to hear it any more
        self.at_end = False
        self.absent = False  # whether silence was read last where the stream should be, for something else to fill
        self.corrected = 0  # samples put in or left out to stay in step
        self._tone, self._tone_at = tone.data, from_ms * RATE_HZ // 1_000 * SAMPLE_BYTES
        self._heard_us = heard_us
        self._lock = threading.Lock()  # around the jitter buffer
        self._is_filled = is_filled
        self._jitter = Jitter(gives_up=not is_filled)
        self._decoder = LiveDecoder()
        self._due = bytearray()  # samples whose time has come: less than a frame is left between two reads
        self._said = b""  # the last frame, to cover a loss with
        self._covered = 0
        self._from_silence = True
        self._error_us = 0.0
        self._hold_at = self._read_bytes = 0

    # From the loop ----------------------------------------------------------------------------------------------------------

    def head(self, head: StreamHead, *, new_run: bool) -> None:
        """What the stream is, or what has changed of it."""
        with self._lock:
            if new_run:
                self._jitter.begin_again()
            self._jitter.delay_us = head.delay_ms * 1_000
            if head.ended:
                self._jitter.finish()

    def put(self, packet: Packet) -> None:
        with self._lock:
            self._jitter.put(packet)

    @property
    def tally(self) -> Tally:
        """What became of its frames."""
        return self._jitter.tally

    # From the sound thread --------------------------------------------------------------------------------------------------

    @property
    def position_ms(self) -> int:
        """How long it has sounded."""
        return self._read_bytes * 1_000 // (RATE_HZ * SAMPLE_BYTES)

    def wait(self, timeout_s: float) -> bool:
        """It is ready: live sound waits for nobody."""
        return True

    def close(self) -> None:
        """Nobody listens to the stream any more; a frame that fades out can still be read."""
        closed, self.closed = self.closed, None
        if closed is not None:
            closed()

    def read(self) -> bytes:
        """:raises SoundUnavailable: nothing has come for ten seconds."""
        piece = self._tone[self._tone_at : self._tone_at + FRAME_BYTES]
        self._tone_at += len(piece)
        if len(piece) < FRAME_BYTES:
            piece += self._stream(FRAME_BYTES - len(piece), already_bytes=len(piece))
        self._read_bytes += len(piece)
        return piece

    def _stream(self, size: int, *, already_bytes: int) -> bytes:
        heard_us = self._heard_us()
        while len(self._due) < size and not self.at_end:
            if heard_us is None:  # an order sounds by the server's time alone, so this is rare and short
                self._due += bytes(size - len(self._due))
                break
            with self._lock:
                step = self._jitter.pull(heard_us + round((already_bytes + len(self._due)) * _US_PER_BYTE))
            self._due += self._samples(step)
        piece = bytes(self._due[:size])
        del self._due[:size]
        return piece

    def _samples(self, step: Step) -> bytes:
        match step.sound:
            case Sound.FRAME:
                return self._frame(step)
            case Sound.CONCEAL:
                return self._cover()
            case Sound.LOST:
                raise SoundUnavailable(Reason.STREAM_LOST)
            case Sound.END:
                self.at_end = True
                return b""
        size = max(SAMPLE_BYTES, round(step.us / _US_PER_BYTE / SAMPLE_BYTES) * SAMPLE_BYTES)
        self._from_silence = True
        self.absent = step.sound is Sound.HOLD and self._is_filled
        return self._hold(size) if step.sound is Sound.HOLD and not self._is_filled else bytes(size)

    def _frame(self, step: Step) -> bytes:
        for frame in step.preroll:
            self._decoder.decode(frame)
        samples = self._decoder.decode(step.frame)
        if samples is None:
            return self._cover()
        self._said, self._covered, self.absent = samples, 0, False
        if self._from_silence:
            samples = ramp(samples, rising=True)
            self._from_silence, self._error_us, self._hold_at = False, float(step.early_us), 0
        return self._corrected(samples, step.early_us)

    def _corrected(self, samples: bytes, early_us: int) -> bytes:
        """A sample more or less where the error is steady: crystals differ by some 50 ppm, 3 ms a minute. A card that ran dry is
        later by all that it missed; that is made up for in the next pause, and faster."""
        self._error_us += (early_us - self._error_us) * SMOOTH
        if abs(self._error_us) <= CORRECT_US:
            return samples
        if audioop.max(samples, SAMPLE_BYTES) < SILENT_PEAK:
            count, at_once = 1, min(round(abs(self._error_us) * RATE_HZ / 1e6), FRAME_SAMPLES // 4)
        else:
            count, at_once = 1 if abs(self._error_us) < FAR_US else FAST, 1
        change = longer if self._error_us > 0 else shorter
        for _ in range(count):
            samples = change(samples, at_once)
        self.corrected += count * at_once
        self._error_us -= math.copysign(count * at_once * 1e6 / RATE_HZ, self._error_us)
        return samples

    def _cover(self) -> bytes:
        """The last frame again, softer each time."""
        if not self._said or self._covered >= CONCEAL_FRAMES:
            self._from_silence = True
            return bytes(FRAME_BYTES)
        again = amplify(self._said, CONCEAL_DB[self._covered])
        self._covered += 1
        if self._covered == CONCEAL_FRAMES:
            self._from_silence = True
            return ramp(again, rising=False)
        return again

    def _hold(self, size: int) -> bytes:
        tone = hold_tone().data
        piece = tone[self._hold_at : self._hold_at + size]
        piece += tone[: size - len(piece)]
        self._hold_at = (self._hold_at + size) % len(tone)
        return piece


class LiveStream:
    """One stream that this speaker listens to, from `open` to `close`. Made and called in the event loop."""

    def __init__(self, order: Order, track: LiveTrack, line: Listening, trust: Trust, *, area: str) -> None:
        self.refused = 0
        self._track, self._line = track, line
        self._guard = StreamGuard(order, trust, area=area)
        root = root_of(order.exercise)
        self._head, self._packets = head_topic(root, order.stream), live_topic(root, order.stream)
        self._early: deque[bytes] = deque(maxlen=EARLY_PACKETS)

    def open(self) -> None:
        """The head is retained and comes at once."""
        self._line.listen(self._head, self._hear_head)
        self._line.listen(self._packets, self._hear_packet)

    def close(self) -> None:
        self._line.unlisten(self._packets)
        self._line.unlisten(self._head)

    def _hear_head(self, frame: bytes) -> None:
        now_us, known = self._line.time_us(), self._guard.head
        if now_us is None:
            return
        try:
            news = self._guard.hear_head(frame, now_us)
        except (NotAuthentic, BadMessage) as err:
            self._refuse("head", err)
            return
        head = self._guard.head
        if news and head is not None:
            self._track.head(head, new_run=known is not None and known.run != head.run)
            early, self._early = self._early, deque(maxlen=EARLY_PACKETS)
            for data in early:
                self._hear_packet(data)

    def _hear_packet(self, data: bytes) -> None:
        now_us = self._line.time_us()
        if now_us is None or self._guard.head is None:
            self._early.append(data)
            return
        try:
            packet = self._guard.hear_packet(data, now_us)
        except (NotAuthentic, BadMessage) as err:
            self._refuse("packet", err)
            return
        self._track.put(packet)

    def _refuse(self, what: str, err: Exception) -> None:
        """Whoever can write to the broker can do this as often as they like: one line is enough."""
        self.refused += 1
        if self.refused == 1:
            log.warning("live %s refused: %s", what, err)


class LiveOutput:
    """The `Streams` of a real speaker: listens while an order sounds, and only then.

    :param trust: which keys the speaker believes.
    :param area: where it stands.
    """

    def __init__(self, trust: Trust, *, area: str) -> None:
        self._trust, self._area = trust, area
        self._line: Listening | None = None

    def attach(self, line: Listening) -> None:
        """There is a connection now."""
        self._line = line

    def open(self, play: Play, heard_us: Callable[[], int | None]) -> LiveTrack:
        """Listen to the stream that the order names, until the track is closed."""
        order = play.order
        is_filled = play.fallback is not None
        track = LiveTrack(tone(ToneId(order.tone)), heard_us, from_ms=play.from_ms, is_filled=is_filled)
        if self._line is not None:
            stream = LiveStream(order, track, self._line, self._trust, area=self._area)
            track.closed = stream.close
            stream.open()
        return track
