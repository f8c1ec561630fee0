"""What reports need of a printer: tables in, a file out. It knows neither languages nor what the words mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from broadcast.domain.errors import BroadcastError

Value = str | int | float


class PrintingFailed(BroadcastError):
    """The file could not be made now; a repeat may do.

    :param cause: for the technician.
    """

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(f"the file could not be made: {cause}")


@dataclass(frozen=True, slots=True)
class Table:
    """
    :param widths: of the columns on paper, in parts of the whole.
    :param most: rows on paper, 0 leaves the table out there; a spreadsheet has all.
    :param more: the sentence below them when there are more, with a blank `{count}`.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    widths: Sequence[float] = ()
    most: int = 10
    more: str = ""


@dataclass(frozen=True, slots=True)
class Paper:
    """
    :param facts: name and value, at the head.
    :param mark: across the head of an exercise.
    :param foot: the line at the end of the page.
    """

    title: str
    facts: Sequence[tuple[str, Value]]
    tables: Sequence[Table]
    mark: str = ""
    foot: str = ""


class Printer(Protocol):
    """Apart from the event loop and bounded in time. Text stays text: no markup, no formula."""

    async def pdf(self, paper: Paper) -> bytes: ...  # one page of A4; PrintingFailed
    async def xlsx(self, paper: Paper) -> bytes: ...  # a sheet of facts and one for each table; PrintingFailed
