"""What the services need from outside, as Protocols: a store with transactions, a wire, a voice."""

import asyncio
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol, TypeVar

from broadcast.domain.areas import AreaTree
from broadcast.domain.assets import Asset, AssetKind, Measured
from broadcast.domain.broadcasts import Broadcast
from broadcast.domain.calendar import DayEntry
from broadcast.domain.errors import BroadcastError
from broadcast.domain.live_records import LiveRecord
from broadcast.domain.programme_versions import PlanVersion, Version
from broadcast.domain.programmes import Content
from broadcast.domain.proofs import Proved, Witnessed
from broadcast.domain.speakers import Speaker
from broadcast.domain.spoken import Layout, Preview, Script
from broadcast.service.ports.accounts import Account as Account
from broadcast.service.ports.accounts import Accounts as Accounts
from broadcast.service.ports.accounts import Changes as Changes
from broadcast.service.ports.accounts import FactorRow as FactorRow
from broadcast.service.ports.accounts import Factors as Factors
from broadcast.service.ports.accounts import InvitationRow as InvitationRow
from broadcast.service.ports.accounts import Invitations as Invitations
from broadcast.service.ports.accounts import PasskeyRow as PasskeyRow
from broadcast.service.ports.accounts import Passkeys as Passkeys
from broadcast.service.ports.accounts import Sealing as Sealing
from broadcast.service.ports.accounts import SessionRow as SessionRow
from broadcast.service.ports.accounts import Sessions as Sessions
from broadcast.service.ports.accounts import TokenRow as TokenRow
from broadcast.service.ports.accounts import Tokens as Tokens
from broadcast.service.ports.approvals import Approvals as Approvals
from broadcast.service.ports.approvals import Policies as Policies
from broadcast.service.ports.approvals import PolicyRow as PolicyRow
from broadcast.service.ports.conference import ConferenceDoors as ConferenceDoors
from broadcast.service.ports.conference import ConferencePlans as ConferencePlans
from broadcast.service.ports.conference import Conferences as Conferences
from broadcast.service.ports.engine import ENGINE_WITHIN_S as ENGINE_WITHIN_S
from broadcast.service.ports.engine import Engine as Engine
from broadcast.service.ports.estate import Abouts as Abouts
from broadcast.service.ports.estate import Enrolments as Enrolments
from broadcast.service.ports.estate import Groups as Groups
from broadcast.service.ports.estate import SilentTests as SilentTests
from broadcast.service.ports.plans import Drafts as Drafts
from broadcast.service.ports.plans import Drills as Drills
from broadcast.service.ports.plans import Plans as Plans
from broadcast.service.ports.printing import Paper as Paper
from broadcast.service.ports.printing import Printer as Printer
from broadcast.service.ports.printing import PrintingFailed as PrintingFailed
from broadcast.service.ports.printing import Table as Table
from broadcast.service.ports.printing import Value as Value
from broadcast.service.ports.statistics import SpeakerDays as SpeakerDays
from broadcast.service.ports.trail import ActFilter as ActFilter
from broadcast.service.ports.trail import ActRow as ActRow
from broadcast.service.ports.trail import Acts as Acts
from broadcast.service.ports.trail import Checkpoints as Checkpoints
from broadcast.service.ports.vault import Vault as Vault
from broadcast.service.ports.watch import Alarms as Alarms
from broadcast.service.ports.watch import Shifts as Shifts
from endpoints.delivery import State
from endpoints.protocol import Reason, Stage

T = TypeVar("T")


class StoreUnavailable(BroadcastError):
    """The database does not take it (disk full, locked, gone). Nothing of it was written.

    :param cause: what the database said, for the technician.
    """

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(f"the database does not take it: {cause}")


class StoreInDoubt(StoreUnavailable):
    """The database was lost during the commit and did not come back to say: this may be written. PostgreSQL only, and rare."""


class StoreRefused(BroadcastError):
    """The database is well but can't hold this (a key that is taken, a number out of range): a repeat would not help.

    :param cause: what the database said, for the technician.
    """

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(f"the database refuses this: {cause}")


