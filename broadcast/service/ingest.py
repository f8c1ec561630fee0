"""What speakers say: verified, written, and only then believed and acknowledged to the broker.

A report that is malformed, forged, too fast or about nothing we know is counted at its speaker, acknowledged and forgotten. One
that the database does not take stays unacknowledged, so the broker keeps it, and is tried again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from broadcast.clock import Clock
from broadcast.service.boards import Boards
from broadcast.service.caretaking import Caretaking
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.ladder import Ladder
from broadcast.service.ports import ReportRow, Store, StoreRefused, StoreUnavailable, Wire, WireDown
from broadcast.service.presence import Speakers
from broadcast.service.proofs import Proofs
from broadcast.service.setups import Setups
from broadcast.service.staging import Staging
from broadcast.service.time_answers import TimeAnswers
from endpoints.area_codes import ancestors
from endpoints.proof import Proof, decode_proof
from endpoints.protocol import (
    EXERCISE_ROOT,
    LIVE_ROOT,
    BadMessage,
    Hello,
    OrderRule,
    Ping,
    Report,
    Stock,
    decode_hello,
    decode_ping,
    decode_report,
    decode_stock,
)
from endpoints.sealing import Message, NotAuthentic, Signer, open_from_speaker
from endpoints.setup import About, decode_about

log = logging.getLogger(__name__)

BATCH_EVERY_S = 0.001  # the writer gathers too; what came in one read of the socket goes to it together
TRY_AGAIN_S = 1.0
BURST, PER_S = 200.0, 10.0  # report entries that one speaker may say at once, and steadily
STALE_HELLO_MS = 120_000
MAX_UNKNOWN = 256  # in one batch: a county that was cut off for a day speaks of many; what is left over is said again

_ROOTS = {LIVE_ROOT: False, EXERCISE_ROOT: True}
_SAID = {
    one.value: one for one in (Message.REPORT, Message.HELLO, Message.PING, Message.STOCK, Message.PROOF, Message.ABOUT)
}


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Ingest:
    """One instance listens to everything that speakers publish."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        wire: Wire,
        estate: Estate,
        boards: Boards,
        ladder: Ladder,
        speakers: Speakers,
        staging: Staging,
        proofs: Proofs,
        setups: Setups,
        caretaking: Caretaking,
        health: Health,
        signers: Mapping[bool, Signer],
        rule: OrderRule,
    ) -> None:
        self._clock, self._store, self._wire, self._estate = clock, store, wire, estate
        self._boards, self._ladder, self._speakers, self._health = boards, ladder, speakers, health
        self._staging, self._proofs = staging, proofs
        self._setups, self._caretaking = setups, caretaking
        self._time = TimeAnswers(
            clock=clock, wire=wire, boards=boards, speakers=speakers, health=health, signers=signers, rule=rule
        )
        self._rows: list[ReportRow] = []
        self._tokens: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._buckets: dict[str, _Bucket] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def message(self, topic: str, payload: bytes, qos: int, retained: bool, token: int) -> None:
        """One message from the broker, whoever wrote it."""
        received_us = self._clock.now_us()
        if retained:  # nothing that speakers say is; it would come again with every connection
            self._forget_retained(topic, payload)
            self._done(token)
            return
        root, _, rest = topic.rpartition("/")
        root, _, kind = root.rpartition("/")
        exercise = _ROOTS.get(root)
        key = self._estate.key_of(rest)
        if exercise is None or key is None:
            self._refuse("unknown_speaker", "", token)
            return
        if kind == "gone":
            self._speakers.gone(rest)
            self._done(token)
            return
        message = _SAID.get(kind)
        if message is None:
            self._refuse("unknown_topic", rest, token)
            return
        try:
            said = self._opened(payload, message, exercise, rest, key)
            if message is Message.REPORT:
                self._report(decode_report(said), rest, token)
            elif message is Message.HELLO:
                self._hello(decode_hello(said), rest, exercise, received_us)
            elif message is Message.PING:
                self._ping(decode_ping(said), rest, exercise, received_us)
            elif message is Message.STOCK:
                self._stock(decode_stock(said), rest)
            elif message is Message.PROOF:
                self._proof(decode_proof(said), rest, token)
            else:
                self._about(decode_about(said), rest, token)
        except NotAuthentic:
            self._refuse("forged", rest, token)
        except BadMessage:
            self._refuse("malformed", rest, token)

    def _opened(self, payload: bytes, message: Message, exercise: bool, speaker: str, key: bytes) -> bytes:
        """What was made with the speaker's newest secret, or with the one before while that is taken.

        :raises NotAuthentic, BadMessage:
        """
        try:
            said = open_from_speaker(payload, message, exercise=exercise, key=key)
        except NotAuthentic:
            older = self._estate.older_key_of(speaker, self._clock.now_ms())
            if older is None:
                raise
            return open_from_speaker(payload, message, exercise=exercise, key=older)
        self._caretaking.heard(speaker)
        return said

    def _forget_retained(self, topic: str, payload: bytes) -> None:
        self._health.count("reports_retained")
        if payload:
            with contextlib.suppress(WireDown):
                self._wire.publish(topic, b"", qos=1, retain=True)

    # ---- reports ----------------------------------------------------------------------------------------------------------

    def _report(self, report: Report, speaker: str, token: int) -> None:
        if report.speaker != speaker:
            self._refuse("forged", speaker, token)
            return
        if not self._may_say(speaker, len(report.entries)):
            self._refuse("too_fast", speaker, token)
            return
        now_ms, boot = self._clock.now_ms(), report.boot
        for e in report.entries:
            self._rows.append(ReportRow(e.order, speaker, e.stage, e.at_ms, e.revision, e.reason, boot, e.n, now_ms))
        self._health.count("reports")
        self._done(token)

    def _done(self, token: int) -> None:
        if token:
            self._tokens.append(token)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_EVERY_S, self._flush)

    def _flush(self) -> None:
        self._timer = None
        rows, self._rows = self._rows, []
        tokens, self._tokens = self._tokens, []
        task = asyncio.get_running_loop().create_task(self._keep(rows, tokens), name="keep reports")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _keep(self, rows: list[ReportRow], tokens: list[int]) -> None:
        known = [row for row in rows if self._ladder.knows(row.order)]
        if len(known) < len(rows):
            known += await self._of_older(rows)
            rows = known
        while known:
            try:
                await self._store.keep_reports(known)
                break
            except StoreUnavailable as err:
                self._health.raise_("store-unavailable", cause=err.cause)
                await self._clock.sleep_until(self._clock.monotonic() + TRY_AGAIN_S)
            except StoreRefused:  # no repeat would help; to keep it back would stop the broker's queue behind it
                log.exception("%s report lines were refused by the database", len(known))
                self._health.count("reports_unstorable", len(known))
                known = []
        self._wire.ack(tokens)
        self._ladder.take(known)
        numbers: dict[tuple[str, int], list[int]] = {}
        for row in rows:
            numbers.setdefault((row.speaker, row.boot), []).append(row.n)
        for (speaker, boot), said in numbers.items():
            self._speakers.in_table(speaker, boot, said)

    async def _of_older(self, rows: list[ReportRow]) -> list[ReportRow]:
        """Reports about broadcasts whose ladder is not in memory: it is fetched if there is such a broadcast. Late news is news."""
        unknown = list(dict.fromkeys(row.order for row in rows if not self._ladder.knows(row.order)))
        try:
            there = await self._store.read(lambda tx: tx.broadcasts.get_all(unknown[:MAX_UNKNOWN]))
            await self._ladder.load(there)
        except StoreUnavailable as err:  # they are not confirmed, so the speakers say them again
            self._health.raise_("store-unavailable", cause=err.cause)
            return []
        known = {one.id for one in there}
        strange = frozenset(unknown) - known
        self._health.count("reports_unknown_order", sum(row.order in strange for row in rows))
        return [row for row in rows if row.order in known]

    def _proof(self, proof: Proof, speaker: str, token: int) -> None:
        if proof.speaker != speaker:
            self._refuse("forged", speaker, token)
        elif not self._may_say(speaker, 1):
            self._refuse("too_fast", speaker, token)
        else:
            task = asyncio.get_running_loop().create_task(self._keep_proof(proof, token), name="keep proof")
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def _keep_proof(self, proof: Proof, token: int) -> None:
        """Tried again until the database takes it; the broker keeps it until then."""
        while True:
            try:
                await self._proofs.keep(proof)
                break
            except StoreUnavailable as err:
                self._health.raise_("store-unavailable", cause=err.cause)
                await self._clock.sleep_until(self._clock.monotonic() + TRY_AGAIN_S)
            except StoreRefused:
                log.exception("a proof was refused by the database")
                self._health.count("reports_unstorable")
                break
        self._done(token)

    def _may_say(self, speaker: str, entries: int) -> bool:
        now = self._clock.monotonic()
        bucket = self._buckets.get(speaker)
        if bucket is None:
            bucket = self._buckets[speaker] = _Bucket(BURST, now)
        bucket.left = min(BURST, bucket.left + (now - bucket.at) * PER_S)
        bucket.at = now
        if bucket.left < entries:
            return False
        bucket.left -= entries
        return True

    def _refuse(self, why: str, speaker: str, token: int) -> None:
        self._health.count(f"reports_{why}")
        if speaker:
            self._speakers.status(speaker).bad_reports += 1
        self._done(token)

    # ---- stock, heartbeats and the time ---------------------------------------------------------------------------------

    def _ping(self, ping: Ping, speaker: str, exercise: bool, received_us: int) -> None:
        if ping.speaker != speaker:
            self._refuse("forged", speaker, 0)
        elif not self._time.ping(speaker, ping.nonce, exercise=exercise, received_us=received_us):
            self._refuse("too_fast", speaker, 0)

    def _stock(self, stock: Stock, speaker: str) -> None:
        if stock.speaker != speaker:
            self._refuse("forged", speaker, 0)
        elif not self._may_say(speaker, 1):
            self._refuse("too_fast", speaker, 0)
        elif abs(self._clock.now_ms() - stock.at_ms) > STALE_HELLO_MS:  # perhaps a recording; it says it again
            self._refuse("stale_stock", speaker, 0)
        else:
            self._staging.take(stock)

    def _about(self, about: About, speaker: str, token: int) -> None:
        if about.speaker != speaker:
            self._refuse("forged", speaker, token)
        elif not self._may_say(speaker, 1):
            self._refuse("too_fast", speaker, token)
        elif abs(self._clock.now_ms() - about.at_ms) > STALE_HELLO_MS:  # perhaps a recording; it says it again
            self._refuse("stale_about", speaker, token)
        else:
            self._setups.take(about)
            self._done(token)

    def _hello(self, hello: Hello, speaker: str, exercise: bool, received_us: int) -> None:
        if hello.speaker != speaker:
            self._refuse("forged", speaker, 0)
            return
        if not self._may_say(speaker, 1):
            self._refuse("too_fast", speaker, 0)
            return
        now_ms = self._clock.now_ms()
        if hello.at_ms and abs(now_ms - hello.at_ms) > STALE_HELLO_MS:
            self._refuse("stale_hello", speaker, 0)
            if hello.nonce:
                self._time.answer(speaker, hello.nonce, hello.boot, exercise=exercise, received_us=received_us)
            return
        if hello.at_ms:  # without the time on it, it may be a recording: it is answered and not believed
            self._speakers.hello(hello)
            where = self._estate.speaker(speaker).area
            held = {one.scope: one for one in hello.held}
            status = self._speakers.status(speaker)
            status.boards_whole = self._boards.compare(speaker, exercise, (speaker, where, *ancestors(where)), held)
        if hello.nonce:
            self._time.answer(speaker, hello.nonce, hello.boot, exercise=exercise, received_us=received_us)

    async def close(self) -> None:
        """Write what is under way."""
        if self._timer is not None:
            self._timer.cancel()
            self._flush()
        if self._writing:
            await asyncio.wait(self._writing, timeout=5)
