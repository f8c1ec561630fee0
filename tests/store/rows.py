"""Things to keep."""

from dataclasses import replace
from typing import Any

from broadcast.domain.broadcasts import Broadcast
from broadcast.domain.officers import Officer, Role
from broadcast.service.ports import Account, ReportRow
from endpoints.protocol import Band, Kind, Level, Order, Reason, Resume, Severity, Stage, Tone

NOW_MS = 1_790_000_000_000
ORDER = Order(
    id="01K5M0Z0000000000000000001",
    revision=1,
    kind=Kind.EMERGENCY,
    band=Band.LIFE_SAFETY,
    severity=Severity.RED,
    level=Level.CITY,
    exercise=False,
    issued_at_ms=NOW_MS,
    not_before_ms=NOW_MS,
    not_after_ms=NOW_MS + 1_800_000,
    areas=("130281001000", "130281002000"),
    excluded=("130281001002",),
    speakers=("s-130281003001-1",),
    tone=Tone.ATTENTION,
    asset=bytes(range(32)),
    asset_bytes=48_000,
    asset_ms=20_000,
    repeats=2,
    gap_ms=1_500,
    resume=Resume.RESTART,
    volume_percent=90,
)
LEANEST = replace(
    ORDER, areas=("130281000000",), excluded=(), speakers=(), asset=b"", asset_bytes=0, asset_ms=0, volume_percent=0
)
WANG = Officer("wang", "王值班", Role.DUTY, "130281000000")
ACCOUNT = Account(WANG, "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA")


def broadcast(number: int = 1, order: Order = ORDER, **beside: Any) -> Broadcast:
    """Ids grow with the number."""
    named = replace(order, id=f"01K5M0Z{number:019d}")
    return Broadcast(
        order=named, **{"headline": "洪水", "text": "请立即转移。\n不要回头！", "officer": "wang", **beside}
    )


def report(speaker: str = "s-1-1", stage: Stage = Stage.SOUNDING, **other: Any) -> ReportRow:
    row = ReportRow("o-1", speaker, stage, NOW_MS, 1, Reason.NONE, 2**63 - 1, 1, NOW_MS + 40)
    return row._replace(**other)


def county(count: int, order: str = "o-1", stage: Stage = Stage.SOUNDING) -> list[ReportRow]:
    """One report of each of so many speakers."""
    return [report(f"s-{130281001000 + i}-1", stage, order=order, n=i + 1) for i in range(count)]
