"""An operator's own table: what is wrong line by line, what would change, and files made to hurt."""

import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.area_faults import SENTENCES, Fault, Problem
from broadcast.domain.area_import import (
    PROBLEMS_MAX,
    SIZE_MAX,
    ImportReport,
    Merged,
    Redated,
    Renamed,
    Retired,
    read_import,
    read_table,
    write_csv,
)
from broadcast.domain.area_rows import LEVELS, read_day
from broadcast.domain.areas import Area, AreaTree, BadAreaTable, Level
from config.areas import load_packaged
from endpoints.area_codes import ancestors, padded

C, T1, T2 = "130281000000", "130281001000", "130281002000"
V1, V2, V3 = "130281001001", "130281001002", "130281002001"
NAMES = {C: "遵化市", T1: "东镇", V1: "前村", V2: "后村", T2: "西镇", V3: "南村"}
NOW = AreaTree.from_rows([{"code": code, "name": name} for code, name in NAMES.items()])
BASE = "".join(f"{code},{name}\n" for code, name in NAMES.items())  # lines 2 to 7


def check(text: str, *, in_use: set[str] | None = None, against: AreaTree = NOW) -> ImportReport:
    return read_import(text.encode(), against, in_use=in_use)


def faults(text: str, *, in_use: set[str] | None = None) -> list[tuple[int, str, Fault]]:
    return [(it.line, it.column, it.fault) for it in check(text, in_use=in_use).problems]


def test_the_table_in_force_changes_nothing() -> None:
    zunhua = read_table(load_packaged())
    report = read_import(write_csv(zunhua), zunhua)
    assert (report.problems, report.rows, report.plan and report.plan.changes) == ((), 718, 0)


def test_chinese_headers_spaces_and_other_columns_are_read() -> None:
    text = f"序号, 行政区划代码 ,名 称,级别,上级代码,备注\n1,{C},遵化市,市,,x\n2, {T1} , 东镇 ,乡镇,{C},\n\n,,,,,\n"
    report = check(text, in_use=set())
    assert report.plan is not None
    assert list(report.plan.tree) == [Area(C, Level.CITY, "遵化市"), Area(T1, Level.TOWNSHIP, "东镇", C)]
    assert report.ignored_columns == ("序号", "备注")
    assert report.rows == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_file_saved_by_any_office_program_here_reads_the_same(encoding: str, newline: str) -> None:
    text = ("代码,名称\n" + BASE).replace("\n", newline)
    report = read_import(text.encode(encoding), NOW)
    assert report.plan is not None
    assert list(report.plan.tree) == list(NOW)


def test_every_change_is_named_for_what_it_is() -> None:
    before = NOW.with_areas([Area(V3, Level.VILLAGE, "南村", T2, valid_to=date(2020, 1, 1))])
    text = (
        "code,name,valid_from,valid_to,replaced_by\n"
        f"{C},遵化市,,,\n{T1},东关镇,,,\n{V1},前村,,2027-01-01,{V2}\n{V2},后村,2020/1/1,,\n"
        f"{T2},西镇,,2026年12月1日,\n{V3},南村,,20200101,\n130281001003,新村,2026-12-01,,\n"
    )
    plan = check(text, against=before).plan
    assert plan is not None
    assert plan.added == (Area("130281001003", Level.VILLAGE, "新村", T1, date(2026, 12, 1)),)
    assert plan.renamed == (Renamed(T1, "东镇", "东关镇"),)
    assert plan.retired == (Retired(T2, date(2026, 12, 1)),)
    assert plan.merged == (Merged(V1, V2, date(2027, 1, 1)),)
    assert plan.redated == (Redated(V2, date(2020, 1, 1), None),)
    assert plan.dropped == ()
    assert plan.changes == 5


def test_a_retirement_can_be_taken_back() -> None:
    before = NOW.with_areas([NOW.area(V1).retired(date(2026, 1, 1), into=V2)])
    plan = check("code,name\n" + BASE, against=before).plan
    assert plan is not None
    assert (plan.redated, plan.changes) == ((Redated(V1, None, None),), 1)


