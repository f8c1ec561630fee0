"""What a speaker and the server say to each other beside the boards: time, heartbeat, reports, stock. No I/O."""

from dataclasses import dataclass

from endpoints import canonical
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
from endpoints.orders import MAX_REVISION
from endpoints.vocabulary import OrderRule, Reason, Stage

MAX_ANSWER_BYTES = 1_024
MAX_HELLO_BYTES = 2_048
MAX_REPORT_BYTES = 8_192
MAX_STOCK_BYTES = 4_096
MAX_PING_BYTES = 128
MAX_ENTRIES, MAX_HELD, MAX_PROGRAMMES, MAX_LACKING = 64, 8, 8, 64


@dataclass(frozen=True, slots=True)
class Ping:
    """A question for the time and nothing else: several of them in a row measure the way (RFC 5905 §8)."""

    speaker: str
    nonce: bytes


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """The server's time in answer to a speaker's question, and which reports are in the table.

    :param received_us, sent_us: when the question came in and the answer went out, microseconds since 1970: what the server
        needed between the two is no part of the way.
    """

    speaker: str
    nonce: bytes
    epoch: int
    received_us: int
    sent_us: int
    confirmed_boot: int
    confirmed_n: int
    rule: OrderRule

    @property
    def server_ms(self) -> int:
        return self.sent_us // 1_000


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
    :param time_error_us: how wrong its time can be by what it knows, microseconds; 0 while it can't say.
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
    time_error_us: int = 0


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


@dataclass(frozen=True, slots=True)
class Stock:
    """What a speaker has of the files that its programmes name (备播清单): sent when it changes.

    :param complete_until_ms: whatever is to sound before then is here.
    :param programmes: which programmes it holds.
    :param lacking: the files that it does not have, those needed first come first; at most MAX_LACKING of them.
    """

    speaker: str
    boot: int
    at_ms: int
    wanted: int
    held: int
    held_bytes: int
    free_bytes: int
    complete_until_ms: int
    programmes: tuple[Held, ...]
    lacking: tuple[bytes, ...]


# ---- time, heartbeat, reports -------------------------------------------------------------------------------------------------


def encode_time_answer(answer: TimeAnswer) -> bytes:
    return canonical.encode(
        {
            1: answer.speaker,
            2: answer.nonce,
            3: answer.epoch,
            4: answer.received_us,
            5: answer.sent_us,
            6: answer.confirmed_boot,
            7: answer.confirmed_n,
            8: int(answer.rule),
        }
    )


def decode_time_answer(payload: bytes) -> TimeAnswer:
    """:raises BadMessage: when it is not as specified."""
    read = Fields.of("time", unpack("time", payload, MAX_ANSWER_BYTES), 8)
    received_us = read.uint(4, "received_us", MAX_MS)
    return TimeAnswer(
        speaker=read.text(1, "speaker", is_speaker_id),
        nonce=read.blob(2, "nonce", (8,)),
        epoch=read.uint(3, "epoch"),
        received_us=received_us,
        sent_us=read.uint(5, "sent_us", MAX_MS, low=received_us),
        confirmed_boot=read.uint(6, "confirmed_boot"),
        confirmed_n=read.uint(7, "confirmed_n"),
        rule=read.enum(8, "rule", OrderRule),
    )


def encode_ping(ping: Ping) -> bytes:
    return canonical.encode({1: ping.speaker, 2: ping.nonce})


def decode_ping(payload: bytes) -> Ping:
    """:raises BadMessage: when it is not as specified."""
    read = Fields.of("ping", unpack("ping", payload, MAX_PING_BYTES), 2)
    return Ping(read.text(1, "speaker", is_speaker_id), read.blob(2, "nonce", (8,)))


def encode_stock(stock: Stock) -> bytes:
    return canonical.encode(
        {
            1: stock.speaker,
            2: stock.boot,
            3: stock.at_ms,
            4: stock.wanted,
            5: stock.held,
            6: stock.held_bytes,
            7: stock.free_bytes,
            8: stock.complete_until_ms,
            9: [[one.scope, one.epoch, one.version] for one in stock.programmes],
            10: list(stock.lacking),
        }
    )


def decode_stock(payload: bytes) -> Stock:
    """:raises BadMessage: when it is not as specified."""
    read = Fields.of("stock", unpack("stock", payload, MAX_STOCK_BYTES), 10)
    lacking = []
    for item in read.items(10, "lacking", MAX_LACKING):
        if not isinstance(item, bytes) or len(item) != 32:
            raise BadMessage("stock.lacking", "not a list of sha256")
        lacking.append(item)
    return Stock(
        speaker=read.text(1, "speaker", is_speaker_id),
        boot=read.uint(2, "boot"),
        at_ms=read.uint(3, "at_ms", MAX_MS),
        wanted=read.uint(4, "wanted"),
        held=read.uint(5, "held"),
        held_bytes=read.uint(6, "held_bytes"),
        free_bytes=read.uint(7, "free_bytes"),
        complete_until_ms=read.uint(8, "complete_until_ms", MAX_MS),
        programmes=_held("stock.programmes", read.items(9, "programmes", MAX_PROGRAMMES)),
        lacking=tuple(lacking),
    )


def _held(where: str, items: list[object]) -> tuple[Held, ...]:
    held = []
    for item in items:
        if not isinstance(item, list) or len(item) != 3 or not is_scope(item[0]):
            raise BadMessage(where, "not a list of scope, epoch, version")
        held.append(Held(item[0], whole(item[1], where, 0, MAX_COUNTER), whole(item[2], where, 0, MAX_COUNTER)))
    return tuple(held)


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
            12: hello.time_error_us,
        }
    )


def decode_hello(payload: bytes) -> Hello:
    """:raises BadMessage: when it is not as specified."""
    read = Fields.of("hello", unpack("hello", payload, MAX_HELLO_BYTES), 12)
    refused = [whole(item, "hello.refused_frames", 0, MAX_COUNTER) for item in read.items(9, "refused_frames", 4)]
    if len(refused) != 4:
        raise BadMessage("hello.refused_frames", "not four counters")
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
        held=_held("hello.held", read.items(10, "held", MAX_HELD)),
        at_ms=read.uint(11, "at_ms", MAX_MS),
        time_error_us=read.uint(12, "time_error_us"),
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
