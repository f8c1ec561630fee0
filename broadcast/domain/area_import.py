"""An operator's own area table: CSV bytes in; out comes what is wrong line by line, or what would change. Nothing is applied.

The file is the whole new table of the county. Encodings: UTF-8 with or without BOM, GB18030. Text is never evaluated: a name that
begins with `=` is a name.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date

from broadcast.domain.area_checks import check_table
from broadcast.domain.area_faults import Fault, Problem
from broadcast.domain.area_rows import COLUMNS, Area, read_row
from broadcast.domain.areas import AreaTree, BadAreaTable

SIZE_MAX = 5 * 1024 * 1024  # bytes; a county of 13,705 areas has 0.9 MB
ROWS_MAX = 50_000  # blank ones too
COLUMNS_MAX = 64
PROBLEMS_MAX = 1_000  # listed; more are counted

HEADERS: dict[str, tuple[str, ...]] = {
    "code": (
        "代码",
        "编码",
        "区划代码",
        "行政区划代码",
        "统计用区划代码",
        "区域代码",
        "区域编码",
        "area_code",
        "areacode",
    ),
    "level": ("级别", "层级", "区域级别", "行政级别", "area_level"),
    "name": ("名称", "区划名称", "行政区划名称", "区域名称", "单位名称", "area_name", "areaname"),
    "parent": ("上级", "上级代码", "上级编码", "上级区划代码", "父级代码", "parent_code", "parentcode"),
    "valid_from": ("启用日期", "生效日期", "开始日期", "from"),
    "valid_to": ("停用日期", "撤销日期", "失效日期", "结束日期", "to"),
    "replaced_by": ("并入", "并入代码", "合并到", "替代代码", "merged_into"),
}
COLUMN_OF = {alias: column for column, aliases in HEADERS.items() for alias in (column, *aliases)}


@dataclass(frozen=True, slots=True)
class Renamed:
    """The same code by another name (更名)."""

    code: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Retired:
    """No longer in use from that day (撤销)."""

    code: str
    day: date


@dataclass(frozen=True, slots=True)
class Merged:
    """No longer in use from that day, `into` takes its place (并入)."""

    code: str
    into: str
    day: date


@dataclass(frozen=True, slots=True)
class Redated:
    """Another first day, or a retirement or merge taken back."""

    code: str
    valid_from: date | None
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What taking the new table would change, in order of code; `tree` is the table afterwards."""

    tree: AreaTree
    added: tuple[Area, ...] = ()
    renamed: tuple[Renamed, ...] = ()
    retired: tuple[Retired, ...] = ()
    merged: tuple[Merged, ...] = ()
    redated: tuple[Redated, ...] = ()
    dropped: tuple[Area, ...] = ()  # gone from the table; nothing uses them

    @property
    def changes(self) -> int:
        """How many; 0 when the file says what is known already."""
        kinds = (self.added, self.renamed, self.retired, self.merged, self.redated, self.dropped)
        return sum(len(kind) for kind in kinds)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came of a file: problems, or a plan; never both.

    :param problems: in order of line, at most PROBLEMS_MAX; `unlisted` says how many more there are.
    :param rows: of areas, below the header.
    :param ignored_columns: headers that mean nothing to us, as they stand.
    """

    problems: tuple[Problem, ...] = ()
    unlisted: int = 0
    rows: int = 0
    ignored_columns: tuple[str, ...] = ()
    plan: Plan | None = None


def read_import(content: bytes, against: AreaTree, *, in_use: AbstractSet[str] | None = None) -> ImportReport:
    """Check a file against the table in force.

    :param in_use: codes that speakers, orders or grants point to; they must stay, retired or merged at most. None: nobody
        knows, so every code of `against` counts as in use.
    """
    reading = _Reading()
    reading.read(content)
    required = frozenset(area.code for area in against) if in_use is None else in_use
    if reading.whole:
        reading.problems += check_table(reading.areas, lines=reading.lines, elsewhere=reading.unread)
        reading.problems += _missing(required - {area.code for area in reading.areas} - reading.unread, against)
    if reading.problems:
        listed = sorted(reading.problems, key=lambda problem: problem.line)[:PROBLEMS_MAX]
        unlisted = len(reading.problems) - len(listed)
        return ImportReport(tuple(listed), unlisted, reading.rows, reading.ignored)
    plan = _plan(against, AreaTree(reading.areas))
    return ImportReport(rows=reading.rows, ignored_columns=reading.ignored, plan=plan)


def read_table(content: bytes) -> AreaTree:
    """The tree of a table that stands for itself, as a packaged or a built one does.

    :raises BadAreaTable: with what is wrong, line by line.
    """
    report = read_import(content, AreaTree())
    if report.plan is None:
        raise BadAreaTable(report.problems)
    return report.plan.tree


def write_csv(areas: Iterable[Area]) -> bytes:
    """The table as `read_import` takes it, in the order given: UTF-8, LF. A spreadsheet may take names for formulas."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(area.as_row() for area in areas)
    return out.getvalue().encode()


