"""One row of the area table: what it may say. Dates are days in Beijing time; `valid_to` is the first day out of use."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Self

from broadcast.domain.area_faults import Fault, Problem
from endpoints.area_codes import BadAreaCode, ancestors, padded, significant

COLUMNS = ("code", "level", "name", "parent", "valid_from", "valid_to", "replaced_by")
NAME_MAX = 60  # characters; the longest name in the public table of 2023 has 33
COMMITTEES = ("村民委员会", "居民委员会")


class Level(StrEnum):
    """How deep an area lies (层级): 县（市）, 乡镇（街道）, 村（社区）, 基础网格, 微网格."""

    CITY = "city"
    TOWNSHIP = "township"
    VILLAGE = "village"
    GRID = "grid"
    SUB_GRID = "sub-grid"


# By significant digits. Four is a city without counties (直筒子市): 东莞 4419, 中山 4420, 儋州 4604.
LEVELS = {4: Level.CITY, 6: Level.CITY, 9: Level.TOWNSHIP, 12: Level.VILLAGE, 15: Level.GRID, 18: Level.SUB_GRID}


@dataclass(frozen=True, slots=True)
class Area:
    """A place that can be spoken to (区域).

    :param parent: its code, "" for a city.
    :param valid_from: first day in use; None: as long as its parent.
    :param valid_to: first day no longer in use (停用日期); None: no end known.
    :param replaced_by: the code it was merged into (并入) on `valid_to`, "" when none.
    """

    code: str
    level: Level
    name: str
    parent: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    replaced_by: str = ""

    @property
    def short_name(self) -> str:
        """As people say it and as a tile has room for: 西下营村村民委员会 → 西下营村."""
        for committee in COMMITTEES:
            if self.name.endswith(committee) and self.name != committee:
                return self.name.removesuffix(committee)
        return self.name

    def in_use(self, day: date) -> bool:
        """By its own dates; AreaTree.on() looks at those of its ancestors too."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)

    def renamed(self, name: str) -> Self:
        """The same place by another name."""
        return replace(self, name=name)

    def retired(self, day: date, *, into: str = "") -> Self:
        """No longer in use from that day; merged when `into` names the area that takes its place."""
        return replace(self, valid_to=day, replaced_by=into)

    def as_row(self) -> dict[str, str]:
        """What `read_row` reads."""
        start = self.valid_from.isoformat() if self.valid_from else ""
        end = self.valid_to.isoformat() if self.valid_to else ""
        values = (self.code, self.level.value, self.name, self.parent, start, end, self.replaced_by)
        return dict(zip(COLUMNS, values, strict=True))


LEVEL_NAMES: dict[str, Level] = {
    **{level.value: level for level in Level},
    **dict.fromkeys(("county", "市", "县", "区", "县级", "市级", "县（市）", "县(市)"), Level.CITY),
    **dict.fromkeys(
        ("town", "乡镇", "镇", "乡", "街道", "乡级", "乡镇级", "乡镇（街道）", "乡镇(街道)"), Level.TOWNSHIP
    ),
    **dict.fromkeys(("community", "村", "社区", "村级", "村（社区）", "村(社区)", "行政村"), Level.VILLAGE),
    **dict.fromkeys(("base-grid", "网格", "基础网格"), Level.GRID),
    **dict.fromkeys(("subgrid", "sub_grid", "微网格", "子网格"), Level.SUB_GRID),
}
DAYS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<y>[0-9]{4})(?P<mark>[-/.])(?P<m>[0-9]{1,2})(?P=mark)(?P<d>[0-9]{1,2})",
        r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})",
        r"(?P<y>[0-9]{4})年(?P<m>[0-9]{1,2})月(?P<d>[0-9]{1,2})日",
    )
)
SCIENTIFIC = re.compile(r"[0-9](\.[0-9]+)?[eE]\+?[0-9]{2}|[0-9]+\.0+")
# Control, format (bidirectional overrides, zero width), surrogate, line and paragraph separators. Private use is let
# through: the public table writes rare characters of two villages with it.
INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def read_row(row: Mapping[str, str], line: int) -> tuple[Area | None, list[Problem]]:
    """The area of one row by its columns, absent ones being empty; None when anything is wrong.

    Level and parent follow from the code: they may be left out, and are checked when they are there.
    """
    values = {column: row.get(column, "").strip() for column in COLUMNS}
    problems: list[Problem] = []

    def wrong(column: str, fault: Fault, expected: str = "") -> None:
        problems.append(Problem(line, values["code"], column, values[column], fault, expected))

    for fault, expected in _code_faults(values["code"]):
        wrong("code", fault, expected)
    for fault, expected in _name_faults(values["name"]):
        wrong("name", fault, expected)
    start, end = read_day(values["valid_from"]), read_day(values["valid_to"])
    for column, day in (("valid_from", start), ("valid_to", end)):
        if day is None and values[column]:
            wrong(column, Fault.BAD_DATE)
    if start and end and end <= start:
        wrong("valid_to", Fault.ENDS_BEFORE_START, start.isoformat())
    if values["replaced_by"] and not values["valid_to"]:
        wrong("replaced_by", Fault.MERGED_WITHOUT_DATE)
    if any(problem.column == "code" for problem in problems):
        return None, problems
    code = values["code"]
    level = LEVELS[len(significant(code))]
    if values["level"] and values["level"].lower() not in LEVEL_NAMES:
        wrong("level", Fault.BAD_LEVEL, level)
    elif values["level"] and LEVEL_NAMES[values["level"].lower()] is not level:
        wrong("level", Fault.WRONG_LEVEL, level)
    above = ancestors(code)
    parent = above[0] if above else ""
    if values["parent"] not in ("", parent):
        wrong("parent", Fault.WRONG_PARENT, parent or "nothing")
    if problems:
        return None, problems
    return Area(code, level, values["name"], parent, start, end, values["replaced_by"]), []


def read_day(text: str) -> date | None:
    """2026-11-23, 2026/11/23, 2026.11.23, 20261123 or 2026年11月23日; None for anything else."""
    for pattern in DAYS:
        if match := pattern.fullmatch(text):
            try:
                return date(int(match["y"]), int(match["m"]), int(match["d"]))
            except ValueError:
                return None
    return None


def _code_faults(code: str) -> Iterator[tuple[Fault, str]]:
    try:
        digits = significant(code)
    except BadAreaCode:
        yield (Fault.ROUNDED_CODE if SCIENTIFIC.fullmatch(code) else Fault.BAD_CODE), ""
        return
    if len(digits) not in LEVELS:
        yield Fault.ABOVE_COUNTY, ""
    elif padded(digits) != code:
        yield Fault.PADDED_CODE, padded(digits)


def _name_faults(name: str) -> Iterator[tuple[Fault, str]]:
    if not name:
        yield Fault.NO_NAME, ""
    if len(name) > NAME_MAX:
        yield Fault.LONG_NAME, str(NAME_MAX)
        return
    if name.isprintable():  # most are; 30 ms less over 13,705 rows
        return
    hidden = [char for char in name if unicodedata.category(char) in INVISIBLE]
    if hidden:
        yield Fault.BAD_CHARACTER, f"U+{ord(hidden[0]):04X}"
