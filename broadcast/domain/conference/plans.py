"""What a conference begins from: seats and settings, as a blueprint (预案会议) for one key, booked (预约会议), or at once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar

from broadcast.domain.areas import AreaTree
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.conference.errors import NotNow
from broadcast.domain.conference.media import Quality
from broadcast.domain.conference.model import MOST_NAME, MOST_SITES, Conference, Site, text_fault
from broadcast.domain.conference.states import Part, UnmutePolicy

SEAT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
MOST_TITLE = 80
LONGEST_MIN = 24 * 60


@dataclass(frozen=True, slots=True)
class Seat:
    """One site of a plan. :param id: unique in it; of an area's seat, the area's code. :param officer: see `Site`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}  # as in `acts`

    id: str
    name: str
    area: str
    part: Part = Part.PARTICIPANT
    officer: str = ""
    auto_answer: bool = False
    feed: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """:param area: of the conference: who may hold conferences there may chair it. `chair`: the seat that has the token first."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    title: str
    area: str
    seats: tuple[Seat, ...] = ()
    minutes: int = 60
    chair: str = ""
    deputies: tuple[str, ...] = ()
    waiting_room: bool = False
    mute_on_entry: bool = False
    may_unmute: bool = True
    unmute: UnmutePolicy = UnmutePolicy.CONSENT
    quality: Quality = Quality.FULL
    exercise: bool = False


@dataclass(frozen=True, slots=True)
class Blueprint:
    """预案会议. :param revision: grows with each change."""

    id: str
    revision: int
    plan: Plan
    by: str
    at_ms: int


class Booked(StrEnum):
    WAITING = "waiting"
    BEGUN = "begun"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Reservation:
    """预约会议. :param early_min: so long before its time it begins by itself, for those that come early."""

    id: str
    plan: Plan
    starts_ms: int
    by: str
    made_ms: int
    state: Booked = Booked.WAITING
    conference: str = ""
    calls: bool = False  # at its time everybody is called

    @property
    def ends_ms(self) -> int:
        return self.starts_ms + self.plan.minutes * 60_000


def seats_of(tree: AreaTree, areas: Sequence[str]) -> tuple[Seat, ...]:
    """One seat for each of these areas and each area right below, in order of code. :raises UnknownArea."""
    found = {one.code: one for area in areas for one in (tree.area(area), *tree.children(area))}
    return tuple(Seat(code, found[code].name[:MOST_NAME], code) for code in sorted(found))


def check(plan: Plan, tree: AreaTree) -> None:
    """:raises InvalidRequest: with every wrong field."""
    faults: list[Fault] = []

    def text(value: str, name: str, most: int) -> None:
        if fault := text_fault(value, name, most=most, empty=False):
            faults.append(fault)

    text(plan.title, "title", MOST_TITLE)
    if plan.area not in tree:
        faults.append(Fault("area", "unknown-area"))
    if not plan.seats:
        faults.append(Fault("seats", "missing"))
    if len(plan.seats) > MOST_SITES:
        faults.append(Fault("seats", "too-many", (("most", str(MOST_SITES)), ("length", str(len(plan.seats))))))
    if not 1 <= plan.minutes <= LONGEST_MIN:
        faults.append(Fault("minutes", "out-of-range", (("low", "1"), ("high", str(LONGEST_MIN)))))
    ids = [one.id for one in plan.seats]
    for at, seat in enumerate(plan.seats[:MOST_SITES]):
        if not SEAT.fullmatch(seat.id) or ids.index(seat.id) != at:
            faults.append(Fault(f"seats.{at}.id", "malformed"))
        text(seat.name, f"seats.{at}.name", MOST_NAME)
        if seat.area not in tree:
            faults.append(Fault(f"seats.{at}.area", "unknown-area"))
        if seat.part not in (Part.PARTICIPANT, Part.OBSERVER):
            faults.append(Fault(f"seats.{at}.part", "not-offered", (("offered", "participant observer"),)))
    speaking = {one.id for one in plan.seats if one.part is Part.PARTICIPANT and not one.feed}
    if plan.chair and plan.chair not in speaking:
        faults.append(Fault("chair", "not-offered", (("offered", " ".join(sorted(speaking))),)))
    if any(one not in speaking for one in plan.deputies):
        faults.append(Fault("deputies", "not-offered", (("offered", " ".join(sorted(speaking))),)))
    if faults:
        raise InvalidRequest(faults[:50])


def begin(
    plan: Plan, *, conference: str, creator: str, now_ms: int, ends_ms: int = 0, reservation: str = ""
) -> Conference:
    """The conference that a checked plan becomes. Nobody is called yet (`roster.call_unconnected`)."""
    sites = tuple(
        Site(
            one.id,
            one.name.strip(),
            one.area,
            one.part,
            officer=one.officer,
            identity=one.officer or f"seat:{one.id}",
            feed=one.feed,
            auto_answer=one.auto_answer,
            status_ms=now_ms,
            in_plan=True,
        )
        for one in plan.seats
    )
    return Conference(
        conference,
        plan.title.strip(),
        plan.area,
        creator,
        now_ms,
        ends_ms or now_ms + plan.minutes * 60_000,
        sites,
        exercise=plan.exercise,
        reservation=reservation,
        chair=plan.chair,
        chair_owner=plan.chair,
        deputies=plan.deputies,
        waiting_room=plan.waiting_room,
        mute_all=plan.mute_on_entry,
        may_unmute=plan.may_unmute,
        unmute=plan.unmute,
        quality=plan.quality,
    )


def begun(reservation: Reservation, conference: str) -> Reservation:
    """:raises NotNow."""
    if reservation.state is not Booked.WAITING:
        raise NotNow(f"reservation-{reservation.state.value}")
    return replace(reservation, state=Booked.BEGUN, conference=conference)


def cancelled(reservation: Reservation) -> Reservation:
    """:raises NotNow."""
    if reservation.state is not Booked.WAITING:
        raise NotNow(f"reservation-{reservation.state.value}")
    return replace(reservation, state=Booked.CANCELLED)
