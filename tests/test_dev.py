"""The script `dev`: what it says when something is missing, and when it has nothing to do."""

import ast
import contextlib
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parent.parent / "dev"


def load(root: Path | None = None) -> ModuleType:
    """The script as a module of its own; with a root, everything it keeps is below that."""
    loader = importlib.machinery.SourceFileLoader("lianbo_dev", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    if root:
        module.ROOT, module.VENV, module.CACHE = root, root / ".venv", root / ".cache"
        module.PYTHON, module.LOG, module.ORACLE = root / ".venv/bin/python", root / "log", root / ".cache/oracle"
        module.NODE = root / ".cache/node"
        module.CACHE.mkdir()
    return module


DEV = load()


@contextlib.contextmanager
def bare_machine(empty: Path) -> Iterator[None]:
    """A machine on which no command is found."""
    before = os.environ["PATH"]
    os.environ["PATH"] = str(empty)
    try:
        yield
    finally:
        os.environ["PATH"] = before


def set_up(root: Path) -> ModuleType:
    """A clone whose set-up for `test` is complete, without the packages themselves."""
    dev = load(root)
    for name in ("pyproject.toml", dev.BASE, dev.DEV, dev.PYAUDIO, dev.NEURAL, dev.ORACLE_LOCK):
        (root / name).write_text(f"# {name}\n")
    dev.PYTHON.parent.mkdir(parents=True)
    dev.PYTHON.touch()
    dev.write_stamp(
        dev.VENV, **{name: dev.digest(name) for name in (dev.DEV, dev.PYAUDIO, dev.NEURAL, "pyproject.toml")}
    )
    return dev


# --- what a person sees -----------------------------------------------------------------------------------------------


def test_alone_it_lists_its_tasks() -> None:
    shown = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True).stdout
    named = [line.split()[1] for line in shown.splitlines() if line.startswith("  ./dev ")]
    assert named == ["demo", "test", "coverage", "lint", "bench", "screenshots", "soak", "console", "lock"]


def test_an_unknown_task_is_refused_with_the_list() -> None:
    run = subprocess.run([sys.executable, SCRIPT, "dmeo"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert "There is no task 'dmeo'" in run.stderr
    assert "./dev demo" in run.stderr


def test_an_old_python_gets_a_sentence() -> None:
    pretend = f"import sys, runpy; sys.version_info = (3, 9, 2); runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    run = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (1, "dev: This needs Python 3.11 or newer, and this is 3.9.\n")


def test_an_old_python_can_read_as_far_as_that_sentence() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 7))
    assert not any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)


def test_it_needs_only_the_standard_library() -> None:
    nodes = ast.walk(ast.parse(SCRIPT.read_text(encoding="utf-8")))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    assert {name.split(".")[0] for name in named} <= sys.stdlib_module_names


# --- system packages --------------------------------------------------------------------------------------------------


def test_a_package_is_there_when_its_command_or_its_file_is_there(tmp_path: Path) -> None:
    (tmp_path / "15").mkdir()
    (tmp_path / "15" / "initdb").touch()
    assert DEV.Package("python3", commands=("no-such-command", "python3")).is_there()
    assert DEV.Package("postgresql", files=(f"{tmp_path}/*/initdb",)).is_there()
    assert not DEV.Package("mosquitto", commands=("no-such-command",), files=("/no/such/*",)).is_there()


def test_without_apt_a_needed_package_stops_with_its_name(tmp_path: Path) -> None:
    dev = load(tmp_path)
    with (
        bare_machine(tmp_path),
        pytest.raises(dev.Refused, match=r"no apt-get\. Install what Debian calls: chromium\."),
    ):
        dev.bring([dev.CHROMIUM])


def test_without_mosquitto_the_demo_goes_on_and_says_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dev = load(tmp_path)
    with bare_machine(tmp_path):
        dev.bring(list(dev.DEMO_PACKAGES))
    said = capsys.readouterr().out
    assert "no apt-get" in said
    assert "without mosquitto: the broker amqtt serves instead" in said


