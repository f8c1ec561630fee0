"""Drafts (草稿) over the API: forms as they were left, each officer's own."""

import json
from typing import Any

from pydantic import BaseModel

from broadcast.domain.drafts import Draft, DraftChanged, UnknownDraft
from broadcast.domain.officers import Verb
from broadcast.web.models import In
from broadcast.web.openapi import Api, Call
from broadcast.web.words import rfc3339

api = Api()


class DraftIn(In):
    """`body` means something to the page only; 32 KiB at most."""

    body: dict[str, Any]


class DraftOut(BaseModel):
    name: str
    revision: int
    saved: str
    body: dict[str, Any]

    @classmethod
    def of(cls, one: Draft) -> "DraftOut":
        return cls(name=one.name, revision=one.revision, saved=rfc3339(one.saved_at_ms), body=json.loads(one.body))


class DraftsOut(BaseModel):
    items: list[DraftOut]


@api.get("/drafts")
async def list_drafts(call: Call) -> DraftsOut:
    """One's own, newest first."""
    return DraftsOut(items=[DraftOut.of(one) for one in await call.services.drafts.all(by=call.officer)])


@api.get("/drafts/{draft}", errors=(UnknownDraft,))
async def get_draft(call: Call) -> DraftOut:
    """One of one's own; the ETag is what If-Match names."""
    return _out(call, await call.services.drafts.get(call.path("draft"), by=call.officer))


@api.put("/drafts/{draft}", versioned=True, errors=(DraftChanged,), verb=Verb.SELF)
async def save_draft(call: Call, body: DraftIn) -> DraftOut:
    """Keep a form as it is; If-Match "0" for a new one. The oldest of thirty gives way."""
    text = json.dumps(body.body, ensure_ascii=False, separators=(",", ":"))
    drafts = call.services.drafts
    return _out(call, await drafts.save(call.path("draft"), text, by=call.officer, revision=call.revision))


@api.delete("/drafts/{draft}", status=204, errors=(UnknownDraft,), verb=Verb.SELF)
async def drop_draft(call: Call) -> None:
    """It was sent or given up (作废)."""
    await call.services.drafts.drop(call.path("draft"), by=call.officer)


def _out(call: Call, one: Draft) -> DraftOut:
    call.headers["ETag"] = f'"{one.revision}"'
    return DraftOut.of(one)
