"""Who am I, and what may I do now: what the console draws its buttons from. The services ask again."""

from pydantic import BaseModel, Field

from broadcast.domain.officers import Verb
from broadcast.domain.rights import verbs_of
from broadcast.service.officers import TooManyTries, WrongPassword
from broadcast.web.models import In
from broadcast.web.officers import GrantOut
from broadcast.web.openapi import Api, Call
from broadcast.web.session import OfficerOut, token_of

api = Api()


class MeOut(BaseModel):
    """:param rights: each right, and the areas in which it is held now; `locked`: what is left behind a locked screen.

    `exercise`: this sign-in or account is for exercises only. `must_drill`: nothing live before a drill is passed.
    `machine`: a token, not a person.
    """

    officer: OfficerOut
    machine: bool
    rights: dict[Verb, list[str]]
    grants: list[GrantOut]
    locked: bool
    exercise: bool
    must_drill: bool
    step_up: bool
    must_change: bool
    second_factor: bool
    pin: bool
    lock_after_min: int


class PinIn(In):
    """An empty PIN takes it away: then the password opens a locked screen."""

    pin: str = Field(max_length=64)
    password: str = Field(max_length=1_024)


@api.get("/me", verb=(Verb.SELF, Verb.READ), first=True)
async def me(call: Call) -> MeOut:
    """Who asks, what it may do and where, and in which mode it is signed in."""
    officer, officers, now_ms = call.officer, call.services.officers, call.services.clock.now_ms()
    machine = officer.verbs is not None
    account = None if machine else await officers.get(officer.name, by=officer)
    return MeOut(
        officer=OfficerOut.of(officer),
        machine=machine,
        rights={verb: list(areas) for verb, areas in verbs_of(officer, now_ms=now_ms).items()},
        grants=[GrantOut.of(one, now_ms=now_ms) for one in officer.grants],
        locked=officer.locked,
        exercise=officer.exercise_only,
        must_drill=officer.must_drill,
        step_up=officer.step_up,
        must_change=bool(account and account.must_change),
        second_factor=await officers.factors.is_active(officer.name),
        pin=bool(account and account.pin_hash),
        lock_after_min=officers.rules.lock_after_min,
    )


@api.put("/me/pin", status=204, errors=(WrongPassword, TooManyTries), verb=Verb.OWN_ACCOUNT)
async def set_pin(call: Call, body: PinIn) -> None:
    """What opens this officer's locked screens: 4 to 12 digits, and none that everybody tries first."""
    token = token_of(call.request)
    await call.services.officers.set_pin(body.pin, password=body.password, token=token, by=call.officer)
