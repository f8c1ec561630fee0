"""One area's day as a page at /programmes/day (时段图): hour by hour, what is heard there and why. Complete without a script."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from aiohttp import web

from broadcast.domain.areas import AreaTree
from broadcast.web.day_models import SpanOut
from broadcast.web.openapi import Call
from broadcast.web.pages import page
from broadcast.web.places import choices
from broadcast.web.programmes import day_out
from broadcast.web.services import SERVICES
from broadcast.web.session import officer_of
from broadcast.web.words import BEIJING

HOME = "/programmes/day"
MOST_DAYS_OFF = 400


class Shown(NamedTuple):
    """A span, or the part of it that lies in one hour, in wall time."""

    begins: str
    ends: str
    span: SpanOut


async def day(request: web.Request) -> web.Response:
    """Any area of one's own, any day within a year or so."""
    officer = await officer_of(request)
    services = request.app[SERVICES]
    area = _area(services.estate.tree, request.query.get("area", ""), officer.area)
    on = _day(request.query.get("day", ""), services.clock.now().astimezone(BEIJING).date())
    pieces, _ = await services.programmes.day(area, on, by=officer)
    grid = day_out(Call(request, officer), area, on, pieces)
    return page(
        request,
        "programme_day.html",
        officer=officer,
        grid=grid,
        hours=_by_hour(grid.spans),
        choices=choices(services.estate.tree, officer.area),
        before=on - timedelta(days=1),
        after=on + timedelta(days=1),
    )


def _by_hour(spans: list[SpanOut]) -> list[tuple[int, list[Shown]]]:
    """24 rows, each with the spans that lie in it; one that goes on into the next hour stands in both."""
    rows: list[tuple[int, list[Shown]]] = [(hour, []) for hour in range(24)]
    for span in spans:
        begins, ends = datetime.fromisoformat(span.begins), datetime.fromisoformat(span.ends)
        at = begins
        while at < ends:
            following = min(ends, at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1))
            until = "24:00" if following.date() != begins.date() else following.strftime("%H:%M")
            rows[at.hour][1].append(Shown(at.strftime("%H:%M"), until, span))
            at = following
    return rows


def _area(tree: AreaTree, text: str, own: str) -> str:
    return tree.area(text).code if text in tree else own


def _day(text: str, today: date) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return today
    return found if abs((found - today).days) <= MOST_DAYS_OFF else today


def add_to(app: web.Application) -> None:
    app.router.add_get(HOME, day)
