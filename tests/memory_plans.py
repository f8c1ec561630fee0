"""The part of the Store in memory that keeps approvals, policies, plans, drafts and drills."""

from collections.abc import Sequence

from broadcast.domain.approval import Request, Stage, UnknownApproval
from broadcast.domain.drafts import Draft
from broadcast.domain.drills import Run
from broadcast.domain.plans import PlanVersion, UnknownPlan
from broadcast.service.ports import PolicyRow, StoreRefused


class Approvals:
    def __init__(self) -> None:
        self.rows: dict[str, Request] = {}

    def add(self, request: Request) -> None:
        if request.id in self.rows:
            raise StoreRefused(f"{request.id} is taken")
        self.rows[request.id] = request

    def save(self, request: Request) -> None:
        if request.id not in self.rows:
            raise UnknownApproval(request.id)
        self.rows[request.id] = request

    def get(self, approval: str) -> Request | None:
        return self.rows.get(approval)

    def open(self) -> Sequence[Request]:
        return [one for _, one in sorted(self.rows.items()) if one.stage is Stage.WAITING or one.wants_review]

    def page(self, *, before: str | None, limit: int) -> Sequence[Request]:
        return [self.rows[name] for name in sorted(self.rows, reverse=True) if before is None or name < before][:limit]


class Policies:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], PolicyRow] = {}

    def add(self, policy: PolicyRow) -> None:
        if (policy.name, policy.revision) in self.rows:
            raise StoreRefused(f"{policy.name} {policy.revision} is taken")
        self.rows[policy.name, policy.revision] = policy

    def newest(self, name: str) -> PolicyRow | None:
        history = self.history(name)
        return history[-1] if history else None

    def history(self, name: str) -> Sequence[PolicyRow]:
        return [row for key, row in sorted(self.rows.items()) if key[0] == name]


class Plans:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], PlanVersion] = {}

    def add(self, version: PlanVersion) -> None:
        name = (version.plan.id, version.revision)
        if name in self.rows:
            raise StoreRefused(f"{name} is taken")
        self.rows[name] = version

    def approve(self, version: PlanVersion) -> None:
        name = (version.plan.id, version.revision)
        if name not in self.rows:
            raise UnknownPlan(version.plan.id)
        self.rows[name] = version

    def of(self, plan: str) -> Sequence[PlanVersion]:
        return [one for key, one in sorted(self.rows.items()) if key[0] == plan]

    def all(self) -> Sequence[PlanVersion]:
        return [one for _, one in sorted(self.rows.items())]


class Drafts:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Draft] = {}

    def save(self, draft: Draft) -> None:
        self.rows[draft.officer, draft.name] = draft

    def get(self, officer: str, name: str) -> Draft | None:
        return self.rows.get((officer, name))

    def of(self, officer: str) -> Sequence[Draft]:
        mine = [one for one in self.rows.values() if one.officer == officer]
        return sorted(mine, key=lambda one: (-one.saved_at_ms, one.name))

    def drop(self, officer: str, name: str) -> bool:
        return self.rows.pop((officer, name), None) is not None

    def forget_before(self, at_ms: int) -> None:
        self.rows = {key: one for key, one in self.rows.items() if one.saved_at_ms >= at_ms}


class Drills:
    def __init__(self) -> None:
        self.rows: dict[str, Run] = {}

    def save(self, run: Run) -> None:
        self.rows[run.id] = run

    def get(self, drill: str) -> Run | None:
        return self.rows.get(drill)

    def running(self) -> Sequence[Run]:
        return [one for _, one in sorted(self.rows.items()) if not one.is_over]

    def page(self, *, before: str | None, limit: int) -> Sequence[Run]:
        return [self.rows[name] for name in sorted(self.rows, reverse=True) if before is None or name < before][:limit]