def test_a_code_in_use_is_never_left_out() -> None:
    text = "code,name\n" + BASE.replace(f"{V2},后村\n", "")
    report = check(text, in_use={V2, V3})
    assert report.problems == (Problem(0, V2, "code", V2, Fault.MISSING_IN_USE, "后村"),)
    assert report.plan is None
    assert str(report.problems[0]) == (
        f"code '{V2}': 后村 is in use and missing; keep its row, with the day from which it is retired"
    )
    assert faults(text) == [(0, "code", Fault.MISSING_IN_USE)], "when nobody says what is in use, all of it is"


def test_a_code_that_nothing_uses_may_go() -> None:
    plan = check("code,name\n" + BASE.replace(f"{V2},后村\n", ""), in_use={V3}).plan
    assert plan is not None
    assert plan.dropped == (NOW.area(V2),)
    assert V2 not in plan.tree


def test_a_code_in_use_that_the_table_does_not_know_is_named_too() -> None:
    report = check("code,name\n" + BASE, in_use={"130281009001"})
    assert [(it.fault, it.expected) for it in report.problems] == [(Fault.MISSING_IN_USE, "130281009001")]


ROWS = [
    ("130281001", "code", Fault.BAD_CODE),
    ("遵化", "code", Fault.BAD_CODE),
    ("", "code", Fault.BAD_CODE),
    ("1.30281E+11", "code", Fault.ROUNDED_CODE),
    ("1.3E+11", "code", Fault.ROUNDED_CODE),
    ("130281001003.0", "code", Fault.ROUNDED_CODE),
    ("130281001001001000", "code", Fault.PADDED_CODE),
    ("130281001001000", "code", Fault.PADDED_CODE),
    ("130000000000", "code", Fault.ABOVE_COUNTY),
    ("130281009001", "code", Fault.UNKNOWN_PARENT),
    ("130281001003001", "code", Fault.UNKNOWN_PARENT),
    (V1, "code", Fault.DUPLICATE),
]


@pytest.mark.parametrize(("code", "column", "fault"), ROWS)
def test_a_code_that_cannot_be_is_named_with_its_line(code: str, column: str, fault: Fault) -> None:
    assert faults(f"code,name\n{BASE}{code},新村\n") == [(8, column, fault)]


FULL = "code,name,level,parent,valid_from,valid_to,replaced_by\n" + BASE
CELLS = [
    (f",,{T1},,,", "name", Fault.NO_NAME),
    (f"{'村' * 61},,,,,", "name", Fault.LONG_NAME),
    ("新\u202e村,,,,,", "name", Fault.BAD_CHARACTER),
    ("新\u200b村,,,,,", "name", Fault.BAD_CHARACTER),
    ("新\0村,,,,,", "name", Fault.BAD_CHARACTER),
    ('"新\n村",,,,,', "name", Fault.BAD_CHARACTER),
    ("新村,某级,,,,", "level", Fault.BAD_LEVEL),
    ("新村,乡镇,,,,", "level", Fault.WRONG_LEVEL),
    (f"新村,,{T2},,,", "parent", Fault.WRONG_PARENT),
    ("新村,,130281001003,,,", "parent", Fault.WRONG_PARENT),
    ("新村,,,2026-13-01,,", "valid_from", Fault.BAD_DATE),
    ("新村,,,,明年,", "valid_to", Fault.BAD_DATE),
    ("新村,,,2026-01-02,2026-01-02,", "valid_to", Fault.ENDS_BEFORE_START),
    (f"新村,,,,,{V1}", "replaced_by", Fault.MERGED_WITHOUT_DATE),
    ("新村,,,,2026-01-02,130281001009", "replaced_by", Fault.UNKNOWN_SUCCESSOR),
    (f"新村,,,,2026-01-02,{T1}", "replaced_by", Fault.SUCCESSOR_OTHER_LEVEL),
    ("新村,,,,2026-01-02,130281001003", "replaced_by", Fault.SUCCESSOR_NOT_IN_USE),
    ("新村,,,,,,多了", "", Fault.EXTRA_VALUES),
]


