"""Saved plans in all their versions, officers' drafts, and the drills that were held."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from sqlalchemy import CursorResult, Index, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.commands import command_from, command_map
from broadcast.domain.drafts import Draft
from broadcast.domain.drills import Acknowledged, Run, Score, Script
from broadcast.domain.plans import Plan, PlanVersion, UnknownPlan
from broadcast.domain.templates import Filling
from broadcast.store.base import Base, key
from endpoints.protocol import Severity


class SavedPlanRecord(Base):
    """One version of a saved plan; what is asked for as JSON in `body`."""

    __tablename__ = "saved_plan"

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str]
    owner: Mapped[str]
    hotkey: Mapped[int]
    body: Mapped[str]
    saved_at_ms: Mapped[int]
    saved_by: Mapped[str]
    approved_at_ms: Mapped[int]
    approved_by: Mapped[str]
    retired: Mapped[bool]


class DraftRecord(Base):
    """One form as an officer left it."""

    __tablename__ = "draft"

    officer: Mapped[str] = mapped_column(key(100), primary_key=True)
    name: Mapped[str] = mapped_column(key(40), primary_key=True)
    revision: Mapped[int]
    saved_at_ms: Mapped[int] = mapped_column(index=True)
    body: Mapped[str]


class DrillRecord(Base):
    """One drill that was held; script, acknowledgements and scores as JSON."""

    __tablename__ = "drill"
    __table_args__ = (Index(None, "ended_ms"),)

    id: Mapped[str] = mapped_column(key(26), primary_key=True)
    script: Mapped[str]
    broadcast: Mapped[str]
    by: Mapped[str]
    area: Mapped[str]
    began_ms: Mapped[int]
    ends_ms: Mapped[int]
    acknowledged: Mapped[str]
    ended_ms: Mapped[int]
    scores: Mapped[str]
    percent: Mapped[int]


class Plans:
    """Repository of saved plans."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, version: PlanVersion) -> None:
        """:raises StoreRefused: there is this revision of it already."""
        plan = version.plan
        self._session.add(
            SavedPlanRecord(
                id=plan.id,
                revision=version.revision,
                title=plan.title,
                owner=plan.owner,
                hotkey=plan.hotkey,
                body=_dumps(_body(plan)),
                saved_at_ms=version.saved_at_ms,
                saved_by=version.saved_by,
                approved_at_ms=version.approved_at_ms,
                approved_by=version.approved_by,
                retired=version.retired,
            )
        )
        self._session.flush()

    def approve(self, version: PlanVersion) -> None:
        """:raises UnknownPlan: there is no such version."""
        row = self._session.get(SavedPlanRecord, (version.plan.id, version.revision))
        if row is None:
            raise UnknownPlan(version.plan.id)
        row.approved_at_ms, row.approved_by = version.approved_at_ms, version.approved_by
        self._session.flush()

    def of(self, plan: str) -> Sequence[PlanVersion]:
        """All its versions, oldest first."""
        query = select(SavedPlanRecord).where(SavedPlanRecord.id == plan).order_by(SavedPlanRecord.revision)
        return [_version(row) for row in self._session.scalars(query)]

    def all(self) -> Sequence[PlanVersion]:
        """Of all plans, retired ones included, by id and revision."""
        query = select(SavedPlanRecord).order_by(SavedPlanRecord.id, SavedPlanRecord.revision)
        return [_version(row) for row in self._session.scalars(query)]


class Drafts:
    """Repository of drafts."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, draft: Draft) -> None:
        """What stood there before gives way."""
        self._session.merge(DraftRecord(**asdict(draft)))
        self._session.flush()

    def get(self, officer: str, name: str) -> Draft | None:
        row = self._session.get(DraftRecord, (officer, name))
        return None if row is None else _draft(row)

    def of(self, officer: str) -> Sequence[Draft]:
        """Newest first."""
        query = select(DraftRecord).where(DraftRecord.officer == officer)
        query = query.order_by(DraftRecord.saved_at_ms.desc(), DraftRecord.name)
        return [_draft(row) for row in self._session.scalars(query)]

    def drop(self, officer: str, name: str) -> bool:
        """Whether there was one."""
        query = delete(DraftRecord).where(DraftRecord.officer == officer, DraftRecord.name == name)
        return cast(CursorResult[Any], self._session.execute(query)).rowcount > 0

    def forget_before(self, at_ms: int) -> None:
        self._session.execute(delete(DraftRecord).where(DraftRecord.saved_at_ms < at_ms))


class Drills:
    """Repository of drills."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, run: Run) -> None:
        """What stood there before gives way."""
        plain = {name: getattr(run, name) for name in _PLAIN}
        script = _dumps(asdict(run.script))
        acknowledged, scores = (_dumps([asdict(one) for one in rows]) for rows in (run.acknowledged, run.scores))
        self._session.merge(DrillRecord(**plain, script=script, acknowledged=acknowledged, scores=scores))
        self._session.flush()

    def get(self, drill: str) -> Run | None:
        row = self._session.get(DrillRecord, drill)
        return None if row is None else _run(row)

    def running(self) -> Sequence[Run]:
        """Oldest first."""
        query = select(DrillRecord).where(DrillRecord.ended_ms == 0).order_by(DrillRecord.id)
        return [_run(row) for row in self._session.scalars(query)]

    def page(self, *, before: str | None, limit: int) -> Sequence[Run]:
        """Newest first, those with an id below `before`."""
        query = select(DrillRecord).order_by(DrillRecord.id.desc()).limit(limit)
        if before is not None:
            query = query.where(DrillRecord.id < before)
        return [_run(row) for row in self._session.scalars(query)]


_PLAIN = ("id", "broadcast", "by", "area", "began_ms", "ends_ms", "ended_ms", "percent")


def _body(plan: Plan) -> Mapping[str, Any]:
    filling = plan.filling
    filled = None if filling is None else {**asdict(filling), "severity": int(filling.severity)}
    return {"command": command_map(plan.command), "template": plan.template, "filling": filled, "note": plan.note}


def _version(row: SavedPlanRecord) -> PlanVersion:
    body = json.loads(row.body)
    filled = body["filling"]
    filling = None
    if filled is not None:
        exact = {"severity": Severity(filled["severity"]), "actions": tuple(filled["actions"])}
        filling = Filling(**{**filled, **exact})
    plan = Plan(
        id=row.id,
        title=row.title,
        owner=row.owner,
        command=command_from(body["command"]),
        hotkey=row.hotkey,
        template=body["template"],
        filling=filling,
        note=body["note"],
    )
    return PlanVersion(
        plan, row.revision, row.saved_at_ms, row.saved_by, row.approved_at_ms, row.approved_by, row.retired
    )


def _draft(row: DraftRecord) -> Draft:
    return Draft(row.officer, row.name, row.revision, row.saved_at_ms, row.body)


def _run(row: DrillRecord) -> Run:
    script = json.loads(row.script)
    return Run(
        script=Script(**{**script, "areas": tuple(script["areas"])}),
        acknowledged=tuple(Acknowledged(**one) for one in json.loads(row.acknowledged)),
        scores=tuple(Score(**one) for one in json.loads(row.scores)),
        **{name: getattr(row, name) for name in _PLAIN},
    )


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
