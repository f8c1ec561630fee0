"""A real PostgreSQL for tests: made in a folder of its own, reached by a Unix socket, gone afterwards."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL installed here."""
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


class Postgres:
    """One cluster. It refuses to run as root, so root starts it as the user `postgres`.

    `fsync` is off: what a killed process wrote survives all the same, only a power cut would take it.
    """

    def __init__(self, bin_folder: Path) -> None:
        self.bin = bin_folder
        self.folder = Path(tempfile.mkdtemp(prefix="lianbo-pg-"))
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self._data = self.folder / "data"
        self._as_user("initdb", "-D", self._data, "-U", "lianbo", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        settings = (
            f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\nfsync = off\nmax_connections = 40\n"
        )
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(settings)

    def start(self) -> None:
        """Wait until it answers. After `kill` the first attempts may fail: old backends still hold the shared memory."""
        deadline = time.monotonic() + 30
        while True:
            try:
                self._as_user("pg_ctl", "-D", self._data, "-l", self.folder / "log", "-w", "-t", "20", "start")
                return
            except subprocess.CalledProcessError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def stop(self) -> None:
        self._as_user("pg_ctl", "-D", self._data, "-m", "fast", "-w", "stop")

    def kill(self) -> None:
        """SIGKILL to the postmaster and, as when the machine dies, to all its children."""
        postmaster = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for process in (postmaster, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def remove(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._as_user("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql://lianbo@/{database}?host={self.folder}"

    def run(self, statement: str) -> None:
        """As the administrator, outside of any transaction."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextlib.contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The URL of a database of one's own."""
        name = f"t{uuid4().hex}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield self.url(name)
        with contextlib.suppress(psycopg.OperationalError):  # a test has killed the server
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def _as_user(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [self.bin / program, *map(str, arguments)],
            check=True,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextlib.contextmanager
def running() -> Iterator[Postgres | None]:
    """A server that runs, or None where PostgreSQL is not installed."""
    folder = binaries()
    if folder is None:
        yield None
        return
    server = Postgres(folder)
    try:
        server.start()
        yield server
    finally:
        server.remove()
