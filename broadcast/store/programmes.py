"""The plan: programmes and areas' plans in all their versions, the operator's own days, the versions of programme boards."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, cast

from sqlalchemy import CursorResult, and_, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.calendar import DayEntry, DayKind
from broadcast.domain.programme_versions import PlanVersion, Version
from broadcast.domain.programmes import AreaPlan, Content
from broadcast.store.base import Base, Numbers, Parts, Word, key
from broadcast.store.bulk import Insert
from broadcast.store.programme_bodies import programme_of, text_of
from endpoints.protocol import Part


class ProgrammeRecord(Base):
    """One version of one programme; the newest one counts."""

    __tablename__ = "programme"

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str]
    owner: Mapped[str]
    paused: Mapped[bool]
    retired: Mapped[bool]
    body: Mapped[str]
    parts: Mapped[tuple[Part, ...]] = mapped_column(Parts)
    stream: Mapped[int]
    saved_at_ms: Mapped[int]
    saved_by: Mapped[str]


class AreaPlanRecord(Base):
    """One version of an area's plan; the newest one counts."""

    __tablename__ = "area_plan"

    area: Mapped[str] = mapped_column(key(18), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    volume_by_hour: Mapped[tuple[int, ...]] = mapped_column(Numbers)
    budget_min: Mapped[int]
    fallback: Mapped[tuple[Part, ...]] = mapped_column(Parts)
    note: Mapped[str]
    saved_at_ms: Mapped[int]
    saved_by: Mapped[str]


class DayRecord(Base):
    """What the operator says of a day, above what was announced."""

    __tablename__ = "calendar_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[DayKind] = mapped_column(Word(DayKind))
    name: Mapped[str]


class ProgrammeBoardRecord(Base):
    """The newest version of one programme board that was ever written."""

    __tablename__ = "programme_board"

    scope: Mapped[str] = mapped_column(key(40), primary_key=True)
    version: Mapped[int]


_RAISE = Insert(
    ProgrammeBoardRecord.__table__,
    "ON CONFLICT (scope) DO UPDATE SET version = programme_board.version + 1 RETURNING scope, version",
)


class Programmes:
    """Repository of the plan."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # ---- programmes -----------------------------------------------------------------------------------------------------

    def add(self, version: Version) -> None:
        """:raises StoreRefused: there is this revision of it already; nothing is overwritten."""
        programme = version.programme
        self._session.add(
            ProgrammeRecord(
                id=programme.id,
                revision=programme.revision,
                title=programme.title,
                owner=programme.owner,
                paused=programme.paused,
                retired=version.retired,
                body=text_of(programme),
                parts=version.content.parts,
                stream=version.content.stream,
                saved_at_ms=version.saved_at_ms,
                saved_by=version.saved_by,
            )
        )
        self._session.flush()

    def newest(self) -> Sequence[Version]:
        """The newest version of each, retired ones included, in order of id."""
        table = ProgrammeRecord
        last = select(table.id, func.max(table.revision).label("revision")).group_by(table.id).subquery()
        query = select(table).join(last, and_(table.id == last.c.id, table.revision == last.c.revision))
        return [_version(row) for row in self._session.scalars(query.order_by(table.id))]

    def get(self, programme: str) -> Version | None:
        """Its newest version."""
        query = select(ProgrammeRecord).where(ProgrammeRecord.id == programme)
        row = self._session.scalars(query.order_by(ProgrammeRecord.revision.desc()).limit(1)).first()
        return None if row is None else _version(row)

    def history(self, programme: str) -> Sequence[Version]:
        """All its versions, oldest first."""
        query = select(ProgrammeRecord).where(ProgrammeRecord.id == programme)
        return [_version(row) for row in self._session.scalars(query.order_by(ProgrammeRecord.revision))]

    def keep_content(self, programme: str, revision: int, content: Content) -> None:
        """Its source has become this anew (a lost file was made again); the revision stays."""
        row = self._session.get(ProgrammeRecord, (programme, revision))
        if row is not None:
            row.parts, row.stream = content.parts, content.stream
            self._session.flush()

    # ---- plans of areas -------------------------------------------------------------------------------------------------

    def add_plan(self, version: PlanVersion) -> None:
        """:raises StoreRefused: there is this revision of it already."""
        plan = version.plan
        self._session.add(
            AreaPlanRecord(
                area=plan.area,
                revision=version.revision,
                volume_by_hour=plan.volume_by_hour,
                budget_min=plan.budget_min,
                fallback=() if plan.fallback is None else (plan.fallback,),
                note=plan.note,
                saved_at_ms=version.saved_at_ms,
                saved_by=version.saved_by,
            )
        )
        self._session.flush()

    def plans(self) -> Sequence[PlanVersion]:
        """The newest version of each, in order of area."""
        table = AreaPlanRecord
        last = select(table.area, func.max(table.revision).label("revision")).group_by(table.area).subquery()
        query = select(table).join(last, and_(table.area == last.c.area, table.revision == last.c.revision))
        return [_plan(row) for row in self._session.scalars(query.order_by(table.area))]

    # ---- days -----------------------------------------------------------------------------------------------------------

    def days(self) -> Sequence[DayEntry]:
        """The operator's own, in order of day."""
        rows = self._session.scalars(select(DayRecord).order_by(DayRecord.day))
        return [DayEntry(row.day, row.kind, row.name) for row in rows]

    def save_day(self, entry: DayEntry) -> None:
        """What was said of this day before gives way."""
        self._session.merge(DayRecord(day=entry.day, kind=entry.kind, name=entry.name))
        self._session.flush()

    def drop_day(self, day: date) -> bool:
        """What was announced counts again. Whether there was an entry."""
        result = self._session.execute(delete(DayRecord).where(DayRecord.day == day))
        return cast(CursorResult[Any], result).rowcount > 0

    # ---- boards ---------------------------------------------------------------------------------------------------------

    def raise_versions(self, scopes: Iterable[str]) -> Mapping[str, int]:
        """One more for each scope, from 1; a scope named twice counts once."""
        rows = [(scope, 1) for scope in sorted(set(scopes))]
        return dict(_RAISE.returning(self._session.connection(), rows))

    def board_versions(self) -> Mapping[str, int]:
        rows = self._session.execute(select(ProgrammeBoardRecord.scope, ProgrammeBoardRecord.version))
        return {row.scope: row.version for row in rows}


def _version(row: ProgrammeRecord) -> Version:
    programme = programme_of(
        row.body, id=row.id, title=row.title, owner=row.owner, paused=row.paused, revision=row.revision
    )
    return Version(programme, row.saved_at_ms, row.saved_by, Content(row.parts, row.stream), row.retired)


def _plan(row: AreaPlanRecord) -> PlanVersion:
    fallback = row.fallback[0] if row.fallback else None
    plan = AreaPlan(row.area, row.volume_by_hour, row.budget_min, fallback, row.note)
    return PlanVersion(plan, row.revision, row.saved_at_ms, row.saved_by)
