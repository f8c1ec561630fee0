"""Write the next migration: the difference between the models and what the migrations make.

    python -m broadcast.store.migrations 0002 "What it is for"

Read it, then set HEAD and REVISIONS in broadcast/store/schema.py; the tests compare the two on every engine.
"""

import sys

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from broadcast.store.schema import MIGRATIONS, migrate


def main(revision: str, message: str) -> None:
    with create_engine("sqlite://").connect() as connection, connection.begin():
        migrate(connection)
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        command.revision(config, message, autogenerate=True, rev_id=revision)


if __name__ == "__main__":
    main(*sys.argv[1:])
