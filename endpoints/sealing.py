"""Signatures over what is said on the wire, and what a key may say.

A board and a time answer are COSE_Sign1, a report and a heartbeat COSE_Mac0 (RFC 9052), untagged, with an external_aad that names
product, version, mode and message type: nothing signed as one thing can be read as another, and no exercise as live. The bytes
are verified as they came, then decoded: before that, no decoder sees them but the thirty lines here that cut a frame in its
parts, and these take one spelling only. A trusted key has a scope (area, highest band, dates, mode), and the speaker checks it.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol

import nacl.bindings
import nacl.exceptions
import nacl.signing

from endpoints import canonical, sm2
from endpoints.area_codes import covers, is_area_code
from endpoints.protocol import (
    MAX_ANSWER_BYTES,
    MAX_BOARD_BYTES,
    MAX_HELLO_BYTES,
    MAX_MS,
    MAX_PING_BYTES,
    MAX_REPORT_BYTES,
    MAX_STOCK_BYTES,
    BadMessage,
    Band,
    Order,
    Reason,
    is_speaker_id,
)

FRAME_AROUND_BYTES = 128  # what COSE adds to a payload, rounded up
MAX_FRAME_BYTES = MAX_BOARD_BYTES + FRAME_AROUND_BYTES
MIN_SECRET_BYTES = 32


class Algorithm(IntEnum):
    """COSE algorithm numbers. SM2 with SM3 has none from IANA: ours is from the private range, below -65536 (RFC 9053 §8)."""

    ED25519 = -8  # EdDSA
    SM2_SM3 = -65_537
    HMAC_SHA256 = 5  # HMAC 256/256


class Message(StrEnum):
    """What is signed; a part of the external_aad."""

    BOARD = "board"
    TIME = "time"
    HELLO = "hello"
    REPORT = "report"
    PROGRAMME = "programme"
    PING = "ping"
    STOCK = "stock"
    STREAM = "stream"
    PROOF = "proof"
    SETUP = "setup"
    ABOUT = "about"


_ASSET_PASS = b"lianbo asset pass "

MAX_PAYLOAD_BYTES: Mapping[Message, int] = {
    Message.BOARD: MAX_BOARD_BYTES,
    Message.TIME: MAX_ANSWER_BYTES,
    Message.HELLO: MAX_HELLO_BYTES,
    Message.REPORT: MAX_REPORT_BYTES,
    Message.PROGRAMME: MAX_BOARD_BYTES,
    Message.PING: MAX_PING_BYTES,
    Message.STOCK: MAX_STOCK_BYTES,
    Message.STREAM: MAX_ANSWER_BYTES,
    Message.PROOF: MAX_HELLO_BYTES,
    Message.SETUP: MAX_ANSWER_BYTES,
    Message.ABOUT: MAX_ANSWER_BYTES,
}


class NotAuthentic(ValueError):
    """The frame was not signed as that message by a key that we trust."""


class BadKey(ValueError):
    """A key that cannot be trusted, whoever offers it: not a point of the curve, a scope that is none, or the same key twice."""


class Signer(Protocol):
    """A private key and its algorithm; software here, a cryptographic module (PKCS#11, 签名服务器) elsewhere."""

    @property
    def algorithm(self) -> Algorithm: ...
    @property
    def key_id(self) -> bytes: ...
    @property
    def public(self) -> bytes: ...
    def sign(self, data: bytes) -> bytes: ...


def key_id_of(public: bytes) -> bytes:
    """The first 8 bytes of the SHA-256 of the public key."""
    return hashlib.sha256(public).digest()[:8]


class Ed25519Signer:
    """Ed25519 (RFC 8032), by PyNaCl.

    :param seed: 32 secret bytes.
    """

    algorithm = Algorithm.ED25519

    def __init__(self, seed: bytes) -> None:
        self._key = nacl.signing.SigningKey(seed)
        self.public = bytes(self._key.verify_key)
        self.key_id = key_id_of(self.public)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data).signature


