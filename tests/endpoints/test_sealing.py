from dataclasses import replace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoints import sm2
from endpoints.canonical import decode, encode
from endpoints.protocol import (
    MAX_ANSWER_BYTES,
    MAX_BOARD_BYTES,
    MAX_MS,
    BadMessage,
    Band,
    Order,
    Reason,
    decode_hello,
    decode_ping,
    decode_report,
    decode_stock,
    encode_board,
    encode_hello,
    encode_ping,
    encode_programme,
    encode_report,
    encode_stock,
    encode_time_answer,
)
from endpoints.sealing import (
    MAX_FRAME_BYTES,
    MAX_PAYLOAD_BYTES,
    Algorithm,
    BadKey,
    Ed25519Signer,
    Message,
    NotAuthentic,
    Opened,
    Signer,
    Sm2Signer,
    TrustedKey,
    TrustStore,
    asset_pass,
    broker_password,
    key_id_of,
    open_from_speaker,
    seal,
    seal_by_speaker,
    speaker_key,
    speaker_of_pass,
    verify,
)
from tests.endpoints.wire_examples import (
    BOARD,
    COUNTY,
    HELLO,
    NOW_MS,
    ORDER,
    OTHER_COUNTY,
    OTHER_TOWNSHIP,
    PING,
    PROGRAMME,
    REPORT,
    SPEAKER,
    STOCK,
    TIME,
    TOWNSHIP,
    VILLAGE,
)

LIVE_SIGNER, EXERCISE_SIGNER, STRANGER = (Ed25519Signer(bytes([n]) * 32) for n in (1, 2, 3))
SM2_SIGNER = Sm2Signer(bytes([4]) * 32)


def trusted(signer: Signer, **scope: Any) -> TrustedKey:
    wide = {
        "area": COUNTY,
        "highest_band": Band.LIFE_SAFETY,
        "exercise": False,
        "not_before_ms": 0,
        "not_after_ms": MAX_MS,
    }
    return TrustedKey(signer.algorithm, signer.public, **{**wide, **scope})


KEYS = {
    "live": trusted(LIVE_SIGNER),
    "exercise": trusted(EXERCISE_SIGNER, exercise=True),
    "sm2": trusted(SM2_SIGNER),
}
STORE = TrustStore(tuple(KEYS.values()))
PAYLOADS = {
    Message.BOARD: encode_board(BOARD),
    Message.TIME: encode_time_answer(TIME),
    Message.HELLO: encode_hello(HELLO),
    Message.REPORT: encode_report(REPORT),
    Message.PROGRAMME: encode_programme(PROGRAMME),
    Message.PING: encode_ping(PING),
    Message.STOCK: encode_stock(STOCK),
    Message.STREAM: b"the head of a stream",
    Message.PROOF: b"what a microphone heard",
    Message.SETUP: b"how a speaker is to be set",
    Message.ABOUT: b"what a speaker says of itself",
}
SECRET = bytes(range(32))
signers = pytest.mark.parametrize("signer", [LIVE_SIGNER, SM2_SIGNER], ids=["ed25519", "sm2"])


# ---- what the server signs --------------------------------------------------------------------------------------------------


@signers
@pytest.mark.parametrize("message", [Message.BOARD, Message.TIME, Message.PROGRAMME])
def test_what_a_trusted_key_signed_is_opened_with_its_key(signer: Signer, message: Message) -> None:
    opened = STORE.open(seal(PAYLOADS[message], message, exercise=False, signer=signer), message, exercise=False)
    assert opened == Opened(trusted(signer), PAYLOADS[message])


@signers
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_payload_of_any_length_is_opened(signer: Signer, data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([0, 1, 23, 24, 255, 256, 65_535, MAX_BOARD_BYTES]))
    frame = seal(bytes(size), Message.BOARD, exercise=False, signer=signer)
    assert STORE.open(frame, Message.BOARD, exercise=False).payload == bytes(size)
    assert len(frame) <= MAX_FRAME_BYTES


