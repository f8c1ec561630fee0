"""What waits for a second person, at the desk that works with nothing but forms: to be read, heard, and decided."""

from collections.abc import Mapping

from aiohttp import web

from broadcast.domain.approval import Request, Stage
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.officers import Officer
from broadcast.web.desk_parts import HOME, go, our_form
from broadcast.web.desk_sound import listen_url
from broadcast.web.forms import by_field
from broadcast.web.pages import language_of, page
from broadcast.web.places import target_words
from broadcast.web.problems import faults_of
from broadcast.web.services import SERVICES
from broadcast.web.session import officer_of
from broadcast.web.words import Words

WAITING = f"{HOME}/approvals"
ONE = WAITING + "/{approval:[0-9A-Z]{26}}"


async def waiting(request: web.Request) -> web.Response:
    """All that waits where this officer looks."""
    officer = await officer_of(request)
    found = request.app[SERVICES].approvals.open(by=officer)
    return page(request, "approvals.html", officer=officer, found=found, stages=Stage)


async def one(request: web.Request) -> web.Response:
    """One request: what, where, how it sounds; and what this officer may do with it."""
    officer = await officer_of(request)
    asked = await request.app[SERVICES].approvals.get(request.match_info["approval"], by=officer)
    return _one(request, officer, asked)


async def decide(request: web.Request) -> web.Response:
    """Approve, reject, send back, withdraw, break the glass, review: what the button says."""
    officer, fields = await our_form(request)
    approvals, name = request.app[SERVICES].approvals, request.match_info["approval"]
    act, reason = request.match_info["act"], str(fields.get("reason", ""))
    asked = await approvals.get(name, by=officer)
    try:
        match act:
            case "approve":
                heard, digest = (_bytes(str(fields.get(field, ""))) for field in ("heard", "digest"))
                outcome = await approvals.approve(name, heard=heard, digest=digest, by=officer)
                return go(f"{HOME}/broadcasts/{outcome.ids[0]}")
            case "break-glass":
                outcome = await approvals.break_glass(name, reason=reason, by=officer)
                return go(f"{HOME}/broadcasts/{outcome.ids[0]}")
            case "reject":
                await approvals.reject(name, reason=reason, by=officer)
            case "return":
                await approvals.send_back(name, reason=reason, by=officer)
            case "withdraw":
                await approvals.withdraw(name, by=officer)
            case _:
                await approvals.review(name, justified="justified" in fields, note=reason, by=officer)
    except InvalidRequest as err:
        wrong = by_field(faults_of(err, Words(language_of(request))))
        return _one(request, officer, asked, wrong=wrong, status=422)
    return go(f"{WAITING}/{name}")


def _one(
    request: web.Request, officer: Officer, asked: Request, *, wrong: Mapping[str, str] = {}, status: int = 200
) -> web.Response:
    services = request.app[SERVICES]
    mine = asked.author == officer.name
    return page(
        request,
        "approval.html",
        officer=officer,
        status=status,
        asked=asked,
        waits=asked.stage is Stage.WAITING,
        mine=mine,
        may_decide=services.approvals.may_decide(asked, by=officer),
        where=target_words(services.estate, asked.command),
        listen=listen_url(services.approvals.layout_of(asked)),
        wrong="；".join(wrong.values()),
    )


def _bytes(text: str) -> bytes:
    """What is no hexadecimal is nothing that waits."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b"?"


def add_to(app: web.Application) -> None:
    app.router.add_get(WAITING, waiting)
    app.router.add_get(ONE, one)
    app.router.add_post(ONE + "/{act:approve|reject|return|withdraw|break-glass|review}", decide)
