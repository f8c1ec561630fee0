"""Planned against sounded, and what speakers hold, over the API."""

import asyncio
import csv
import io
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Literal

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, Field

from broadcast.clock import at_ms
from broadcast.domain.areas import UnknownArea
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.officers import AreaNotGranted, Verb
from broadcast.domain.rights import may
from broadcast.domain.speakers import UnknownSpeaker
from broadcast.service.as_run import Line, Run
from broadcast.service.reach import place_of
from broadcast.service.staging import Lacking, Shelf
from broadcast.web.evidence import harmless
from broadcast.web.models import AreaCode, In
from broadcast.web.openapi import Api, Call
from broadcast.web.words import rfc3339
from endpoints.protocol import Reason

api = Api()

MOST_DAYS = 31
HOUR = timedelta(hours=1)
CSV = (
    "occurrence",
    "programme",
    "title",
    "level",
    "due",
    "speaker",
    "area",
    "place",
    "outcome",
    "reason",
    "started",
    "late_ms",
    "ended_by",
)


class AsRunQuery(In):
    """:param area: one's own when it is not given. Without times, the last 24 hours and what is coming within one."""

    since: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: AwareDatetime | None = None
    area: AreaCode | None = None


class ReasonOut(BaseModel):
    outcome: str
    reason: str
    speakers: int


class RunOut(BaseModel):
    """One time of a programme. `counts`: speakers by outcome, which add up to `speakers`; `reasons` of those not on time.

    `cause`: `relay-lost` when the server itself sent nothing for so long that no speaker can have sounded it well.
    """

    occurrence: str
    programme: str
    title: str
    level: str
    due: str
    until: str
    life: str
    ended_by: str
    areas: list[str]
    speakers: int
    counts: dict[str, int]
    reasons: list[ReasonOut]
    cause: str

    @classmethod
    def of(cls, one: Run) -> "RunOut":
        order = one.broadcast.order
        return cls(
            occurrence=order.id,
            programme=one.broadcast.programme,
            title=one.broadcast.headline,
            level=order.level.name.lower(),
            due=rfc3339(order.not_before_ms),
            until=rfc3339(order.not_after_ms),
            life=one.broadcast.life.value,
            ended_by=one.broadcast.ended_by,
            areas=list(order.areas),
            speakers=one.meant,
            counts={outcome.value: count for outcome, count in one.counts.items()},
            reasons=[
                ReasonOut(outcome=outcome.value, reason=reason.name.lower(), speakers=count)
                for (outcome, reason), count in sorted(one.reasons.items(), key=lambda item: -item[1])
            ],
            cause=one.cause,
        )


class AsRunOut(BaseModel):
    items: list[RunOut]


class LackingOut(BaseModel):
    """A file that a speaker does not have, the programmes that need it, and by when."""

    asset: str
    titles: list[str]
    needed: str | None

    @classmethod
    def of(cls, one: Lacking) -> "LackingOut":
        needed = rfc3339(one.needed_ms) if one.needed_ms else None
        return cls(asset=one.asset.hex(), titles=list(one.titles), needed=needed)


class ShelfOut(BaseModel):
    """What one speaker holds. `heard` null: it has said nothing since the server came up, so nothing is known.

    `whole`: it holds the newest version of every programme board that it follows. What sounds before `complete_until` is there.
    """

    speaker: str
    name: str
    area: str
    place: str
    state: Literal["complete", "lacking", "behind", "unknown"]
    heard: str | None
    whole: bool
    wanted: int
    held: int
    held_bytes: int
    free_bytes: int
    complete_until: str | None
    lacking: list[LackingOut]


class TownshipStagingOut(BaseModel):
    code: str
    place: str
    speakers: int
    complete: int
    lacking: int
    behind: int
    unknown: int
    complete_until: str | None


class StagingOut(BaseModel):
    items: list[TownshipStagingOut]


