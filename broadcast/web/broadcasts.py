"""Broadcasts over the API: start, change, stop, look at, prove."""

from typing import Annotated

from aiohttp import web
from pydantic import Field

from broadcast.domain.approval import TooManyWaiting
from broadcast.domain.areas import UnknownArea
from broadcast.domain.broadcasts import AlreadyOver, Broadcast, HigherLevel, UnknownBroadcast
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.domain.rights import PRACTISING, may
from broadcast.domain.speakers import UnknownSpeaker
from broadcast.service.announcer import SoundChanged
from broadcast.service.broadcasts import BoardFull, Outcome, StoppedMeanwhile
from broadcast.service.ports import DeliveryRow, ReportRow, SpeechFailed
from broadcast.service.proofs import Evidence, NotMeant
from broadcast.service.reach import place_of
from broadcast.service.wall import Look, look_of
from broadcast.web.evidence import csv_of
from broadcast.web.grouped import command_of
from broadcast.web.models import (
    AllClear,
    BroadcastOut,
    BroadcastPage,
    Done,
    HeardIn,
    In,
    LadderOut,
    NewBroadcast,
    ProofOut,
    ReachOut,
    ReportOut,
    RungOut,
    RungsOut,
    WitnessOut,
)
from broadcast.web.openapi import PREFIX, Api, Call
from broadcast.web.words import rfc3339
from endpoints.area_codes import covers

api = Api()

STARTING: tuple[type[BroadcastError], ...] = (
    AreaNotGranted,
    RoleNotGranted,
    BoardFull,
    SpeechFailed,
    SoundChanged,
    StoppedMeanwhile,
    TooManyWaiting,
)
CHANGING: tuple[type[BroadcastError], ...] = (
    UnknownBroadcast,
    AlreadyOver,
    HigherLevel,
    RoleNotGranted,
    AreaNotGranted,
)


