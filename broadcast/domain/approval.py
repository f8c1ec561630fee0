"""A request for a second person's agreement (送审): what waits, what it is bound to, and how it ends. Pure; time is passed in.

What is approved is the sound that was heard and the targets that were read: both stand in the request, by hash, and a request is
never changed. Whoever wants something else makes another one.
"""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

from broadcast.domain.approval_policy import AtDeadline, Source
from broadcast.domain.broadcasts import Fault, InvalidRequest, Sound, StartBroadcast
from broadcast.domain.commands import command_text
from broadcast.domain.errors import BroadcastError, Overtaken
from endpoints.protocol import Level

LEAST_REASON, MOST_REASON = 2, 300
REVIEW_WITHIN_MS = 30 * 60_000


class Stage(StrEnum):
    """Where a request stands."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"  # 驳回
    RETURNED = "returned"  # 退回: to be done better
    WITHDRAWN = "withdrawn"  # 撤回: by its author
    REFUSED = "refused"  # nobody decided in time
    RELEASED = "released"  # likewise, and the policy lets it go
    BROKEN_GLASS = "broken-glass"  # its author sent it alone


ON_AIR = frozenset({Stage.APPROVED, Stage.RELEASED, Stage.BROKEN_GLASS})


class ApprovalNeeded(BroadcastError):
    """A second person has to agree first; nothing was sent."""

    def __init__(self) -> None:
        super().__init__("the policy wants a second person for this; nothing was sent")


class UnknownApproval(BroadcastError):
    """There is no such request, or none that this officer may see."""

    def __init__(self, approval: str) -> None:
        self.approval = approval
        super().__init__(f"there is no request {approval}")


class ApprovalOver(BroadcastError):
    """It has been decided."""

    def __init__(self, approval: str, stage: Stage) -> None:
        self.approval, self.stage = approval, stage.value
        super().__init__(f"request {approval} is {stage.value} already")


class OwnRequest(BroadcastError):
    """Nobody is the second person to themselves."""

    def __init__(self, approval: str, officer: str) -> None:
        self.approval, self.officer = approval, officer
        super().__init__(f"{officer} has asked for {approval}; somebody else has to decide")


class NotTheAuthor(BroadcastError):
    """Only who asked may take it back or break the glass for it."""

    def __init__(self, approval: str, author: str) -> None:
        self.approval, self.author = approval, author
        super().__init__(f"{author} has asked for {approval}; nobody else may do this with it")


class NotWhatWaits(BroadcastError):
    """What was heard or read is not what waits; nothing was sent."""

    def __init__(self, approval: str) -> None:
        self.approval = approval
        super().__init__(f"what waits as {approval} is not what was heard and read; look at it again")


class GlassUnbreakable(BroadcastError):
    """The policy lets nobody send this alone."""

    def __init__(self, approval: str) -> None:
        self.approval = approval
        super().__init__(f"the policy does not let anybody send {approval} alone")


class NothingToReview(BroadcastError):
    """The glass of this request was not broken, or that has been reviewed."""

    def __init__(self, approval: str) -> None:
        self.approval = approval
        super().__init__(f"nothing waits for a review at {approval}")


class TooManyWaiting(BroadcastError):
    """This officer has enough requests open; approvers could not see the one that matters."""

    def __init__(self, officer: str, most: int) -> None:
        self.officer, self.most = officer, most
        super().__init__(f"{officer} has {most} requests open already; withdraw one first")


class AuthorGone(BroadcastError):
    """The author's account is no more; nobody can send in that name."""

    def __init__(self, approval: str, author: str) -> None:
        self.approval, self.author = approval, author
        super().__init__(f"{author}, who asked for {approval}, has no account any more; nothing was sent")


