"""The approval policy over the API: an ordered table, the first rule that fits counts."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from broadcast.domain.accounts import ChangeState
from broadcast.domain.approval import PolicyChanged
from broadcast.domain.approval_policy import (
    LONGEST_WAIT_S,
    MAX_RULES,
    SHORTEST_WAIT_S,
    AtDeadline,
    Demand,
    Policy,
    Rule,
    Source,
)
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.service.policies import PolicyVersion
from broadcast.web.models import In, KindWord, SeverityWord
from broadcast.web.openapi import Api, Call
from broadcast.web.words import rfc3339
from endpoints.protocol import Kind, Level, Severity

api = Api()

LevelWord = Literal["village", "township", "city", "prefecture", "province"]


class RuleModel(In):
    """One line; an empty condition fits everything. `wide`: more than one township. `auto-start` is for pinned sources only."""

    demand: Literal["none", "second-person", "auto-start"]
    exercise: bool | None = None
    sources: Annotated[list[Literal["text", "plan", "pinned"]], Field(max_length=3, default_factory=list)]
    levels: Annotated[list[LevelWord], Field(max_length=5, default_factory=list)]
    kinds: Annotated[list[KindWord], Field(max_length=3, default_factory=list)]
    severities: Annotated[list[SeverityWord], Field(max_length=5, default_factory=list)]
    wide: bool | None = None
    within_s: Annotated[int, Field(ge=SHORTEST_WAIT_S, le=LONGEST_WAIT_S)] = 600
    at_deadline: Literal["refuse", "release"] = "refuse"
    break_glass: bool = True

    def rule(self) -> Rule:
        return Rule(
            Demand(self.demand),
            exercise=self.exercise,
            sources=tuple(Source(one) for one in self.sources),
            levels=tuple(Level[one.upper()] for one in self.levels),
            kinds=tuple(Kind[one.upper()] for one in self.kinds),
            severities=tuple(Severity[one.upper()] for one in self.severities),
            wide=self.wide,
            within_s=self.within_s,
            at_deadline=AtDeadline(self.at_deadline),
            break_glass=self.break_glass,
        )

    @classmethod
    def of(cls, one: Rule) -> "RuleModel":
        return cls.model_construct(
            demand=one.demand.value,
            exercise=one.exercise,
            sources=[source.value for source in one.sources],
            levels=[level.name.lower() for level in one.levels],
            kinds=[kind.name.lower() for kind in one.kinds],
            severities=[severity.name.lower() for severity in one.severities],
            wide=one.wide,
            within_s=one.within_s,
            at_deadline=one.at_deadline.value,
            break_glass=one.break_glass,
        )


class PolicyIn(In):
    """The whole table."""

    rules: Annotated[list[RuleModel], Field(min_length=1, max_length=MAX_RULES)]


class PolicyOut(BaseModel):
    """A version of the table; revision 0 is that as delivered. `in_force` false: one officer alone, nobody is asked.

    `waiting`: this table is not in force yet; the change of that id (`/account-changes`) waits for a second person.
    """

    revision: int
    saved: str | None
    saved_by: str
    in_force: bool
    waiting: str | None
    rules: list[RuleModel]


class PoliciesOut(BaseModel):
    items: list[PolicyOut]


@api.get("/policies/approval")
async def get_approval_policy(call: Call) -> PolicyOut:
    """Who has to agree to what; the ETag is what If-Match names."""
    return _out(call, call.services.policy.now)


@api.get("/policies/approval/history")
async def approval_policy_history(call: Call) -> PoliciesOut:
    """All its versions, oldest first, that as delivered before all."""
    found = await call.services.policy.history(by=call.officer)
    return PoliciesOut(items=[_out(call, one) for one in found])


@api.put(
    "/policies/approval",
    versioned=True,
    errors=(RoleNotGranted, AreaNotGranted, PolicyChanged),
    verb=Verb.MANAGE_POLICY,
)
async def change_approval_policy(call: Call, body: PolicyIn) -> PolicyOut:
    """Another table, in force when a second person has confirmed it; the answer is the one in force, with what waits (`waiting`).

    What was asked before keeps the rule under which it was asked. If-Match "0" at first.
    """
    policy = Policy(tuple(one.rule() for one in body.rules))
    asked = await call.services.admission.changes.alter_policy(policy, revision=call.revision, by=call.officer)
    waits = asked.change.state is ChangeState.WAITING
    return _out(call, call.services.policy.now, waiting=asked.change.id if waits else None)


def _out(call: Call, one: PolicyVersion, waiting: str | None = None) -> PolicyOut:
    call.headers["ETag"] = f'"{one.revision}"'
    return PolicyOut(
        revision=one.revision,
        saved=rfc3339(one.saved_at_ms) if one.saved_at_ms else None,
        saved_by=one.saved_by,
        in_force=call.services.policy.second_person,
        waiting=waiting,
        rules=[RuleModel.of(rule) for rule in one.policy.rules],
    )
