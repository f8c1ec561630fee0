"""Which revision the tables have, and how they get to that of this program. alembic is imported only when there is work for it."""

import logging
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from broadcast.store.errors import SchemaNotCurrent

log = logging.getLogger(__name__)

HEAD = "0021"  # the last revision in migrations/versions; a test keeps it so
REVISIONS = frozenset({*(f"{number:04}" for number in (*range(1, 11), 20)), HEAD})  # all that this program knows
MIGRATIONS = Path(__file__).parent / "migrations"


def revision(connection: Connection) -> str | None:
    """Of the database; None while it has no tables of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def ensure(engine: Engine, *, upgrades_itself: bool) -> str | None:
    """Leave the tables of this program behind; an empty database gets them.

    :param upgrades_itself: whether older tables are brought up here, or refused.
    :returns: the revision that was found.
    :raises SchemaNotCurrent: they are older and may not be touched, or newer.
    """
    with engine.connect() as connection, connection.begin():
        found = revision(connection)
        if found == HEAD:
            return found
        if found is not None and (found not in REVISIONS or not upgrades_itself):
            raise SchemaNotCurrent(found, HEAD, newer=found not in REVISIONS)
        log.warning(
            "the database %s; it becomes revision %s now", f"is of revision {found}" if found else "is empty", HEAD
        )
        migrate(connection)
        return found


def migrate(connection: Connection, to: str = "head") -> None:
    """Run the migrations in the caller's transaction."""
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)  # it greets at INFO, seven times
    from alembic import command  # noqa: PLC0415  0.1 s that a start with current tables need not spend
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, to)
