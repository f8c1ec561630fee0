"""The speaker's wire: topics and messages as frozen dataclasses, to and from canonical CBOR with integer keys. No I/O.

`docs/wire.md` is the specification for vendors, byte by byte; a test compares the two. Times are unsigned milliseconds since
1970-01-01T00:00Z (`_ms`). What arrives here has been verified (`endpoints.sealing`) but is not trusted to be well formed: every
field has a type, a range and a limit, and anything else is a `BadMessage` that names the field.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeGuard, TypeVar

from endpoints import canonical
from endpoints.area_codes import is_area_code

LIVE_ROOT, EXERCISE_ROOT = "eb/v1", "ex/v1"

MAX_BOARD_BYTES = 65_536
MAX_ANSWER_BYTES = 1_024
MAX_HELLO_BYTES = 2_048
MAX_REPORT_BYTES = 8_192
MAX_ORDERS, MAX_AREAS, MAX_SPEAKERS, MAX_ENTRIES = 64, 1_024, 256, 64
MAX_MS = 2**53 - 1  # about the year 287,396; keeps every time exact in any language
MAX_COUNTER = 2**63 - 1


class BadMessage(ValueError):
    """A message that is not what the specification says; `where` names the field, `why` the fault."""

    def __init__(self, where: str, why: str) -> None:
        self.where, self.why = where, why
        super().__init__(f"{where}: {why}")


class Kind(IntEnum):
    """What an order is. Routine programme 日常广播, urgent notice 紧急通知, emergency interrupt 应急插播, live 现场喊话."""

    ROUTINE = 1
    NOTICE = 2
    EMERGENCY = 3
    LIVE = 4


class Band(IntEnum):
    """The first part of the key to the air; a higher one always wins. GD/J 089-2018 sorts by class before level."""

    ROUTINE = 1
    LOCAL_ROUTINE = 2
    NOTICE = 3
    EMERGENCY = 4
    LIVE_COMMAND = 5
    LIFE_SAFETY = 6


class Severity(IntEnum):
    """Warning level 预警级别. 0 is unknown and sorts below blue."""

    UNKNOWN = 0
    RED = 1
    ORANGE = 2
    YELLOW = 3
    BLUE = 4


class Level(IntEnum):
    """The level of command that gave the order; a higher one wins when band and severity are equal."""

    VILLAGE = 1
    TOWNSHIP = 2
    CITY = 3
    PREFECTURE = 4
    PROVINCE = 5


class Resume(IntEnum):
    """What an order does when it gets the air back after being interrupted."""

    CONTINUE = 1  # where it stopped
    REJOIN = 2  # where it would be by the clock
    RESTART = 3
    DROP = 4  # it does not come back


class Tone(IntEnum):
    """Sounds that every speaker has built in, so that an emergency never waits for a download."""

    NONE = 0
    ATTENTION = 1
    CHIME = 2
    ALL_CLEAR = 3


TONE_MS: Mapping[Tone, int] = {Tone.NONE: 0, Tone.ATTENTION: 4_000, Tone.CHIME: 1_600, Tone.ALL_CLEAR: 4_000}


class OrderRule(IntEnum):
    """Which of severity and level is compared first: GD/J 084-2018 §6.4 sorts by severity, GD/J 089-2018 by level."""

    SEVERITY_FIRST = 0
    LEVEL_FIRST = 1


class Stage(IntEnum):
    """What a speaker can say about one order. A frame that it could not verify has no order to speak of."""

    RECEIVED = 1  # verified, in scope, for me, and kept
    SCHEDULED = 2  # it will sound later: its time has not come, or something higher has the air
    SOUNDING = 3  # the first frame has been handed to the sound card
    INTERRUPTED = 4  # something higher took the air; it comes back by its resume policy
    FINISHED = 5  # the last sample has left the sound card
    REFUSED = 6
    MISSED = 7  # its time passed before it could sound
    FAILED = 8
    STOPPED = 9  # taken off the board, or cut by its end


class Reason(IntEnum):
    """Why, where a stage needs it."""

    NONE = 0
    OUT_OF_SCOPE = 1  # the key may not speak to that area or in that band
    KEY_EXPIRED = 2
    WRONG_MODE = 3  # live at a speaker in exercise, or the reverse
    BUSY = 4  # an equal live order has the air
    QUIET_HOURS = 5
    CANCELLED = 6  # a higher version of the board no longer has it
    ENDED = 7  # its not-after came
    DROPPED = 8  # interrupted, and its policy is not to come back
    ASSET_MISSING = 9
    ASSET_BAD = 10
    SOUND_CARD = 11
    WAS_OFF = 12  # heard of after its end
    POWER_LOST = 13  # it sounded when the power went
    MUTED = 14  # its volume here is 0, and the order does not raise it


class Fault(IntEnum):
    """Bits of `Hello.faults`: what the speaker knows to be wrong with itself."""

    DISK = 1
    CLOCK = 2
    SOUND = 4
    NO_TIME = 8


@dataclass(frozen=True, slots=True)
class Order:
    """One order (指令) as it stands on a board: what shall sound where, from when until when.

    Nobody is meant by an order that names no area and no speaker: an empty target is nobody, never all.

    :param revision: grows when the same order is changed (a township taken out); the highest one counts.
    :param areas: frozen targets, area codes; each covers what lies inside.
    :param excluded: area codes taken out again.
    :param speakers: single speakers, beside the areas.
    :param asset: sha256 of an Ogg Opus file, or empty: then only the tone sounds.
    :param repeats: how often the asset sounds, `gap_ms` apart.
    :param volume_percent: at least this loud whatever the speaker's own volume and mute; 0 leaves them alone.
    """

    id: str
    revision: int
    kind: Kind
    band: Band
    severity: Severity
    level: Level
    exercise: bool
    issued_at_ms: int
    not_before_ms: int
    not_after_ms: int
    areas: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    tone: Tone = Tone.ATTENTION
    asset: bytes = b""
    asset_bytes: int = 0
    asset_ms: int = 0
    repeats: int = 1
    gap_ms: int = 1_000
    resume: Resume = Resume.RESTART
    volume_percent: int = 0

    @property
    def sound_ms(self) -> int:
        """How long it sounds when nothing interrupts it: tone, then the asset `repeats` times with gaps between."""
        if not self.asset:
            return TONE_MS[self.tone] * self.repeats + self.gap_ms * (self.repeats - 1)
        return TONE_MS[self.tone] + self.asset_ms * self.repeats + self.gap_ms * (self.repeats - 1)


@dataclass(frozen=True, slots=True)
class Board:
    """The complete list of the orders that live in one area or at one speaker (播发板).

    :param scope: the area code or the speaker id whose board this is.
    :param epoch: fencing epoch of the server that wrote it; never goes down at a speaker.
    :param version: of this board; (epoch, version) only grows.
    """

    scope: str
    epoch: int
    version: int
    written_at_ms: int
    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """The server's time in answer to a speaker's question, and which reports are in the table."""

    speaker: str
    nonce: bytes
    epoch: int
    server_ms: int
    confirmed_boot: int
    confirmed_n: int
    rule: OrderRule


@dataclass(frozen=True, slots=True)
class Held:
    """Which board a speaker holds."""

    scope: str
    epoch: int
    version: int


@dataclass(frozen=True, slots=True)
class Hello:
    """Heartbeat of a speaker, and its question for the time when `nonce` is not empty.

    :param boot: a random number made at each start of the speaker.
    :param oldest_n: number of the oldest report entry that is not yet confirmed; `next_n` when there is none.
    :param refused_frames: counters since boot: not readable, bad signature, foreign, older than held.
    :param on_air: id of the order that sounds, or empty.
    """

    speaker: str
    boot: int
    nonce: bytes
    uptime_s: int
    oldest_n: int
    next_n: int
    on_air: str
    faults: int
    refused_frames: tuple[int, int, int, int]
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a report: an order reached a stage at the speaker.

    :param n: counts from 1 within a boot.
    :param at_ms: the server's time at the speaker, 0 while it has none.
    """

    n: int
    order: str
    revision: int
    stage: Stage
    reason: Reason
    at_ms: int


