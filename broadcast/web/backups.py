"""Backups over the API: how old the last good one is, which there are, and making one now."""

from pydantic import BaseModel

from broadcast.domain.backups import BackupFailed, Kept
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.service.backups import BackupRunning
from broadcast.web.openapi import Api, Call
from broadcast.web.words import rfc3339

api = Api()


class BackupOut(BaseModel):
    """A finished one, verified when it was made. `acts`: how far the audit trail goes in it."""

    name: str
    made: str
    size_bytes: int
    acts: int

    @classmethod
    def of(cls, one: Kept) -> "BackupOut":
        return cls(name=one.name, made=rfc3339(one.made_ms), size_bytes=one.size_bytes, acts=one.acts)


class BackupsOut(BaseModel):
    """`last`: when the last good one was made; `fault`: why the last attempt failed, or null. Newest first."""

    folder: str
    last: str | None
    age_min: int | None
    running: bool
    fault: str | None
    items: list[BackupOut]


@api.get("/backups", errors=(RoleNotGranted,))
async def list_backups(call: Call) -> BackupsOut:
    """The backups that there are, and the age of the last good one."""
    state = call.services.watch.backups.state(by=call.officer)
    return BackupsOut(
        folder=state.where,
        last=rfc3339(state.last_ms) if state.last_ms else None,
        age_min=(call.services.clock.now_ms() - state.last_ms) // 60_000 if state.last_ms else None,
        running=state.running,
        fault=state.cause or None,
        items=[BackupOut.of(one) for one in reversed(state.kept)],
    )


@api.post(
    "/backups", status=201, verb=Verb.BACK_UP, errors=(RoleNotGranted, AreaNotGranted, BackupRunning, BackupFailed)
)
async def make_backup(call: Call) -> BackupOut:
    """Make one now; the answer comes when it has been read back and verified."""
    return BackupOut.of(await call.services.watch.backups.make(by=call.officer))
