"""Requests for a second person's agreement, and the versions of the policies."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import LargeBinary, and_, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.approval import Request, Stage, UnknownApproval
from broadcast.domain.approval_policy import AtDeadline, Source
from broadcast.domain.broadcasts import Sound
from broadcast.domain.commands import command_of, command_text
from broadcast.service.ports import PolicyRow
from broadcast.store.base import Base, Number, Word, key
from endpoints.protocol import Level


class ApprovalRecord(Base):
    """One request; what would be sent stands in it as JSON, and is never changed."""

    __tablename__ = "approval"

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    stage: Mapped[Stage] = mapped_column(Word(Stage), index=True)
    command: Mapped[str]
    asset: Mapped[bytes] = mapped_column(LargeBinary)
    asset_bytes: Mapped[int]
    asset_ms: Mapped[int]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    headline: Mapped[str]
    source: Mapped[Source] = mapped_column(Word(Source))
    author: Mapped[str]
    area: Mapped[str]
    level: Mapped[Level] = mapped_column(Number(Level))
    asked_ms: Mapped[int]
    deadline_ms: Mapped[int]
    at_deadline: Mapped[AtDeadline] = mapped_column(Word(AtDeadline))
    break_glass: Mapped[bool]
    replaces: Mapped[str]
    plan: Mapped[str]
    note: Mapped[str]
    decided_by: Mapped[str]
    decided_ms: Mapped[int]
    reason: Mapped[str]
    broadcast: Mapped[str]
    review_by_ms: Mapped[int]
    reviewed_by: Mapped[str]
    reviewed_ms: Mapped[int]
    review: Mapped[str]
    justified: Mapped[bool]


class PolicyRecord(Base):
    """One version of a policy."""

    __tablename__ = "policy"

    name: Mapped[str] = mapped_column(key(40), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    saved_at_ms: Mapped[int]
    saved_by: Mapped[str]
    body: Mapped[str]


_PLAIN = tuple(field.name for field in fields(Request) if field.name not in ("command", "sound"))


class Approvals:
    """Repository of requests."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, request: Request) -> None:
        """:raises StoreRefused: the id is taken."""
        self._session.add(ApprovalRecord(**_columns(request)))
        self._session.flush()

    def save(self, request: Request) -> None:
        """:raises UnknownApproval: it was never added."""
        row = self._session.get(ApprovalRecord, request.id)
        if row is None:
            raise UnknownApproval(request.id)
        for name, value in _columns(request).items():
            setattr(row, name, value)
        self._session.flush()

    def get(self, approval: str) -> Request | None:
        row = self._session.get(ApprovalRecord, approval)
        return None if row is None else _request(row)

    def open(self) -> Sequence[Request]:
        """Those that wait for a decision or for a review, oldest first."""
        table = ApprovalRecord
        unreviewed = and_(table.stage == Stage.BROKEN_GLASS, table.reviewed_by == "")
        query = select(table).where(or_(table.stage == Stage.WAITING, unreviewed)).order_by(table.id)
        return [_request(row) for row in self._session.scalars(query)]

    def page(self, *, before: str | None, limit: int) -> Sequence[Request]:
        """Newest first, those with an id below `before`."""
        query = select(ApprovalRecord).order_by(ApprovalRecord.id.desc()).limit(limit)
        if before is not None:
            query = query.where(ApprovalRecord.id < before)
        return [_request(row) for row in self._session.scalars(query)]


class Policies:
    """Repository of policies."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, policy: PolicyRow) -> None:
        """:raises StoreRefused: there is this revision of it already."""
        self._session.add(PolicyRecord(**policy._asdict()))
        self._session.flush()

    def newest(self, name: str) -> PolicyRow | None:
        history = self.history(name)
        return history[-1] if history else None

    def history(self, name: str) -> Sequence[PolicyRow]:
        """All its versions, oldest first."""
        query = select(PolicyRecord).where(PolicyRecord.name == name).order_by(PolicyRecord.revision)
        return [
            PolicyRow(row.name, row.revision, row.saved_at_ms, row.saved_by, row.body)
            for row in self._session.scalars(query)
        ]


def _columns(request: Request) -> dict[str, Any]:
    sound = request.sound
    return {
        **{name: getattr(request, name) for name in _PLAIN},
        "command": command_text(request.command),
        "asset": sound.asset,
        "asset_bytes": sound.asset_bytes,
        "asset_ms": sound.asset_ms,
    }


def _request(row: ApprovalRecord) -> Request:
    command = replace(command_of(row.command), heard=b"")
    sound = Sound(row.asset, row.asset_bytes, row.asset_ms)
    return Request(command=command, sound=sound, **{name: getattr(row, name) for name in _PLAIN})
