"""What alarms and shifts need of the store."""

from collections.abc import Sequence
from typing import Protocol

from broadcast.domain.alarms import Alarm
from broadcast.domain.shifts import Shift


class Alarms(Protocol):
    def save(self, alarms: Sequence[Alarm]) -> None: ...  # by id; new ones are added
    def get(self, alarm: str) -> Alarm | None: ...
    def current(self, raised_after_ms: int) -> Sequence[Alarm]: ...  # the open ones and those raised since; by id
    def page(self, *, before: str | None, limit: int) -> Sequence[Alarm]: ...  # newest first, ids by time


class Shifts(Protocol):
    def save(self, shift: Shift) -> None: ...  # by id; a new one is added
    def unended(self) -> Sequence[Shift]: ...  # the current one and offers; newest first
    def page(self, *, before: str | None, limit: int) -> Sequence[Shift]: ...
