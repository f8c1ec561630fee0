"""What statistics need of the store."""

from collections.abc import Sequence
from typing import Protocol

from broadcast.domain.statistics import SpeakerDay


class SpeakerDays(Protocol):
    """For how long each speaker was seen on each day."""

    def add(self, rows: Sequence[SpeakerDay]) -> None: ...  # to what is there
    def between(self, first: str, last: str) -> Sequence[SpeakerDay]: ...  # both days included; by day, then by speaker
    def forget_before(self, day: str) -> None: ...
