import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints.canonical import decode, encode
from endpoints.protocol import (
    BANDS_OF,
    MAX_BOARD_BYTES,
    MAX_ORDERS,
    MAX_SLOTS,
    TONE_MS,
    BadMessage,
    Band,
    Board,
    Kind,
    Order,
    Part,
    ProgrammeBoard,
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
    is_order_id,
    is_scope,
    is_speaker_id,
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
from tests.endpoints.wire_examples import (
    BOARD,
    HELLO,
    NEWS,
    NOW_MS,
    ORDER,
    PING,
    PROGRAMME,
    REPORT,
    STOCK,
    TIME,
    boards,
    hellos,
    orders,
    pings,
    programmes,
    reports,
    stocks,
    time_answers,
)

Decode = Callable[[bytes], object]
Encode = Callable[[Any], bytes]

MESSAGES: dict[str, tuple[Any, Encode, Decode]] = {
    "board": (BOARD, encode_board, decode_board),
    "time": (TIME, encode_time_answer, decode_time_answer),
    "hello": (HELLO, encode_hello, decode_hello),
    "report": (REPORT, encode_report, decode_report),
    "programme": (PROGRAMME, encode_programme, decode_programme),
    "ping": (PING, encode_ping, decode_ping),
    "stock": (STOCK, encode_stock, decode_stock),
}
each_message = pytest.mark.parametrize(("message", "write", "read"), MESSAGES.values(), ids=MESSAGES.keys())


# ---- what is written is read ------------------------------------------------------------------------------------------------


@given(boards)
def test_a_board_is_read_as_it_was_written(board: Board) -> None:
    assert decode_board(encode_board(board)) == board


@given(orders())
def test_an_order_is_read_as_it_was_written(order: Order) -> None:
    assert order_from_map(order_to_map(order)) == order


@given(time_answers())
def test_a_time_answer_is_read_as_it_was_written(answer: Any) -> None:
    assert decode_time_answer(encode_time_answer(answer)) == answer


@given(hellos)
def test_a_heartbeat_is_read_as_it_was_written(hello: Any) -> None:
    assert decode_hello(encode_hello(hello)) == hello


@given(reports)
def test_a_report_is_read_as_it_was_written(report: Any) -> None:
    assert decode_report(encode_report(report)) == report


@given(programmes)
def test_a_programme_is_read_as_it_was_written(programme: ProgrammeBoard) -> None:
    assert decode_programme(encode_programme(programme)) == programme


@given(pings)
def test_a_ping_is_read_as_it_was_written(ping: Any) -> None:
    assert decode_ping(encode_ping(ping)) == ping


@given(stocks)
def test_a_stock_is_read_as_it_was_written(stock: Any) -> None:
    assert decode_stock(encode_stock(stock)) == stock


# ---- what is not as specified is refused, and never otherwise -----------------------------------------------------------------


@each_message
@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_bad_message(message: Any, write: Encode, read: Decode, data: bytes) -> None:
    try:
        found = read(data)
    except BadMessage as err:
        assert err.where
        return
    assert write(found) == data


@each_message
@given(data=st.data())
def test_a_damaged_message_is_another_message_or_a_bad_message(
    message: Any, write: Encode, read: Decode, data: st.DataObject
) -> None:
    payload = bytearray(write(message))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(bytes(payload))
    except BadMessage:
        return
    assert write(found) == bytes(payload)


@each_message
def test_a_message_cut_short_or_followed_by_more_is_bad(message: Any, write: Encode, read: Decode) -> None:
    payload = write(message)
    for end in range(len(payload)):
        with pytest.raises(BadMessage):
            read(payload[:end])
    with pytest.raises(BadMessage):
        read(payload + b"\0")


@each_message
def test_a_message_without_a_field_or_with_one_more_is_bad(message: Any, write: Encode, read: Decode) -> None:
    fields = as_map(write(message))
    for key in fields:
        fewer = {other: value for other, value in fields.items() if other != key}
        for wrong in (fewer, fewer | {99: fields[key]}, fields | {99: 0}):
            with pytest.raises(BadMessage):
                read(encode(wrong))


STRANGERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.booleans(),
    st.binary(max_size=40),
    st.text(max_size=45),
    st.lists(st.integers(0, 9), max_size=9),
    st.lists(st.lists(st.integers(0, 9), max_size=7), max_size=5),
    st.dictionaries(st.integers(0, 30), st.integers(0, 9), max_size=29),
    st.sampled_from([None, math.nan, math.inf, 0.0, 1.0, -1, True, False, "", b"", [], {}, [[]], [{}]]),
)


