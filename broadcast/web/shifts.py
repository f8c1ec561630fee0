"""Shifts over the API: who has the watch, the checklist, and handing it over in two steps by two officers."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.domain.shifts import CLEAR_MIN, MOST_NOTE, Item, NotOffered, NotOnDuty, Shift, ShiftTaken
from broadcast.service.shifts import MOST_REASON
from broadcast.web.models import In
from broadcast.web.openapi import Api, Call
from broadcast.web.words import rfc3339

api = Api()

HANDING: tuple[type[BroadcastError], ...] = (RoleNotGranted, AreaNotGranted)
Checked = Annotated[list[Item], Field(max_length=len(Item), strict=False)]


class ShiftsQuery(In):
    """:param before: the cursor `next` of the page before."""

    before: Annotated[str, Field(pattern=r"^[0-9A-Z]{26}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class OfferIn(In):
    """To whom, with every item of the checklist gone through; `sound`: the alarm's sound was heard."""

    to: Annotated[str, Field(min_length=1, max_length=100)]
    checked: Checked
    note: Annotated[str, Field(max_length=MOST_NOTE)] = ""


class TakeIn(In):
    """With every item of the checklist gone through. `reason`: why it is taken without having been handed over."""

    checked: Checked
    reason: Annotated[str, Field(max_length=MOST_REASON)] = ""


class ShiftOut(BaseModel):
    """One watch, or the offer of one (`began` is null). `checklist`: what stood on it then."""

    id: str
    officer: str
    relieved: str | None
    offered: str | None
    began: str | None
    ended: str | None
    reason: str
    note: str
    checklist: dict[str, str]

    @classmethod
    def of(cls, one: Shift) -> "ShiftOut":
        return cls(
            id=one.id,
            officer=one.officer,
            relieved=one.relieved or None,
            offered=rfc3339(one.offered_ms) if one.offered_ms else None,
            began=rfc3339(one.began_ms) if one.began_ms else None,
            ended=rfc3339(one.ended_ms) if one.ended_ms else None,
            reason=one.reason,
            note=one.note,
            checklist={item.value: said for item, said in (one.checked or {}).items()},
        )


class WatchOut(BaseModel):
    """Who has the watch, to whom it is offered, and the checklist as it stands now: counts, and the backup's age in minutes.

    An age of -1: there is no good backup. No scheduled test begins within `clear_min` minutes of one of `changes` (local times).
    """

    current: ShiftOut | None
    offered: ShiftOut | None
    checklist: dict[str, str]
    changes: list[str]
    clear_min: int


class ShiftsOut(BaseModel):
    items: list[ShiftOut]
    next: str | None


@api.get("/shifts", errors=(RoleNotGranted,))
async def list_shifts(call: Call, query: ShiftsQuery) -> ShiftsOut:
    """All shifts and offers, newest first."""
    found, after = await call.services.watch.shifts.page(before=query.before, limit=query.limit, by=call.officer)
    return ShiftsOut(items=[ShiftOut.of(one) for one in found], next=after)


@api.get("/shifts/current", errors=(RoleNotGranted,))
async def get_watch(call: Call) -> WatchOut:
    """Who has the watch now, and what both would look at."""
    shifts, by = call.services.watch.shifts, call.officer
    now = await shifts.now(by=by)
    return WatchOut(
        current=ShiftOut.of(now.current) if now.current else None,
        offered=ShiftOut.of(now.offered) if now.offered else None,
        checklist={item.value: said for item, said in shifts.checklist(by=by).items()},
        changes=[at.strftime("%H:%M") for at in shifts.changes],
        clear_min=CLEAR_MIN,
    )


@api.post("/shifts/hand-over", status=201, verb=Verb.HAND_OVER, errors=(*HANDING, NotOnDuty))
async def offer_shift(call: Call, body: OfferIn) -> ShiftOut:
    """Hand the watch over to a colleague, who takes it within the hour by signing in."""
    shifts = call.services.watch.shifts
    return ShiftOut.of(await shifts.offer(body.to, checked=body.checked, note=body.note, by=call.officer))


@api.delete("/shifts/hand-over", status=204, verb=Verb.HAND_OVER, errors=(*HANDING, NotOffered))
async def withdraw_shift(call: Call) -> web.Response:
    """Take the offer back."""
    await call.services.watch.shifts.withdraw(by=call.officer)
    return web.Response(status=204)


@api.post("/shifts/take-over", status=201, verb=Verb.HAND_OVER, errors=(*HANDING, ShiftTaken))
async def take_shift(call: Call, body: TakeIn) -> ShiftOut:
    """Take the watch: what was offered, what nobody has, or, with a reason and an alarm, what was not handed over."""
    taken = await call.services.watch.shifts.take(checked=body.checked, reason=body.reason, by=call.officer)
    return ShiftOut.of(taken)
