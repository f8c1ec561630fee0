"""How a site, a request to speak and a conference can stand; the words are those of RFC 4575, RFC 6501 and RFC 8855."""

from collections.abc import Mapping
from enum import StrEnum


class Part(StrEnum):
    """What somebody is in a conference (RFC 6501)."""

    ADMINISTRATOR = "administrator"  # 管理员: an officer with the right over the conference's area, in it or not
    CREATOR = "creator"  # 召集人
    MODERATOR = "moderator"  # 主席: who holds the chair token
    PARTICIPANT = "participant"  # 会场
    OBSERVER = "observer"  # 旁听: sees and hears


class Phase(StrEnum):
    LIVE = "live"
    ENDED = "ended"


class Status(StrEnum):
    """Of a site (endpoint status of RFC 4575 §5.5.4)."""

    PENDING = "pending"  # 未呼叫: on the list, nobody has called
    DIALING_OUT = "dialing-out"  # 呼叫中: it is called and its page is not open
    ALERTING = "alerting"  # 振铃
    DIALING_IN = "dialing-in"  # it has a ticket and negotiates
    ON_HOLD = "on-hold"  # 等候室
    CONNECTED = "connected"  # 已入会
    MUTED_VIA_FOCUS = "muted-via-focus"  # 主席静音: connected; derived, see `Site.shown_status`
    DISCONNECTING = "disconnecting"
    DISCONNECTED = "disconnected"  # 已挂断, 未入会


IN = frozenset({Status.CONNECTED})
CALLED = frozenset({Status.DIALING_OUT, Status.ALERTING})


class Cause(StrEnum):
    """What happens to a site."""

    CALL = "call"
    RING = "ring"
    DIAL_IN = "dial-in"
    HOLD = "hold"
    JOIN = "join"
    LEAVE = "leave"


S, C = Status, Cause
NEXT: Mapping[Status, Mapping[Cause, Status]] = {
    S.PENDING: {C.CALL: S.DIALING_OUT, C.DIAL_IN: S.DIALING_IN, C.LEAVE: S.DISCONNECTED},
    S.DIALING_OUT: {
        C.CALL: S.DIALING_OUT,
        C.RING: S.ALERTING,
        C.DIAL_IN: S.DIALING_IN,
        C.LEAVE: S.DISCONNECTED,
    },
    S.ALERTING: {C.CALL: S.ALERTING, C.RING: S.ALERTING, C.DIAL_IN: S.DIALING_IN, C.LEAVE: S.DISCONNECTED},
    S.DIALING_IN: {
        C.DIAL_IN: S.DIALING_IN,
        C.HOLD: S.ON_HOLD,
        C.JOIN: S.CONNECTED,
        C.LEAVE: S.DISCONNECTED,
    },
    S.ON_HOLD: {C.DIAL_IN: S.ON_HOLD, C.HOLD: S.ON_HOLD, C.JOIN: S.CONNECTED, C.LEAVE: S.DISCONNECTED},
    S.CONNECTED: {C.DIAL_IN: S.CONNECTED, C.JOIN: S.CONNECTED, C.HOLD: S.ON_HOLD, C.LEAVE: S.DISCONNECTED},
    S.DISCONNECTED: {C.CALL: S.DIALING_OUT, C.DIAL_IN: S.DIALING_IN, C.LEAVE: S.DISCONNECTED},
}


class JoinedBy(StrEnum):
    """RFC 4575 joining-method."""

    NONE = ""
    DIALED_IN = "dialed-in"  # 主动入会
    DIALED_OUT = "dialed-out"  # 邀请入会
    FOCUS_OWNER = "focus-owner"  # 召集方


class LeftBy(StrEnum):
    """RFC 4575 disconnection-method."""

    NONE = ""
    DEPARTED = "departed"  # 主动离会
    BOOTED = "booted"  # 被踢
    FAILED = "failed"  # 掉线, or it did not answer
    BUSY = "busy"  # 占线: it declined


class Asking(StrEnum):
    """Of a request for a floor (RFC 8855 §5.2.5)."""

    PENDING = "pending"  # in the queue
    ACCEPTED = "accepted"  # the chair has put it at the head
    GRANTED = "granted"
    DENIED = "denied"
    CANCELLED = "cancelled"  # by who asked
    RELEASED = "released"  # spoke, and gave it back
    REVOKED = "revoked"  # the chair, or the time


class UnmutePolicy(StrEnum):
    CONSENT = "consent"  # the site opens its own microphone when the chair asks
    FORCE = "force"  # 强制: the chair opens it


class RollResult(StrEnum):
    """Of one site in a guided roll call (点名签到)."""

    PRESENT = "present"  # 到
    LATE = "late"  # 迟到
    NO_ANSWER = "no-answer"  # 无应答
    NO_VIDEO = "no-video"  # 无图像
    ABSENT = "absent"  # 未到


class Wall(StrEnum):
    """What the chair's own screen shows (主持人选看, viewType)."""

    PATROL = "patrol"
    PANES = "panes"
    ONE = "one"
