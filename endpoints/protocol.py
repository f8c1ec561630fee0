"""The speaker's wire: topics and messages as frozen dataclasses, to and from canonical CBOR with integer keys. No I/O.

`docs/wire.md` is the specification for vendors, byte by byte; a test compares the two. Times are unsigned milliseconds since
1970-01-01T00:00Z (`_ms`). What arrives here has been verified (`endpoints.sealing`) but is not trusted to be well formed: every
field has a type, a range and a limit, and anything else is a `BadMessage` that names the field.
"""

from dataclasses import dataclass

from endpoints import canonical
from endpoints.area_codes import is_area_code
from endpoints.fields import (
    MAX_COUNTER,
    MAX_MS,
    BadMessage,
    Fields,
    is_order_id,
    is_order_id_or_empty,
    is_scope,
    is_speaker_id,
    unpack,
    whole,
)
from endpoints.vocabulary import (
    BANDS_OF,
    TONE_MS,
    Band,
    Fault,
    Kind,
    Level,
    OrderRule,
    Reason,
    Resume,
    Severity,
    Stage,
    Tone,
)

__all__ = [
    "BANDS_OF",
    "EXERCISE_ROOT",
    "LIVE_ROOT",
    "MAX_ANSWER_BYTES",
    "MAX_AREAS",
    "MAX_ASSET_BYTES",
    "MAX_ASSET_MS",
    "MAX_BOARD_BYTES",
    "MAX_COUNTER",
    "MAX_ENTRIES",
    "MAX_GAP_MS",
    "MAX_HELD",
    "MAX_HELLO_BYTES",
    "MAX_MS",
    "MAX_ORDERS",
    "MAX_REPEATS",
    "MAX_REPORT_BYTES",
    "MAX_REVISION",
    "MAX_SPEAKERS",
    "TONE_MS",
    "BadMessage",
    "Band",
    "Board",
    "Entry",
    "Fault",
    "Held",
    "Hello",
    "Kind",
    "Level",
    "Order",
    "OrderRule",
    "Reason",
    "Report",
    "Resume",
    "Severity",
    "Stage",
    "TimeAnswer",
    "Tone",
    "board_topic",
    "decode_board",
    "decode_hello",
    "decode_report",
    "decode_time_answer",
    "encode_board",
    "encode_hello",
    "encode_report",
    "encode_time_answer",
    "gone_topic",
    "hello_topic",
    "is_order_id",
    "is_scope",
    "is_speaker_id",
    "order_from_map",
    "order_to_map",
    "report_topic",
    "root_of",
    "time_topic",
]

LIVE_ROOT, EXERCISE_ROOT = "eb/v1", "ex/v1"

MAX_BOARD_BYTES = 65_536
MAX_ANSWER_BYTES = 1_024
MAX_HELLO_BYTES = 2_048
MAX_REPORT_BYTES = 8_192
MAX_ORDERS, MAX_AREAS, MAX_SPEAKERS, MAX_ENTRIES, MAX_HELD = 64, 1_024, 256, 64, 8
MAX_REVISION = 2**31
MAX_ASSET_BYTES, MAX_ASSET_MS, MAX_REPEATS, MAX_GAP_MS = 2**24, 86_400_000, 100, 600_000


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
    :param at_ms: the server's time at the speaker, 0 while it has none. The server believes a heartbeat only when this is
        close to its own time, so that a recorded one can't show a dead speaker as alive.
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
    at_ms: int = 0


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