@each_message
@given(data=st.data())
def test_a_stranger_in_a_field_is_a_bad_message_or_a_right_value(
    message: Any, write: Encode, read: Decode, data: st.DataObject
) -> None:
    fields = as_map(write(message))
    payload = encode(fields | {data.draw(st.sampled_from(sorted(fields))): data.draw(STRANGERS)})
    try:
        found = read(payload)
    except BadMessage:
        return
    assert write(found) == payload


@given(st.integers(1, 28), STRANGERS)
def test_a_stranger_in_an_order_is_a_bad_message_or_a_right_value(key: int, stranger: object) -> None:
    fields = order_to_map(ORDER) | {key: stranger}
    try:
        order = order_from_map(fields)
    except BadMessage:
        return
    assert encode(order_to_map(order)) == encode(fields)


@given(st.integers(0, 2), STRANGERS)
def test_a_stranger_in_a_playlist_is_a_bad_message_or_a_right_value(at: int, stranger: object) -> None:
    part = part_to_list(Part(b"m" * 32, 1, 1))
    part[at] = stranger
    fields = order_to_map(ORDER) | {23: [part]}
    try:
        order = order_from_map(fields)
    except BadMessage:
        return
    assert encode(order_to_map(order)) == encode(fields)


@given(st.integers(0, 5), STRANGERS)
def test_a_stranger_in_a_report_entry_is_a_bad_message_or_a_right_value(at: int, stranger: object) -> None:
    fields = as_map(encode_report(REPORT))
    fields[3][0][at] = stranger
    payload = encode(fields)
    try:
        report = decode_report(payload)
    except BadMessage:
        return
    assert encode_report(report) == payload


BIG = 2**63 - 1
LATEST = 2**53 - 1
ORDER_LIMITS: dict[str, tuple[int, list[object], list[object]]] = {
    # field: key, the edges that are taken, what lies just beyond or is of another kind
    "id": (1, ["a", "A-9", "z" * 40], ["", "z" * 41, "a b", "a/b", "a#", "a+", "é", "四", "a\n", 1, b"a", None]),
    "revision": (2, [1, 2**31], [0, -1, 2**31 + 1, True, 1.0, "1", None]),
    "kind": (3, [3], [0, 5, -1, True, 3.0, None, "3"]),
    "band": (4, [4, 6], [0, 1, 2, 3, 5, 7, True, None]),
    "severity": (5, [0, 1, 4], [5, -1, False, True, None]),
    "level": (6, [1, 5], [0, 6, True, None]),
    "exercise": (7, [False, True], [0, 1, None, "false"]),
    "issued_at_ms": (8, [0, LATEST], [-1, LATEST + 1, 0.0, None, False]),
    "not_before_ms": (9, [0, NOW_MS], [-1, LATEST, LATEST + 1, ORDER.not_after_ms, None]),
    "not_after_ms": (10, [NOW_MS + 1, LATEST], [NOW_MS, 0, -1, LATEST + 1, None]),
    "areas": (
        11,
        [[], ["130281000000"], ["130281000000"] * 1024, ["130281102217001", "130281102217001002"]],
        [
            ["13028100000"],
            ["1302810000000"],
            ["130281000001000"],
            ["000000000000"],
            ["１３０２８１００００００"],
            ["١٣٠٢٨١٠٠٠٠٠٠"],
            ["130281000000"] * 1025,
            "130281000000",
            [130281000000],
            [b"130281000000"],
            {},
            None,
        ],
    ),
    "excluded": (12, [[], ["130281000000"] * 1024], [["x"], ["130281000000"] * 1025, None, [None]]),
    "speakers": (
        13,
        [[], ["abc"], ["a" + "-" * 31], ["abc"] * 256],
        [
            ["ab"],
            ["a" * 33],
            ["1bc"],
            ["-bc"],
            ["Abc"],
            ["ab_"],
            ["ab/"],
            ["ab+"],
            ["ábc"],
            ["ªbc"],
            ["abc"] * 257,
            [[]],
            None,
        ],
    ),
    "tone": (14, [0, 3], [4, -1, False, None]),
    "asset": (15, [bytes(32)], [bytes(31), bytes(33), bytes(1), "a" * 32, None, 0]),
    "asset_bytes": (16, [1, 2**24], [0, 2**24 + 1, -1, True, None]),
    "asset_ms": (17, [1, 86_400_000], [0, 86_400_001, -1, True, None]),
    "repeats": (18, [1, 100], [0, 101, -1, True, None]),
    "gap_ms": (19, [0, 600_000], [600_001, -1, False, None]),
    "resume": (20, [1, 4], [0, 5, True, None]),
    "volume_percent": (21, [0, 100], [101, -1, False, None]),
    "closing": (22, [0, 3], [4, -1, False, None]),
    "more": (
        23,
        [[], [[bytes(32), 2**24, 86_400_000]], [[bytes(32), 1, 1]] * 99],
        [
            [[bytes(32), 1, 1]] * 100,
            [bytes(32)],
            [[bytes(32)]],
            [[bytes(32), 1, 1, 1]],
            [[bytes(31), 1, 1]],
            [[b"", 1, 1]],
            [["a" * 32, 1, 1]],
            [[bytes(32), 0, 1]],
            [[bytes(32), 2**24 + 1, 1]],
            [[bytes(32), 1, 0]],
            [[bytes(32), 1, 86_400_001]],
            [[bytes(32), True, 1]],
            [[bytes(32), 1, 1.0]],
            [{}],
            {},
            None,
        ],
    ),
    "start_by_ms": (24, [0, LATEST], [-1, LATEST + 1, False, None]),
    "hard_at_ms": (25, [0, LATEST], [-1, LATEST + 1, False, None]),
    "fade_ms": (26, [0, 60_000], [60_001, -1, False, None]),
    "ceiling_percent": (27, [0, 100], [101, -1, False, None]),
    "stream": (28, [0], [2**32, 1, -1, False, None]),  # 1: a stream and a file
}