class Sm2Signer:
    """SM2 with SM3 (GB/T 32918, signer id 1234567812345678); the signature is r‖s, 64 bytes, as COSE writes ECDSA.

    :param secret: 32 secret bytes, `sm2.generate()` makes them.
    :raises BadSm2Key: not a secret of this curve.
    :raises Sm2Unavailable: the machine's OpenSSL has no SM2.
    """

    algorithm = Algorithm.SM2_SM3

    def __init__(self, secret: bytes) -> None:
        self._secret, self.public = secret, sm2.public_of(secret)
        self.key_id = key_id_of(self.public)

    def sign(self, data: bytes) -> bytes:
        return sm2.sign(self._secret, data)


def verify(algorithm: int, public: bytes, data: bytes, signature: bytes) -> bool:
    """Whether `signature` over `data` is by the key `public`. False for whatever is malformed.

    :raises Sm2Unavailable: SM2 is asked for and the machine's OpenSSL has none.
    """
    if len(signature) != 64:
        return False
    if algorithm == Algorithm.ED25519:
        try:
            nacl.signing.VerifyKey(public).verify(data, signature)
        except (nacl.exceptions.BadSignatureError, nacl.exceptions.ValueError, nacl.exceptions.TypeError, ValueError):
            return False
        return True
    return algorithm == Algorithm.SM2_SM3 and sm2.verify(public, data, signature)


