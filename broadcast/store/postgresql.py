"""What PostgreSQL needs beyond SQL: bounded waits, one server a database, and an answer about a commit that was cut off."""

import contextlib
import time
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from broadcast.service.ports import StoreInDoubt
from broadcast.store.errors import StoreInUse

LOCK_KEY = (0x6C69616E, 0x0000626F)  # "lian", "bo" among the advisory locks of the database
CLAIM_WAIT_S = 2.0  # for our own last connection to be gone
LEAVING_S = 1.0  # a connection that was closed a moment ago keeps its lock until its backend has noticed
DOUBT_WAIT_S = 10.0  # a restart after a crash takes 2 s
ASK_EVERY_S = 0.05


def arguments(lock_wait_s: float, name: str) -> dict[str, object]:
    """Of a connection: it waits for nothing without end, and each side notices within half a minute when the other is gone."""
    settings = {
        "lock_timeout": f"{int(lock_wait_s * 1000)}ms",
        "statement_timeout": "15s",
        "tcp_keepalives_idle": "10s",
        "tcp_keepalives_interval": "5s",
        "tcp_keepalives_count": "3",
    }
    options = " ".join(f"-c {key}={value}" for key, value in settings.items())
    return {
        "connect_timeout": 3,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        "application_name": name,
        "options": options,
    }


def make_durable(connection: Any) -> None:
    """A commit is on disk when it returns, also where the cluster's configuration would rather be quick."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    connection.commit()


def claim(connection: Any, name: str) -> None:
    """Take the database for the server of this name, for as long as the connection lives.

    An older connection of the same name is ended: ours, of before the network broke, which the server may believe in for long.

    :raises StoreInUse: another server has it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = %s AND pid <> pg_backend_pid()",
            (name,),
        )
        wait_s = CLAIM_WAIT_S if cursor.rowcount > 0 else LEAVING_S
        deadline = time.monotonic() + wait_s
        while not cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", LOCK_KEY).fetchone()[0]:
            if time.monotonic() > deadline:
                raise StoreInUse(f"the database {connection.info.dbname}", _holder(cursor))
            time.sleep(ASK_EVERY_S)
    connection.commit()


def _holder(cursor: Any) -> str:
    cursor.execute(
        "SELECT application_name, coalesce(host(client_addr), 'this machine') FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s AND datname = current_database()",
        LOCK_KEY,
    )
    found = cursor.fetchone()
    return f"{found[0]} from {found[1]}" if found else "another server"


def transaction_id(session: Session) -> str | None:
    """By which the server can be asked later how it ended; None when nothing was written."""
    statement = "SELECT CAST(pg_current_xact_id_if_assigned() AS text)"
    found = session.connection().exec_driver_sql(statement).scalar()
    return None if found is None else str(found)


def was_committed(engine: Engine, transaction: str, cause: str) -> bool:
    """The connection broke during COMMIT: ask on a new one what became of it.

    :raises StoreInDoubt: the server does not come back in time.
    """
    deadline = time.monotonic() + DOUBT_WAIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(DBAPIError, StoreInUse), engine.connect() as connection:
            question = text("SELECT pg_xact_status(CAST(CAST(:id AS text) AS xid8))")
            status = connection.execute(question, {"id": transaction}).scalar()
            if status != "in progress":
                return bool(status == "committed")
        time.sleep(ASK_EVERY_S)
    raise StoreInDoubt(cause)