def order_from_map(value: object) -> Order:
    """:raises BadMessage: with the first field that is not as specified."""
    read = Fields.of("order", value, 21)
    order = Order(
        id=read.text(1, "id", is_order_id),
        revision=read.uint(2, "revision", MAX_REVISION, low=1),
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
        asset_bytes=read.uint(16, "asset_bytes", MAX_ASSET_BYTES),
        asset_ms=read.uint(17, "asset_ms", MAX_ASSET_MS),
        repeats=read.uint(18, "repeats", MAX_REPEATS, low=1),
        gap_ms=read.uint(19, "gap_ms", MAX_GAP_MS),
        resume=read.enum(20, "resume", Resume),
        volume_percent=read.uint(21, "volume_percent", 100),
    )
    if order.band not in BANDS_OF[order.kind]:
        raise BadMessage("order.band", f"{order.band.name} is no band of {order.kind.name}")
    if order.not_after_ms <= order.not_before_ms:
        raise BadMessage("order.not_after_ms", "not after not_before_ms")
    if bool(order.asset) is not bool(order.asset_bytes):
        raise BadMessage("order.asset_bytes", "a file has bytes, and no file has none")
    if bool(order.asset) is not bool(order.asset_ms):
        raise BadMessage("order.asset_ms", "a file has a length, and no file has none")
    return order


def encode_board(board: Board) -> bytes:
    """:raises BadMessage: for what a speaker would not read: one bad order would silence all the others on the board."""
    orders = [order_to_map(order) for order in board.orders]
    payload = canonical.encode({1: board.scope, 2: board.epoch, 3: board.version, 4: board.written_at_ms, 5: orders})
    decode_board(payload)
    return payload


def decode_board(payload: bytes) -> Board:
    """:raises BadMessage: also for an order on it that is not as specified: a board is taken whole or not at all."""
    read = Fields.of("board", unpack("board", payload, MAX_BOARD_BYTES), 5)
    orders = tuple(order_from_map(item) for item in read.items(5, "orders", MAX_ORDERS))
    if len({order.id for order in orders}) != len(orders):
        raise BadMessage("board.orders", "the same order twice")
    return Board(
        scope=read.text(1, "scope", is_scope),
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
    read = Fields.of("time", unpack("time", payload, MAX_ANSWER_BYTES), 7)
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
            11: hello.at_ms,
        }
    )


def decode_hello(payload: bytes) -> Hello:
    """:raises BadMessage: when it is not as specified."""
    read = Fields.of("hello", unpack("hello", payload, MAX_HELLO_BYTES), 11)
    refused = [whole(item, "hello.refused_frames", 0, MAX_COUNTER) for item in read.items(9, "refused_frames", 4)]
    if len(refused) != 4:
        raise BadMessage("hello.refused_frames", "not four counters")
    held = []
    for item in read.items(10, "held", MAX_HELD):
        if not isinstance(item, list) or len(item) != 3 or not is_scope(item[0]):
            raise BadMessage("hello.held", "not a list of scope, epoch, version")
        held.append(
            Held(item[0], whole(item[1], "hello.held", 0, MAX_COUNTER), whole(item[2], "hello.held", 0, MAX_COUNTER))
        )
    return Hello(
        speaker=read.text(1, "speaker", is_speaker_id),
        boot=read.uint(2, "boot"),
        nonce=read.blob(3, "nonce", (0, 8)),
        uptime_s=read.uint(4, "uptime_s"),
        oldest_n=read.uint(5, "oldest_n"),
        next_n=read.uint(6, "next_n"),
        on_air=read.text(7, "on_air", is_order_id_or_empty),
        faults=read.uint(8, "faults", 255),
        refused_frames=(refused[0], refused[1], refused[2], refused[3]),
        held=tuple(held),
        at_ms=read.uint(11, "at_ms", MAX_MS),
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
    value = unpack("report", payload, MAX_REPORT_BYTES)
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
    if type(revision) is not int or not 0 < revision <= MAX_REVISION:
        raise BadMessage("report.entry.revision", "not a whole number from 1")
    if type(stage) is not int or stage not in _STAGES:
        raise BadMessage("report.entry.stage", "no stage")
    if type(reason) is not int or reason not in _REASONS:
        raise BadMessage("report.entry.reason", "no reason")
    if type(at_ms) is not int or not 0 <= at_ms <= MAX_MS:
        raise BadMessage("report.entry.at_ms", "not a time")
    return Entry(n, order, revision, _STAGES[stage], _REASONS[reason], at_ms)
