"""Areas and speakers over the API, and what people on the spot say is wrong with one."""

from typing import Annotated, Literal

from pydantic import Field

from broadcast.domain.areas import UnknownArea
from broadcast.domain.officers import AreaNotGranted, Verb
from broadcast.domain.rights import may
from broadcast.domain.speakers import Speaker, UnknownSpeaker
from broadcast.service.fault_reports import MAX_NOTE, Complaint
from broadcast.service.presence import Presence
from broadcast.service.reach import place_of
from broadcast.web.models import AreaCode, AreaOut, AreasOut, In, SpeakerOut, SpeakersOut
from broadcast.web.openapi import Api, Call
from broadcast.web.words import rfc3339
from endpoints.area_codes import covers
from endpoints.protocol import Fault

api = Api()


class SpeakersQuery(In):
    """:param after: the cursor `next` of the page before."""

    area: AreaCode | None = None
    presence: Literal["unknown", "online", "offline"] | None = None
    after: Annotated[str, Field(max_length=40)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000


@api.get("/areas")
async def list_areas(call: Call) -> AreasOut:
    """The areas in which one may act, each before what lies in it, with the speakers that stand right there or below."""
    tree, by = call.services.estate.tree, call.officer
    own = (tree.area(by.area), *tree.descendants(by.area)) if by.area in tree else tuple(tree)
    counts: dict[str, int] = {}
    for speaker in call.services.estate.inside(by.area):
        where: str | None = speaker.area
        while where:
            counts[where] = counts.get(where, 0) + 1
            where = tree.area(where).parent if where in tree else None
    items = [
        AreaOut(code=a.code, level=a.level.value, name=a.name, parent=a.parent, speakers=counts.get(a.code, 0))
        for a in own
        if covers(by.area, a.code)
    ]
    return AreasOut(items=items)


@api.get("/speakers", errors=(AreaNotGranted, UnknownArea))
async def list_speakers(call: Call, query: SpeakersQuery) -> SpeakersOut:
    """The speakers of an area (one's own without any) and what is known of each now."""
    estate, by = call.services.estate, call.officer
    area = estate.tree.area(query.area).code if query.area else by.area
    may(by, Verb.READ, areas=[area], now_ms=call.services.clock.now_ms())
    counts = dict.fromkeys((presence.value for presence in Presence), 0)
    items: list[SpeakerOut] = []
    after = None
    for speaker in sorted(estate.inside(area), key=lambda one: one.id):
        presence = call.services.speakers.status(speaker.id).presence.value
        counts[presence] += 1
        if (query.presence and presence != query.presence) or (query.after and speaker.id <= query.after):
            continue
        if len(items) == query.limit:
            after = items[-1].id
        elif after is None:
            items.append(_out(call, speaker))
    return SpeakersOut(counts=counts, items=items, next=after)


@api.get("/speakers/{speaker}", errors=(AreaNotGranted, UnknownSpeaker))
async def get_speaker(call: Call) -> SpeakerOut:
    """One speaker and what is known of it now."""
    speaker = call.services.estate.speaker(call.path("speaker"))
    may(call.officer, Verb.READ, areas=[speaker.area], now_ms=call.services.clock.now_ms())
    return _out(call, speaker)


class FaultReportIn(In):
    """What somebody who stands before it sees or hears."""

    complaint: Complaint
    note: Annotated[str, Field(max_length=MAX_NOTE)] = ""


@api.post(
    "/speakers/{speaker}/fault-reports",
    status=204,
    once=True,
    verb=Verb.WITNESS,
    errors=(AreaNotGranted, UnknownSpeaker),
)
async def report_fault(call: Call, body: FaultReportIn) -> None:
    """Report a fault that a person on the spot has found (报修): the duty log has it, and an alarm rings."""
    reports = call.services.watch.fault_reports
    await reports.report(call.path("speaker"), body.complaint, body.note, by=call.officer, once=call.once)


def _out(call: Call, speaker: Speaker) -> SpeakerOut:
    status = call.services.speakers.status(speaker.id)
    online = status.presence is Presence.ONLINE
    return SpeakerOut(
        id=speaker.id,
        name=speaker.name,
        area=speaker.area,
        place=place_of(call.services.estate.tree, speaker.area),
        exercise=speaker.exercise,
        presence=status.presence.value,
        since=rfc3339(status.since_ms),
        heard=rfc3339(status.heard_ms) if status.heard_ms else None,
        on_air=status.on_air if online else None,
        faults=[fault.name.lower() for fault in Fault if status.faults & fault],
        boards_whole=status.boards_whole,
        bad_reports=status.bad_reports,
        boots=status.boots,
    )