@pytest.mark.parametrize(("key", "edges", "beyond"), ORDER_LIMITS.values(), ids=ORDER_LIMITS.keys())
def test_a_field_of_an_order_is_taken_up_to_its_edge_and_not_beyond(
    key: int, edges: list[object], beyond: list[object], request: pytest.FixtureRequest
) -> None:
    fields = order_to_map(ORDER)
    for value in edges:
        assert order_to_map(order_from_map(fields | {key: value}))[key] == value
    for value in beyond:
        with pytest.raises(BadMessage) as caught:
            order_from_map(fields | {key: value})
        if key not in {4, 9}:  # their edges also depend on another field
            assert caught.value.where == f"order.{request.node.callspec.id}"


def test_every_field_of_an_order_has_its_limits_tested() -> None:
    assert [key for key, _, _ in ORDER_LIMITS.values()] == list(order_to_map(ORDER))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("band", Band)
def test_a_kind_of_order_stands_in_its_own_bands_only(kind: Kind, band: Band) -> None:
    fields = order_to_map(replace(ORDER, kind=kind, band=band))
    if band in BANDS_OF[kind]:
        assert order_from_map(fields).band is band
    else:
        with pytest.raises(BadMessage, match="no band of"):
            order_from_map(fields)


def test_a_stream_stands_in_place_of_files_and_lasts_as_long_as_it_may() -> None:
    fields = order_to_map(ORDER)
    relay = {15: b"", 16: 0, 17: 0, 23: []}
    for stream in (1, 2**32 - 1):
        order = order_from_map(fields | relay | {28: stream})
        assert (order.stream, order.sound_ms, order.parts) == (stream, order.not_after_ms - order.not_before_ms, ())
    for wrong in ({28: 1}, relay | {28: 2**32}):
        with pytest.raises(BadMessage) as caught:
            order_from_map(fields | wrong)
        assert caught.value.where == "order.stream"


def test_an_order_without_a_file_claims_no_length_of_one_and_nothing_that_follows_it() -> None:
    fields = order_to_map(ORDER)
    none = {15: b"", 16: 0, 17: 0, 23: []}
    assert order_from_map(fields | none).sound_ms == 3 * 4_000 + 2 * 1_000 + TONE_MS[Tone.CHIME]
    for wrong in (none | {16: 1}, none | {17: 1}, none | {23: fields[23]}):
        with pytest.raises(BadMessage):
            order_from_map(fields | wrong)


