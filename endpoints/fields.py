"""Reading a decoded message field by field: each has a type, a range and a limit, and anything else is a `BadMessage`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeGuard, TypeVar

from endpoints import canonical
from endpoints.area_codes import is_area_code

MAX_MS = 2**53 - 1  # about the year 287,396; keeps every time exact in any language
MAX_COUNTER = 2**63 - 1

E = TypeVar("E", bound=IntEnum)


class BadMessage(ValueError):
    """A message that is not what the specification says; `where` names the field, `why` the fault."""

    def __init__(self, where: str, why: str) -> None:
        self.where, self.why = where, why
        super().__init__(f"{where}: {why}")


_SPEAKER_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def is_speaker_id(text: object) -> TypeGuard[str]:
    """3 to 32 of a–z, 0–9 and '-', a letter first: safe in a topic, a file name and a page."""
    return isinstance(text, str) and 3 <= len(text) <= 32 and text[0].isalpha() and _SPEAKER_CHARS.issuperset(text)


def is_order_id(text: object) -> TypeGuard[str]:
    """1 to 40 ASCII letters, digits and '-'."""
    return isinstance(text, str) and 0 < len(text) <= 40 and text.isascii() and text.replace("-", "a").isalnum()


def is_order_id_or_empty(text: object) -> bool:
    return text == "" or is_order_id(text)


def is_scope(text: object) -> TypeGuard[str]:
    """Whose board it is: an area code or a speaker id, which begins with a letter, so never both."""
    return is_area_code(text) or is_speaker_id(text)


def unpack(name: str, payload: bytes, max_bytes: int) -> object:
    """:raises BadMessage: not canonical CBOR, or longer than a message of that name may be."""
    try:
        return canonical.decode(payload, max_bytes=max_bytes)
    except canonical.NotCanonical as err:
        raise BadMessage(name, str(err)) from err


def whole(value: object, where: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise BadMessage(where, f"not a whole number from {low} to {high}")
    return value


@dataclass(slots=True)
class Fields:
    """A map of known size read field by field: a missing field, and so a foreign one, is a BadMessage."""

    name: str
    map: Mapping[object, object]

    @classmethod
    def of(cls, name: str, value: object, size: int) -> "Fields":
        """:raises BadMessage: not a map with that many entries."""
        if not isinstance(value, dict) or len(value) != size:
            raise BadMessage(name, f"not a map of {size} fields")
        return cls(name, value)

    def uint(self, key: int, where: str, high: int = MAX_COUNTER, low: int = 0) -> int:
        return whole(self.map.get(key), f"{self.name}.{where}", low, high)

    def enum(self, key: int, where: str, kind: type[E]) -> E:
        number = self.uint(key, where)
        try:
            return kind(number)
        except ValueError:
            raise BadMessage(f"{self.name}.{where}", f"{number} is no {kind.__name__}") from None

    def flag(self, key: int, where: str) -> bool:
        value = self.map.get(key)
        if not isinstance(value, bool):
            raise BadMessage(f"{self.name}.{where}", "neither true nor false")
        return value

    def blob(self, key: int, where: str, sizes: tuple[int, ...]) -> bytes:
        value = self.map.get(key)
        if not isinstance(value, bytes) or len(value) not in sizes:
            raise BadMessage(f"{self.name}.{where}", f"not a byte string of {' or '.join(map(str, sizes))} bytes")
        return value

    def text(self, key: int, where: str, allowed: Callable[[object], bool]) -> str:
        value = self.map.get(key)
        if not isinstance(value, str) or not allowed(value):
            raise BadMessage(f"{self.name}.{where}", "not an identifier of the kind meant here")
        return value

    def items(self, key: int, where: str, most: int) -> list[object]:
        value = self.map.get(key)
        if not isinstance(value, list) or len(value) > most:
            raise BadMessage(f"{self.name}.{where}", f"not a list of at most {most}")
        return value

    def texts(self, key: int, where: str, most: int, allowed: Callable[[object], bool]) -> tuple[str, ...]:
        values = self.items(key, where, most)
        if not all(isinstance(value, str) and allowed(value) for value in values):
            raise BadMessage(f"{self.name}.{where}", "holds something that is not an identifier of the kind meant here")
        return tuple(str(value) for value in values)
