"""Signatures over what is said on the wire, and what a key may say.

A board and a time answer are COSE_Sign1, a report and a heartbeat COSE_Mac0 (RFC 9052), untagged, with an external_aad that names
product, version, mode and message type: nothing signed as one thing can be read as another, and no exercise as live. The bytes
are verified as they came, then decoded. A trusted key has a scope (area, highest band, dates, mode), and the speaker checks it.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol

import gmssl_pyx
import nacl.exceptions
import nacl.signing

from endpoints import canonical
from endpoints.area_codes import covers
from endpoints.protocol import MAX_BOARD_BYTES, BadMessage, Band, Order, Reason, is_speaker_id

MAX_FRAME_BYTES = MAX_BOARD_BYTES + 256


class Algorithm(IntEnum):
    """COSE algorithm numbers. SM2 with SM3 has none from IANA: ours is from the private range (RFC 9053 §8)."""

    ED25519 = -8  # EdDSA
    SM2_SM3 = -65_537
    HMAC_SHA256 = 5  # HMAC 256/256


class Message(StrEnum):
    """What is signed; a part of the external_aad."""

    BOARD = "board"
    TIME = "time"
    HELLO = "hello"
    REPORT = "report"


class NotAuthentic(ValueError):
    """The frame was not signed as that message by a key that we trust."""


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
    """SM2 with SM3 (GB/T 32918, signer id 1234567812345678), by GmSSL; the signature is r‖s, 64 bytes, as COSE writes ECDSA.

    :param secret: 32 secret bytes.
    :param public: the point x‖y, 64 bytes, or 04‖x‖y.
    """

    algorithm = Algorithm.SM2_SM3

    def __init__(self, secret: bytes, public: bytes) -> None:
        self._secret, self.public = secret, public[-64:]
        self.key_id = key_id_of(self.public)

    def sign(self, data: bytes) -> bytes:
        return _der_to_raw(gmssl_pyx.sm2_sign(self._secret, self.public, data))


def verify(algorithm: int, public: bytes, data: bytes, signature: bytes) -> bool:
    """Whether `signature` over `data` is by the key `public`. False for whatever is malformed."""
    if len(signature) != 64:
        return False
    if algorithm == Algorithm.ED25519:
        try:
            nacl.signing.VerifyKey(public).verify(data, signature)
        except (nacl.exceptions.BadSignatureError, nacl.exceptions.ValueError, nacl.exceptions.TypeError, ValueError):
            return False
        return True
    if algorithm == Algorithm.SM2_SM3:
        try:
            return bool(gmssl_pyx.sm2_verify(public, data, _raw_to_der(signature)))
        except (gmssl_pyx.GmsslInnerError, gmssl_pyx.InvalidValueError, ValueError):
            return False
    return False


def _raw_to_der(raw: bytes) -> bytes:
    """r‖s of 32 bytes each as SEQUENCE of two INTEGERs (X.690)."""
    parts = b""
    for number in (raw[:32], raw[32:]):
        digits = number.lstrip(b"\0") or b"\0"
        digits = b"\0" + digits if digits[0] & 0x80 else digits
        parts += bytes([0x02, len(digits)]) + digits
    return bytes([0x30, len(parts)]) + parts


def _der_to_raw(der: bytes) -> bytes:
    r_end = 4 + der[3]
    r, s = der[4:r_end], der[r_end + 2 : r_end + 2 + der[r_end + 1]]
    return r.lstrip(b"\0").rjust(32, b"\0") + s.lstrip(b"\0").rjust(32, b"\0")


# ---- COSE -----------------------------------------------------------------------------------------------------------------


def _aad(message: Message, exercise: bool) -> bytes:
    return f"lianbo/1/{'exercise' if exercise else 'live'}/{message.value}".encode()


def seal(payload: bytes, message: Message, *, exercise: bool, signer: Signer) -> bytes:
    """A COSE_Sign1 of the payload: [protected {1: alg, 4: kid}, {}, payload, signature]."""
    protected = canonical.encode({1: int(signer.algorithm), 4: signer.key_id})
    signed = canonical.encode(["Signature1", protected, _aad(message, exercise), payload])
    return canonical.encode([protected, {}, payload, signer.sign(signed)])


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key and what it may say.

    :param area: it may speak to this area and what lies inside.
    :param highest_band: and in this band and those below.
    :param exercise: for exercises only, or for live only; never for both.
    :param not_before_ms, not_after_ms: and only between these.
    """

    algorithm: Algorithm
    public: bytes
    area: str
    highest_band: Band
    exercise: bool
    not_before_ms: int
    not_after_ms: int

    @property
    def key_id(self) -> bytes:
        return key_id_of(self.public)

    def objection(self, order: Order, *, now_ms: int) -> Reason:
        """Why this key may not give this order, or NONE."""
        if order.exercise is not self.exercise:
            return Reason.WRONG_MODE
        if order.band > self.highest_band or not all(covers(self.area, area) for area in order.areas):
            return Reason.OUT_OF_SCOPE
        if not self.not_before_ms <= now_ms < self.not_after_ms:
            return Reason.KEY_EXPIRED
        return Reason.NONE