@signers
def test_a_frame_with_any_bit_turned_is_not_opened(signer: Signer) -> None:
    frame = seal(PAYLOADS[Message.TIME], Message.TIME, exercise=False, signer=signer)
    for bit in range(8 * len(frame)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises((NotAuthentic, BadMessage)):
            STORE.open(bytes(damaged), Message.TIME, exercise=False)


@given(data=st.data())
def test_a_frame_damaged_anywhere_is_not_opened(data: st.DataObject) -> None:
    frame = bytearray(seal(PAYLOADS[Message.BOARD], Message.BOARD, exercise=False, signer=LIVE_SIGNER))
    start = data.draw(st.integers(0, len(frame)))
    end = data.draw(st.integers(start, len(frame)))
    other = bytes(frame[:start]) + data.draw(st.binary(max_size=20)) + bytes(frame[end:])
    if other == frame:
        return
    with pytest.raises((NotAuthentic, BadMessage)):
        STORE.open(other, Message.BOARD, exercise=False)


@given(st.binary(max_size=300), st.sampled_from(Message), st.booleans())
def test_any_bytes_are_not_opened(frame: bytes, message: Message, exercise: bool) -> None:
    with pytest.raises((NotAuthentic, BadMessage)):
        STORE.open(frame, message, exercise=exercise)
    with pytest.raises((NotAuthentic, BadMessage)):
        open_from_speaker(frame, message, exercise=exercise, key=SECRET)


@signers
def test_nothing_is_read_as_another_message(signer: Signer) -> None:
    for meant in Message:
        frame = seal(PAYLOADS[meant], meant, exercise=False, signer=signer)
        for other in set(Message) - {meant}:
            with pytest.raises((NotAuthentic, BadMessage)):
                STORE.open(frame, other, exercise=False)


def test_nothing_signed_for_an_exercise_is_read_as_live_and_the_reverse() -> None:
    payload = PAYLOADS[Message.BOARD]
    assert STORE.open(seal(payload, Message.BOARD, exercise=True, signer=EXERCISE_SIGNER), Message.BOARD, exercise=True)
    for signer in (LIVE_SIGNER, EXERCISE_SIGNER):
        for signed_as in (False, True):
            for read_as in (False, True):
                if signed_as is read_as is (signer is EXERCISE_SIGNER):
                    continue
                frame = seal(payload, Message.BOARD, exercise=signed_as, signer=signer)
                with pytest.raises(NotAuthentic):
                    STORE.open(frame, Message.BOARD, exercise=read_as)


def test_a_stranger_and_a_revoked_key_are_not_believed() -> None:
    with pytest.raises(NotAuthentic, match="not trusted"):
        STORE.open(seal(b"", Message.BOARD, exercise=False, signer=STRANGER), Message.BOARD, exercise=False)
    frame = seal(b"", Message.BOARD, exercise=False, signer=LIVE_SIGNER)
    with pytest.raises(NotAuthentic, match="not trusted"):
        TrustStore((KEYS["sm2"],)).open(frame, Message.BOARD, exercise=False)


def test_a_stranger_under_the_name_of_a_trusted_key_is_not_believed() -> None:
    class Impostor(Ed25519Signer):
        def __init__(self) -> None:
            super().__init__(bytes([3]) * 32)
            self.key_id = LIVE_SIGNER.key_id

    with pytest.raises(NotAuthentic, match="does not fit"):
        STORE.open(seal(b"", Message.BOARD, exercise=False, signer=Impostor()), Message.BOARD, exercise=False)


def test_the_key_decides_on_the_algorithm_and_not_the_frame() -> None:
    class Confused:
        algorithm, public, key_id = Algorithm.ED25519, SM2_SIGNER.public, SM2_SIGNER.key_id
        sign = staticmethod(SM2_SIGNER.sign)

    with pytest.raises(NotAuthentic, match="another algorithm"):
        STORE.open(seal(b"", Message.BOARD, exercise=False, signer=Confused()), Message.BOARD, exercise=False)


def sign1(**parts: Any) -> bytes:
    """A frame of a trusted key whose signature is right for whatever stands in it, except for the parts given."""
    protected = parts.get("protected", encode({1: -8, 4: LIVE_SIGNER.key_id}))
    payload = parts.get("payload", b"abc")
    signature = LIVE_SIGNER.sign(encode(["Signature1", protected, b"lianbo/1/live/board", payload]))
    return encode([protected, parts.get("unprotected", {}), payload, parts.get("signature", signature)])


def test_the_frame_that_the_next_test_bends_is_right_when_it_is_straight() -> None:
    assert STORE.open(sign1(), Message.BOARD, exercise=False).payload == b"abc"


STRAIGHT = sign1()
ID = LIVE_SIGNER.key_id
BENT = {
    "tagged, as COSE allows": b"\xd2" + STRAIGHT,
    "followed by a byte": STRAIGHT + b"\0",
    "cut short": STRAIGHT[:-1],
    "empty": b"",
    "a map": b"\xa0",
    "three parts": b"\x83" + STRAIGHT[1:],
    "five parts": b"\x85" + STRAIGHT[1:] + b"\x40",
    "indefinite": b"\x9f" + STRAIGHT[1:] + b"\xff",
    "payload detached": encode([encode({1: -8, 4: ID}), {}, 0, bytes(64)]).replace(b"\xa0\x00", b"\xa0\xf6"),
    "payload as text": encode([encode({1: -8, 4: ID}), {}, "abc", bytes(64)]),
    "payload with a length in two bytes": STRAIGHT.replace(b"\x43abc", b"\x58\x03abc"),
    "payload with a length in three bytes": STRAIGHT.replace(b"\x43abc", b"\x59\x00\x03abc"),
    "payload with a length in nine bytes": STRAIGHT.replace(b"\x43abc", b"\x5b" + bytes(7) + b"\x03abc"),
    "payload longer than the frame": STRAIGHT.replace(b"\x43abc", b"\x57abc"),
    "payload in pieces": STRAIGHT.replace(b"\x43abc", b"\x5f\x43abc\xff"),
    "something unprotected": sign1(unprotected={4: ID}),
    "protected empty": sign1(protected=b""),
    "protected as a map": encode([{1: -8, 4: ID}, {}, b"abc", bytes(64)]),
    "no key id": sign1(protected=encode({1: -8})),
    "a short key id": sign1(protected=encode({1: -8, 4: ID[:7]})),
    "a long key id": sign1(protected=encode({1: -8, 4: ID + b"\0"})),
    "a header more": sign1(protected=encode({1: -8, 2: [1], 4: ID})),
    "true in place of 1": sign1(protected=encode({1: -8, 4: ID}).replace(b"\xa2\x01", b"\xa2\xf5")),
    "algorithm in three bytes": sign1(protected=b"\xa2\x01\x38\x07" + encode({1: -8, 4: ID})[3:]),
    "headers out of order": sign1(protected=b"\xa2\x04\x48" + ID + b"\x01\x27"),
    "an algorithm that nobody knows": sign1(protected=encode({1: -7, 4: ID})),
    "no algorithm": sign1(protected=encode({1: 0, 4: ID})),
    "HMAC as the algorithm": sign1(protected=encode({1: 5, 4: ID})),
}


@pytest.mark.parametrize("frame", BENT.values(), ids=BENT.keys())
def test_a_frame_in_another_spelling_is_not_read(frame: bytes) -> None:
    with pytest.raises(BadMessage):
        STORE.open(frame, Message.BOARD, exercise=False)


@pytest.mark.parametrize("size", [0, 1, 63, 65, 72, 128])
def test_a_signature_of_another_length_fits_nothing(size: int) -> None:
    frame = sign1(signature=bytes(size))
    with pytest.raises(NotAuthentic):
        STORE.open(frame, Message.BOARD, exercise=False)


def test_a_time_answer_as_long_as_a_board_is_not_read() -> None:
    for message, most in MAX_PAYLOAD_BYTES.items():
        frame = seal(bytes(most + 200), message, exercise=False, signer=LIVE_SIGNER)
        with pytest.raises(BadMessage, match="too many"):
            STORE.open(frame, message, exercise=False)
    assert MAX_PAYLOAD_BYTES[Message.TIME] == MAX_ANSWER_BYTES < MAX_BOARD_BYTES


# ---- Ed25519, a second implementation -------------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_cryptography_takes_our_ed25519_and_we_take_its(seed: bytes, data: bytes) -> None:
    ours, other = Ed25519Signer(seed), Ed25519PrivateKey.from_private_bytes(seed)
    assert ours.public == other.public_key().public_bytes_raw()
    assert ours.sign(data) == other.sign(data)
    assert verify(Algorithm.ED25519, ours.public, data, other.sign(data))
    Ed25519PublicKey.from_public_bytes(ours.public).verify(ours.sign(data), data)


@given(st.binary(max_size=70), st.binary(max_size=70), st.sampled_from([-8, -65_537, 5, -7, 0]))
def test_malformed_keys_and_signatures_are_simply_wrong(public: bytes, signature: bytes, algorithm: int) -> None:
    assert not verify(algorithm, public, b"data", signature)


@given(st.binary(min_size=64, max_size=64))
def test_both_implementations_refuse_the_same_signatures(signature: bytes) -> None:
    assert not verify(Algorithm.ED25519, LIVE_SIGNER.public, b"a", signature)
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(LIVE_SIGNER.public).verify(signature, b"a")


def test_a_second_spelling_of_a_signature_is_refused() -> None:
    """S + L for S would fit in a careless verifier (RFC 8032 §8.4)."""
    order = 2**252 + 27742317777372353535851937790883648493
    signature = LIVE_SIGNER.sign(b"a")
    other = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert not verify(Algorithm.ED25519, LIVE_SIGNER.public, b"a", signature[:32] + other)


# ---- keys and their scopes ------------------------------------------------------------------------------------------------------


SMALL_ORDER_POINT = bytes([1]) + bytes(31)
BAD_KEYS: dict[str, dict[str, Any]] = {
    "too short": {"public": bytes(31)},
    "a point that fits every signature": {"public": SMALL_ORDER_POINT},
    "no point": {"public": b"\xff" * 32},
    "the key of the other algorithm": {"public": SM2_SIGNER.public},
    "no signature algorithm": {"algorithm": Algorithm.HMAC_SHA256},
    "an SM2 key that is no point": {"algorithm": Algorithm.SM2_SM3, "public": bytes(64)},
    "an SM2 key with its 04": {"algorithm": Algorithm.SM2_SM3, "public": b"\x04" + SM2_SIGNER.public},
    "no area": {"area": ""},
    "a province that is none": {"area": "000000000000"},
    "valid never": {"not_before_ms": 5, "not_after_ms": 5},
    "valid before 1970": {"not_before_ms": -1},
}


@pytest.mark.parametrize("wrong", BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_what_is_no_key_cannot_be_trusted(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadKey):
        replace(KEYS["live"], **wrong)


def test_one_key_has_one_scope() -> None:
    with pytest.raises(BadKey, match="twice"):
        TrustStore((KEYS["live"], replace(KEYS["live"], exercise=True)))
    assert TrustStore({}).keys == ()
    assert STORE.keys == tuple(KEYS.values())


def test_a_key_is_named_by_the_first_bytes_of_its_digest() -> None:
    """SHA-256 of 32 bytes of 0x8a88…: the public key of the seed 01…01."""
    assert LIVE_SIGNER.public.hex().startswith("8a88e3dd7409f195fd52db2d3cba5d72")
    assert key_id_of(LIVE_SIGNER.public) == LIVE_SIGNER.key_id == KEYS["live"].key_id
    assert len(SM2_SIGNER.key_id) == 8


ELSEWHERE = (OTHER_TOWNSHIP, OTHER_COUNTY, "130281000000", "130200000000", "130000000000", "130281102217")


@pytest.mark.parametrize("exercise", [False, True])
@pytest.mark.parametrize("band", Band)
@pytest.mark.parametrize("area", [TOWNSHIP, VILLAGE, *ELSEWHERE])
@pytest.mark.parametrize("when", [-1, 0, 999, 1000])
def test_a_key_speaks_in_its_area_its_bands_its_mode_and_its_dates(
    exercise: bool, band: Band, area: str, when: int
) -> None:
    key = trusted(
        LIVE_SIGNER, area=TOWNSHIP, highest_band=Band.NOTICE, not_before_ms=NOW_MS, not_after_ms=NOW_MS + 1000
    )
    order = replace(ORDER, exercise=exercise, band=band, areas=(area,))
    expected = Reason.NONE
    if not 0 <= when < 1000:
        expected = Reason.KEY_EXPIRED
    if band > Band.NOTICE or area not in {TOWNSHIP, VILLAGE}:
        expected = Reason.OUT_OF_SCOPE
    if exercise:
        expected = Reason.WRONG_MODE
    assert key.objection(order, now_ms=NOW_MS + when) is expected
    assert key.in_force(NOW_MS + when) is (0 <= when < 1000)


def test_one_foreign_area_among_many_is_enough_to_refuse() -> None:
    key = trusted(LIVE_SIGNER, area=TOWNSHIP)
    assert objection(key, areas=(TOWNSHIP, VILLAGE, OTHER_TOWNSHIP)) is Reason.OUT_OF_SCOPE
    assert objection(key, areas=(TOWNSHIP, VILLAGE)) is Reason.NONE


def test_areas_taken_out_may_lie_anywhere() -> None:
    assert objection(trusted(LIVE_SIGNER, area=TOWNSHIP), areas=(TOWNSHIP,), excluded=(OTHER_COUNTY,)) is Reason.NONE


def test_a_speaker_named_singly_is_in_scope_where_it_stands() -> None:
    key = trusted(LIVE_SIGNER, area=TOWNSHIP)
    only_speakers = {"areas": (), "speakers": (SPEAKER,)}
    assert objection(key, **only_speakers) is Reason.NONE
    assert objection(key, listener_area=VILLAGE, **only_speakers) is Reason.NONE
    assert objection(key, listener_area=OTHER_TOWNSHIP, **only_speakers) is Reason.OUT_OF_SCOPE


def test_1302811_does_not_cover_13028110() -> None:
    """Codes are compared group by group and not letter by letter."""
    key = trusted(LIVE_SIGNER, area="130281100000")
    assert objection(key, areas=("130281100001",)) is Reason.NONE
    assert objection(key, areas=("130281102000",)) is Reason.OUT_OF_SCOPE


def objection(key: TrustedKey, *, listener_area: str | None = None, **fields: Any) -> Reason:
    order: Order = replace(ORDER, **fields)
    return key.objection(order, now_ms=NOW_MS, listener_area=listener_area)


# ---- what speakers say ------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=300), st.sampled_from([Message.HELLO, Message.REPORT]), st.booleans())
def test_what_a_speaker_sealed_is_opened_with_its_key_and_no_other(
    payload: bytes, message: Message, exercise: bool
) -> None:
    frame = seal_by_speaker(payload, message, exercise=exercise, key=SECRET)
    assert open_from_speaker(frame, message, exercise=exercise, key=SECRET) == payload
    for other_message, other_exercise, key in (
        (message, exercise, bytes(32)),
        (message, not exercise, SECRET),
        (Message.HELLO if message is Message.REPORT else Message.REPORT, exercise, SECRET),
        (Message.TIME, exercise, SECRET),
    ):
        with pytest.raises(NotAuthentic):
            open_from_speaker(frame, other_message, exercise=other_exercise, key=key)


def test_a_frame_of_a_speaker_with_any_bit_turned_is_not_opened() -> None:
    frame = seal_by_speaker(PAYLOADS[Message.REPORT], Message.REPORT, exercise=False, key=SECRET)
    for bit in range(8 * len(frame)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises((NotAuthentic, BadMessage)):
            open_from_speaker(bytes(damaged), Message.REPORT, exercise=False, key=SECRET)


@given(data=st.data())
def test_a_frame_of_a_speaker_damaged_anywhere_is_not_opened(data: st.DataObject) -> None:
    frame = seal_by_speaker(PAYLOADS[Message.HELLO], Message.HELLO, exercise=False, key=SECRET)
    start = data.draw(st.integers(0, len(frame)))
    end = data.draw(st.integers(start, len(frame)))
    other = frame[:start] + data.draw(st.binary(max_size=20)) + frame[end:]
    if other == frame:
        return
    with pytest.raises((NotAuthentic, BadMessage)):
        open_from_speaker(other, Message.HELLO, exercise=False, key=SECRET)


def test_a_speakers_frame_is_no_board_and_a_board_is_no_speakers_frame() -> None:
    report = seal_by_speaker(PAYLOADS[Message.BOARD], Message.BOARD, exercise=False, key=SECRET)
    with pytest.raises(BadMessage):
        STORE.open(report, Message.BOARD, exercise=False)
    board = seal(PAYLOADS[Message.REPORT], Message.REPORT, exercise=False, signer=LIVE_SIGNER)
    with pytest.raises(BadMessage):
        open_from_speaker(board, Message.REPORT, exercise=False, key=SECRET)


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 2_048])
def test_a_speakers_payload_of_every_length_is_opened_and_in_one_spelling_only(size: int) -> None:
    frame = seal_by_speaker(bytes(size), Message.HELLO, exercise=False, key=SECRET)
    assert open_from_speaker(frame, Message.HELLO, exercise=False, key=SECRET) == bytes(size)
    assert frame == encode([encode({1: 5}), {}, bytes(size), frame[-32:]])
    longer = frame.replace(encode(bytes(size)), b"\x5a" + size.to_bytes(4, "big") + bytes(size), 1)
    with pytest.raises(BadMessage):
        open_from_speaker(longer, Message.HELLO, exercise=False, key=SECRET)


def test_a_report_longer_than_reports_are_is_not_read() -> None:
    for message in (Message.HELLO, Message.REPORT, Message.PING, Message.STOCK, Message.PROOF):
        frame = seal_by_speaker(bytes(MAX_PAYLOAD_BYTES[message] + 1), message, exercise=False, key=SECRET)
        with pytest.raises(BadMessage, match="too many"):
            open_from_speaker(frame, message, exercise=False, key=SECRET)


@pytest.mark.parametrize("size", [0, 1, 31])
def test_a_secret_that_could_be_guessed_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="at least 32"):
        seal_by_speaker(b"", Message.HELLO, exercise=False, key=bytes(size))
    with pytest.raises(ValueError, match="at least 32"):
        open_from_speaker(bytes(50), Message.HELLO, exercise=False, key=bytes(size))
    with pytest.raises(ValueError, match="at least 32"):
        speaker_key(bytes(size), SPEAKER)


