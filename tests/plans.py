"""Programmes to plan with."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from broadcast.domain.programmes import File, Pattern, Programme
from endpoints.protocol import ProgrammeBoard, decode_programme
from tests.town import CITY, MELODY, Town

BEIJING = timedelta(hours=8)
HOUR_MS = 3_600_000


def beijing(now_ms: int) -> datetime:
    """What the clocks on the walls show, without a zone."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).replace(tzinfo=None) + BEIJING


def daily(
    *times: time, title: str = "早间广播", areas: tuple[str, ...] = (CITY,), owner: str = CITY, **other: Any
) -> Programme:
    """Every day at these times, the melody, for five minutes."""
    pattern = Pattern(times or (time(7),), date(2020, 1, 1))
    return replace(Programme("", title, owner, pattern, File(MELODY.asset), 5, areas=areas, loop=True), **other)


def once_in(now_ms: int, seconds: float, **other: Any) -> Programme:
    """One time, so many seconds from now, to the second."""
    at = beijing(now_ms + int(seconds * 1000))
    other.setdefault("pattern", Pattern.once(at.date(), at.time().replace(microsecond=0)))
    return replace(daily(), **other)


def boards_of(there: Town, scope: str) -> list[ProgrammeBoard]:
    """The programme boards of a scope as they were published, oldest first."""
    found = []
    for topic, frame in there.wire.published:
        if topic.endswith(f"/programme/{scope}"):
            found.append(decode_programme(payload_of(frame)))
    return found


def payload_of(frame: bytes) -> bytes:
    """What is sealed in a frame, unverified."""
    from cbor2 import loads

    sealed = loads(frame)
    value = sealed.value if hasattr(sealed, "value") else sealed
    payload: bytes = value[2]
    return payload
