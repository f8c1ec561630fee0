"""Enrolments, groups, what speakers say of themselves, and tests of the estate."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import LargeBinary, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.enrolments import Enrolment, UnknownEnrolment
from broadcast.domain.estate_tests import Finding, SaidOf, SilentTest
from broadcast.domain.groups import Group, UnknownGroup
from broadcast.store.base import Base, Codes, key


class EnrolmentRecord(Base):
    """A code that was made; the columns are the fields of `Enrolment`."""

    __tablename__ = "enrolment"
    __table_args__ = (UniqueConstraint("code_hash"),)

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    speaker: Mapped[str]
    area: Mapped[str]
    name: Mapped[str]
    exercise: Mapped[bool]
    replaces: Mapped[bool]
    by: Mapped[str]
    made_ms: Mapped[int]
    until_ms: Mapped[int]
    box: Mapped[str]
    used_ms: Mapped[int]
    withdrawn: Mapped[bool]
    model: Mapped[str]
    firmware: Mapped[str]
    foreign_tries: Mapped[int]
    generation: Mapped[int]


class GroupRecord(Base):
    """A named set of speakers."""

    __tablename__ = "speaker_group"

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    name: Mapped[str]
    owner: Mapped[str]
    areas: Mapped[tuple[str, ...]] = mapped_column(Codes)
    speakers: Mapped[tuple[str, ...]] = mapped_column(Codes)
    revision: Mapped[int]


class AboutRecord(Base):
    """What one speaker said of itself last; the columns are the fields of `SaidOf`."""

    __tablename__ = "speaker_about"

    speaker: Mapped[str] = mapped_column(key(32), primary_key=True)
    heard_ms: Mapped[int]
    boot: Mapped[int]
    model: Mapped[str]
    firmware: Mapped[str]
    version: Mapped[int]
    check_ms: Mapped[int]
    volume_percent: Mapped[int]
    ceiling_percent: Mapped[int]
    floor_percent: Mapped[int]
    quiet_from_min: Mapped[int]
    quiet_until_min: Mapped[int]
    muted_until_ms: Mapped[int]
    generation: Mapped[int]
    faults: Mapped[int]
    ear: Mapped[int]


class SilentTestRecord(Base):
    """One silent test; townships are JSON: code to asked and passed."""

    __tablename__ = "silent_test"

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    at_ms: Mapped[int]
    ended_ms: Mapped[int]
    by: Mapped[str]
    townships: Mapped[str]


class FindingRecord(Base):
    """Who failed a silent test, and why."""

    __tablename__ = "silent_test_finding"

    test: Mapped[str] = mapped_column(key(26), primary_key=True)
    area: Mapped[str] = mapped_column(key(20), primary_key=True)
    speaker: Mapped[str] = mapped_column(key(32), primary_key=True)
    why: Mapped[tuple[str, ...]] = mapped_column(Codes)
    drift: Mapped[tuple[str, ...]] = mapped_column(Codes)
    heard_ms: Mapped[int]


def _values(row: Base, kind: type[Any]) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(kind)}


class Enrolments:
    """Repository of enrolments."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, enrolment: Enrolment) -> None:
        """:raises StoreRefused: that code was made before."""
        self._session.add(EnrolmentRecord(**asdict(enrolment)))
        self._session.flush()

    def save(self, enrolment: Enrolment) -> None:
        """:raises UnknownEnrolment: it was never added."""
        row = self._session.get(EnrolmentRecord, enrolment.id)
        if row is None:
            raise UnknownEnrolment(enrolment.id)
        for name, value in asdict(enrolment).items():
            setattr(row, name, value)
        self._session.flush()

    def get(self, enrolment: str) -> Enrolment | None:
        row = self._session.get(EnrolmentRecord, enrolment)
        return None if row is None else Enrolment(**_values(row, Enrolment))

    def by_code(self, code_hash: bytes) -> Enrolment | None:
        row = self._session.scalar(select(EnrolmentRecord).where(EnrolmentRecord.code_hash == code_hash))
        return None if row is None else Enrolment(**_values(row, Enrolment))

    def since(self, made_ms: int) -> Sequence[Enrolment]:
        """Newest first."""
        query = select(EnrolmentRecord).where(EnrolmentRecord.made_ms >= made_ms).order_by(EnrolmentRecord.id.desc())
        return [Enrolment(**_values(row, Enrolment)) for row in self._session.scalars(query)]


