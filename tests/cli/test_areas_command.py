"""`lianbo areas` as a technician types it."""

from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from broadcast.cli.areas import make_app
from broadcast.domain.area_import import Plan, read_table
from broadcast.domain.areas import AreaTree
from config.areas import load_packaged

SMALL = {
    "areas": "code,name\n130283,迁安市\n",
    "streets": "code,name,areaCode\n130283001,永顺街道,130283\n",
    "villages": "code,name,streetCode\n130283001001,某社区居民委员会,130283001\n",
}


class FakeAreaStore:
    def __init__(self, *, in_use: frozenset[str]) -> None:
        self._tree, self._in_use = read_table(load_packaged()), in_use
        self.taken: list[Plan] = []

    def table(self) -> AreaTree:
        return self._tree

    def in_use(self) -> frozenset[str]:
        return self._in_use

    def take(self, plan: Plan) -> None:
        self.taken.append(plan)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "unpacked"
    (folder / "dist").mkdir(parents=True)
    for name, text in SMALL.items():
        (folder / "dist" / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The packaged table with a village renamed."""
    file = tmp_path / "own.csv"
    file.write_text(load_packaged().decode().replace("华富社区", "华贵社区"), encoding="utf-8")
    return file


WITHOUT_DATABASE = make_app()


def run(*words: str | Path, app: Typer = WITHOUT_DATABASE) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, result.output


def test_build_writes_the_table_and_says_what_is_in_it(tmp_path: Path, package: Path) -> None:
    out = tmp_path / "qianan.csv"
    words = ("build", "--county", "130283", "--package", package, "--out", out)
    assert run(*words) == (0, f"{out}: 迁安市: 1 × township, 1 × village\n")
    assert read_table(out.read_bytes()).area("130283001001").short_name == "某社区"
    assert run(*words)[0] == 0, "the same again is no change"


def test_build_does_not_write_over_a_table_that_someone_edited(tmp_path: Path, package: Path) -> None:
    out = tmp_path / "qianan.csv"
    out.write_text("by hand")
    code, output = run("build", "--county", "130283", "--package", package, "--out", out)
    assert (code, out.read_text()) == (1, "by hand")
    assert "--force" in output
    assert run("build", "--county", "130283", "--package", package, "--out", out, "--force")[0] == 0


def test_build_of_an_unknown_county_says_so_and_writes_nothing(tmp_path: Path, package: Path) -> None:
    out = tmp_path / "none.csv"
    code, output = run("build", "--county", "130282", "--package", package, "--out", out)
    assert (code, out.exists()) == (1, False)
    assert "no county has the code '130282'" in output


def test_import_reports_the_changes_and_stores_nothing_without_a_store(table: Path) -> None:
    assert run("import", table) == (
        0,
        "718 row(s), no problems: 遵化市: 27 × township, 690 × village.\n"
        "renamed: 1\n"
        "  130281001001 华富社区居民委员会 → 华贵社区居民委员会\n"
        "Checked only; nothing was stored. --apply puts it in force.\n",
    )


def test_import_names_every_wrong_line_and_ends_with_one(table: Path) -> None:
    text = table.read_text(encoding="utf-8").replace("130281001002,village", "130281001002,township")
    table.write_text(text + "13028,village,某村,,,,\n", encoding="utf-8")
    assert run("import", table) == (
        1,
        "line 31, 130281001002, level 'township': the code is that of a village\n"
        "line 720, code '13028': a code has 12 digits, 15 for a grid, 18 for a sub-grid, padded with zeros group by group\n"
        "2 problem(s) in 719 row(s); nothing was taken.\n",
    )


def test_import_compares_with_another_table_when_told_to(tmp_path: Path, table: Path) -> None:
    code, output = run("import", table, "--against", table)
    assert code == 0
    assert "nothing changes" in output
    broken = tmp_path / "broken.csv"
    broken.write_text("x")
    assert run("import", table, "--against", broken)[0] == 1


def test_import_puts_a_good_table_in_force_only_when_told_to(table: Path) -> None:
    store = FakeAreaStore(in_use=frozenset())
    wired = make_app(lambda _: store)
    assert "nothing was stored" in run("import", table, app=wired)[1]
    assert store.taken == []
    assert "The new table is in force" in run("import", table, "--apply", app=wired)[1]
    assert [[change.after for change in plan.renamed] for plan in store.taken] == [["华贵社区居民委员会"]]


def test_import_asks_the_store_what_is_in_use(table: Path) -> None:
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(line for line in lines if not line.startswith("130281001002")), encoding="utf-8")
    free, used = FakeAreaStore(in_use=frozenset()), FakeAreaStore(in_use=frozenset({"130281001002"}))
    assert run("import", table, "--apply", app=make_app(lambda _: free))[0] == 0
    code, output = run("import", table, "--apply", app=make_app(lambda _: used))
    assert (code, used.taken) == (1, [])
    assert "建昌社区居民委员会 is in use and missing" in output


def test_show_tells_where_an_area_lies_and_what_lies_in_it() -> None:
    code, output = run("show", "130281001000")
    assert code == 0
    assert output.splitlines()[:3] == [
        "130281001000 遵化市 / 华明路街道 (township)",
        "21 × village",
        "  130281001001 华富社区居民委员会",
    ]
    assert run("show")[1].splitlines()[:2] == ["130281000000 遵化市 (city)", "27 × township"]


def test_show_of_an_unknown_code_names_the_nearest() -> None:
    code, output = run("show", "130281001099")
    assert code == 1
    assert "the nearest known one is 130281001021" in output
