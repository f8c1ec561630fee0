"""One line of `lianbo doctor`."""

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How bad it is."""

    OK = "OK"
    WARN = "WARN"  # it works; somebody should look at it soon
    FAIL = "FAIL"  # the server can't do its work


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at and found, and what to do about it.

    :param remedy: a command or a setting; empty when nothing is to be done.
    """

    grade: Grade
    subject: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"\n      → {self.remedy}" if self.remedy else ""
        return f"{self.grade:<4}  {self.subject}: {self.found}{remedy}"


def ok(subject: str, found: str) -> Finding:
    return Finding(Grade.OK, subject, found)


def warning(subject: str, found: str, remedy: str = "") -> Finding:
    return Finding(Grade.WARN, subject, found, remedy)


def failure(subject: str, found: str, remedy: str = "") -> Finding:
    return Finding(Grade.FAIL, subject, found, remedy)
