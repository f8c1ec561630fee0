import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from endpoints.canonical import NotCanonical, decode, encode

leaves = st.one_of(st.integers(-(2**64), 2**64 - 1), st.binary(max_size=300), st.text(max_size=40), st.booleans())


def containers(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.integers(0, 2**64 - 1), inner, max_size=4))


values = st.one_of(leaves, containers(st.one_of(leaves, containers(st.one_of(leaves, containers(leaves))))))


def rising(value: object) -> object:
    """Equal to the value, with every dict in the order of its keys' encodings, as the decoder meets them."""
    if isinstance(value, list):
        return [rising(item) for item in value]
    if isinstance(value, dict):
        return {key: rising(value[key]) for key in sorted(value)}
    return value


@given(values)
def test_what_is_encoded_is_decoded_again_and_nothing_shorter_or_longer_is(value: object) -> None:
    data = encode(value)
    assert decode(data, max_bytes=len(data)) == value
    for other in (data[:-1], data + b"\0"):
        with pytest.raises(NotCanonical):
            decode(other, max_bytes=len(data) + 1)


@given(st.binary(max_size=200))
@example(bytes.fromhex("9b7fffffffffffffff"))  # a list of 2^63 items
@example(bytes.fromhex("5b7fffffffffffffff"))
@example(bytes.fromhex("7bffffffffffffffff"))
@example(bytes.fromhex("bbffffffffffffffff"))
@example(b"\x81" * 200)
def test_any_bytes_are_refused_or_are_the_one_spelling_of_their_value(data: bytes) -> None:
    try:
        value = decode(data, max_bytes=200)
    except NotCanonical:
        return
    assert encode(value) == data


@given(values, st.data())
def test_a_changed_byte_gives_another_value_or_is_refused(value: object, data: st.DataObject) -> None:
    encoded = bytearray(encode(value))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        other = decode(bytes(encoded), max_bytes=10_000)
    except NotCanonical:
        return
    assert encode(other) == bytes(encoded)


REFUSED = {
    "nothing": "",
    "half a number": "19",
    "a number in two bytes that fits one": "1817",
    "a number in nine bytes": "1b0000000000000001",
    "a length in two bytes that fits one": "580161",
    "trailing byte": "0000",
    "indefinite list": "9f01ff",
    "indefinite map": "bf0102ff",
    "indefinite bytes": "5f4101ff",
    "indefinite text": "7f6161ff",
    "break alone": "ff",
    "reserved initial byte": "1c",
    "duplicate key": "a201020103",
    "keys out of order": "a202000100",
    "key true": "a1f501",
    "key true beside 1": "a20100f500",
    "key 1.0": "a1f93c0001",
    "key null": "a1f600",
    "text key": "a1616100",
    "byte-string key": "a1416100",
    "negative key": "a12000",
    "list as key": "a18000",
    "null": "f6",
    "undefined": "f7",
    "simple value": "e0",
    "simple value in two bytes": "f820",
    "a false in two bytes": "f814",
    "half float": "f93c00",
    "float": "fa3fc00000",
    "double": "fb3ff8000000000000",
    "NaN": "f97e00",
    "infinity": "f97c00",
    "a float deep inside": "8181f90000",
    "date tag": "c074323032362d30312d30315430303a30303a30305a",
    "bignum tag": "c249010000000000000000",
    "negative bignum": "c349010000000000000000",
    "decimal fraction": "c48221196ab3",
    "regular expression": "d8236161",
    "shared value": "d81c80",
    "cyclic list": "d81c81d81d00",
    "string reference": "d90100 8161 61".replace(" ", ""),
    "self-described": "d9d9f7a0",
    "a tag that nobody knows": "db00ffffffffffffff00",
    "text that is not UTF-8": "61ff",
    "a surrogate": "63eda080",
    "an overlong NUL": "62c080",
    "six deep": "81818181818101",
}


@pytest.mark.parametrize("spelling", REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_place_in_a_message_is_refused(spelling: str) -> None:
    with pytest.raises(NotCanonical):
        decode(bytes.fromhex(spelling), max_bytes=1000)


def test_longer_input_is_refused_unread() -> None:
    with pytest.raises(NotCanonical, match="at most 10"):
        decode(encode(bytes(10)), max_bytes=10)


def test_five_deep_is_read() -> None:
    assert decode(encode([[[[[1]]]]]), max_bytes=10) == [[[[[1]]]]]


@given(values)
def test_the_second_dump_without_sorting_is_the_canonical_one(value: object) -> None:
    assert cbor2.dumps(rising(value)) == cbor2.dumps(value, canonical=True)