def test_a_stolen_box_gives_away_its_own_key_and_no_other() -> None:
    derived = {speaker_key(SECRET, SPEAKER), speaker_key(SECRET, "zh-102217-02"), speaker_key(bytes(32), SPEAKER)}
    derived |= {bytes.fromhex(broker_password(SECRET, SPEAKER)), bytes.fromhex(broker_password(SECRET, "zh-102217-02"))}
    assert len(derived) == 5
    for wrong in ("", "A", "a/b", "speaker/abc"):
        with pytest.raises(ValueError, match="not a speaker id"):
            speaker_key(SECRET, wrong)
        with pytest.raises(ValueError, match="not a speaker id"):
            broker_password(SECRET, wrong)


def test_what_a_speaker_says_comes_back_through_its_frame() -> None:
    for message, read, value in (
        (Message.HELLO, decode_hello, HELLO),
        (Message.REPORT, decode_report, REPORT),
        (Message.PING, decode_ping, PING),
        (Message.STOCK, decode_stock, STOCK),
    ):
        frame = seal_by_speaker(PAYLOADS[message], message, exercise=False, key=SECRET)
        assert read(open_from_speaker(frame, message, exercise=False, key=SECRET)) == value


def test_a_frame_is_canonical_cbor_itself() -> None:
    for signer in (LIVE_SIGNER, SM2_SIGNER):
        frame = seal(PAYLOADS[Message.BOARD], Message.BOARD, exercise=False, signer=signer)
        protected, unprotected, payload, signature = decode(frame, max_bytes=MAX_FRAME_BYTES)
        assert decode(protected, max_bytes=64) == {1: int(signer.algorithm), 4: signer.key_id}
        assert (unprotected, payload, len(signature)) == ({}, PAYLOADS[Message.BOARD], 64)


def test_an_sm2_signer_refuses_what_is_no_secret() -> None:
    for secret in (bytes(32), b"", sm2.ORDER.to_bytes(32, "big")):
        with pytest.raises(sm2.BadSm2Key):
            Sm2Signer(secret)


def test_a_pass_for_files_belongs_to_one_speaker_and_key() -> None:
    keys = {"s-1-1": b"\1" * 32, "s-1-2": b"\2" * 32}
    shown = asset_pass(keys["s-1-1"], "s-1-1")
    assert speaker_of_pass(shown, keys.get) == "s-1-1"
    assert speaker_of_pass(shown.replace("s-1-1", "s-1-2"), keys.get) == ""
    assert speaker_of_pass(asset_pass(b"\3" * 32, "s-1-1"), keys.get) == ""
    assert [speaker_of_pass(junk, keys.get) for junk in ("", ".", "s-1-1", "s-1-1.", "s-9-9.00", "é\udc80.x")] == [
        ""
    ] * 6
