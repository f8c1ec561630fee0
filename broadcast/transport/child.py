"""A broker as our child process: started, watched, started again, and never left behind.

Three things keep it from outliving us. The kernel ends it when our process dies (PR_SET_PDEATHSIG, SIGTERM so that it can save
its sessions); `stop` ends it; and what is still there at the next start, by the process id we recorded, is ended first.
"""

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

START_TIMEOUT_S = 20.0  # 12,000 users with full lists took 2.6 s on two cores (docs/decisions/0003-broker.md)
STOP_TIMEOUT_S = 5.0
RESTART_FIRST_S, RESTART_CAP_S = 0.1, 5.0
STEADY_S = 3.0  # a child that ran this long starts its back-off anew: speakers wait for it
POLL_S = 0.004
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class BrokerError(Exception):
    """The broker cannot be had; the sentence says what a technician can do."""


class PortTaken(BrokerError):
    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        super().__init__(
            f"Port {port} on {host} is used by another program, so the broker cannot listen there. "
            f"End that program (`ss -ltnp 'sport = :{port}'` names it) or set broker.port to a free one (0 = any)."
        )


class BrokerDidNotStart(BrokerError):
    def __init__(self, name: str, log_file: Path, last_lines: str) -> None:
        self.name, self.log_file, self.last_lines = name, log_file, last_lines
        super().__init__(f"{name} did not start; its last words in {log_file}: {last_lines or '(none)'}")


class Child:
    """One supervised process that listens on a port.

    :param folder: ours alone (mode 0700); holds `child.pid` and `broker.log`, which the caller may read and shorten.
    :param on_start: called before each start; writes what the process reads.
    """

    def __init__(self, name: str, argv: Sequence[str], *, folder: Path, host: str, port: int) -> None:
        self.name, self.folder, self.host, self.port = name, folder, host, port
        self.log_file = folder / "broker.log"
        self.restarts = 0
        self.on_start: Callable[[], None] = lambda: None
        self._argv = tuple(argv)
        self._pid_file = folder / "child.pid"
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.running else None

    async def start(self) -> None:
        """Return when it listens.

        :raises PortTaken: by another program than our own left-over.
        :raises BrokerDidNotStart: with its last words.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        await end_left_over(self._pid_file, self._argv)
        if self.port == 0:
            self.port = free_port(self.host)
        elif not is_free(self.host, self.port):
            raise PortTaken(self.host, self.port)
        await self._launch()
        self._watch = asyncio.create_task(self._keep_running(), name=f"watch-{self.name}")

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL to one that does not hear."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        await self._end()
        self._pid_file.unlink(missing_ok=True)

    def signal(self, number: int) -> None:
        if self.running and self._process is not None:
            self._process.send_signal(number)

    def last_lines(self, count: int = 3) -> str:
        with contextlib.suppress(OSError):
            return " | ".join(self.log_file.read_text(errors="replace")[-4096:].strip().splitlines()[-count:])
        return ""

    async def _launch(self) -> None:
        self.on_start()
        with open_private(self.log_file, append=True) as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in our terminal is for us: we end it in our own order
                preexec_fn=end_with_parent(os.getpid()) if _libc else None,
            )
        record_pid(self._pid_file, self._process.pid)
        try:
            await self._until_it_listens()
        except BaseException:
            await self._end()
            raise

    async def _until_it_listens(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.running:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(connectable(self.host), self.port)
                writer.close()
                return
            await asyncio.sleep(POLL_S)
        raise BrokerDidNotStart(self.name, self.log_file, self.last_lines())

    async def _keep_running(self) -> None:
        pause_s = RESTART_FIRST_S
        while self._process is not None:
            began = time.monotonic()
            code = await self._process.wait()
            log.error(
                "%s ended with code %s; starting it again. Its last words: %s", self.name, code, self.last_lines()
            )
            pause_s = RESTART_FIRST_S if time.monotonic() - began > STEADY_S else pause_s
            await asyncio.sleep(pause_s)
            pause_s = min(RESTART_CAP_S, pause_s * 2)
            self.restarts += 1
            try:
                await self._launch()
            except (BrokerError, OSError):
                log.exception("%s cannot be started again yet", self.name)

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            log.warning("%s did not end within %s s: killed", self.name, STOP_TIMEOUT_S)
            process.kill()
            await process.wait()


def _environment() -> dict[str, str]:
    """Ours, and a Python child finds this same code wherever it stands."""
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}


def end_with_parent(parent: int) -> Callable[[], None]:
    """For the child, between fork and exec: SIGTERM when the parent's main thread dies, also by kill -9."""

    def before_exec() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # type: ignore[union-attr]
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return before_exec


@contextlib.contextmanager
def open_private(path: Path, *, append: bool = False) -> Iterator[int]:
    """A file descriptor of a file that only we may read."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC), 0o600)
    try:
        yield number
    finally:
        os.close(number)


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole; only we may read it, and nobody ever reads a half."""
    fresh = path.with_suffix(path.suffix + ".new")
    with open_private(fresh) as number:
        os.write(number, text.encode())
    fresh.replace(path)


def connectable(host: str) -> str:
    """Where to knock at a listener on all addresses."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def record_pid(pid_file: Path, pid: int) -> None:
    write_private(pid_file, json.dumps({"pid": pid, "started": _start_ticks(pid)}))


def _read_pid(pid_file: Path) -> tuple[int, int | None]:
    try:
        record = json.loads(pid_file.read_text())
        return int(record["pid"]), record["started"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0, None


async def end_left_over(pid_file: Path, argv: Sequence[str]) -> bool:
    """End the broker that an earlier, killed server of this folder left; True when there was one.

    It is ours when process id, start time and command line are the recorded ones: a process id alone may have been given anew.
    """
    pid, started = _read_pid(pid_file)
    if started is None or not _is_ours(pid, started, argv):
        return False
    log.warning("ending the broker (pid %s) that an earlier run left behind", pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < deadline:
            if not _is_ours(pid, started, argv):
                return True
            await asyncio.sleep(POLL_S)
    return True


def _is_ours(pid: int, started: int, argv: Sequence[str]) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return _start_ticks(pid) == started and words[1:-1] == [os.fsencode(word) for word in argv[1:]]


def _start_ticks(pid: int) -> int | None:
    """Clock ticks since boot at which the process began (proc(5), stat field 22); None where there is no /proc."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None
