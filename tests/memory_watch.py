"""The audit trail, alarms and shifts in memory."""

from collections.abc import Collection, Mapping, Sequence

from broadcast.domain.alarms import Alarm
from broadcast.domain.audit import Checkpoint, Entry, Head, link_of
from broadcast.domain.shifts import Shift
from broadcast.service.ports import ActFilter, ActRow, StoreRefused


class Acts:
    def __init__(self) -> None:
        self.rows: list[Entry] = []

    def add(self, act: ActRow) -> None:
        seq, previous = self.head()
        try:
            link = link_of(seq + 1, act, previous)
        except (UnicodeEncodeError, OverflowError) as err:
            raise StoreRefused(str(err)) from err
        if not -(2**63) <= act.at_ms < 2**63:
            raise StoreRefused(f"a time of {act.at_ms} ms")
        self.rows.append(Entry(seq + 1, *act, previous, link))

    def page(self, *, limit: int) -> Sequence[ActRow]:
        return [ActRow(*row[1:6]) for row in self.rows[::-1][:limit]]

    def head(self) -> Head:
        return Head(self.rows[-1].seq, self.rows[-1].link) if self.rows else Head()

    def entries(self, *, after: int, limit: int) -> Sequence[Entry]:
        return [row for row in self.rows if row.seq > after][:limit]

    def find(self, wanted: ActFilter, *, limit: int) -> Sequence[Entry]:
        def fits(row: Entry) -> bool:
            return (
                wanted.officer in ("", row.officer)
                and wanted.verb in ("", row.verb)
                and wanted.subject in ("", row.subject)
                and (wanted.from_ms is None or row.at_ms >= wanted.from_ms)
                and (wanted.until_ms is None or row.at_ms < wanted.until_ms)
                and (wanted.before is None or row.seq < wanted.before)
            )

        return [row for row in self.rows[::-1] if fits(row)][:limit]

    def links(self, numbers: Collection[int]) -> Mapping[int, bytes]:
        return {row.seq: row.link for row in self.rows if row.seq in numbers}


class Checkpoints:
    def __init__(self) -> None:
        self.rows: dict[int, Checkpoint] = {}

    def add(self, checkpoint: Checkpoint) -> None:
        if checkpoint.seq in self.rows:
            raise StoreRefused(f"{checkpoint.seq} is taken")
        self.rows[checkpoint.seq] = checkpoint

    def last(self) -> Checkpoint | None:
        return self.rows[max(self.rows)] if self.rows else None

    def after(self, seq: int, *, limit: int) -> Sequence[Checkpoint]:
        return [one for at, one in sorted(self.rows.items()) if at > seq][:limit]


class Alarms:
    def __init__(self) -> None:
        self.rows: dict[str, Alarm] = {}

    def save(self, alarms: Sequence[Alarm]) -> None:
        self.rows |= {one.id: one for one in alarms}

    def get(self, alarm: str) -> Alarm | None:
        return self.rows.get(alarm)

    def current(self, raised_after_ms: int) -> Sequence[Alarm]:
        return [one for _, one in sorted(self.rows.items()) if one.is_open or one.raised_ms >= raised_after_ms]

    def page(self, *, before: str | None, limit: int) -> Sequence[Alarm]:
        return [one for name, one in sorted(self.rows.items(), reverse=True) if before is None or name < before][:limit]


class Shifts:
    def __init__(self) -> None:
        self.rows: dict[str, Shift] = {}

    def save(self, shift: Shift) -> None:
        self.rows[shift.id] = shift

    def unended(self) -> Sequence[Shift]:
        return [one for _, one in sorted(self.rows.items(), reverse=True) if one.ended_ms is None]

    def page(self, *, before: str | None, limit: int) -> Sequence[Shift]:
        return [one for name, one in sorted(self.rows.items(), reverse=True) if before is None or name < before][:limit]
