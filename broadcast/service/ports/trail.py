"""What the audit trail needs of the store."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from broadcast.domain.audit import Checkpoint, Entry, Head


class ActRow(NamedTuple):
    """One line of the duty log: who did what to what. The store chains it (`domain.audit`)."""

    at_ms: int
    officer: str
    verb: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class ActFilter:
    """Which acts; an empty field means all.

    :param before: those with a lower number: the cursor of pages that go from the newest to the oldest.
    """

    officer: str = ""
    verb: str = ""
    subject: str = ""
    from_ms: int | None = None
    until_ms: int | None = None
    before: int | None = None


class Acts(Protocol):
    """The duty log. It grows, and nothing else: the database refuses every change."""

    def add(self, act: ActRow) -> None: ...  # StoreRefused: half a surrogate pair, or a number beyond 64 bits
    def page(self, *, limit: int) -> Sequence[ActRow]: ...  # newest first
    def head(self) -> Head: ...
    def entries(
        self, *, after: int, limit: int
    ) -> Sequence[Entry]: ...  # by number; plain tuples, whatever is in the table
    def find(self, wanted: ActFilter, *, limit: int) -> Sequence[Entry]: ...  # newest first
    def links(self, numbers: Collection[int]) -> Mapping[int, bytes]: ...  # of those that are there


class Checkpoints(Protocol):
    """Signed states of the trail. They are added and never changed."""

    def add(self, checkpoint: Checkpoint) -> None: ...  # StoreRefused: there is one at this act
    def last(self) -> Checkpoint | None: ...
    def after(self, seq: int, *, limit: int) -> Sequence[Checkpoint]: ...  # by number of the act
