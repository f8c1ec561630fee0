"""When the certificates of PEM files end. The standard library reads no dates of a leaf, so these few bytes are walked here."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from broadcast.domain.expiry import Ending

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
MAX_BYTES = 1024 * 1024
SEQUENCE, UTC_TIME, GENERALIZED_TIME = 0x30, 0x17, 0x18
VERSION = 0xA0  # the optional [0] that stands before the serial number


class BadCertificate(ValueError):
    """The file holds no certificate, or none that can be read."""


def endings_in(what: str, path: Path) -> Iterator[Ending]:
    """One for each certificate of a PEM file. :raises BadCertificate: it can't be read."""
    try:
        text = path.read_bytes()[:MAX_BYTES].decode("ascii", "replace")
    except OSError as err:
        raise BadCertificate(f"{path}: {err.strerror}") from err
    blocks = [block.partition(END)[0] for block in text.split(BEGIN)[1:]]
    if not blocks:
        raise BadCertificate(f"{path}: no certificate in it")
    for block in blocks:
        try:
            yield Ending(what, path.name, end_of(ssl.PEM_cert_to_DER_cert(f"{BEGIN}{block}{END}")))
        except (ValueError, IndexError) as err:
            raise BadCertificate(f"{path}: not a certificate: {err}") from err


def end_of(der: bytes) -> int:
    """The notAfter of a certificate (RFC 5280 §4.1), milliseconds since 1970. :raises ValueError, IndexError: it is none."""
    certificate, _ = _content(der, 0, SEQUENCE)
    body, at = _content(certificate, 0, SEQUENCE)[0], 0
    if body[0] == VERSION:
        at = _after(body, at)
    for _ in range(3):  # serial number, algorithm, issuer
        at = _after(body, at)
    validity, _ = _content(body, at, SEQUENCE)
    at = _after(validity, 0)
    kind = validity[at]
    if kind not in (UTC_TIME, GENERALIZED_TIME):
        raise ValueError("no time where it should end")
    text = _content(validity, at, kind)[0].decode("ascii")
    if kind == UTC_TIME:  # two digits of the year: 50 and more are of the last century
        text = ("19" if text[:2] >= "50" else "20") + text
    return int(datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()) * 1000


def _content(data: bytes, at: int, tag: int) -> tuple[bytes, int]:
    """What an element holds, and where the next one begins."""
    if data[at] != tag:
        raise ValueError(f"tag {data[at]:#x} where {tag:#x} belongs")
    start, end = _span(data, at)
    return data[start:end], end


def _after(data: bytes, at: int) -> int:
    return _span(data, at)[1]


def _span(data: bytes, at: int) -> tuple[int, int]:
    length, start = data[at + 1], at + 2
    if length & 0x80:
        width = length & 0x7F
        if not 1 <= width <= 4:
            raise ValueError("a length that no certificate has")
        length, start = int.from_bytes(data[start : start + width]), start + width
    if start + length > len(data):
        raise ValueError("it ends too early")
    return start, start + length
