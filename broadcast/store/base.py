"""What all tables share: one metadata with named constraints, and the column types of this project.

A time is a BIGINT of milliseconds since 1970 in UTC, as on the wire: no engine's idea of a time zone gets between. An enum is
kept as what its members are: the wire's small numbers, or a word. A key compares byte by byte on every engine, so that ids sort
by time under any locale of the PostgreSQL cluster.
"""

from enum import IntEnum, StrEnum
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Dialect, Integer, MetaData, SmallInteger, String, Text
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from endpoints.protocol import Part

N = TypeVar("N", bound=IntEnum)
W = TypeVar("W", bound=StrEnum)


class Base(DeclarativeBase):
    """Rows never leave the store: repositories turn them into the domain's dataclasses."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map = {int: BigInteger, str: Text}  # noqa: RUF012  SQLAlchemy's own name and type


def key(length: int) -> String:
    """Text of at most so many characters in the order of its bytes."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


COUNTER = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER counts by itself in SQLite


class Number(TypeDecorator[N]):
    """An IntEnum as its number."""

    impl = SmallInteger
    cache_ok = True

    def __init__(self, enum: type[N]) -> None:
        super().__init__()
        self.enum = enum

    def process_bind_param(self, value: N | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> N | None:
        return None if value is None else self.enum(value)


class Word(TypeDecorator[W]):
    """A StrEnum as its word."""

    impl = String(20)
    cache_ok = True

    def __init__(self, enum: type[W]) -> None:
        super().__init__()
        self.enum = enum

    def process_bind_param(self, value: W | None, dialect: Dialect) -> str | None:
        return None if value is None else value.value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> W | None:
        return None if value is None else self.enum(value)


class Codes(TypeDecorator[tuple[str, ...]]):
    """Area codes or speaker ids, neither of which has a space in it, parted by spaces."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str:
        return " ".join(value or ())

    def process_result_value(self, value: Any | None, dialect: Dialect) -> tuple[str, ...]:
        return tuple((value or "").split())


class Numbers(TypeDecorator[tuple[int, ...]]):
    """Whole numbers, parted by spaces."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[int, ...] | None, dialect: Dialect) -> str:
        return " ".join(map(str, value or ()))

    def process_result_value(self, value: Any | None, dialect: Dialect) -> tuple[int, ...]:
        return tuple(map(int, (value or "").split()))


class Parts(TypeDecorator[tuple[Part, ...]]):
    """The files of a playlist: hash, bytes and milliseconds each, parted by spaces; a hash is hexadecimal."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[Part, ...] | None, dialect: Dialect) -> str:
        return " ".join(f"{part.asset.hex()}:{part.asset_bytes}:{part.asset_ms}" for part in value or ())

    def process_result_value(self, value: Any | None, dialect: Dialect) -> tuple[Part, ...]:
        fields = (item.split(":") for item in (value or "").split())
        return tuple(Part(bytes.fromhex(asset), int(size), int(ms)) for asset, size, ms in fields)
