"""SM2 signatures with SM3 (GB/T 32918.2-2016) by the system's OpenSSL 3, through ctypes.

`cryptography` has no SM2, and GmSSL's binding writes to stderr at every signature that does not fit, which would let a hostile
broker fill the disk of a box with log lines. The signer's id is 1234567812345678 (GM/T 0009-2012 §10). Keys and signatures are
plain numbers of 32 bytes: a secret d, a public point x‖y, a signature r‖s. The library is looked for when it is first needed.
"""

import ctypes
import ctypes.util
import secrets
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Any

SIGNER_ID = b"1234567812345678"
# How many points the curve sm2p256v1 has (GB/T 32918.5-2017).
ORDER = 0xFFFFFFFE_FFFFFFFF_FFFFFFFF_FFFFFFFF_7203DF6B_21C6052B_53BBF409_39D54123

_MAX_DER_BYTES = 72  # SEQUENCE of two INTEGERs of 33 bytes
# AlgorithmIdentifier {ecPublicKey 1.2.840.10045.2.1, sm2p256v1 1.2.156.10197.1.301}, as it stands in both kinds of key
_ALGORITHM = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")
_PUBLIC_HEAD = bytes.fromhex("3059") + _ALGORITHM + bytes.fromhex("03420004")  # SubjectPublicKeyInfo; then x‖y
_SECRET_HEAD = bytes.fromhex("3041020100") + _ALGORITHM + bytes.fromhex("042730250201010420")  # PKCS #8; then d


class Sm2Unavailable(OSError):
    """SM2 is configured and the machine has no OpenSSL that knows it."""

    def __init__(self, found: str) -> None:
        self.found, self.package = found, "libssl3"
        super().__init__(f"SM2 needs libcrypto of OpenSSL 3, and {found}; on Debian 12 install {self.package}")


class BadSm2Key(ValueError):
    """Not a number from 1 to the curve's order less 2, or not a point of the curve."""


class BadSignatureEncoding(ValueError):
    """Not the DER of an SM2 signature, or not 64 bytes."""


def generate() -> bytes:
    """A new secret, 32 bytes from the system's random source."""
    return (secrets.randbelow(ORDER - 2) + 1).to_bytes(32, "big")


def public_of(secret: bytes) -> bytes:
    """The public point x‖y of a secret.

    :raises BadSm2Key: not a secret.
    :raises Sm2Unavailable: no library.
    """
    return _secret_key(secret).public


def check_public(public: bytes) -> None:
    """:raises BadSm2Key: not a point of the curve. :raises Sm2Unavailable: no library."""
    _public_key(public)


def sign(secret: bytes, data: bytes) -> bytes:
    """r‖s over SM3(Z ‖ data); another one each time.

    :raises BadSm2Key: not a secret.
    :raises Sm2Unavailable: no library.
    """
    return _secret_key(secret).sign(data)


def verify(public: bytes, data: bytes, signature: bytes) -> bool:
    """Whether r‖s is the signature over the data; False for whatever is malformed.

    :raises Sm2Unavailable: no library.
    """
    try:
        return _public_key(public).verify(data, raw_to_der(signature))
    except (BadSm2Key, BadSignatureEncoding):
        return False


# ---- signatures: r‖s on our wire, DER in the library -------------------------------------------------------------------------


def raw_to_der(raw: bytes) -> bytes:
    """r‖s of 32 bytes each as SEQUENCE of two INTEGERs (X.690).

    :raises BadSignatureEncoding: not 64 bytes.
    """
    if len(raw) != 64:
        raise BadSignatureEncoding(f"{len(raw)} bytes, not 64")
    parts = b""
    for number in (raw[:32], raw[32:]):
        digits = number.lstrip(b"\0") or b"\0"
        digits = b"\0" + digits if digits[0] & 0x80 else digits
        parts += bytes([0x02, len(digits)]) + digits
    return bytes([0x30, len(parts)]) + parts


def der_to_raw(der: bytes) -> bytes:
    """The way back, and only from what the way there makes.

    :raises BadSignatureEncoding: anything else.
    """
    if not 8 <= len(der) <= _MAX_DER_BYTES:
        raise BadSignatureEncoding(f"{len(der)} bytes of DER")
    s_at = 4 + der[3]
    r, s = der[4:s_at], der[s_at + 2 :]
    raw = b"".join(number.lstrip(b"\0").rjust(32, b"\0") for number in (r, s))
    if len(raw) != 64 or raw_to_der(raw) != der:
        raise BadSignatureEncoding("not SEQUENCE {INTEGER, INTEGER} in DER with numbers of at most 32 bytes")
    return raw


# ---- libcrypto --------------------------------------------------------------------------------------------------------------