@dataclass(frozen=True, slots=True)
class Opened:
    """A frame whose signature is right: by whom, and what it says."""

    key: TrustedKey
    payload: bytes


class TrustStore:
    """The keys that a speaker trusts, by key id. A revoked key is one that is no longer here."""

    def __init__(self, keys: Mapping[bytes, TrustedKey] | tuple[TrustedKey, ...]) -> None:
        listed = keys.values() if isinstance(keys, Mapping) else keys
        self._keys = {key.key_id: key for key in listed}

    @property
    def keys(self) -> tuple[TrustedKey, ...]:
        return tuple(self._keys.values())

    def open(self, frame: bytes, message: Message, *, exercise: bool) -> Opened:
        """The payload of a COSE_Sign1 that a trusted key signed as this message in this mode.

        :raises NotAuthentic: unknown key, wrong mode, wrong algorithm, wrong signature.
        :raises BadMessage: not a COSE_Sign1 as specified.
        """
        protected, payload, signature = _parts(frame)
        algorithm, key_id = _decode_header(protected)
        key = self._keys.get(key_id)
        if key is None:
            raise NotAuthentic("signed by a key that is not trusted")
        if key.exercise is not exercise:
            raise NotAuthentic("an exercise key outside an exercise, or the reverse")
        if algorithm != key.algorithm:
            raise NotAuthentic("signed with another algorithm than the key's")
        signed = canonical.encode(["Signature1", protected, _aad(message, exercise), payload])
        if not verify(key.algorithm, key.public, signed, signature):
            raise NotAuthentic("the signature does not fit")
        return Opened(key, payload)


def _parts(frame: bytes) -> tuple[bytes, bytes, bytes]:
    try:
        outer = canonical.decode(frame, max_bytes=MAX_FRAME_BYTES)
    except canonical.NotCanonical as err:
        raise BadMessage("frame", str(err)) from err
    if not isinstance(outer, list) or len(outer) != 4 or outer[1] != {}:
        raise BadMessage("frame", "not [protected, {}, payload, signature]")
    protected, _, payload, signature = outer
    if not (isinstance(protected, bytes) and isinstance(payload, bytes) and isinstance(signature, bytes)):
        raise BadMessage("frame", "its parts are not byte strings")
    return protected, payload, signature


def _decode_header(protected: bytes) -> tuple[int, bytes]:
    try:
        header = canonical.decode(protected, max_bytes=64)
    except canonical.NotCanonical as err:
        raise BadMessage("frame.protected", str(err)) from err
    if not isinstance(header, dict) or set(header) != {1, 4}:
        raise BadMessage("frame.protected", "not {1: algorithm, 4: key id}")
    algorithm, key_id = header[1], header[4]
    if type(algorithm) is not int or not isinstance(key_id, bytes):
        raise BadMessage("frame.protected", "not {1: algorithm, 4: key id}")
    return algorithm, key_id


_MAC_PROTECTED = canonical.encode({1: int(Algorithm.HMAC_SHA256)})
_MAC_HEAD = (
    b"\x84" + canonical.encode(_MAC_PROTECTED) + b"\xa0"
)  # the array of 4, protected, {}: the same in every frame


def _mac(key: bytes, payload: bytes, message: Message, exercise: bool) -> bytes:
    return hmac.digest(key, _MAC_STARTS[message, exercise] + canonical.encode(payload), "sha256")


_MAC_STARTS = {
    (message, exercise): b"\x84"
    + canonical.encode("MAC0")
    + canonical.encode(_MAC_PROTECTED)
    + canonical.encode(_aad(message, exercise))
    for message in Message
    for exercise in (False, True)
}


def seal_by_speaker(payload: bytes, message: Message, *, exercise: bool, key: bytes) -> bytes:
    """A COSE_Mac0 with HMAC 256/256: [protected {1: 5}, {}, payload, tag]."""
    tag = _mac(key, payload, message, exercise)
    return _MAC_HEAD + canonical.encode(payload) + canonical.encode(tag)


def open_from_speaker(frame: bytes, message: Message, *, exercise: bool, key: bytes) -> bytes:
    """The payload of a COSE_Mac0 made with that speaker's key.

    :raises NotAuthentic: not made with this key as this message in this mode.
    :raises BadMessage: not a COSE_Mac0 as specified.
    """
    protected, payload, tag = _parts(frame)
    if protected != _MAC_PROTECTED:
        raise BadMessage("frame.protected", "not {1: 5}")
    if not hmac.compare_digest(_mac(key, payload, message, exercise), tag):
        raise NotAuthentic("the tag does not fit this speaker's key")
    return payload


def speaker_key(master: bytes, speaker: str) -> bytes:
    """The secret of one speaker, derived from the server's master secret: HMAC-SHA-256(master, "speaker/" + id).

    A box that is stolen gives away its own key and no other.
    """
    if not is_speaker_id(speaker):
        raise ValueError(f"{speaker!r} is not a speaker id")
    return hmac.digest(master, b"speaker/" + speaker.encode(), "sha256")


def broker_password(master: bytes, speaker: str) -> str:
    """What that speaker shows the broker, derived likewise and useless for anything else."""
    return hmac.digest(master, b"broker/" + speaker.encode(), "sha256").hex()