@dataclass(frozen=True, slots=True)
class Report:
    """What happened at one speaker; MQTT may repeat it, the speaker does until it is confirmed."""

    speaker: str
    boot: int
    entries: tuple[Entry, ...]


# ---- topics -------------------------------------------------------------------------------------------------------------


def root_of(exercise: bool) -> str:
    return EXERCISE_ROOT if exercise else LIVE_ROOT


def board_topic(root: str, scope: str) -> str:
    return f"{root}/board/{scope}"


def time_topic(root: str, speaker: str) -> str:
    return f"{root}/time/{speaker}"


def hello_topic(root: str, speaker: str) -> str:
    return f"{root}/hello/{speaker}"


def report_topic(root: str, speaker: str) -> str:
    return f"{root}/report/{speaker}"


def gone_topic(root: str, speaker: str) -> str:
    """Where the broker says that the speaker's connection broke (MQTT will)."""
    return f"{root}/gone/{speaker}"


_SPEAKER_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def is_speaker_id(text: object) -> TypeGuard[str]:
    """3 to 32 of a–z, 0–9 and '-', a letter first: safe in a topic, a file name and a page."""
    return isinstance(text, str) and 3 <= len(text) <= 32 and text[0].isalpha() and _SPEAKER_CHARS.issuperset(text)


