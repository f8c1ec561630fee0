"""A request that is sent again acts once (幂等): what was answered to its key before is answered again."""

import hashlib
from dataclasses import dataclass

from broadcast.domain.errors import BroadcastError
from broadcast.service.ports import KeptAnswer


class KeyReused(BroadcastError):
    """The Idempotency-Key was used for another request."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the Idempotency-Key {key!r} was used for another request")


@dataclass(frozen=True, slots=True)
class OnceKey:
    """An Idempotency-Key with the digest of the request that it came with."""

    key: str
    body_hash: bytes

    @classmethod
    def of(cls, key: str, *body: object) -> "OnceKey":
        return cls(key, hashlib.sha256(repr(body).encode()).digest())

    def words(self, kept: KeptAnswer) -> list[str]:
        """What was answered. :raises KeyReused: to another request."""
        if kept.body_hash != self.body_hash:
            raise KeyReused(self.key)
        return kept.answer.split()
