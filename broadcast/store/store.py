"""The store: one writer thread, two reader threads, one database."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from broadcast.service.ports import ReportRow, StoreUnavailable, Tx
from broadcast.store import schema
from broadcast.store.engines import LOCK_WAIT_S, READERS, parse, reader_engine, writer_engine
from broadcast.store.errors import in_our_words
from broadcast.store.lock import FileLock
from broadcast.store.tx import SqlTx
from broadcast.store.writer import Writer

log = logging.getLogger(__name__)
T = TypeVar("T")


class SqlStore:
    """The Store of ports.py on SQLite or PostgreSQL; made by `open_store`."""

    def __init__(self, writing: Engine, reading: Engine, lock: FileLock | None, *, pace_s: float) -> None:
        self._writing, self._reading, self._lock = writing, reading, lock
        self._connection: Connection | None = None
        self._writer = Writer(self._run, pace_s=pace_s)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._writer.start()

    async def write(self, work: Callable[[Tx], T]) -> T:
        """What `work` returns, once what it wrote survives a power cut."""
        value: T = await self._writer.write(work)
        return value

    async def read(self, work: Callable[[Tx], T]) -> T:
        """What `work` returns, seeing one snapshot; it can't write."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._look, work)

    def keep_reports(self, rows: Sequence[ReportRow]) -> asyncio.Future[None]:
        """Resolved after the commit that holds all of them; on StoreUnavailable none is kept: offer them again later."""
        return self._writer.keep_reports(rows)

    async def close(self) -> None:
        """Do what waits, then let go of the database."""
        await asyncio.get_running_loop().run_in_executor(None, self._close)

    def _close(self) -> None:
        self._writer.close()
        self._readers.shutdown()
        self._reading.dispose()
        self._drop()
        self._writing.dispose()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _look(self, work: Callable[[Tx], T]) -> T:
        try:
            with Session(self._reading) as session, session.begin():
                return work(SqlTx(session))
        except Exception as err:
            raise in_our_words(err) from err

    # ---- on the writer's thread -----------------------------------------------------------------------------------------

    def _run(self, work: Callable[[Tx], T]) -> T:
        try:
            if self._connection is None:
                self._connection = self._writing.connect()
            with Session(self._connection) as session, session.begin():
                return work(SqlTx(session))
        except Exception as err:
            ours = in_our_words(err)
            if isinstance(ours, StoreUnavailable):
                log.warning("%s", ours)
                self._drop()
            raise ours from err

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):  # it is broken, that is why
                self._connection.close()
            self._connection = None


def open_store(
    url: str,
    *,
    upgrades_itself: bool | None = None,
    exclusive: bool = True,
    pace_ms: float = 5.0,
    lock_wait_s: float = LOCK_WAIT_S,
) -> SqlStore:
    """Open, or make, the database at `sqlite:////path/file.db` or `postgresql://user@host/name`. Blocks, a tenth of a second.

    :param upgrades_itself: whether older tables are brought up; unset, those of SQLite are and those of PostgreSQL are refused.
    :param exclusive: False for a tool that works beside a running server.
    :param pace_ms: commits of reports begin at least so far apart.
    :param lock_wait_s: how long a write waits for another program's lock before StoreUnavailable.
    :raises StoreInUse, SchemaNotCurrent, StoreUnavailable: with a sentence for whoever starts the server.
    """
    began = time.perf_counter()
    parsed = parse(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    lock = None
    if is_sqlite:
        file = Path(str(parsed.database))
        lock = FileLock(file) if exclusive else None
        _make_private(file)
    writing = writer_engine(parsed, lock_wait_s=lock_wait_s)
    try:
        schema.ensure(writing, upgrades_itself=is_sqlite if upgrades_itself is None else upgrades_itself)
    except Exception as err:
        writing.dispose()
        if lock is not None:
            lock.release()
        raise in_our_words(err) from err
    store = SqlStore(writing, reader_engine(parsed, lock_wait_s=lock_wait_s), lock, pace_s=pace_ms / 1000)
    log.info("database %s open after %.0f ms", parsed.render_as_string(), (time.perf_counter() - began) * 1000)
    return store


def _make_private(file: Path) -> None:
    """The file holds password hashes; its WAL takes over its mode."""
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as err:
        raise StoreUnavailable(f"{file}: {err.strerror}") from err
