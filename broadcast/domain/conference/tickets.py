"""Tickets (入会凭证): 60 s to use at most, one conference, one seat, one role, one use; and the key that a seat has then."""

import hashlib
import hmac
import re
from dataclasses import dataclass, replace

from broadcast.domain.conference.errors import BadTicket

LIVES_MS = 60_000
SECRET_BYTES = 32
SECRET = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes, base64url


@dataclass(frozen=True, slots=True)
class Ticket:
    """:param secret_hash: SHA-256 of its secret, which only its bearer has. :param identity: who its bearer is: the server says."""

    secret_hash: bytes
    conference: str
    site: str
    identity: str
    by: str
    made_ms: int
    until_ms: int
    used_ms: int = 0


@dataclass(frozen=True, slots=True)
class SeatKey:
    """What a browser shows that has come in by a ticket, so that a broken line is no loss. It ends with the seat."""

    secret_hash: bytes
    conference: str
    site: str
    identity: str
    made_ms: int


def hashed(secret: str) -> bytes:
    """:raises BadTicket: not even the shape of one."""
    if not SECRET.fullmatch(secret):
        raise BadTicket
    return hashlib.sha256(secret.encode()).digest()


def take(ticket: Ticket | None, secret_hash: bytes, conference: str, now_ms: int) -> Ticket:
    """The ticket, used. Whatever is wrong is answered alike. :raises BadTicket."""
    if ticket is None or not hmac.compare_digest(ticket.secret_hash, secret_hash):
        raise BadTicket
    if ticket.conference != conference or ticket.used_ms or not ticket.made_ms <= now_ms < ticket.until_ms:
        raise BadTicket
    return replace(ticket, used_ms=now_ms)
