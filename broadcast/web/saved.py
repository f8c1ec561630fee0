"""Commands that were saved (plans, requests) as JSON: out in the same words in which they come in."""

from datetime import datetime

from broadcast.domain.broadcasts import StartBroadcast
from broadcast.web.models import BedIn, NewBroadcast
from broadcast.web.words import rfc3339


def broadcast_out(command: StartBroadcast) -> NewBroadcast:
    """What `NewBroadcast.command` would read as that command again."""
    bed = command.bed
    return NewBroadcast.model_construct(
        kind=command.kind.name.lower(),
        areas=list(command.areas),
        excluded=list(command.excluded),
        speakers=list(command.speakers),
        text=command.text,
        headline=command.headline,
        severity=command.severity.name.lower(),
        not_before=_at(command.not_before_ms),
        not_after=_at(command.not_after_ms),
        minutes=command.minutes,
        repeats=command.repeats,
        gap_ms=command.gap_ms,
        resume=None if command.resume is None else command.resume.name.lower(),
        tone=None if command.tone is None else command.tone.name.lower(),
        closing=None if command.closing is None else command.closing.name.lower(),
        volume_percent=command.volume_percent,
        life_safety=command.life_safety,
        exercise=command.exercise,
        asset=command.asset.hex() or None,
        voice=command.voice or None,
        rate=command.rate or None,
        bed=None
        if bed is None
        else BedIn.model_construct(asset=bed.asset.hex(), lead_ms=bed.lead_ms, tail_ms=bed.tail_ms),
        heard=None,
    )


def _at(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else datetime.fromisoformat(rfc3339(at_ms))
