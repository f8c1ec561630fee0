"""Accounts (账号) beyond a name and a password: what needs a second person, invitations, machines' tokens. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from broadcast.domain.broadcasts import Fault
from broadcast.domain.errors import BroadcastError, Overtaken
from broadcast.domain.officers import Grant, Officer, Role, Verb
from broadcast.domain.rights import BROADCASTING, GRANTABLE, RIGHTS, STARTS
from endpoints.area_codes import covers

LONGEST_NAME, LONGEST_TITLE, LONGEST_REASON = 64, 40, 500
DAY_MS = 86_400_000
MOST_GRANT_DAYS, MOST_TOKEN_DAYS, MOST_SCREEN_DAYS = 366, 366, 3_660
CHANGE_MS = 7 * DAY_MS  # how long a change waits for its second person
MOST_GRANTS = 50
CONSOLE, MACHINE = "@console", "token:"  # names of those who have no account
TOKEN_MARK = "lbt_"  # noqa: S105  what a machine's token begins with, so that one that leaked is found by search

FOR_MACHINES = STARTS | {
    Verb.READ,
    Verb.PREVIEW,
    Verb.STOP,
    Verb.ALL_CLEAR,
    Verb.WITNESS,
    Verb.PLAN_PROGRAMME,
    Verb.MANAGE_ASSETS,
    Verb.MANAGE_ESTATE,
    Verb.TEST_SPEAKER,
    Verb.READ_AUDIT,
    Verb.EXPORT_AUDIT,
    Verb.BACK_UP,
}
FOR_SCREENS = frozenset({Verb.READ})


class ChangeKind(StrEnum):
    """What a second person has to confirm: what gives somebody more, and the table that says who is asked at all.

    The console has a word for each under `change.*`.
    """

    INVITE = "invite"
    ALTER = "alter"  # role, area, title
    GRANT = "grant"
    ENABLE = "enable"
    PASSWORD = "password"  # noqa: S105  of another
    FACTOR = "factor"  # take another's second factor away
    TOKEN = "token"  # noqa: S105
    POLICY = "policy"  # who has to agree to what


class ChangeState(StrEnum):
    """How far it got."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class AccountChange:
    """A change of accounts that takes effect when another person confirms it.

    :param subject: whose account, or which token.
    :param area: of the subject, and of the change: who confirms holds both.
    :param facts: what is to be, for people to read.
    :param hashed: of a password or a secret that is part of it; shown to nobody.
    """

    id: str
    kind: ChangeKind
    subject: str
    areas: tuple[str, ...]
    by: str
    at_ms: int
    facts: Mapping[str, str] = field(default_factory=dict)
    hashed: str = ""
    state: ChangeState = ChangeState.WAITING
    decided_by: str = ""
    decided_ms: int = 0
    reason: str = ""

    def state_at(self, now_ms: int) -> ChangeState:
        over = self.state is ChangeState.WAITING and now_ms >= self.at_ms + CHANGE_MS
        return ChangeState.EXPIRED if over else self.state


class UnknownChange(BroadcastError):
    """There is no such change, or none in the officer's area."""

    def __init__(self, change: str) -> None:
        self.change = change
        super().__init__(f"there is no change {change}")


class ChangeDecided(BroadcastError):
    """It was confirmed, rejected, or has waited too long."""

    def __init__(self, change: str, state: ChangeState) -> None:
        self.change, self.state = change, state.value
        super().__init__(f"change {change} is {state.value} already")


class ChangeStale(BroadcastError):
    """What it starts from is no longer so: the account was changed meanwhile, or its author may not do this any longer."""

    def __init__(self, change: str) -> None:
        self.change = change
        super().__init__(f"what change {change} starts from is no longer so; ask for it again")


class OwnChange(BroadcastError):
    """Who asks for a change, or gains by it, does not confirm it."""

    def __init__(self, change: str, officer: str) -> None:
        self.change, self.officer = change, officer
        super().__init__(f"{officer} asked for this change or gains by it; another person has to confirm it")


