"""Who may sign in, and who has."""

from collections.abc import Sequence

from sqlalchemy import LargeBinary, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.officers import Officer, Role
from broadcast.service.ports import Account, SessionRow
from broadcast.store.base import Base, Word, key


class AccountRecord(Base):
    """An officer with what is needed to let them in."""

    __tablename__ = "account"

    name: Mapped[str] = mapped_column(key(100), primary_key=True)
    title: Mapped[str]
    role: Mapped[Role] = mapped_column(Word(Role))
    area: Mapped[str]
    password_hash: Mapped[str]
    must_change: Mapped[bool]
    disabled: Mapped[bool]


class SessionRecord(Base):
    """A sign-in; only the hash of its token is here."""

    __tablename__ = "session"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    officer: Mapped[str] = mapped_column(key(100), index=True)
    created_ms: Mapped[int]
    seen_ms: Mapped[int]


def _columns(account: Account) -> dict[str, object]:
    officer = account.officer
    return {
        "name": officer.name,
        "title": officer.title,
        "role": officer.role,
        "area": officer.area,
        "password_hash": account.password_hash,
        "must_change": account.must_change,
        "disabled": account.disabled,
    }


def _account(row: AccountRecord) -> Account:
    officer = Officer(row.name, row.title, row.role, row.area)
    return Account(officer, row.password_hash, row.must_change, row.disabled)


class Accounts:
    """Repository of accounts."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, account: Account) -> None:
        """:raises StoreRefused: the name is taken."""
        self._session.add(AccountRecord(**_columns(account)))
        self._session.flush()

    def save(self, account: Account) -> None:
        """:raises LookupError: it was never added."""
        row = self._session.get(AccountRecord, account.officer.name)
        if row is None:
            raise LookupError(f"there is no account {account.officer.name}")
        for name, value in _columns(account).items():
            setattr(row, name, value)
        self._session.flush()

    def get(self, name: str) -> Account | None:
        row = self._session.get(AccountRecord, name)
        return None if row is None else _account(row)

    def all(self) -> Sequence[Account]:
        """In order of name."""
        return [_account(row) for row in self._session.scalars(select(AccountRecord).order_by(AccountRecord.name))]


class Sessions:
    """Repository of sign-ins."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, session: SessionRow) -> None:
        """:raises StoreRefused: the token is taken."""
        self._session.add(SessionRecord(**_session_columns(session)))
        self._session.flush()

    def get(self, token_hash: bytes) -> SessionRow | None:
        row = self._session.get(SessionRecord, token_hash)
        return None if row is None else SessionRow(row.token_hash, row.officer, row.created_ms, row.seen_ms)

    def seen(self, token_hash: bytes, at_ms: int) -> None:
        """The officer was here; a sign-in that is gone stays gone."""
        query = update(SessionRecord).where(SessionRecord.token_hash == token_hash)
        self._session.execute(query.values(seen_ms=at_ms))

    def drop(self, token_hash: bytes) -> None:
        self._session.execute(delete(SessionRecord).where(SessionRecord.token_hash == token_hash))

    def drop_of(self, officer: str) -> None:
        self._session.execute(delete(SessionRecord).where(SessionRecord.officer == officer))


def _session_columns(session: SessionRow) -> dict[str, object]:
    return {
        "token_hash": session.token_hash,
        "officer": session.officer,
        "created_ms": session.created_ms,
        "seen_ms": session.seen_ms,
    }
