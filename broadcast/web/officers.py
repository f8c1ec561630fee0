"""The accounts over HTTP: who there is, what is delegated to them, and what takes rights away. What gives rights is asked for."""

from contextlib import suppress
from typing import Annotated

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, Field

from broadcast.clock import at_ms
from broadcast.domain.accounts import AccountChanged, LastAdministrator, UnknownGrant
from broadcast.domain.officers import AreaNotGranted, Grant, Officer, Role, RoleNotGranted, Verb
from broadcast.service.officers import (
    NoSecondFactor,
    SecondFactorNeeded,
    TooManyTries,
    UnknownOfficer,
    WrongCode,
    WrongPassword,
)
from broadcast.service.ports import Account
from broadcast.web.account_changes import AskedOut
from broadcast.web.models import In
from broadcast.web.openapi import Api, Call
from broadcast.web.qr import drawn
from broadcast.web.session import give_cookies, sign_in, token_of
from broadcast.web.words import rfc3339

api = Api()

CHANGING = (RoleNotGranted, AreaNotGranted, UnknownOfficer)
Minute = Annotated[int, Field(ge=0, le=1_439)]
Secret = Annotated[str, Field(max_length=1_024)]


class GrantOut(BaseModel):
    """A right that was delegated. `daily_min`: minutes of the day in Beijing, from and until."""

    id: str
    verbs: list[Verb]
    area: str
    from_: str = Field(serialization_alias="from")
    until: str
    daily_min: tuple[int, int] | None
    by: str
    in_force: bool

    @classmethod
    def of(cls, grant: Grant, *, now_ms: int) -> "GrantOut":
        return cls(
            id=grant.id,
            verbs=sorted(grant.verbs),
            area=grant.area,
            from_=rfc3339(grant.from_ms),
            until=rfc3339(grant.until_ms),
            daily_min=grant.daily_min,
            by=grant.by,
            in_force=grant.holds(now_ms),
        )


class AccountOut(BaseModel):
    """An account; `revision` is its ETag."""

    name: str
    title: str
    role: Role
    area: str
    level: str
    disabled: bool
    must_change: bool
    exercise_only: bool
    must_drill: bool
    second_factor: bool
    pin: bool
    grants: list[GrantOut]
    revision: int

    @classmethod
    def of(cls, account: Account, *, factor: bool, now_ms: int) -> "AccountOut":
        officer = account.officer
        return cls(
            name=officer.name,
            title=officer.title,
            role=officer.role,
            area=officer.area,
            level=officer.level.name.lower(),
            disabled=account.disabled,
            must_change=account.must_change,
            exercise_only=officer.exercise_only,
            must_drill=officer.must_drill,
            second_factor=factor,
            pin=bool(account.pin_hash),
            grants=[GrantOut.of(grant, now_ms=now_ms) for grant in officer.grants],
            revision=account.revision,
        )


class AccountsOut(BaseModel):
    items: list[AccountOut]


class AccountIn(In):
    """What an account is to be."""

    title: str = Field(max_length=200)
    role: Role
    area: str
    exercise_only: bool = False


class GrantIn(In):
    """What is delegated: what may be sent is part of the verbs. `daily_min`: minutes of the day in Beijing."""

    verbs: list[Verb] = Field(max_length=40)
    area: str
    from_: AwareDatetime | None = Field(None, alias="from")
    until: AwareDatetime
    daily_min: tuple[Minute, Minute] | None = None


class PasswordIn(In):
    """`current` for one's own."""

    password: Secret
    current: Secret = ""


class FactorIn(In):
    code: str = Field(max_length=64)


class FactorOut(BaseModel):
    """The secret for the application on the telephone, also as the text of a QR code and as that code (SVG)."""

    secret: str
    uri: str
    qr: str


class RecoveryOut(BaseModel):
    """For the day when the telephone is lost: each works once. They are shown only now."""

    codes: list[str]


class ProofIn(In):
    """The password, and the code where it is one's own second factor that goes."""

    password: Secret = ""
    code: str = Field("", max_length=64)


@api.get("/officers", errors=(RoleNotGranted,), verb=Verb.MANAGE_OFFICERS)
async def list_officers(call: Call) -> AccountsOut:
    """The accounts inside the own area, by name."""
    officers, now_ms = call.services.officers, call.services.clock.now_ms()
    accounts, factors = await officers.all(by=call.officer), await officers.with_factor()
    items = [AccountOut.of(one, factor=one.officer.name in factors, now_ms=now_ms) for one in accounts]
    return AccountsOut(items=items)


@api.get("/officers/{officer}", errors=CHANGING, verb=Verb.OWN_ACCOUNT)
async def get_officer(call: Call) -> AccountOut:
    """One account: the own, or one inside an administrator's area."""
    account = await call.services.officers.get(call.path("officer"), by=call.officer)
    factor = account.officer.name in await call.services.officers.with_factor()
    call.headers["ETag"] = f'"{account.revision}"'
    return AccountOut.of(account, factor=factor, now_ms=call.services.clock.now_ms())


