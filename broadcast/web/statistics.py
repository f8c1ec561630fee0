"""The figures of a month (月度统计) over the API and as a spreadsheet."""

from datetime import timedelta
from typing import Annotated, Literal

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, Field

from broadcast.clock import at_ms
from broadcast.domain.areas import UnknownArea
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.officers import AreaNotGranted
from broadcast.domain.statistics import Observed, Statistics
from broadcast.service.ports import Paper, PrintingFailed, Table, Value
from broadcast.service.reach import place_of
from broadcast.web.models import AreaCode, In
from broadcast.web.openapi import Api, Call
from broadcast.web.reports import XLSX, at, attached, words_for
from broadcast.web.words import Words, rfc3339

api = Api()

MOST_DAYS = 92


class StatisticsQuery(In):
    """:param area: one's own when it is not given. Without times, the last 30 days."""

    since: Annotated[AwareDatetime | None, Field(alias="from")] = None
    to: AwareDatetime | None = None
    area: AreaCode | None = None
    language: Literal["zh-CN", "en"] | None = None


class ObservedOut(BaseModel):
    """`known_s`: speakers × seconds for which it was known whether they are there; `percent` null: nothing was observed."""

    name: str
    place: str
    known_s: int
    online_s: int
    percent: float | None

    @classmethod
    def of(cls, one: Observed, place: str = "") -> "ObservedOut":
        return cls(name=one.name, place=place, known_s=one.known_s, online_s=one.online_s, percent=one.percent)


class ReachedOut(BaseModel):
    """`ninety_ms`: until nine of ten of those that were meant had begun; null: they never did."""

    broadcast: str
    headline: str
    at: str
    exercise: bool
    meant: int
    began: int
    ninety_ms: int | None


class CauseOut(BaseModel):
    state: str
    reason: str
    count: int


class DrillOut(BaseModel):
    drill: str
    title: str
    began: str
    by: str
    percent: int
    passed: bool


class StatisticsOut(BaseModel):
    """`days` by date of Beijing, `townships` by code. `failures` are of officers' live broadcasts; routine has its as-run log."""

    area: str
    since: str
    to: str
    online: ObservedOut
    days: list[ObservedOut]
    townships: list[ObservedOut]
    broadcasts: list[ReachedOut]
    failures: list[CauseOut]
    drills: list[DrillOut]


@api.get("/statistics", errors=(AreaNotGranted, UnknownArea))
async def statistics(call: Call, query: StatisticsQuery) -> StatisticsOut:
    """Online rate by day and township, time until nine of ten began, failures by cause, drills."""
    area, from_ms, until_ms = _span(call, query)
    found = await call.services.figures.of(area, from_ms, until_ms, by=call.officer)
    tree = call.services.estate.tree
    return StatisticsOut(
        area=area,
        since=rfc3339(from_ms),
        to=rfc3339(until_ms),
        online=ObservedOut.of(found.total, place_of(tree, area)),
        days=[ObservedOut.of(one) for one in found.days],
        townships=[ObservedOut.of(one, place_of(tree, one.name)) for one in found.townships],
        broadcasts=[
            ReachedOut(
                broadcast=one.broadcast,
                headline=one.headline,
                at=rfc3339(one.at_ms),
                exercise=one.exercise,
                meant=one.meant,
                began=one.began,
                ninety_ms=one.ninety_ms,
            )
            for one in found.broadcasts
        ],
        failures=[
            CauseOut(state=state.name.lower(), reason=reason.name.lower(), count=count)
            for state, reason, count in found.failures
        ],
        drills=[
            DrillOut(
                drill=one.id,
                title=one.script.title,
                began=rfc3339(one.began_ms),
                by=one.by,
                percent=one.percent,
                passed=one.passed,
            )
            for one in found.drills
        ],
    )


@api.get("/statistics.xlsx", media=XLSX, errors=(AreaNotGranted, UnknownArea, PrintingFailed))
async def statistics_xlsx(call: Call, query: StatisticsQuery) -> web.Response:
    """The same for a spreadsheet."""
    area, from_ms, until_ms = _span(call, query)
    found = await call.services.figures.of(area, from_ms, until_ms, by=call.officer)
    words = words_for(call, query.language)
    paper = _paper(call, found, words, (from_ms, until_ms))
    return attached(await call.services.printer.xlsx(paper), XLSX, "statistics.xlsx")


# ---- inside -------------------------------------------------------------------------------------------------------------------


def _span(call: Call, query: StatisticsQuery) -> tuple[str, int, int]:
    """:raises InvalidRequest: the times are the wrong way round, or more than a quarter apart. :raises UnknownArea: likewise."""
    to = query.to or call.services.clock.now()
    since = query.since or to - timedelta(days=30)
    if not timedelta(0) < to - since <= timedelta(days=MOST_DAYS):
        raise InvalidRequest([Fault("from", "out-of-range")])
    area = call.services.estate.tree.area(query.area).code if query.area else call.officer.area
    return area, at_ms(since), at_ms(to)


def _paper(call: Call, found: Statistics, words: Words, span: tuple[int, int]) -> Paper:
    tree = call.services.estate.tree

    def table(title: str, columns: tuple[str, ...], rows: list[tuple[Value, ...]]) -> Table:
        return Table(words(f"figures.{title}"), [words(f"figures.{name}") for name in columns], rows)

    def shown(one: Observed, name: str) -> tuple[Value, ...]:
        hours = (round(one.known_s / 3600, 1), round(one.online_s / 3600, 1))
        return name, "" if one.percent is None else one.percent, *hours

    broadcasts: list[tuple[Value, ...]] = [
        (
            at(one.at_ms),
            one.broadcast,
            one.headline,
            words("figures.exercise") if one.exercise else "",
            one.meant,
            one.began,
            "" if one.ninety_ms is None else round(one.ninety_ms / 1000, 1),
        )
        for one in found.broadcasts
    ]
    causes: list[tuple[Value, ...]] = [
        (words(f"delivery.{state.name.lower()}"), words(f"reason.{reason.name.lower()}"), count)
        for state, reason, count in found.failures
    ]
    drills: list[tuple[Value, ...]] = [
        (at(one.began_ms), one.script.title, one.by, one.percent, words("figures.yes" if one.passed else "figures.no"))
        for one in found.drills
    ]
    online = ("percent", "known", "online")
    return Paper(
        title=words("figures.title", place=place_of(tree, found.total.name)),
        facts=[
            (words("figures.span"), f"{at(span[0])} – {at(span[1])}"),
            (words("figures.percent"), "" if found.total.percent is None else found.total.percent),
            (words("figures.note"), ""),
        ],
        tables=[
            table("days", ("day", *online), [shown(one, one.name) for one in found.days]),
            table(
                "townships", ("township", *online), [shown(one, place_of(tree, one.name)) for one in found.townships]
            ),
            table("broadcasts", ("time", "number", "headline", "mode", "meant", "began", "ninety"), broadcasts),
            table("failures", ("state", "reason", "count"), causes),
            table("drills", ("time", "headline", "officer", "points", "passed"), drills),
        ],
    )
