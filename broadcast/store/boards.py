"""Which version every board stands at. Versions only grow; what a board says is derived from the orders."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.store.base import Base, key
from broadcast.store.bulk import Insert


class BoardRecord(Base):
    """The newest version of one board that was ever written."""

    __tablename__ = "board"

    exercise: Mapped[bool] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(key(40), primary_key=True)
    version: Mapped[int]


_RAISE = Insert(
    BoardRecord.__table__,
    "ON CONFLICT (exercise, scope) DO UPDATE SET version = board.version + 1 RETURNING scope, version",
)


class Boards:
    """Repository of board versions."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def raise_versions(self, scopes: Iterable[str], *, exercise: bool) -> Mapping[str, int]:
        """One more for each scope, from 1; a scope named twice counts once."""
        rows = [(exercise, scope, 1) for scope in sorted(set(scopes))]
        return dict(_RAISE.returning(self._session.connection(), rows))

    def versions(self) -> Mapping[tuple[bool, str], int]:
        rows = self._session.execute(select(BoardRecord.exercise, BoardRecord.scope, BoardRecord.version))
        return {(exercise, scope): version for exercise, scope, version in rows}