class Groups:
    """Repository of groups."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, group: Group) -> None:
        """:raises StoreRefused: the id is taken."""
        self._session.add(GroupRecord(**_values_of_group(group)))
        self._session.flush()

    def save(self, group: Group) -> None:
        """:raises UnknownGroup: it was never added, or was dropped."""
        row = self._session.get(GroupRecord, group.id)
        if row is None:
            raise UnknownGroup(group.id)
        for name, value in _values_of_group(group).items():
            setattr(row, name, value)
        self._session.flush()

    def get(self, group: str) -> Group | None:
        row = self._session.get(GroupRecord, group)
        return None if row is None else _group(row)

    def drop(self, group: str) -> None:
        self._session.execute(delete(GroupRecord).where(GroupRecord.id == group))

    def all(self) -> Sequence[Group]:
        """By name, then id."""
        return sorted(map(_group, self._session.scalars(select(GroupRecord))), key=lambda one: (one.name, one.id))


def _values_of_group(group: Group) -> dict[str, Any]:
    return {field.name: getattr(group, field.name) for field in fields(Group)}


def _group(row: GroupRecord) -> Group:
    return Group(**_values(row, Group))


class Abouts:
    """Repository of what speakers say of themselves."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def keep(self, said: Iterable[SaidOf]) -> None:
        """In place of what each said before."""
        for one in said:
            self._session.merge(AboutRecord(**asdict(one)))
        self._session.flush()

    def all(self) -> Mapping[str, SaidOf]:
        return {row.speaker: SaidOf(**_values(row, SaidOf)) for row in self._session.scalars(select(AboutRecord))}


class SilentTests:
    """Repository of silent tests."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, test: SilentTest, findings: Sequence[Finding]) -> None:
        """:raises StoreRefused: the id is taken."""
        townships = json.dumps({code: list(counts) for code, counts in test.townships.items()})
        row = SilentTestRecord(id=test.id, at_ms=test.at_ms, ended_ms=test.ended_ms, by=test.by, townships=townships)
        self._session.add(row)
        self._session.add_all(FindingRecord(test=test.id, **asdict(one)) for one in findings)
        self._session.flush()

    def newest(self, *, limit: int) -> Sequence[SilentTest]:
        query = select(SilentTestRecord).order_by(SilentTestRecord.id.desc()).limit(limit)
        return list(map(_test, self._session.scalars(query)))

    def get(self, test: str) -> SilentTest | None:
        row = self._session.get(SilentTestRecord, test)
        return None if row is None else _test(row)

    def findings(self, test: str) -> Sequence[Finding]:
        """By area, then speaker."""
        query = select(FindingRecord).where(FindingRecord.test == test)
        rows = self._session.scalars(query.order_by(FindingRecord.area, FindingRecord.speaker))
        return [Finding(**_values(row, Finding)) for row in rows]

    def forget_before(self, at_ms: int) -> None:
        old = select(SilentTestRecord.id).where(SilentTestRecord.at_ms < at_ms)
        self._session.execute(delete(FindingRecord).where(FindingRecord.test.in_(old)))
        self._session.execute(delete(SilentTestRecord).where(SilentTestRecord.at_ms < at_ms))


def _test(row: SilentTestRecord) -> SilentTest:
    townships = {code: (asked, passed) for code, (asked, passed) in json.loads(row.townships).items()}
    return SilentTest(row.id, row.at_ms, row.ended_ms, row.by, townships)
