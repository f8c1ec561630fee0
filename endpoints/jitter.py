"""Playing a live stream in time: packets come when they come, a frame leaves when it is due.

Sans-IO. A frame is due `delay_us` after it was captured, on the server's time line, at every speaker alike. What comes later is
lost; up to 60 ms of loss are covered, then there is silence, after 3 s the hold tone, and after 10 s the stream is given up, so
that something else can sound (research/audio §3.3). Whoever joins in the middle lets the decoder hear 80 ms before anybody else
does: Opus needs as long to converge (RFC 7845 §4.6).
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum

from endpoints.live_packets import FRAME_US, Packet

CONCEAL_FRAMES = 3
PREROLL_FRAMES = 4
STALE_US = 1_000_000  # after so long without sound the decoder has to converge anew
HOLD_US = 3_000_000
LOST_US = 10_000_000
NEAR_US = FRAME_US // 2  # a frame so close to the one expected is it
START_LATE_US = 2_000  # a beginning may be so late; nobody hears that
SNAP_US = 40_000  # further from its time than this it is put right at once, not sample by sample
MAX_FRAMES = 512  # ten seconds


class Verdict(Enum):
    """What became of a packet."""

    TAKEN = "taken"
    TWICE = "twice"
    LATE = "late"
    ASKEW = "askew"  # its time does not fit its number
    FULL = "full"


class Sound(Enum):
    """What to let be heard next."""

    FRAME = "frame"
    CONCEAL = "conceal"  # one frame, made from the one before
    SILENCE = "silence"
    HOLD = "hold"  # the tone that says: it is not over
    LOST = "lost"
    END = "end"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of play-out: a frame, or so much of something else.

    :param preroll: frames for the decoder alone, before this one.
    :param early_us: how much too early the frame is; negative, too late. For whoever corrects the drift of the crystals.
    :param us: how long the step lasts.
    """

    sound: Sound
    frame: bytes = b""
    preroll: tuple[bytes, ...] = ()
    early_us: int = 0
    us: int = FRAME_US


@dataclass(slots=True)
class Tally:
    """Frames, and packets that were not taken, since the stream was opened."""

    played: int = 0
    concealed: int = 0
    late: int = 0
    twice: int = 0
    askew: int = 0
    full: int = 0
    resyncs: int = 0


@dataclass(slots=True)
class _Waiting:
    """A packet of which `at` frames are gone."""

    packet: Packet
    at: int = 0

    @property
    def media_us(self) -> int:
        return self.packet.media_us + self.at * FRAME_US

    @property
    def left(self) -> int:
        return len(self.packet.frames) - self.at


