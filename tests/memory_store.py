"""The Store in memory: everything of it happens at once, on the event loop."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from typing import TypeVar

from broadcast.domain.areas import AreaTree
from broadcast.domain.broadcasts import Broadcast, UnknownBroadcast
from broadcast.domain.speakers import Speaker, UnknownSpeaker
from broadcast.service.ports import (
    Account,
    ActRow,
    DeliveryRow,
    KeptAnswer,
    ReportRow,
    SessionRow,
    StoreRefused,
    StoreUnavailable,
    Tx,
)
from endpoints.delivery import State
from endpoints.protocol import Reason

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


def _add(table: dict[K, V], key: K, value: V) -> None:
    if key in table:
        raise StoreRefused(f"{key} is taken")
    table[key] = value


class _Broadcasts:
    def __init__(self) -> None:
        self.rows: dict[str, Broadcast] = {}

    def add(self, broadcast: Broadcast) -> None:
        _add(self.rows, broadcast.id, broadcast)

    def save(self, broadcast: Broadcast) -> None:
        if broadcast.id not in self.rows:
            raise UnknownBroadcast(broadcast.id)
        self.rows[broadcast.id] = broadcast

    def get(self, broadcast: str) -> Broadcast | None:
        return self.rows.get(broadcast)

    def on_boards(self, now_ms: int) -> Sequence[Broadcast]:
        return [one for _, one in sorted(self.rows.items()) if one.on_boards(now_ms)]

    def page(self, *, before: str | None, limit: int) -> Sequence[Broadcast]:
        newest_first = sorted(self.rows.items(), reverse=True)
        return [one for name, one in newest_first if before is None or name < before][:limit]


class _Boards:
    def __init__(self) -> None:
        self.rows: dict[tuple[bool, str], int] = {}

    def raise_versions(self, scopes: Iterable[str], *, exercise: bool) -> Mapping[str, int]:
        raised = {scope: self.rows.get((exercise, scope), 0) + 1 for scope in scopes}
        self.rows |= {(exercise, scope): version for scope, version in raised.items()}
        return raised

    def versions(self) -> Mapping[tuple[bool, str], int]:
        return dict(self.rows)


class _Deliveries:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], DeliveryRow] = {}

    def expect(self, order: str, speakers: Iterable[str], *, at_ms: int) -> None:
        for speaker in speakers:
            self.rows.setdefault((order, speaker), DeliveryRow(order, speaker, State.EXPECTED, Reason.NONE, at_ms))

    def keep(self, rows: Iterable[DeliveryRow]) -> None:
        self.rows |= {(row.order, row.speaker): row for row in rows}

    def of(self, order: str) -> Sequence[DeliveryRow]:
        return [row for key, row in sorted(self.rows.items()) if key[0] == order]

    def count_by_state(self, orders: Sequence[str]) -> Mapping[str, Mapping[State, int]]:
        return {one: Counter(row.state for row in self.rows.values() if row.order == one) for one in orders}


class _Reports:
    def __init__(self) -> None:
        self.rows: dict[tuple[object, ...], ReportRow] = {}

    def keep(self, rows: Sequence[ReportRow]) -> None:
        for row in rows:
            self.rows.setdefault(row[:4], row)

    def of(self, order: str, speaker: str | None = None) -> Sequence[ReportRow]:
        found = [row for row in self.rows.values() if row.order == order and speaker in (None, row.speaker)]
        return sorted(found, key=lambda row: (row.received_ms, row.n, row.speaker, row.stage))


class _Accounts:
    def __init__(self) -> None:
        self.rows: dict[str, Account] = {}

    def add(self, account: Account) -> None:
        _add(self.rows, account.officer.name, account)

    def save(self, account: Account) -> None:
        if account.officer.name not in self.rows:
            raise LookupError(f"there is no account {account.officer.name}")
        self.rows[account.officer.name] = account

    def get(self, name: str) -> Account | None:
        return self.rows.get(name)

    def all(self) -> Sequence[Account]:
        return [account for _, account in sorted(self.rows.items())]


class _Sessions:
    def __init__(self) -> None:
        self.rows: dict[bytes, SessionRow] = {}

    def add(self, session: SessionRow) -> None:
        _add(self.rows, session.token_hash, session)

    def get(self, token_hash: bytes) -> SessionRow | None:
        return self.rows.get(token_hash)

    def seen(self, token_hash: bytes, at_ms: int) -> None:
        if (row := self.rows.get(token_hash)) is not None:
            self.rows[token_hash] = SessionRow(row.token_hash, row.officer, row.created_ms, at_ms)

    def drop(self, token_hash: bytes) -> None:
        self.rows.pop(token_hash, None)

    def drop_of(self, officer: str) -> None:
        self.rows = {token: row for token, row in self.rows.items() if row.officer != officer}


class _Speakers:
    def __init__(self) -> None:
        self.rows: dict[str, Speaker] = {}

    def all(self) -> Sequence[Speaker]:
        return [speaker for _, speaker in sorted(self.rows.items())]

    def add(self, speakers: Iterable[Speaker]) -> None:
        for speaker in speakers:
            _add(self.rows, speaker.id, speaker)

    def save(self, speaker: Speaker) -> None:
        if speaker.id not in self.rows:
            raise UnknownSpeaker(speaker.id)
        self.rows[speaker.id] = speaker


class _Areas:
    def __init__(self) -> None:
        self.rows = AreaTree()

    def tree(self) -> AreaTree:
        return self.rows

    def replace(self, tree: AreaTree) -> None:
        self.rows = tree


class _Answers:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], KeptAnswer] = {}

    def get(self, principal: str, key: str) -> KeptAnswer | None:
        return self.rows.get((principal, key))

    def add(self, principal: str, key: str, kept: KeptAnswer) -> None:
        _add(self.rows, (principal, key), kept)

    def forget_before(self, at_ms: int) -> None:
        self.rows = {key: kept for key, kept in self.rows.items() if kept.kept_ms >= at_ms}


class _Acts:
    def __init__(self) -> None:
        self.rows: list[ActRow] = []

    def add(self, act: ActRow) -> None:
        self.rows.append(act)

    def page(self, *, limit: int) -> Sequence[ActRow]:
        return self.rows[::-1][:limit]


class _Facts:
    def __init__(self) -> None:
        self.rows: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self.rows.get(name)

    def set(self, name: str, value: str) -> None:
        self.rows[name] = value


class MemoryTx:
    """All tables. What is in them never changes, so a copy of the tables is a snapshot."""

    def __init__(self) -> None:
        self.broadcasts = _Broadcasts()
        self.boards = _Boards()
        self.deliveries = _Deliveries()
        self.reports = _Reports()
        self.accounts = _Accounts()
        self.sessions = _Sessions()
        self.speakers = _Speakers()
        self.areas = _Areas()
        self.answers = _Answers()
        self.acts = _Acts()
        self.facts = _Facts()

    def snapshot(self) -> "MemoryTx":
        twin = MemoryTx()
        for name, table in vars(self).items():
            getattr(twin, name).rows = copy(table.rows)
        return twin


class MemoryStore:
    """Fails when told: `goes_away("disk full")` until `comes_back()`."""

    def __init__(self) -> None:
        self.tables = MemoryTx()
        self._cause = ""

    def goes_away(self, cause: str) -> None:
        self._cause = cause

    def comes_back(self) -> None:
        self._cause = ""

    async def write(self, work: Callable[[Tx], T]) -> T:
        await asyncio.sleep(0)
        self._must_be_there()
        draft = self.tables.snapshot()
        value = work(draft)
        self.tables = draft
        return value

    async def read(self, work: Callable[[Tx], T]) -> T:
        await asyncio.sleep(0)
        self._must_be_there()
        return work(self.tables.snapshot())

    def keep_reports(self, rows: Sequence[ReportRow]) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[None] = loop.create_future()

        def commit() -> None:
            if answer.cancelled():
                return
            try:
                self._must_be_there()
            except StoreUnavailable as err:
                answer.set_exception(err)
            else:
                self.tables.reports.keep(rows)
                answer.set_result(None)

        loop.call_soon(commit)
        return answer

    async def close(self) -> None:
        self.goes_away("it was closed")

    def _must_be_there(self) -> None:
        if self._cause:
            raise StoreUnavailable(self._cause)
