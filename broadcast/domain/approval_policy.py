"""Who has to agree before something goes on the air (审批策略): an ordered table, the first rule that fits counts. Pure.

A second person stops the slip of a hand (Hawaii 2018) and must not become a trap: what was approved in advance goes out at once, a
deadline ends every wait, the glass can be broken, and stopping never needs anybody.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from broadcast.domain.areas import AreaTree
from broadcast.domain.broadcasts import Fault, StartBroadcast
from endpoints.area_codes import TOWNSHIP, depth, significant
from endpoints.protocol import Kind, Level, Severity

MAX_RULES = 40
SHORTEST_WAIT_S, LONGEST_WAIT_S = 30, 24 * 3_600


class Source(StrEnum):
    """Where the words come from."""

    TEXT = "text"  # an officer wrote or filled them, or chose a sound
    PLAN = "plan"  # the approved version of a saved plan (预案), as it is
    PINNED = "pinned"  # a warning of an issuer whose key is pinned


class Demand(StrEnum):
    """What is asked before it goes out."""

    NONE = "none"
    SECOND_PERSON = "second-person"
    AUTO_START = "auto-start"  # nobody at all: of pinned sources only


class AtDeadline(StrEnum):
    """What becomes of a request that nobody decided in time."""

    REFUSE = "refuse"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table. An empty condition fits everything.

    :param levels: of command of who asks.
    :param wide: true: more than one township; false: one township or a part of it.
    :param within_s: so long a request waits at most.
    :param break_glass: whether the author may send it alone, with a reason and an alarm.
    """

    demand: Demand
    exercise: bool | None = None
    sources: tuple[Source, ...] = ()
    levels: tuple[Level, ...] = ()
    kinds: tuple[Kind, ...] = ()
    severities: tuple[Severity, ...] = ()
    wide: bool | None = None
    within_s: int = 600
    at_deadline: AtDeadline = AtDeadline.REFUSE
    break_glass: bool = True

    def fits(self, asked: "Asked") -> bool:
        return (
            self.exercise in (None, asked.exercise)
            and self.wide in (None, asked.wide)
            and (not self.sources or asked.source in self.sources)
            and (not self.levels or asked.level in self.levels)
            and (not self.kinds or asked.kind in self.kinds)
            and (not self.severities or asked.severity in self.severities)
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What the table looks at."""

    level: Level
    kind: Kind
    severity: Severity
    wide: bool
    source: Source
    exercise: bool


SAFEST = Rule(Demand.SECOND_PERSON)
"""What holds where no rule fits: an emptied table opens nothing."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The table."""

    rules: tuple[Rule, ...]

    def rule_for(self, asked: Asked) -> Rule:
        """The first that fits. Only a pinned source starts itself, whatever the table says."""
        rule = next((one for one in self.rules if one.fits(asked)), SAFEST)
        return SAFEST if rule.demand is Demand.AUTO_START and asked.source is not Source.PINNED else rule


LOCAL = (Level.VILLAGE, Level.TOWNSHIP)
GRAVE = (Severity.RED, Severity.ORANGE)
_EMERGENCY = (Kind.EMERGENCY,)

DEFAULT = Policy(
    (
        Rule(Demand.NONE, exercise=True),
        Rule(Demand.AUTO_START, sources=(Source.PINNED,)),
        Rule(Demand.NONE, sources=(Source.PLAN,)),
        Rule(Demand.NONE, kinds=(Kind.ROUTINE, Kind.NOTICE)),
        Rule(Demand.SECOND_PERSON, kinds=_EMERGENCY, levels=LOCAL),
        Rule(Demand.SECOND_PERSON, kinds=_EMERGENCY, severities=GRAVE),
        Rule(Demand.SECOND_PERSON, kinds=_EMERGENCY, wide=True),
        Rule(Demand.NONE, kinds=_EMERGENCY),
    )
)
"""As delivered: an exercise, routine and notices by one person; an emergency of a township or village, a red or orange one, or one
to more than a township by two, unless its plan was approved in advance."""

ALONE = Policy((Rule(Demand.NONE),))
"""For a machine with one officer (`rules.second_person = false`): nobody else could agree."""


def asked_of(command: StartBroadcast, *, level: Level, source: Source, tree: AreaTree, homes: Iterable[str]) -> Asked:
    """:param homes: the areas in which the single speakers stand."""
    wide = is_wide((*command.areas, *homes), tree)
    return Asked(level, command.kind, command.severity, wide, source, command.exercise)


def is_wide(areas: Sequence[str], tree: AreaTree) -> bool:
    """Whether these are more than one township, told by whatever names: 26 of 27 townships are not less than a county."""
    townships: set[str] = set()
    for area in areas:
        if depth(area) < TOWNSHIP:
            below = [one for one in tree if depth(one.code) >= TOWNSHIP and one.code.startswith(significant(area))]
            townships |= {significant(one.code)[:TOWNSHIP] for one in below}
        else:
            townships.add(significant(area)[:TOWNSHIP])
        if len(townships) > 1:
            return True
    return False


def policy_faults(policy: Policy) -> list[Fault]:
    """Every line that can't be taken as it is."""
    faults: list[Fault] = []
    if not policy.rules:
        faults.append(Fault("rules", "missing"))
    if len(policy.rules) > MAX_RULES:
        faults.append(Fault("rules", "too-many", (("most", str(MAX_RULES)),)))
    for index, rule in enumerate(policy.rules[:MAX_RULES]):
        if rule.demand is Demand.AUTO_START and rule.sources != (Source.PINNED,):
            faults.append(Fault(f"rules.{index}.demand", "only-for-pinned"))
        if not SHORTEST_WAIT_S <= rule.within_s <= LONGEST_WAIT_S:
            facts = (("low", str(SHORTEST_WAIT_S)), ("high", str(LONGEST_WAIT_S)))
            faults.append(Fault(f"rules.{index}.within_s", "out-of-range", facts))
    return faults


# ---- as text ------------------------------------------------------------------------------------------------------------------


def policy_text(policy: Policy) -> str:
    """JSON, to be kept; `policy_of` reads it."""
    rules = [
        {**asdict(rule), "levels": [int(one) for one in rule.levels], "kinds": [int(one) for one in rule.kinds]}
        for rule in policy.rules
    ]
    return json.dumps({"rules": rules}, ensure_ascii=False, separators=(",", ":"))


def policy_of(text: str) -> Policy:
    """:raises ValueError, TypeError, KeyError: it is no policy of ours."""
    return Policy(tuple(_rule(one) for one in json.loads(text)["rules"]))


def _rule(found: dict[str, Any]) -> Rule:
    kept = dict(found)
    kept["demand"], kept["at_deadline"] = Demand(kept["demand"]), AtDeadline(kept["at_deadline"])
    for name, kind in (("sources", Source), ("levels", Level), ("kinds", Kind), ("severities", Severity)):
        kept[name] = tuple(kind(one) for one in kept[name])
    return Rule(**kept)