def test_after_apt_failed_a_package_we_can_do_without_is_not_asked_for_at_once(tmp_path: Path) -> None:
    dev = load(tmp_path)
    assert not dev.apt_rests()
    failed = dev.CACHE / "apt-failed"
    failed.touch()
    assert dev.apt_rests()
    long_ago = time.time() - dev.GIVE_APT_A_REST_S - 1
    os.utime(failed, (long_ago, long_ago))
    assert not dev.apt_rests()


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        ("Err:1 Could not resolve 'deb'", "apt-get can't reach its package server"),
        ("E: Unable to locate package chromium", "apt-get does not know one of: chromium"),
        ("E: Could not get lock /var/lib/dpkg/lock", "Another apt-get is running"),
        ("sudo: a password is required", "As root: apt-get install chromium"),
        ("E: You don't have enough free space", "The disk is full"),
        ("something new", "apt-get failed; its words are at the end of"),
    ],
)
def test_what_apt_prints_becomes_a_sentence(printed: str, sentence: str) -> None:
    assert sentence in DEV.explain(DEV.APT_SAYS, printed, "chromium")


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        ("NewConnectionError: Temporary failure in name resolution", "pip can't reach the package index"),
        ("Could not find a version (from versions: none)\nNo matching distribution found", "pip can't reach"),
        ("(from versions: 1.0)\nERROR: No matching distribution found for av==99", "lacks a version that a lock file"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES", "is not the one that the lock file names"),
        ("fatal error: portaudio.h: No such file", "PyAudio could not be compiled"),
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("something new", "pip failed; its words are at the end of"),
    ],
)
def test_what_pip_prints_becomes_a_sentence(printed: str, sentence: str) -> None:
    assert sentence in DEV.explain(DEV.PIP_SAYS, printed)


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        ("npm error code ECONNREFUSED\nnpm error errno", "npm can't reach its registry"),
        ("npm error code ENOTFOUND", "npm can't reach its registry"),
        ("npm error code E503", "npm can't reach its registry"),
        ("npm error code EINTEGRITY", "not the one that console/package-lock.json names"),
        ("npm error code SELF_SIGNED_CERT_IN_CHAIN", "certificate that is not trusted"),
        ("src/main.ts(3,1): error TS2304. If the network is to blame: ...", "The console could not be built"),
    ],
)
def test_what_npm_prints_becomes_a_sentence(printed: str, sentence: str) -> None:
    assert sentence in DEV.explain(DEV.NPM_SAYS, printed)


def with_a_console_that_cannot_be_built(root: Path) -> ModuleType:
    dev = load(root)
    dev.PYTHON = Path(sys.executable)
    (root / dev.CONSOLE_LOCK).write_text("# locked\n")
    (root / "console").mkdir()
    says = "print('npm error code ENOTFOUND')\n    raise SystemExit(1)"
    (root / "console/build.py").write_text(f"is_current = lambda root: False\nif __name__ == '__main__':\n    {says}\n")
    dev.NODE.mkdir()
    dev.write_stamp(dev.NODE, **{dev.CONSOLE_LOCK: dev.digest(dev.CONSOLE_LOCK)})
    return dev


def test_without_npm_the_demo_goes_on_and_says_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dev = with_a_console_that_cannot_be_built(tmp_path)
    dev.build_console(dev.TASKS["demo"])
    said = capsys.readouterr().out
    assert "npm can't reach its registry" in said
    assert "without the console: the pages that need no script serve instead, at /emergency" in said


def test_without_npm_the_tests_do_not_start(tmp_path: Path) -> None:
    dev = with_a_console_that_cannot_be_built(tmp_path)
    with pytest.raises(dev.Refused, match="npm can't reach its registry"):
        dev.build_console(dev.TASKS["test"])


# --- the stamp --------------------------------------------------------------------------------------------------------


def test_a_complete_set_up_leaves_nothing_to_do(tmp_path: Path) -> None:
    dev = set_up(tmp_path)
    assert dev.is_installed(dev.DEV)
    assert dev.is_installed(dev.PYAUDIO)
    assert dev.project_is_installed()


def test_what_the_tests_need_includes_what_the_demo_needs(tmp_path: Path) -> None:
    dev = set_up(tmp_path)
    assert dev.is_installed(dev.BASE)


def test_a_changed_lock_or_project_is_installed_again(tmp_path: Path) -> None:
    dev = set_up(tmp_path)
    (tmp_path / dev.DEV).write_text("# newer\n")
    (tmp_path / "pyproject.toml").write_text("# newer\n")
    assert (dev.is_installed(dev.DEV), dev.is_installed(dev.PYAUDIO)) == (False, True)
    assert not dev.project_is_installed()


def test_a_virtual_environment_that_was_copied_or_is_of_another_python_is_not_used(tmp_path: Path) -> None:
    dev = set_up(tmp_path)
    stamp = dev.VENV / dev.STAMP
    stamp.write_text(stamp.read_text().replace(str(tmp_path), "/elsewhere"))
    assert (dev.is_installed(dev.DEV), dev.venv_is_ours()) == (False, False)


def test_a_virtual_environment_whose_python_is_gone_is_not_used(tmp_path: Path) -> None:
    dev = set_up(tmp_path)
    dev.PYTHON.unlink()
    assert (dev.is_installed(dev.DEV), dev.has_pip()) == (False, False)


def test_a_broken_stamp_counts_as_none(tmp_path: Path) -> None:
    dev = set_up(tmp_path)
    (dev.VENV / dev.STAMP).write_text('{"python": ')
    assert dev.read_stamp(dev.VENV) == {}
    assert not dev.is_installed(dev.DEV)


def test_a_command_that_fails_leaves_its_words_in_the_log_and_in_the_error(tmp_path: Path) -> None:
    dev = load(tmp_path)
    with pytest.raises(dev.Failed) as failure:
        dev.work("trying", sys.executable, "-c", "print('the reason'); raise SystemExit(3)")
    assert failure.value.output == "the reason\n"
    assert dev.LOG.read_text() == "\n# trying\nthe reason\n"
