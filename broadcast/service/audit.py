"""The audit trail (审计日志): looked through, signed from time to time, verified, and handed out."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from broadcast.clock import Clock
from broadcast.domain.audit import CHECKPOINT_ROWS, Checkpoint, Entry, Head, due, to_be_signed
from broadcast.domain.audit_export import act_line, checkpoint_line, end_line, opening_line, read_lines
from broadcast.domain.audit_faults import Finding, Walk, Wrong, compare
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer
from broadcast.domain.rights import Verb, may
from broadcast.service.health import Health
from broadcast.service.ports import ActFilter, ActRow, Store, StoreUnavailable, Tx
from endpoints.sealing import Signer, verify

log = logging.getLogger(__name__)

BATCH = 4_000  # acts at a time on a reader's thread: some 8 ms; more are slower again
MOST_PAGE = 500
Keys = Mapping[bytes, tuple[int, bytes]]  # by key id: algorithm and public key


class Verifying(BroadcastError):
    """The trail is being verified; one pass at a time."""

    def __init__(self) -> None:
        super().__init__("the trail is being verified already")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pass through the trail has found.

    :param covered: the number of the last act that a checkpoint with a good signature stands for.
    :param unknown_keys: of checkpoints that were signed by keys that are not here; they were not counted.
    """

    head: Head
    acts: int
    checkpoints: int
    covered: int
    unknown_keys: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def is_whole(self) -> bool:
        return not self.findings


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass through the trail on this server."""

    began_ms: int
    ended_ms: int | None = None
    verdict: Verdict | None = None


class Signatures:
    """Sorts checkpoints by what their signatures are worth."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.good: list[Checkpoint] = []
        self.forged: list[Checkpoint] = []
        self.unknown: set[str] = set()

    def look_at(self, checkpoints: Iterable[Checkpoint]) -> None:
        for one in checkpoints:
            key = self._keys.get(one.key_id)
            if key is None:
                self.unknown.add(one.key_id.hex())
            elif key[0] == one.algorithm and verify(one.algorithm, key[1], one.signed, one.signature):
                self.good.append(one)
            else:
                self.forged.append(one)


