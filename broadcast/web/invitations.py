"""Invitations over HTTP: asked for by an administrator, accepted by whoever holds the code.

A link to one carries the code behind `#`, which no browser sends and no log sees.
"""

from urllib.parse import quote

from pydantic import BaseModel, Field

from broadcast.domain.accounts import UnknownInvitation
from broadcast.domain.officers import AreaNotGranted, Officer, Role, RoleNotGranted, Verb
from broadcast.service.officers import OfficerExists, TooManyTries
from broadcast.service.ports import InvitationRow
from broadcast.web.account_changes import AskedOut
from broadcast.web.models import In
from broadcast.web.officers import AccountIn
from broadcast.web.openapi import Api, Call
from broadcast.web.qr import drawn
from broadcast.web.session import OfficerOut, address_of, is_secure
from broadcast.web.words import rfc3339

api = Api()


class InvitationIn(AccountIn):
    """The account that is to be."""

    name: str = Field(max_length=200)


class InvitationOut(BaseModel):
    """One that was confirmed and can still be used."""

    id: str
    name: str
    title: str
    role: Role
    area: str
    by: str
    created_at: str
    expires_at: str

    @classmethod
    def of(cls, row: InvitationRow) -> "InvitationOut":
        officer = row.officer
        return cls(
            id=row.id,
            name=officer.name,
            title=officer.title,
            role=officer.role,
            area=officer.area,
            by=row.by,
            created_at=rfc3339(row.created_ms),
            expires_at=rfc3339(row.expires_ms),
        )


class InvitedOut(AskedOut):
    """`link` and `qr` (SVG) hold the code: told once, for whoever is invited."""

    link: str
    qr: str


class InvitationsOut(BaseModel):
    items: list[InvitationOut]


class CodeIn(In):
    code: str = Field(max_length=200)


class AcceptIn(CodeIn):
    password: str = Field(max_length=1_024)


@api.get("/invitations", errors=(RoleNotGranted,), verb=Verb.MANAGE_OFFICERS)
async def list_invitations(call: Call) -> InvitationsOut:
    """Those that are open, inside the own area."""
    rows = await call.services.admission.invitations.all(by=call.officer)
    return InvitationsOut(items=[InvitationOut.of(row) for row in rows])


@api.post("/invitations", status=201, errors=(RoleNotGranted, AreaNotGranted, OfficerExists), verb=Verb.MANAGE_OFFICERS)
async def invite(call: Call, body: InvitationIn) -> InvitedOut:
    """Invite somebody: `secret` is the code, told once; it works when a second person has confirmed."""
    wanted = Officer(body.name, body.title, body.role, body.area, exercise_only=body.exercise_only)
    asked = AskedOut.of(await call.services.admission.changes.invite(wanted, by=call.officer))
    server = f"{'https' if is_secure(call.request) else 'http'}://{call.request.host}"
    link = f"{server}/console/invitation#{quote(asked.secret, safe='')}"
    return InvitedOut(**asked.model_dump(), link=link, qr=drawn(link))


@api.delete(
    "/invitations/{invitation}", status=204, errors=(RoleNotGranted, UnknownInvitation), verb=Verb.MANAGE_OFFICERS
)
async def withdraw_invitation(call: Call) -> None:
    """Its code opens nothing any more."""
    await call.services.admission.invitations.withdraw(call.path("invitation"), by=call.officer)


@api.post("/invitations/look", public=True, errors=(UnknownInvitation, TooManyTries))
async def look_at_invitation(call: Call, body: CodeIn) -> InvitationOut:
    """What one is invited to."""
    row = await call.services.admission.invitations.look(body.code, address=address_of(call.request))
    return InvitationOut.of(row)


@api.post("/invitations/accept", status=201, public=True, errors=(UnknownInvitation, TooManyTries, OfficerExists))
async def accept_invitation(call: Call, body: AcceptIn) -> OfficerOut:
    """Make the account with the password that is chosen. The code is used up; sign in next."""
    address, invitations = address_of(call.request), call.services.admission.invitations
    return OfficerOut.of(await invitations.accept(body.code, body.password, address=address))