@cache
def _libcrypto() -> ctypes.CDLL:
    """Its functions return pointers, which ctypes would cut to 32 bits: every one used here is declared."""
    library = load(candidates())
    pointer, text, size, whole = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int
    for name, result, *arguments in (
        ("d2i_PUBKEY", pointer, pointer, pointer, ctypes.c_long),
        ("d2i_AutoPrivateKey", pointer, pointer, pointer, ctypes.c_long),
        ("i2d_PUBKEY", whole, pointer, pointer),
        ("EVP_PKEY_free", None, pointer),
        ("EVP_PKEY_CTX_new", pointer, pointer, pointer),
        ("EVP_PKEY_CTX_set1_id", whole, pointer, text, whole),
        ("EVP_PKEY_CTX_free", None, pointer),
        ("EVP_MD_CTX_new", pointer),
        ("EVP_MD_CTX_set_pkey_ctx", None, pointer, pointer),
        ("EVP_MD_CTX_free", None, pointer),
        ("EVP_sm3", pointer),
        ("EVP_DigestSignInit", whole, pointer, pointer, pointer, pointer, pointer),
        ("EVP_DigestSign", whole, pointer, text, pointer, text, size),
        ("EVP_DigestVerifyInit", whole, pointer, pointer, pointer, pointer, pointer),
        ("EVP_DigestVerify", whole, pointer, text, size, text, size),
        ("ERR_clear_error", None),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def load(candidates: Iterable[str]) -> ctypes.CDLL:
    """The first of these libraries that knows SM2.

    :raises Sm2Unavailable: none does.
    """
    found = "there is none"
    for candidate in candidates:
        try:
            library = ctypes.CDLL(candidate)
            fetch, free = library.EVP_SIGNATURE_fetch, library.EVP_SIGNATURE_free
        except (OSError, AttributeError):
            continue  # not there, or OpenSSL 1
        fetch.restype, fetch.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
        free.restype, free.argtypes = None, (ctypes.c_void_p,)
        sm2 = fetch(None, b"SM2", None)
        library.ERR_clear_error()
        if sm2:
            free(sm2)
            return library
        found = f"{candidate} was built without SM2"
    raise Sm2Unavailable(found)


def candidates() -> list[str]:
    """By its own name first: find_library starts a compiler. Never the bare libcrypto.dylib, which ends a process on macOS."""
    named = ["libcrypto.so.3", "libcrypto.3.dylib"]
    found = ctypes.util.find_library("crypto")
    return named if found is None or found.endswith(".dylib") else [*named, found]


class _Key:
    """An EVP_PKEY; safe to use from several threads, since each signature has a context of its own."""

    def __init__(self, der: bytes, read: Callable[..., Any]) -> None:
        self._library = _libcrypto()
        buffer = ctypes.create_string_buffer(der, len(der))
        self._handle = read(None, ctypes.byref(ctypes.c_void_p(ctypes.addressof(buffer))), len(der))
        self._library.ERR_clear_error()
        if not self._handle:
            raise BadSm2Key("not a key of the curve sm2p256v1")
        self.public = self._public()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.EVP_PKEY_free(self._handle)

    def _public(self) -> bytes:
        buffer = ctypes.create_string_buffer(128)
        size = self._library.i2d_PUBKEY(self._handle, ctypes.byref(ctypes.c_void_p(ctypes.addressof(buffer))))
        der = buffer.raw[: max(0, size)]
        if len(der) != len(_PUBLIC_HEAD) + 64 or not der.startswith(_PUBLIC_HEAD):
            raise BadSm2Key("not a key of the curve sm2p256v1")
        return der[-64:]

    def sign(self, data: bytes) -> bytes:
        signature = ctypes.create_string_buffer(_MAX_DER_BYTES)
        size = ctypes.c_size_t(_MAX_DER_BYTES)

        def run(context: int) -> bool:
            done = self._library.EVP_DigestSign(context, signature, ctypes.byref(size), data, len(data))
            return bool(done == 1)

        if not self._with_context(self._library.EVP_DigestSignInit, run):
            raise BadSm2Key("libcrypto does not sign with this key")
        return der_to_raw(signature.raw[: size.value])

    def verify(self, data: bytes, der: bytes) -> bool:
        def run(context: int) -> bool:
            return bool(self._library.EVP_DigestVerify(context, der, len(der), data, len(data)) == 1)

        return self._with_context(self._library.EVP_DigestVerifyInit, run)

    def _with_context(self, start: Callable[..., int], run: Callable[[int], bool]) -> bool:
        """Run with a context that has the signer's id. Python's ssl reads the same queue of errors: it is left empty."""
        library = self._library
        key_context = library.EVP_PKEY_CTX_new(self._handle, None)
        context = library.EVP_MD_CTX_new()
        try:
            if not key_context or not context:
                raise MemoryError("libcrypto has no room for a context")
            library.EVP_MD_CTX_set_pkey_ctx(context, key_context)
            ready = (
                library.EVP_PKEY_CTX_set1_id(key_context, SIGNER_ID, len(SIGNER_ID)) > 0
                and start(context, None, library.EVP_sm3(), None, self._handle) == 1
            )
            return ready and run(context)
        finally:
            library.EVP_MD_CTX_free(context)
            library.EVP_PKEY_CTX_free(key_context)
            library.ERR_clear_error()


@lru_cache(maxsize=256)
def _public_key(public: bytes) -> _Key:
    if len(public) != 64:
        raise BadSm2Key(f"a public key of {len(public)} bytes, not 64")
    return _Key(_PUBLIC_HEAD + public, _libcrypto().d2i_PUBKEY)


@lru_cache(maxsize=16)
def _secret_key(secret: bytes) -> _Key:
    if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < ORDER - 1:
        raise BadSm2Key("a secret is 32 bytes, a number from 1 to the curve's order less 2")
    return _Key(_SECRET_HEAD + secret, _libcrypto().d2i_AutoPrivateKey)
