"""Approvals over the API: what waits for a second person, what it would do, and the decision."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from broadcast.domain.approval import (
    MOST_REASON,
    ApprovalOver,
    AuthorGone,
    GlassUnbreakable,
    NothingToReview,
    NotTheAuthor,
    NotWhatWaits,
    OwnRequest,
    Request,
    UnknownApproval,
)
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.domain.rights import PRACTISING
from broadcast.service.broadcasts import BoardFull
from broadcast.web.broadcasts import done_of
from broadcast.web.desk_sound import listen_url
from broadcast.web.effects import EffectOut, effect_out
from broadcast.web.models import AssetHash, Done, In, NewBroadcast
from broadcast.web.openapi import Api, Call
from broadcast.web.saved import broadcast_out
from broadcast.web.words import rfc3339

api = Api()

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Reason = Annotated[str, Field(max_length=MOST_REASON)]

DECIDERS = (Verb.APPROVE, Verb.DRILL)  # of an exercise whoever may hold one
DECIDING: tuple[type[BroadcastError], ...] = (
    UnknownApproval,
    ApprovalOver,
    OwnRequest,
    RoleNotGranted,
    AreaNotGranted,
)
SENDING: tuple[type[BroadcastError], ...] = (*DECIDING, NotWhatWaits, AuthorGone, BoardFull)


class ApprovalsQuery(In):
    """:param state: `open`: what waits for a decision or a review, all of it; `all`: newest first, in pages."""

    state: Literal["open", "all"] = "open"
    before: Annotated[str, Field(pattern=r"^[0-9A-Z]{26}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class ApproveIn(In):
    """What was heard and what was read: both as they stand in the request, and nothing else is sent.

    `heard`: null for a tone alone.
    """

    heard: AssetHash | None
    digest: Digest


class ReasonIn(In):
    """Why; it can't be empty."""

    reason: Reason


class ReviewIn(In):
    """Whether the glass had to be broken, and what there is to say about it."""

    justified: bool
    note: Reason


class ApprovalOut(BaseModel):
    """A request. `broadcast`: what would be sent, frozen; `heard` and `digest` go into the approval as they are.

    `may_decide`: whether who asks could be its second person; `mine`: has asked for it.
    """

    id: str
    stage: str
    headline: str
    broadcast: NewBroadcast
    heard: str | None
    digest: str
    asset_ms: int
    url: str | None
    whole_url: str | None
    note: str
    source: str
    plan: str
    replaces: str
    author: str
    area: str
    level: str
    asked: str
    deadline: str
    at_deadline: str
    may_break_glass: bool
    mine: bool
    may_decide: bool
    decided_by: str
    decided: str | None
    reason: str
    sent_as: str
    review_by: str | None
    reviewed_by: str
    reviewed: str | None
    review: str
    justified: bool


class ApprovalPage(BaseModel):
    items: list[ApprovalOut]
    next: str | None


@api.get("/approvals")
async def list_approvals(call: Call, query: ApprovalsQuery) -> ApprovalPage:
    """What waits for a second person where this officer looks, and the officer's own requests."""
    approvals = call.services.approvals
    if query.state == "open":
        return ApprovalPage(items=[_out(call, one) for one in approvals.open(by=call.officer)], next=None)
    found, after = await approvals.page(by=call.officer, before=query.before, limit=query.limit)
    return ApprovalPage(items=[_out(call, one) for one in found], next=after)


@api.get("/approvals/{approval}", errors=(UnknownApproval,))
async def get_approval(call: Call) -> ApprovalOut:
    """One request."""
    return _out(call, await _get(call))


@api.get("/approvals/{approval}/effect", errors=(UnknownApproval,))
async def effect_of_approval(call: Call) -> EffectOut:
    """What would happen if it were sent now, in its author's name."""
    one = await _get(call)
    author = await call.services.approvals.author_of(one)
    expected = call.services.effects.of(one.command, by=author, sound=one.sound)
    heard = one.sound.asset.hex() or None
    return effect_out(expected, one.command, "second-person", heard=heard, whole=_whole(call, one))


