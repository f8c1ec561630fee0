"""Engines: how a connection to SQLite or PostgreSQL is made so that a commit is on disk and a read is a snapshot.

SQLite: WAL, so that readers and the writer do not wait for each other; synchronous FULL, for this is the legal record of who
was warned (NORMAL may lose the last commits at a power cut, and saves about a millisecond a batch); BEGIN IMMEDIATE for writes,
so that a locked database is known before any work is done. The driver's own transaction handling is off: it begins too late.
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from broadcast.service.ports import StoreUnavailable
from broadcast.store import postgresql

LOCK_WAIT_S = 3.0
READERS = 2
WAL_KEPT_BYTES = 64 * 2**20  # a WAL that a long read has let grow shrinks to this
CACHE_KIB = 16_384


def parse(url: str) -> URL:
    """:raises StoreUnavailable: not the URL of an SQLite file or of a PostgreSQL database; a password in it is not repeated."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreUnavailable("the database URL can't be read") from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise StoreUnavailable(f"no database of kind {backend}: sqlite or postgresql")
    if not parsed.database or parsed.database == ":memory:":
        raise StoreUnavailable("an SQLite database needs a file: the store has several connections to it")
    return parsed


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def writer_engine(url: URL, *, lock_wait_s: float, exclusive: bool) -> Engine:
    """Its one connection writes.

    :param exclusive: on PostgreSQL the connection claims the database when it is made; SQLite has a lock file for that.
    """
    if is_sqlite(url):
        engine = create_engine(url, poolclass=QueuePool, pool_size=1, connect_args={"timeout": lock_wait_s})
        _prepare_sqlite(engine, "BEGIN IMMEDIATE", {"foreign_keys": "ON", "cache_size": -CACHE_KIB})
        return engine
    name = f"lianbo-{uuid4().hex[:12]}"
    engine = create_engine(url, pool_size=1, pool_pre_ping=True, connect_args=postgresql.arguments(lock_wait_s, name))

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        postgresql.make_durable(connection)
        if exclusive:
            postgresql.claim(connection, name)

    return engine


def reader_engine(url: URL, *, lock_wait_s: float) -> Engine:
    """Its connections can't write; each transaction sees one snapshot."""
    if is_sqlite(url):
        engine = create_engine(url, poolclass=QueuePool, pool_size=READERS, connect_args={"timeout": lock_wait_s})
        _prepare_sqlite(engine, "BEGIN", {"query_only": "ON"})
        return engine
    return create_engine(
        url,
        pool_size=READERS,
        pool_pre_ping=True,
        connect_args=postgresql.arguments(lock_wait_s, "lianbo-reader"),
        execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    )


def _prepare_sqlite(engine: Engine, begin: str, pragmas: Mapping[str, object]) -> None:
    always = {"journal_mode": "WAL", "synchronous": "FULL", "journal_size_limit": WAL_KEPT_BYTES}

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        for name, value in {**always, **pragmas}.items():
            connection.execute(f"PRAGMA {name} = {value}")

    @event.listens_for(engine, "begin")
    def begin_now(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