# ---- rows that cross the border ---------------------------------------------------------------------------------------------


class ReportRow(NamedTuple):
    """One line of evidence. The same event told again is the same (order, speaker, stage, at_ms)."""

    order: str
    speaker: str
    stage: Stage
    at_ms: int
    revision: int
    reason: Reason
    boot: int
    n: int
    received_ms: int


class DeliveryRow(NamedTuple):
    """Where one order stands at one speaker."""

    order: str
    speaker: str
    state: State
    reason: Reason
    changed_ms: int
    started_ms: int = 0  # the server's time at the speaker when it first sounded; 0: it has not said that it did
    start_reason: Reason = Reason.NONE  # FALLBACK: something else sounded in its place


class Tally(NamedTuple):
    """So many speakers stand like this with one order.

    :param began: they said that it sounded; `late`: after its time by more than `as_run.ON_TIME_MS`.
    """

    order: str
    state: State
    reason: Reason
    start_reason: Reason
    began: bool
    late: bool
    speakers: int


class AsRunRow(NamedTuple):
    """One occurrence at one speaker: what the as-run log says of it."""

    order: str
    speaker: str
    state: State
    reason: Reason
    started_ms: int
    start_reason: Reason
    changed_ms: int
    due_ms: int


class KeptAnswer(NamedTuple):
    """What was answered to an Idempotency-Key, and the SHA-256 of the body that it came with."""

    body_hash: bytes
    answer: str
    kept_ms: int


# ---- tables: one repository a subject, inside a transaction that the caller of the store owns ---------------------------------


class Broadcasts(Protocol):
    def add(self, broadcast: Broadcast) -> None: ...
    def save(self, broadcast: Broadcast) -> None: ...
    def get(self, broadcast: str) -> Broadcast | None: ...
    def add_all(self, broadcasts: Iterable[Broadcast]) -> None: ...
    def get_all(self, broadcasts: Iterable[str]) -> Sequence[Broadcast]: ...  # by id
    def on_boards(self, now_ms: int) -> Sequence[Broadcast]: ...  # officers'; every one whose on_boards(now_ms) is true
    def page(
        self, *, before: str | None, limit: int
    ) -> Sequence[Broadcast]: ...  # officers'; newest first, ids by time
    def occurrences(
        self, from_ms: int, until_ms: int
    ) -> Sequence[Broadcast]: ...  # of programmes; by start, then by id


class Boards(Protocol):
    def raise_versions(self, scopes: Iterable[str], *, exercise: bool) -> Mapping[str, int]: ...  # +1 each, from 1
    def versions(self) -> Mapping[tuple[bool, str], int]: ...  # (exercise, scope) of every board ever written


class Deliveries(Protocol):
    def expect(self, order: str, speakers: Iterable[str], *, at_ms: int) -> None: ...  # what is there stays
    def keep(self, rows: Iterable[DeliveryRow]) -> None: ...
    def of(self, order: str) -> Sequence[DeliveryRow]: ...
    def count_by_state(self, orders: Sequence[str]) -> Mapping[str, Mapping[State, int]]: ...


class Reports(Protocol):
    def keep(self, rows: Sequence[ReportRow]) -> None: ...  # what is there stays
    def of(self, order: str, speaker: str | None = None) -> Sequence[ReportRow]: ...  # by received_ms, then n


class Proofs(Protocol):
    def keep(self, proved: Sequence[Proved]) -> None: ...  # what is there stays
    def of(self, order: str) -> Sequence[Proved]: ...  # by speaker, then in order of arrival
    def witness(self, witnessed: Witnessed) -> None: ...
    def witnesses(self, order: str) -> Sequence[Witnessed]: ...  # in the order in which they said so


class Speakers(Protocol):
    def all(self) -> Sequence[Speaker]: ...
    def get(self, speaker: str) -> Speaker | None: ...
    def add(self, speakers: Iterable[Speaker]) -> None: ...
    def save(self, speaker: Speaker) -> None: ...


class Areas(Protocol):
    def tree(self) -> AreaTree: ...
    def replace(self, tree: AreaTree) -> None: ...