FLAT_LIMITS: list[tuple[str, int, list[object], list[object]]] = [
    ("board", 1, ["abc", "130281000000"], ["", "ab", "13", 130281000000, None, ["abc"]]),
    ("board", 2, [0, BIG], [-1, BIG + 1, 2**64 - 1, False, None]),
    ("board", 3, [0, BIG], [-1, BIG + 1, False, None]),
    ("board", 4, [0, LATEST], [-1, LATEST + 1, False, None]),
    ("board", 5, [[]], [None, {}, [None], [[]], [{}], [order_to_map(ORDER)] * 2]),
    ("time", 1, ["abc"], ["130281000000", "", None]),
    ("time", 2, [bytes(8)], [b"", bytes(7), bytes(9), "12345678", None]),
    ("time", 3, [0, BIG], [-1, BIG + 1, None]),
    ("time", 4, [0, TIME.sent_us], [-1, TIME.sent_us + 1, LATEST, LATEST + 1, None]),
    ("time", 5, [TIME.received_us, LATEST], [TIME.received_us - 1, 0, LATEST + 1, None]),
    ("time", 6, [0, BIG], [-1, BIG + 1, None]),
    ("time", 7, [0, BIG], [-1, BIG + 1, None]),
    ("time", 8, [0, 1], [2, -1, True, False, None]),
    ("hello", 1, ["abc"], ["130281000000", None]),
    ("hello", 2, [0, BIG], [-1, BIG + 1, None]),
    ("hello", 3, [b"", bytes(8)], [bytes(1), bytes(16), "", None]),
    ("hello", 4, [0, BIG], [-1, BIG + 1, None]),
    ("hello", 5, [0, BIG], [-1, BIG + 1, None]),
    ("hello", 6, [0, BIG], [-1, BIG + 1, None]),
    ("hello", 7, ["", "a"], [" ", "z" * 41, None, b""]),
    ("hello", 8, [0, 255], [256, -1, None]),
    ("hello", 9, [[0, 0, 0, BIG]], [[0, 0, 0], [0] * 5, [0, 0, 0, -1], [0, 0, 0, BIG + 1], [0, 0, 0, True], None]),
    (
        "hello",
        10,
        [[], [["abc", 0, BIG]] * 8],
        [
            [["abc", 0, 0]] * 9,
            [["abc", 0]],
            [["abc", 0, -1]],
            [["abc", BIG + 1, 0]],
            [["", 0, 0]],
            [[[], 0, 0]],
            ["abc"],
        ],
    ),
    ("hello", 11, [0, LATEST], [-1, LATEST + 1, None]),
    ("hello", 12, [0, BIG], [-1, BIG + 1, None]),
    ("report", 1, ["abc"], ["130281000000", None]),
    ("report", 2, [0, BIG], [-1, BIG + 1, True, None]),
    (
        "report",
        3,
        [[[1, "a", 1, 1, 0, 0]], [[BIG, "z" * 40, 2**31, 9, 19, LATEST]] * 64],
        [
            [],
            [[1, "a", 1, 1, 0, 0]] * 65,
            [[]],
            [{}],
            None,
            [[1, "a", 1, 1, 0]],
            [[1, "a", 1, 1, 0, 0, 0]],
            [[0, "a", 1, 1, 0, 0]],
            [[BIG + 1, "a", 1, 1, 0, 0]],
            [[True, "a", 1, 1, 0, 0]],
            [[1, "", 1, 1, 0, 0]],
            [[1, "z" * 41, 1, 1, 0, 0]],
            [[1, 1, 1, 1, 0, 0]],
            [[1, [], 1, 1, 0, 0]],
            [[1, "a", 0, 1, 0, 0]],
            [[1, "a", 2**31 + 1, 1, 0, 0]],
            [[1, "a", True, 1, 0, 0]],
            [[1, "a", 1, 0, 0, 0]],
            [[1, "a", 1, 10, 0, 0]],
            [[1, "a", 1, True, 0, 0]],
            [[1, "a", 1, [], 0, 0]],
            [[1, "a", 1, 1, 20, 0]],
            [[1, "a", 1, 1, -1, 0]],
            [[1, "a", 1, 1, False, 0]],
            [[1, "a", 1, 1, {}, 0]],
            [[1, "a", 1, 1, 0, -1]],
            [[1, "a", 1, 1, 0, LATEST + 1]],
            [[1, "a", 1, 1, 0, False]],
        ],
    ),
    ("programme", 1, ["abc", "130281000000"], ["", "ab", "13", 130281000000, None, ["abc"]]),
    ("programme", 2, [0, BIG], [-1, BIG + 1, 2**64 - 1, False, None]),
    ("programme", 3, [0, BIG], [-1, BIG + 1, False, None]),
    ("programme", 4, [0, LATEST], [-1, LATEST + 1, False, None]),
    ("programme", 5, [[]], [None, {}, [None], [[]], [{}], [order_to_map(NEWS)] * 2, [order_to_map(ORDER)]]),
    ("programme", 6, [0, LATEST], [-1, LATEST + 1, False, None]),
    (
        "programme",
        7,
        [[], [0] * 24, [100] * 24],
        [[0], [0] * 23, [0] * 25, [0] * 23 + [101], [0] * 23 + [-1], [0] * 23 + [True], [[]], {}, None],
    ),
    ("programme", 8, [0, 1_440], [-1, 1_441, True, None]),
    (
        "programme",
        9,
        [[], [[bytes(32), 2**24, 86_400_000]]],
        [[[bytes(32), 1, 1]] * 2, [bytes(32)], [[bytes(31), 1, 1]], [[bytes(32), 0, 1]], [[]], {}, None],
    ),
    ("ping", 1, ["abc"], ["130281000000", "", None]),
    ("ping", 2, [bytes(8)], [b"", bytes(7), bytes(9), "12345678", None]),
    ("stock", 1, ["abc"], ["130281000000", None]),
    ("stock", 2, [0, BIG], [-1, BIG + 1, True, None]),
    ("stock", 3, [0, LATEST], [-1, LATEST + 1, None]),
    *(("stock", key, [0, BIG], [-1, BIG + 1, True, None]) for key in (4, 5, 6, 7)),
    ("stock", 8, [0, LATEST], [-1, LATEST + 1, None]),
    ("stock", 9, [[], [["abc", 0, BIG]] * 8], [[["abc", 0, 0]] * 9, [["abc", 0]], [["abc", 0, -1]], ["abc"], None]),
    (
        "stock",
        10,
        [[], [bytes(32)] * 64],
        [[bytes(32)] * 65, [bytes(31)], [b""], ["a" * 32], [None], [[]], {}, None],
    ),
]


