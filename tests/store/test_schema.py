"""The tables: what the migrations make is what the models say, and which revision is taken, brought up or refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from broadcast.store import schema
from broadcast.store.base import Base
from broadcast.store.engines import LOCK_WAIT_S, parse, writer_engine
from broadcast.store.errors import SchemaNotCurrent
from broadcast.store.store import open_store, upgrade  # makes every table known

ROOT = Path(__file__).parents[2]


def scripts() -> ScriptDirectory:
    return ScriptDirectory(str(schema.MIGRATIONS))


def test_the_head_is_the_last_migration() -> None:
    assert scripts().get_heads() == [schema.HEAD]
    assert {script.revision for script in scripts().walk_revisions()} == schema.REVISIONS


def test_the_migrations_make_what_the_models_say(url: str) -> None:
    engine = writer_engine(parse(url), lock_wait_s=LOCK_WAIT_S, exclusive=False)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_an_empty_database_gets_the_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'with % and 空格.db'}"
    assert upgrade(url) == (None, schema.HEAD)
    assert upgrade(url) == (schema.HEAD, schema.HEAD)


def test_older_tables_are_refused_or_brought_up(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = schema.HEAD
    monkeypatch.setattr(schema, "HEAD", "9999")
    monkeypatch.setattr(schema, "REVISIONS", frozenset({now, "9999"}))
    with pytest.raises(SchemaNotCurrent, match=rf"revision {now}, this program needs 9999: .*run `lianbo db upgrade`"):
        open_store(sqlite_url, upgrades_itself=False)
    asked: list[str] = []
    monkeypatch.setattr(schema, "migrate", lambda connection: asked.append(schema.revision(connection) or ""))
    upgrade(sqlite_url)
    assert asked == [now]


def test_a_failed_upgrade_leaves_the_old_tables(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class PowerCut(Exception):
        pass

    def half(connection: object) -> None:
        connection.execute(text("ALTER TABLE fact ADD COLUMN extra TEXT"))  # type: ignore[attr-defined]
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))  # type: ignore[attr-defined]
        raise PowerCut

    now = schema.HEAD
    with monkeypatch.context() as patch:
        patch.setattr(schema, "HEAD", "9999")
        patch.setattr(schema, "REVISIONS", frozenset({now, "9999"}))
        patch.setattr(schema, "migrate", half)
        with pytest.raises(PowerCut):
            upgrade(sqlite_url)
    assert upgrade(sqlite_url) == (now, now)
    test_the_migrations_make_what_the_models_say(sqlite_url)


def test_a_start_with_current_tables_does_without_alembic(sqlite_url: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from broadcast.store.store import open_store\n"
        f"asyncio.run(open_store({sqlite_url!r}).close())\n"
        "print('alembic' in sys.modules, 'psycopg' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False False"
