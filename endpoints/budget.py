"""How long routine has sounded here today: a village that asked for two hours a day gets two hours, over power cuts as well."""

from dataclasses import dataclass

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Spent:
    """So much routine on that day.

    :param day: days since 1970-01-01, by local time at the speaker.
    """

    day: int = 0
    ms: int = 0


class Budget:
    """Counts it. What begins is charged with all that is left of it, and gets back what was not heard: so it is on the disk before
    it sounds, and a power cut in the middle gives nothing away.

    :param kept: what the last run wrote.
    """

    __slots__ = ("spent",)

    def __init__(self, kept: Spent) -> None:
        self.spent = kept

    def is_used_up(self, day: int, budget_min: int) -> bool:
        """Whether nothing may begin any more that day; 0 minutes are no limit. What has begun goes on to its end."""
        return budget_min > 0 and self.spent.day == day and self.spent.ms >= budget_min * MINUTE_MS

    def charge(self, day: int, ms: int) -> None:
        """A day that is not the last one charged begins at nothing; a clock that was set back a day too."""
        self.spent = Spent(day, (self.spent.ms if self.spent.day == day else 0) + ms)

    def give_back(self, day: int, ms: int) -> None:
        """What was charged that day and not heard."""
        if self.spent.day == day:
            self.spent = Spent(day, max(0, self.spent.ms - ms))
