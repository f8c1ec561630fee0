"""Who asks: cookies and tokens, where a request came from, and that a form is ours."""

import hashlib
import hmac
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel

from broadcast.domain.officers import Officer
from broadcast.service.officers import NotSignedIn, SignedIn, TooManyTries, WrongPassword
from broadcast.web.errors import CrossOrigin, StaleForm
from broadcast.web.models import In
from broadcast.web.openapi import Api, Call
from broadcast.web.services import OFFICER_NAME, OPTIONS, SERVICES

COOKIE, DEVICE = "lianbo_session", "lianbo_device"
DEVICE_DAYS = 180
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

api = Api()


def token_of(request: web.Request) -> str:
    """The token of a machine's header or a browser's cookie; empty when there is none."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip()
    return request.cookies.get(COOKIE, "")


async def officer_of(request: web.Request, *, touch: bool = True) -> Officer:
    """:raises NotSignedIn: nobody we know."""
    token = token_of(request)
    if not token:
        raise NotSignedIn
    officer = await request.app[SERVICES].officers.officer_of(token, touch=touch)
    request[OFFICER_NAME] = officer.name
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


async def sign_in(request: web.Request, name: str, password: str) -> SignedIn:
    """:raises WrongPassword, TooManyTries: see Officers.sign_in."""
    officers = request.app[SERVICES].officers
    device = request.cookies.get(DEVICE, "")
    return await officers.sign_in(name, password, address=address_of(request), device=device)


def give_cookies(request: web.Request, response: web.StreamResponse, who: SignedIn) -> None:
    secure = is_secure(request)
    response.set_cookie(COOKIE, who.token, httponly=True, samesite="Strict", secure=secure, path="/")
    age = DEVICE_DAYS * 86_400
    response.set_cookie(DEVICE, who.device, max_age=age, httponly=True, samesite="Strict", secure=secure, path="/")


def take_cookie(response: web.StreamResponse) -> None:
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")


class Credentials(In):
    name: str
    password: str


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
    """`token` is for machines: `Authorization: Bearer …`. Browsers have it in a cookie that scripts can't read."""

    officer: OfficerOut
    token: str


@api.post("/session", public=True, errors=(WrongPassword, TooManyTries))
async def open_session(call: Call, body: Credentials) -> web.Response:
    """Sign in.

    After a few wrong passwords for an account or from an address the answer is 429 with Retry-After.
    """
    who = await sign_in(call.request, body.name, body.password)
    out = SessionOut(officer=OfficerOut.of(who.officer), token=who.token)
    response = web.Response(text=out.model_dump_json(), content_type="application/json")
    give_cookies(call.request, response, who)
    return response


@api.get("/session")
async def who_am_i(call: Call) -> OfficerOut:
    """Who is signed in."""
    return OfficerOut.of(call.officer)


@api.delete("/session", status=204)
async def close_session(call: Call) -> web.Response:
    """Sign out."""
    await call.services.officers.sign_out(token_of(call.request))
    response = web.Response(status=204)
    take_cookie(response)
    return response
