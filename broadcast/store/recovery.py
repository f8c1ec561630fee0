"""The recovery code (恢复码): what opens the keys in a backup.

Without its signing keys a restored server is a stranger to every speaker, so a backup holds them; with them whoever finds a backup
could command every speaker, so they are sealed. The code is made at the first start, shown once and kept on paper in the safe; the
server keeps it beside the keys themselves, where it protects nothing that is not there anyway.
"""

import base64
import hashlib
import json
import os
import re
from pathlib import Path

import nacl.exceptions
import nacl.secret
import nacl.utils

FILE = "recovery.key"
KEY_BYTES = 32
_CHECK_BYTES = 3  # 35 bytes are 56 letters in 14 groups


class BadCode(ValueError):
    """Not a recovery code, or that of another installation."""


def own_code(folder: Path) -> bytes:
    """The secret behind the code of the keys in this folder; made when there is none.

    :raises BadCode: the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, nacl.utils.random(KEY_BYTES))
    secret = path.read_bytes()
    if len(secret) != KEY_BYTES:
        raise BadCode(f"{path} holds {len(secret)} bytes, not {KEY_BYTES}")
    return secret


def in_words(secret: bytes) -> str:
    """As it is written on paper: 14 groups of four letters and digits, the last ones against slips of the pen."""
    letters = base64.b32encode(secret + hashlib.sha256(secret).digest()[:_CHECK_BYTES]).decode()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def from_words(words: str) -> bytes:
    """:raises BadCode: mistyped."""
    letters = re.sub(r"[\s-]", "", words).upper().replace("0", "O").replace("1", "I").replace("8", "B")
    try:
        whole = base64.b32decode(letters)
    except ValueError:
        raise BadCode("a recovery code has 56 letters and digits") from None
    secret, check = whole[:KEY_BYTES], whole[KEY_BYTES:]
    if len(whole) != KEY_BYTES + _CHECK_BYTES or hashlib.sha256(secret).digest()[:_CHECK_BYTES] != check:
        raise BadCode("this recovery code is mistyped")
    return secret


def mark_of(secret: bytes) -> str:
    """By which a backup says which code opens it."""
    return hashlib.sha256(b"recovery code\n" + secret).hexdigest()[:12]


def seal_folder(folder: Path, secret: bytes) -> bytes:
    """All key files of a folder but the code itself, sealed."""
    files = {one.name: one.read_bytes().hex() for one in sorted(folder.iterdir()) if one.is_file() and one.name != FILE}
    return bytes(nacl.secret.SecretBox(secret).encrypt(json.dumps(files).encode()))


def open_sealed(sealed: bytes, secret: bytes) -> dict[str, bytes]:
    """:raises BadCode: another code, or damaged."""
    try:
        said = json.loads(nacl.secret.SecretBox(secret).decrypt(sealed))
        return {Path(name).name: bytes.fromhex(data) for name, data in said.items()}
    except (nacl.exceptions.CryptoError, ValueError, AttributeError, TypeError) as err:
        raise BadCode("the recovery code does not open the keys of this backup") from err


def write_private(path: Path, data: bytes) -> None:
    """A file of mode 0600, on the disk when this returns."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