@api.put(
    "/officers/{officer}",
    versioned=True,
    errors=(*CHANGING, AccountChanged, LastAdministrator),
    verb=Verb.MANAGE_OFFICERS,
)
async def alter_officer(call: Call, body: AccountIn) -> AskedOut:
    """Another role, area or title. More rights wait for a second person (`waiting`); fewer are taken at once."""
    wanted = Officer(call.path("officer"), body.title, body.role, body.area, exercise_only=body.exercise_only)
    asked = await call.services.admission.changes.alter(wanted, revision=call.revision, by=call.officer)
    return AskedOut.of(asked)


@api.post("/officers/{officer}/disable", status=204, errors=(*CHANGING, LastAdministrator), verb=Verb.MANAGE_OFFICERS)
async def disable_officer(call: Call) -> None:
    """Nobody signs in with this account any longer, and who is signed in is out."""
    await call.services.officers.disable(call.path("officer"), by=call.officer)


@api.post("/officers/{officer}/enable", errors=CHANGING, verb=Verb.MANAGE_OFFICERS)
async def enable_officer(call: Call) -> AskedOut:
    """Let a disabled account in again; waits for a second person."""
    return AskedOut.of(await call.services.admission.changes.enable(call.path("officer"), by=call.officer))


@api.post("/officers/{officer}/grants", status=201, errors=CHANGING, verb=Verb.MANAGE_OFFICERS)
async def grant(call: Call, body: GrantIn) -> AskedOut:
    """Delegate a right (授权) that one holds oneself; waits for a second person."""
    since = at_ms(body.from_) if body.from_ else call.services.clock.now_ms()
    wanted = Grant("", frozenset(body.verbs), body.area, since, at_ms(body.until), "", body.daily_min)
    return AskedOut.of(await call.services.admission.changes.grant(call.path("officer"), wanted, by=call.officer))


@api.delete(
    "/officers/{officer}/grants/{grant}", status=204, errors=(*CHANGING, UnknownGrant), verb=Verb.MANAGE_OFFICERS
)
async def ungrant(call: Call) -> None:
    """Take a delegated right back, at once."""
    await call.services.officers.ungrant(call.path("officer"), call.path("grant"), by=call.officer)


@api.put(
    "/officers/{officer}/password",
    errors=(*CHANGING, WrongPassword, TooManyTries),
    verb=(Verb.OWN_ACCOUNT, Verb.MANAGE_OFFICERS),
    first=True,
)
async def set_password(call: Call, body: PasswordIn) -> web.Response | AskedOut:
    """One's own, with the current one: every sign-in ends and this browser gets a new one.

    Another's waits for a second person, since whoever sets it could sign in as that person.
    """
    name, officers = call.path("officer"), call.services.officers
    if name != call.officer.name:
        asked = await call.services.admission.changes.reset_password(name, body.password, by=call.officer)
        return AskedOut.of(asked)
    await officers.check_password(token_of(call.request), body.current)
    await officers.set_password(name, body.password, by=call.officer)
    response = web.Response(status=204)
    with suppress(SecondFactorNeeded):  # who has one signs in anew, with a code
        give_cookies(call.request, response, await sign_in(call.request, name, body.password))
    return response


@api.post(
    "/officers/{officer}/second-factor",
    status=201,
    errors=(UnknownOfficer, WrongPassword, TooManyTries, WrongCode),
    verb=Verb.OWN_ACCOUNT,
)
async def begin_factor(call: Call, body: ProofIn) -> FactorOut:
    """Begin with a second factor (动态码) for oneself; it is asked for once its first code was confirmed."""
    _must_be_own(call)
    await call.services.officers.check_password(token_of(call.request), body.password)
    secret, uri = await call.services.officers.factors.begin(call.officer.name)
    return FactorOut(secret=secret, uri=uri, qr=drawn(uri))


@api.put("/officers/{officer}/second-factor", errors=(UnknownOfficer, NoSecondFactor, WrongCode), verb=Verb.OWN_ACCOUNT)
async def confirm_factor(call: Call, body: FactorIn) -> RecoveryOut:
    """Its first code is right: from now on it is asked for at every sign-in."""
    _must_be_own(call)
    return RecoveryOut(codes=await call.services.officers.factors.confirm(call.officer.name, body.code))


@api.post(
    "/officers/{officer}/second-factor/remove",
    errors=(*CHANGING, NoSecondFactor, WrongPassword, WrongCode, SecondFactorNeeded, TooManyTries),
    verb=(Verb.OWN_ACCOUNT, Verb.MANAGE_OFFICERS),
)
async def remove_factor(call: Call, body: ProofIn) -> AskedOut | None:
    """One's own, with a code. Another's waits for a second person."""
    name, officers = call.path("officer"), call.services.officers
    if name != call.officer.name:
        return AskedOut.of(await call.services.admission.changes.drop_factor(name, by=call.officer))
    await officers.step_up(token_of(call.request), password=body.password, code=body.code)
    await officers.drop_factor(name, by=call.officer)
    return None


def _must_be_own(call: Call) -> None:
    """:raises UnknownOfficer: nobody holds another's telephone."""
    if call.path("officer") != call.officer.name:
        raise UnknownOfficer(call.path("officer"))
