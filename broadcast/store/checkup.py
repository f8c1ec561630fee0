"""Looks at a database without changing it, also while a server runs on it: which revision, and whether it is whole."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from broadcast.service.ports import StoreUnavailable
from broadcast.store import schema
from broadcast.store.engines import LOCK_WAIT_S, is_sqlite, parse, reader_engine
from broadcast.store.errors import in_our_words

MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found.

    :param revision: of the tables; None when there are none.
    :param faults: lines of the database about itself; empty when it is whole.
    :param looked: whether the pages were looked at: SQLite can, PostgreSQL checks them by its own checksums.
    """

    revision: str | None
    wanted: str
    faults: tuple[str, ...]
    looked: bool
    size_bytes: int

    @property
    def is_current(self) -> bool:
        return self.revision == self.wanted


def is_there(url: str) -> bool:
    """Whether an SQLite file exists; of PostgreSQL it is taken for granted: opening it tells."""
    parsed = parse(url)
    return not is_sqlite(parsed) or Path(str(parsed.database)).exists()


def check_up(url: str, *, pages: bool = True) -> Checkup:
    """:param pages: read every one of them, which takes seconds on a large file.

    :raises StoreUnavailable: it can't be opened, or is no database.
    """
    parsed = parse(url)
    engine = reader_engine(parsed, lock_wait_s=LOCK_WAIT_S)
    try:
        with engine.connect() as connection:
            found = schema.revision(connection)
            if not is_sqlite(parsed):
                size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar() or 0
                return Checkup(found, schema.HEAD, (), looked=False, size_bytes=int(size))
            size = Path(str(parsed.database)).stat().st_size
            if not pages:
                return Checkup(found, schema.HEAD, (), looked=False, size_bytes=size)
            rows = connection.execute(text(f"PRAGMA integrity_check({MOST_FAULTS})"))
            faults = tuple(row[0] for row in rows if row[0] != "ok")
            orphans = tuple(
                f"a row of {row[0]} points to a row of {row[2]} that is not there"
                for row in connection.execute(text("PRAGMA foreign_key_check")).fetchmany(MOST_FAULTS)
            )
            return Checkup(found, schema.HEAD, faults + orphans, looked=True, size_bytes=size)
    except sqlite3.DatabaseError as err:  # while the connection is prepared, before SQLAlchemy looks after it
        raise StoreUnavailable(str(err)) from err
    except Exception as err:
        ours = in_our_words(err)
        if ours is err:
            raise
        raise ours from err
    finally:
        engine.dispose()