@api.post("/approvals/{approval}/approve", status=202, errors=SENDING, verb=DECIDERS)
async def approve(call: Call, body: ApproveIn) -> Done:
    """Agree (批准): it is on the air when this answers. Who asked can't; a repeat by the same officer does nothing more."""
    heard, digest = bytes.fromhex(body.heard or ""), bytes.fromhex(body.digest)
    outcome = await call.services.approvals.approve(call.path("approval"), heard=heard, digest=digest, by=call.officer)
    return done_of(call, outcome)


@api.post("/approvals/{approval}/reject", errors=DECIDING, verb=DECIDERS)
async def reject(call: Call, body: ReasonIn) -> ApprovalOut:
    """Turn it down for good (驳回)."""
    done = await call.services.approvals.reject(call.path("approval"), reason=body.reason, by=call.officer)
    return _out(call, done)


@api.post("/approvals/{approval}/return", errors=DECIDING, verb=DECIDERS)
async def send_back(call: Call, body: ReasonIn) -> ApprovalOut:
    """Send it back to be done better (退回); its author makes another request."""
    done = await call.services.approvals.send_back(call.path("approval"), reason=body.reason, by=call.officer)
    return _out(call, done)


@api.post("/approvals/{approval}/withdraw", errors=(UnknownApproval, ApprovalOver, NotTheAuthor), verb=PRACTISING)
async def withdraw(call: Call) -> ApprovalOut:
    """Take one's own request back (撤回)."""
    return _out(call, await call.services.approvals.withdraw(call.path("approval"), by=call.officer))


@api.post(
    "/approvals/{approval}/break-glass",
    status=202,
    errors=(*SENDING, NotTheAuthor, GlassUnbreakable),
    verb=(Verb.BREAK_GLASS, Verb.DRILL),
)
async def break_glass(call: Call, body: ReasonIn) -> Done:
    """Send one's own request alone (紧急破例): the leaders hear of it at once, and somebody else looks at it within 30 minutes."""
    outcome = await call.services.approvals.break_glass(call.path("approval"), reason=body.reason, by=call.officer)
    return done_of(call, outcome)


@api.post("/approvals/{approval}/review", errors=(*DECIDING, NothingToReview), verb=DECIDERS)
async def review(call: Call, body: ReviewIn) -> ApprovalOut:
    """Say whether a broken glass was justified (事后复核)."""
    done = await call.services.approvals.review(
        call.path("approval"), justified=body.justified, note=body.note, by=call.officer
    )
    return _out(call, done)


async def _get(call: Call) -> Request:
    return await call.services.approvals.get(call.path("approval"), by=call.officer)


def _out(call: Call, one: Request) -> ApprovalOut:
    heard = one.sound.asset.hex() or None
    return ApprovalOut(
        id=one.id,
        stage=one.stage.value,
        headline=one.headline,
        broadcast=broadcast_out(one.command),
        heard=heard,
        digest=one.digest.hex(),
        asset_ms=one.sound.asset_ms,
        url=heard and f"/assets/{heard}",
        whole_url=_whole(call, one),
        note=one.note,
        source=one.source.value,
        plan=one.plan,
        replaces=one.replaces,
        author=one.author,
        area=one.area,
        level=one.level.name.lower(),
        asked=rfc3339(one.asked_ms),
        deadline=rfc3339(one.deadline_ms),
        at_deadline=one.at_deadline.value,
        may_break_glass=one.break_glass,
        mine=one.author == call.officer.name,
        may_decide=call.services.approvals.may_decide(one, by=call.officer),
        decided_by=one.decided_by,
        decided=rfc3339(one.decided_ms) if one.decided_ms else None,
        reason=one.reason,
        sent_as=one.broadcast,
        review_by=rfc3339(one.review_by_ms) if one.review_by_ms else None,
        reviewed_by=one.reviewed_by,
        reviewed=rfc3339(one.reviewed_ms) if one.reviewed_ms else None,
        review=one.review,
        justified=one.justified,
    )


def _whole(call: Call, one: Request) -> str:
    """Where all that a speaker would sound can be heard."""
    return listen_url(call.services.approvals.layout_of(one))
