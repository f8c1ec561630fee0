"""Who may do what, where and when: one pure rule, asked by every service. Never only on the screen.

A right comes from the role inside the own area, or from a grant (授权) inside the grant's area and time. Townships and villages
broadcast only by grant; stopping, and the all-clear for what is one's own, needs none.
"""

from collections.abc import Collection, Iterable, Mapping

from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import AreaNotGranted, Grant, Officer, Role, RoleNotGranted, Verb
from endpoints.area_codes import covers
from endpoints.protocol import Kind, Level

__all__ = [
    "AreaNotGranted",
    "ExerciseOnly",
    "Grant",
    "NotDelegated",
    "Officer",
    "PasswordChangeNeeded",
    "Role",
    "RoleNotGranted",
    "SessionLocked",
    "StepUpNeeded",
    "Verb",
    "areas_of",
    "holds",
    "may",
    "may_or_drill",
    "must_hold_one",
    "start_verb",
    "verbs_of",
]

V = Verb
STARTS = frozenset({V.START_ROUTINE, V.START_NOTICE, V.START_EMERGENCY, V.START_LIFE_SAFETY, V.LIVE})
PRACTISING = STARTS | {V.DRILL}  # one of these begins something, if only an exercise
BROADCASTING = STARTS | {V.PLAN_PROGRAMME, V.BREAK_GLASS}  # below the city only by grant
SENDING = BROADCASTING | {V.ALL_CLEAR, V.APPROVE}  # what an account that has passed no drill does in exercises only
URGENT = frozenset({V.START_EMERGENCY, V.START_LIFE_SAFETY, V.LIVE, V.BREAK_GLASS})  # by policy not on an old sign-in
WITH_STARTS = frozenset({V.READ, V.PREVIEW, V.STOP, V.ALL_CLEAR})  # who may begin there may look, try, and end
GRANTABLE = (
    BROADCASTING
    | WITH_STARTS
    | {V.APPROVE, V.APPROVE_ASSET, V.MANAGE_ASSETS, V.TEST_SPEAKER, V.DRILL, V.HOLD_CONFERENCE}
)
WHILE_LOCKED = frozenset({V.SELF, V.READ, V.STOP})
WITH_FIRST_PASSWORD = frozenset({V.SELF, V.OWN_ACCOUNT})  # operations of them say which; the rest is refused
HARMLESS = frozenset({V.SELF, V.OWN_ACCOUNT, V.READ, V.PREVIEW, V.DRILL})  # neither live nor exercise

_EVERYBODY = frozenset({V.SELF, V.OWN_ACCOUNT, V.READ, V.WITNESS})
_STAFF = _EVERYBODY | {V.PREVIEW, V.DRILL, V.ACKNOWLEDGE_ALARM, V.JOIN_CONFERENCE}
_DUTY = _STAFF | BROADCASTING | {V.STOP, V.ALL_CLEAR, V.MANAGE_PLANS, V.MANAGE_ASSETS, V.APPROVE_ASSET, V.HAND_OVER}
_DUTY |= {
    V.HOLD_CONFERENCE
}  # in the own area at every level: a conference is no broadcast; its relay is, and asks for `live`
_TECHNICIAN = _STAFF | {V.MANAGE_ASSETS, V.MANAGE_ESTATE, V.TEST_SPEAKER, V.BACK_UP}
_SUPERVISOR = _STAFF | {
    V.STOP,
    V.APPROVE,
    V.APPROVE_ASSET,
    V.CONFIRM_OFFICERS,
    V.READ_AUDIT,
    V.EXPORT_AUDIT,
    V.HAND_OVER,
}
RIGHTS: Mapping[Role, frozenset[Verb]] = {
    Role.VIEWER: _EVERYBODY,
    Role.DUTY: _DUTY | {V.TEST_SPEAKER},
    Role.APPROVER: _STAFF | {V.STOP, V.APPROVE, V.APPROVE_ASSET},
    Role.TECHNICIAN: _TECHNICIAN,
    Role.SUPERVISOR: _SUPERVISOR,
    Role.ADMINISTRATOR: _DUTY | _TECHNICIAN | _SUPERVISOR | {V.MANAGE_OFFICERS, V.MANAGE_POLICY},
}


class NotDelegated(RoleNotGranted):
    """A township or village broadcasts only what was delegated to it, and nothing is, now."""

    def __init__(self, officer: str, role: Role, verb: str) -> None:
        super().__init__(officer, role, verb)
        self.args = (f"{officer} may {verb} only by a grant that is in force, and has none",)


class ExerciseOnly(BroadcastError):
    """This account, or this sign-in, is for exercises.

    :param must_drill: until it has passed its drill.
    """

    def __init__(self, officer: str, *, must_drill: bool) -> None:
        self.officer, self.must_drill = officer, must_drill
        why = "has to pass a drill first" if must_drill else "is signed in for exercises"
        super().__init__(f"{officer} {why} and may do this in an exercise only")


class SessionLocked(BroadcastError):
    """The screen is locked: looking and stopping are left."""

    def __init__(self) -> None:
        super().__init__("the screen is locked; unlock it first")