def is_order_id(text: object) -> bool:
    """1 to 40 ASCII letters, digits and '-'."""
    return isinstance(text, str) and 0 < len(text) <= 40 and text.isascii() and text.replace("-", "a").isalnum()


# ---- reading a verified map -----------------------------------------------------------------------------------------------

T = TypeVar("T")
E = TypeVar("E", bound=IntEnum)


@dataclass(slots=True)
class _Fields:
    """A map of known size read field by field; whatever is left or of another type is a BadMessage."""

    name: str
    map: Mapping[object, object]
    size: int = field(default=0)

    def whole(self, value: object, where: str, low: int, high: int) -> int:
        if type(value) is not int or not low <= value <= high:
            raise BadMessage(f"{self.name}.{where}", f"not a whole number from {low} to {high}")
        return value

    def uint(self, key: int, where: str, high: int = MAX_COUNTER, low: int = 0) -> int:
        return self.whole(self.map.get(key), where, low, high)

    def enum(self, key: int, where: str, kind: type[E]) -> E:
        try:
            return kind(self.uint(key, where))
        except ValueError as err:
            if isinstance(err, BadMessage):
                raise
            raise BadMessage(f"{self.name}.{where}", f"{self.map.get(key)} is no {kind.__name__}") from None

    def flag(self, key: int, where: str) -> bool:
        value = self.map.get(key)
        if not isinstance(value, bool):
            raise BadMessage(f"{self.name}.{where}", "neither true nor false")
        return value

    def blob(self, key: int, where: str, sizes: tuple[int, ...]) -> bytes:
        value = self.map.get(key)
        if not isinstance(value, bytes) or len(value) not in sizes:
            raise BadMessage(f"{self.name}.{where}", f"not a byte string of {' or '.join(map(str, sizes))} bytes")
        return value

    def text(self, key: int, where: str, allowed: Callable[[object], bool]) -> str:
        value = self.map.get(key)
        if not isinstance(value, str) or not allowed(value):
            raise BadMessage(f"{self.name}.{where}", "not an identifier of the kind meant here")
        return value

    def items(self, key: int, where: str, most: int) -> list[object]:
        value = self.map.get(key)
        if not isinstance(value, list) or len(value) > most:
            raise BadMessage(f"{self.name}.{where}", f"not a list of at most {most}")
        return value

    def texts(self, key: int, where: str, most: int, allowed: Callable[[object], bool]) -> tuple[str, ...]:
        values = self.items(key, where, most)
        if not all(isinstance(value, str) and allowed(value) for value in values):
            raise BadMessage(f"{self.name}.{where}", "holds something that is not an identifier of the kind meant here")
        return tuple(str(value) for value in values)


def _fields(name: str, value: object, size: int) -> _Fields:
    if not isinstance(value, dict) or len(value) != size:
        raise BadMessage(name, f"not a map of {size} fields")
    return _Fields(name, value)


def _is_scope(text: object) -> bool:
    return is_area_code(text) or is_speaker_id(text)


# ---- order and board --------------------------------------------------------------------------------------------------------


def order_to_map(order: Order) -> dict[int, object]:
    return {
        1: order.id,
        2: order.revision,
        3: int(order.kind),
        4: int(order.band),
        5: int(order.severity),
        6: int(order.level),
        7: order.exercise,
        8: order.issued_at_ms,
        9: order.not_before_ms,
        10: order.not_after_ms,
        11: list(order.areas),
        12: list(order.excluded),
        13: list(order.speakers),
        14: int(order.tone),
        15: order.asset,
        16: order.asset_bytes,
        17: order.asset_ms,
        18: order.repeats,
        19: order.gap_ms,
        20: int(order.resume),
        21: order.volume_percent,
    }


