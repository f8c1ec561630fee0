"""The tree of areas: read whole, replaced whole."""

from datetime import date

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.areas import Area, AreaTree, Level
from broadcast.store.base import Base, Word, key
from broadcast.store.bulk import Insert


class AreaRecord(Base):
    """One area; the columns are the fields of `Area`, in their order. Days are days in Beijing time."""

    __tablename__ = "area"

    code: Mapped[str] = mapped_column(key(18), primary_key=True)
    level: Mapped[Level] = mapped_column(Word(Level))
    name: Mapped[str]
    parent: Mapped[str]
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]
    replaced_by: Mapped[str]


_ADD = Insert(AreaRecord.__table__)


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


class Areas:
    """Repository of the area tree."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def tree(self) -> AreaTree:
        """Empty while none was imported."""
        rows = self._session.execute(select(*AreaRecord.__table__.columns))
        return AreaTree(Area(*row) for row in rows)

    def replace(self, tree: AreaTree) -> None:
        self._session.execute(delete(AreaRecord))
        rows = [
            (
                area.code,
                area.level.value,
                area.name,
                area.parent,
                _day(area.valid_from),
                _day(area.valid_to),
                area.replaced_by,
            )
            for area in tree
        ]
        _ADD(self._session.connection(), rows)
