"""When the mixer is late: small pictures go first, then all of them, never sound; they come back one step at a time. Pure."""

MOST_LATE = 5  # of 50 ticks in a second
LATE_FOR = 2  # seconds in a row before anything goes
CALM_FOR = 10  # seconds in a row before something comes back
NOTHING, SMALL_PANES, PICTURES = 0, 1, 2


class Shedding:
    """:ivar step: NOTHING, SMALL_PANES or PICTURES."""

    def __init__(self) -> None:
        self.step = NOTHING
        self._late = self._calm = 0

    def second(self, late: int) -> bool:
        """Once a second, with how many ticks of it were late. :returns: whether `step` is another."""
        before = self.step
        if late > MOST_LATE:
            self._late, self._calm = self._late + 1, 0
            if self._late >= LATE_FOR:
                self.step, self._late = min(PICTURES, self.step + 1), 0
        else:
            self._late, self._calm = 0, self._calm + 1
            if self._calm >= CALM_FOR:
                self.step, self._calm = max(NOTHING, self.step - 1), 0
        return self.step != before
