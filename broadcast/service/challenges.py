"""Challenges of passkeys (WebAuthn §13.4.3), and the place for which one is: signed by us and not kept.

A flood of strangers who ask for challenges can't push the duty room's out; only those that opened something are remembered.
"""

import hmac
import ipaddress
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from broadcast.domain.errors import BroadcastError

TIMEOUT_MS = 120_000


class PasskeysNeedTls(BroadcastError):
    """Browsers give passkeys only to a page that came over TLS under a name (WebAuthn §5.1.3), or from their own machine."""

    def __init__(self) -> None:
        super().__init__("passkeys need https and a host name; an IP address has none")


class PasskeyRefused(BroadcastError):
    """It opens nothing here: unknown, of another place, answered too late or twice, or not signed by its key."""

    def __init__(self) -> None:
        super().__init__("this passkey opens nothing here; ask for a new challenge, or use the password")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the browser says it is: `https://desk.example`, and its name, which passkeys are bound to (relying party)."""

    origin: str
    name: str

    @classmethod
    def of(cls, scheme: str, host: str) -> "Origin":
        """:param host: with its port. :raises PasskeysNeedTls: no browser would do it there."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        name = name.lower()
        if scheme != "https" and name != "localhost":
            raise PasskeysNeedTls
        if not name or name.startswith("[") or _is_address(name):
            raise PasskeysNeedTls
        return cls(f"{scheme}://{host.lower()}", name)


class Challenges:
    """Challenges that say themselves when they end and what they are for; only those that opened are remembered, until they end."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._key = secrets.token_bytes(32)
        self._spent: dict[bytes, float] = {}

    def make(self, officer: str, where: Origin) -> bytes:
        """:param officer: whose passkey is being made; empty: somebody signs in."""
        until = int(self._monotonic() + TIMEOUT_MS / 1_000)
        head = secrets.token_bytes(16) + until.to_bytes(8, "big")
        return head + self._mark(head, officer, where)

    def must_be_ours(self, challenge: bytes, officer: str, where: Origin) -> None:
        """:raises PasskeyRefused: we never gave it, it is for something else, over or spent."""
        head, mark = challenge[:24], challenge[24:]
        if not hmac.compare_digest(mark, self._mark(head, officer, where)):
            raise PasskeyRefused
        if self._monotonic() > int.from_bytes(head[16:], "big") or challenge in self._spent:
            raise PasskeyRefused

    def spend(self, challenge: bytes) -> None:
        """It opens nothing any more. :raises PasskeyRefused: somebody else was quicker."""
        now = self._monotonic()
        self._spent = {one: until for one, until in self._spent.items() if until >= now}
        if challenge in self._spent:
            raise PasskeyRefused
        self._spent[challenge] = int.from_bytes(challenge[16:24], "big") + 1.0

    def _mark(self, head: bytes, officer: str, where: Origin) -> bytes:
        return hmac.digest(self._key, head + json.dumps([officer, where.name]).encode(), "sha256")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