class Answers(Protocol):
    def get(self, principal: str, key: str) -> KeptAnswer | None: ...
    def add(self, principal: str, key: str, kept: KeptAnswer) -> None: ...
    def forget_before(self, at_ms: int) -> None: ...


class Facts(Protocol):
    """Small facts of this installation by name: the epoch, the area, the schema's age."""

    def get(self, name: str) -> str | None: ...
    def set(self, name: str, value: str) -> None: ...


class Programmes(Protocol):
    """The plan. Versions are added and never changed."""

    def add(self, version: Version) -> None: ...  # StoreRefused: there is this revision already
    def newest(self) -> Sequence[Version]: ...  # of each, retired ones included; by id
    def get(self, programme: str) -> Version | None: ...  # its newest
    def history(self, programme: str) -> Sequence[Version]: ...  # oldest first
    def keep_content(self, programme: str, revision: int, content: Content) -> None: ...
    def add_plan(self, version: PlanVersion) -> None: ...  # StoreRefused: there is this revision already
    def plans(self) -> Sequence[PlanVersion]: ...  # the newest of each area; by area
    def days(self) -> Sequence[DayEntry]: ...  # the operator's own; by day
    def save_day(self, entry: DayEntry) -> None: ...
    def drop_day(self, day: date) -> bool: ...  # whether there was an entry
    def raise_versions(self, scopes: Iterable[str]) -> Mapping[str, int]: ...  # of programme boards: +1 each, from 1
    def board_versions(self) -> Mapping[str, int]: ...


class AsRun(Protocol):
    """Planned against sounded, and for how long the evidence of routine is kept."""

    def tally(self, orders: Collection[str], area_digits: str) -> Sequence[Tally]: ...
    def at_speakers(
        self, orders: Collection[str], area_digits: str
    ) -> Sequence[AsRunRow]: ...  # by order, then by speaker
    def opened(self, orders: Collection[str]) -> frozenset[str]: ...  # those that have deliveries
    def forget_reports(self, before_ms: int, *, at_most: int) -> int: ...
    def forget_occurrences(self, before_ms: int, *, at_most: int) -> int: ...


class Assets(Protocol):
    def all(self) -> Sequence[Asset]: ...  # by id, so the oldest first
    def add(self, asset: Asset) -> None: ...
    def save(self, asset: Asset) -> None: ...  # UnknownAsset
    def drop(self, asset: str) -> None: ...


class LiveRecords(Protocol):
    def save(self, record: LiveRecord) -> None: ...  # by (order, from_ms)
    def of(self, order: str) -> Sequence[LiveRecord]: ...  # oldest first
    def unfinished(self) -> Sequence[LiveRecord]: ...


class Tx(Protocol):
    """One transaction."""

    @property
    def broadcasts(self) -> Broadcasts: ...
    @property
    def boards(self) -> Boards: ...
    @property
    def deliveries(self) -> Deliveries: ...
    @property
    def reports(self) -> Reports: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def factors(self) -> Factors: ...
    @property
    def passkeys(self) -> Passkeys: ...
    @property
    def invitations(self) -> Invitations: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def changes(self) -> Changes: ...
    @property
    def speakers(self) -> Speakers: ...
    @property
    def enrolments(self) -> Enrolments: ...
    @property
    def groups(self) -> Groups: ...
    @property
    def abouts(self) -> Abouts: ...
    @property
    def silent_tests(self) -> SilentTests: ...
    @property
    def areas(self) -> Areas: ...
    @property
    def answers(self) -> Answers: ...
    @property
    def acts(self) -> Acts: ...
    @property
    def checkpoints(self) -> Checkpoints: ...
    @property
    def alarms(self) -> Alarms: ...
    @property
    def shifts(self) -> Shifts: ...
    @property
    def facts(self) -> Facts: ...
    @property
    def programmes(self) -> Programmes: ...
    @property
    def as_run(self) -> AsRun: ...
    @property
    def assets(self) -> Assets: ...
    @property
    def live(self) -> LiveRecords: ...
    @property
    def proofs(self) -> Proofs: ...
    @property
    def approvals(self) -> Approvals: ...
    @property
    def policies(self) -> Policies: ...
    @property
    def plans(self) -> Plans: ...
    @property
    def drafts(self) -> Drafts: ...
    @property
    def drills(self) -> Drills: ...
    @property
    def speaker_days(self) -> SpeakerDays: ...
    @property
    def conferences(self) -> Conferences: ...
    @property
    def conference_plans(self) -> ConferencePlans: ...
    @property
    def conference_doors(self) -> ConferenceDoors: ...


