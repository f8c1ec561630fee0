"""Live sound (现场喊话) as the server sees it: what an officer asks for, the life of an open microphone, its share of the broker.

Pure. Times called `now` are monotonic seconds; a level is in dBFS, 0 is full scale.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from broadcast.domain.areas import AreaTree, minimal_cover
from broadcast.domain.broadcasts import MAX_HEADLINE, Broadcast, Fault, check_targets, day_of
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer
from endpoints.protocol import TONE_MS, Band, Kind, Order, Resume, Severity, Tone

LEVEL_FLOOR_DB = -90.0
FRAME_MS = 20
FRAMES_A_PACKET = (3, 5, 10)  # what is tried, in this order, until the broker can carry it
HELD_S = 10.0  # a speaker gives a silent stream up after as long (research/audio §3.3)
READY_WITHIN_S = 5.0  # after so long without a speaker's word the officer speaks all the same
ABANDONED_S = 600.0  # a microphone that was opened to be looked at
LIVE_VOLUME_PERCENT = 90
MAX_FRAMES_FED = 50  # a second at once: more is no microphone
MAX_FRAME_BYTES = 255  # what a packet on the wire can hold
MAX_SAMPLES_BYTES = 96_000
EXERCISE_HEAD, EXERCISE_TAIL = "演练，演练。", "以上是演练。演练，演练。"  # as around a spoken announcement


class LiveState(StrEnum):
    """How a microphone stands."""

    PRELISTEN = "prelisten"  # 试音: the level is measured, nothing leaves the server
    WAITING = "waiting"  # ordered; no speaker has said yet that it sounds, or its chime has not ended
    ANNOUNCING = "announcing"  # the words that mark an exercise are being said, before or after the microphone
    ON_AIR = "on_air"  # by the speakers' own word
    UNHEARD = (
        "unheard"  # it was on the air and no speaker sounds it now: something higher has the air, or they are lost
    )
    HELD = "held"  # the source is gone; the same officer may bring it back within HELD_S
    CLOSING = "closing"  # the last words are on their way to the speakers
    ENDED = "ended"


class LiveEnd(StrEnum):
    """Why it ended."""

    NONE = ""
    CLOSED = "closed"  # by its officer
    TIME = "time"  # the longest time has passed
    SILENCE = "silence"  # nothing was said for so long that it was forgotten
    LOST = "lost"  # the source went and did not come back: an alarm
    STOPPED = "stopped"  # somebody took its order off the boards
    ABANDONED = "abandoned"  # it never went on the air
    FAILED = "failed"  # the server could not carry it any further: an alarm


@dataclass(frozen=True, slots=True)
class LiveRules:
    """What the settings say of live sound.

    :param delay_ms: from the microphone to the air, at three frames a packet; each further frame adds its length.
    :param max_deliveries_per_s: packets a second times listeners that the broker may be given, over all streams.
    """

    delay_ms: int = 200
    max_minutes: int = 30
    silence_s: float = 30.0
    silence_dbfs: float = -50.0
    max_deliveries_per_s: int = 45_000

    def delay_of(self, frames_a_packet: int) -> int:
        return self.delay_ms + (frames_a_packet - FRAMES_A_PACKET[0]) * FRAME_MS


@dataclass(frozen=True, slots=True)
class OpenLive:
    """What an officer asks for.

    :param minutes: it ends by itself then.
    :param tone: what sounds at the speakers before the voice; None is the chime.
    :param source: "" for sound that the caller feeds, `card` for the control room's microphone.
    """

    areas: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    minutes: int = 10
    headline: str = ""
    tone: Tone | None = None
    volume_percent: int | None = None
    exercise: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class LiveView:
    """A microphone as its page shows it.

    :param id: of the microphone; `order` is that of its broadcast, empty before it was ordered.
    :param may_speak: the speakers are listening: the lamp is on.
    :param level_db, peak_db: of the last tenth of a second.
    :param silent_s: how long nothing was said; at `silence_s` it ends.
    :param left_s: until the longest time has passed, or the source has to be back.
    :param speakers: meant; `sounding` of them say that they sound it, `interrupted` that something higher has the air.
    :param lost: packets that the broker did not get.
    """

    id: str
    order: str
    officer: str
    title: str
    areas: tuple[str, ...]
    headline: str
    exercise: bool
    state: LiveState
    why: LiveEnd
    may_speak: bool
    muted: bool
    level_db: float
    peak_db: float
    silent_s: float
    silence_s: float
    on_air_s: float
    left_s: float
    speakers: int
    sounding: int
    interrupted: int
    frames_a_packet: int
    delay_ms: int
    deliveries_per_s: int
    packets: int
    lost: int


# ---- what is refused --------------------------------------------------------------------------------------------------------


class LiveBusy(BroadcastError):
    """Somebody of at least the same rank speaks there (占线)."""

    def __init__(self, broadcast: str, officer: str, areas: Sequence[str], until_ms: int) -> None:
        self.broadcast, self.officer, self.areas, self.until_ms = broadcast, officer, list(areas), until_ms
        super().__init__(f"busy: {officer} speaks there")


class MicrophoneOpen(BroadcastError):
    """This officer has a microphone open already; two would be mixed up."""

    def __init__(self, officer: str, live: str) -> None:
        self.officer, self.live = officer, live
        super().__init__(f"{officer} has a microphone open already")


class LiveOverBudget(BroadcastError):
    """More packets a second than the broker carries; past its end it does not slow down, it stops (research/audio §3.1)."""

    def __init__(self, listeners: int, asked_per_s: int, running_per_s: int, most_per_s: int) -> None:
        self.listeners, self.asked_per_s = listeners, asked_per_s
        self.running_per_s, self.most_per_s = running_per_s, most_per_s
        super().__init__(
            f"{listeners} listeners need {asked_per_s} deliveries a second beside the {running_per_s} under way; "
            f"the broker is given {most_per_s} at most (live.max_deliveries_per_s)"
        )


class UnknownLive(BroadcastError):
    """There is no such microphone, or it is another officer's."""

    def __init__(self, live: str) -> None:
        self.live = live
        super().__init__(f"there is no microphone {live}")


