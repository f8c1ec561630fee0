"""One area's day as JSON: what is heard when, and why."""

from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel

from broadcast.domain.day_grid import Slot
from broadcast.domain.day_heard import Piece
from broadcast.domain.programmes import Programme
from broadcast.web.words import rfc3339


class HeardOut(BaseModel):
    """A programme in a span of a day."""

    id: str
    title: str
    level: str

    @classmethod
    def of(cls, one: Programme) -> "HeardOut":
        return cls(id=one.id, title=one.title, level=one.level.name.lower())


class WaitsOut(HeardOut):
    """One that may sound then and does not, and why the other does: `cause`, and what each has of it."""

    cause: str
    winner_has: str
    loser_has: str


class SpanOut(BaseModel):
    """A span of the day. `sounds` null: nothing is heard; `slot_of` says whose slot it is all the same (its sound is over, or
    these are the quiet hours). `partly`: they sound in a part of the area only. `free`: nobody has it."""

    begins: str
    ends: str
    sounds: HeardOut | None
    waits: list[WaitsOut]
    slot_of: list[HeardOut]
    partly: list[HeardOut]
    quiet: bool
    free: bool

    @classmethod
    def of(cls, one: Piece, known: Mapping[str, Programme]) -> "SpanOut":
        return cls(
            begins=rfc3339(one.from_ms),
            ends=rfc3339(one.until_ms),
            sounds=HeardOut.of(known[one.sounds]) if one.sounds else None,
            waits=[
                WaitsOut(
                    **HeardOut.of(known[loser.programme]).model_dump(),
                    cause=loser.cause.value,
                    winner_has=dict(loser.facts).get("winner", ""),
                    loser_has=dict(loser.facts).get("loser", ""),
                )
                for loser in one.waits
            ],
            slot_of=[HeardOut.of(known[name]) for name in one.slot_of],
            partly=[HeardOut.of(known[name]) for name in one.partly],
            quiet=one.quiet,
            free=one.is_free,
        )


def names_in(one: Piece) -> set[str]:
    """The ids of all programmes that it speaks of."""
    return {name for name in (one.sounds, *one.slot_of, *one.partly, *(w.programme for w in one.waits)) if name}


class SlotOut(HeardOut):
    """One time of a programme that concerns the area, whoever is heard in the end. `occurrence` is its id in the as-run log;
    `everywhere`: in the whole area, not only in a part of it."""

    occurrence: str
    begins: str
    ends: str
    everywhere: bool

    @classmethod
    def at(cls, slot: Slot, programme: Programme) -> "SlotOut":
        return cls(
            id=programme.id,
            title=programme.title,
            level=programme.level.name.lower(),
            occurrence=slot.id,
            begins=rfc3339(slot.from_ms),
            ends=rfc3339(slot.until_ms),
            everywhere=slot.everywhere,
        )


class DayGridOut(BaseModel):
    """One area's day (时段图) in Beijing time, from midnight to midnight without gaps.

    `slots`: of the programmes by their plan, some of which may not be heard; `spans`: what is heard.
    """

    area: str
    place: str
    day: date
    spans: list[SpanOut]
    slots: list[SlotOut]
