"""The report of a broadcast (播发报告) as one page of PDF and as a spreadsheet, in the reader's language."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from aiohttp import web

from broadcast.domain.broadcasts import UnknownBroadcast
from broadcast.domain.proofs import Known
from broadcast.domain.report import Part, Report, Stood
from broadcast.service.ports import Paper, PrintingFailed, Table
from broadcast.service.reach import place_of
from broadcast.web.models import In
from broadcast.web.openapi import Api, Call
from broadcast.web.services import OPTIONS
from broadcast.web.words import BEIJING, Words, chosen

api = Api()

PDF = "application/pdf"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_AREAS = 6  # named on the page
MOST_TEXT = 400


class LanguageQuery(In):
    """:param language: that of the request's Accept-Language when it is not given."""

    language: Literal["zh-CN", "en"] | None = None


@api.get("/broadcasts/{broadcast}/report.pdf", media=PDF, errors=(UnknownBroadcast, PrintingFailed))
async def report_pdf(call: Call, query: LanguageQuery) -> web.Response:
    """One page: timeline, reach by township, who did what, who did not answer by name, how well it is known."""
    paper = await _paper(call, query)
    return attached(await call.services.printer.pdf(paper), PDF, f"report-{call.path('broadcast')}.pdf")


@api.get("/broadcasts/{broadcast}/report.xlsx", media=XLSX, errors=(UnknownBroadcast, PrintingFailed))
async def report_xlsx(call: Call, query: LanguageQuery) -> web.Response:
    """The same for a spreadsheet, with every speaker."""
    paper = await _paper(call, query)
    return attached(await call.services.printer.xlsx(paper), XLSX, f"report-{call.path('broadcast')}.xlsx")


def attached(body: bytes, media: str, name: str) -> web.Response:
    """A file to be saved."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=body, content_type=media, headers=headers)


def words_for(call: Call, language: str | None) -> Words:
    """The language that was asked for, or that of the browser."""
    accepted = call.request.headers.get("Accept-Language", "")
    return Words(language or chosen(accepted, call.request.app[OPTIONS].language))


def at(ms: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Beijing time; empty for none."""
    return datetime.fromtimestamp(ms / 1000, BEIJING).strftime(form) if ms else ""


# ---- inside -------------------------------------------------------------------------------------------------------------------


async def _paper(call: Call, query: LanguageQuery) -> Paper:
    services = call.services
    broadcast = await services.wall.get(call.path("broadcast"), by=call.officer)
    rows = await services.wall.deliveries(broadcast, by=call.officer)
    report = await services.reports.of(broadcast, rows, by=call.officer)
    words = words_for(call, query.language)
    tables = [
        _timeline(report, words),
        _parts(call, report, words),
        _acts(report, words),
        _missing(report, words),
        _speakers(report, words),
    ]
    return Paper(
        title=words("report.title", headline=report.broadcast.headline or words("report.untitled")),
        mark=words("report.exercise") if report.broadcast.order.exercise else "",
        facts=_facts(call, report, words),
        tables=tables,
        foot=words("report.foot", officer=call.officer.title, at=at(report.made_ms)),
    )


def _facts(call: Call, report: Report, words: Words) -> list[tuple[str, str | int]]:
    one, order = report.broadcast, report.broadcast.order
    tree = call.services.estate.tree
    named = [place_of(tree, code) for code in order.areas[:MOST_AREAS]] + [*order.speakers][:MOST_AREAS]
    rest = len(order.areas) + len(order.speakers) - len(named)
    percent = round(100 * report.began / report.meant) if report.meant else 0
    ninety = words("report.never") if report.ninety_ms is None else _seconds(words, report.ninety_ms)
    ended_ms = one.ended_at_ms or (order.not_after_ms if report.is_final else 0)
    proofs = [f"{words(f'known.{grade.value}')} {report.grades.get(grade, 0)}" for grade in Known]
    life = words(f"life.{one.life.value}") if report.is_final else words("report.as_of")
    facts: list[tuple[str, str | int]] = [
        ("number", one.id),
        ("officer", one.officer),
        ("kind", words(f"kind.{order.kind.name.lower()}")),
        ("severity", words(f"severity.{order.severity.name.lower()}")),
        ("areas", "、".join(named) + (f" +{rest}" if rest > 0 else "")),
        ("life", life),
        ("begins", at(order.not_before_ms)),
        ("ended", at(ended_ms)),
        ("reach", words("report.of", began=report.began, meant=report.meant, percent=percent)),
        ("ninety", ninety),
        ("proofs", " · ".join(proofs)),
        ("text", one.text[:MOST_TEXT]),
    ]
    return [(words(f"report.{name}"), value) for name, value in facts]


def _timeline(report: Report, words: Words) -> Table:
    rows = [(at(one.at_ms), words(f"moment.{one.moment.value}"), one.speakers) for one in report.timeline]
    return _table("timeline", ("time", "what", "count"), rows, words, widths=(3, 5, 2), most=6)


def _parts(call: Call, report: Report, words: Words) -> Table:
    def row(one: Part) -> tuple[str | int, ...]:
        place = place_of(call.services.estate.tree, one.township) if one.township else words("why.unknown")
        return place, one.meant, one.began, one.missing

    columns = ("township", "meant", "began", "lacking")
    return _table("parts", columns, [row(one) for one in report.parts], words, widths=(4, 1, 1, 1), most=14)


def _acts(report: Report, words: Words) -> Table:
    rows = [
        (at(one.at_ms), one.officer, words.either(f"did.{one.verb.replace(' ', '-')}", "did.other"), one.detail)
        for one in report.acts
    ]
    return _table("acts", ("time", "who", "what", "detail"), rows, words, widths=(3, 2, 2, 5), most=8)


def _missing(report: Report, words: Words) -> Table:
    columns = ("place", "speaker", "state", "reason")
    rows = [(one.place, f"{one.name} ({one.speaker})", *_how(one, words)) for one in report.missing]
    return _table("missing", columns, rows, words, widths=(3, 4, 2, 3), most=14)


def _speakers(report: Report, words: Words) -> Table:
    """For the spreadsheet alone: the page has no room for everybody."""
    columns = ("place", "speaker", "what", "state", "reason", "started", "grade")
    rows = [
        (
            one.place,
            one.speaker,
            one.name,
            *_how(one, words),
            at(one.started_ms),
            words(f"known.{one.known.value}"),
        )
        for one in report.stood
    ]
    return _table("speakers", columns, rows, words, widths=(), most=0)


def _how(one: Stood, words: Words) -> tuple[str, str]:
    return words(f"delivery.{one.state.name.lower()}"), words(f"reason.{one.reason.name.lower()}")


def _seconds(words: Words, ms: int) -> str:
    return words("report.seconds", s=f"{ms / 1000:.1f}")


def _table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str | int]],
    words: Words,
    *,
    widths: Sequence[float],
    most: int,
) -> Table:
    heads = [words(f"report.{name}") for name in columns]
    return Table(words(f"report.{title}"), heads, rows, widths, most, words.raw("report.more"))