class LastAdministrator(BroadcastError):
    """Without this account nobody could look after accounts."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} is the last administrator here")


class AccountChanged(Overtaken):
    """Somebody has changed the account since it was read."""

    def __init__(self, name: str, revision: int, by: str = "", at_ms: int = 0) -> None:
        self.name = name
        super().__init__(f"{name} has been changed", revision, by, at_ms)


class UnknownInvitation(BroadcastError):
    """This code opens nothing: wrong, used, withdrawn or too old. Which of them is not said."""

    def __init__(self) -> None:
        super().__init__("this invitation can't be used; ask for a new one")


class UnknownGrant(BroadcastError):
    """This officer has no such grant."""

    def __init__(self, grant: str) -> None:
        self.grant = grant
        super().__init__(f"there is no grant {grant}")


class UnknownToken(BroadcastError):
    """There is no such token."""

    def __init__(self, token: str) -> None:
        self.token = token
        super().__init__(f"there is no token {token}")


def name_faults(name: str) -> list[Fault]:
    """What a name can't be: empty, too long, unreadable, or one of those who have no account."""
    if not name.strip():
        return [Fault("name", "missing")]
    if len(name) > LONGEST_NAME:
        return [Fault("name", "too-long", (("most", str(LONGEST_NAME)), ("length", str(len(name)))))]
    if name != name.strip() or not name.isprintable():
        return [Fault("name", "control-characters")]
    if "/" in name or name.endswith(CONSOLE) or name.startswith(MACHINE):
        return [Fault("name", "malformed")]
    return []


def title_faults(title: str) -> list[Fault]:
    """What somebody is called on the pages."""
    if len(title) > LONGEST_TITLE:
        return [Fault("title", "too-long", (("most", str(LONGEST_TITLE)), ("length", str(len(title)))))]
    return [] if not title or title.isprintable() else [Fault("title", "control-characters")]


def grant_faults(grant: Grant, *, now_ms: int) -> list[Fault]:
    """What can't be delegated: nothing, looking after others, for longer than a year, or into the past."""
    faults: list[Fault] = []
    if not grant.verbs:
        faults.append(Fault("verbs", "missing"))
    faults += [Fault("verbs", "not-offered", (("value", verb.value),)) for verb in sorted(grant.verbs - GRANTABLE)]
    if grant.until_ms <= max(grant.from_ms, now_ms):
        faults.append(Fault("until", "ends-before-it-begins"))
    elif grant.until_ms - max(grant.from_ms, now_ms) > MOST_GRANT_DAYS * DAY_MS:
        faults.append(Fault("until", "out-of-range"))
    if grant.daily_min is not None and grant.daily_min[0] == grant.daily_min[1]:
        faults.append(Fault("daily", "out-of-range"))
    return faults


def is_raise(before: Officer, after: Officer) -> bool:
    """Whether the second may do anything, anywhere, that the first may not."""
    more = RIGHTS[after.role] - RIGHTS[before.role]
    wider = not covers(before.area, after.area)
    freed = (before.exercise_only and not after.exercise_only) or (before.must_drill and not after.must_drill)
    return bool(more) or wider or freed


def pin_faults(pin: str) -> list[Fault]:
    """A PIN is 4 to 12 digits, and none that everybody tries first."""
    if not (4 <= len(pin) <= 12 and pin.isascii() and pin.isdigit()):
        return [Fault("pin", "malformed")]
    steps = {int(later) - int(earlier) for earlier, later in pairwise(pin)}
    return [Fault("pin", "too-simple")] if len(steps) == 1 and steps <= {-1, 0, 1} else []


def confirmers(officers: Collection[Officer]) -> list[str]:
    """Who could be the second person, by name."""
    return [one.name for one in officers if Verb.CONFIRM_OFFICERS in RIGHTS[one.role]]


def is_second_person(role: Role) -> bool:
    return Verb.CONFIRM_OFFICERS in RIGHTS[role]


def needs_grant(verb: Verb) -> bool:
    """Whether a township may do this only by grant."""
    return verb in BROADCASTING


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What the installation asks of its accounts (`[accounts]` of the settings).

    :param two_person: inviting, raising rights and making tokens wait for another person.
    :param drill_first: whoever was invited passes a drill before sending anything live.
    :param lock_after_min: a screen that nobody touches locks itself; 0: never.
    :param step_up_min: before an emergency a sign-in that is older says again who it is; 0: never.
    :param invitation_hours: how long an invitation can be used.
    """

    two_person: bool = True
    drill_first: bool = True
    lock_after_min: int = 15
    step_up_min: int = 0
    invitation_hours: int = 72
