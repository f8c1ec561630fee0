"""How many frames a speaker did not believe, and why."""

from dataclasses import dataclass

from endpoints.shelf import Verdict


@dataclass(slots=True)
class Refusals:
    """Frames that were not believed, since boot."""

    unreadable: int = 0
    not_authentic: int = 0
    foreign: int = 0
    old: int = 0

    def count(self, verdict: Verdict) -> None:
        if verdict is Verdict.UNREADABLE:
            self.unreadable += 1
        elif verdict is Verdict.NOT_AUTHENTIC:
            self.not_authentic += 1
        elif verdict is Verdict.FOREIGN:
            self.foreign += 1
        elif verdict is Verdict.OLD:
            self.old += 1

    def as_tuple(self) -> tuple[int, int, int, int]:
        return self.unreadable, self.not_authentic, self.foreign, self.old
