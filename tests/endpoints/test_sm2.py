import ctypes
import threading
from collections.abc import Callable

import gmssl.sm2
import gmssl_pyx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoints import sm2
from endpoints.sm2 import (
    ORDER,
    BadSignatureEncoding,
    BadSm2Key,
    Sm2Unavailable,
    check_public,
    der_to_raw,
    generate,
    public_of,
    raw_to_der,
    sign,
    verify,
)

SECRET = bytes.fromhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
PUBLIC = bytes.fromhex(
    "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)


def pure(secret: bytes = b"", public: bytes = PUBLIC) -> gmssl.sm2.CryptSM2:
    one = gmssl.sm2.CryptSM2(private_key=secret.hex(), public_key=public.hex())
    one.public_key = public.hex()  # it takes every 0 and 4 from the front of a key that begins with "04"
    return one


def test_the_public_key_of_the_standards_example_is_found() -> None:
    """GB/T 32918.5-2017 annex A."""
    assert public_of(SECRET) == PUBLIC


def test_the_signature_of_the_standards_example_is_right_and_any_other_is_not() -> None:
    """GB/T 32918.5-2017 annex A.2: "message digest", signed with the id that we use too."""
    signature = bytes.fromhex(
        "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
        "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
    )
    assert verify(PUBLIC, b"message digest", signature)
    assert not verify(PUBLIC, b"message digesu", signature)
    for bit in range(512):
        damaged = bytearray(signature)
        damaged[bit // 8] ^= 1 << bit % 8
        assert not verify(PUBLIC, b"message digest", bytes(damaged))


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=600))
def test_two_other_implementations_take_what_we_sign(data: bytes) -> None:
    secret = generate()
    public = public_of(secret)
    signature = sign(secret, data)
    assert pure(secret, public).verify_with_sm3(signature.hex(), data)
    assert gmssl_pyx.sm2_verify(public, data, raw_to_der(signature))
    assert verify(public, data, signature)
    assert not verify(public, data + b"\0", signature)


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=600))
def test_we_take_what_two_other_implementations_sign(data: bytes) -> None:
    assert verify(PUBLIC, data, bytes.fromhex(pure(SECRET).sign_with_sm3(data)))
    assert verify(PUBLIC, data, der_to_raw(gmssl_pyx.sm2_sign(SECRET, PUBLIC, data)))


def test_two_signatures_of_the_same_data_differ() -> None:
    assert sign(SECRET, b"a") != sign(SECRET, b"a")


# ---- hostile keys, signatures, encodings ----------------------------------------------------------------------------------


@given(st.one_of(st.binary(max_size=80), st.binary(min_size=64, max_size=64)), st.binary(max_size=40))
def test_any_bytes_are_no_signature(signature: bytes, data: bytes) -> None:
    assert not verify(PUBLIC, data, signature)


def test_numbers_outside_the_field_are_no_signature() -> None:
    right = sign(SECRET, b"a")
    for number in (0, ORDER, ORDER + 1, 2**256 - 1):
        strange = number.to_bytes(32, "big")
        assert not verify(PUBLIC, b"a", strange + right[32:])
        assert not verify(PUBLIC, b"a", right[:32] + strange)


@given(st.one_of(st.binary(max_size=80), st.binary(min_size=64, max_size=64)))
def test_any_bytes_are_no_key(public: bytes) -> None:
    with pytest.raises(BadSm2Key):
        check_public(public)
    assert not verify(public, b"a", bytes(64))


@pytest.mark.parametrize("number", [0, ORDER - 1, ORDER, 2**256 - 1])
def test_a_number_outside_its_range_is_no_secret(number: int) -> None:
    with pytest.raises(BadSm2Key):
        public_of(number.to_bytes(32, "big"))
    for size in (0, 31, 33):
        with pytest.raises(BadSm2Key):
            sign(bytes(size), b"")


def test_the_first_and_the_last_secret_sign() -> None:
    for number in (1, ORDER - 2):
        secret = number.to_bytes(32, "big")
        assert verify(public_of(secret), b"a", sign(secret, b"a"))


@given(st.binary(min_size=64, max_size=64))
def test_a_signature_comes_back_from_der(raw: bytes) -> None:
    assert der_to_raw(raw_to_der(raw)) == raw


@pytest.mark.parametrize("number", [0, 1, 0x7F, 0x80, 0xFF, 2**255 - 1, 2**255, 2**256 - 1])
def test_numbers_of_every_length_come_back_from_der(number: int) -> None:
    raw = number.to_bytes(32, "big") + (2**256 - 1 - number).to_bytes(32, "big")
    assert der_to_raw(raw_to_der(raw)) == raw


@given(st.binary(max_size=90))
def test_any_bytes_are_der_in_one_spelling_or_refused(der: bytes) -> None:
    try:
        raw = der_to_raw(der)
    except BadSignatureEncoding:
        return
    assert raw_to_der(raw) == der


@given(st.binary(min_size=64, max_size=64), st.data())
def test_damaged_der_is_refused_or_another_signature(raw: bytes, data: st.DataObject) -> None:
    der = bytearray(raw_to_der(raw))
    der[data.draw(st.integers(0, len(der) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = der_to_raw(bytes(der))
    except BadSignatureEncoding:
        return
    assert other != raw
    assert raw_to_der(other) == bytes(der)


@given(st.binary(max_size=130).filter(lambda raw: len(raw) != 64))
def test_a_raw_signature_has_64_bytes(raw: bytes) -> None:
    with pytest.raises(BadSignatureEncoding):
        raw_to_der(raw)


# ---- the library ----------------------------------------------------------------------------------------------------------


def test_a_machine_without_the_library_names_the_package(tmp_path: object) -> None:
    with pytest.raises(Sm2Unavailable, match=r"there is none; on Debian 12 install libssl3") as caught:
        sm2.load(["libcrypto-that-nobody-has.so.3", "libc.so.6"])
    assert caught.value.package == "libssl3"


def test_a_flood_of_wrong_signatures_prints_nothing_and_leaves_no_error_behind(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Python's ssl reads the same queue of errors, and would take ours for its own."""
    library = ctypes.CDLL(sm2.load(sm2.candidates())._name)
    for number in range(200):
        assert not verify(PUBLIC, b"a", number.to_bytes(64, "big"))
        with pytest.raises(BadSm2Key):
            check_public(number.to_bytes(64, "big"))
    assert library.ERR_peek_error() == 0
    assert capfd.readouterr() == ("", "")


def test_threads_sign_and_verify_with_the_same_key() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        data = bytes([number])
        for _ in range(50):
            if not verify(PUBLIC, data, sign(SECRET, data)) or verify(PUBLIC, data + b"x", sign(SECRET, data)):
                wrong.append(number)

    run_in_threads(work, 8)
    assert wrong == []


def run_in_threads(work: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
