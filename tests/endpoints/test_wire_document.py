"""docs/wire.md says what the code does: every key, number and limit of its tables, and its examples are those of today."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

from endpoints import (
    air,
    arbitration,
    box,
    canonical,
    in_step,
    journal,
    ledger,
    mqtt_link,
    player,
    sealing,
    server_time,
    shelf,
    stocktaking,
    time_line,
    time_pings,
)
from endpoints.fields import BadMessage
from endpoints.protocol import (
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
    board_topic,
    decode_board,
    decode_hello,
    decode_ping,
    decode_programme,
    decode_report,
    decode_stock,
    decode_time_answer,
    encode_board,
    encode_hello,
    encode_ping,
    encode_programme,
    encode_report,
    encode_stock,
    encode_time_answer,
    gone_topic,
    hello_topic,
    order_from_map,
    order_to_map,
    part_to_list,
    ping_topic,
    programme_topic,
    report_topic,
    root_of,
    stock_topic,
    time_topic,
)
from endpoints.sealing import MAX_PAYLOAD_BYTES, Algorithm, Message, NotAuthentic, TrustedKey, TrustStore
from endpoints.setup import about_topic, decode_about, decode_setup, encode_about, encode_setup, setup_topic
from tests.endpoints.wire_examples import ABOUT, BOARD, HELLO, NEWS, ORDER, PING, PROGRAMME, REPORT, SETUP, STOCK, TIME

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "wire.md").read_text(encoding="utf-8")
VECTORS = json.loads((DOCS / "wire-vectors.json").read_text(encoding="utf-8"))


def tables() -> Iterator[tuple[str, list[list[str]]]]:
    """Every table: the nearest heading above it, and its rows, the head among them."""
    heading, rows = "", []
    for line in TEXT.splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        if rows:
            yield heading, [rows[0], *rows[2:]]
            rows = []
        if line.startswith("#"):
            heading = line.lstrip("# ")


def table(*, head: str = "", heading: str = "") -> list[list[str]]:
    found = [rows for where, rows in tables() if (where == heading if heading else head in rows[0])]
    assert len(found) == 1, f"{len(found)} tables of {head or heading}"
    return found[0][1:]


def test_the_examples_and_vectors_are_those_of_the_code() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "wire_vectors.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("enum", [Kind, Band, Severity, Level, Tone, Resume, OrderRule, Stage, Reason, Fault])
def test_every_number_and_its_name_is_in_its_table(enum: type[IntEnum]) -> None:
    numbers = {int(row[0]): row[1] for row in table(head=enum.__name__)}
    assert numbers == {int(member): member.name for member in enum}


def test_the_bands_of_a_kind_and_the_lengths_of_the_tones_are_in_their_tables() -> None:
    bands = {Kind(int(row[0])): frozenset(Band(int(band)) for band in row[3].split(",")) for row in table(head="Kind")}
    assert bands == BANDS_OF
    assert {Tone(int(row[0])): int(row[2]) for row in table(head="Tone")} == TONE_MS


def fields_of(value: Any) -> list[str]:
    return list(value.__dataclass_fields__)


@pytest.mark.parametrize(
    ("heading", "example"),
    [
        ("board", BOARD),
        ("order", ORDER),
        ("time", TIME),
        ("hello", HELLO),
        ("report", REPORT),
        ("entry", REPORT.entries[0]),
        ("programme", PROGRAMME),
        ("part", PROGRAMME.fallback),
        ("ping", PING),
        ("stock", STOCK),
        ("setup", SETUP),
        ("about", ABOUT),
    ],
)
def test_every_field_has_its_row(heading: str, example: Any) -> None:
    rows = table(heading=heading)
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))
    assert [row[1] for row in rows] == fields_of(example)


def with_order(key: int, value: object) -> object:
    return order_from_map(order_to_map(ORDER) | {key: value})


def with_field(write: Any, read: Any, message: Any) -> Any:
    def taken(key: int, value: object) -> object:
        fields: Any = canonical.decode(write(message), max_bytes=100_000)
        return read(canonical.encode(fields | {key: value}))

    return taken


def with_entry(key: int, value: object) -> object:
    fields: Any = canonical.decode(encode_report(REPORT), max_bytes=100_000)
    fields[3] = [[value if place == key else item for place, item in enumerate(fields[3][0], start=1)]]
    return decode_report(canonical.encode(fields))


def with_part(key: int, value: object) -> object:
    part = [value if place == key else item for place, item in enumerate(part_to_list(ORDER.more[0]), start=1)]
    return with_order(23, [part])


TAKES = {
    "board": with_field(encode_board, decode_board, BOARD),
    "order": with_order,
    "time": with_field(encode_time_answer, decode_time_answer, TIME),
    "hello": with_field(encode_hello, decode_hello, HELLO),
    "report": with_field(encode_report, decode_report, REPORT),
    "entry": with_entry,
    "programme": with_field(encode_programme, decode_programme, PROGRAMME),
    "part": with_part,
    "ping": with_field(encode_ping, decode_ping, PING),
    "stock": with_field(encode_stock, decode_stock, STOCK),
    "setup": with_field(encode_setup, decode_setup, SETUP),
    "about": with_field(encode_about, decode_about, ABOUT),
}
RANGES = [
    (heading, int(row[0]), row[1], row[2], row[3])
    for heading in TAKES
    for row in table(heading=heading)
    if re.match(r"\d+ …", row[3])
]


@pytest.mark.parametrize(
    ("heading", "key", "name", "kind", "span"), RANGES, ids=[f"{heading}.{name}" for heading, _, name, _, _ in RANGES]
)
def test_a_range_in_the_document_is_the_one_that_is_read(
    heading: str, key: int, name: str, kind: str, span: str
) -> None:
    low, high = (int(edge) for edge in re.findall(r"\d+", span)[:2])
    taken = TAKES[heading]
    samples = {
        "area code": "130281102000",
        "speaker id": "abc",
        "order": None,
        "[scope": ["abc", 1, 1],
        "entry": None,
        "part": part_to_list(ORDER.more[0]),
        "SHA-256": bytes(32),
    }
    if kind == "uint":
        edges, beyond = [low, high], [low - 1, high + 1]
        other_edge = {"not_before_ms": high, "not_after_ms": low, "received_us": high, "sent_us": low, "stream": high}
        if heading == "order":
            other_edge |= {"asset_bytes": low, "asset_ms": low}
        if name in other_edge:
            edges.remove(other_edge[name])  # it depends on another field
    else:
        sample = next(value for word, value in samples.items() if f"of {word}" in span)
        if sample is None and heading in {"board", "programme"}:
            one = order_to_map(replace(NEWS, more=(), areas=(), excluded=(), speakers=()))
            edges = [[one | {1: f"o-{n}"} for n in range(count)] for count in (low, high)]
            beyond = [[one | {1: f"o-{n}"} for n in range(high + 1)]]
        elif sample is None:
            row = [1, "a", 1, 1, 0, 0]
            edges, beyond = [[row] * low, [row] * high], [[row] * (low - 1), [row] * (high + 1)]
        else:
            edges, beyond = [[sample] * low, [sample] * high], [[sample] * (high + 1)]
    for value in edges:
        taken(key, value)
    for value in beyond:
        with pytest.raises(BadMessage):
            taken(key, value)


def test_the_sizes_are_in_their_table() -> None:
    sizes = {row[0]: int(row[1]) for row in table(head="limit")}
    expected = {f"payload of {message}": size for message, size in MAX_PAYLOAD_BYTES.items()}
    assert sizes == {**expected, "frame beyond its payload": sealing.FRAME_AROUND_BYTES}
    assert f"nested at most {canonical.MAX_DEPTH} deep" in TEXT


def test_the_headers_and_the_additional_data_are_in_their_tables() -> None:
    for algorithm in (Algorithm.ED25519, Algorithm.SM2_SM3):
        head = canonical.encode({1: int(algorithm), 4: bytes(8)})[:-8]
        assert f"`{head.hex(' ')}` + 8 bytes of key id, that is {{1: {int(algorithm)}, 4: kid}}" in TEXT
    assert f"`{canonical.encode({1: int(Algorithm.HMAC_SHA256)}).hex(' ')}`" in TEXT
    rows = {Message(row[0]): (row[1], row[2]) for row in table(head="live")}
    assert rows == {m: (f"`lianbo/1/live/{m}`", f"`lianbo/1/exercise/{m}`") for m in Message}


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=[vector["name"] for vector in VECTORS["refused"]])
def test_our_own_speaker_counts_a_refused_frame_as_the_document_says(vector: Any) -> None:
    keys = [
        TrustedKey(Algorithm(key["algorithm"]), bytes.fromhex(key["public"]), **key["trusted_for"])
        for key in VECTORS["keys"].values()
        if "trusted_for" in key
    ]
    read = {"board": decode_board, "time": decode_time_answer, "programme": decode_programme}[vector["message"]]
    with pytest.raises({"unreadable": BadMessage, "not authentic": NotAuthentic}[vector["as"]]):
        read(
            TrustStore(tuple(keys))
            .open(bytes.fromhex(vector["frame"]), Message(vector["message"]), exercise=False)
            .payload
        )


@pytest.mark.parametrize(
    ("sentence", "number"),
    [
        ("A hello every {} s", player.HELLO_EVERY_S),
        ("after a round trip of more than {} s is not used", server_time.LONGEST_ROUND_TRIP_S),
        ("the last answer is older than {} s", server_time.FRESH_FOR_S),
        ("again after {} s without an answer", server_time.ASK_AGAIN_S),
        ("and every {} s", server_time.ASK_AGAIN_AT_MOST_S),
        ("moved the clock by more than {} s", server_time.CLOCK_FAULT_MS / 1000),
        ("highest band is {} or above", server_time.TIME_BAND.name),
        ("entries that were sent more than {} s ago", journal.RESEND_AFTER_S),
        ("A journal holds {} entries", journal.JOURNAL_LIMIT),
        ("of more than {:,} orders", ledger.LEDGER_LIMIT),
        ("and {} in the bands EMERGENCY, LIVE_COMMAND and LIFE_SAFETY", arbitration.EMERGENCY_PERCENT),
        ("multiples of {} ms", air.BLOCK_MS),
        ("gets what has a time **before** it: {} ms", air.PREROLL_MS),
        ("begins {} ms after it", air.IN_STEP_MS),
        ("within {} s after its not_before_ms", air.IN_TIME_MS / 1000),
        ("all but the last {} ms", air.TONE_LEFT_MS),
        ("at most {} in a million", in_step.FASTEST * 1e6),
        ("set by more than {} s moves", str(in_step.JUMP_S)),
        ("{} times 0.2 s apart", time_pings.FIRST),
        ("16 times {} s apart", str(time_pings.GAP_S)),
        ("then {} times every", time_pings.EACH_TIME),
        ("4 times every {} s", time_pings.EVERY_S),
        ("the next, up to {} s, and does not count", time_pings.LONGEST_GAP_S),
        ("a ping counts for {} s", time_pings.ANSWER_WITHIN_S),
        ("wider by {} ppm of its age", time_line.DRIFT_PPM),
        ("when it is more than {} s late", air.IN_TIME_MS / 1000),
        ("until {} s before its not_before_ms", shelf.UPCOMING_MS / 1000),
        ("within {} s by chance", stocktaking.JITTER_S),
        ("not within {} s of the one before", stocktaking.NOT_BEFORE_S),
        ("and every {} s, 540 to 660 s by chance", stocktaking.ANYWAY_S),
        ("| keep alive | {} s |", box.KEEPALIVE_S),
        ("| {:,} bytes must be taken", sealing.MAX_FRAME_BYTES + 1_024),
        ("a random time between 0 and {} s", mqtt_link.RETRY_FIRST_S),
        ("up to {} s; begin at", mqtt_link.RETRY_CAP_S),
        ("after a connection that lived {} s", mqtt_link.STABLE_S),
    ],
)
def test_a_figure_in_the_text_is_the_one_in_the_code(sentence: str, number: Any) -> None:
    assert sentence.format(int(number) if isinstance(number, float) else number) in TEXT


def test_the_topics_are_in_their_table() -> None:
    makers = {
        "board": board_topic,
        "time": time_topic,
        "hello": hello_topic,
        "report": report_topic,
        "gone": gone_topic,
        "programme": programme_topic,
        "ping": ping_topic,
        "stock": stock_topic,
        "setup": setup_topic,
        "about": about_topic,
    }
    topics = {row[0].strip("`") for row in table(head="topic")}
    assert topics == {
        make("ROOT", "SCOPE" if name in {"board", "programme"} else "SPEAKER") for name, make in makers.items()
    }
    assert f"`ROOT` is `{root_of(False)}` for live work and `{root_of(True)}` for exercises" in TEXT
