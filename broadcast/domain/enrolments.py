"""Codes by which a box gets its secrets (终端开通): short enough to be typed on a ladder, good once and not for long. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum

from broadcast.domain.errors import BroadcastError

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # no 0 and O, no 1, I and L, no U that looks like V
CODE_LENGTH = 8  # 30^8 = 6.6e11: with 600 tries a minute and 100 open codes, ten years for an even chance
SHORTEST_MIN, USUAL_MIN, LONGEST_MIN = 5, 24 * 60, 7 * 24 * 60
_BOX = re.compile(r"[0-9a-f]{64}")


class UnknownEnrolment(BroadcastError):
    """There is no such enrolment, or none in this officer's area."""

    def __init__(self, enrolment: str) -> None:
        self.enrolment = enrolment
        super().__init__(f"there is no enrolment {enrolment}")


class CodeRefused(BroadcastError):
    """The code opens nothing: never made, withdrawn, past its time, or used by another box. Which, the desk sees."""

    def __init__(self) -> None:
        super().__init__("this code opens nothing; ask the desk for a new one")


class RenewalRefused(BroadcastError):
    """No newer secrets for who asks: unknown, revoked, or not proven by the present key."""

    def __init__(self) -> None:
        super().__init__("there are no newer secrets for this box; enrol it with a code")


class EnrolmentState(StrEnum):
    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One code, of which only a keyed hash is kept.

    :param speaker, area, name, exercise: the speaker that it makes; or, when `replaces`, whose box it changes.
    :param box: the public key of the box that used it, 64 hexadecimal digits; empty while nobody has.
    :param generation: of the secrets that it gave; with newer ones it gives no more.
    :param foreign_tries: so often it was tried with another box after that: somebody has read it off the screen.
    """

    id: str
    code_hash: bytes
    speaker: str
    area: str
    name: str
    exercise: bool
    replaces: bool
    by: str
    made_ms: int
    until_ms: int
    box: str = ""
    used_ms: int = 0
    withdrawn: bool = False
    model: str = ""
    firmware: str = ""
    foreign_tries: int = 0
    generation: int = 0

    def state(self, now_ms: int) -> EnrolmentState:
        if self.box:
            return EnrolmentState.USED
        if self.withdrawn:
            return EnrolmentState.WITHDRAWN
        return EnrolmentState.OPEN if now_ms < self.until_ms else EnrolmentState.EXPIRED


def tidy(typed: str) -> str:
    """A code as it was made, from what somebody typed; what can't be one gives the empty text."""
    code = re.sub(r"[\s-]", "", typed).upper()
    return code if len(code) == CODE_LENGTH and all(letter in ALPHABET for letter in code) else ""


def shown(code: str) -> str:
    """In two halves, as it is read out."""
    return f"{code[: CODE_LENGTH // 2]}-{code[CODE_LENGTH // 2 :]}"


def is_box(text: str) -> bool:
    """Whether it is written as the public key of a box is."""
    return bool(_BOX.fullmatch(text))
