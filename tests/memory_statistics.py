"""Days of speakers in memory."""

from collections.abc import Sequence

from broadcast.domain.statistics import SpeakerDay


class SpeakerDays:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], SpeakerDay] = {}

    def add(self, rows: Sequence[SpeakerDay]) -> None:
        for row in rows:
            was = self.rows.get((row.day, row.speaker), SpeakerDay(row.day, row.speaker, 0, 0))
            summed = SpeakerDay(row.day, row.speaker, was.known_s + row.known_s, was.online_s + row.online_s)
            self.rows[row.day, row.speaker] = summed

    def between(self, first: str, last: str) -> Sequence[SpeakerDay]:
        return [row for at, row in sorted(self.rows.items()) if first <= at[0] <= last]

    def forget_before(self, day: str) -> None:
        self.rows = {at: row for at, row in self.rows.items() if at[0] >= day}