class PageQuery(In):
    """:param before: the cursor `next` of the page before."""

    before: Annotated[str, Field(pattern=r"^[0-9A-Z-]{1,40}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


@api.post("/broadcasts", status=202, once=True, errors=STARTING, verb=PRACTISING)
async def start_broadcast(call: Call, body: NewBroadcast) -> Done:
    """Start a broadcast: it is durable and on its way when this answers; or it waits for a second person, by policy.

    What waits has an `approval`, which stands under Location, and no id: nothing of it has gone out.
    How far it got stands under Location and its ladder. Nobody is never all: an empty target is refused.
    """
    outcome = await call.services.approvals.submit(await command_of(call, body), by=call.officer, once=call.once)
    return done_of(call, outcome)


@api.post("/broadcasts/preview", errors=(AreaNotGranted, RoleNotGranted), verb=PRACTISING)
async def preview_broadcast(call: Call, body: NewBroadcast) -> ReachOut:
    """Whom it would reach, from the live state, and what it would interrupt there. Nothing is stored."""
    command = await command_of(call, body)
    call.services.broadcasts.must_be_right(command, call.officer)
    return ReachOut.of(call.services.reach.of(command, by=call.officer))


@api.get("/broadcasts")
async def list_broadcasts(call: Call, query: PageQuery) -> BroadcastPage:
    """The broadcasts that concern one's own area, newest first."""
    found, after = await call.services.wall.page(by=call.officer, before=query.before, limit=query.limit)
    return BroadcastPage(items=[_out(call, one) for one in found], next=after)


@api.get("/broadcasts/{broadcast}", errors=(UnknownBroadcast,))
async def get_broadcast(call: Call) -> BroadcastOut:
    """One broadcast."""
    return _out(call, await _get(call))


@api.post(
    "/broadcasts/{broadcast}/update",
    status=202,
    once=True,
    errors=(*CHANGING, BoardFull, SpeechFailed, SoundChanged, TooManyWaiting),
    verb=PRACTISING,
)
async def update_broadcast(call: Call, body: NewBroadcast) -> Done:
    """Correct a live broadcast (更正): the new one takes its place in one step."""
    outcome = await call.services.approvals.submit(
        await command_of(call, body), by=call.officer, once=call.once, replaces=call.path("broadcast")
    )
    return done_of(call, outcome)


@api.post("/broadcasts/{broadcast}/stop", status=202, errors=CHANGING, verb=Verb.STOP)
async def stop_broadcast(call: Call) -> Done:
    """Take a broadcast off the air (停播). Stopping what is over is no error; `repeated` says so."""
    return done_of(call, await call.services.broadcasts.stop(call.path("broadcast"), by=call.officer))


@api.post(
    "/broadcasts/{broadcast}/all-clear",
    status=202,
    once=True,
    errors=(*CHANGING, BoardFull, SpeechFailed),
    verb=(Verb.ALL_CLEAR, Verb.DRILL),
)
async def all_clear(call: Call, body: AllClear) -> Done:
    """End an alert (解除), whole or in chosen areas, and say so there. It never ends one that was not chosen."""
    outcome = await call.services.endings.all_clear(
        call.path("broadcast"), by=call.officer, areas=tuple(body.areas), text=body.text, once=call.once
    )
    return done_of(call, outcome)


@api.post("/stop-all", status=202, errors=(RoleNotGranted,), verb=Verb.STOP)
async def stop_all(call: Call) -> Done:
    """Take everything of one's own level and area off the air, live and exercise."""
    return done_of(call, await call.services.broadcasts.stop_all(by=call.officer))


@api.get("/broadcasts/{broadcast}/ladder", errors=(UnknownBroadcast,))
async def get_ladder(call: Call) -> LadderOut:
    """How far it got, in all and by township, and who is in trouble, by name."""
    wall = call.services.wall
    broadcast = await _get(call)
    rows = await wall.deliveries(broadcast, by=call.officer)
    view = await wall.view(by=call.officer, broadcast=broadcast)
    return LadderOut.of(broadcast.id, view, wall.missing(view, rows))


@api.get("/broadcasts/{broadcast}/ladder/{area}", errors=(UnknownBroadcast, UnknownArea, AreaNotGranted))
async def get_ladder_of_area(call: Call) -> RungsOut:
    """Each speaker of an area with every report it made."""
    return RungsOut(items=await rungs(call, await _get(call), area=call.path("area")))


@api.get("/broadcasts/{broadcast}/speakers/{speaker}", errors=(UnknownBroadcast, UnknownSpeaker, AreaNotGranted))
async def get_rung(call: Call) -> RungOut:
    """One speaker with every report it made about this broadcast."""
    found = await rungs(call, await _get(call), speaker=call.path("speaker"))
    if not found:
        raise UnknownSpeaker(call.path("speaker"))
    return found[0]


@api.post(
    "/broadcasts/{broadcast}/speakers/{speaker}/heard",
    once=True,
    errors=(UnknownBroadcast, UnknownSpeaker, AreaNotGranted, NotMeant),
    verb=Verb.WITNESS,
)
async def confirm_heard(call: Call, body: HeardIn) -> RungOut:
    """A person on the spot says whether it was heard there (人工确认)."""
    broadcast, speaker = await _get(call), call.path("speaker")
    await call.services.proofs.witness(
        broadcast.id, speaker, heard=body.heard, note=body.note, by=call.officer, once=call.once
    )
    return (await rungs(call, broadcast, speaker=speaker))[0]


@api.get("/broadcasts/{broadcast}/evidence.csv", media="text/csv", errors=(UnknownBroadcast,))
async def export_evidence(call: Call) -> web.Response:
    """Everything that was said about it, for a spreadsheet: one line a report, and one for where each speaker stands."""
    broadcast = await _get(call)
    wall, estate = call.services.wall, call.services.estate
    rows = await wall.deliveries(broadcast, by=call.officer)
    reports = [row for row in await wall.reports(broadcast) if row.speaker in rows]
    text = csv_of(broadcast, rows, reports, estate)
    headers = {"Content-Disposition": f'attachment; filename="evidence-{broadcast.id}.csv"'}
    return web.Response(body=text.encode("utf-8-sig"), content_type="text/csv", charset="utf-8", headers=headers)


async def rungs(call: Call, broadcast: Broadcast, *, area: str = "", speaker: str = "") -> list[RungOut]:
    """Speakers of one area, or one speaker, with their reports; pages use it too."""
    wall, estate = call.services.wall, call.services.estate
    if area:
        may(call.officer, Verb.READ, areas=[estate.tree.area(area).code], now_ms=call.services.clock.now_ms())
    if speaker:
        may(call.officer, Verb.READ, areas=[estate.speaker(speaker).area], now_ms=call.services.clock.now_ms())
    rows = await wall.deliveries(broadcast, by=call.officer)
    wanted = {
        name: row
        for name, row in rows.items()
        if (not speaker or name == speaker)
        and (not area or (name in estate and covers(area, estate.speaker(name).area)))
    }
    reports: dict[str, list[ReportRow]] = {}
    for row in await wall.reports(broadcast, speaker or None):
        if row.speaker in wanted:
            reports.setdefault(row.speaker, []).append(row)
    evidence = await call.services.proofs.of(broadcast.id)
    return [_rung(call, broadcast, row, reports.get(name, []), evidence) for name, row in sorted(wanted.items())]


def _rung(call: Call, broadcast: Broadcast, row: DeliveryRow, reports: list[ReportRow], evidence: Evidence) -> RungOut:
    services = call.services
    speaker = services.estate.speakers.get(row.speaker)
    live = broadcast.is_live(services.clock.now_ms())
    presence = services.speakers.status(row.speaker).presence if live else None
    look: Look = look_of(row.state, presence)
    return RungOut(
        speaker=row.speaker,
        name=speaker.name if speaker else "",
        area=speaker.area if speaker else "",
        place=place_of(services.estate.tree, speaker.area) if speaker else "",
        state=row.state.name.lower(),
        look=look.value,
        reason=row.reason.name.lower(),
        changed=rfc3339(row.changed_ms) if row.changed_ms else None,
        known=evidence.known(row).value,
        proofs=[ProofOut.of(one) for one in evidence.proved.get(row.speaker, ())],
        witnesses=[WitnessOut.of(one) for one in evidence.witnessed.get(row.speaker, ())],
        reports=[ReportOut.of(one) for one in reports],
    )


async def _get(call: Call) -> Broadcast:
    return await call.services.wall.get(call.path("broadcast"), by=call.officer)


def _out(call: Call, one: Broadcast) -> BroadcastOut:
    return BroadcastOut.of(one, pending=one.id in call.services.boards.carried and call.services.boards.is_pending(one))


def done_of(call: Call, outcome: Outcome) -> Done:
    """What an act led to, and where to look for it."""
    first = outcome.ids[0] if outcome.ids else ""
    where = f"approvals/{outcome.approval}" if outcome.approval else f"broadcasts/{first}" if first else "broadcasts"
    call.headers["Location"] = f"{PREFIX}/{where}"
    return Done(id=first, ids=list(outcome.ids), repeated=outcome.repeated, approval=outcome.approval)
