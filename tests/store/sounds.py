"""Sounds to keep."""

import hashlib
from dataclasses import replace
from typing import Any

from broadcast.domain.assets import Asset, AssetKind, Measured
from tests.store.rows import NOW_MS

MEASURED = Measured(
    sha256=hashlib.sha256(b"tune").digest(),
    size_bytes=240_000,
    duration_ms=60_000,
    lufs=-18.04,
    lra=3.5,
    peak_dbtp=-1.62,
    gain_db=4.25,
    limited=True,
    source_ms=61_200,
    source_lufs=-22.3,
    source_peak_dbtp=-0.4,
    container="mp3",
    codec="mp3float",
    channels=2,
    rate_hz=44_100,
    trimmed_head_ms=400,
    trimmed_tail_ms=800,
    clipped_ms=100,
    picture=True,
    waveform=bytes(range(256)) * 7,
)
ASSET = Asset(
    id="01K5M0Z0000000000000000A01",
    name="早安遵化",
    licence="县广播站 1998 年录音",
    kind=AssetKind.ROUTINE,
    area="130281000000",
    shared=True,
    uploader="wang",
    uploaded_ms=NOW_MS,
    source_sha256=hashlib.sha256(b"upload").digest(),
    source_bytes=960_000,
    misnamed="wav",
    measured=MEASURED,
)


def asset(number: int = 1, **changes: Any) -> Asset:
    """Ids grow with the number."""
    return replace(ASSET, **{"id": f"01K5M0Z0000000000000000A{number:02d}", **changes})