@pytest.mark.parametrize(
    ("name", "key", "edges", "beyond"), FLAT_LIMITS, ids=[f"{n}.{k}" for n, k, _, _ in FLAT_LIMITS]
)
def test_a_field_is_taken_up_to_its_edge_and_not_beyond(
    name: str, key: int, edges: list[object], beyond: list[object]
) -> None:
    message, write, read = MESSAGES[name]
    fields = as_map(write(message))
    for value in edges:
        payload = encode(fields | {key: value})
        assert write(read(payload)) == payload
    for value in beyond:
        with pytest.raises(BadMessage):
            read(encode(fields | {key: value}))


def test_every_field_of_every_message_has_its_limits_tested() -> None:
    fields = [(name, key) for name, (message, write, _) in MESSAGES.items() for key in as_map(write(message))]
    assert [(name, key) for name, key, _, _ in FLAT_LIMITS] == fields


# ---- sizes ------------------------------------------------------------------------------------------------------------------


def test_a_board_that_no_speaker_would_read_is_not_written() -> None:
    many = tuple(replace(ORDER, id=f"o-{n}") for n in range(MAX_ORDERS + 1))
    with pytest.raises(BadMessage, match="not a list of at most 64"):
        encode_board(replace(BOARD, orders=many))
    long = tuple(replace(ORDER, id=f"o-{n}", areas=("130281102217",) * 1024) for n in range(5))
    with pytest.raises(BadMessage, match=f"at most {MAX_BOARD_BYTES}"):
        encode_board(replace(BOARD, orders=long))
    with pytest.raises(BadMessage, match="asset_bytes"):
        encode_board(replace(BOARD, orders=(replace(ORDER, asset_bytes=2**24 + 1),)))
    assert len(decode_board(encode_board(replace(BOARD, orders=many[:-1]))).orders) == MAX_ORDERS


