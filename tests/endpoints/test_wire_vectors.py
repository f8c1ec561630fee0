"""A speaker's ears, written from docs/wire.md alone: this file imports nothing of ours and opens every vector.

The proof that a vendor can do it: the bytes are cut by hand, and beside the standard library only Ed25519 comes from elsewhere.
"""

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "docs" / "wire-vectors.json").read_text(encoding="utf-8"))
SPEAKER, AREA = VECTORS["speaker"]["id"], VECTORS["speaker"]["area"]
UTC_OFFSET_MS, QUIET_FROM_MIN, QUIET_UNTIL_MIN = 8 * 3_600_000, 22 * 60, 6 * 60


class Unreadable(Exception):
    """Not as the document says."""


class NotAuthentic(Exception):
    """Not signed as that message by a trusted key."""


def need(condition: bool) -> None:
    if not condition:
        raise Unreadable


# ---- §3: CBOR ---------------------------------------------------------------------------------------------------------------


def cbor(data: bytes) -> Any:
    value, end = item(data, 0, 0)
    need(end == len(data))
    return value


def item(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    need(at < len(data))
    major, info = data[at] >> 5, data[at] & 31
    if data[at] in {0xF4, 0xF5}:
        return data[at] == 0xF5, at + 1
    need(major in {0, 1, 2, 3, 4, 5})
    number, at = argument(data, at + 1, info)
    if major in {0, 1}:
        return (number if major == 0 else -1 - number), at
    need(number <= len(data) - at)
    if major in {2, 3}:
        part = data[at : at + number]
        try:
            return (part if major == 2 else part.decode()), at + number
        except UnicodeDecodeError:
            raise Unreadable from None
    need(depth < 5)
    if major == 4:
        values = []
        for _ in range(number):
            value, at = item(data, at, depth + 1)
            values.append(value)
        return values, at
    fields: dict[int, Any] = {}
    for _ in range(number):
        need(at < len(data) and data[at] >> 5 == 0)
        key, at = item(data, at, depth + 1)
        need(not fields or key > max(fields))
        fields[key], at = item(data, at, depth + 1)
    return fields, at


def argument(data: bytes, at: int, info: int) -> tuple[int, int]:
    if info < 24:
        return info, at
    need(info in {24, 25, 26, 27})
    size = 1 << info - 24
    need(at + size <= len(data))
    number = int.from_bytes(data[at : at + size], "big")
    need(number >= {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}[size])
    return number, at + size


def byte_string(data: bytes) -> bytes:
    size = len(data)
    if size < 24:
        return bytes([0x40 + size]) + data
    if size < 256:
        return bytes([0x58, size]) + data
    return b"\x59" + size.to_bytes(2, "big") + data


# ---- §4: frames ---------------------------------------------------------------------------------------------------------------

MAX_PAYLOAD = {"board": 65_536, "programme": 65_536, "time": 1_024, "hello": 2_048, "report": 8_192}
MAX_PAYLOAD |= {"ping": 128, "stock": 4_096, "setup": 1_024, "about": 1_024}


def open_frame(frame: bytes, message: str, mode: str) -> tuple[bytes, str, bytes]:
    """The payload, the name of the key, and the bytes that were signed."""
    need(len(frame) <= MAX_PAYLOAD[message] + 128)
    parts = cbor(frame)
    need(isinstance(parts, list) and len(parts) == 4 and parts[1] == {})
    protected, _, payload, signature = parts
    need(all(isinstance(part, bytes) for part in (protected, payload, signature)))
    heads = {bytes.fromhex("a201270448"): -8, bytes.fromhex("a2013a000100000448"): -65_537}
    need(protected[:-8] in heads and len(protected) > 8)
    aad = f"lianbo/1/{mode}/{message}".encode()
    signed = b"\x84\x6aSignature1" + byte_string(protected) + byte_string(aad) + byte_string(payload)
    for name, key in VECTORS["keys"].items():
        if "trusted_for" in key and bytes.fromhex(key["key_id"]) == protected[-8:]:
            exercise = key["trusted_for"]["exercise"]
            right = (
                exercise is (mode == "exercise") and key["algorithm"] == heads[protected[:-8]] and len(signature) == 64
            )
            if right and VERIFY[key["algorithm"]](bytes.fromhex(key["public"]), signed, signature):
                return payload, name, signed
    raise NotAuthentic


def open_said(frame: bytes, message: str, mode: str, key: bytes) -> tuple[bytes, bytes]:
    """The payload, and the bytes that were authenticated."""
    need(len(frame) <= MAX_PAYLOAD[message] + 128)
    parts = cbor(frame)
    need(isinstance(parts, list) and len(parts) == 4 and parts[0] == b"\xa1\x01\x05" and parts[1] == {})
    need(isinstance(parts[2], bytes) and isinstance(parts[3], bytes) and len(parts[3]) == 32)
    aad = f"lianbo/1/{mode}/{message}".encode()
    covered = b"\x84\x64MAC0\x43\xa1\x01\x05" + byte_string(aad) + byte_string(parts[2])
    if hmac.new(key, covered, "sha256").digest() != parts[3]:
        raise NotAuthentic
    return parts[2], covered


def ed25519(public: bytes, data: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except InvalidSignature:
        return False
    return True


# SM2 (GB/T 32918): the curve sm2p256v1
P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
GX = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
GY = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0
Point = tuple[int, int] | None


def add(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return other if one is None else one
    if one[0] == other[0] and (one[1] + other[1]) % P == 0:
        return None
    if one == other:
        slope = (3 * one[0] ** 2 + A) * pow(2 * one[1], -1, P) % P
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, P) % P
    x = (slope**2 - one[0] - other[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def times(number: int, point: Point) -> Point:
    result: Point = None
    while number:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result


def sm2(public: bytes, data: bytes, signature: bytes) -> bool:
    """GB/T 32918.2 §7.1."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < N and 0 < s < N and (r + s) % N):
        return False
    numbers = b"".join(number.to_bytes(32, "big") for number in (A, B, GX, GY))
    z = hashlib.new("sm3", b"\x00\x80" + b"1234567812345678" + numbers + public).digest()
    e = int.from_bytes(hashlib.new("sm3", z + data).digest(), "big")
    key = int.from_bytes(public[:32], "big"), int.from_bytes(public[32:], "big")
    point = add(times(s, (GX, GY)), times((r + s) % N, key))
    return point is not None and (e + point[0]) % N == r


VERIFY = {-8: ed25519, -65_537: sm2}


# ---- §5: messages ---------------------------------------------------------------------------------------------------------------

MS, COUNT = (0, 2**53 - 1), (0, 2**63 - 1)


def significant(code: str) -> str:
    """§2, Identifiers."""
    need(isinstance(code, str) and re.fullmatch(r"[0-9]+", code) is not None and len(code) in {12, 15, 18})
    ends = [end for end in (2, 4, 6, 9, 12, 15, 18) if end <= len(code)]
    groups = [code[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    filled = [bool(group.strip("0")) for group in groups]
    need(any(filled))
    last = max(place for place, full in enumerate(filled) if full)
    need(all(filled[place] or (place == 2 and last > 2) for place in range(last)))
    return code[: ends[last]]


def covers(area: str, other: str) -> bool:
    return significant(other).startswith(significant(area))


def uint(value: Any, low: int, high: int) -> None:
    need(type(value) is int and low <= value <= high)


def text(value: Any, pattern: str) -> None:
    need(isinstance(value, str) and re.fullmatch(pattern, value) is not None)


ORDER_ID, SPEAKER_ID = r"[A-Za-z0-9-]{1,40}", r"[a-z][a-z0-9-]{2,31}"
BANDS = {1: {1, 2}, 2: {3}, 3: {4, 6}, 4: {5}}


def listed(value: Any, most: int) -> list[Any]:
    need(isinstance(value, list) and len(value) <= most)
    return list(value)


def check_order(order: Any) -> None:
    need(isinstance(order, dict) and list(order) == list(range(1, 29)))
    text(order[1], ORDER_ID)
    need(type(order[7]) is bool)
    spans = {2: (1, 2**31), 3: (1, 4), 4: (1, 6), 5: (0, 4), 6: (1, 5), 8: MS, 9: MS, 10: MS, 14: (0, 3)}
    spans |= {16: (0, 2**24), 17: (0, 86_400_000), 18: (1, 100), 19: (0, 600_000), 20: (1, 4), 21: (0, 100)}
    spans |= {22: (0, 3), 24: MS, 25: MS, 26: (0, 60_000), 27: (0, 100), 28: (0, 2**32 - 1)}
    for key, (low, high) in spans.items():
        uint(order[key], low, high)
    for code in listed(order[11], 1_024) + listed(order[12], 1_024):
        significant(code)
    for speaker in listed(order[13], 256):
        text(speaker, SPEAKER_ID)
    need(isinstance(order[15], bytes) and len(order[15]) in {0, 32})
    need(bool(order[15]) is bool(order[16]) is bool(order[17]))
    for part in listed(order[23], 99):
        check_part(part)
    need(not order[15] or not order[28])
    need(bool(order[15]) or not order[23])
    need(order[4] in BANDS[order[3]] and order[10] > order[9])


def check_part(part: Any) -> None:
    need(isinstance(part, list) and len(part) == 3 and isinstance(part[0], bytes) and len(part[0]) == 32)
    uint(part[1], 1, 2**24)
    uint(part[2], 1, 86_400_000)


def check_board(fields: Any, most: int) -> None:
    if isinstance(fields[1], str) and fields[1][:1].isdigit():
        significant(fields[1])
    else:
        text(fields[1], SPEAKER_ID)
    for key, (low, high) in {2: COUNT, 3: COUNT, 4: MS}.items():
        uint(fields[key], low, high)
    orders = listed(fields[5], most)
    for order in orders:
        check_order(order)
    need(len({order[1] for order in orders}) == len(orders))


def check(message: str, fields: Any) -> None:
    need(isinstance(fields, dict))
    if message == "board":
        need(list(fields) == [1, 2, 3, 4, 5])
        check_board(fields, 64)
    elif message == "setup":
        need(list(fields) == list(range(1, 13)))
        text(fields[1], SPEAKER_ID)
        spans = {2: COUNT, 3: COUNT, 4: MS, 5: MS, 6: (0, 100), 7: (0, 100), 8: (0, 100), 9: (0, 1_439), 10: (0, 1_439)}
        for key, (low, high) in (spans | {11: MS, 12: (1, 2**31)}).items():
            uint(fields[key], low, high)
    elif message == "programme":
        need(list(fields) == [1, 2, 3, 4, 5, 6, 7, 8, 9])
        check_board(fields, 256)
        need(all(order[3] == 1 for order in fields[5]))
        uint(fields[6], *MS)
        need(len(listed(fields[7], 24)) in {0, 24})
        for percent in fields[7]:
            uint(percent, 0, 100)
        uint(fields[8], 0, 1_440)
        for part in listed(fields[9], 1):
            check_part(part)
    else:
        need(message == "time" and list(fields) == [1, 2, 3, 4, 5, 6, 7, 8])
        text(fields[1], SPEAKER_ID)
        need(isinstance(fields[2], bytes) and len(fields[2]) == 8)
        for key, (low, high) in {3: COUNT, 4: MS, 5: MS, 6: COUNT, 7: COUNT, 8: (0, 1)}.items():
            uint(fields[key], low, high)
        need(fields[4] <= fields[5])


def hear(frame: str, message: str, mode: str) -> str:
    """What a speaker counts the frame as, or "taken"."""
    try:
        payload, _, _ = open_frame(bytes.fromhex(frame), message, mode)
        check(message, cbor(payload))
    except Unreadable:
        return "unreadable"
    except NotAuthentic:
        return "not authentic"
    return "taken"


# ---- §6 and §8: scopes, and who has the air -------------------------------------------------------------------------------------


def objection(scope: dict[str, Any], order: dict[str, Any], at_ms: int) -> int:
    if order["7"] is not scope["exercise"]:
        return 3
    if order["4"] > scope["highest_band"] or not all(covers(scope["area"], area) for area in order["11"]):
        return 1
    return 0 if scope["not_before_ms"] <= at_ms < scope["not_after_ms"] else 2


def means_me(order: dict[str, Any]) -> bool:
    in_areas = any(covers(area, AREA) for area in order["11"]) and not any(covers(area, AREA) for area in order["12"])
    return in_areas or SPEAKER in order["13"]


def is_quiet(at_ms: int) -> bool:
    minute = (at_ms + UTC_OFFSET_MS) // 60_000 % 1_440
    return minute >= QUIET_FROM_MIN or minute < QUIET_UNTIL_MIN


def rank(order: dict[str, Any], rule: int) -> tuple[int, ...]:
    grade = {0: 0, 1: 4, 2: 3, 3: 2, 4: 1}[order["5"]]
    return (order["4"], grade, order["6"]) if rule == 0 else (order["4"], order["6"], grade)


def began(order: dict[str, Any]) -> int:
    return int(max(order["8"], order["9"]))


def winner(
    orders: list[dict[str, Any]], at_ms: int, on_air: str, begun: list[str], rule: int, *, muted_until_ms: int
) -> str:
    def key(order: dict[str, Any]) -> tuple[Any, ...]:
        return *rank(order, rule), began(order) if order["4"] in {4, 6} else -began(order), order["1"]

    able = [
        order
        for order in orders
        if not order["7"]
        and means_me(order)
        and order["9"] <= at_ms < order["10"]
        and not (order["3"] == 1 and is_quiet(at_ms))
        and not (0 < order["24"] < at_ms and order["1"] not in begun)
        and not (at_ms < muted_until_ms and order["4"] != 6)
    ]
    if not able:
        return ""
    best = max(able, key=key)
    if best["4"] in {4, 6}:
        return str(best["1"])
    equal = [order for order in able if rank(order, rule) == rank(best, rule)]
    holder = next((order for order in equal if order["1"] == on_air), best)
    hard = [o for o in equal if o["3"] == 1 and 0 < o["25"] <= at_ms and began(o) > began(holder)]
    return str(max(hard, key=lambda order: (began(order), order["1"]), default=holder)["1"])


def percent(order: dict[str, Any], own: int, hour: int, ceiling: int, floor: int) -> int:
    """§9."""
    least = 0
    if order["4"] in {4, 5, 6}:
        ceiling = max(ceiling, 60)
        least = min(max(floor, 60), ceiling)
    if order["3"] == 1:
        own = (own * hour + 50) // 100
    return int(min(max(own, order["21"], least), max(order["27"], least), ceiling))


# ---- the vectors ----------------------------------------------------------------------------------------------------------------


def named(part: str) -> Any:
    vectors = VECTORS[part]
    assert vectors
    return pytest.mark.parametrize("vector", vectors, ids=[vector["name"] for vector in vectors])


def unfold(value: Any) -> Any:
    """The `fields` of a vector as CBOR has them."""
    if isinstance(value, dict):
        if set(value) == {"hex"}:
            return bytes.fromhex(value["hex"])
        return {int(key): unfold(one) for key, one in value.items()}
    return [unfold(one) for one in value] if isinstance(value, list) else value


@named("signed")
def test_what_the_server_signed_is_opened_as_the_document_says(vector: Any) -> None:
    payload, name, signed = open_frame(bytes.fromhex(vector["frame"]), vector["message"], vector["mode"])
    assert (payload.hex(), name, signed.hex()) == (vector["payload"], vector["key"], vector["signed_bytes"])
    assert cbor(payload) == unfold(vector["fields"])
    check(vector["message"], cbor(payload))
    other = "live" if vector["mode"] == "exercise" else "exercise"
    assert hear(vector["frame"], vector["message"], other) == "not authentic"


@named("said")
def test_what_the_speaker_says_is_made_as_the_document_says(vector: Any) -> None:
    key = bytes.fromhex(VECTORS["speaker"]["key"])
    payload, covered = open_said(bytes.fromhex(vector["frame"]), vector["message"], vector["mode"], key)
    assert (payload.hex(), covered.hex()) == (vector["payload"], vector["authenticated_bytes"])
    assert cbor(payload) == unfold(vector["fields"])
    with pytest.raises(NotAuthentic):
        open_said(bytes.fromhex(vector["frame"]), vector["message"], vector["mode"], bytes(32))


@named("refused")
def test_what_is_to_be_refused_is_refused_and_counted_so(vector: Any) -> None:
    assert hear(vector["frame"], vector["message"], vector["mode"]) == vector["as"]


@named("scopes")
def test_a_key_may_say_what_the_document_says(vector: Any) -> None:
    scope = VECTORS["keys"][vector["key"]]["trusted_for"]
    assert objection(scope, vector["order"], vector["at_ms"]) == vector["reason"]


@named("air")
def test_the_air_goes_to_whom_the_document_says(vector: Any) -> None:
    asked = [vector[name] for name in ("orders", "at_ms", "on_air", "begun", "rule")]
    found = winner(*asked, muted_until_ms=vector["muted_until_ms"])
    assert found == vector["winner"]


@named("loudness")
def test_an_order_is_as_loud_as_the_document_says(vector: Any) -> None:
    names = ("order", "own_percent", "hour_percent", "ceiling_percent", "floor_percent")
    assert percent(*(vector[name] for name in names)) == vector["percent"]


def test_keys_and_secrets_are_derived_as_the_document_says() -> None:
    for key in VECTORS["keys"].values():
        assert hashlib.sha256(bytes.fromhex(key["public"])).digest()[:8].hex() == key["key_id"]
    point = times(int(VECTORS["keys"]["county-sm2"]["secret"], 16), (GX, GY))
    assert point is not None
    assert f"{point[0]:064x}{point[1]:064x}" == VECTORS["keys"]["county-sm2"]["public"]
    speaker, master = VECTORS["speaker"], bytes.fromhex(VECTORS["speaker"]["master"])
    assert hmac.new(master, f"speaker/{speaker['id']}".encode(), "sha256").hexdigest() == speaker["key"]
    assert hmac.new(master, f"broker/{speaker['id']}".encode(), "sha256").hexdigest() == speaker["broker_password"]
