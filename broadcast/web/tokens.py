"""Machines' tokens over HTTP: made with a second person, listed with their last use, revoked by one."""

from pydantic import BaseModel, Field

from broadcast.domain.accounts import UnknownToken
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.service.ports import TokenRow
from broadcast.web.account_changes import AskedOut
from broadcast.web.models import In
from broadcast.web.openapi import Api, Call
from broadcast.web.words import rfc3339

api = Api()


class TokenIn(In):
    """`screen`: for a big screen, which reads and nothing else. `exercise`: inside exercises only."""

    title: str = Field(max_length=200)
    verbs: list[Verb] = Field([], max_length=40)
    area: str
    days: int
    screen: bool = False
    exercise: bool = False


class TokenOut(BaseModel):
    """What it may do and when it was last used. The token itself was told once, to who asked for it."""

    id: str
    title: str
    verbs: list[Verb]
    area: str
    screen: bool
    exercise: bool
    by: str
    created_at: str
    expires_at: str
    used_at: str | None
    used_from: str
    revoked_at: str | None

    @classmethod
    def of(cls, row: TokenRow) -> "TokenOut":
        return cls(
            id=row.id,
            title=row.officer.title,
            verbs=sorted(row.officer.verbs or ()),
            area=row.officer.area,
            screen=row.screen,
            exercise=row.officer.exercise_only,
            by=row.by,
            created_at=rfc3339(row.created_ms),
            expires_at=rfc3339(row.expires_ms),
            used_at=rfc3339(row.used_ms) if row.used_ms else None,
            used_from=row.used_from,
            revoked_at=rfc3339(row.revoked_ms) if row.revoked_ms else None,
        )


class TokensOut(BaseModel):
    items: list[TokenOut]


@api.get("/tokens", errors=(RoleNotGranted,), verb=Verb.MANAGE_OFFICERS)
async def list_tokens(call: Call) -> TokensOut:
    """Those inside the own area, also the revoked ones."""
    return TokensOut(items=[TokenOut.of(row) for row in await call.services.officers.tokens.all(by=call.officer)])


@api.post("/tokens", status=201, errors=(RoleNotGranted, AreaNotGranted), verb=Verb.MANAGE_OFFICERS)
async def make_token(call: Call, body: TokenIn) -> AskedOut:
    """A machine's key: `secret` is told once, and works when a second person has confirmed. Never put it into an address."""
    asked = await call.services.admission.changes.make_token(
        body.title,
        frozenset(body.verbs),
        body.area,
        days=body.days,
        screen=body.screen,
        exercise=body.exercise,
        by=call.officer,
    )
    return AskedOut.of(asked)


@api.delete(
    "/tokens/{token}", status=204, errors=(RoleNotGranted, AreaNotGranted, UnknownToken), verb=Verb.MANAGE_OFFICERS
)
async def revoke_token(call: Call) -> None:
    """It opens nothing from now on."""
    await call.services.officers.tokens.revoke(call.path("token"), by=call.officer)
