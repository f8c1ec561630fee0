"""Orders, evidence and accounts on disk: SQLAlchemy models, repositories, migrations. SQLite by default, PostgreSQL the same."""