class ShelvesQuery(In):
    """:param after: the cursor `next` of the page before."""

    area: AreaCode | None = None
    state: Literal["complete", "lacking", "behind", "unknown"] | None = None
    after: Annotated[str, Field(max_length=40)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000


class ShelvesOut(BaseModel):
    items: list[ShelfOut]
    next: str | None


class AreaQuery(In):
    area: AreaCode | None = None


@api.get("/as-run", errors=(AreaNotGranted, UnknownArea))
async def as_run(call: Call, query: AsRunQuery) -> AsRunOut:
    """Every time of every programme against the plan: how many speakers were on time, late, silent, and why."""
    area, from_ms, until_ms = _span(call, query)
    found = await call.services.planning.as_run.runs(by=call.officer, area=area, from_ms=from_ms, until_ms=until_ms)
    return AsRunOut(items=[RunOut.of(one) for one in found])


@api.get("/as-run.csv", media="text/csv", errors=(AreaNotGranted, UnknownArea))
async def as_run_csv(call: Call, query: AsRunQuery) -> web.Response:
    """The same for a spreadsheet, a line for each speaker."""
    area, from_ms, until_ms = _span(call, query)
    found = await call.services.planning.as_run.lines(by=call.officer, area=area, from_ms=from_ms, until_ms=until_ms)
    headers = {"Content-Disposition": 'attachment; filename="as-run.csv"'}
    text = await asyncio.to_thread(csv_of, call, found)  # 120,000 lines of a large county take a second
    return web.Response(text="\ufeff" + text, content_type="text/csv", charset="utf-8", headers=headers)


@api.get("/staging", errors=(AreaNotGranted, UnknownArea))
async def staging(call: Call, query: AreaQuery) -> StagingOut:
    """Which files of the coming 48 hours are at the speakers, a line for each township."""
    tree = call.services.estate.tree
    items = [
        TownshipStagingOut(
            code=one.code,
            place=place_of(tree, one.code),
            speakers=one.speakers,
            complete=one.complete,
            lacking=one.lacking,
            behind=one.behind,
            unknown=one.unknown,
            complete_until=rfc3339(one.complete_until_ms) if one.complete_until_ms else None,
        )
        for one in call.services.planning.staging.townships(_area(call, query.area))
    ]
    return StagingOut(items=items)


@api.get("/staging/speakers", errors=(AreaNotGranted, UnknownArea))
async def staging_of_speakers(call: Call, query: ShelvesQuery) -> ShelvesOut:
    """The same, speaker by speaker, with what each lacks by name."""
    items: list[ShelfOut] = []
    for one in call.services.planning.staging.shelves(_area(call, query.area)):
        if (query.after and one.speaker.id <= query.after) or (query.state and state_of(one) != query.state):
            continue
        if len(items) == query.limit:
            return ShelvesOut(items=items, next=items[-1].speaker)
        items.append(shelf_out(call, one))
    return ShelvesOut(items=items, next=None)


@api.get("/staging/speakers/{speaker}", errors=(AreaNotGranted, UnknownSpeaker))
async def staging_of_speaker(call: Call) -> ShelfOut:
    """What one speaker holds and lacks."""
    speaker = call.services.estate.speaker(call.path("speaker"))
    may(call.officer, Verb.READ, areas=[speaker.area], now_ms=call.services.clock.now_ms())
    return shelf_out(call, call.services.planning.staging.shelf(speaker))


# ---- inside -------------------------------------------------------------------------------------------------------------------


def state_of(one: Shelf) -> Literal["complete", "lacking", "behind", "unknown"]:
    if one.stock is None:
        return "unknown"
    if one.stock.lacking:
        return "lacking"
    return "complete" if one.whole else "behind"


def shelf_out(call: Call, one: Shelf) -> ShelfOut:
    stock, speaker = one.stock, one.speaker
    return ShelfOut(
        speaker=speaker.id,
        name=speaker.name,
        area=speaker.area,
        place=place_of(call.services.estate.tree, speaker.area),
        state=state_of(one),
        heard=rfc3339(one.heard_ms) if one.heard_ms else None,
        whole=one.whole,
        wanted=stock.wanted if stock else 0,
        held=stock.held if stock else 0,
        held_bytes=stock.held_bytes if stock else 0,
        free_bytes=stock.free_bytes if stock else 0,
        complete_until=rfc3339(stock.complete_until_ms) if stock and stock.complete_until_ms else None,
        lacking=[LackingOut.of(lack) for lack in call.services.planning.staging.lacking(one)],
    )


def _area(call: Call, asked: str | None) -> str:
    """:raises UnknownArea, AreaNotGranted: it is none of the officer's."""
    area = call.services.estate.tree.area(asked).code if asked else call.officer.area
    may(call.officer, Verb.READ, areas=[area], now_ms=call.services.clock.now_ms())
    return area


def _span(call: Call, query: AsRunQuery) -> tuple[str, int, int]:
    """:raises InvalidRequest: the times are the wrong way round, or a month apart."""
    until = query.until or call.services.clock.now() + HOUR
    since = query.since or until - 25 * HOUR
    if not timedelta(0) < until - since <= timedelta(days=MOST_DAYS):
        raise InvalidRequest([Fault("from", "out-of-range")])
    return _area(call, query.area), at_ms(since), at_ms(until)


def csv_of(call: Call, lines: Iterable[Line]) -> str:
    estate, out = call.services.estate, io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(CSV)
    for one in lines:
        order = one.broadcast.order
        speaker = estate.speakers.get(one.speaker)
        area = speaker.area if speaker else ""
        place = harmless(place_of(estate.tree, area)) if area else ""
        started = rfc3339(one.started_ms) if one.started_ms else ""
        reason = "" if one.reason is Reason.NONE else one.reason.name.lower()
        head = (order.id, one.broadcast.programme, harmless(one.broadcast.headline), order.level.name.lower())
        who = (harmless(one.speaker), area, place)
        how = (one.outcome.value, reason, started, one.late_ms if started else "", harmless(one.broadcast.ended_by))
        table.writerow([*head, rfc3339(order.not_before_ms), *who, *how])
    return out.getvalue()
