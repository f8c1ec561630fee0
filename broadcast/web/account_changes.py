"""Changes of accounts that wait for a second person, over HTTP."""

from typing import Literal

from pydantic import BaseModel, Field

from broadcast.domain.accounts import CHANGE_MS, AccountChange, ChangeDecided, ChangeStale, OwnChange, UnknownChange
from broadcast.domain.officers import RoleNotGranted, Verb
from broadcast.service.account_changes import Asked
from broadcast.service.officers import OfficerExists
from broadcast.web.models import In
from broadcast.web.openapi import Api, Call
from broadcast.web.words import rfc3339

api = Api()

DECIDING = (UnknownChange, ChangeDecided, RoleNotGranted)
Waiting = Literal["waiting", "confirmed", "rejected", "expired"]


class ChangeOut(BaseModel):
    """What is to change, who asked for it, and what became of it. `facts` depend on the kind."""

    id: str
    kind: str
    subject: str
    areas: list[str]
    by: str
    at: str
    until: str
    facts: dict[str, str]
    state: Waiting
    decided_by: str
    decided_at: str | None
    reason: str

    @classmethod
    def of(cls, change: AccountChange) -> "ChangeOut":
        return cls(
            id=change.id,
            kind=change.kind.value,
            subject=change.subject,
            areas=list(change.areas),
            by=change.by,
            at=rfc3339(change.at_ms),
            until=rfc3339(change.at_ms + CHANGE_MS),
            facts=dict(change.facts),
            state=change.state.value,
            decided_by=change.decided_by,
            decided_at=rfc3339(change.decided_ms) if change.decided_ms else None,
            reason=change.reason,
        )


class AskedOut(BaseModel):
    """`waiting` for a second person, or `confirmed` at once. `secret` is told only here: the code or token that was made."""

    change: str
    state: Waiting
    secret: str = ""

    @classmethod
    def of(cls, asked: Asked) -> "AskedOut":
        return cls(change=asked.change.id, state=asked.change.state.value, secret=asked.secret)


class ChangesOut(BaseModel):
    items: list[ChangeOut]


class ReasonIn(In):
    reason: str = Field(max_length=2_000)


@api.get("/account-changes")
async def list_changes(call: Call) -> ChangesOut:
    """Newest first: what one has asked for, and what one may decide."""
    return ChangesOut(items=[ChangeOut.of(one) for one in await call.services.admission.changes.page(by=call.officer)])


@api.get("/account-changes/{change}", errors=(UnknownChange,))
async def get_change(call: Call) -> ChangeOut:
    """One of them."""
    return ChangeOut.of(await call.services.admission.changes.get(call.path("change"), by=call.officer))


@api.post(
    "/account-changes/{change}/confirm",
    errors=(*DECIDING, OwnChange, ChangeStale, OfficerExists),
    verb=Verb.CONFIRM_OFFICERS,
)
async def confirm_change(call: Call) -> ChangeOut:
    """The second person agrees, and it takes effect. Who asked, and who gains by it, does not confirm it."""
    return ChangeOut.of(await call.services.admission.changes.confirm(call.path("change"), by=call.officer))


@api.post("/account-changes/{change}/reject", errors=DECIDING, verb=(Verb.CONFIRM_OFFICERS, Verb.MANAGE_OFFICERS))
async def reject_change(call: Call, body: ReasonIn) -> ChangeOut:
    """Say no, with a reason; or withdraw what one has asked for."""
    changes = call.services.admission.changes
    return ChangeOut.of(await changes.reject(call.path("change"), reason=body.reason, by=call.officer))
