"""Who asks: cookies and tokens, where a request came from, and that a form is ours."""

import hashlib
import hmac
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel, Field

from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import may
from broadcast.service.officers import (
    NotSignedIn,
    SecondFactorNeeded,
    SignedIn,
    TooManyTries,
    WrongCode,
    WrongPassword,
    WrongPin,
)
from broadcast.web.errors import CrossOrigin, StaleForm
from broadcast.web.models import In
from broadcast.web.openapi import Api, Call
from broadcast.web.services import OFFICER_NAME, OPTIONS, SERVICES

COOKIE, DEVICE = "lianbo_session", "lianbo_device"
ONLY_HERE = "__Host-"  # over TLS the browser then keeps them to this very host (RFC 6265bis §4.1.3.2)
DEVICE_DAYS = 180
UNATTENDED = "Lianbo-Unattended"  # whatever its value: a page asks by itself, which keeps no screen unlocked and nobody signed in
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

api = Api()


def token_of(request: web.Request) -> str:
    """The token of a machine's header or a browser's cookie; empty when there is none."""
    return _shown(request)[0]


def _shown(request: web.Request) -> tuple[str, bool]:
    """The token, and whether it came as a cookie."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip(), False
    return request.cookies.get(cookie_name(request, COOKIE), ""), True


def cookie_name(request: web.Request, name: str) -> str:
    """What the cookie is called here: over TLS none without the prefix is believed."""
    return ONLY_HERE + name if is_secure(request) else name


def is_unattended(request: web.Request) -> bool:
    """Whether a page asks by itself: a timer of the console (it says so), or a stream of events that is opened again."""
    return UNATTENDED in request.headers or "text/event-stream" in request.headers.get("Accept", "")


async def who_asks(request: web.Request, *, touch: bool = True) -> Officer:
    """:raises NotSignedIn: nobody we know."""
    token, cookie = _shown(request)
    if not token:
        raise NotSignedIn
    officers = request.app[SERVICES].officers
    touch = touch and not is_unattended(request)
    officer = await officers.officer_of(token, touch=touch, cookie=cookie, address=address_of(request))
    request[OFFICER_NAME] = officer.name
    return officer


async def officer_of(request: web.Request, *, touch: bool = True) -> Officer:
    """Who looks at a page. :raises NotSignedIn: nobody we know. :raises RoleNotGranted: a machine that may not read."""
    officer = await who_asks(request, touch=touch)
    may(officer, Verb.READ, now_ms=request.app[SERVICES].clock.now_ms())
    return officer


def address_of(request: web.Request) -> str:
    """Whose connection it is; behind a trusted proxy, what the proxy says, which stands last."""
    if request.app[OPTIONS].trust_forwarded:
        forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if forwarded:
            return forwarded[:64]
    return request.remote or ""


def is_secure(request: web.Request) -> bool:
    if request.app[OPTIONS].trust_forwarded:
        return request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    return request.secure


def must_be_same_origin(request: web.Request) -> None:
    """Browsers say where an unsafe request comes from; what says nothing is no browser and has no cookie of another's making.

    :raises CrossOrigin: it comes from another site.
    """
    if request.method in SAFE:
        return
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise CrossOrigin
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
        raise CrossOrigin


def form_mark(request: web.Request) -> str:
    """Stands in every form of a session, so that only its own pages can act (CSRF)."""
    return hashlib.sha256(b"form\n" + token_of(request).encode("utf-8", "replace")).hexdigest()[:32]


def must_be_our_form(request: web.Request, mark: str) -> None:
    """:raises StaleForm: made for another session, or for none."""
    if not hmac.compare_digest(mark.encode("utf-8", "replace"), form_mark(request).encode()):
        raise StaleForm


async def sign_in(
    request: web.Request, name: str, password: str, *, code: str = "", exercise: bool = False
) -> SignedIn:
    """:raises WrongPassword, TooManyTries, SecondFactorNeeded, WrongCode: see Officers.sign_in."""
    officers = request.app[SERVICES].officers
    device = request.cookies.get(cookie_name(request, DEVICE), "")
    address = address_of(request)
    return await officers.sign_in(name, password, address=address, device=device, code=code, exercise=exercise)


def give_cookies(request: web.Request, response: web.StreamResponse, who: SignedIn) -> None:
    give_token(request, response, who.token)
    _set(request, response, DEVICE, who.device, max_age=DEVICE_DAYS * 86_400)


def give_token(request: web.Request, response: web.StreamResponse, token: str, *, max_age: int | None = None) -> None:
    """:param max_age: seconds for which the browser keeps it; None: until it is closed."""
    _set(request, response, COOKIE, token, max_age=max_age)


def _set(request: web.Request, response: web.StreamResponse, name: str, value: str, *, max_age: int | None) -> None:
    secure = is_secure(request)
    named = cookie_name(request, name)
    response.set_cookie(named, value, max_age=max_age, httponly=True, samesite="Strict", secure=secure, path="/")


def take_cookie(request: web.Request, response: web.StreamResponse) -> None:
    named = cookie_name(request, COOKIE)
    response.del_cookie(named, path="/", httponly=True, samesite="Strict", secure=is_secure(request))


class Credentials(In):
    """`code` where the account has a second factor; `exercise` signs in for exercises only."""

    name: str
    password: str
    code: str = Field("", max_length=64)
    exercise: bool = False


class OfficerOut(BaseModel):
    name: str
    title: str
    role: str
    area: str
    level: str

    @classmethod
    def of(cls, officer: Officer) -> "OfficerOut":
        level = officer.level.name.lower()
        return cls(name=officer.name, title=officer.title, role=officer.role.value, area=officer.area, level=level)


class SessionOut(BaseModel):
    """`token` is for machines: `Authorization: Bearer …`. Browsers have it in a cookie that scripts can't read.
    `must_change`: nothing works before another password is chosen."""

    officer: OfficerOut
    token: str
    must_change: bool


class UnlockIn(In):
    """One of them. After five wrong PINs only the password opens."""

    pin: str = Field("", max_length=12)
    password: str = Field("", max_length=1_024)


class StepUpIn(In):
    """The code where the account has a second factor, else the password."""

    password: str = Field("", max_length=1_024)
    code: str = Field("", max_length=64)


class ScreenIn(In):
    token: str = Field(max_length=200)


@api.post("/session", public=True, errors=(WrongPassword, TooManyTries, SecondFactorNeeded, WrongCode))
async def open_session(call: Call, body: Credentials) -> web.Response:
    """Sign in.

    After a few wrong passwords for an account or from an address the answer is 429 with Retry-After.
    """
    who = await sign_in(call.request, body.name, body.password, code=body.code, exercise=body.exercise)
    out = SessionOut(officer=OfficerOut.of(who.officer), token=who.token, must_change=who.officer.must_change)
    response = web.Response(text=out.model_dump_json(), content_type="application/json")
    give_cookies(call.request, response, who)
    return response


@api.get("/session", verb=Verb.SELF, first=True)
async def who_am_i(call: Call) -> OfficerOut:
    """Who is signed in."""
    return OfficerOut.of(call.officer)


@api.delete("/session", status=204, verb=Verb.SELF, first=True)
async def close_session(call: Call) -> web.Response:
    """Sign out."""
    await call.services.officers.sign_out(token_of(call.request))
    response = web.Response(status=204)
    take_cookie(call.request, response)
    return response


@api.post("/session/lock", status=204, verb=Verb.SELF, first=True)
async def lock_session(call: Call) -> None:
    """Lock the screen: looking and stopping are left. A screen that nobody touches locks itself."""
    await call.services.officers.lock(token_of(call.request))


@api.post("/session/unlock", status=204, errors=(WrongPin, WrongPassword, TooManyTries), verb=Verb.SELF, first=True)
async def unlock_session(call: Call, body: UnlockIn) -> None:
    """Unlock with the PIN, or with the password."""
    await call.services.officers.unlock(token_of(call.request), pin=body.pin, password=body.password)


@api.post(
    "/session/step-up",
    status=204,
    errors=(WrongPassword, WrongCode, SecondFactorNeeded, TooManyTries),
    verb=Verb.OWN_ACCOUNT,
)
async def step_up(call: Call, body: StepUpIn) -> None:
    """Say again who it is, as some installations want before an emergency (`step-up-needed`)."""
    await call.services.officers.step_up(token_of(call.request), password=body.password, code=body.code)


@api.post("/session/screen", status=204, public=True, errors=(NotSignedIn, TooManyTries))
async def open_screen(call: Call, body: ScreenIn) -> web.Response:
    """Give a big screen its token as a cookie: typed once at the screen, never in an address."""
    await call.services.officers.open_screen(body.token, address=address_of(call.request))
    response = web.Response(status=204)
    give_token(call.request, response, body.token, max_age=400 * 86_400)  # browsers keep none longer (RFC 6265bis §5.5)
    return response
