"""Passkeys over HTTP: one's own, and the sign-in with one. What the browser takes and gives passes through as WebAuthn's JSON."""

import json
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, Field

from broadcast.domain.officers import Verb
from broadcast.service.challenges import Origin, PasskeyRefused, PasskeysNeedTls
from broadcast.service.officers import TooManyTries, WrongPassword
from broadcast.service.passkeys import LONGEST_TITLE, UnknownPasskey
from broadcast.service.ports import PasskeyRow
from broadcast.web.models import In
from broadcast.web.openapi import Api, Call
from broadcast.web.session import OfficerOut, SessionOut, address_of, give_cookies, is_secure, token_of
from broadcast.web.words import rfc3339

api = Api()

Credential = Annotated[dict[str, Any], Field(max_length=20)]  # RegistrationResponseJSON, AuthenticationResponseJSON


class PasskeyBegin(In):
    """The password, since a passkey opens without one."""

    password: str = Field("", max_length=1_024)


class PasskeyOptions(BaseModel):
    """For `navigator.credentials`: PublicKeyCredentialCreationOptionsJSON or PublicKeyCredentialRequestOptionsJSON."""

    options: dict[str, Any]


class PasskeyIn(In):
    title: str = Field(max_length=LONGEST_TITLE)
    credential: Credential


class PasskeyEnter(In):
    """`exercise` signs in for exercises only."""

    credential: Credential
    exercise: bool = False


class PasskeyOut(BaseModel):
    """`name`: the host name under which it works; `used_at`: never, when it is null."""

    id: str
    title: str
    name: str
    created_at: str
    used_at: str | None

    @classmethod
    def of(cls, row: PasskeyRow) -> "PasskeyOut":
        used_at = rfc3339(row.used_ms) if row.used_ms else None
        return cls(id=row.id.hex(), title=row.title, name=row.name, created_at=rfc3339(row.created_ms), used_at=used_at)


class PasskeyList(BaseModel):
    """`usable`: whether passkeys work under the address at which this was asked."""

    items: list[PasskeyOut]
    usable: bool


@api.get("/me/passkeys", verb=Verb.SELF)
async def list_passkeys(call: Call) -> PasskeyList:
    """One's own passkeys (通行密钥)."""
    rows = await call.services.officers.passkeys.of(call.officer)
    try:
        _where(call)
        usable = True
    except PasskeysNeedTls:
        usable = False
    return PasskeyList(items=[PasskeyOut.of(row) for row in rows], usable=usable)


@api.post("/me/passkeys/options", errors=(PasskeysNeedTls, WrongPassword, TooManyTries), verb=Verb.OWN_ACCOUNT)
async def begin_passkey(call: Call, body: PasskeyBegin) -> PasskeyOptions:
    """Begin with a passkey for oneself, by the password."""
    where = _where(call)
    await call.services.officers.check_password(token_of(call.request), body.password)
    return PasskeyOptions(options=json.loads(await call.services.officers.passkeys.begin(call.officer, where)))


@api.post("/me/passkeys", status=201, errors=(PasskeysNeedTls, PasskeyRefused), verb=Verb.OWN_ACCOUNT)
async def add_passkey(call: Call, body: PasskeyIn) -> PasskeyOut:
    """Keep the passkey that the browser has made."""
    passkeys = call.services.officers.passkeys
    return PasskeyOut.of(await passkeys.add(call.officer, _where(call), body.title, body.credential))


@api.delete("/me/passkeys/{passkey}", status=204, errors=(UnknownPasskey,), verb=Verb.OWN_ACCOUNT)
async def drop_passkey(call: Call) -> None:
    """It opens nothing any more."""
    await call.services.officers.passkeys.drop(call.officer, call.path("passkey"))


@api.post("/session/passkey/options", public=True, errors=(PasskeysNeedTls,))
async def ask_passkey(call: Call) -> PasskeyOptions:
    """A challenge for a sign-in with a passkey; it says itself whose it is."""
    return PasskeyOptions(options=json.loads(await call.services.officers.passkeys.ask(_where(call))))


@api.post("/session/passkey", public=True, errors=(PasskeysNeedTls, PasskeyRefused, TooManyTries))
async def enter_with_passkey(call: Call, body: PasskeyEnter) -> web.Response:
    """Sign in with a passkey: neither password nor code is asked."""
    request = call.request
    who = await call.services.officers.sign_in_with(
        body.credential, _where(call), address=address_of(request), exercise=body.exercise
    )
    out = SessionOut(officer=OfficerOut.of(who.officer), token=who.token, must_change=who.officer.must_change)
    response = web.Response(text=out.model_dump_json(), content_type="application/json")
    give_cookies(request, response, who)
    return response


def _where(call: Call) -> Origin:
    """:raises PasskeysNeedTls: no passkey works under this address."""
    return Origin.of("https" if is_secure(call.request) else call.request.scheme, call.request.host)
