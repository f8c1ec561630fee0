"""The Store in memory: everything of it happens at once, on the event loop."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

from broadcast.domain.areas import AreaTree
from broadcast.domain.as_run import ON_TIME_MS
from broadcast.domain.assets import Asset, UnknownAsset
from broadcast.domain.broadcasts import Broadcast, UnknownBroadcast
from broadcast.domain.calendar import DayEntry
from broadcast.domain.live_records import LiveRecord
from broadcast.domain.programme_versions import PlanVersion, Version
from broadcast.domain.programmes import Content
from broadcast.domain.proofs import Proved, Witnessed
from broadcast.domain.speakers import Speaker, UnknownSpeaker
from broadcast.service.ports import (
    Account,
    AsRunRow,
    DeliveryRow,
    KeptAnswer,
    ReportRow,
    SessionRow,
    StoreRefused,
    StoreUnavailable,
    Tally,
    Tx,
)
from endpoints.delivery import State
from endpoints.protocol import Reason
from tests.memory_admission import Changes, Factors, Invitations, Passkeys, Tokens
from tests.memory_conferences import ConferenceDoors, ConferencePlans, Conferences
from tests.memory_estate import Abouts, Enrolments, Groups, SilentTests
from tests.memory_plans import Approvals, Drafts, Drills, Plans, Policies
from tests.memory_statistics import SpeakerDays
from tests.memory_watch import Acts, Alarms, Checkpoints, Shifts

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

    def add_all(self, broadcasts: Iterable[Broadcast]) -> None:
        for one in broadcasts:
            self.add(one)

    def get_all(self, broadcasts: Iterable[str]) -> Sequence[Broadcast]:
        return [self.rows[name] for name in sorted(set(broadcasts)) if name in self.rows]

    def occurrences(self, from_ms: int, until_ms: int) -> Sequence[Broadcast]:
        found = [
            one
            for one in self.rows.values()
            if one.programme and one.order.not_after_ms > from_ms and one.order.not_before_ms < until_ms
        ]
        return sorted(found, key=lambda one: (one.order.not_before_ms, one.id))

    def on_boards(self, now_ms: int) -> Sequence[Broadcast]:
        return [one for _, one in sorted(self.rows.items()) if not one.programme and one.on_boards(now_ms)]

    def page(self, *, before: str | None, limit: int) -> Sequence[Broadcast]:
        newest_first = sorted(((name, one) for name, one in self.rows.items() if not one.programme), reverse=True)
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
            self.rows[token_hash] = replace(row, seen_ms=at_ms)

    def save(self, session: SessionRow) -> None:
        if (row := self.rows.get(session.token_hash)) is not None:
            self.rows[session.token_hash] = replace(session, seen_ms=row.seen_ms)

    def drop(self, token_hash: bytes) -> None:
        self.rows.pop(token_hash, None)

    def drop_of(self, officer: str) -> None:
        self.rows = {token: row for token, row in self.rows.items() if row.officer != officer}


class _Speakers:
    def __init__(self) -> None:
        self.rows: dict[str, Speaker] = {}

    def all(self) -> Sequence[Speaker]:
        return [speaker for _, speaker in sorted(self.rows.items())]

    def get(self, speaker: str) -> Speaker | None:
        return self.rows.get(speaker)

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


class _Facts:
    def __init__(self) -> None:
        self.rows: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self.rows.get(name)

    def set(self, name: str, value: str) -> None:
        self.rows[name] = value


class _Programmes:
    """All in one dictionary, by kind and key."""

    def __init__(self) -> None:
        self.rows: dict[tuple[object, ...], Any] = {}

    def _of(self, kind: str) -> list[Any]:
        return [row for key, row in sorted(self.rows.items(), key=lambda item: str(item[0])) if key[0] == kind]

    def add(self, version: Version) -> None:
        _add(self.rows, ("programme", version.programme.id, version.programme.revision), version)

    def newest(self) -> Sequence[Version]:
        names = sorted({version.programme.id for version in self._of("programme")})
        return [newest for name in names if (newest := self.get(name))]

    def get(self, programme: str) -> Version | None:
        return max(self.history(programme), key=lambda one: one.programme.revision, default=None)

    def history(self, programme: str) -> Sequence[Version]:
        found = [one for one in self._of("programme") if one.programme.id == programme]
        return sorted(found, key=lambda one: one.programme.revision)

    def keep_content(self, programme: str, revision: int, content: Content) -> None:
        row = self.rows.get(("programme", programme, revision))
        if row is not None:
            self.rows["programme", programme, revision] = replace(row, content=content)

    def add_plan(self, version: PlanVersion) -> None:
        _add(self.rows, ("plan", version.plan.area, version.revision), version)

    def plans(self) -> Sequence[PlanVersion]:
        newest: dict[str, PlanVersion] = {}
        for one in sorted(self._of("plan"), key=lambda one: (one.plan.area, one.revision)):
            newest[one.plan.area] = one
        return list(newest.values())

    def days(self) -> Sequence[DayEntry]:
        return sorted(self._of("day"), key=lambda entry: entry.day)

    def save_day(self, entry: DayEntry) -> None:
        self.rows["day", entry.day] = entry

    def drop_day(self, day: date) -> bool:
        return self.rows.pop(("day", day), None) is not None

    def raise_versions(self, scopes: Iterable[str]) -> Mapping[str, int]:
        raised = {scope: self.rows.get(("board", scope), 0) + 1 for scope in set(scopes)}
        self.rows |= {("board", scope): version for scope, version in raised.items()}
        return raised

    def board_versions(self) -> Mapping[str, int]:
        return {str(key[1]): row for key, row in self.rows.items() if key[0] == "board"}


class _AsRun:
    """Has no rows of its own."""

    def __init__(self, tables: "MemoryTx") -> None:
        self.rows: dict[str, str] = {}
        self._tables = tables

    def tally(self, orders: Collection[str], area_digits: str) -> Sequence[Tally]:
        counts: Counter[tuple[str, State, Reason, Reason, bool, bool]] = Counter()
        for row in self.at_speakers(orders, area_digits):
            late = row.started_ms > row.due_ms + ON_TIME_MS
            counts[row.order, row.state, row.reason, row.start_reason, row.started_ms > 0, late] += 1
        return [Tally(*key, count) for key, count in sorted(counts.items())]

    def at_speakers(self, orders: Collection[str], area_digits: str) -> Sequence[AsRunRow]:
        found = []
        for (order, speaker), one in sorted(self._tables.deliveries.rows.items()):
            broadcast, where = self._tables.broadcasts.get(order), self._tables.speakers.rows.get(speaker)
            if order in orders and broadcast and where and where.area.startswith(area_digits):
                facts = (one.state, one.reason, one.started_ms, one.start_reason, one.changed_ms)
                found.append(AsRunRow(order, speaker, *facts, broadcast.order.not_before_ms))
        return found

    def opened(self, orders: Collection[str]) -> frozenset[str]:
        return frozenset(order for order, _ in self._tables.deliveries.rows if order in orders)

    def forget_reports(self, before_ms: int, *, at_most: int) -> int:
        told = {row.order for row in self._tables.reports.rows.values()}
        old = [name for name in self._old(before_ms) if name in told][:at_most]
        self._drop_reports(old)
        return len(old)

    def forget_occurrences(self, before_ms: int, *, at_most: int) -> int:
        old = self._old(before_ms)[:at_most]
        self._drop_reports(old)
        tables = self._tables
        tables.deliveries.rows = {key: row for key, row in tables.deliveries.rows.items() if key[0] not in old}
        for name in old:
            del tables.broadcasts.rows[name]
        return len(old)

    def _old(self, before_ms: int) -> list[str]:
        rows = self._tables.broadcasts.rows
        return [name for name, one in sorted(rows.items()) if one.programme and one.order.not_after_ms < before_ms]

    def _drop_reports(self, orders: Collection[str]) -> None:
        rows = self._tables.reports.rows
        self._tables.reports.rows = {key: row for key, row in rows.items() if row.order not in orders}


class _Assets:
    def __init__(self) -> None:
        self.rows: dict[str, Asset] = {}

    def all(self) -> Sequence[Asset]:
        return [asset for _, asset in sorted(self.rows.items())]

    def add(self, asset: Asset) -> None:
        _add(self.rows, asset.id, asset)

    def save(self, asset: Asset) -> None:
        if asset.id not in self.rows:
            raise UnknownAsset(asset.id)
        self.rows[asset.id] = asset

    def drop(self, asset: str) -> None:
        self.rows.pop(asset, None)


class _LiveRecords:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], LiveRecord] = {}

    def save(self, record: LiveRecord) -> None:
        self.rows[record.order, record.from_ms] = record

    def of(self, order: str) -> Sequence[LiveRecord]:
        return [one for key, one in sorted(self.rows.items()) if key[0] == order]

    def unfinished(self) -> Sequence[LiveRecord]:
        return [one for _, one in sorted(self.rows.items(), key=lambda item: item[0][1]) if not one.to_ms]


class _Proofs:
    def __init__(self) -> None:
        self.rows: dict[tuple[object, ...], Proved | Witnessed] = {}

    def keep(self, proved: Sequence[Proved]) -> None:
        for one in proved:
            self.rows.setdefault((one.proof.order, one.proof.speaker, one.proof.boot, one.proof.at_ms), one)

    def of(self, order: str) -> Sequence[Proved]:
        found = [one for one in self.rows.values() if isinstance(one, Proved) and one.proof.order == order]
        return sorted(found, key=lambda one: (one.proof.speaker, one.received_ms))

    def witness(self, witnessed: Witnessed) -> None:
        self.rows["witness", len(self.rows)] = witnessed

    def witnesses(self, order: str) -> Sequence[Witnessed]:
        return [one for one in self.rows.values() if isinstance(one, Witnessed) and one.order == order]


class MemoryTx:
    """All tables. What is in them never changes, so a copy of the tables is a snapshot."""

    def __init__(self) -> None:
        self.broadcasts = _Broadcasts()
        self.boards = _Boards()
        self.deliveries = _Deliveries()
        self.reports = _Reports()
        self.accounts = _Accounts()
        self.sessions = _Sessions()
        self.factors = Factors()
        self.passkeys = Passkeys()
        self.invitations = Invitations()
        self.tokens = Tokens()
        self.changes = Changes()
        self.speakers = _Speakers()
        self.enrolments = Enrolments()
        self.groups = Groups()
        self.abouts = Abouts()
        self.silent_tests = SilentTests()
        self.areas = _Areas()
        self.answers = _Answers()
        self.acts = Acts()
        self.checkpoints = Checkpoints()
        self.alarms = Alarms()
        self.shifts = Shifts()
        self.facts = _Facts()
        self.programmes = _Programmes()
        self.as_run = _AsRun(self)
        self.assets = _Assets()
        self.live = _LiveRecords()
        self.proofs = _Proofs()
        self.approvals = Approvals()
        self.policies = Policies()
        self.plans = Plans()
        self.drafts = Drafts()
        self.drills = Drills()
        self.speaker_days = SpeakerDays()
        self.conferences = Conferences()
        self.conference_plans = ConferencePlans()
        self.conference_doors = ConferenceDoors()

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
