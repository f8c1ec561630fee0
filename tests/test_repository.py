"""What every file of the repository has to keep to, whoever wrote it."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.mutants import MUTANTS

ROOT = Path(__file__).parent.parent
LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-sound.lock",
    "requirements-neural.lock",
    "requirements-oracle.lock",
    "requirements-console.lock",
)
ENTRIES = {
    *("broadcast", "endpoints", "audio_assets", "config", "tests", "docs", "bench", "console"),
    *(
        "dev",
        "pyproject.toml",
        "hatch_build.py",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        ".gitignore",
        ".ci",
    ),
    *LOCKS,
}
MOST_LINES = 500
FORBIDDEN = {
    "an address of a package registry": r"https?://[^\s\"')>]*(?:pypi|pythonhosted|npmjs|/simple/)|index-url *=|find-links *=",
    "a path of somebody's machine": r"(?<![\w.])/(?:work|root|home)/\w+",
    "a word about the making instead of the made": r"\b(?:AI|LLM|GPT)\b|(?i:language model|co-authored-by)",
}


def tracked() -> list[Path]:
    """The files of the next commit: what git knows and what it would take in."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


FILES = [path for path in tracked() if path != Path(__file__)]  # here stands what is looked for

MODULES = [path for path in FILES if path.suffix == ".py" and path.relative_to(ROOT).parts[0] != "tests"]


def text_of(path: Path) -> str:
    """Empty for a picture: its bytes spell anything."""
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode("utf-8", errors="replace")


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in FILES
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_a_module_is_short_enough_to_be_read_at_once() -> None:
    lengths = {str(path.relative_to(ROOT)): len(text_of(path).splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_at_the_top_stands_only_what_a_newcomer_looks_for() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} - ENTRIES == set()
    assert [name for name in sorted(ENTRIES) if not (ROOT / name).exists()] == []


def test_our_code_is_under_apache_2() -> None:
    licence = text_of(ROOT / "LICENSE")
    assert "Apache License" in licence
    assert "Version 2.0, January 2004" in licence


def test_ci_runs_the_readmes_test_command_and_nothing_else() -> None:
    assert "\n./dev test\n" in text_of(ROOT / "README.md")
    assert text_of(ROOT / ".ci" / "run").splitlines()[-1] == "exec ./dev test"


def test_every_task_of_dev_is_one_that_the_documents_may_name() -> None:
    listed = subprocess.run([ROOT / "dev"], capture_output=True, text=True, check=True).stdout
    named = {
        (str(path.relative_to(ROOT)), task)
        for path in FILES
        if path.suffix == ".md"
        for task in re.findall(r"\./dev ([a-z]+)", text_of(path))
    }
    assert {(path, task) for path, task in named if f"./dev {task} " not in listed} == set()


def test_links_between_documents_lead_somewhere() -> None:
    dead = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in FILES
        if path.suffix == ".md"
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text_of(path))
        if not (path.parent / target).exists()
    ]
    assert dead == []


# --- the lock files -----------------------------------------------------------------------------------------------------


def pins(lock: str) -> dict[str, list[str]]:
    """The versions of each package; more than one where Pythons differ."""
    result: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)", text_of(ROOT / lock), re.MULTILINE):
        result.setdefault(canonicalize_name(name), []).append(version)
    return result


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock: str) -> None:
    blocks = re.split(r"\n(?=\S)", text_of(ROOT / lock).strip())
    assert blocks
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_what_the_server_needs_is_locked_alike_for_the_tests() -> None:
    base, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: dev.get(name) for name in base} == base


def test_the_locks_fit_the_bounds_in_pyproject() -> None:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    extras = project["project"]["optional-dependencies"]
    runtime = [*project["project"]["dependencies"], *extras["amqtt"], *extras["postgresql"]]
    building = project["build-system"]["requires"]
    wanted = {
        "requirements.lock": [*runtime, *(one for one in building if not one.startswith("nodejs"))],
        "requirements-console.lock": project["dependency-groups"]["console"],
        "requirements-dev.lock": [*runtime, *project["dependency-groups"]["dev"]],
        "requirements-sound.lock": extras["sound"],
        "requirements-neural.lock": extras["tts-neural"],
    }
    missing = [
        f"{lock}: {requirement}"
        for lock, requirements in wanted.items()
        for requirement in map(Requirement, requirements)
        if not any(requirement.specifier.contains(v) for v in pins(lock).get(canonicalize_name(requirement.name), []))
    ]
    assert missing == [], "run `./dev lock` and commit the lock files"


def test_every_mutant_changes_one_place_of_the_code_as_it_is() -> None:
    """They are run by hand; that they can be run is seen here."""
    sources = {one.file: (ROOT / "endpoints" / f"{one.file}.py").read_text() for one in MUTANTS}
    assert [one.name for one in MUTANTS if sources[one.file].count(one.old) != 1] == []