class PasswordChangeNeeded(BroadcastError):
    """The password is one that somebody else knows: the first one, or set anew. Another is chosen before anything else."""

    def __init__(self, officer: str) -> None:
        self.officer = officer
        super().__init__(f"{officer} has to choose another password first")


class StepUpNeeded(BroadcastError):
    """The sign-in is too old for an emergency: password or second factor once more."""

    def __init__(self, officer: str) -> None:
        self.officer = officer
        super().__init__(f"{officer} has to say again who this is before an emergency")


def may(
    officer: Officer, verb: Verb, *, areas: Iterable[str] = (), exercise: bool | None = False, now_ms: int = 0
) -> None:
    """Nothing, when the officer may do this in all of these areas now.

    :param areas: empty asks whether the officer may do it anywhere.
    :param exercise: whether it stays inside an exercise; None: not known yet, and asked again when it is.
    :param now_ms: for grants; 0 leaves them out.
    :raises SessionLocked, PasswordChangeNeeded, RoleNotGranted, NotDelegated, AreaNotGranted, ExerciseOnly, StepUpNeeded:
        in this order.
    """
    if officer.locked and verb not in WHILE_LOCKED:
        raise SessionLocked
    if officer.must_change and verb not in WITH_FIRST_PASSWORD:
        raise PasswordChangeNeeded(officer.name)
    grounds = areas_of(officer, verb, now_ms=now_ms)
    if not grounds:
        held = RIGHTS[officer.role] if officer.verbs is None else officer.verbs
        raise (NotDelegated if verb in held else RoleNotGranted)(officer.name, officer.role, verb.value)
    for area in areas:
        if not any(covers(ground, area) for ground in grounds):
            raise AreaNotGranted(officer.name, area)
    if exercise is False and verb not in HARMLESS:
        if officer.exercise_only:
            raise ExerciseOnly(officer.name, must_drill=False)
        if officer.must_drill and verb in SENDING:
            raise ExerciseOnly(officer.name, must_drill=True)
        if officer.step_up and verb in URGENT:
            raise StepUpNeeded(officer.name)


def may_or_drill(
    officer: Officer, verb: Verb, *, areas: Iterable[str] = (), exercise: bool | None, now_ms: int = 0
) -> None:
    """As `may`; inside an exercise (演练) the right to hold one is enough: nobody needs a live right to practise.

    :param exercise: None: not known yet, and asked again when it is.
    """
    places = tuple(areas)
    if exercise is not False and holds(officer, Verb.DRILL, areas=places, now_ms=now_ms):
        return
    may(officer, verb, areas=places, exercise=exercise, now_ms=now_ms)


def must_hold_one(officer: Officer, verbs: Collection[Verb], *, now_ms: int) -> None:
    """The first look at a request, before it is read: one of these rights, in an exercise or live, somewhere.

    :raises SessionLocked, RoleNotGranted, NotDelegated: what the first of them lacks.
    """
    refused: BroadcastError | None = None
    for verb in sorted(verbs):
        try:
            may(officer, verb, exercise=None, now_ms=now_ms)
        except BroadcastError as err:
            refused = refused or err
        else:
            return
    if refused is not None:
        raise refused


def areas_of(officer: Officer, verb: Verb, *, now_ms: int) -> tuple[str, ...]:
    """Where the officer may do this now: its own area, then those of its grants; none: nowhere."""
    if officer.verbs is not None:
        return (officer.area,) if verb in officer.verbs else ()
    own = verb in RIGHTS[officer.role] and (officer.level >= Level.CITY or verb not in BROADCASTING)
    granted = [one.area for one in officer.grants if now_ms and _gives(one, verb) and one.holds(now_ms)]
    return tuple(dict.fromkeys([officer.area, *granted] if own else granted))


def holds(officer: Officer, verb: Verb, *, areas: Iterable[str] = (), now_ms: int = 0) -> bool:
    """Whether `may` would let it pass in an exercise or live; for pages that offer only what can be done."""
    try:
        may(officer, verb, areas=areas, exercise=None, now_ms=now_ms)
    except BroadcastError:
        return False
    return True


def verbs_of(officer: Officer, *, now_ms: int) -> dict[Verb, tuple[str, ...]]:
    """Everything that the officer may do now, and where."""
    found = {verb: areas_of(officer, verb, now_ms=now_ms) for verb in Verb}
    return {verb: areas for verb, areas in found.items() if areas and (not officer.locked or verb in WHILE_LOCKED)}


def _gives(grant: Grant, verb: Verb) -> bool:
    return verb in grant.verbs or (verb in WITH_STARTS and not grant.verbs.isdisjoint(STARTS))


def start_verb(kind: Kind, *, life_safety: bool = False) -> Verb:
    """The right that a broadcast of this kind needs."""
    if kind is Kind.EMERGENCY and life_safety:
        return Verb.START_LIFE_SAFETY
    return _START[kind]


_START: Mapping[Kind, Verb] = {
    Kind.ROUTINE: Verb.START_ROUTINE,
    Kind.NOTICE: Verb.START_NOTICE,
    Kind.EMERGENCY: Verb.START_EMERGENCY,
    Kind.LIVE: Verb.LIVE,
}
