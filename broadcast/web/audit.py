"""The audit trail over the API: pages with filters, checkpoints, a pass through all of it, and the whole as a file."""

from typing import Annotated

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, Field

from broadcast.clock import at_ms
from broadcast.domain.audit import Checkpoint, Entry
from broadcast.domain.audit_faults import Finding
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.service.audit import Pass, Verifying
from broadcast.service.ports import ActFilter
from broadcast.web.models import In
from broadcast.web.openapi import Api, Call
from broadcast.web.words import rfc3339

api = Api()

READING: tuple[type[BroadcastError], ...] = (RoleNotGranted, AreaNotGranted)
LARGEST = 2**53 - 1
Number = Annotated[int, Field(ge=0, le=LARGEST)]
Word = Annotated[str, Field(max_length=200)]


class AuditQuery(In):
    """:param before: the cursor `next` of the page before."""

    officer: Word = ""
    verb: Word = ""
    subject: Word = ""
    since: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: AwareDatetime | None = None
    before: Number | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class CheckpointsQuery(In):
    """:param after: the number of an act; those of later acts are listed."""

    after: Number = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class ExportQuery(In):
    """:param after: the number of an act; the file begins with the one behind it."""

    after: Number = 0


class ActOut(BaseModel):
    """One act. `link`: of the chain, hexadecimal."""

    number: int
    at: str
    officer: str
    verb: str
    subject: str
    detail: str
    link: str

    @classmethod
    def of(cls, entry: Entry) -> "ActOut":
        seq, ms, officer, verb, subject, detail, _, link = entry
        return cls(
            number=seq, at=rfc3339(ms), officer=officer, verb=verb, subject=subject, detail=detail, link=link.hex()
        )


class ActsOut(BaseModel):
    items: list[ActOut]
    next: int | None


class CheckpointOut(BaseModel):
    """The bytes that are signed stand in docs/audit.md; everything is hexadecimal."""

    number: int
    at: str
    at_ms: int
    county: str
    link: str
    algorithm: int
    key: str
    signature: str

    @classmethod
    def of(cls, one: Checkpoint) -> "CheckpointOut":
        return cls(
            number=one.seq,
            at=rfc3339(one.at_ms),
            at_ms=one.at_ms,
            county=one.county,
            link=one.link.hex(),
            algorithm=one.algorithm,
            key=one.key_id.hex(),
            signature=one.signature.hex(),
        )


class CheckpointsOut(BaseModel):
    items: list[CheckpointOut]
    next: int | None


class FindingOut(BaseModel):
    """What is wrong with which acts. `place`: where a moved one stands now."""

    wrong: str
    first: int
    last: int
    place: int | None

    @classmethod
    def of(cls, one: Finding) -> "FindingOut":
        return cls(wrong=one.wrong.value, first=one.first, last=one.last, place=one.place or None)


class VerificationOut(BaseModel):
    """A pass through the whole trail. `whole`: null while it runs, and when it could not be read to its end.

    `covered`: the number of the last act that a checkpoint with a good signature stands for.
    """

    state: str
    began: str | None = None
    ended: str | None = None
    whole: bool | None = None
    acts: int | None = None
    checkpoints: int | None = None
    covered: int | None = None
    findings: list[FindingOut] = []

    @classmethod
    def of(cls, one: Pass | None) -> "VerificationOut":
        if one is None:
            return cls(state="none")
        began, verdict = rfc3339(one.began_ms), one.verdict
        if one.ended_ms is None:
            return cls(state="running", began=began)
        ended = rfc3339(one.ended_ms)
        if verdict is None:
            return cls(state="broken-off", began=began, ended=ended)
        return cls(
            state="done",
            began=began,
            ended=ended,
            whole=verdict.is_whole,
            acts=verdict.acts,
            checkpoints=verdict.checkpoints,
            covered=verdict.covered,
            findings=[FindingOut.of(finding) for finding in verdict.findings],
        )


@api.get("/audit", verb=Verb.READ_AUDIT, errors=READING)
async def list_acts(call: Call, query: AuditQuery) -> ActsOut:
    """Who did what to what, newest first; all filters together."""
    wanted = ActFilter(
        officer=query.officer,
        verb=query.verb,
        subject=query.subject,
        from_ms=at_ms(query.since) if query.since else None,
        until_ms=at_ms(query.until) if query.until else None,
        before=query.before,
    )
    found = await call.services.watch.audit.page(wanted, limit=query.limit, by=call.officer)
    after = found[-1].seq if len(found) == query.limit and found[-1].seq > 1 else None
    return ActsOut(items=[ActOut.of(entry) for entry in found], next=after)


@api.get("/audit/checkpoints", verb=Verb.READ_AUDIT, errors=READING)
async def list_checkpoints(call: Call, query: CheckpointsQuery) -> CheckpointsOut:
    """The signed states of the trail, oldest first: whoever keeps them elsewhere can tell later whether it was written anew."""
    found = await call.services.watch.audit.checkpoints(after=query.after, limit=query.limit, by=call.officer)
    after = found[-1].seq if len(found) == query.limit else None
    return CheckpointsOut(items=[CheckpointOut.of(one) for one in found], next=after)


@api.get("/audit/verification", verb=Verb.READ_AUDIT, errors=READING)
async def get_verification(call: Call) -> VerificationOut:
    """The pass that runs, or the last one of this server."""
    return VerificationOut.of(call.services.watch.audit.last_pass(by=call.officer))


@api.post("/audit/verify", status=202, verb=Verb.READ_AUDIT, errors=(*READING, Verifying))
async def verify_audit(call: Call) -> VerificationOut:
    """Verify every act and every checkpoint; the answer is at `/audit/verification` when it has ended."""
    call.headers["Location"] = "/api/v1/audit/verification"
    return VerificationOut.of(await call.services.watch.audit.verify(by=call.officer))


@api.get("/audit/export", verb=Verb.EXPORT_AUDIT, media="application/jsonl", errors=READING)
async def export_audit(call: Call, query: ExportQuery) -> web.StreamResponse:
    """The trail with its checkpoints as JSON lines, to be kept where the database's owner has no hands."""
    lines = await call.services.watch.audit.export(after=query.after, by=call.officer)
    response = web.StreamResponse(headers={"Content-Disposition": 'attachment; filename="lianbo-audit.jsonl"'})
    response.content_type = "application/jsonl"
    await response.prepare(call.request)
    async for some in lines:
        await response.write(some.encode())
    await response.write_eof()
    return response