class LiveOver(BroadcastError):
    """This microphone has ended."""

    def __init__(self, live: str, why: LiveEnd) -> None:
        self.live, self.why = live, why.value
        super().__init__(f"microphone {live} has ended: {why.value}")


class BadSound(BroadcastError):
    """What was fed is no sound as agreed."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(f"no sound that can be sent: {cause}")


class NoSource(BroadcastError):
    """There is no such source of sound on this server, or it does not work."""

    def __init__(self, source: str, cause: str) -> None:
        self.source, self.cause = source, cause
        super().__init__(f"the source {source!r} gives no sound: {cause}")


# ---- an order ---------------------------------------------------------------------------------------------------------------


def check_live(
    command: OpenLive, tree: AreaTree, known_speakers: Collection[str], rules: LiveRules, *, now_ms: int
) -> list[Fault]:
    """Every field that is wrong, not only the first."""
    faults = [*check_targets(command, tree, known_speakers, day_of(now_ms))]
    if len(command.headline) > MAX_HEADLINE:
        faults.append(
            Fault("headline", "too-long", (("most", str(MAX_HEADLINE)), ("length", str(len(command.headline)))))
        )
    if any(ord(char) < 32 for char in command.headline):
        faults.append(Fault("headline", "control-characters"))
    if not 1 <= command.minutes <= rules.max_minutes:
        faults.append(Fault("minutes", "out-of-range", (("low", "1"), ("high", str(rules.max_minutes)))))
    if command.volume_percent is not None and not 0 <= command.volume_percent <= 100:
        faults.append(Fault("volume_percent", "out-of-range", (("low", "0"), ("high", "100"))))
    return faults


def compose_live(command: OpenLive, *, order_id: str, stream: int, by: Officer, now_ms: int) -> Broadcast:
    """The broadcast that a checked command becomes, with its targets frozen."""
    order = Order(
        id=order_id,
        revision=1,
        kind=Kind.LIVE,
        band=Band.LIVE_COMMAND,
        severity=Severity.UNKNOWN,
        level=by.level,
        exercise=command.exercise,
        issued_at_ms=now_ms,
        not_before_ms=now_ms,
        not_after_ms=now_ms + command.minutes * 60_000,
        areas=minimal_cover(command.areas),
        excluded=minimal_cover(command.excluded),
        speakers=tuple(sorted(set(command.speakers))),
        tone=Tone.CHIME if command.tone is None else command.tone,
        resume=Resume.REJOIN,
        volume_percent=LIVE_VOLUME_PERCENT if command.volume_percent is None else command.volume_percent,
        stream=stream,
    )
    return Broadcast(order, command.headline or f"{by.title}喊话"[:80], "", by.name)


_SILK, _HYBRID, _CELT = (480, 960, 1_920, 2_880), (480, 960), (120, 240, 480, 960)  # samples a frame (RFC 6716 §3.1)


def must_be_sound(frame: bytes) -> None:
    """:raises BadSound: not an Opus packet of 20 ms, mono, short enough for the wire; by its first byte (RFC 6716 §3.1)."""
    if not 0 < len(frame) <= MAX_FRAME_BYTES:
        raise BadSound(f"a frame of {len(frame)} bytes; 1 to {MAX_FRAME_BYTES} can be sent")
    config, count = frame[0] >> 3, frame[0] & 3
    if frame[0] & 4:
        raise BadSound("two channels")
    samples = _SILK[config & 3] if config < 12 else _HYBRID[config & 1] if config < 16 else _CELT[config & 3]
    frames = (1, 2, 2, frame[1] & 63 if len(frame) > 1 else 0)[count]
    if samples * frames != 48 * FRAME_MS:
        raise BadSound(f"a packet of {samples * frames / 48:g} ms, and not {FRAME_MS}")


# ---- the broker's share -----------------------------------------------------------------------------------------------------


def deliveries_per_s(listeners: int, frames_a_packet: int) -> int:
    """Copies of packets that the broker has to write each second."""
    return -(-listeners * 1_000 // (frames_a_packet * FRAME_MS))


def admit(listeners: int, running_per_s: int, rules: LiveRules) -> int:
    """How many frames a packet gets so that the broker carries it beside what runs.

    :raises LiveOverBudget: not even with the longest packets.
    """
    for frames in FRAMES_A_PACKET:
        if running_per_s + deliveries_per_s(listeners, frames) <= rules.max_deliveries_per_s:
            return frames
    asked = deliveries_per_s(listeners, FRAMES_A_PACKET[-1])
    raise LiveOverBudget(listeners, asked, running_per_s, rules.max_deliveries_per_s)


# ---- the machine ------------------------------------------------------------------------------------------------------------


class Microphone:
    """The life of one microphone. It does nothing: `tick` says when it must end, `state` how it stands.

    :param announces: words are said before the microphone opens (an exercise).
    """

    def __init__(self, rules: LiveRules, *, tone: Tone, announces: bool, now: float) -> None:
        self._rules, self._tone_s, self._announces = rules, TONE_MS[tone] / 1000, announces
        self.why, self.muted = LiveEnd.NONE, False
        self.sounding = self.interrupted = 0
        self.level_db = self.peak_db = LEVEL_FLOOR_DB
        self._made_at = self._spoke_at = now
        self._ordered_at: float | None = None
        self._ends_at = float("inf")
        self._first_at: float | None = None  # when the first speaker said that it sounds
        self._announcing = self._announced = self._closing = False
        self._gone_at: float | None = None

    # What happens -----------------------------------------------------------------------------------------------------------

    def level(self, level_db: float, peak_db: float, now: float) -> None:
        """What was measured over the last tenth of a second."""
        self.level_db, self.peak_db = level_db, peak_db
        if level_db > self._rules.silence_dbfs and not self.muted:
            self._spoke_at = now

    def ordered(self, ends_at: float, now: float) -> None:
        """Its order is committed and on the boards."""
        self._ordered_at, self._ends_at, self._spoke_at = now, ends_at, now

    def heard(self, sounding: int, now: float, *, interrupted: int = 0) -> None:
        """So many speakers say that it sounds there, or that something higher has the air.

        Who waits for an emergency to end has not forgotten the microphone: that is no silence.
        """
        self.sounding, self.interrupted = sounding, interrupted
        if sounding and self._first_at is None:
            self._first_at = now
        elif interrupted and not sounding:
            self._spoke_at = now

    def announcing(self, on: bool, now: float) -> None:
        """The words that mark an exercise begin, or have been said."""
        self._announcing, self._announced, self._spoke_at = on, True, now

    def gone(self, now: float) -> None:
        """The source went away."""
        if self._gone_at is None:
            self._gone_at = now

    def back(self, now: float) -> None:
        """The same officer brought it back."""
        self._gone_at, self._spoke_at = None, now

    def closing(self) -> None:
        """Nothing more is taken in; what was said is on its way."""
        self._closing = True

    def end(self, why: LiveEnd) -> None:
        """It is over; the first reason stays."""
        if not self.why:
            self.why = why

    # How it stands ----------------------------------------------------------------------------------------------------------

    @property
    def is_ordered(self) -> bool:
        return self._ordered_at is not None

    def is_ready(self, now: float) -> bool:
        """Whether what is said now is heard: the first speaker has sounded its tone, or nobody answers for too long."""
        if self._ordered_at is None:
            return False
        if self._first_at is not None:
            return now >= self._first_at + self._tone_s
        return now >= self._ordered_at + READY_WITHIN_S + self._tone_s

    def takes_sound(self, now: float) -> bool:
        """Whether what comes from the source goes out."""
        return self.is_ordered and not (self._announcing or self._closing or self.why) and self._said_its_words()

    def _said_its_words(self) -> bool:
        return not self._announces or self._announced

    def state(self, now: float) -> LiveState:
        if self.why:
            return LiveState.ENDED
        if self._announcing:
            return LiveState.ANNOUNCING
        if self._closing:
            return LiveState.CLOSING
        if self._gone_at is not None:
            return LiveState.HELD
        return self._open_state(now) if self.is_ordered else LiveState.PRELISTEN

    def _open_state(self, now: float) -> LiveState:
        if self._first_at is None or not (self.is_ready(now) and self._said_its_words()):
            return LiveState.WAITING
        return LiveState.ON_AIR if self.sounding else LiveState.UNHEARD

    def may_speak(self, now: float) -> bool:
        """The lamp: what is said now is heard."""
        return self.state(now) is LiveState.ON_AIR and not self.muted

    def silent_s(self, now: float) -> float:
        return max(0.0, now - self._spoke_at) if self.is_ordered else 0.0

    def on_air_s(self, now: float) -> float:
        return 0.0 if self._first_at is None else now - self._first_at

    def left_s(self, now: float) -> float:
        """Until it ends by itself."""
        until = self._ends_at if self._gone_at is None else min(self._ends_at, self._gone_at + HELD_S)
        return 0.0 if until == float("inf") else max(0.0, until - now)

    def tick(self, now: float) -> LiveEnd:
        """Why it must end now; NONE when it goes on."""
        if self.why or self._closing or self._announcing:
            return LiveEnd.NONE
        if self._gone_at is not None and now - self._gone_at >= HELD_S:
            return LiveEnd.LOST if self.is_ordered else LiveEnd.ABANDONED
        if not self.is_ordered:
            return LiveEnd.ABANDONED if now - self._made_at >= ABANDONED_S else LiveEnd.NONE
        if now >= self._ends_at:
            return LiveEnd.TIME
        if self._gone_at is None and self.silent_s(now) >= self._rules.silence_s:
            return LiveEnd.SILENCE
        return LiveEnd.NONE