async def check(store: Store, keys: Keys, *, batch: int = BATCH) -> Verdict:
    """Verify the whole trail: every act, and every checkpoint of its own.

    :raises StoreUnavailable: it can't be read to its end.
    """
    walk, signatures = Walk(), Signatures(keys)

    def some_acts(tx: Tx, after: int) -> int | None:
        rows = tx.acts.entries(after=after, limit=batch)
        walk.take(rows)
        return rows[-1][0] if rows and not walk.is_hopeless else None

    def some_checkpoints(tx: Tx, after: int) -> int | None:
        found = tx.checkpoints.after(after, limit=batch // 10 or 1)
        signatures.look_at(found)
        return found[-1].seq if found else None

    for work in (some_acts, some_checkpoints):
        after: int | None = -(2**63)
        while after is not None:
            after = await store.read(lambda tx, work=work, after=after: work(tx, after))  # type: ignore[misc]
    head = await store.read(lambda tx: tx.acts.head())
    findings = [*walk.end(), *await _compared(store, head, signatures)]
    covered = max((one.seq for one in signatures.good), default=0)
    unknown = tuple(sorted(signatures.unknown))
    return Verdict(head, walk.rows, len(signatures.good), covered, unknown, tuple(findings))


async def check_against(store: Store | None, lines: Iterable[str], keys: Keys, *, batch: int = BATCH) -> Verdict:
    """Verify a file that was exported, and hold the trail against it: what differs was written anew since.

    :param store: None verifies the file alone.
    :raises BadExport: it is none.
    """
    walk, signatures, head, acts = Walk(), Signatures(keys), Head(), list[Entry]()
    differs: int | None = None
    last_ms, in_trail = 0, Head() if store is None else await store.read(lambda tx: tx.acts.head())

    async def settle() -> int | None:
        walk.take(acts)
        found = None if store is None else await _first_other(store, acts)
        acts.clear()
        return found

    for item in read_lines(lines):
        if isinstance(item, Entry):
            if walk.rows == 0 and not acts and item.seq > 1:  # a file may begin later: its first act is believed
                walk = Walk(Head(item.seq - 1, item.previous))
            acts.append(item)
            last_ms = item.seq
            if len(acts) >= batch:
                differs = differs or await settle()
        elif isinstance(item, Checkpoint):
            signatures.look_at([item])
        elif isinstance(item, Head):
            head = item
    differs = differs or await settle()
    findings = walk.end()
    findings += _of_the_file(head, walk, signatures)
    if store is not None:
        if differs is not None:
            cut = differs > in_trail.seq
            findings.append(Finding(Wrong.CUT_OFF if cut else Wrong.REWRITTEN, differs, max(differs, last_ms)))
        else:
            findings += await _compared(store, in_trail, signatures)
    covered = max((one.seq for one in signatures.good), default=0)
    unknown = tuple(sorted(signatures.unknown))
    return Verdict(head, walk.rows, len(signatures.good), covered, unknown, tuple(dict.fromkeys(findings)))


def _of_the_file(head: Head, walk: Walk, signatures: Signatures) -> list[Finding]:
    """Its end against its acts, its checkpoints against its acts where it has the last of them."""
    if not walk.rows:
        return [Finding(Wrong.UNSIGNED, one.seq, one.seq) for one in signatures.forged]
    found = [Finding(Wrong.UNSIGNED, one.seq, one.seq) for one in signatures.forged]
    if head.seq and walk.head != head:
        found.append(Finding(Wrong.CUT_OFF, walk.head.seq + 1, max(head.seq, walk.head.seq + 1)))
    return found


async def _first_other(store: Store, acts: Sequence[Entry]) -> int | None:
    links = await store.read(lambda tx: tx.acts.links([one.seq for one in acts]))
    return next((one.seq for one in acts if links.get(one.seq) != one.link), None)


async def _compared(store: Store, head: Head, signatures: Signatures) -> list[Finding]:
    links: dict[int, bytes] = {}
    for at in range(0, len(signatures.good), BATCH):
        numbers = [one.seq for one in signatures.good[at : at + BATCH]]
        links |= await store.read(lambda tx, numbers=numbers: tx.acts.links(numbers))  # type: ignore[misc]
    return list(compare(signatures.good, links, head, forged=signatures.forged))


class Audit:
    """The trail of one server.

    :param signer: of checkpoints: the server's own key.
    :param keys: that checkpoints may be signed with.
    :param county: whose trail it is; the 12-digit code.
    :param keep_elsewhere: writes a line where the database's owner has no hands; raises OSError. None: nowhere.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        health: Health,
        signer: Signer,
        keys: Keys,
        county: str,
        keep_elsewhere: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._clock, self._store, self._health = clock, store, health
        self._signer, self._keys, self._county = signer, keys, county
        self._keep_elsewhere = keep_elsewhere
        self._waiting_since: tuple[int, int] | None = (
            None  # the first act after the last checkpoint, and when it was seen
        )
        self._told_elsewhere: int | None = None
        self._pass: Pass | None = None
        self._task: asyncio.Task[None] | None = None

    # ---- looking --------------------------------------------------------------------------------------------------------

    async def page(self, wanted: ActFilter, *, limit: int, by: Officer) -> Sequence[Entry]:
        """Newest first. :raises RoleNotGranted, AreaNotGranted: who may read the trail reads all of it."""
        self._may(by, Verb.READ_AUDIT)
        return await self._store.read(lambda tx: tx.acts.find(wanted, limit=min(limit, MOST_PAGE)))

    async def checkpoints(self, *, after: int, limit: int, by: Officer) -> Sequence[Checkpoint]:
        """Oldest first. :raises RoleNotGranted, AreaNotGranted: likewise."""
        self._may(by, Verb.READ_AUDIT)
        return await self._store.read(lambda tx: tx.checkpoints.after(after, limit=min(limit, MOST_PAGE)))

    def _may(self, by: Officer, verb: Verb) -> None:
        may(by, verb, areas=(self._county,), exercise=None, now_ms=self._clock.now_ms())

    # ---- checkpoints ----------------------------------------------------------------------------------------------------

    async def tick(self) -> None:
        """Sign when it is due; call every second."""
        now_ms = self._clock.now_ms()
        head, last = await self._store.read(lambda tx: (tx.acts.head(), tx.checkpoints.last()))
        while head.seq > (covered := last.seq if last else 0):
            if self._waiting_since is None or self._waiting_since[0] != covered + 1:
                self._waiting_since = covered + 1, now_ms
            if not due(last, head, self._waiting_since[1], now_ms):
                break
            last = await self._sign(last, head, now_ms)
        await self._tell_elsewhere()

    async def close(self) -> None:
        """The last checkpoint of this run, and no pass goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            head, last = await self._store.read(lambda tx: (tx.acts.head(), tx.checkpoints.last()))
            while head.seq > (last.seq if last else 0):
                last = await self._sign(last, head, self._clock.now_ms())
            await self._tell_elsewhere()
        except StoreUnavailable as err:
            log.warning("no last checkpoint: %s", err)

    async def _sign(self, last: Checkpoint | None, head: Head, now_ms: int) -> Checkpoint:
        """At the thousandth act after the last checkpoint, or at the head where that is nearer."""
        seq = min(head.seq, (last.seq if last else 0) + CHECKPOINT_ROWS)

        def work(tx: Tx) -> Checkpoint:
            at = Head(seq, tx.acts.links([seq])[seq])
            signature = self._signer.sign(to_be_signed(self._county, at, now_ms))
            algorithm, key_id = int(self._signer.algorithm), self._signer.key_id
            made = Checkpoint(at.seq, at.link, now_ms, self._county, algorithm, key_id, signature)
            tx.checkpoints.add(made)
            return made

        return await self._store.write(work)

    async def _tell_elsewhere(self) -> None:
        """What was not told yet; after a failure it is told again. A line that stands there twice does no harm."""
        if self._keep_elsewhere is None:
            return
        if self._told_elsewhere is None:
            said = await self._store.read(lambda tx: tx.facts.get("checkpoint-told"))
            self._told_elsewhere = int(said or 0)
        after = self._told_elsewhere
        fresh = await self._store.read(lambda tx: tx.checkpoints.after(after, limit=MOST_PAGE))
        if not fresh:
            return
        try:
            await self._keep_elsewhere("".join(map(checkpoint_line, fresh)))
        except OSError as err:
            self._health.raise_("checkpoint-untold", cause=str(err), count=str(len(fresh)))
            return
        self._health.clear("checkpoint-untold")
        self._told_elsewhere = told = fresh[-1].seq
        await self._store.write(lambda tx: tx.facts.set("checkpoint-told", str(told)))

    # ---- verifying ------------------------------------------------------------------------------------------------------

    def last_pass(self, *, by: Officer) -> Pass | None:
        """The one that runs, or the last. :raises RoleNotGranted, AreaNotGranted: as for `page`."""
        self._may(by, Verb.READ_AUDIT)
        return self._pass

    async def verify(self, *, by: Officer) -> Pass:
        """Begin a pass through the whole trail; it goes on when this returns. What it finds is a condition.

        :raises Verifying: one runs.
        """
        self._may(by, Verb.READ_AUDIT)
        if self._task is not None and not self._task.done():
            raise Verifying
        now_ms = self._clock.now_ms()
        await self._store.write(lambda tx: tx.acts.add(ActRow(now_ms, by.name, "verify audit trail", "", "")))
        self._pass = Pass(now_ms)
        self._task = asyncio.get_running_loop().create_task(self._run(self._pass), name="verify the audit trail")
        return self._pass

    async def settled(self) -> None:
        """When no pass runs any more."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, begun: Pass) -> None:
        try:
            verdict = await check(self._store, self._keys)
        except StoreUnavailable as err:
            log.warning("the audit trail was not verified to its end: %s", err)
            self._pass = Pass(begun.began_ms, self._clock.now_ms())
            return
        self._pass = Pass(begun.began_ms, self._clock.now_ms(), verdict)
        if verdict.is_whole:
            self._health.clear("audit-broken")
        else:
            first = verdict.findings[0]
            self._health.raise_(
                "audit-broken", findings=str(len(verdict.findings)), wrong=first.wrong.value, act=str(first.first)
            )

    # ---- handing out ----------------------------------------------------------------------------------------------------

    async def export(self, *, after: int, by: Officer) -> AsyncIterator[str]:
        """The trail as lines of a file, up to what it is when it begins; that somebody took it is the next act.

        :raises RoleNotGranted, AreaNotGranted: before anything is handed out.
        """
        self._may(by, Verb.EXPORT_AUDIT)
        now_ms = self._clock.now_ms()
        head = await self._store.read(lambda tx: tx.acts.head())
        await self._store.write(
            lambda tx: tx.acts.add(ActRow(now_ms, by.name, "export audit trail", "", f"{after + 1}–{head.seq}"))
        )
        return exported(self._store, self._county, now_ms, after=after, head=head)


async def exported(store: Store, county: str, now_ms: int, *, after: int, head: Head) -> AsyncIterator[str]:
    """The lines of an export, some thousand acts at a time.

    :param head: the last act of it.
    """
    yield opening_line(county, now_ms, after)
    while after < head.seq:

        def some(tx: Tx, after: int = after) -> tuple[Sequence[Entry], Sequence[Checkpoint]]:
            acts = [Entry(*row) for row in tx.acts.entries(after=after, limit=BATCH) if row[0] <= head.seq]
            return acts, tx.checkpoints.after(after, limit=BATCH)

        acts, checkpoints = await store.read(some)
        if not acts:
            break
        by_number = {one.seq: one for one in checkpoints}
        lines = []
        for entry in acts:
            lines.append(act_line(entry))
            if entry.seq in by_number:
                lines.append(checkpoint_line(by_number[entry.seq]))
        yield "".join(lines)
        after = acts[-1].seq
    yield end_line(head)