def test_the_largest_heartbeat_and_report_fit() -> None:
    hello = replace(
        HELLO, speaker="a" * 32, boot=BIG, on_air="z" * 40, refused_frames=(BIG,) * 4, at_ms=LATEST,
        held=(replace(HELLO.held[0], scope="a" * 32, epoch=BIG, version=BIG),) * 8, uptime_s=BIG, oldest_n=BIG, next_n=BIG,
    )  # fmt: skip
    assert decode_hello(encode_hello(hello)) == hello
    entry = replace(REPORT.entries[0], n=BIG, order="z" * 40, revision=2**31, at_ms=LATEST)
    report = replace(REPORT, speaker="a" * 32, boot=BIG, entries=(entry,) * 64)
    assert decode_report(encode_report(report)) == report


def test_the_largest_stock_fits() -> None:
    programmes = (replace(STOCK.programmes[0], scope="a" * 32, epoch=BIG, version=BIG),) * 8
    numbers = dict.fromkeys(("boot", "wanted", "held", "held_bytes", "free_bytes"), BIG)
    times = {"at_ms": LATEST, "complete_until_ms": LATEST}
    stock = replace(STOCK, speaker="a" * 32, programmes=programmes, lacking=(bytes(32),) * 64, **numbers, **times)
    assert decode_stock(encode_stock(stock)) == stock


def test_a_programme_that_no_speaker_would_read_is_not_written() -> None:
    many = tuple(replace(NEWS, id=f"o-{n}") for n in range(MAX_SLOTS + 1))
    with pytest.raises(BadMessage, match="not a list of at most 256"):
        encode_programme(replace(PROGRAMME, orders=tuple(replace(one, more=()) for one in many)))
    with pytest.raises(BadMessage, match=f"at most {MAX_BOARD_BYTES}"):
        encode_programme(replace(PROGRAMME, orders=tuple(replace(one, more=(NEWS.more[0],) * 99) for one in many[:20])))
    with pytest.raises(BadMessage, match="no routine"):
        encode_programme(replace(PROGRAMME, orders=(ORDER,)))
    with pytest.raises(BadMessage, match="neither none nor 24"):
        encode_programme(replace(PROGRAMME, volume_by_hour=(50,) * 23))


# ---- names ------------------------------------------------------------------------------------------------------------------


@given(st.one_of(st.text(max_size=42), st.binary(max_size=12), st.none(), st.integers()))
def test_an_identifier_is_ascii_and_safe_in_a_topic(text: object) -> None:
    allowed = {is_speaker_id: "abcdefghijklmnopqrstuvwxyz0123456789-"}
    allowed[is_order_id] = allowed[is_speaker_id] + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for check, letters in allowed.items():
        if check(text):
            assert isinstance(text, str)
            assert 1 <= len(text) <= 40
            assert set(text) <= set(letters)


def test_no_speaker_has_the_name_of_an_area() -> None:
    assert is_scope("130281000000")
    assert is_scope("abc")
    assert not is_speaker_id("130281000000")
    for other in ("", "1", "#", "+", "a/b", None, 1, [], {}):
        assert not is_scope(other)


def test_topics_of_exercise_and_live_share_no_prefix() -> None:
    assert board_topic(root_of(False), "130281000000") == "eb/v1/board/130281000000"
    assert time_topic(root_of(True), "abc") == "ex/v1/time/abc"
    assert hello_topic("eb/v1", "abc") == "eb/v1/hello/abc"
    assert report_topic("eb/v1", "abc") == "eb/v1/report/abc"
    assert gone_topic("eb/v1", "abc") == "eb/v1/gone/abc"
    assert programme_topic("eb/v1", "130281000000") == "eb/v1/programme/130281000000"
    assert ping_topic("ex/v1", "abc") == "ex/v1/ping/abc"
    assert stock_topic("eb/v1", "abc") == "eb/v1/stock/abc"


def test_an_order_lasts_as_long_as_its_tone_its_file_and_the_gaps() -> None:
    assert ORDER.sound_ms == TONE_MS[Tone.ATTENTION] + 3 * (12_000 + 500) + 2 * 1_000 + TONE_MS[Tone.CHIME]
    only_tone = replace(ORDER, asset=b"", asset_bytes=0, asset_ms=0, more=(), tone=Tone.CHIME, repeats=2, gap_ms=500)
    assert only_tone.sound_ms == 2 * 1_600 + 500 + 1_600


def as_map(payload: bytes) -> Any:
    return decode(payload, max_bytes=MAX_BOARD_BYTES)
