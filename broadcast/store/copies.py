"""Copies of a database beside the server that writes it, and whether they are whole.

SQLite: its online backup, in one step on a snapshot, which keeps no writer waiting. PostgreSQL: pg_dump, whose archive is read to
its end again; the audit trail is verified from what it would restore.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from broadcast.domain.audit import Entry
from broadcast.domain.audit_faults import Walk
from broadcast.domain.backups import BackupFailed
from broadcast.store import schema
from broadcast.store.acts import COLUMNS
from broadcast.store.engines import is_sqlite

BATCH = 2_000
GIVE_WAY_S = 0.002  # between batches: the event loop of the server needs the interpreter too
TOOL_WITHIN_S = 3_600
SQLITE_FILE, POSTGRESQL_FILE = "lianbo.db", "lianbo.dump"


@dataclass(frozen=True, slots=True)
class Copied:
    """What is in a copy: the revision of its tables, and how far the trail goes."""

    revision: str
    acts: int
    link: str


def copy_to(url: URL, folder: Path) -> str:
    """The name of the file that it became, on the disk.

    :raises BackupFailed: with what the database, the disk or the tool said.
    """
    try:
        if is_sqlite(url):
            _copy_sqlite(Path(str(url.database)), folder / SQLITE_FILE)
            return SQLITE_FILE
        tool("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={folder / POSTGRESQL_FILE}")
        to_disk(folder / POSTGRESQL_FILE)
    except (OSError, sqlite3.Error) as err:
        raise BackupFailed(str(err)) from err
    return POSTGRESQL_FILE


def verify(file: Path, expected: Mapping[int, bytes]) -> Copied:
    """Read all of it.

    :param expected: links of the trail that it must hold.
    :raises BackupFailed: it is not whole, not of this program, or its trail is not the server's.
    """
    try:
        return _verify_sqlite(file, expected) if file.name == SQLITE_FILE else _verify_dump(file, expected)
    except (OSError, sqlite3.Error, UnicodeError, ValueError) as err:
        raise BackupFailed(f"the copy can't be read: {err}") from err


def _copy_sqlite(source: Path, target: Path) -> None:
    if not source.exists():
        raise BackupFailed(f"there is no database {source}")
    with contextlib.closing(sqlite3.connect(source)) as reading, contextlib.closing(sqlite3.connect(target)) as writing:
        reading.execute("PRAGMA query_only = ON")
        reading.backup(writing, pages=-1)
        writing.execute("PRAGMA journal_mode = DELETE")  # one file
    target.chmod(0o600)
    to_disk(target)


def _verify_sqlite(file: Path, expected: Mapping[int, bytes]) -> Copied:
    with contextlib.closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as reading:
        faults = [row[0] for row in reading.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
        faults += [f"a row of {row[0]} points nowhere" for row in reading.execute("PRAGMA foreign_key_check")][:5]
        if faults:
            raise BackupFailed(f"the copy is damaged: {'; '.join(faults)}")
        found = reading.execute("SELECT version_num FROM alembic_version").fetchone()
        rows = reading.execute(f"SELECT {COLUMNS} FROM act ORDER BY id")  # noqa: S608  our own words
        return _walked(str(found[0]) if found else "", iter(rows), expected)


def _verify_dump(file: Path, expected: Mapping[int, bytes]) -> Copied:
    tool("pg_restore", None, "--file=/dev/null", str(file))  # to the end of the archive
    versions = list(_table(file, "alembic_version"))
    with (
        tempfile.NamedTemporaryFile(dir=file.parent, prefix=".sorting-") as sorting,
        contextlib.closing(sqlite3.connect(sorting.name)) as rows,
    ):  # a table has no order: what was rolled back leaves room in the middle of it
        rows.execute("PRAGMA journal_mode = OFF")
        rows.execute("CREATE TABLE act (id INTEGER PRIMARY KEY, a, b, c, d, e, f, g)")
        rows.executemany("INSERT INTO act VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_entry, _table(file, "act")))
        sorted_rows = rows.execute("SELECT * FROM act ORDER BY id")
        return _walked(versions[0] if versions else "", iter(sorted_rows), expected)


def _walked(revision: str, rows: Iterator[Any], expected: Mapping[int, bytes]) -> Copied:
    if revision != schema.HEAD:
        raise BackupFailed(f"the copy is of revision {revision or 'none'}, this program needs {schema.HEAD}")
    walk, missing = Walk(), dict(expected)
    while batch := list(islice(rows, BATCH)):
        walk.take(batch)
        for seq in [seq for seq in missing if batch[0][0] <= seq <= batch[-1][0]]:
            if next((row[7] for row in batch if row[0] == seq), None) == missing[seq]:
                del missing[seq]
        time.sleep(GIVE_WAY_S)
    if findings := walk.end():
        first = findings[0]
        raise BackupFailed(f"the audit trail is broken: act {first.first} {first.wrong.value}")
    if missing:
        raise BackupFailed(f"the copy lacks act {min(missing)}, which the server has")
    return Copied(revision, walk.head.seq, walk.head.link.hex())


# ---- PostgreSQL's tools -----------------------------------------------------------------------------------------------------


def tool(name: str, url: URL | None, *arguments: str) -> None:
    """Run one of them to its end.

    :raises BackupFailed: with the last that it said.
    """
    program = find_tool(name)
    environment = dict(os.environ)
    words = [program, *arguments]
    if url is not None:
        if url.password:
            environment["PGPASSWORD"] = str(url.password)  # not in the list of processes
        plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
        words.append(f"--dbname={plain}")
    done = subprocess.run(  # noqa: S603  our own words
        words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=TOOL_WITHIN_S, check=False
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise BackupFailed(f"{name}: {said[-1] if said else f'ended with {done.returncode}'}")


def find_tool(name: str) -> str:
    """The newest that is installed: an older one refuses a newer server. :raises BackupFailed: none is."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    program = str(found[-1]) if found else shutil.which(name)
    if program is None:
        raise BackupFailed(f"{name} is not installed on this machine (package postgresql-client)")
    return program


def _table(file: Path, name: str) -> Iterator[str]:
    """The rows of a table in an archive, as COPY writes them, by order of what was written."""
    words = [find_tool("pg_restore"), "--data-only", f"--table={name}", "--file=-", str(file)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        if process.stdout is None:
            raise BackupFailed("pg_restore says nothing")
        inside = False
        for line in process.stdout:
            text = line.decode().rstrip("\n")
            if inside and text == "\\.":
                inside = False
            elif inside:
                yield text
            elif text.startswith("COPY "):
                inside = True
    if process.returncode:
        raise BackupFailed(f"pg_restore ended with {process.returncode}")


_ESCAPES = {"\\": "\\", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _plain(field: str) -> str:
    """A value of COPY's text format."""
    if "\\" not in field:
        return field
    out, letters = [], iter(field)
    for letter in letters:
        out.append(_ESCAPES.get(after := next(letters), after) if letter == "\\" else letter)
    return "".join(out)


def _entry(line: str) -> Entry:
    seq, at_ms, officer, verb, subject, detail, previous, link = map(_plain, line.split("\t"))
    said = int(seq), int(at_ms), officer, verb, subject, detail
    return Entry(*said, bytes.fromhex(previous[2:]), bytes.fromhex(link[2:]))


def to_disk(path: Path) -> None:
    for one in (path, path.parent):
        descriptor = os.open(one, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
