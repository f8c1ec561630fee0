"""Run by alembic, on the connection and in the transaction of broadcast.store.schema."""

from typing import Any, Literal

from alembic import context
from sqlalchemy.types import TypeDecorator

from broadcast.store import tx  # noqa: F401  makes every table known
from broadcast.store.base import Base


def plainly(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """A migration names SQL's types, not ours: ours may change after it was written."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_item=plainly,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
context.run_migrations()
