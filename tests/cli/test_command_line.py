"""`lianbo` itself: what it lists, and what it does not import."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from broadcast.main import COMMANDS, cli, load

HEAVY = {"sqlalchemy", "aiohttp", "alembic", "argon2", "jinja2", "structlog", "av"}  # pydantic is typer's own


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_each_command_what_the_command_says_of_itself(name: str) -> None:
    command = load(name)
    assert (command.help or "").split("\n\n")[0].replace("\n", " ").strip() == COMMANDS[name][1]


def test_help_lists_every_command_and_imports_none() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    assert [name for name in COMMANDS if f" {name} " not in result.output] == []


def test_a_command_that_does_not_exist_is_refused_with_the_nearest() -> None:
    result = CliRunner().invoke(cli, ["triger"])
    assert result.exit_code == 2
    assert "trigger" in result.output


def imported_by(*words: str) -> set[str]:
    """The packages that a call imports."""
    script = (
        "import sys\nfrom broadcast.main import cli\n"
        f"try:\n    cli({list(words)!r})\nexcept SystemExit:\n    pass\n"
        "print(' '.join({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    return set(done.stderr.splitlines()[-1].split())


def test_help_and_the_commands_of_officers_start_without_the_server() -> None:
    assert imported_by("--help") & HEAVY == set()
    assert imported_by("trigger", "--help") & HEAVY == set()
    assert (
        imported_by("ladder", "--url", "http://127.0.0.1:1", "--user", "x", "--password-file", "/dev/null") & HEAVY
        == set()
    )


def test_a_speaker_box_needs_no_database_and_no_web_application() -> None:
    assert imported_by("speaker", "--help") & {"sqlalchemy", "alembic", "jinja2", "argon2", "structlog"} == set()
