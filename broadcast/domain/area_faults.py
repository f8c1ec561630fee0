"""Every way in which an area table can be wrong, as facts with a place: the console translates `Fault`, people on the command
line read `Problem.sentence`.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum

SHOWN_MAX = 60  # characters of a wrong value that a problem quotes


class Fault(StrEnum):
    """What can be wrong with an area table; the values are stable, the console has a sentence for each."""

    TOO_LARGE = "too-large"
    TOO_MANY_ROWS = "too-many-rows"
    TOO_MANY_COLUMNS = "too-many-columns"
    IS_WORKBOOK = "is-workbook"
    BAD_ENCODING = "bad-encoding"
    BAD_QUOTES = "bad-quotes"
    NO_ROWS = "no-rows"
    NO_COLUMN = "no-column"
    DOUBLE_COLUMN = "double-column"
    EXTRA_VALUES = "extra-values"
    BAD_CODE = "bad-code"
    ROUNDED_CODE = "rounded-code"
    PADDED_CODE = "padded-code"
    ABOVE_COUNTY = "above-county"
    BAD_LEVEL = "bad-level"
    WRONG_LEVEL = "wrong-level"
    NO_NAME = "no-name"
    LONG_NAME = "long-name"
    BAD_CHARACTER = "bad-character"
    WRONG_PARENT = "wrong-parent"
    BAD_DATE = "bad-date"
    ENDS_BEFORE_START = "ends-before-start"
    MERGED_WITHOUT_DATE = "merged-without-date"
    DUPLICATE = "duplicate"
    UNKNOWN_PARENT = "unknown-parent"
    NESTED_CITY = "nested-city"
    STARTS_BEFORE_PARENT = "starts-before-parent"
    OUTLIVES_PARENT = "outlives-parent"
    UNKNOWN_SUCCESSOR = "unknown-successor"
    SUCCESSOR_OTHER_LEVEL = "successor-other-level"
    SUCCESSOR_NOT_IN_USE = "successor-not-in-use"
    MISSING_IN_USE = "missing-in-use"


SENTENCES: dict[Fault, str] = {
    Fault.TOO_LARGE: "the file is larger than {expected} bytes; import one county at a time",
    Fault.TOO_MANY_ROWS: "the table has more than {expected} rows; import one county at a time",
    Fault.TOO_MANY_COLUMNS: "the row has more than {expected} columns; is this the area table?",
    Fault.IS_WORKBOOK: "this is an Excel workbook; save it as “CSV UTF-8” and import that",
    Fault.BAD_ENCODING: "the text is neither UTF-8 nor GB18030; save the file as “CSV UTF-8”",
    Fault.BAD_QUOTES: "a quotation mark is opened and not closed, or stands inside a value ({expected})",
    Fault.NO_ROWS: "the table has no rows below its header",
    Fault.NO_COLUMN: "the header has no such column; it may be called {expected}",
    Fault.DOUBLE_COLUMN: "two columns of the header mean the same",
    Fault.EXTRA_VALUES: "the row has more values than the header has columns ({expected})",
    Fault.BAD_CODE: "a code has 12 digits, 15 for a grid, 18 for a sub-grid, padded with zeros group by group",
    Fault.ROUNDED_CODE: "Excel has rounded this code; format the column as text and enter it again",
    Fault.PADDED_CODE: "zeros stand where a grid's digits should; write {expected}, or the digits that Excel has rounded away",
    Fault.ABOVE_COUNTY: "this is the code of a prefecture or province; the table starts at the county",
    Fault.BAD_LEVEL: "no such level; this code is a {expected}",
    Fault.WRONG_LEVEL: "the code is that of a {expected}",
    Fault.NO_NAME: "the area has no name",
    Fault.LONG_NAME: "the name is longer than {expected} characters",
    Fault.BAD_CHARACTER: "the name holds an invisible character ({expected}); type it again",
    Fault.WRONG_PARENT: "the code lies in {expected}; an area that moves gets a new code and the old one is retired",
    Fault.BAD_DATE: "not a day; write it as 2026-11-23",
    Fault.ENDS_BEFORE_START: "the area would be retired on or before the day it starts ({expected})",
    Fault.MERGED_WITHOUT_DATE: "an area that is merged needs the day from which it is no longer in use",
    Fault.DUPLICATE: "the code stands in the table twice (line {expected})",
    Fault.UNKNOWN_PARENT: "its parent {expected} is not in the table",
    Fault.NESTED_CITY: "it lies inside {expected}, which is a city of this table too",
    Fault.STARTS_BEFORE_PARENT: "it would start before its parent does ({expected})",
    Fault.OUTLIVES_PARENT: "its parent is retired on {expected}; retire this area by then, or merge it",
    Fault.UNKNOWN_SUCCESSOR: "the area that takes its place is not in the table",
    Fault.SUCCESSOR_OTHER_LEVEL: "an area can only be merged into a {expected}",
    Fault.SUCCESSOR_NOT_IN_USE: "the area that takes its place is not in use on {expected}",
    Fault.MISSING_IN_USE: "{expected} is in use and missing; keep its row, with the day from which it is retired",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong, where it stands.

    :param line: of the file, from 1, the header being 1; 0: the file as a whole, or areas that come from no file.
    :param code: what the row says about its code, "" when that is unknown.
    :param column: one of `area_rows.COLUMNS`, "" for the line as a whole.
    :param value: what stands there. It and the code are cut to SHOWN_MAX characters.
    :param expected: the fact that the sentence names: what should stand there, or what it collides with.
    """

    line: int
    code: str
    column: str
    value: str
    fault: Fault
    expected: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", self.code[:SHOWN_MAX])
        object.__setattr__(self, "value", self.value[:SHOWN_MAX])

    @property
    def sentence(self) -> str:
        """For people: what is wrong and what to do."""
        return SENTENCES[self.fault].format(expected=self.expected)

    def as_fact(self) -> dict[str, str | int]:
        """For an answer in JSON."""
        return {**asdict(self), "fault": self.fault.value, "sentence": self.sentence}

    def __str__(self) -> str:
        place = [f"line {self.line}"] if self.line else []
        place += [self.code] if self.code and self.column != "code" else []
        place += [f"{self.column} {self.value!r}"] if self.column else []
        return f"{', '.join(place) or 'the table'}: {self.sentence}"
