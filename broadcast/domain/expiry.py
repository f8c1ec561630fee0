"""What ends on a day that is known (到期): keys and certificates. IPAWS failed twice of a date that nobody watched. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

DAY_MS = 86_400_000
WARN_DAYS = (60, 30, 14, 7, 1)
RANKS = {60: 3, 30: 3, 14: 2, 7: 2, 1: 1, 0: 1}  # 1 sounds until somebody acknowledges it, 3 is a line on the page


@dataclass(frozen=True, slots=True)
class Ending:
    """
    :param what: stable, a part of the condition's name: `signing-key`, `exercise-key`, `broker-certificate`, `broker-ca`.
    :param subject: which, for people: a key id, a file's name.
    """

    what: str
    subject: str
    ends_ms: int


@dataclass(frozen=True, slots=True)
class Warned:
    """
    :param days: left; below 1 it ends today or has ended.
    :param stage: the last of WARN_DAYS that was passed, 0 when it has ended.
    """

    ending: Ending
    days: int
    stage: int

    @property
    def rank(self) -> int:
        return RANKS[self.stage]


def warned(endings: Iterable[Ending], *, now_ms: int) -> list[Warned]:
    """Those that end within sixty days, the first first."""
    found = []
    for one in sorted(endings, key=lambda ending: ending.ends_ms):
        left_ms = one.ends_ms - now_ms
        if left_ms <= 0:
            found.append(Warned(one, left_ms // DAY_MS, 0))
        elif left_ms <= max(WARN_DAYS) * DAY_MS:
            stage = min(days for days in WARN_DAYS if left_ms <= days * DAY_MS)
            found.append(Warned(one, left_ms // DAY_MS, stage))
    return found
