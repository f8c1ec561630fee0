"""The audit trail (审计日志): acts chained by hashes. What was written can't be changed without the chain telling where.

An act's link is the SHA-256 of the canonical CBOR (RFC 8949 §4.2.1) of [number, at, officer, verb, subject, detail, link before].
Numbers count from 1 without a gap. Each row keeps the link before it beside its own, so that it proves itself: a changed row, one
whose link was made anew after a change, one that is missing and one that was put in can be told apart (`audit_faults`).

A chain alone does not stop whoever holds the database from writing everything anew from some point on: a checkpoint does, which
the server signs every 1,000 acts or 60 seconds, and which is kept elsewhere. Format 1; it never changes, a new one would be a new
table.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

GENESIS = bytes(32)  # before the first act
LINK_BYTES = 32
CHECKPOINT_ROWS, CHECKPOINT_MS = 1_000, 60_000
_SIGNED = b"lianbo audit checkpoint 1\n"  # no COSE structure begins so: a signature of one can't pass for the other


class Entry(NamedTuple):
    """One act in its chain.

    :param previous: the link of the act before, GENESIS before the first.
    """

    seq: int
    at_ms: int
    officer: str
    verb: str
    subject: str
    detail: str
    previous: bytes
    link: bytes


class Head(NamedTuple):
    """The last act of a chain, or of a part of it: its number and link."""

    seq: int = 0
    link: bytes = GENESIS


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Who signed when that the chain up to an act was this.

    :param seq, link: of that act.
    :param county: whose chain; the 12-digit code.
    :param algorithm, key_id: of the signing key, as in `endpoints.sealing`.
    """

    seq: int
    link: bytes
    at_ms: int
    county: str
    algorithm: int
    key_id: bytes
    signature: bytes

    @property
    def signed(self) -> bytes:
        return to_be_signed(self.county, Head(self.seq, self.link), self.at_ms)


def link_of(seq: int, said: tuple[int, str, str, str, str], previous: bytes) -> bytes:
    """The link of an act.

    :param said: at, officer, verb, subject, detail.
    :raises UnicodeEncodeError: half a surrogate pair is no text.
    :raises OverflowError: a number of more than 64 bits.
    """
    at_ms, officer, verb, subject, detail = said
    return hashlib.sha256(
        b"\x87"
        + encoded_whole(seq)
        + encoded_whole(at_ms)
        + encoded_text(officer)
        + encoded_text(verb)
        + encoded_text(subject)
        + encoded_text(detail)
        + b"\x58\x20"
        + previous
    ).digest()


def fits(entry: Entry) -> bool:
    """Whether an act's link is that of what it says."""
    try:
        return link_of(entry.seq, entry[1:6], entry.previous) == entry.link
    except (UnicodeEncodeError, OverflowError, TypeError, AttributeError):  # a database may hold anything
        return False


def to_be_signed(county: str, head: Head, at_ms: int) -> bytes:
    """The bytes that a checkpoint's signature is over."""
    return (
        _SIGNED
        + b"\x84"
        + encoded_text(county)
        + encoded_whole(head.seq)
        + encoded_whole(at_ms)
        + b"\x58\x20"
        + head.link
    )


def due(last: Checkpoint | None, head: Head, waiting_since_ms: int, now_ms: int) -> bool:
    """Whether a checkpoint is to be made: each 1,000 acts or 60 s, whichever first, and only when acts came.

    :param waiting_since_ms: when the first act after `last` was seen.
    """
    fresh = head.seq - (last.seq if last else 0)
    return fresh >= CHECKPOINT_ROWS or (fresh > 0 and now_ms - waiting_since_ms >= CHECKPOINT_MS)


# ---- canonical CBOR of what an act is made of; a test compares it with a whole encoder -----------------------------------------


def _heads(major: int) -> Callable[[int], bytes]:
    """The head of an item by its number: the shortest spelling."""
    short = [bytes([major << 5 | n]) for n in range(24)] + [bytes([major << 5 | 24, n]) for n in range(24, 256)]
    two, four, eight = (bytes([major << 5 | size]) for size in (25, 26, 27))

    def head(number: int) -> bytes:
        if number < 256:
            return short[number]
        if number < 1 << 16:
            return two + number.to_bytes(2, "big")
        return four + number.to_bytes(4, "big") if number < 1 << 32 else eight + number.to_bytes(8, "big")

    return head


_unsigned, _negative, text_head = _heads(0), _heads(1), _heads(3)


def encoded_whole(number: int) -> bytes:
    return _unsigned(number) if number >= 0 else _negative(-1 - number)


def encoded_text(text: str) -> bytes:
    data = text.encode()
    return text_head(len(data)) + data
