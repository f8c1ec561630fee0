"""Puts a backup in the place of a server's data, while no server runs. Everything is checked before anything is touched.

What was there is moved aside, not deleted. Sessions end: who was signed in when the backup was made signs in again. The next start
takes an epoch above every earlier one (`server._next_epoch`), so speakers obey it although its boards count from where the
backup was.
"""

import contextlib
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import URL

from broadcast.domain.backups import BackupFailed, BadBackup, Manifest, name_of
from broadcast.store import copies, recovery
from broadcast.store.engines import LOCK_WAIT_S, is_sqlite, parse, writer_engine
from broadcast.store.lock import FileLock
from broadcast.store.vault import BESIDE, KEYS, SOUNDS, manifest_of, part_of

ASIDE = "before-restore-"


class InTheWay(Exception):
    """There is data already; it is replaced only when that is meant."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is there already; --replace moves it aside and restores the backup in its place")


@dataclass(frozen=True, slots=True)
class Restored:
    """:param missing: sounds that the backup names and that are nowhere; programmes that use them are silent.
    :param aside: where what was there before lies now; None: nothing was.
    """

    manifest: Manifest
    sounds: int
    missing: tuple[str, ...]
    aside: Path | None


def check(backup: Path, *, engine: str) -> Manifest:
    """Read every byte of it. :raises BadBackup: it is damaged, or of another engine."""
    manifest = manifest_of(backup)
    if manifest.engine != engine:
        raise BadBackup(str(backup), f"it is of {manifest.engine}, and the settings name {engine}")
    for wanted in manifest.files:
        path = backup / wanted.name
        if not path.is_file():
            raise BadBackup(str(backup), f"{wanted.name} is missing")
        if part_of(path) != wanted:
            raise BadBackup(str(backup), f"{wanted.name} is not what was written")
    try:
        copies.verify(backup / manifest.database, {})
    except BackupFailed as err:
        raise BadBackup(str(backup), err.cause) from err
    return manifest


def restore(backup: Path, *, url: str, data_folder: Path, secret: bytes | None, replace: bool, now_ms: int) -> Restored:
    """
    :param secret: behind the recovery code; None: the keys that are there stay.
    :param replace: what is there is moved aside.
    :raises BadBackup, BadCode, InTheWay, StoreInUse, StoreUnavailable, BackupFailed: before anything was touched, but for
        PostgreSQL, where BackupFailed may come out of the one transaction in which everything is replaced.
    """
    parsed = parse(url)
    manifest = check(backup, engine="sqlite" if is_sqlite(parsed) else "postgresql")
    keys = recovery.open_sealed((backup / KEYS).read_bytes(), secret) if secret is not None else None
    _must_be_free(parsed, data_folder, keys=keys is not None, replace=replace)
    data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.ExitStack() as held:
        _claim(parsed, held)
        aside = data_folder / f"{ASIDE}{name_of(now_ms)}"
        if is_sqlite(parsed):
            _put_sqlite(backup / manifest.database, Path(str(parsed.database)), aside)
        else:
            words = ("--clean", "--if-exists", "--no-owner", "--single-transaction", str(backup / manifest.database))
            copies.tool("pg_restore", parsed, *words)
            _end_sessions(parsed)
        if keys is not None and secret is not None:
            _put_keys(keys, secret, data_folder / "keys", aside)
        _put_beside(backup, data_folder, aside)
    sounds, missing = _put_sounds(backup.parent / SOUNDS, manifest, data_folder / "assets")
    return Restored(manifest, sounds, missing, aside if aside.exists() else None)


def _must_be_free(url: URL, data_folder: Path, *, keys: bool, replace: bool) -> None:
    if replace:
        return
    if is_sqlite(url):
        if Path(str(url.database)).exists():
            raise InTheWay(f"the database {url.database}")
    else:
        engine = writer_engine(url, lock_wait_s=LOCK_WAIT_S, exclusive=False)
        try:
            with engine.connect() as connection:
                if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is not None:
                    raise InTheWay(f"the database {url.database}")
        finally:
            engine.dispose()
    if keys and (data_folder / "keys").exists() and any((data_folder / "keys").iterdir()):
        raise InTheWay(f"the folder {data_folder / 'keys'}")


def _claim(url: URL, held: contextlib.ExitStack) -> None:
    """No server runs on it, and none can start. :raises StoreInUse:"""
    if is_sqlite(url):
        held.callback(FileLock(Path(str(url.database))).release)
        return
    engine = writer_engine(url, lock_wait_s=LOCK_WAIT_S, exclusive=True)
    held.callback(engine.dispose)
    held.enter_context(engine.connect()).rollback()


def _put_sqlite(source: Path, target: Path, aside: Path) -> None:
    fresh = target.with_name(target.name + ".restoring")
    fresh.unlink(missing_ok=True)
    shutil.copyfile(source, fresh)
    fresh.chmod(0o600)
    with contextlib.closing(sqlite3.connect(fresh)) as connection, connection:
        connection.execute("DELETE FROM session")
    copies.to_disk(fresh)
    for suffix in ("", "-wal", "-shm"):
        _move_aside(target.with_name(target.name + suffix), aside)
    fresh.replace(target)
    copies.to_disk(target)


def _end_sessions(url: URL) -> None:
    engine = writer_engine(url, lock_wait_s=LOCK_WAIT_S, exclusive=False)
    try:
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM session"))
    finally:
        engine.dispose()


def _put_keys(keys: dict[str, bytes], secret: bytes, folder: Path, aside: Path) -> None:
    if folder.exists():
        _move_aside(folder, aside)
    folder.mkdir(mode=0o700)
    for name, data in {**keys, recovery.FILE: secret}.items():
        recovery.write_private(folder / name, data)


def _put_beside(backup: Path, data_folder: Path, aside: Path) -> None:
    for name in BESIDE:
        if (backup / name).is_file():
            _move_aside(data_folder / name, aside)
            recovery.write_private(data_folder / name, (backup / name).read_bytes())


def _put_sounds(pool: Path, manifest: Manifest, library: Path) -> tuple[int, tuple[str, ...]]:
    library.mkdir(parents=True, exist_ok=True)
    put, missing = 0, []
    for wanted in manifest.sounds:
        target = library / wanted.name
        if target.exists() and target.stat().st_size == wanted.size_bytes:
            continue
        source = pool / wanted.name
        if not source.is_file() or part_of(source).sha256 != wanted.sha256:
            missing.append(wanted.sha256)
            continue
        shutil.copyfile(source, target)
        put += 1
    return put, tuple(missing)


def _move_aside(path: Path, aside: Path) -> None:
    if path.exists():
        aside.mkdir(exist_ok=True, mode=0o700)
        path.replace(aside / path.name)
