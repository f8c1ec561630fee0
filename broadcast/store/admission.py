"""How people and machines get in: second factors, invitations, machines' tokens, and the changes that wait for two persons."""

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import LargeBinary, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.accounts import AccountChange, ChangeKind, ChangeState
from broadcast.domain.officers import Officer, Role, Verb
from broadcast.service.ports import FactorRow, InvitationRow, PasskeyRow, TokenRow
from broadcast.store.base import Base, Codes, Word, key


class FactorRecord(Base):
    """A second factor. Codes are computed from its secret, which lies here sealed (`sealed_texts`)."""

    __tablename__ = "factor"

    officer: Mapped[str] = mapped_column(key(100), primary_key=True)
    secret: Mapped[str]
    active: Mapped[bool]
    last_step: Mapped[int]
    recovery: Mapped[tuple[str, ...]] = mapped_column(Codes)


class PasskeyRecord(Base):
    """A passkey; its secret half never leaves its authenticator."""

    __tablename__ = "passkey"

    id: Mapped[bytes] = mapped_column(LargeBinary(1_023), primary_key=True)
    officer: Mapped[str] = mapped_column(key(100), index=True)
    title: Mapped[str]
    name: Mapped[str]
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int]
    created_ms: Mapped[int]
    used_ms: Mapped[int]


class InvitationRecord(Base):
    """Somebody may make this account, once; only the hash of the code is here."""

    __tablename__ = "invitation"

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    name: Mapped[str]
    title: Mapped[str]
    role: Mapped[Role] = mapped_column(Word(Role))
    area: Mapped[str]
    exercise_only: Mapped[bool]
    must_drill: Mapped[bool]
    by: Mapped[str]
    created_ms: Mapped[int]
    expires_ms: Mapped[int]


class TokenRecord(Base):
    """A machine's key to the API; only its hash is here."""

    __tablename__ = "machine_token"

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    title: Mapped[str]
    verbs: Mapped[tuple[str, ...]] = mapped_column(Codes)
    area: Mapped[str]
    exercise_only: Mapped[bool]
    screen: Mapped[bool]
    by: Mapped[str]
    created_ms: Mapped[int]
    expires_ms: Mapped[int]
    used_ms: Mapped[int]
    used_from: Mapped[str]
    revoked_ms: Mapped[int]


class ChangeRecord(Base):
    """A change of accounts that waits for its second person, or had one."""

    __tablename__ = "account_change"

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    kind: Mapped[ChangeKind] = mapped_column(Word(ChangeKind))
    subject: Mapped[str]
    areas: Mapped[tuple[str, ...]] = mapped_column(Codes)
    by: Mapped[str]
    at_ms: Mapped[int]
    facts: Mapped[str]
    hashed: Mapped[str]
    state: Mapped[ChangeState] = mapped_column(Word(ChangeState), index=True)
    decided_by: Mapped[str]
    decided_ms: Mapped[int]
    reason: Mapped[str]


class Factors:
    """Repository of second factors."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, officer: str) -> FactorRow | None:
        row = self._session.get(FactorRecord, officer)
        return None if row is None else FactorRow(row.officer, row.secret, row.active, row.last_step, row.recovery)

    def save(self, factor: FactorRow) -> None:
        self._session.merge(FactorRecord(**factor._asdict()))
        self._session.flush()

    def drop(self, officer: str) -> None:
        self._session.execute(delete(FactorRecord).where(FactorRecord.officer == officer))

    def active(self) -> frozenset[str]:
        return frozenset(self._session.scalars(select(FactorRecord.officer).where(FactorRecord.active)))


class Passkeys:
    """Repository of passkeys."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, passkey: PasskeyRow) -> None:
        """:raises StoreRefused: the id is taken."""
        self._session.add(PasskeyRecord(**passkey._asdict()))
        self._session.flush()

    def save(self, passkey: PasskeyRow) -> None:
        """:raises LookupError: it is gone."""
        row = self._session.get(PasskeyRecord, passkey.id)
        if row is None:
            raise LookupError("there is no such passkey")
        row.sign_count, row.used_ms = passkey.sign_count, passkey.used_ms
        self._session.flush()

    def get(self, passkey: bytes) -> PasskeyRow | None:
        row = self._session.get(PasskeyRecord, passkey)
        return None if row is None else _passkey(row)

    def of(self, officer: str) -> Sequence[PasskeyRow]:
        """The oldest first."""
        query = select(PasskeyRecord).where(PasskeyRecord.officer == officer)
        return [_passkey(row) for row in self._session.scalars(query.order_by(PasskeyRecord.created_ms))]

    def drop(self, passkey: bytes) -> None:
        self._session.execute(delete(PasskeyRecord).where(PasskeyRecord.id == passkey))

    def drop_of(self, officer: str) -> None:
        self._session.execute(delete(PasskeyRecord).where(PasskeyRecord.officer == officer))


def _passkey(row: PasskeyRecord) -> PasskeyRow:
    return PasskeyRow(
        row.id, row.officer, row.title, row.name, row.public_key, row.sign_count, row.created_ms, row.used_ms
    )


