"""The store: one writer thread, two reader threads, one database."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from broadcast.service.ports import ReportRow, StoreUnavailable, Tx
from broadcast.store import postgresql, schema
from broadcast.store.engines import LOCK_WAIT_S, READERS, is_sqlite, parse, reader_engine, writer_engine
from broadcast.store.errors import StoreInUse, in_our_words
from broadcast.store.lock import FileLock
from broadcast.store.tx import SqlTx
from broadcast.store.writer import Writer

log = logging.getLogger(__name__)
T = TypeVar("T")


class SqlStore:
    """The Store of ports.py on SQLite or PostgreSQL; made by `open_store`, from inside of or before the event loop."""

    def __init__(self, writing: Engine, reading: Engine, lock: FileLock | None, *, pace_s: float) -> None:
        self._writing, self._reading, self._lock = writing, reading, lock
        self._can_doubt = writing.dialect.name == "postgresql"
        self._writer = Writer(self._run, pace_s=pace_s)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._closed = False
        self._writer.start()

    async def write(self, work: Callable[[Tx], T]) -> T:
        """What `work` returns, once what it wrote survives a power cut. Once begun it is not undone by a cancellation."""
        value: T = await self._writer.write(work)
        return value

    async def read(self, work: Callable[[Tx], T]) -> T:
        """What `work` returns, seeing one snapshot; it can't write."""
        if self._closed:
            raise StoreUnavailable("it was closed")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._look, work)

    def keep_reports(self, rows: Sequence[ReportRow]) -> asyncio.Future[None]:
        """Resolved after the commit that holds all of them; on StoreUnavailable none is kept: offer them again later."""
        return self._writer.keep_reports(rows)

    async def close(self) -> None:
        """Do what waits, then let go of the database. A second call does nothing."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(None, self._close)

    def _close(self) -> None:
        self._writer.close()
        self._readers.shutdown()
        self._reading.dispose()
        self._writing.dispose()
        if self._lock is not None:
            self._lock.release()

    def _look(self, work: Callable[[Tx], T]) -> T:
        try:
            with Session(self._reading) as session:
                return work(SqlTx(session))
        except Exception as err:
            ours = in_our_words(err)
            if ours is err:
                raise
            raise ours from err

    # ---- on the writer's thread -----------------------------------------------------------------------------------------

    def _run(self, work: Callable[[Tx], T]) -> T:
        try:
            with Session(self._writing) as session:  # leaving it rolls back what was not committed
                session.connection()  # begins: a locked database is known before the work
                tx = SqlTx(session)
                value = work(tx)
                tx.settle()
                session.flush()
                self._commit(session)
                return value
        except Exception as err:
            ours = StoreUnavailable(str(err)) if isinstance(err, StoreInUse) else in_our_words(err)
            if isinstance(ours, StoreUnavailable):
                log.warning("%s", ours)
                self._writing.dispose()  # the next work gets a new connection
            if ours is err:
                raise
            raise ours from err

    def _commit(self, session: Session) -> None:
        transaction = postgresql.transaction_id(session) if self._can_doubt else None
        try:
            session.commit()
        except DBAPIError as err:
            if transaction is None or not err.connection_invalidated:
                raise
            session.close()
            if not postgresql.was_committed(self._writing, transaction, str(err.orig)):
                raise


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
    itself = is_sqlite(parsed) if upgrades_itself is None else upgrades_itself
    writing, lock, _ = _claimed(parsed, lock_wait_s=lock_wait_s, exclusive=exclusive, upgrades_itself=itself)
    store = SqlStore(writing, reader_engine(parsed, lock_wait_s=lock_wait_s), lock, pace_s=pace_ms / 1000)
    log.info("database %s open after %.0f ms", parsed.render_as_string(), (time.perf_counter() - began) * 1000)
    return store


def upgrade(url: str) -> tuple[str | None, str]:
    """Bring the tables up to this program, all or nothing, while no server runs.

    :returns: the revision before (None: there was none) and after.
    :raises StoreInUse, SchemaNotCurrent, StoreUnavailable: nothing was touched.
    """
    writing, lock, before = _claimed(parse(url), lock_wait_s=LOCK_WAIT_S, exclusive=True, upgrades_itself=True)
    writing.dispose()
    if lock is not None:
        lock.release()
    return before, schema.HEAD


def _claimed(
    url: URL, *, lock_wait_s: float, exclusive: bool, upgrades_itself: bool
) -> tuple[Engine, FileLock | None, str | None]:
    """The writing engine of a database that is ours and has our tables, its lock, and the revision that was found."""
    lock = FileLock(Path(str(url.database))) if is_sqlite(url) and exclusive else None
    writing = writer_engine(url, lock_wait_s=lock_wait_s, exclusive=exclusive)
    try:
        if is_sqlite(url):
            _make_private(Path(str(url.database)))
        found = schema.ensure(writing, upgrades_itself=upgrades_itself)
    except Exception as err:
        writing.dispose()
        if lock is not None:
            lock.release()
        ours = in_our_words(err)
        if ours is err:
            raise
        raise ours from err
    return writing, lock, found


def _make_private(file: Path) -> None:
    """The file holds password hashes; its WAL takes over its mode."""
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as err:
        raise StoreUnavailable(f"{file}: {err.strerror}") from err
