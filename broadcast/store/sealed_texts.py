"""Secrets that have to be readable and lie in the database, sealed with a key that does not: who copies the database has nothing.

The key follows from the master secret of the key ring, so a backup holds it where it holds the other keys: sealed for the safe.
"""

import base64
import hmac
import os

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
)
from nacl.exceptions import CryptoError

MARK = "sealed1:"


class SealedTexts:
    """:param master: of the key ring."""

    def __init__(self, master: bytes) -> None:
        self._key = hmac.digest(master, b"texts in the database", "sha256")

    def seal(self, text: str, *, of: str) -> str:
        """:param of: whose it is; under another name it does not open."""
        nonce = os.urandom(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
        box = crypto_aead_xchacha20poly1305_ietf_encrypt(text.encode(), of.encode(), nonce, self._key)
        return MARK + base64.b64encode(nonce + box).decode()

    def open(self, kept: str, *, of: str) -> str | None:
        """None: of another key or another's. What was kept before secrets were sealed is given back as it is."""
        if not kept.startswith(MARK):
            return kept
        size = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
        try:
            whole = base64.b64decode(kept.removeprefix(MARK), validate=True)
            return crypto_aead_xchacha20poly1305_ietf_decrypt(
                whole[size:], of.encode(), whole[:size], self._key
            ).decode()
        except (ValueError, CryptoError):
            return None