class Invitations:
    """Repository of invitations."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, invitation: InvitationRow) -> None:
        """:raises StoreRefused: the id or the code is taken."""
        officer = invitation.officer
        self._session.add(
            InvitationRecord(
                id=invitation.id,
                code_hash=invitation.code_hash,
                name=officer.name,
                title=officer.title,
                role=officer.role,
                area=officer.area,
                exercise_only=officer.exercise_only,
                must_drill=officer.must_drill,
                by=invitation.by,
                created_ms=invitation.created_ms,
                expires_ms=invitation.expires_ms,
            )
        )
        self._session.flush()

    def get(self, code_hash: bytes) -> InvitationRow | None:
        row = self._session.scalar(select(InvitationRecord).where(InvitationRecord.code_hash == code_hash))
        return None if row is None else _invitation(row)

    def all(self) -> Sequence[InvitationRow]:
        return [
            _invitation(row) for row in self._session.scalars(select(InvitationRecord).order_by(InvitationRecord.id))
        ]

    def drop(self, invitation: str) -> bool:
        row = self._session.get(InvitationRecord, invitation)
        if row is None:
            return False
        self._session.delete(row)
        self._session.flush()
        return True


def _invitation(row: InvitationRecord) -> InvitationRow:
    officer = Officer(
        row.name, row.title, row.role, row.area, exercise_only=row.exercise_only, must_drill=row.must_drill
    )
    return InvitationRow(row.id, row.code_hash, officer, row.by, row.created_ms, row.expires_ms)


class Tokens:
    """Repository of machines' tokens."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, token: TokenRow) -> None:
        """:raises StoreRefused: the id or the token is taken."""
        officer = token.officer
        self._session.add(
            TokenRecord(
                id=token.id,
                token_hash=token.token_hash,
                title=officer.title,
                verbs=tuple(sorted(officer.verbs or ())),
                area=officer.area,
                exercise_only=officer.exercise_only,
                screen=token.screen,
                by=token.by,
                created_ms=token.created_ms,
                expires_ms=token.expires_ms,
                used_ms=token.used_ms,
                used_from=token.used_from,
                revoked_ms=token.revoked_ms,
            )
        )
        self._session.flush()

    def all(self) -> Sequence[TokenRow]:
        return [_token(row) for row in self._session.scalars(select(TokenRecord).order_by(TokenRecord.id))]

    def used(self, at_ms: Mapping[str, tuple[int, str]]) -> None:
        for name, (when, where) in at_ms.items():
            query = update(TokenRecord).where(TokenRecord.id == name)
            self._session.execute(query.values(used_ms=when, used_from=where))

    def revoke(self, token: str, at_ms: int) -> None:
        self._session.execute(update(TokenRecord).where(TokenRecord.id == token).values(revoked_ms=at_ms))


def _token(row: TokenRecord) -> TokenRow:
    verbs = frozenset(Verb(verb) for verb in row.verbs)
    officer = Officer(f"token:{row.id}", row.title, Role.VIEWER, row.area, verbs=verbs, exercise_only=row.exercise_only)
    return TokenRow(
        row.id,
        row.token_hash,
        officer,
        row.screen,
        row.by,
        row.created_ms,
        row.expires_ms,
        row.used_ms,
        row.used_from,
        row.revoked_ms,
    )


class Changes:
    """Repository of changes of accounts."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, change: AccountChange) -> None:
        """:raises StoreRefused: the id is taken."""
        self._session.add(ChangeRecord(**_change_columns(change)))
        self._session.flush()

    def save(self, change: AccountChange) -> None:
        """:raises LookupError: it was never added."""
        row = self._session.get(ChangeRecord, change.id)
        if row is None:
            raise LookupError(f"there is no change {change.id}")
        for name, value in _change_columns(change).items():
            setattr(row, name, value)
        self._session.flush()

    def get(self, change: str) -> AccountChange | None:
        row = self._session.get(ChangeRecord, change)
        return None if row is None else _change(row)

    def page(self, *, limit: int) -> Sequence[AccountChange]:
        """Newest first."""
        query = select(ChangeRecord).order_by(ChangeRecord.id.desc()).limit(limit)
        return [_change(row) for row in self._session.scalars(query)]


def _change_columns(change: AccountChange) -> dict[str, object]:
    return {
        "id": change.id,
        "kind": change.kind,
        "subject": change.subject,
        "areas": change.areas,
        "by": change.by,
        "at_ms": change.at_ms,
        "facts": json.dumps(dict(change.facts), ensure_ascii=False),
        "hashed": change.hashed,
        "state": change.state,
        "decided_by": change.decided_by,
        "decided_ms": change.decided_ms,
        "reason": change.reason,
    }


def _change(row: ChangeRecord) -> AccountChange:
    return AccountChange(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        areas=row.areas,
        by=row.by,
        at_ms=row.at_ms,
        facts=json.loads(row.facts),
        hashed=row.hashed,
        state=row.state,
        decided_by=row.decided_by,
        decided_ms=row.decided_ms,
        reason=row.reason,
    )
