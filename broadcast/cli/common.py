"""What all commands have in common: how one ends, tables, times. Imports nothing that takes time."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import NoReturn

import typer

from endpoints.area_codes import COUNTY, TOWNSHIP, padded

BEIJING = timezone(timedelta(hours=8), "Beijing")
FAILED, MISUSED, SOME_MISSING = 1, 2, 3  # exit codes


def fail(sentence: str, status: int = FAILED) -> NoReturn:
    """End the program with a sentence on stderr."""
    typer.echo(f"lianbo: {sentence}", err=True)
    raise typer.Exit(status)


def warn(sentence: str) -> None:
    typer.echo(f"lianbo: {sentence}", err=True)


def width(text: str) -> int:
    """Columns on a terminal; a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Columns of equal width under their heads; numbers to the right. No rows, no lines."""
    if not rows:
        return []
    cells = [list(head), *([str(value) for value in row] for row in rows)]
    widths = [max(width(row[n]) for row in cells) for n in range(len(head))]
    right = [all(isinstance(row[n], int) for row in rows) for n in range(len(head))]

    def line(row: Sequence[str]) -> str:
        pads = [" " * (most - width(cell)) for cell, most in zip(row, widths, strict=True)]
        return "  ".join(
            pad + cell if to_right else cell + pad for cell, pad, to_right in zip(row, pads, right, strict=True)
        ).rstrip()

    return [line(row) for row in cells]


def when(rfc3339: str | None) -> str:
    """`2026-11-23 10:00:00` in Beijing time, of what the API said; a dash for never."""
    if not rfc3339:
        return "-"
    return datetime.fromisoformat(rfc3339).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def whole_code(word: str) -> str:
    """An area code as typed: the whole one, or the six digits of a county and the nine of a township.

    Any other length stays as it is and is refused later: a code that lost a digit must not become the whole county.
    """
    return padded(word) if word.isascii() and word.isdigit() and len(word) in (COUNTY, TOWNSHIP) else word


def day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(BEIJING).strftime("%Y-%m-%d")