# ---- what a key may say -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key and what it may say.

    :param public: Ed25519: 32 bytes. SM2: the point x‖y, 64 bytes.
    :param area: it may speak to this area and what lies inside.
    :param highest_band: and in this band and those below.
    :param exercise: for exercises only, or for live only; never for both.
    :param not_before_ms, not_after_ms: and only between these.
    :raises BadKey: when it is no key, or the scope is none.
    :raises Sm2Unavailable: an SM2 key on a machine whose OpenSSL has no SM2.
    """

    algorithm: Algorithm
    public: bytes
    area: str
    highest_band: Band
    exercise: bool
    not_before_ms: int
    not_after_ms: int

    def __post_init__(self) -> None:
        if not is_area_code(self.area):
            raise BadKey(f"the area {self.area!r} of a key is no area code")
        if not 0 <= self.not_before_ms < self.not_after_ms <= MAX_MS:
            raise BadKey("a key that is valid at no time")
        if self.algorithm is Algorithm.SM2_SM3:
            try:
                sm2.check_public(self.public)
            except sm2.BadSm2Key as err:
                raise BadKey(f"not a public key of SM2: {err}") from err
        elif self.algorithm is not Algorithm.ED25519:
            raise BadKey(f"{self.algorithm.name} does not sign")
        elif len(self.public) != 32 or not nacl.bindings.crypto_core_ed25519_is_valid_point(self.public):
            raise BadKey("not a public key of Ed25519")

    @property
    def key_id(self) -> bytes:
        return key_id_of(self.public)

    def in_force(self, at_ms: int) -> bool:
        """Whether its dates hold then."""
        return self.not_before_ms <= at_ms < self.not_after_ms

    def objection(self, order: Order, *, now_ms: int, listener_area: str | None = None) -> Reason:
        """Why this key may not give this order, or NONE.

        :param listener_area: where the speaker stands that asks; an order may name it singly, and then no area of the order says
            that it lies in the key's. Without it, whoever asks has seen to that: a speaker by the board's scope.
        """
        if order.exercise is not self.exercise:
            return Reason.WRONG_MODE
        asked = order.areas if listener_area is None else (*order.areas, listener_area)
        if order.band > self.highest_band or not all(covers(self.area, area) for area in asked):
            return Reason.OUT_OF_SCOPE
        return Reason.NONE if self.in_force(now_ms) else Reason.KEY_EXPIRED


@dataclass(frozen=True, slots=True)
class Opened:
    """A frame whose signature is right: by whom, and what it says."""

    key: TrustedKey
    payload: bytes


class TrustStore:
    """The keys that a speaker trusts, by key id. A revoked key is one that is no longer here.

    :raises BadKey: the same key twice, as for live and for exercise: one of the two scopes would count and nobody know which.
    """

    def __init__(self, keys: Mapping[bytes, TrustedKey] | tuple[TrustedKey, ...]) -> None:
        listed = tuple(keys.values() if isinstance(keys, Mapping) else keys)
        self._keys = {key.key_id: key for key in listed}
        if len(self._keys) != len(listed):
            raise BadKey("the same key twice, or two with the same id")

    @property
    def keys(self) -> tuple[TrustedKey, ...]:
        return tuple(self._keys.values())

    def open(self, frame: bytes, message: Message, *, exercise: bool) -> Opened:
        """The payload of a COSE_Sign1 that a trusted key signed as this message in this mode.

        :raises NotAuthentic: unknown key, wrong mode, wrong algorithm, wrong signature.
        :raises BadMessage: not a COSE_Sign1 as specified.
        """
        protected, start, end, signature = _cut(frame, message)
        algorithm, key_id = _header(protected)
        key = self._keys.get(key_id)
        if key is None:
            raise NotAuthentic("signed by a key that is not trusted")
        if key.exercise is not exercise:
            raise NotAuthentic("an exercise key outside an exercise, or the reverse")
        if algorithm is not key.algorithm:
            raise NotAuthentic("signed with another algorithm than the key's")
        payload = frame[start:end]
        if not verify(key.algorithm, key.public, _to_be_signed(protected, payload, message, exercise), signature):
            raise NotAuthentic("the signature does not fit")
        return Opened(key, payload)


# ---- COSE -------------------------------------------------------------------------------------------------------------------


def _aad(message: Message, exercise: bool) -> bytes:
    return f"lianbo/1/{'exercise' if exercise else 'live'}/{message.value}".encode()


def _to_be_signed(protected: bytes, payload: bytes, message: Message, exercise: bool) -> bytes:
    return canonical.encode(["Signature1", protected, _aad(message, exercise), payload])


def seal(payload: bytes, message: Message, *, exercise: bool, signer: Signer) -> bytes:
    """A COSE_Sign1 of the payload: [protected {1: alg, 4: kid}, {}, payload, signature]."""
    protected = canonical.encode({1: int(signer.algorithm), 4: signer.key_id})
    signature = signer.sign(_to_be_signed(protected, payload, message, exercise))
    return canonical.encode([protected, {}, payload, signature])


_HEADERS = {  # what stands before the 8 bytes of the key id
    canonical.encode({1: int(algorithm), 4: bytes(8)})[:-8]: algorithm
    for algorithm in (Algorithm.ED25519, Algorithm.SM2_SM3)
}


def _header(protected: bytes) -> tuple[Algorithm, bytes]:
    algorithm = _HEADERS.get(protected[:-8])
    if algorithm is None:
        raise BadMessage("frame.protected", "not {1: algorithm, 4: key id}")
    return algorithm, protected[-8:]


def _cut(frame: bytes, message: Message) -> tuple[bytes, int, int, bytes]:
    """The parts of [protected, {}, payload, proof]; of the payload, where it begins and ends.

    :raises BadMessage: anything else, or too long for that message.
    """
    if len(frame) > MAX_PAYLOAD_BYTES[message] + FRAME_AROUND_BYTES:
        raise BadMessage("frame", f"{len(frame)} bytes, too many for {message.value}")
    try:
        start, end = _byte_string(frame, 1)
        payload_start, payload_end = _byte_string(frame, end + 1)
        proof_start, proof_end = _byte_string(frame, payload_end)
        right = frame[0] == 0x84 and frame[end] == 0xA0 and proof_end == len(frame)  # array of 4; the empty map
    except IndexError:
        right = False
    if not right:
        raise BadMessage("frame", "not [protected, {}, payload, proof] in canonical CBOR")
    return frame[start:end], payload_start, payload_end, frame[proof_start:proof_end]


def _byte_string(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the CBOR byte string at `at` begins and ends; its length in as few bytes as can be.

    :raises IndexError: there is none; that it ends inside `data` is for the caller to see.
    """
    head = data[at]
    if 0x40 <= head < 0x58:
        return at + 1, at + 1 + head - 0x40
    width, least = _LENGTHS.get(head, (0, 0))
    start = at + 1 + width
    length = int.from_bytes(data[at + 1 : start], "big")
    if length < least or not width:
        raise IndexError
    return start, start + length


_LENGTHS = {
    0x58: (1, 24),
    0x59: (2, 256),
    0x5A: (4, 65_536),
}  # bytes that hold the length, and the least that needs them


# ---- what speakers say ------------------------------------------------------------------------------------------------------

