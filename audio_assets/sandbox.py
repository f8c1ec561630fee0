"""An uploaded sound is taken apart in a process of its own that has nothing but that one file.

Where bubblewrap works, the child also sees no network, no other process, and no file but the libraries it runs on, read-only.
Where it does not, the limits that the child sets itself remain (`intake_child`): no file and no connection can be opened, and
memory, time and what it writes are bounded; `lianbo doctor` and the status line say that it is so.
"""

import asyncio
import importlib.util
import json
import logging
import os
import shutil
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from audio_assets.intake import (
    MOST_ANSWER_BYTES,
    BadAnswer,
    Limits,
    Prepared,
    Recipe,
    Refusal,
    Refused,
    job_of,
    read_answer,
)
from audio_assets.intake_child import SELF_TEST

log = logging.getLogger(__name__)

_BOOT = "import sys; sys.path[:0] = {paths!r}; from audio_assets.intake_child import main; main()"
_SELF_TEST_WITHIN_S = 30.0
_COMPLAINT_BYTES = 2_000
_ROOTS = ("/usr", "/lib", "/lib64", "/lib32", "/bin")


class SandboxBroken(Exception):
    """No child can be started on this machine, or it says nothing sensible; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """How the child is held.

    :param bubblewrap: whether it works here; if not, `why` says what happened.
    """

    bubblewrap: bool
    why: str = ""


class Sandbox:
    """Runs the child.

    :param bubblewrap: its program; None does without.
    """

    def __init__(self, *, bubblewrap: str | None = shutil.which("bwrap")) -> None:
        self._bubblewrap = bubblewrap
        self._found: Confinement | None = None
        self._looking = asyncio.Lock()

    async def confinement(self) -> Confinement:
        """Tried out once: a program that is installed may still be forbidden to make namespaces.

        :raises SandboxBroken: no child works here at all.
        """
        async with self._looking:
            if self._found is None:
                self._found = await self._try_out()
        return self._found

    async def run(self, source: int, result: int, recipe: Recipe, limits: Limits) -> Prepared:
        """Take the file behind the descriptor `source` apart; the finished one is written to `result`.

        :raises Refused: the sound is not taken, for a reason of its own, or UNFINISHED for one of ours.
        :raises SandboxBroken: see `confinement`.
        """
        held = await self.confinement()
        command = self._command(job_of(recipe, limits), result, wrapped=held.bubblewrap)
        try:
            code, answer, complaint = await _ended(command, source, result, within_s=limits.wall_s)
        except TimeoutError:
            raise Refused(Refusal.TOO_SLOW, within_s=round(limits.wall_s)) from None
        if not answer:
            raise _death(code, complaint, limits)
        try:
            return read_answer(answer, limits)
        except BadAnswer as err:
            log.error("the child that takes sounds apart gave a bad answer: %s", err)
            raise Refused(Refusal.CRASHED) from err

    async def _try_out(self) -> Confinement:
        if self._bubblewrap is None:
            await self._must_be_shut(wrapped=False)
            return Confinement(False, "bubblewrap is not installed")
        try:
            await self._must_be_shut(wrapped=True)
        except SandboxBroken as err:
            await self._must_be_shut(wrapped=False)
            return Confinement(False, f"bubblewrap does not work here: {err}")
        return Confinement(True)

    async def _must_be_shut(self, *, wrapped: bool) -> None:
        """The child itself tries to get out. :raises SandboxBroken: it did, or it did not even start."""
        with Path(os.devnull).open("r+b") as nothing:  # noqa: ASYNC230  no disk behind it
            command = self._command(SELF_TEST, nothing.fileno(), wrapped=wrapped)
            try:
                code, answer, complaint = await _ended(
                    command, nothing.fileno(), nothing.fileno(), within_s=_SELF_TEST_WITHIN_S
                )
            except TimeoutError:
                raise SandboxBroken(f"nothing happened within {_SELF_TEST_WITHIN_S:.0f} s") from None
        if answer != b"shut":
            said = (answer or complaint).decode("utf-8", "replace").strip().splitlines()
            raise SandboxBroken(said[-1][:200] if said else f"it ended with {code}")

    def _command(self, job: str, result: int, *, wrapped: bool) -> list[str]:
        python = os.path.realpath(sys.executable)
        paths = _import_paths()
        boot = _BOOT.format(paths=[str(path) for path in paths])
        plain = [python, "-I", "-S", "-B", "-c", boot, job, str(result)]
        if not wrapped or self._bubblewrap is None:
            return plain
        seen = [Path(python).parents[1], Path(sys.base_prefix), *paths]
        return [self._bubblewrap, *_walls(seen), "--", *plain]


def _import_paths() -> list[Path]:
    """Where our package, PyAV and numpy are. Asked of the finder: the server itself never loads them."""
    found = [Path(__file__).parents[1]]
    for name in ("av", "numpy"):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise SandboxBroken(f"the Python package {name} is not installed")
        found.append(Path(spec.origin).parents[1])
    return list(dict.fromkeys(found))


def _walls(seen: list[Path]) -> list[str]:
    walls = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    walls += ["--setenv", "OPENBLAS_NUM_THREADS", "1"]
    for root in map(Path, _ROOTS):
        if root.is_symlink():
            walls += ["--symlink", str(root.readlink()), str(root)]
        elif root.is_dir():
            walls += ["--ro-bind", str(root), str(root)]
    package = Path(__file__).parent
    for path in seen:
        if path == package.parent and not (path / "av").is_dir():
            path = package  # of our own tree only this package: the data folder may lie beside it  # noqa: PLW2901
        if not any(path.is_relative_to(root) for root in _ROOTS):
            walls += ["--ro-bind", str(path), str(path)]
    return [*walls, "--chdir", "/", "--remount-ro", "/"]


async def _ended(command: list[str], source: int, result: int, *, within_s: float) -> tuple[int, bytes, bytes]:
    """Exit code, answer and complaint of the child, of which nothing is left afterwards.

    :raises TimeoutError: it had to be killed. :raises SandboxBroken: it could not be started.
    """
    try:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=source,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(result,),
            start_new_session=True,
            env={"OPENBLAS_NUM_THREADS": "1"},
        )
    except OSError as err:
        raise SandboxBroken(f"{command[0]} can't be started: {err.strerror}") from err
    if child.stdout is None or child.stderr is None:
        raise SandboxBroken("the child has no pipes")
    try:
        async with asyncio.timeout(within_s):
            answer, complaint = await asyncio.gather(
                _head(child.stdout, MOST_ANSWER_BYTES + 1), _head(child.stderr, _COMPLAINT_BYTES)
            )
            return await child.wait(), answer, complaint
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()


async def _head(stream: asyncio.StreamReader, most: int) -> bytes:
    """The first bytes; what comes after them is thrown away, so that the child does not wait for us."""
    kept = b""
    while piece := await stream.read(65_536):
        if len(kept) < most:
            kept += piece[: most - len(kept)]
    return kept


def _death(code: int, complaint: bytes, limits: Limits) -> Refused:
    """What it died of. Through bubblewrap a signal arrives as 128 + its number."""
    number = -code if code < 0 else code - 128
    said = complaint.decode("utf-8", "replace").strip()
    log.warning("the child that takes sounds apart ended with %s: %s", code, json.dumps(said[-500:]))
    if number in (signal.SIGXCPU, signal.SIGKILL):
        return Refused(Refusal.TOO_SLOW, within_s=limits.cpu_s)
    if "MemoryError" in said:
        return Refused(Refusal.MEMORY)
    return Refused(Refusal.CRASHED)