@dataclass(slots=True)
class _Reading:
    """What one pass over a file has found so far."""

    problems: list[Problem] = field(default_factory=list)
    areas: list[Area] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)  # of the areas
    unread: set[str] = field(default_factory=set)  # codes of rows with a fault of their own
    rows: int = 0
    ignored: tuple[str, ...] = ()
    whole: bool = False  # read to the end, so that what is not there is missing

    def read(self, content: bytes) -> None:
        text = self._decode(content)
        if text is None:
            return
        records = self._records(text)
        header = next(records, None)
        columns = self._columns(*header) if header and not self.problems else []
        if self.problems:
            return
        for line, record in records:
            self._row(line, record, columns)
        if not self.rows and not self.problems:
            self._wrong(0, Fault.NO_ROWS)
            self.whole = False

    def _wrong(self, line: int, fault: Fault, expected: str = "", *, column: str = "", value: str = "") -> None:
        self.problems.append(Problem(line, "", column, value, fault, expected))

    def _decode(self, content: bytes) -> str | None:
        if len(content) > SIZE_MAX:
            self._wrong(0, Fault.TOO_LARGE, str(SIZE_MAX))
        elif content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):  # .xlsx is a zip, .xls an OLE file
            self._wrong(0, Fault.IS_WORKBOOK)
        else:
            for encoding in ("utf-8-sig", "gb18030"):
                try:
                    return content.decode(encoding)
                except UnicodeDecodeError:
                    continue
            self._wrong(0, Fault.BAD_ENCODING)
        return None

    def _records(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """The records that are not blank, each with the line it begins in."""
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        line = 1
        try:
            for count, record in enumerate(reader):
                if count > ROWS_MAX:
                    self._wrong(line, Fault.TOO_MANY_ROWS, str(ROWS_MAX))
                    return
                if len(record) > COLUMNS_MAX:
                    self._wrong(line, Fault.TOO_MANY_COLUMNS, str(COLUMNS_MAX))
                elif any(cell.strip() for cell in record):
                    yield line, record
                line = reader.line_num + 1
        except csv.Error as err:
            self._wrong(line, Fault.BAD_QUOTES, str(err))
            return
        self.whole = True

    def _columns(self, line: int, header: list[str]) -> list[str]:
        """What each column means, "" for nothing."""
        columns = [COLUMN_OF.get("".join(title.lower().split()), "") for title in header]
        known = [column for column in columns if column]
        for column in COLUMNS:
            if known.count(column) > 1:
                self._wrong(line, Fault.DOUBLE_COLUMN, column=column)
        for column in ("code", "name"):
            if column not in known:
                self._wrong(line, Fault.NO_COLUMN, "、".join((column, *HEADERS[column])), column=column)
        self.ignored = tuple(title for title, column in zip(header, columns, strict=True) if not column and title)
        return columns

    def _row(self, line: int, record: list[str], columns: list[str]) -> None:
        self.rows += 1
        extra = [cell for cell in record[len(columns) :] if cell.strip()]
        if extra:
            self._wrong(line, Fault.EXTRA_VALUES, str(len(columns)), value=extra[0])
        row = {column: cell for column, cell in zip(columns, record, strict=False) if column}
        area, problems = read_row(row, line)
        self.problems += problems
        if area is None:
            self.unread.add(row.get("code", "").strip())
        else:
            self.areas.append(area)
            self.lines.append(line)


def _missing(codes: AbstractSet[str], against: AreaTree) -> Iterator[Problem]:
    for code in sorted(codes):
        expected = against.area(code).name if code in against else code
        yield Problem(0, code, "code", code, Fault.MISSING_IN_USE, expected)


def _plan(before: AreaTree, after: AreaTree) -> Plan:
    """The difference of two tables."""
    kept = [(before.area(area.code), area) for area in after if area.code in before]
    ended = [new for old, new in kept if new.valid_to and _end(old) != _end(new)]
    return Plan(
        after,
        added=tuple(area for area in after if area.code not in before),
        renamed=tuple(Renamed(new.code, old.name, new.name) for old, new in kept if old.name != new.name),
        retired=tuple(Retired(new.code, new.valid_to) for new in ended if new.valid_to and not new.replaced_by),
        merged=tuple(
            Merged(new.code, new.replaced_by, new.valid_to) for new in ended if new.valid_to and new.replaced_by
        ),
        redated=tuple(Redated(new.code, new.valid_from, new.valid_to) for old, new in kept if _redated(old, new)),
        dropped=tuple(area for area in before if area.code not in after),
    )


def _end(area: Area) -> tuple[date | None, str]:
    return area.valid_to, area.replaced_by


def _redated(old: Area, new: Area) -> bool:
    return old.valid_from != new.valid_from or (old.valid_to is not None and new.valid_to is None)
