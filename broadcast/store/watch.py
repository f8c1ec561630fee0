"""Alarms (告警) and shifts (值班)."""

import json
from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.alarms import Alarm, Member, Rank, Scope
from broadcast.domain.shifts import Item, Shift
from broadcast.store.base import Base, Number, Word, key


class AlarmRecord(Base):
    """One alarm; its members as JSON, for they are only ever read with it."""

    __tablename__ = "alarm"

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    kind: Mapped[str] = mapped_column(key(60))
    rank: Mapped[Rank] = mapped_column(Number(Rank))
    scope: Mapped[Scope] = mapped_column(Word(Scope))
    area: Mapped[str]
    facts: Mapped[str]
    members: Mapped[str]
    raised_ms: Mapped[int] = mapped_column(index=True)
    ranked_ms: Mapped[int]
    cleared_ms: Mapped[int | None]
    acked_ms: Mapped[int | None]
    acked_by: Mapped[str]
    reason: Mapped[str]
    taken_into: Mapped[str]
    closed_ms: Mapped[int | None] = mapped_column(index=True)


class ShiftRecord(Base):
    """One watch, or the offer of one."""

    __tablename__ = "shift"

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    officer: Mapped[str]
    relieved: Mapped[str]
    offered_ms: Mapped[int]
    began_ms: Mapped[int | None]
    ended_ms: Mapped[int | None]
    reason: Mapped[str]
    note: Mapped[str]
    checked: Mapped[str]


class Alarms:
    """Repository of alarms."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, alarms: Sequence[Alarm]) -> None:
        for one in alarms:
            self._session.merge(
                AlarmRecord(
                    id=one.id,
                    kind=one.kind,
                    rank=one.rank,
                    scope=one.scope,
                    area=one.area,
                    facts=_json(dict(one.facts)),
                    members=_json([(m.key, m.area, m.name, m.since_ms, m.well_ms) for m in one.members]),
                    raised_ms=one.raised_ms,
                    ranked_ms=one.ranked_ms,
                    cleared_ms=one.cleared_ms,
                    acked_ms=one.acked_ms,
                    acked_by=one.acked_by,
                    reason=one.reason,
                    taken_into=one.into,
                    closed_ms=one.closed_ms,
                )
            )
        self._session.flush()

    def get(self, alarm: str) -> Alarm | None:
        row = self._session.get(AlarmRecord, alarm)
        return None if row is None else _alarm(row)

    def current(self, raised_after_ms: int) -> Sequence[Alarm]:
        query = select(AlarmRecord).where(
            or_(AlarmRecord.closed_ms.is_(None), AlarmRecord.raised_ms >= raised_after_ms)
        )
        return [_alarm(row) for row in self._session.scalars(query.order_by(AlarmRecord.id))]

    def page(self, *, before: str | None, limit: int) -> Sequence[Alarm]:
        query = select(AlarmRecord).order_by(AlarmRecord.id.desc()).limit(limit)
        if before is not None:
            query = query.where(AlarmRecord.id < before)
        return [_alarm(row) for row in self._session.scalars(query)]


class Shifts:
    """Repository of shifts."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, shift: Shift) -> None:
        self._session.merge(
            ShiftRecord(
                id=shift.id,
                officer=shift.officer,
                relieved=shift.relieved,
                offered_ms=shift.offered_ms,
                began_ms=shift.began_ms,
                ended_ms=shift.ended_ms,
                reason=shift.reason,
                note=shift.note,
                checked="" if shift.checked is None else _json(dict(shift.checked)),
            )
        )
        self._session.flush()

    def unended(self) -> Sequence[Shift]:
        query = select(ShiftRecord).where(ShiftRecord.ended_ms.is_(None)).order_by(ShiftRecord.id.desc())
        return [_shift(row) for row in self._session.scalars(query)]

    def page(self, *, before: str | None, limit: int) -> Sequence[Shift]:
        query = select(ShiftRecord).order_by(ShiftRecord.id.desc()).limit(limit)
        if before is not None:
            query = query.where(ShiftRecord.id < before)
        return [_shift(row) for row in self._session.scalars(query)]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _alarm(row: AlarmRecord) -> Alarm:
    return Alarm(
        id=row.id,
        kind=row.kind,
        rank=row.rank,
        scope=row.scope,
        area=row.area,
        facts=json.loads(row.facts),
        members=tuple(Member(*one) for one in json.loads(row.members)),
        raised_ms=row.raised_ms,
        ranked_ms=row.ranked_ms,
        cleared_ms=row.cleared_ms,
        acked_ms=row.acked_ms,
        acked_by=row.acked_by,
        reason=row.reason,
        into=row.taken_into,
    )


def _shift(row: ShiftRecord) -> Shift:
    checked = {Item(item): said for item, said in json.loads(row.checked).items()} if row.checked else None
    return Shift(
        row.id,
        row.officer,
        row.relieved,
        row.offered_ms,
        row.began_ms,
        row.ended_ms,
        row.reason,
        row.note,
        checked,
    )
