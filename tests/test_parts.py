"""The two parts of the run of all tests: what one leaves the other takes, and nothing that goes wrong is lost between them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import ALONE, PARTS

ROOT = Path(__file__).parent.parent
GOOD = """
import pytest

def test_an_answer() -> None: ...

def test_what_can_not_be_tried_here() -> None:
    pytest.skip("no such machine")

@pytest.mark.alone
@pytest.mark.parametrize("take", "ab")
def test_a_recording(take: str) -> None: ...
"""
BAD = """
import pytest

def test_a_wrong_answer() -> None:
    assert 1 == 2

@pytest.fixture
def room():
    yield
    raise OSError("the door is stuck")

@pytest.mark.alone
def test_a_recording_that_leaves_a_mess(room: None) -> None:
    assert 1 == 2
"""
FORGETFUL = """
def pytest_collection_modifyitems(config, items):
    if not config.option.collectonly:
        del items[-1]
"""


def run(folder: Path, **files: str) -> tuple[int, list[str]]:
    """The exit code and the lines of a run of these files alone."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "tests.parts", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return ended.returncode, ended.stdout.splitlines()


def test_the_parts_are_a_mark_and_its_negation() -> None:
    assert [arguments[:2] for arguments in PARTS.values()] == [("-m", f"not {ALONE}"), ("-m", ALONE)]
    assert not any({"-k", "--deselect", "--ignore", "--ignore-glob"} & set(arguments) for arguments in PARTS.values())


def test_the_last_line_is_the_sum_of_both(tmp_path: Path) -> None:
    code, lines = run(tmp_path, test_good=GOOD)
    assert (code, lines[-1]) == (0, "tests: 3 passed, 0 failed, 1 skipped")
    assert [line.partition(" in ")[0] for line in lines if line.startswith("--- ") and " in " in line] == [
        "--- side by side: 1 passed, 0 failed, 1 skipped",
        "--- one by one: 2 passed, 0 failed, 0 skipped",
    ]


def test_what_fails_in_either_part_is_named_at_the_end_and_fails_the_run(tmp_path: Path) -> None:
    code, lines = run(tmp_path, test_good=GOOD, test_bad=BAD)
    assert (code, lines[-1]) == (1, "tests: 3 passed, 2 failed, 1 skipped")
    assert [line.partition(" ")[0] for line in lines[-3:-1]] == ["FAILED", "FAILED"]
    assert [line.rpartition("test_bad::")[2] for line in lines[-3:-1]] == [
        "test_a_wrong_answer",
        "test_a_recording_that_leaves_a_mess",
    ]


def test_a_test_that_no_part_ran_fails_the_run(tmp_path: Path) -> None:
    code, lines = run(tmp_path, test_good=GOOD, conftest=FORGETFUL)
    assert code == 1
    assert lines[-2] == "4 tests were collected and 3 ran: the parts do not make the whole"


@pytest.mark.parametrize("broken", ["import no_such_thing", "def test_("])
def test_a_file_that_can_not_be_read_stops_the_run_before_it_begins(tmp_path: Path, broken: str) -> None:
    code, lines = run(tmp_path, test_good=GOOD, test_broken=broken)
    assert code == 2
    assert not [line for line in lines if line.startswith("---")]


def test_the_modules_that_the_schedule_names_are_there() -> None:
    from tests.conftest import ALONE as WHOLE_MODULES
    from tests.conftest import FIRST, PATIENT, REAL_TIME

    assert set(PATIENT) < set(REAL_TIME), "else they would have one take only"
    lost = [
        name
        for name in (*WHOLE_MODULES, *FIRST, *REAL_TIME)
        if not (ROOT / "tests" / name.removeprefix("tests/")).is_file()
    ]
    assert lost == [], "a module that was renamed would run among the others, unnoticed"