class Jitter:
    """The play-out of one stream.

    Times are the server's. It is opened by the first `pull`.

    :param gives_up: False: something else fills what is missing, and the stream may come back at any time.
    """

    def __init__(self, *, delay_us: int = 0, gives_up: bool = True) -> None:
        self.tally = Tally()
        self._gives_up = gives_up
        self.delay_us = delay_us  # may be changed; what sounds then is put right
        self._waiting: list[_Waiting] = []  # by seq, and so by time
        self._passed_seq = -1  # no packet up to here is taken any more
        self._passed_us = 0  # nor one that begins before
        self._next_us: int | None = None  # the media time that comes next while it runs
        self._heard_us: int | None = None  # when something was heard last, or the first time it was wanted
        self._missing = 0
        self._preroll_left: int | None = None  # frames that only the decoder hears; None before the first one is due
        self._before: deque[bytes] = deque(maxlen=PREROLL_FRAMES)
        self._before_end_us = 0
        self._last = self._over = False

    @property
    def frames(self) -> int:
        """How many wait."""
        return sum(one.left for one in self._waiting)

    def finish(self) -> None:
        """Nothing will follow what is here."""
        self._last = True

    def begin_again(self) -> None:
        """The stream was begun anew: its packets count from 0, what is here of the old run is void."""
        self._waiting.clear()
        self._before.clear()
        self._passed_seq, self._preroll_left = -1, None
        self._last = False
        self._halt()

    # Packets in -------------------------------------------------------------------------------------------------------------

    def put(self, packet: Packet) -> Verdict:
        """A packet came, in whatever order."""
        verdict = self._place(packet)
        if verdict is Verdict.LATE:
            self.tally.late += len(packet.frames)
        elif verdict is Verdict.TWICE:
            self.tally.twice += 1
        elif verdict is Verdict.ASKEW:
            self.tally.askew += 1
        elif verdict is Verdict.FULL:
            self.tally.full += 1
        return verdict

    def _place(self, packet: Packet) -> Verdict:
        if packet.seq <= self._passed_seq:
            return Verdict.LATE
        index = len(self._waiting)
        while index and self._waiting[index - 1].packet.seq >= packet.seq:
            index -= 1
        if index < len(self._waiting) and self._waiting[index].packet.seq == packet.seq:
            return Verdict.TWICE
        begins_us = max(self._passed_us, self._waiting[index - 1].packet.end_us if index else 0)
        ends_us = self._waiting[index].media_us if index < len(self._waiting) else packet.end_us
        if packet.media_us < begins_us - NEAR_US or packet.end_us > ends_us + NEAR_US:
            return Verdict.ASKEW
        if self.frames + len(packet.frames) > MAX_FRAMES:
            return Verdict.FULL
        self._waiting.insert(index, _Waiting(packet))
        return Verdict.TAKEN

    # Sound out --------------------------------------------------------------------------------------------------------------

    def pull(self, air_us: int) -> Step:
        """What to let be heard from `air_us` on; the caller comes back when that is over."""
        if self._over:
            return Step(Sound.END)
        if self._heard_us is None:
            self._heard_us = air_us
        want_us = air_us - self.delay_us
        if self._next_us is not None and abs(self._next_us - want_us) > SNAP_US:
            self.tally.resyncs += 1
            self._halt()
        if self._next_us is not None:
            return self._run(self._next_us, want_us, air_us)
        return self._start(want_us, air_us)

    def _run(self, next_us: int, want_us: int, air_us: int) -> Step:
        """It sounds: the next frame, or something in its place."""
        while self._waiting and self._waiting[0].media_us < next_us - NEAR_US:
            self._take()
            self.tally.late += 1
        if self._waiting and self._waiting[0].media_us <= next_us + NEAR_US:
            return self._sound(want_us, air_us)
        if self._is_over():
            return Step(Sound.END)
        if self._missing < CONCEAL_FRAMES:
            self._missing += 1
            self._next_us = next_us + FRAME_US
            self.tally.concealed += 1
            return Step(Sound.CONCEAL)
        self._halt()
        return self._start(want_us, air_us)

    def _start(self, want_us: int, air_us: int) -> Step:
        """It is silent: begin when the first frame is due, to the sample."""
        while self._waiting:
            first = self._waiting[0]
            lead_us = first.media_us - want_us
            if lead_us > 0:
                return self._idle(air_us, min(FRAME_US, lead_us))
            if self._preroll_left is None:
                self._preroll_left = PREROLL_FRAMES if first.packet.seq else 0
            if not self._preroll_left and lead_us >= -START_LATE_US:
                return self._sound(want_us, air_us)
            if not self._preroll_left:
                self.tally.late += 1
            self._preroll_left = max(0, self._preroll_left - 1)
            self._keep_before(first.media_us, self._take())
        if self._is_over():
            return Step(Sound.END)
        return self._idle(air_us, FRAME_US)

    def _keep_before(self, media_us: int, frame: bytes) -> None:
        """It will not be heard, and the decoder may want it."""
        if media_us != self._before_end_us:
            self._before.clear()
        self._before.append(frame)
        self._before_end_us = media_us + FRAME_US

    def _sound(self, want_us: int, air_us: int) -> Step:
        media_us = self._waiting[0].media_us
        preroll = tuple(self._before) if media_us == self._before_end_us else ()
        self._before.clear()
        frame = self._take()
        self._next_us, self._missing = media_us + FRAME_US, 0
        self._heard_us = air_us + FRAME_US
        self.tally.played += 1
        return Step(Sound.FRAME, frame, preroll, early_us=media_us - want_us)

    def _idle(self, air_us: int, us: int) -> Step:
        gap_us = air_us - (air_us if self._heard_us is None else self._heard_us)
        if gap_us >= STALE_US and self.tally.played and not self._waiting:
            self._preroll_left = PREROLL_FRAMES
        if gap_us >= LOST_US and self._gives_up:
            self._over = True
            return Step(Sound.LOST)
        return Step(Sound.HOLD if gap_us >= HOLD_US else Sound.SILENCE, us=us)

    def _take(self) -> bytes:
        """The first frame that waits; it and all before it have passed."""
        first = self._waiting[0]
        frame = first.packet.frames[first.at]
        first.at += 1
        self._passed_seq, self._passed_us = first.packet.seq, first.media_us
        if not first.left:
            del self._waiting[0]
            self._last = self._last or first.packet.is_last
        return frame

    def _halt(self) -> None:
        self._next_us, self._missing = None, 0

    def _is_over(self) -> bool:
        self._over = self._last and not self._waiting
        return self._over
