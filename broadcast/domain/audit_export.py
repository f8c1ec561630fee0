"""An audit trail as a file (JSON lines): a head, the acts, the checkpoints between them, an end. Whoever keeps it holds the proof.

    {"lianbo-audit": 1, "county": "130281000000", "made": 1790000000000, "after": 0}
    {"act": 1, "at": …, "officer": "wang", "verb": "stop", "subject": "…", "detail": "", "previous": "00…", "link": "9f…"}
    {"checkpoint": 1000, "at": …, "county": "…", "link": "…", "algorithm": -8, "key": "…", "signature": "…"}
    {"end": 1042, "link": "…"}

Times are milliseconds since 1970, bytes are hexadecimal. A file without its end was cut off.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from broadcast.domain.audit import LINK_BYTES, Checkpoint, Entry, Head
from broadcast.domain.errors import BroadcastError

FORMAT = 1
MOST_LINE = 4 * 2**20  # characters


class BadExport(BroadcastError):
    """A file that is no export of an audit trail, or a part of one.

    :param line: from 1.
    """

    def __init__(self, line: int, why: str) -> None:
        self.line, self.why = line, why
        super().__init__(f"line {line}: {why}")


class Opening(NamedTuple):
    """:param after: the number of the act before the first in the file."""

    county: str
    made_ms: int
    after: int


Item = Opening | Entry | Checkpoint | Head


def opening_line(county: str, made_ms: int, after: int) -> str:
    return _line({"lianbo-audit": FORMAT, "county": county, "made": made_ms, "after": after})


def act_line(entry: Entry) -> str:
    seq, at_ms, officer, verb, subject, detail, previous, link = entry
    said = {"act": seq, "at": at_ms, "officer": officer, "verb": verb, "subject": subject, "detail": detail}
    return _line({**said, "previous": previous.hex(), "link": link.hex()})


def checkpoint_line(one: Checkpoint) -> str:
    return _line(
        {
            "checkpoint": one.seq,
            "at": one.at_ms,
            "county": one.county,
            "link": one.link.hex(),
            "algorithm": one.algorithm,
            "key": one.key_id.hex(),
            "signature": one.signature.hex(),
        }
    )


def end_line(head: Head) -> str:
    return _line({"end": head.seq, "link": head.link.hex()})


def read_lines(lines: Iterable[str]) -> Iterator[Item]:
    """What the file holds, in its order; the head first, and the end last.

    A file of checkpoints alone, without head and end, is one too: what the server writes elsewhere line by line.

    :raises BadExport: at the first line that is none.
    """
    opened, ended, seen, number = False, False, 0, 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if ended:
            raise BadExport(number, "there is something behind the end")
        item = _read(line, number)
        if isinstance(item, Opening):
            if opened or seen:
                raise BadExport(number, "a second head")
            opened = True
        elif isinstance(item, Entry) and not opened:
            raise BadExport(number, "an act before the head")
        seen += 1
        ended = isinstance(item, Head)
        yield item
    if not seen:
        raise BadExport(1, "the file is empty")
    if opened and not ended:
        raise BadExport(number + 1, "the end is missing: the file was cut off")


def _read(line: str, number: int) -> Item:
    if len(line) > MOST_LINE:
        raise BadExport(number, f"longer than {MOST_LINE} characters")
    try:
        said = json.loads(line)
        for name, make in _MAKERS.items():
            if isinstance(said, dict) and name in said:
                return make(said)
    except RecursionError:
        raise BadExport(number, "nested too deeply") from None
    except (ValueError, KeyError, TypeError) as err:
        raise BadExport(number, f"{type(err).__name__}: {err}") from err
    raise BadExport(number, "neither act, checkpoint, head nor end")


def _opening(said: dict[str, Any]) -> Opening:
    if said["lianbo-audit"] != FORMAT:
        raise ValueError(f"format {said['lianbo-audit']!r}, not {FORMAT}")
    return Opening(_text(said["county"]), _whole(said["made"]), _whole(said["after"]))


def _act(said: dict[str, Any]) -> Entry:
    return Entry(
        seq=_whole(said["act"]),
        at_ms=_whole(said["at"]),
        officer=_text(said["officer"]),
        verb=_text(said["verb"]),
        subject=_text(said["subject"]),
        detail=_text(said["detail"]),
        previous=_link(said["previous"]),
        link=_link(said["link"]),
    )


def _checkpoint(said: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        seq=_whole(said["checkpoint"]),
        link=_link(said["link"]),
        at_ms=_whole(said["at"]),
        county=_text(said["county"]),
        algorithm=_whole(said["algorithm"]),
        key_id=bytes.fromhex(_text(said["key"])),
        signature=bytes.fromhex(_text(said["signature"])),
    )


def _end(said: dict[str, Any]) -> Head:
    return Head(_whole(said["end"]), _link(said["link"]))


_MAKERS: dict[str, Callable[[dict[str, Any]], Item]] = {
    "act": _act,
    "checkpoint": _checkpoint,
    "lianbo-audit": _opening,
    "end": _end,
}


def _whole(value: object) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError(f"{str(value)[:40]!r} is no whole number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is no text")
    return value


def _link(value: object) -> bytes:
    link = bytes.fromhex(_text(value))
    if len(link) != LINK_BYTES:
        raise ValueError(f"a link of {len(link)} bytes")
    return link


def _line(said: dict[str, object]) -> str:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")) + "\n"
