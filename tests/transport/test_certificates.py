"""When a certificate ends is read as a second implementation reads it; what is none is said to be none."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from broadcast.server.certificates import BadCertificate, end_of, endings_in


def certificate(ends: datetime) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lianbo")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(2**100)
    )
    return made.not_valid_before(ends - timedelta(days=900)).not_valid_after(ends).sign(key, hashes.SHA256())


@pytest.mark.parametrize(
    "ends",
    [datetime(2027, 3, 1, 12, 30, 59, tzinfo=UTC), datetime(2051, 1, 1, tzinfo=UTC)],
    ids=["UTCTime", "GeneralizedTime"],
)
def test_the_end_of_a_certificate_is_read(ends: datetime, tmp_path: Path) -> None:
    one, two = certificate(ends), certificate(ends + timedelta(days=1))
    path = tmp_path / "chain.pem"
    path.write_bytes(b"text before\n" + b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (one, two)))
    found = [(ending.what, ending.subject, ending.ends_ms) for ending in endings_in("certificate", path)]
    at_ms = int(ends.timestamp()) * 1000
    assert found == [("certificate", "chain.pem", at_ms), ("certificate", "chain.pem", at_ms + 86_400_000)]


@given(st.binary(max_size=200))
def test_what_is_no_certificate_is_refused(noise: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        end_of(b"\x30\x82\xff\xff" + noise)


@pytest.mark.parametrize(
    "content",
    [b"", b"no", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"-----BEGIN CERTIFICATE-----\n!"],
)
def test_a_file_without_one_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.pem"
    path.write_bytes(content)
    with pytest.raises(BadCertificate, match=r"broken\.pem"):
        list(endings_in("certificate", path))
    with pytest.raises(BadCertificate):
        list(endings_in("certificate", tmp_path / "gone.pem"))
