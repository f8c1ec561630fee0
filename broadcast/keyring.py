"""The server's secrets in the data folder: signing keys for live and for exercises, and the master of the speakers' keys.

Files of mode 0600 in a folder of mode 0700. A cryptographic module takes their place behind `Signer` where the county has one.
"""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from endpoints import sm2
from endpoints.area_codes import padded
from endpoints.protocol import Band
from endpoints.sealing import Algorithm, Ed25519Signer, Signer, Sm2Signer, TrustedKey

DAY_MS = 86_400_000
WARN_DAYS = (60, 30, 14, 7, 1)
FILES = ("live.json", "exercise.json", "master.key", "broker.key")


class BadKeyFile(ValueError):
    """A key file is there and can't be used; it is never replaced silently: speakers would refuse everything."""

    def __init__(self, path: Path, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(f"{path}: {why}; restore it from the backup, or move it away and provision every speaker anew")


class NoKeys(Exception):
    """Some of the files are not there."""

    def __init__(self, folder: Path, missing: list[str]) -> None:
        self.folder, self.missing = folder, missing
        then = "`lianbo serve` makes them at its first start"
        if len(missing) < len(FILES):
            then = "restore them from the backup before the next start: with new ones speakers would refuse everything"
        super().__init__(f"{folder} has no {', '.join(missing)}; {then}")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A signer and what speakers are told that it may say."""

    signer: Signer
    trusted: TrustedKey


@dataclass(frozen=True, slots=True)
class Keyring:
    """:param master: 32 secret bytes from which the speakers' keys are derived."""

    live: SigningKey
    exercise: SigningKey
    master: bytes
    broker_password: str

    @property
    def signers(self) -> dict[bool, Signer]:
        """By mode: False is live, True is exercise."""
        return {False: self.live.signer, True: self.exercise.signer}

    @property
    def trusted(self) -> tuple[TrustedKey, ...]:
        return self.live.trusted, self.exercise.trusted

    def days_left(self, now_ms: int) -> int:
        """Until the first signing key ends."""
        return min((key.not_after_ms - now_ms) // DAY_MS for key in self.trusted)


def open_keyring(folder: Path, *, county: str, algorithm: str, key_days: int, now_ms: int) -> Keyring:
    """Read the keys, or make them on the first start.

    :raises BadKeyFile: a file that can't be read as a key.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    area = padded(county)
    return Keyring(
        live=_signing_key(
            folder / "live.json", area=area, algorithm=algorithm, exercise=False, days=key_days, now_ms=now_ms
        ),
        exercise=_signing_key(
            folder / "exercise.json", area=area, algorithm=algorithm, exercise=True, days=key_days, now_ms=now_ms
        ),
        master=_secret(folder / "master.key"),
        broker_password=_secret(folder / "broker.key").hex(),
    )


def read_keyring(folder: Path, *, county: str) -> Keyring:
    """The keys as they are; a tool makes none.

    :raises NoKeys, BadKeyFile, OSError: they are not all there, or can't be read.
    """
    missing = [name for name in FILES if not (folder / name).exists()]
    if missing:
        raise NoKeys(folder, missing)
    return open_keyring(folder, county=county, algorithm="", key_days=0, now_ms=0)


def _signing_key(path: Path, *, area: str, algorithm: str, exercise: bool, days: int, now_ms: int) -> SigningKey:
    if not path.exists():
        seed = sm2.generate() if algorithm == "sm2" else secrets.token_bytes(32)
        made = {
            "algorithm": algorithm,
            "secret": seed.hex(),
            "area": area,
            "exercise": exercise,
            "not_before_ms": now_ms - DAY_MS,
            "not_after_ms": now_ms + days * DAY_MS,
        }
        _write(path, json.dumps(made, indent=1).encode())
    try:
        read = json.loads(path.read_bytes())
        signer: Signer = _signer(read["algorithm"], bytes.fromhex(read["secret"]))
        trusted = TrustedKey(
            algorithm=Algorithm(signer.algorithm),
            public=signer.public,
            area=read["area"],
            highest_band=Band.LIFE_SAFETY,
            exercise=read["exercise"],
            not_before_ms=read["not_before_ms"],
            not_after_ms=read["not_after_ms"],
        )
    except (ValueError, KeyError, TypeError) as err:
        raise BadKeyFile(path, f"not a key: {err}") from err
    if trusted.exercise is not exercise:
        raise BadKeyFile(path, "a key of the other mode")
    return SigningKey(signer, trusted)


def _signer(algorithm: str, secret: bytes) -> Signer:
    if algorithm == "sm2":
        return Sm2Signer(secret)
    if algorithm == "ed25519":
        return Ed25519Signer(secret)
    raise ValueError(f"no algorithm {algorithm!r}")


def _secret(path: Path) -> bytes:
    if not path.exists():
        _write(path, secrets.token_bytes(32))
    secret = path.read_bytes()
    if len(secret) != 32:
        raise BadKeyFile(path, f"{len(secret)} bytes, not 32")
    return secret


def _write(path: Path, data: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
