"""The speaker estate."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.speakers import Speaker, UnknownSpeaker
from broadcast.store.base import Base, key
from broadcast.store.bulk import Insert


class SpeakerRecord(Base):
    """One loudspeaker; the columns are the fields of `Speaker`, in their order."""

    __tablename__ = "speaker"

    id: Mapped[str] = mapped_column(key(32), primary_key=True)
    area: Mapped[str]
    name: Mapped[str]
    exercise: Mapped[bool]
    volume_percent: Mapped[int]
    retired: Mapped[bool]
    revision: Mapped[int]
    ceiling_percent: Mapped[int]
    floor_percent: Mapped[int]
    quiet_from_min: Mapped[int]
    quiet_until_min: Mapped[int]
    muted_until_ms: Mapped[int]
    note: Mapped[str]
    contacts: Mapped[str]
    generation: Mapped[int]
    older_until_ms: Mapped[int]
    handed_out: Mapped[bool]
    revoked: Mapped[bool]


_ADD = Insert(SpeakerRecord.__table__)


class Speakers:
    """Repository of speakers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> Sequence[Speaker]:
        """In order of id, retired ones included."""
        rows = self._session.execute(select(*SpeakerRecord.__table__.columns).order_by(SpeakerRecord.id))
        return [Speaker(*row) for row in rows]

    def get(self, speaker: str) -> Speaker | None:
        columns = SpeakerRecord.__table__.columns
        row = self._session.execute(select(*columns).where(SpeakerRecord.id == speaker)).first()
        return None if row is None else Speaker(*row)

    def add(self, speakers: Iterable[Speaker]) -> None:
        """:raises StoreRefused: an id is taken."""
        _ADD(self._session.connection(), [astuple(speaker) for speaker in speakers])

    def save(self, speaker: Speaker) -> None:
        """:raises UnknownSpeaker: it was never added."""
        row = self._session.get(SpeakerRecord, speaker.id)
        if row is None:
            raise UnknownSpeaker(speaker.id)
        for name, value in asdict(speaker).items():
            setattr(row, name, value)
        self._session.flush()