class Store(Protocol):
    """`work` runs on a thread of the store. When `write` returns, what it wrote survives a power cut.

    An exception from `work` rolls back and comes out of the call; the database's own become StoreUnavailable or StoreRefused.
    """

    async def write(self, work: Callable[[Tx], T]) -> T: ...
    async def read(self, work: Callable[[Tx], T]) -> T: ...
    def keep_reports(self, rows: Sequence[ReportRow]) -> asyncio.Future[None]: ...  # resolved after the commit


# ---- the wire -----------------------------------------------------------------------------------------------------------------


class WireDown(Exception):
    """Not connected to the broker, or the connection is full: nothing was sent."""


class Wire(Protocol):
    """The server's connection to the broker. `publish` raises WireDown; its future is done at the PUBACK or raises likewise."""

    @property
    def is_up(self) -> bool: ...
    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> asyncio.Future[None]: ...
    def ack(self, tokens: Iterable[int]) -> None: ...  # thank the broker for messages that are in the table now


# ---- the voice ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text as it will sound: the file by its SHA-256."""

    asset: bytes
    asset_bytes: int
    asset_ms: int


class SpeechFailed(BroadcastError):
    """The text can't be spoken on this machine now. An emergency goes out with its attention signal all the same."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(f"the text can't be spoken: {cause}")


class Sounds(Protocol):
    """The library of sound files."""

    def find(self, asset: bytes) -> Spoken | None: ...  # None: there is no such file
    def fault(self, asset: bytes) -> str: ...  # why it may not be used anew, as a code of Fault; empty: it may


class Speech(Protocol):
    async def speak(
        self, text: str, *, exercise: bool
    ) -> Spoken: ...  # the same text gives the same file; SpeechFailed


class Studio(Speech, Protocol):
    """Makes the files of announcements."""

    async def make(
        self, script: Script, *, urgent: bool
    ) -> Preview: ...  # the same script gives the same file; urgent: a trigger waits; SpeechFailed, InvalidRequest
    async def whole(
        self, layout: Layout
    ) -> Spoken | None: ...  # all that a speaker sounds of it, to be listened to; None: too long; SpeechFailed


# ---- the workshop -------------------------------------------------------------------------------------------------------------


class NoRoom(BroadcastError):
    """The disk has too little left for a sound; the database needs the rest."""

    def __init__(self, free_bytes: int) -> None:
        self.free_bytes = free_bytes
        super().__init__(f"the disk has {free_bytes} bytes left; nothing of the file was kept")


class UploadTooLarge(BroadcastError):
    """More bytes than a sound may have."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        super().__init__(f"the file is larger than {most_bytes} bytes; nothing of it was kept")


class SoundRefused(Exception):
    """A file is not taken as a sound. The console has a sentence for each code; `facts` hold what it needs."""

    def __init__(self, code: str, facts: Mapping[str, object]) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


@dataclass(frozen=True, slots=True)
class Received:
    """A file that has come whole and waits to be looked at; `name` is ours."""

    name: str
    size_bytes: int
    sha256: bytes


class Workshop(Protocol):
    """Where uploaded sounds are kept, taken apart in a process of their own, and made into files of the library."""

    async def receive(self, chunks: AsyncIterable[bytes], *, size_bytes: int | None) -> Received: ...
    async def prepare(self, received: Received, kind: AssetKind, begun: Callable[[], None]) -> Measured: ...
    async def drop(self, received: Received) -> None: ...
    async def has(self, sha256: bytes) -> bool: ...  # the finished file
    async def forget(self, sha256: bytes) -> None: ...