@pytest.mark.parametrize(("rest", "column", "fault"), CELLS)
def test_a_cell_that_cannot_be_is_named_with_its_line_and_column(rest: str, column: str, fault: Fault) -> None:
    report = check(f"{FULL}130281001003,{rest}\n")
    assert [(it.line, it.column, it.fault) for it in report.problems] == [(8, column, fault)]
    assert report.plan is None


def test_a_village_does_not_outlive_or_precede_its_township() -> None:
    head = "code,name,valid_from,valid_to\n"
    late = f"{C},遵化市\n{T1},东镇,2026-01-01,\n{V1},前村,2025-01-01,\n"
    assert faults(head + late, in_use=set()) == [(4, "valid_from", Fault.STARTS_BEFORE_PARENT)]
    gone = f"{C},遵化市\n{T1},东镇,,2026-01-01\n{V1},前村,,2026-01-02\n{V2},后村,,2025-12-31\n"
    assert faults(head + gone, in_use=set()) == [(4, "valid_to", Fault.OUTLIVES_PARENT)]


def test_a_township_with_a_fault_does_not_make_orphans_of_its_villages() -> None:
    text = "code,name\n" + BASE.replace("东镇", "")
    assert faults(text) == [(3, "name", Fault.NO_NAME)]


def test_all_that_is_wrong_is_told_at_once_and_in_order() -> None:
    text = f"code,name,valid_to\n{BASE}{V1},前村,never\n130281001003,,\n130281001,新村,\n"
    assert faults(text) == [
        (8, "valid_to", Fault.BAD_DATE),
        (9, "name", Fault.NO_NAME),
        (10, "code", Fault.BAD_CODE),
    ]


def test_a_line_is_counted_as_the_editor_shows_it() -> None:
    text = f'code,name,备注\n{C},遵化市,"两\n行"\n\n13028,东镇,\n'
    assert faults(text, in_use=set()) == [(5, "code", Fault.BAD_CODE)]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "=cmd|' /C calc'!A0", '=HYPERLINK("x")'])
def test_what_a_spreadsheet_would_run_is_a_name_and_nothing_else(start: str) -> None:
    quoted = '"' + (start + "村").replace('"', '""') + '"'
    plan = check(f"code,name\n{BASE}130281001003,{quoted}\n").plan
    assert plan is not None
    assert [area.name for area in plan.added] == [start + "村"]
    assert read_table(write_csv(plan.tree)).area("130281001003").name == start + "村"


HEADERS = [
    ("", [(0, "", Fault.NO_ROWS)]),
    ("\n\n,,\n", [(0, "", Fault.NO_ROWS)]),
    ("code,name\n", [(0, "", Fault.NO_ROWS)]),
    ("code,编码,name\n", [(1, "code", Fault.DOUBLE_COLUMN)]),
    ("区划,名\n1,2\n", [(1, "code", Fault.NO_COLUMN), (1, "name", Fault.NO_COLUMN)]),
    ("\n\ncode\n1\n", [(3, "name", Fault.NO_COLUMN)]),
]


@pytest.mark.parametrize(("text", "expected"), HEADERS)
def test_a_file_without_a_usable_header_says_what_it_lacks(text: str, expected: list[tuple[int, str, Fault]]) -> None:
    assert faults(text) == expected


HOSTILE = [
    (b"x" * (SIZE_MAX + 1), Fault.TOO_LARGE),
    (b"code,name\n" + b"\n" * (SIZE_MAX - 10), Fault.TOO_MANY_ROWS),
    (b"code,name\n" + b"130281001001,x\n" * 60_000, Fault.TOO_MANY_ROWS),
    (b"," * 100_000, Fault.TOO_MANY_COLUMNS),
    (b"," * SIZE_MAX, Fault.TOO_MANY_COLUMNS),
    (b"code,name\n" + b"," * 100_000, Fault.TOO_MANY_COLUMNS),
    (b"PK\x03\x04rest of a workbook", Fault.IS_WORKBOOK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Fault.IS_WORKBOOK),
    ("代码,名称\n".encode("utf-16"), Fault.BAD_ENCODING),
    (b"code,name\n\xff\xff\xff", Fault.BAD_ENCODING),
    (b'code,name\n130281001001,"never closed\n' + b"x\n" * 1_000, Fault.BAD_QUOTES),
    (b'code,name\n130281001001,"a"b\n', Fault.BAD_QUOTES),
    (b"code,name\n130281001001," + b"x" * 200_000, Fault.BAD_QUOTES),
    (b'code,name\n"' + b"x\n" * 100_000 + b'"', Fault.BAD_QUOTES),
    (b"\0" * 100_000, Fault.NO_COLUMN),
    (b"code,name\n" + b"\0,\0\n" * 10_000, Fault.BAD_CODE),
]