class PolicyChanged(Overtaken):
    """Somebody has saved the policy since it was read."""

    def __init__(self, policy: str, revision: int, by: str = "", at_ms: int = 0) -> None:
        self.policy = policy
        super().__init__(f"policy {policy} has been changed", revision, by, at_ms)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Times in milliseconds since 1970.

    :param command: with the targets frozen as of the day on which it was asked.
    :param sound: that was rendered when it was asked; the approver hears exactly that.
    :param area, level: of the author then.
    :param replaces: the live broadcast that it would correct, or empty.
    :param plan: the saved plan that it came from, or empty.
    :param digest: of everything that would go on the air, see `digest_of`.
    :param note: about the sound, for people (`speech-unavailable`).
    :param review_by_ms: by when somebody else has to look at a broken glass; 0: nothing to look at.
    """

    id: str
    command: StartBroadcast
    sound: Sound
    digest: bytes
    headline: str
    source: Source
    author: str
    area: str
    level: Level
    asked_ms: int
    deadline_ms: int
    at_deadline: AtDeadline
    break_glass: bool
    replaces: str = ""
    plan: str = ""
    note: str = ""
    stage: Stage = Stage.WAITING
    decided_by: str = ""
    decided_ms: int = 0
    reason: str = ""
    broadcast: str = ""
    review_by_ms: int = 0
    reviewed_by: str = ""
    reviewed_ms: int = 0
    review: str = ""
    justified: bool = False

    @property
    def exercise(self) -> bool:
        return self.command.exercise

    @property
    def wants_review(self) -> bool:
        return self.stage is Stage.BROKEN_GLASS and not self.reviewed_by


def digest_of(command: StartBroadcast, sound: Sound, *, level: Level, replaces: str) -> bytes:
    """SHA-256 over all that decides what sounds where, how urgently and until when."""
    said = "\n".join((command_text(command), sound.asset.hex(), str(int(level)), replaces))
    return hashlib.sha256(said.encode()).digest()


# ---- the machine --------------------------------------------------------------------------------------------------------------


def approve(request: Request, *, by: str, heard: bytes, digest: bytes, now_ms: int) -> Request:
    """:raises OwnRequest, ApprovalOver, NotWhatWaits: it stays as it is."""
    _must_wait(request, now_ms)
    _must_be_another(request, by)
    if heard != request.sound.asset or digest != request.digest:
        raise NotWhatWaits(request.id)
    return _decided(request, Stage.APPROVED, by, now_ms)


def reject(request: Request, *, by: str, reason: str, now_ms: int) -> Request:
    """For good (驳回)."""
    return _turned_down(request, Stage.REJECTED, by, reason, now_ms)


def send_back(request: Request, *, by: str, reason: str, now_ms: int) -> Request:
    """To be done better (退回): the author makes another request."""
    return _turned_down(request, Stage.RETURNED, by, reason, now_ms)


def withdraw(request: Request, *, by: str, now_ms: int) -> Request:
    """:raises NotTheAuthor, ApprovalOver:"""
    _must_wait(request, now_ms)
    if by != request.author:
        raise NotTheAuthor(request.id, request.author)
    return _decided(request, Stage.WITHDRAWN, by, now_ms)


def break_glass(request: Request, *, by: str, reason: str, now_ms: int) -> Request:
    """The author sends it alone (紧急破例). Somebody else has to look at it within 30 minutes.

    :raises NotTheAuthor, GlassUnbreakable, ApprovalOver, InvalidRequest: it stays as it is.
    """
    _must_wait(request, now_ms)
    if by != request.author:
        raise NotTheAuthor(request.id, request.author)
    if not request.break_glass:
        raise GlassUnbreakable(request.id)
    broken = _decided(request, Stage.BROKEN_GLASS, by, now_ms, must_be_reason(reason))
    return replace(broken, review_by_ms=now_ms + REVIEW_WITHIN_MS)


def review(request: Request, *, by: str, justified: bool, note: str, now_ms: int) -> Request:
    """Somebody else says whether the glass had to be broken. :raises NothingToReview, OwnRequest, InvalidRequest:"""
    if not request.wants_review:
        raise NothingToReview(request.id)
    _must_be_another(request, by)
    said = must_be_reason(note, field="note")
    return replace(request, reviewed_by=by, reviewed_ms=now_ms, review=said, justified=justified)


def expire(request: Request, *, now_ms: int) -> Request:
    """What its deadline makes of it; unchanged before. A release can't outlive what it would release."""
    if request.stage is not Stage.WAITING or now_ms < request.deadline_ms:
        return request
    release = request.at_deadline is AtDeadline.RELEASE
    return _decided(request, Stage.RELEASED if release else Stage.REFUSED, "", now_ms)


def must_be_reason(reason: str, *, field: str = "reason") -> str:
    """:raises InvalidRequest: missing, or longer than anybody reads."""
    said = reason.strip()
    if len(said) < LEAST_REASON:
        raise InvalidRequest([Fault(field, "missing")])
    if len(said) > MOST_REASON:
        raise InvalidRequest([Fault(field, "too-long", (("most", str(MOST_REASON)), ("length", str(len(said)))))])
    if any(ord(char) < 32 and char not in "\n\t\r" for char in said):
        raise InvalidRequest([Fault(field, "control-characters")])
    return said


def _turned_down(request: Request, stage: Stage, by: str, reason: str, now_ms: int) -> Request:
    _must_wait(request, now_ms)
    _must_be_another(request, by)
    return _decided(request, stage, by, now_ms, must_be_reason(reason))


def _must_wait(request: Request, now_ms: int) -> None:
    if request.stage is not Stage.WAITING:
        raise ApprovalOver(request.id, request.stage)
    if now_ms >= request.deadline_ms:
        raise ApprovalOver(request.id, expire(request, now_ms=now_ms).stage)


def _must_be_another(request: Request, by: str) -> None:
    if by == request.author:
        raise OwnRequest(request.id, by)


def _decided(request: Request, stage: Stage, by: str, now_ms: int, reason: str = "") -> Request:
    return replace(request, stage=stage, decided_by=by, decided_ms=now_ms, reason=reason)
