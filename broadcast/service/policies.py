"""The approval policy of this installation (审批策略): asked on every trigger, from memory; no version of it is ever lost."""

from collections.abc import Sequence
from dataclasses import dataclass

from broadcast.clock import Clock
from broadcast.domain.approval import ApprovalNeeded, PolicyChanged
from broadcast.domain.approval_policy import (
    ALONE,
    DEFAULT,
    Demand,
    Policy,
    Rule,
    Source,
    asked_of,
    policy_faults,
    policy_of,
    policy_text,
)
from broadcast.domain.areas import AreaTree
from broadcast.domain.broadcasts import InvalidRequest, StartBroadcast
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import may
from broadcast.service.estate import Estate
from broadcast.service.ports import ActRow, PolicyRow, Store, Tx
from endpoints.protocol import Level

NAME = "approval"


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """The table with its version; revision 0 is the one as delivered."""

    policy: Policy
    revision: int = 0
    saved_at_ms: int = 0
    saved_by: str = ""


class ApprovalPolicy:
    """The table in force.

    :param second_person: false: one officer alone; nobody is asked whatever the table says (`rules.second_person`).
    """

    def __init__(self, *, clock: Clock, store: Store, estate: Estate, second_person: bool = True) -> None:
        self._clock, self._store, self._estate = clock, store, estate
        self.second_person = second_person
        self.now = PolicyVersion(DEFAULT)

    async def load(self) -> None:
        """Read the newest version."""
        row = await self._store.read(lambda tx: tx.policies.newest(NAME))
        self.now = PolicyVersion(DEFAULT) if row is None else _version(row)

    def rule_for(self, command: StartBroadcast, *, level: Level, source: Source) -> Rule:
        """What is asked before this goes out."""
        homes = [self._estate.speaker(one).area for one in command.speakers if one in self._estate]
        asked = asked_of(command, level=level, source=source, tree=self._estate.tree, homes=homes)
        return (self.now.policy if self.second_person else ALONE).rule_for(asked)

    def demand(self, command: StartBroadcast, *, by: Officer, source: Source = Source.TEXT) -> Demand:
        """What is asked when this officer sends it."""
        return self.rule_for(command, level=by.level, source=source).demand

    def must_be_free(self, command: StartBroadcast, *, by: Officer) -> None:
        """:raises ApprovalNeeded: words of an officer that a second person has to hear first."""
        if self.demand(command, by=by) is Demand.SECOND_PERSON:
            raise ApprovalNeeded

    async def history(self, *, by: Officer) -> Sequence[PolicyVersion]:
        """Every version, oldest first, that as delivered before all."""
        may(by, Verb.READ, now_ms=self._clock.now_ms())
        rows = await self._store.read(lambda tx: tx.policies.history(NAME))
        return [PolicyVersion(DEFAULT), *map(_version, rows)]

    async def save(self, policy: Policy, *, by: Officer, revision: int) -> PolicyVersion:
        """Another table, in force at once for what is asked from now on; what waits already keeps its rule.

        For whoever sits at the machine; over the web it wants a second person (`AccountChanges.alter_policy`).

        :raises RoleNotGranted, PolicyChanged, InvalidRequest: nothing was stored.
        """
        now_ms = self._clock.now_ms()
        must_rule(by, self._estate.tree, now_ms=now_ms)
        if faults := policy_faults(policy):
            raise InvalidRequest(faults)
        row = PolicyRow(NAME, revision + 1, now_ms, by.name, policy_text(policy))

        def work(tx: Tx) -> None:
            must_be_newest(tx, revision)
            tx.policies.add(row)
            tx.acts.add(ActRow(now_ms, by.name, "change policy", NAME, str(row.revision)))

        await self._store.write(work)
        self.now = _version(row)
        return self.now


def must_rule(by: Officer, tree: AreaTree, *, now_ms: int) -> list[str]:
    """The table holds for the whole county: only who administers all of it changes it. Its areas.

    :raises RoleNotGranted, AreaNotGranted: this officer does not.
    """
    areas = [city.code for city in tree.cities]
    may(by, Verb.MANAGE_POLICY, areas=areas, exercise=None, now_ms=now_ms)
    return areas


def must_be_newest(tx: Tx, revision: int) -> None:
    """:raises PolicyChanged: the table is at another version."""
    newest = tx.policies.newest(NAME)
    if (newest.revision if newest else 0) != revision:
        at = newest or PolicyRow(NAME, 0, 0, "", "")
        raise PolicyChanged(NAME, at.revision, at.saved_by, at.saved_at_ms)


def _version(row: PolicyRow) -> PolicyVersion:
    return PolicyVersion(policy_of(row.body), row.revision, row.saved_at_ms, row.saved_by)