BANDS_OF: Mapping[Kind, frozenset[Band]] = {
    Kind.ROUTINE: frozenset({Band.ROUTINE, Band.LOCAL_ROUTINE}),
    Kind.NOTICE: frozenset({Band.NOTICE}),
    Kind.EMERGENCY: frozenset({Band.EMERGENCY, Band.LIFE_SAFETY}),
    Kind.LIVE: frozenset({Band.LIVE_COMMAND}),
}


def order_from_map(value: object) -> Order:
    """:raises BadMessage: with the first field that is not as specified."""
    read = _fields("order", value, 21)
    order = Order(
        id=read.text(1, "id", is_order_id),
        revision=read.uint(2, "revision", 2**31, low=1),
        kind=read.enum(3, "kind", Kind),
        band=read.enum(4, "band", Band),
        severity=read.enum(5, "severity", Severity),
        level=read.enum(6, "level", Level),
        exercise=read.flag(7, "exercise"),
        issued_at_ms=read.uint(8, "issued_at_ms", MAX_MS),
        not_before_ms=read.uint(9, "not_before_ms", MAX_MS),
        not_after_ms=read.uint(10, "not_after_ms", MAX_MS),
        areas=read.texts(11, "areas", MAX_AREAS, is_area_code),
        excluded=read.texts(12, "excluded", MAX_AREAS, is_area_code),
        speakers=read.texts(13, "speakers", MAX_SPEAKERS, is_speaker_id),
        tone=read.enum(14, "tone", Tone),
        asset=read.blob(15, "asset", (0, 32)),
        asset_bytes=read.uint(16, "asset_bytes", 2**28),
        asset_ms=read.uint(17, "asset_ms", 86_400_000),
        repeats=read.uint(18, "repeats", 100, low=1),
        gap_ms=read.uint(19, "gap_ms", 600_000),
        resume=read.enum(20, "resume", Resume),
        volume_percent=read.uint(21, "volume_percent", 100),
    )
    if order.band not in BANDS_OF[order.kind]:
        raise BadMessage("order.band", f"{order.band.name} is no band of {order.kind.name}")
    if order.not_after_ms <= order.not_before_ms:
        raise BadMessage("order.not_after_ms", "not after not_before_ms")
    return order


def encode_board(board: Board) -> bytes:
    orders = [order_to_map(order) for order in board.orders]
    return canonical.encode({1: board.scope, 2: board.epoch, 3: board.version, 4: board.written_at_ms, 5: orders})


def decode_board(payload: bytes) -> Board:
    """:raises BadMessage: also for an order on it that is not as specified: a board is taken whole or not at all."""
    read = _fields("board", _decode("board", payload, MAX_BOARD_BYTES), 5)
    orders = tuple(order_from_map(item) for item in read.items(5, "orders", MAX_ORDERS))
    if len({order.id for order in orders}) != len(orders):
        raise BadMessage("board.orders", "the same order twice")
    return Board(
        scope=read.text(1, "scope", _is_scope),
        epoch=read.uint(2, "epoch"),
        version=read.uint(3, "version"),
        written_at_ms=read.uint(4, "written_at_ms", MAX_MS),
        orders=orders,
    )


# ---- time, heartbeat, reports -------------------------------------------------------------------------------------------------


def encode_time_answer(answer: TimeAnswer) -> bytes:
    return canonical.encode(
        {
            1: answer.speaker,
            2: answer.nonce,
            3: answer.epoch,
            4: answer.server_ms,
            5: answer.confirmed_boot,
            6: answer.confirmed_n,
            7: int(answer.rule),
        }
    )


def decode_time_answer(payload: bytes) -> TimeAnswer:
    """:raises BadMessage: when it is not as specified."""
    read = _fields("time", _decode("time", payload, MAX_ANSWER_BYTES), 7)
    return TimeAnswer(
        speaker=read.text(1, "speaker", is_speaker_id),
        nonce=read.blob(2, "nonce", (8,)),
        epoch=read.uint(3, "epoch"),
        server_ms=read.uint(4, "server_ms", MAX_MS),
        confirmed_boot=read.uint(5, "confirmed_boot"),
        confirmed_n=read.uint(6, "confirmed_n"),
        rule=read.enum(7, "rule", OrderRule),
    )


