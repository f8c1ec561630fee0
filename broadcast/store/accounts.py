"""Who may sign in, what was delegated to them, and who has signed in."""

from collections.abc import Sequence

from sqlalchemy import LargeBinary, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.officers import Grant, Officer, Role, Verb
from broadcast.service.ports import Account, SessionRow
from broadcast.store.base import Base, Codes, Word, key


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
    exercise_only: Mapped[bool]
    must_drill: Mapped[bool]
    pin_hash: Mapped[str]
    revision: Mapped[int]


class GrantRecord(Base):
    """What was delegated to an officer. (`grant` is a word of SQL.)"""

    __tablename__ = "delegation"

    officer: Mapped[str] = mapped_column(key(100), primary_key=True)
    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    verbs: Mapped[tuple[str, ...]] = mapped_column(Codes)
    area: Mapped[str]
    from_ms: Mapped[int]
    until_ms: Mapped[int]
    by: Mapped[str]
    daily_from: Mapped[int | None]
    daily_until: Mapped[int | None]


class SessionRecord(Base):
    """A sign-in; only the hash of its token is here."""

    __tablename__ = "session"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    officer: Mapped[str] = mapped_column(key(100), index=True)
    created_ms: Mapped[int]
    seen_ms: Mapped[int]
    confirmed_ms: Mapped[int]
    exercise: Mapped[bool]
    locked: Mapped[bool]
    pin_fails: Mapped[int]


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
        "exercise_only": officer.exercise_only,
        "must_drill": officer.must_drill,
        "pin_hash": account.pin_hash,
        "revision": account.revision,
    }


def _grant_record(officer: str, grant: Grant) -> GrantRecord:
    start, end = grant.daily_min or (None, None)
    return GrantRecord(
        officer=officer,
        id=grant.id,
        verbs=tuple(sorted(grant.verbs)),
        area=grant.area,
        from_ms=grant.from_ms,
        until_ms=grant.until_ms,
        by=grant.by,
        daily_from=start,
        daily_until=end,
    )


def _grant(row: GrantRecord) -> Grant:
    daily = None if row.daily_from is None or row.daily_until is None else (row.daily_from, row.daily_until)
    verbs = frozenset(Verb(verb) for verb in row.verbs)
    return Grant(row.id, verbs, row.area, row.from_ms, row.until_ms, row.by, daily)


def _account(row: AccountRecord, grants: Sequence[GrantRecord]) -> Account:
    officer = Officer(
        row.name,
        row.title,
        row.role,
        row.area,
        tuple(_grant(one) for one in grants),
        exercise_only=row.exercise_only,
        must_drill=row.must_drill,
    )
    return Account(officer, row.password_hash, row.must_change, row.disabled, row.pin_hash, row.revision)


class Accounts:
    """Repository of accounts; their grants come and go with them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, account: Account) -> None:
        """:raises StoreRefused: the name is taken."""
        self._session.add(AccountRecord(**_columns(account)))
        self._session.flush()
        self._keep_grants(account.officer)

    def save(self, account: Account) -> None:
        """:raises LookupError: it was never added."""
        row = self._session.get(AccountRecord, account.officer.name)
        if row is None:
            raise LookupError(f"there is no account {account.officer.name}")
        for name, value in _columns(account).items():
            setattr(row, name, value)
        self._session.flush()
        if tuple(map(_grant, self._grants(account.officer.name))) != account.officer.grants:
            self._session.execute(delete(GrantRecord).where(GrantRecord.officer == account.officer.name))
            self._session.expire_all()
            self._keep_grants(account.officer)

    def get(self, name: str) -> Account | None:
        row = self._session.get(AccountRecord, name)
        return None if row is None else _account(row, self._grants(name))

    def all(self) -> Sequence[Account]:
        """In order of name."""
        grants: dict[str, list[GrantRecord]] = {}
        for grant in self._session.scalars(select(GrantRecord).order_by(GrantRecord.id)):
            grants.setdefault(grant.officer, []).append(grant)
        rows = self._session.scalars(select(AccountRecord).order_by(AccountRecord.name))
        return [_account(row, grants.get(row.name, [])) for row in rows]

    def _keep_grants(self, officer: Officer) -> None:
        self._session.add_all(_grant_record(officer.name, grant) for grant in officer.grants)
        self._session.flush()

    def _grants(self, officer: str) -> Sequence[GrantRecord]:
        query = select(GrantRecord).where(GrantRecord.officer == officer).order_by(GrantRecord.id)
        return self._session.scalars(query).all()


class Sessions:
    """Repository of sign-ins."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, session: SessionRow) -> None:
        """:raises StoreRefused: the token is taken."""
        self._session.add(SessionRecord(**_session_columns(session), seen_ms=session.seen_ms))
        self._session.flush()

    def save(self, session: SessionRow) -> None:
        """All but when it was last seen; a sign-in that is gone stays gone."""
        query = update(SessionRecord).where(SessionRecord.token_hash == session.token_hash)
        self._session.execute(query.values(_session_columns(session)))

    def get(self, token_hash: bytes) -> SessionRow | None:
        row = self._session.get(SessionRecord, token_hash)
        if row is None:
            return None
        return SessionRow(
            row.token_hash,
            row.officer,
            row.created_ms,
            row.seen_ms,
            row.confirmed_ms,
            row.exercise,
            row.locked,
            row.pin_fails,
        )

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
        "confirmed_ms": session.confirmed_ms,
        "exercise": session.exercise,
        "locked": session.locked,
        "pin_fails": session.pin_fails,
    }
