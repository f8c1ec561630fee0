"""Saved plans, drafts and drills as rows."""

from collections.abc import Sequence
from typing import Protocol

from broadcast.domain.drafts import Draft
from broadcast.domain.drills import Run
from broadcast.domain.plans import PlanVersion


class Plans(Protocol):
    """Saved plans (预案). Versions are added; of one that is there only its approval is written."""

    def add(self, version: PlanVersion) -> None: ...  # StoreRefused: there is this revision already
    def approve(self, version: PlanVersion) -> None: ...  # UnknownPlan: there is no such version
    def of(self, plan: str) -> Sequence[PlanVersion]: ...  # oldest first
    def all(self) -> Sequence[PlanVersion]: ...  # by id, then by revision


class Drafts(Protocol):
    def save(self, draft: Draft) -> None: ...  # what is there gives way
    def get(self, officer: str, name: str) -> Draft | None: ...
    def of(self, officer: str) -> Sequence[Draft]: ...  # newest first
    def drop(self, officer: str, name: str) -> bool: ...  # whether there was one
    def forget_before(self, at_ms: int) -> None: ...


class Drills(Protocol):
    def save(self, run: Run) -> None: ...  # what is there gives way
    def get(self, drill: str) -> Run | None: ...
    def running(self) -> Sequence[Run]: ...  # oldest first
    def page(self, *, before: str | None, limit: int) -> Sequence[Run]: ...  # newest first, ids by time