@pytest.mark.parametrize(("content", "fault"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_file_made_to_hurt_is_refused_in_a_moment(content: bytes, fault: Fault) -> None:
    start = time.perf_counter()
    report = read_import(content, NOW, in_use=frozenset())
    assert time.perf_counter() - start < 5
    assert fault in {problem.fault for problem in report.problems}
    assert report.plan is None
    assert len(report.problems) <= PROBLEMS_MAX
    assert all(len(str(problem)) < 400 for problem in report.problems)


def test_more_problems_than_anyone_reads_are_counted() -> None:
    report = check("code,name\n" + "x,y\n" * 1_500, in_use=set())
    assert (len(report.problems), report.unlisted, report.rows) == (PROBLEMS_MAX, 500, 1_500)


def test_a_bad_quote_is_named_by_the_line_it_opens_in() -> None:
    assert faults('code,name\n130281001001,"前\n村\n村') == [(2, "", Fault.BAD_QUOTES)]


def test_a_table_that_stands_for_itself_is_read_or_refused_whole() -> None:
    with pytest.raises(BadAreaTable) as refused:
        read_table(f"code,name\n{V1},前村\n".encode())
    assert [(it["line"], it["fault"], it["expected"]) for it in refused.value.problems] == [(2, "unknown-parent", T1)]


def test_every_fault_has_its_sentence() -> None:
    assert SENTENCES.keys() == set(Fault)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        *((text, date(2026, 3, 1)) for text in ("2026-03-01", "2026/3/1", "2026.3.01", "20260301", "2026年3月1日")),
        *(
            (text, None)
            for text in ("2026-0301", "2026-3/1", "26-03-01", "2026-02-30", "２０２６-03-01", "2026-03-01x", "46082")
        ),
    ],
)
def test_days_are_read_as_people_here_write_them(text: str, day: date | None) -> None:
    assert read_day(text) == day


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_make_the_reader_fall_over(content: bytes, headed: bool) -> None:
    report = read_import(b"code,name,valid_to,replaced_by\n" + content if headed else content, NOW)
    assert (report.plan is None) == bool(report.problems)


@st.composite
def tables(draw: st.DrawFn) -> AreaTree:
    """Trees down to sub-grids with names of all kinds, some areas retired or started."""
    tails = draw(st.sets(st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple), max_size=12))
    found = {padded("130281" + "".join(f"{group:03}" for group in tail)) for tail in tails}
    found |= {above for code in found for above in ancestors(code)}
    text = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
    leaves = {code for code in found if not any(code in ancestors(other) for other in found)}
    areas = []
    for code in sorted(found):
        end = draw(st.none() | st.dates(date(2020, 1, 2))) if code in leaves else None
        start = draw(st.none() | st.dates(max_value=date(2020, 1, 1))) if code in leaves else None
        level = LEVELS[len(code.rstrip("0")) + (-len(code.rstrip("0")) % 3)]
        above = ancestors(code)
        areas.append(Area(code, level, draw(text), above[0] if above else "", start, end))
    return AreaTree(areas)


@given(tables(), st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]))
def test_what_is_written_reads_back_the_same(tree: AreaTree, encoding: str) -> None:
    content = write_csv(tree).decode().encode(encoding)
    report = read_import(content, tree)
    if len(tree) == 0:
        assert [problem.fault for problem in report.problems] == [Fault.NO_ROWS]
    else:
        assert report.plan is not None
        assert list(report.plan.tree) == list(tree)
        assert report.plan.changes == 0