_MAC_PROTECTED = canonical.encode({1: int(Algorithm.HMAC_SHA256)})
_MAC_HEAD = b"\x84" + canonical.encode(_MAC_PROTECTED) + b"\xa0"  # array of 4, protected, {}: the same in every frame
_MAC_TAG_HEAD = b"\x58\x20"  # a byte string of 32
_MAC_STARTS = {  # the MAC_structure of RFC 9052 §6.3 up to the payload
    (message, exercise): b"\x84" + b"".join(map(canonical.encode, ("MAC0", _MAC_PROTECTED, _aad(message, exercise))))
    for message in Message
    for exercise in (False, True)
}


def seal_by_speaker(payload: bytes, message: Message, *, exercise: bool, key: bytes) -> bytes:
    """A COSE_Mac0 with HMAC 256/256: [protected {1: 5}, {}, payload, tag]."""
    _must_be_secret(key)
    body = canonical.encode(payload)
    return _MAC_HEAD + body + _MAC_TAG_HEAD + hmac.digest(key, _MAC_STARTS[message, exercise] + body, "sha256")


def open_from_speaker(frame: bytes, message: Message, *, exercise: bool, key: bytes) -> bytes:
    """The payload of a COSE_Mac0 made with that speaker's key. Whether it speaks of that speaker is for the caller to compare.

    :raises NotAuthentic: not made with this key as this message in this mode.
    :raises BadMessage: not a COSE_Mac0 as specified.
    """
    if len(key) < MIN_SECRET_BYTES:
        _must_be_secret(key)
    try:
        start, end = _byte_string(frame, len(_MAC_HEAD))
    except IndexError:
        start, end = 0, 0
    if end + 34 != len(frame) or frame[end : end + 2] != _MAC_TAG_HEAD or not frame.startswith(_MAC_HEAD):
        raise BadMessage("frame", "not [{1: 5}, {}, payload, tag] in canonical CBOR")
    if end - start > MAX_PAYLOAD_BYTES[message]:
        raise BadMessage("frame", f"{end - start} bytes of payload, too many for {message.value}")
    tag = hmac.digest(key, _MAC_STARTS[message, exercise] + frame[len(_MAC_HEAD) : end], "sha256")
    if not hmac.compare_digest(tag, frame[end + 2 :]):
        raise NotAuthentic("the tag does not fit this speaker's key")
    return frame[start:end]


def _must_be_secret(key: bytes) -> None:
    """An empty key would let everybody speak for a speaker that was never given one."""
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"a speaker's key of {len(key)} bytes, at least {MIN_SECRET_BYTES}")


def speaker_key(master: bytes, speaker: str, generation: int = 1) -> bytes:
    """The secret of one speaker, derived from the server's master secret: HMAC-SHA-256(master, "speaker/" + id).

    A box that is stolen gives away its own key and no other. From the second generation on, "/" and its number follow the id:
    so a key is rolled or revoked by counting on.
    """
    return _derived(master, "speaker", speaker, generation)


def broker_password(master: bytes, speaker: str, generation: int = 1) -> str:
    """What that speaker shows the broker, derived likewise and useless for anything else."""
    return _derived(master, "broker", speaker, generation).hex()


def asset_pass(key: bytes, speaker: str) -> str:
    """What a speaker shows in the header `Lianbo-Speaker` when it fetches a file: its township's share of the line is meant.

    The files are no secret, and the pass opens nothing else; that another may use up a township's share is what it prevents.
    """
    return f"{speaker}.{hmac.digest(key, _ASSET_PASS + speaker.encode(), 'sha256').hex()[:32]}"


def speaker_of_pass(shown: str, key_of: Callable[[str], bytes | None]) -> str:
    """The speaker that a pass belongs to; empty for one that is not right.

    :param key_of: the key of a speaker, None where there is none.
    """
    speaker, _, _ = shown.partition(".")
    key = key_of(speaker)
    right = key is not None and hmac.compare_digest(asset_pass(key, speaker).encode(), shown.encode("utf-8", "replace"))
    return speaker if right else ""


def _derived(master: bytes, use: str, speaker: str, generation: int) -> bytes:
    """:raises ValueError: no speaker id, or a master secret that could be guessed."""
    if not is_speaker_id(speaker):
        raise ValueError(f"{speaker!r} is not a speaker id")
    _must_be_secret(master)
    counted = f"/{generation}" if generation > 1 else ""  # an id has no "/" in it
    return hmac.digest(master, f"{use}/{speaker}{counted}".encode(), "sha256")
