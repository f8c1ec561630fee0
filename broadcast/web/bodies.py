"""Reading what a client sends: bounded in size and time, never unpacked, every wrong field named."""

import asyncio
import re
from typing import Any, TypeVar

from aiohttp import web
from multidict import MultiDictProxy
from pydantic import BaseModel, ValidationError

from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.service.once import OnceKey
from broadcast.web.errors import BodyTooLarge, NotReadable, TooSlow, UnsupportedBody

MOST_BYTES = 64 * 1024
WITHIN_S = 10
KEY = "Idempotency-Key"

M = TypeVar("M", bound=BaseModel)

# What pydantic calls it, and what we call it; the sentences stand in texts/ under fault.*
CODES = {
    "missing": "missing",
    "extra_forbidden": "unknown-field",
    "string_too_long": "too-long",
    "string_too_short": "missing",
    "string_pattern_mismatch": "malformed",
    "string_unicode": "malformed",
    "value_error": "malformed",
    "too_long": "too-many",
    "too_short": "missing",
    "literal_error": "not-offered",
    "greater_than_equal": "out-of-range",
    "less_than_equal": "out-of-range",
    "timezone_aware": "time-without-offset",
    "datetime_parsing": "malformed-time",
    "datetime_from_date_parsing": "malformed-time",
    "datetime_type": "malformed-time",
    "datetime_object_invalid": "malformed-time",
    "date_from_datetime_parsing": "malformed-day",
    "date_parsing": "malformed-day",
    "date_type": "malformed-day",
    "time_parsing": "not-a-time-of-day",
    "time_type": "not-a-time-of-day",
    "union_tag_invalid": "not-offered",
    "union_tag_not_found": "missing",
}


async def read_bytes(request: web.Request, media: str) -> bytes:
    """:raises UnsupportedBody, BodyTooLarge, TooSlow: before or while it is read."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedBody(media)
    if request.content_type.lower() != media:
        raise UnsupportedBody(media)
    if request.content_length is not None and request.content_length > MOST_BYTES:
        raise BodyTooLarge(MOST_BYTES)
    try:
        async with asyncio.timeout(WITHIN_S):
            return await request.read()
    except TimeoutError:
        raise TooSlow(WITHIN_S) from None
    except web.HTTPRequestEntityTooLarge:
        raise BodyTooLarge(MOST_BYTES) from None


async def read_json(request: web.Request, model: type[M]) -> M:
    """The body as that model, strictly typed.

    :raises InvalidRequest: with every wrong field; NotReadable and the errors of `read_bytes`.
    """
    body = await read_bytes(request, "application/json")
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as err:
        raise invalid(err) from None


async def read_form(request: web.Request) -> MultiDictProxy[str]:
    """The fields of a form of ours; files are not read."""
    await read_bytes(request, "application/x-www-form-urlencoded")  # aiohttp keeps it, so the next line reads memory
    return await request.post()  # type: ignore[return-value]  # urlencoded: no files


def invalid(err: ValidationError) -> InvalidRequest | NotReadable:
    """A pydantic error in our words."""
    details = err.errors(include_url=False, include_input=False)
    if details and details[0]["type"] == "json_invalid":
        return NotReadable(str(details[0].get("ctx", {}).get("error", "")))
    return InvalidRequest([_fault(one["type"], one["loc"], one.get("ctx", {})) for one in details[:50]])


def _fault(kind: str, where: tuple[int | str, ...], context: dict[str, Any]) -> Fault:
    code = CODES.get(kind, "wrong-type")
    facts: list[tuple[str, str]] = []
    if code in ("too-long", "too-many"):
        facts = [("most", str(context.get("max_length", "")))]
        if "actual_length" in context:
            facts.append(("length", str(context["actual_length"])))
    elif code == "out-of-range":
        facts = [("low" if "ge" in context else "high", str(context.get("ge", context.get("le", ""))))]
    elif code == "not-offered":
        facts = [("offered", str(context.get("expected", "")))]
    return Fault(".".join(map(str, where)) or "body", code, tuple(facts))


def once_key(request: web.Request, *body: object) -> OnceKey | None:
    """The Idempotency-Key of a request, bound to what was asked; None when there is none.

    :raises InvalidRequest: longer than 200 characters, or not printable ASCII.
    """
    key = request.headers.get(KEY)
    if key is None:
        return None
    if not re.fullmatch(r"[\x21-\x7e]{1,200}", key):
        raise InvalidRequest([Fault(KEY, "malformed")])
    return OnceKey.of(key, request.method, request.path, *body)
