"""What a speaker writes where it survives a power cut, and how: one small CBOR file with a check sum, replaced as a whole."""

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from endpoints import canonical
from endpoints.area_codes import is_area_code
from endpoints.budget import Spent
from endpoints.protocol import (
    MAX_COUNTER,
    MAX_MS,
    BadMessage,
    Band,
    Entry,
    OrderRule,
    Reason,
    Stage,
    is_order_id,
    is_scope,
)

MAX_KEPT_BYTES = 1 << 21  # six boards and six programmes of the largest size, and a ledger
_FORMAT = 4
_BEFORE_SETUPS, _BEFORE_PROGRAMMES = 3, 2  # still read: what has sounded must not sound again after a new program came
_SUM_BYTES = 8  # against rot and torn writes, not against malice: who can write this file owns the speaker
_TERMINAL = frozenset({Stage.FINISHED, Stage.REFUSED, Stage.MISSED, Stage.FAILED, Stage.STOPPED})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far this speaker got with one order.

    :param not_after_ms: the latest end that any revision of it had here.
    :param position_ms: where in its sound it was interrupted.
    :param first_started_ms: the server's time when it first sounded here; 0 when it has not.
    :param scope: on whose board it stood last.
    :param area, band: the reach of the key that gave it.
    :param asset: the file that it sounds, or empty.
    :param programme: the board was a programme.
    """

    order: str
    revision: int
    not_after_ms: int
    stage: Stage
    scope: str
    area: str
    band: Band
    reason: Reason = Reason.NONE
    position_ms: int = 0
    first_started_ms: int = 0
    asset: bytes = b""
    programme: bool = False

    @property
    def terminal(self) -> bool:
        """It has come to its end here."""
        return self.stage in _TERMINAL


@dataclass(frozen=True, slots=True)
class Kept:
    """All that has to outlive a power cut.

    :param boards: the frames as they came, verified again when they are read.
    :param epochs: the highest fencing epoch seen, by key id.
    :param time_floor_ms: it was at least this late, server's time, when this was written.
    :param journal: report entries that the server has not confirmed.
    :param programmes: as `boards`.
    :param spent: how long routine has sounded on the last day on which it did.
    :param setup: the frame as it came, or empty.
    """

    boards: tuple[bytes, ...] = ()
    progress: Mapping[str, Progress] = field(default_factory=dict)
    epochs: Mapping[bytes, int] = field(default_factory=dict)
    time_floor_ms: int = 0
    rule: OrderRule = OrderRule.SEVERITY_FIRST
    journal: tuple[Entry, ...] = ()
    programmes: tuple[bytes, ...] = ()
    spent: Spent = Spent()
    setup: bytes = b""

    def to_bytes(self) -> bytes:
        progress = [list(_values_of_progress(one)) for one in self.progress.values()]
        journal = [list(_values_of_entry(entry)) for entry in self.journal]
        epochs = [[key_id, epoch] for key_id, epoch in self.epochs.items()]
        spent = [self.spent.day, self.spent.ms]
        body = [_FORMAT, list(self.boards), progress, epochs, self.time_floor_ms, self.rule, journal]
        data = canonical.encode([*body, list(self.programmes), spent, self.setup])
        return _sum(data) + data

    @classmethod
    def from_bytes(cls, data: bytes) -> "Kept":
        """:raises BadMessage: not what `to_bytes` writes: a torn, rotten or foreign file."""
        sum_, body = data[:_SUM_BYTES], data[_SUM_BYTES:]
        if sum_ != _sum(body):
            raise BadMessage("kept", "the state file is torn, rotten or foreign: its check sum does not fit")
        try:
            value: Any = canonical.decode(body, max_bytes=MAX_KEPT_BYTES)
            if value[0] == _BEFORE_PROGRAMMES:
                value = _renewed(value)
            if value[0] == _BEFORE_SETUPS:
                value = [_FORMAT, *value[1:], b""]
            kind, boards, progress, epochs, floor, rule, journal, programmes, (day, spent_ms), setup = value
            if kind != _FORMAT:
                raise ValueError(f"format {kind}, not {_FORMAT}")
            return cls(
                boards=tuple(_blob(frame) for frame in boards),
                progress={p.order: p for p in map(_progress, progress)},
                epochs={_blob(key_id): _whole(epoch) for key_id, epoch in epochs},
                time_floor_ms=_whole(floor, MAX_MS),
                rule=OrderRule(rule),
                journal=tuple(map(_entry, journal)),
                programmes=tuple(_blob(frame) for frame in programmes),
                spent=Spent(_whole(day), _whole(spent_ms)),
                setup=_blob(setup),
            )
        except (ValueError, TypeError, LookupError) as err:
            raise BadMessage("kept", f"the state file can't be read: {err}") from err


_values_of_progress = attrgetter(*(one.name for one in fields(Progress)))
_values_of_entry = attrgetter(*(one.name for one in fields(Entry)))


def _renewed(value: Any) -> Any:
    """A state of two formats before, in the shape of the next. Its boards are of an older wire: refused when they are read."""
    _, boards, progress, *rest = value
    return [_BEFORE_SETUPS, boards, [[*one, False] for one in progress], *rest, [], [0, 0]]


def _sum(data: bytes) -> bytes:
    return hashlib.sha256(b"lianbo kept " + data).digest()[:_SUM_BYTES]


def _progress(item: Any) -> Progress:
    order, revision, not_after_ms, stage, scope, area, band, reason, position_ms, first_ms, asset, programme = item
    if not isinstance(programme, bool):
        raise TypeError(f"{type(programme).__name__} where true or false belongs")
    return Progress(
        _known(is_order_id, order),
        _whole(revision),
        _whole(not_after_ms, MAX_MS),
        Stage(stage),
        _known(is_scope, scope),
        _known(is_area_code, area),
        Band(band),
        Reason(reason),
        _whole(position_ms),
        _whole(first_ms, MAX_MS),
        _blob(asset),
        programme,
    )


def _entry(item: Any) -> Entry:
    n, order, revision, stage, reason, at_ms = item
    return Entry(
        _whole(n), _known(is_order_id, order), _whole(revision), Stage(stage), Reason(reason), _whole(at_ms, MAX_MS)
    )


def _whole(value: Any, high: int = MAX_COUNTER) -> int:
    if type(value) is not int or not 0 <= value <= high:
        raise ValueError(f"{value!r} is no whole number from 0 to {high}")
    return value


def _blob(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} where bytes belong")
    return value


def _known(is_right: Callable[[Any], bool], value: Any) -> str:
    if not is_right(value):
        raise ValueError(f"{value!r} is not an identifier of the kind meant here")
    return str(value)


class KeptFile:
    """The state on a disk: written beside, synced, renamed; after a power cut the old or the new, never a torn one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = path.with_name(path.name + ".new")

    def read(self) -> Kept:
        """What was written last, or an empty `Kept` on the first start.

        :raises BadMessage: the file is there and is not ours or not whole; the caller reports it and starts empty.
        :raises OSError: the disk does not give it.
        """
        try:
            return Kept.from_bytes(self._path.read_bytes())
        except FileNotFoundError:
            return Kept()

    def write(self, kept: Kept) -> None:
        """:raises OSError: the disk is full or broken; the file is as it was."""
        try:
            with self._beside.open("wb") as file:
                file.write(kept.to_bytes())
                file.flush()
                os.fsync(file.fileno())
            self._beside.replace(self._path)
        except OSError:
            with suppress(OSError):
                self._beside.unlink()  # half a file only takes the room that the next try needs
            raise
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
