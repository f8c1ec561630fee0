"""The speaker's wire: topics and messages as frozen dataclasses, to and from canonical CBOR with integer keys. No I/O.

`docs/wire.md` is the specification for vendors, byte by byte; a test compares the two. Times are unsigned milliseconds since
1970-01-01T00:00Z (`_ms`). What arrives here has been verified (`endpoints.sealing`) but is not trusted to be well formed: every
field has a type, a range and a limit, and anything else is a `BadMessage` that names the field.
"""

from dataclasses import dataclass

from endpoints import canonical
from endpoints.conversation import (
    MAX_ANSWER_BYTES,
    MAX_ENTRIES,
    MAX_HELD,
    MAX_HELLO_BYTES,
    MAX_LACKING,
    MAX_PING_BYTES,
    MAX_PROGRAMMES,
    MAX_REPORT_BYTES,
    MAX_STOCK_BYTES,
    Entry,
    Held,
    Hello,
    Ping,
    Report,
    Stock,
    TimeAnswer,
    decode_hello,
    decode_ping,
    decode_report,
    decode_stock,
    decode_time_answer,
    encode_hello,
    encode_ping,
    encode_report,
    encode_stock,
    encode_time_answer,
)
from endpoints.fields import (
    MAX_COUNTER,
    MAX_MS,
    BadMessage,
    Fields,
    is_order_id,
    is_scope,
    is_speaker_id,
    unpack,
    whole,
)
from endpoints.orders import (
    MAX_AREAS,
    MAX_ASSET_BYTES,
    MAX_ASSET_MS,
    MAX_FADE_MS,
    MAX_GAP_MS,
    MAX_MORE,
    MAX_REPEATS,
    MAX_REVISION,
    MAX_SPEAKERS,
    MAX_STREAM,
    Order,
    Part,
    order_from_map,
    order_to_map,
    part_from_list,
    part_to_list,
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
    "MAX_FADE_MS",
    "MAX_GAP_MS",
    "MAX_HELD",
    "MAX_HELLO_BYTES",
    "MAX_LACKING",
    "MAX_MORE",
    "MAX_MS",
    "MAX_ORDERS",
    "MAX_PING_BYTES",
    "MAX_PROGRAMMES",
    "MAX_REPEATS",
    "MAX_REPORT_BYTES",
    "MAX_REVISION",
    "MAX_SLOTS",
    "MAX_SPEAKERS",
    "MAX_STOCK_BYTES",
    "MAX_STREAM",
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
    "Part",
    "Ping",
    "ProgrammeBoard",
    "Reason",
    "Report",
    "Resume",
    "Severity",
    "Stage",
    "Stock",
    "TimeAnswer",
    "Tone",
    "board_topic",
    "decode_board",
    "decode_hello",
    "decode_ping",
    "decode_programme",
    "decode_report",
    "decode_stock",
    "decode_time_answer",
    "encode_board",
    "encode_hello",
    "encode_ping",
    "encode_programme",
    "encode_report",
    "encode_stock",
    "encode_time_answer",
    "gone_topic",
    "hello_topic",
    "is_order_id",
    "is_scope",
    "is_speaker_id",
    "order_from_map",
    "order_to_map",
    "ping_topic",
    "programme_topic",
    "report_topic",
    "root_of",
    "stock_topic",
    "time_topic",
]

LIVE_ROOT, EXERCISE_ROOT = "eb/v1", "ex/v1"

MAX_BOARD_BYTES = 65_536
MAX_ORDERS, MAX_SLOTS = 64, 256


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
class ProgrammeBoard:
    """The routine programme of one area or speaker for the coming hours (节目单): a board of its own, so that an emergency's
    stays small. Its orders are all ROUTINE; what stands here before its time is staged, not reported.

    :param until_ms: it is complete up to then; of later hours it says nothing.
    :param volume_by_hour: 24 percentages of the speaker's own volume, by the hour of its local time, for routine; empty: 100.
        Of the programmes that a speaker follows the one of the smallest area that has a profile counts.
    :param budget_min: so many minutes of routine a day at most; 0 is no limit. The smallest area that has one counts.
    :param fallback: what sounds when something should and its file is not there or is silent; likewise.
    """

    scope: str
    epoch: int
    version: int
    written_at_ms: int
    orders: tuple[Order, ...]
    until_ms: int
    volume_by_hour: tuple[int, ...] = ()
    budget_min: int = 0
    fallback: Part | None = None


# ---- topics -------------------------------------------------------------------------------------------------------------


def root_of(exercise: bool) -> str:
    return EXERCISE_ROOT if exercise else LIVE_ROOT


def board_topic(root: str, scope: str) -> str:
    return f"{root}/board/{scope}"


def programme_topic(root: str, scope: str) -> str:
    return f"{root}/programme/{scope}"


def ping_topic(root: str, speaker: str) -> str:
    return f"{root}/ping/{speaker}"


def stock_topic(root: str, speaker: str) -> str:
    return f"{root}/stock/{speaker}"


def time_topic(root: str, speaker: str) -> str:
    return f"{root}/time/{speaker}"


def hello_topic(root: str, speaker: str) -> str:
    return f"{root}/hello/{speaker}"


def report_topic(root: str, speaker: str) -> str:
    return f"{root}/report/{speaker}"


def gone_topic(root: str, speaker: str) -> str:
    """Where the broker says that the speaker's connection broke (MQTT will)."""
    return f"{root}/gone/{speaker}"


# ---- boards and programmes -----


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


def encode_programme(programme: ProgrammeBoard) -> bytes:
    """:raises BadMessage: for what a speaker would not read."""
    fallback = [] if programme.fallback is None else [part_to_list(programme.fallback)]
    payload = canonical.encode(
        {
            1: programme.scope,
            2: programme.epoch,
            3: programme.version,
            4: programme.written_at_ms,
            5: [order_to_map(order) for order in programme.orders],
            6: programme.until_ms,
            7: list(programme.volume_by_hour),
            8: programme.budget_min,
            9: fallback,
        }
    )
    decode_programme(payload)
    return payload


def decode_programme(payload: bytes) -> ProgrammeBoard:
    """:raises BadMessage: a programme is taken whole or not at all."""
    read = Fields.of("programme", unpack("programme", payload, MAX_BOARD_BYTES), 9)
    orders = tuple(order_from_map(item) for item in read.items(5, "orders", MAX_SLOTS))
    if len({order.id for order in orders}) != len(orders):
        raise BadMessage("programme.orders", "the same order twice")
    if any(order.kind is not Kind.ROUTINE for order in orders):
        raise BadMessage("programme.orders", "what is no routine has no place here")
    hours = tuple(whole(item, "programme.volume_by_hour", 0, 100) for item in read.items(7, "volume_by_hour", 24))
    if len(hours) not in (0, 24):
        raise BadMessage("programme.volume_by_hour", "neither none nor 24")
    fallback = [part_from_list("programme.fallback", item) for item in read.items(9, "fallback", 1)]
    return ProgrammeBoard(
        scope=read.text(1, "scope", is_scope),
        epoch=read.uint(2, "epoch"),
        version=read.uint(3, "version"),
        written_at_ms=read.uint(4, "written_at_ms", MAX_MS),
        orders=orders,
        until_ms=read.uint(6, "until_ms", MAX_MS),
        volume_by_hour=hours,
        budget_min=read.uint(8, "budget_min", 1_440),
        fallback=fallback[0] if fallback else None,
    )
