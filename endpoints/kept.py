"""What a speaker writes where it survives a power cut, and how: one small CBOR file, replaced as a whole."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from endpoints import canonical
from endpoints.protocol import BadMessage, Entry, OrderRule, Reason, Stage

MAX_KEPT_BYTES = 1 << 20
_FORMAT = 1
_TERMINAL = frozenset({Stage.FINISHED, Stage.REFUSED, Stage.MISSED, Stage.FAILED, Stage.STOPPED})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far this speaker got with one order.

    :param position_ms: where in its sound it was interrupted.
    :param first_started_ms: the server's time when it first sounded here; 0 when it has not.
    """

    order: str
    revision: int
    not_after_ms: int
    stage: Stage
    position_ms: int = 0
    first_started_ms: int = 0

    @property
    def terminal(self) -> bool:
        """It has come to its end here and never sounds again."""
        return self.stage in _TERMINAL


@dataclass(frozen=True, slots=True)
class Kept:
    """All that has to outlive a power cut.

    :param boards: the frames as they came, verified again when they are read.
    :param epochs: the highest fencing epoch seen, by key id.
    :param journal: report entries that the server has not confirmed.
    """

    boards: tuple[bytes, ...] = ()
    progress: Mapping[str, Progress] = field(default_factory=dict)
    epochs: Mapping[bytes, int] = field(default_factory=dict)
    time_floor_ms: int = 0
    rule: OrderRule = OrderRule.SEVERITY_FIRST
    journal: tuple[Entry, ...] = ()

    def to_bytes(self) -> bytes:
        progress = [
            [p.order, p.revision, p.not_after_ms, int(p.stage), p.position_ms, p.first_started_ms]
            for p in self.progress.values()
        ]
        journal = [[e.n, e.order, e.revision, int(e.stage), int(e.reason), e.at_ms] for e in self.journal]
        epochs = [[key_id, epoch] for key_id, epoch in self.epochs.items()]
        body = [_FORMAT, list(self.boards), progress, epochs, self.time_floor_ms, int(self.rule), journal]
        return canonical.encode(body)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Kept":
        """:raises BadMessage: not what `to_bytes` writes: a torn or foreign file."""
        try:
            value: Any = canonical.decode(data, max_bytes=MAX_KEPT_BYTES)
            kind, boards, progress, epochs, floor, rule, journal = value
            if kind != _FORMAT:
                raise ValueError(f"format {kind}")
            return cls(
                boards=tuple(bytes(frame) for frame in boards),
                progress={p[0]: Progress(p[0], p[1], p[2], Stage(p[3]), p[4], p[5]) for p in progress},
                epochs={bytes(key_id): int(epoch) for key_id, epoch in epochs},
                time_floor_ms=int(floor),
                rule=OrderRule(rule),
                journal=tuple(Entry(e[0], e[1], e[2], Stage(e[3]), Reason(e[4]), e[5]) for e in journal),
            )
        except (ValueError, TypeError, IndexError, KeyError) as err:
            raise BadMessage("kept", f"the state file can't be read: {err}") from err


class KeptFile:
    """The state on a disk: written beside, synced, renamed; after a power cut the old or the new, never a torn one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Kept:
        """:raises BadMessage: the file is there and can't be read; the caller reports it and starts empty."""
        try:
            return Kept.from_bytes(self._path.read_bytes())
        except FileNotFoundError:
            return Kept()

    def write(self, kept: Kept) -> None:
        """:raises OSError: the disk is full or broken; the file is as it was."""
        beside = self._path.with_suffix(".new")
        with beside.open("wb") as file:
            file.write(kept.to_bytes())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