def encode_hello(hello: Hello) -> bytes:
    held = [[one.scope, one.epoch, one.version] for one in hello.held]
    return canonical.encode(
        {
            1: hello.speaker,
            2: hello.boot,
            3: hello.nonce,
            4: hello.uptime_s,
            5: hello.oldest_n,
            6: hello.next_n,
            7: hello.on_air,
            8: hello.faults,
            9: list(hello.refused_frames),
            10: held,
        }
    )


def _is_order_id_or_empty(text: object) -> bool:
    return text == "" or is_order_id(text)


def decode_hello(payload: bytes) -> Hello:
    """:raises BadMessage: when it is not as specified."""
    read = _fields("hello", _decode("hello", payload, MAX_HELLO_BYTES), 10)
    refused = [read.whole(item, "refused_frames", 0, MAX_COUNTER) for item in read.items(9, "refused_frames", 4)]
    if len(refused) != 4:
        raise BadMessage("hello.refused_frames", "not four counters")
    held = []
    for item in read.items(10, "held", 8):
        if not isinstance(item, list) or len(item) != 3 or not _is_scope(item[0]):
            raise BadMessage("hello.held", "not a list of scope, epoch, version")
        held.append(
            Held(item[0], read.whole(item[1], "held", 0, MAX_COUNTER), read.whole(item[2], "held", 0, MAX_COUNTER))
        )
    return Hello(
        speaker=read.text(1, "speaker", is_speaker_id),
        boot=read.uint(2, "boot"),
        nonce=read.blob(3, "nonce", (0, 8)),
        uptime_s=read.uint(4, "uptime_s"),
        oldest_n=read.uint(5, "oldest_n"),
        next_n=read.uint(6, "next_n"),
        on_air=read.text(7, "on_air", _is_order_id_or_empty),
        faults=read.uint(8, "faults", 255),
        refused_frames=(refused[0], refused[1], refused[2], refused[3]),
        held=tuple(held),
    )


def encode_report(report: Report) -> bytes:
    entries = [[e.n, e.order, e.revision, int(e.stage), int(e.reason), e.at_ms] for e in report.entries]
    return canonical.encode({1: report.speaker, 2: report.boot, 3: entries})


_STAGES = {int(stage): stage for stage in Stage}
_REASONS = {int(reason): reason for reason in Reason}


def decode_report(payload: bytes) -> Report:
    """Written out by hand: 24,000 of them arrive in a second.

    :raises BadMessage: when it is not as specified.
    """
    value = _decode("report", payload, MAX_REPORT_BYTES)
    if not isinstance(value, dict) or len(value) != 3:
        raise BadMessage("report", "not a map of 3 fields")
    speaker, boot, items = value.get(1), value.get(2), value.get(3)
    if not is_speaker_id(speaker):
        raise BadMessage("report.speaker", "not a speaker id")
    if type(boot) is not int or not 0 <= boot <= MAX_COUNTER:
        raise BadMessage("report.boot", "not a whole number")
    if not isinstance(items, list) or not 0 < len(items) <= MAX_ENTRIES:
        raise BadMessage("report.entries", f"not a list of 1 to {MAX_ENTRIES}")
    return Report(speaker, boot, tuple(map(_entry, items)))


def _entry(item: object) -> Entry:
    if not isinstance(item, list) or len(item) != 6:
        raise BadMessage("report.entry", "not a list of 6")
    n, order, revision, stage, reason, at_ms = item
    if type(n) is not int or not 0 < n <= MAX_COUNTER:
        raise BadMessage("report.entry.n", "not a whole number from 1")
    if not is_order_id(order):
        raise BadMessage("report.entry.order", "not an order id")
    if type(revision) is not int or not 0 < revision <= 2**31:
        raise BadMessage("report.entry.revision", "not a whole number from 1")
    if type(stage) is not int or stage not in _STAGES:
        raise BadMessage("report.entry.stage", "no stage")
    if type(reason) is not int or reason not in _REASONS:
        raise BadMessage("report.entry.reason", "no reason")
    if type(at_ms) is not int or not 0 <= at_ms <= MAX_MS:
        raise BadMessage("report.entry.at_ms", "not a time")
    return Entry(n, order, revision, _STAGES[stage], _REASONS[reason], at_ms)


def _decode(name: str, payload: bytes, max_bytes: int) -> object:
    try:
        return canonical.decode(payload, max_bytes=max_bytes)
    except canonical.NotCanonical as err:
        raise BadMessage(name, str(err)) from err
