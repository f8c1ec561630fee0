"""The rules of who may do what, and the desk's own work: approvals, plans, drafts, drills.

`Server` hands over what they need; their loops are registered here.
"""

from dataclasses import dataclass

from broadcast.clock import Clock
from broadcast.domain.accounts import AccountRules
from broadcast.server.loops import Loops
from broadcast.service.approvals import Approvals, Bell
from broadcast.service.boards import Boards
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.drafts import Drafts
from broadcast.service.drills import Drills, Passed, nobody
from broadcast.service.effects import Effects
from broadcast.service.estate import Estate
from broadcast.service.feed import Feed
from broadcast.service.ladder import Ladder
from broadcast.service.plans import Plans
from broadcast.service.policies import ApprovalPolicy
from broadcast.service.ports import Sounds, Store
from broadcast.service.presence import Speakers
from broadcast.service.programme_boards import ProgrammeBoards
from broadcast.service.proofs import Proofs
from broadcast.service.reach import Reach
from broadcast.service.reports import Reports
from broadcast.service.statistics import SAMPLE_S, Figures, PresenceHistory
from broadcast.service.wording import Wording
from config.settings import AccountSettings
from endpoints.arbitration import QuietHours
from endpoints.protocol import OrderRule


@dataclass(frozen=True, slots=True)
class Governance:
    """All of them. `load` before anybody asks."""

    policy: ApprovalPolicy
    approvals: Approvals
    plans: Plans
    drafts: Drafts
    drills: Drills
    effects: Effects
    reach: Reach
    reports: Reports
    figures: Figures
    history: PresenceHistory

    async def load(self) -> None:
        """Read what stands in the tables."""
        await self.approvals.load()
        await self.plans.load()
        await self.drills.load()

    def start_loops(self, loops: Loops) -> None:
        """What deadlines lead to."""
        loops.every("approvals", 1.0, self.approvals.tick)
        loops.every("drills", 1.0, self.drills.tick)
        loops.every("presence-history", SAMPLE_S, self.history.tick)
        loops.every("drafts", 3_600.0, self.drafts.housekeep)


def account_rules(asked: AccountSettings) -> AccountRules:
    """What the settings ask of accounts."""
    return AccountRules(
        two_person=asked.two_person,
        drill_first=asked.drill_first,
        lock_after_min=asked.lock_after_min,
        step_up_min=asked.step_up_min,
        invitation_hours=asked.invitation_hours,
    )


def govern(  # the composition root in small: everything by name
    *,
    clock: Clock,
    store: Store,
    estate: Estate,
    boards: Boards,
    routine: ProgrammeBoards,
    broadcasts: Broadcasts,
    policy: ApprovalPolicy,
    ladder: Ladder,
    speakers: Speakers,
    proofs: Proofs,
    wording: Wording,
    sounds: Sounds,
    feed: Feed,
    bell: Bell,
    passed: Passed = nobody,
    rule: OrderRule,
    quiet: QuietHours,
) -> Governance:
    """Make them, in the order in which they need each other.

    :param policy: the same that `broadcasts` has as its gate.
    :param bell: where leaders hear of a broken glass.
    :param passed: told who has passed a drill.
    """
    reach = Reach(clock=clock, estate=estate, boards=boards, speakers=speakers, rule=rule)
    approvals = Approvals(
        clock=clock,
        store=store,
        estate=estate,
        broadcasts=broadcasts,
        sounds=sounds,
        policy=policy,
        bell=bell,
        changed=lambda: feed.spoke(()),
    )
    plans = Plans(clock=clock, store=store, estate=estate, approvals=approvals, wording=wording, sounds=sounds)
    return Governance(
        policy=policy,
        approvals=approvals,
        plans=plans,
        drafts=Drafts(clock=clock, store=store),
        drills=Drills(
            clock=clock,
            store=store,
            estate=estate,
            plans=plans,
            policy=policy,
            ladder=ladder,
            speakers=speakers,
            proofs=proofs,
            stop=broadcasts.stop,
            passed=passed,
            changed=lambda: feed.spoke(()),
        ),
        effects=Effects(
            clock=clock,
            estate=estate,
            boards=boards,
            routine=routine,
            speakers=speakers,
            reach=reach,
            rule=rule,
            quiet=quiet,
        ),
        reach=reach,
        reports=Reports(clock=clock, store=store, estate=estate, proofs=proofs),
        figures=Figures(clock=clock, store=store, estate=estate),
        history=PresenceHistory(clock=clock, store=store, speakers=speakers, estate=estate),
    )
