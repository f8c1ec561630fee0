"""Officers (值班人员): who there is, and what was delegated to them. What they may do is in `rights.py`."""

from dataclasses import dataclass
from enum import StrEnum

from broadcast.domain.errors import BroadcastError
from endpoints.area_codes import TOWNSHIP, VILLAGE, depth
from endpoints.protocol import Level

DAY_MIN = 1_440
BEIJING_MIN = (
    480  # daily hours of a grant are those of the clock on the wall, which is Beijing's everywhere in the country
)


class Role(StrEnum):
    """What a person is here for."""

    DUTY = "duty"  # 值班员: starts and stops broadcasts in the own area
    APPROVER = "approver"  # 审批员: hears and approves what others want to send
    TECHNICIAN = "technician"  # 技术员: looks after speakers, sounds and backups
    SUPERVISOR = "supervisor"  # 监督员: approves, reads the audit trail, confirms changes of accounts
    ADMINISTRATOR = "administrator"  # 管理员: looks after accounts and areas, and may do what duty may
    VIEWER = "viewer"  # 观察员: looks on


class Verb(StrEnum):
    """Every act that somebody may or may not do. The console has a word for each under `verb.*`."""

    SELF = "self"  # see who one is, lock, unlock, sign out
    OWN_ACCOUNT = "own_account"  # one's own password, PIN and second factor
    READ = "read"
    START_ROUTINE = "start_routine"
    START_NOTICE = "start_notice"
    START_EMERGENCY = "start_emergency"
    START_LIFE_SAFETY = "start_life_safety"
    LIVE = "live"
    STOP = "stop"
    ALL_CLEAR = "all_clear"
    BREAK_GLASS = "break_glass"
    PREVIEW = "preview"
    WITNESS = "witness"  # say whether it was heard by ear
    APPROVE = "approve"
    PLAN_PROGRAMME = "plan_programme"
    MANAGE_PLANS = "manage_plans"  # write 预案
    MANAGE_ASSETS = "manage_assets"
    APPROVE_ASSET = "approve_asset"
    MANAGE_ESTATE = "manage_estate"
    TEST_SPEAKER = "test_speaker"
    MANAGE_OFFICERS = "manage_officers"
    CONFIRM_OFFICERS = "confirm_officers"  # the second person of a change of accounts
    MANAGE_POLICY = "manage_policy"
    READ_AUDIT = "read_audit"
    EXPORT_AUDIT = "export_audit"
    BACK_UP = "back_up"
    DRILL = "drill"
    ACKNOWLEDGE_ALARM = "acknowledge_alarm"
    HAND_OVER = "hand_over"
    HOLD_CONFERENCE = "hold_conference"  # book, begin and chair
    JOIN_CONFERENCE = "join_conference"  # sit in it


class AreaNotGranted(BroadcastError):
    """This officer may not act on that area."""

    def __init__(self, officer: str, area: str) -> None:
        self.officer, self.area = officer, area
        super().__init__(f"{officer} may not act on area {area}")


class RoleNotGranted(BroadcastError):
    """The officer's role does not hold this."""

    def __init__(self, officer: str, role: Role, verb: str) -> None:
        self.officer, self.role, self.verb = officer, role.value, verb
        super().__init__(f"{officer} is {role.value} and may not {verb}")


def level_of(area: str) -> Level:
    """The level of command that an area belongs to; a grid's is its village's."""
    digits = depth(area)
    if digits >= VILLAGE:
        return Level.VILLAGE
    if digits >= TOWNSHIP:
        return Level.TOWNSHIP
    return Level.CITY if digits >= 6 else Level.PREFECTURE if digits >= 4 else Level.PROVINCE


@dataclass(frozen=True, slots=True)
class Grant:
    """A right that was delegated (授权): these acts in that area, for a time. What may be broadcast is part of the verbs.

    :param from_ms, until_ms: in force from the first and before the second.
    :param daily_min: minutes of the day, Beijing time, between which it is in force; (1320, 360) spans midnight. None: all day.
    :param by: who delegated it.
    """

    id: str
    verbs: frozenset[Verb]
    area: str
    from_ms: int
    until_ms: int
    by: str
    daily_min: tuple[int, int] | None = None

    def holds(self, now_ms: int) -> bool:
        """Whether it is in force."""
        if not self.from_ms <= now_ms < self.until_ms:
            return False
        if self.daily_min is None:
            return True
        start, end = self.daily_min
        minute = (now_ms // 60_000 + BEIJING_MIN) % DAY_MIN
        return start <= minute < end if start <= end else minute >= start or minute < end


@dataclass(frozen=True, slots=True)
class Officer:
    """Someone who has signed in, or a machine with a token.

    :param area: acts here and in what lies inside.
    :param grants: what was delegated beside what the role holds.
    :param verbs: of a machine: these and no others, whatever its role. None: a person.
    :param exercise_only: an account or a sign-in that is for exercises (演练) and for nothing else.
    :param must_drill: a new account that has not passed its drill: live it sends nothing.
    :param locked: the screen is locked: looking and stopping are left.
    :param step_up: says again who it is before an emergency.
    :param must_change: signed in with a password that somebody else knows; chooses another before anything else.
    """

    name: str
    title: str
    role: Role
    area: str
    grants: tuple[Grant, ...] = ()
    verbs: frozenset[Verb] | None = None
    exercise_only: bool = False
    must_drill: bool = False
    locked: bool = False
    step_up: bool = False
    must_change: bool = False

    @property
    def level(self) -> Level:
        return level_of(self.area)
