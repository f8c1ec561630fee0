"""Alarms over the API: what sounds, what is open, what there was, and answering for one by name."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from broadcast.domain.alarms import MOST_NAMED, MOST_REASON, Alarm, AlreadyAcknowledged, UnknownAlarm
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.service.reach import place_of
from broadcast.web.models import In
from broadcast.web.openapi import Api, Call
from broadcast.web.words import rfc3339

api = Api()


class AlarmsQuery(In):
    """:param state: `open`: all that sounds or goes on; `history`: all there were, newest first, in pages by `before`."""

    state: Literal["open", "history"] = "open"
    before: Annotated[str, Field(pattern=r"^[0-9A-Z]{26}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class AcknowledgeIn(In):
    """Why, or what is done about it; it can't be empty."""

    reason: Annotated[str, Field(max_length=MOST_REASON)]


class MemberOut(BaseModel):
    """One thing that an alarm stands for. `well`: since when it is again; null: it is not."""

    key: str
    area: str
    place: str
    name: str
    since: str
    well: str | None


class AlarmOut(BaseModel):
    """An alarm. `sounds`: nobody has answered for it; `cleared`: since when what it stands for is well again.

    `members`: the first of them, `count` how many there are, `ill` how many still are. `into`: the alarm that has taken it in.
    """

    id: str
    kind: str
    rank: Literal["urgent", "high", "low"]
    scope: Literal["one", "township", "all"]
    area: str
    place: str
    facts: dict[str, str]
    raised: str
    escalated: bool
    sounds: bool
    open: bool
    cleared: str | None
    acknowledged: str | None
    acknowledged_by: str
    reason: str
    into: str | None
    count: int
    ill: int
    members: list[MemberOut]


class AlarmsOut(BaseModel):
    items: list[AlarmOut]
    next: str | None


@api.get("/alarms", errors=(RoleNotGranted,))
async def list_alarms(call: Call, query: AlarmsQuery) -> AlarmsOut:
    """The alarms that concern one's own area: what sounds first, by rank; then what was answered for and goes on."""
    alarms, by = call.services.watch.alarms, call.officer
    if query.state == "open":
        return AlarmsOut(items=[_out(call, one) for one in alarms.open(by=by)], next=None)
    found, after = await alarms.page(before=query.before, limit=query.limit, by=by)
    return AlarmsOut(items=[_out(call, one) for one in found], next=after)


@api.get("/alarms/{alarm}", errors=(RoleNotGranted, UnknownAlarm))
async def get_alarm(call: Call) -> AlarmOut:
    """One alarm with everything that it stands for."""
    found = await call.services.watch.alarms.get(call.path("alarm"), by=call.officer)
    return _out(call, found, members=len(found.members))


@api.post(
    "/alarms/{alarm}/acknowledge",
    verb=Verb.ACKNOWLEDGE_ALARM,
    errors=(RoleNotGranted, AreaNotGranted, UnknownAlarm, AlreadyAcknowledged),
)
async def acknowledge_alarm(call: Call, body: AcknowledgeIn) -> AlarmOut:
    """Answer for it by name: it is silent from here on, whether or not it is well again."""
    return _out(call, await call.services.watch.alarms.acknowledge(call.path("alarm"), body.reason, by=call.officer))


def _out(call: Call, one: Alarm, *, members: int = MOST_NAMED) -> AlarmOut:
    tree = call.services.estate.tree
    ill_first = sorted(one.members, key=lambda member: (member.well_ms is not None, member.area, member.key))
    return AlarmOut.model_validate(
        {
            "id": one.id,
            "kind": one.kind,
            "rank": one.rank.name.lower(),
            "scope": one.scope.value,
            "area": one.area,
            "place": place_of(tree, one.area),
            "facts": dict(one.facts),
            "raised": rfc3339(one.raised_ms),
            "escalated": one.ranked_ms > one.raised_ms,
            "sounds": one.sounds,
            "open": one.is_open,
            "cleared": rfc3339(one.cleared_ms) if one.cleared_ms else None,
            "acknowledged": rfc3339(one.acked_ms) if one.acked_ms else None,
            "acknowledged_by": one.acked_by,
            "reason": one.reason,
            "into": one.into or None,
            "count": len(one.members),
            "ill": one.ill,
            "members": [
                MemberOut(
                    key=member.key,
                    area=member.area,
                    place=place_of(tree, member.area),
                    name=member.name,
                    since=rfc3339(member.since_ms),
                    well=rfc3339(member.well_ms) if member.well_ms else None,
                )
                for member in ill_first[:members]
            ],
        }
    )
