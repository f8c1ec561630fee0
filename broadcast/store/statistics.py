"""For how long each speaker was online on each day: what statistics of a month are made from."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.statistics import SpeakerDay
from broadcast.store.base import Base, key
from broadcast.store.bulk import Insert


class SpeakerDayRecord(Base):
    """One speaker on one day of Beijing; 718 speakers make 260,000 rows a year."""

    __tablename__ = "speaker_day"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012  SQLAlchemy's own name and type

    day: Mapped[str] = mapped_column(key(10), primary_key=True)
    speaker: Mapped[str] = mapped_column(key(32), primary_key=True)
    known_s: Mapped[int]
    online_s: Mapped[int]


_ADD = Insert(
    SpeakerDayRecord.__table__,
    "ON CONFLICT (day, speaker) DO UPDATE SET known_s = speaker_day.known_s + excluded.known_s,"
    " online_s = speaker_day.online_s + excluded.online_s",
)


class SpeakerDays:
    """Repository of them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, rows: Sequence[SpeakerDay]) -> None:
        """:param rows: no speaker twice on one day."""
        _ADD(self._session.connection(), rows)

    def between(self, first: str, last: str) -> Sequence[SpeakerDay]:
        table = SpeakerDayRecord
        query = select(table.day, table.speaker, table.known_s, table.online_s)
        query = query.where(table.day >= first, table.day <= last).order_by(table.day, table.speaker)
        return [SpeakerDay(*row) for row in self._session.execute(query)]

    def forget_before(self, day: str) -> None:
        self._session.execute(delete(SpeakerDayRecord).where(SpeakerDayRecord.day < day))
