"""What a speaker does with what it hears: frames, times and the sound card's word go in, decisions and reports come out.

Sans-IO, and the same in the simulator and in the real box. The rules (docs/wire.md §6 gives them to vendors):

* it keeps the highest version of each board of its own and its areas over power loss and refuses every lower one;
* absence in a higher version is the cancel;
* it runs the server's signed time on its monotonic clock, and after a boot plays nothing before one fresh signed time;
* it checks what the key may say, not only that the signature fits;
* an order of which it hears after its end is missed, not caught up;
* every step is reported, and reported again until the server confirms that it is in the table.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol

from endpoints.arbitration import Listener, QuietHours, choose, is_meant, next_change_ms
from endpoints.area_codes import ancestors, covers
from endpoints.kept import Kept, Progress
from endpoints.protocol import (
    MAX_ENTRIES,
    BadMessage,
    Board,
    Entry,
    Fault,
    Held,
    Hello,
    Kind,
    Order,
    Reason,
    Report,
    Resume,
    Stage,
    decode_board,
    decode_time_answer,
    encode_hello,
    encode_report,
    is_speaker_id,
)
from endpoints.sealing import Message, NotAuthentic, Opened, TrustedKey, seal_by_speaker

HELLO_EVERY_S = 20.0
ASK_AGAIN_S = 3.0
FRESH_FOR_S = 600.0  # a crystal of 50 ppm is 30 ms off by then
LONGEST_ROUND_TRIP_S = 5.0  # the answer's error is half of it
CLOCK_FAULT_MS = 2_000
RESEND_AFTER_S = 3.0
JOURNAL_LIMIT = 256
FORGET_AFTER_MS = 3_600_000


class Trust(Protocol):
    """Opens what the server signed; `TrustStore`, or one that remembers what it has verified."""

    @property
    def keys(self) -> tuple[TrustedKey, ...]: ...
    def open(self, frame: bytes, message: Message, *, exercise: bool) -> Opened: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this speaker is.

    :param key: its secret for reports.
    :param volume_percent: its own volume; 0 is muted. An order may raise it while it sounds.
    """

    id: str
    area: str
    key: bytes
    exercise: bool = False
    volume_percent: int = 70
    quiet: QuietHours = QuietHours()

    @property
    def scopes(self) -> tuple[str, ...]:
        """Whose boards it follows: its own, its area's, and those above."""
        return (self.id, self.area, *ancestors(self.area))


@dataclass(frozen=True, slots=True)
class Play:
    """Hand this to the sound card from `from_ms` on; say `started`, then `finished` or `failed`."""

    order: Order
    from_ms: int
    volume_percent: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Fade it out now."""

    order: str


@dataclass(frozen=True, slots=True)
class Send:
    """Publish this frame as HELLO (QoS 0) or REPORT (QoS 1). It may get lost; what matters comes again."""

    message: Message
    frame: bytes


@dataclass(frozen=True, slots=True)
class Keep:
    """Write this where it survives a power cut, before anything that follows it in the list is done."""

    kept: Kept


Effect = Play | Stop | Send | Keep


@dataclass(slots=True)
class _OnAir:
    order: Order
    from_ms: int
    started_at: float | None = None  # when the sound card said so


@dataclass(slots=True)
class _Anchor:
    """The server's time: `server_ms` when the monotonic clock stood at `at`."""

    server_ms: int
    at: float


@dataclass(slots=True)
class Refusals:
    """Frames that were not believed, since boot."""

    unreadable: int = 0
    not_authentic: int = 0
    foreign: int = 0
    old: int = 0

    def as_tuple(self) -> tuple[int, int, int, int]:
        return self.unreadable, self.not_authentic, self.foreign, self.old


@dataclass(slots=True)
class _Waiting:
    """A journal entry that the server has not confirmed, and when it was last sent."""

    entry: Entry
    sent_at: float = field(default=-1e9)


class Player:
    """One speaker. Every method takes the monotonic time in seconds and returns what to do, in order.

    :param kept: what the last run wrote; an empty `Kept` on the first start.
    :param boot: a random number of this start.
    :param rtc_ms: the time of a battery clock that the network cannot set, where the box has one and is set to trust it.
    """

    def __init__(
        self,
        who: Identity,
        trust: Trust,
        *,
        kept: Kept,
        boot: int,
        random: Random,
        now: float,
        rtc_ms: int | None = None,
    ) -> None:
        self.who, self.refusals, self.faults = who, Refusals(), 0
        self._trust, self._boot, self._random = trust, boot, random
        self._scopes = frozenset(who.scopes)
        self._boards: dict[str, Board] = {}
        self._frames: dict[str, bytes] = {}
        self._keys: dict[str, TrustedKey] = {}
        self._mine: dict[str, Order] = {}
        self._progress = dict(kept.progress)
        self._epochs = {key.key_id: kept.epochs.get(key.key_id, 0) for key in trust.keys}
        self._floor_ms, self._rule = kept.time_floor_ms, kept.rule
        self._anchor: _Anchor | None = None
        self._on_air: _OnAir | None = None
        self._journal: list[_Waiting] = []
        self._next_n = 1
        self._nonce, self._asked_at = b"", -1e9
        self._answered_at = -1e9
        self._online = False
        self._booted_at = self._hello_at = now
        self._change_at: float | None = None
        self._dirty = False
        self._out: list[Effect] = []
        self._load(kept)
        if rtc_ms is not None and rtc_ms >= self._floor_ms:
            self._anchor = _Anchor(rtc_ms, now)
            self._decide(now)

    # ---- what the outside asks ------------------------------------------------------------------------------------------

    @property
    def wake_at(self) -> float:
        """When `tick` next has work, monotonic seconds."""
        times = [self._hello_at] if self._online else []
        if self._change_at is not None:
            times.append(self._change_at)
        if self._online and self._nonce:
            times.append(self._asked_at + ASK_AGAIN_S)
        return min(times, default=float("inf"))

    @property
    def on_air(self) -> str:
        """The order that sounds now, or empty."""
        return self._on_air.order.id if self._on_air else ""

    @property
    def boards(self) -> dict[str, Board]:
        return dict(self._boards)

    @property
    def orders(self) -> tuple[Order, ...]:
        """Those on its boards that mean it and that their key may give."""
        return tuple(self._mine.values())

    def time_ms(self, now: float) -> int | None:
        """The server's time, or None before the first fresh signed answer."""
        return None if self._anchor is None else self._anchor.server_ms + int((now - self._anchor.at) * 1000)

    # ---- what happens ---------------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Effect]:
        """Call once after making it: says what was cut off by the power going."""
        for progress in list(self._progress.values()):
            if progress.stage is Stage.SOUNDING:
                self._power_was_lost(progress, now)
        return self._flush(now)

    def connected(self, now: float) -> list[Effect]:
        """The broker took the connection and the subscriptions."""
        self._online = True
        self._say_hello(now, ask=True)
        self._resend(now, older_than_s=0)
        return self._flush(now)

    def disconnected(self) -> None:
        """What is said from now on waits; what sounds goes on."""
        self._online, self._nonce = False, b""

    def board(self, frame: bytes, now: float) -> list[Effect]:
        """A board came, from whom and for what reason whatever: retained, repeated, replayed, forged."""
        try:
            opened = self._trust.open(frame, Message.BOARD, exercise=self.who.exercise)
            board = decode_board(opened.payload)
        except NotAuthentic:
            self.refusals.not_authentic += 1
            return []
        except BadMessage:
            self.refusals.unreadable += 1
            return []
        if self._frames.get(board.scope) == frame:
            return []
        if not self._may_write(opened.key, board, now):
            self.refusals.foreign += 1
            return []
        if self._is_old(board):
            self.refusals.old += 1
            return []
        self._take(board, frame, opened.key)
        self._sort_out(now)
        self._decide(now)
        return self._flush(now)

    def time(self, frame: bytes, now: float) -> list[Effect]:
        """An answer to the question for the time came."""
        try:
            opened = self._trust.open(frame, Message.TIME, exercise=self.who.exercise)
            answer = decode_time_answer(opened.payload)
        except NotAuthentic:
            self.refusals.not_authentic += 1
            return []
        except BadMessage:
            self.refusals.unreadable += 1
            return []
        if answer.speaker != self.who.id or not covers(opened.key.area, self.who.area):
            self.refusals.foreign += 1
            return []
        round_trip_s = now - self._asked_at
        if not self._nonce or answer.nonce != self._nonce or answer.epoch < self._epoch_floor():
            self.refusals.old += 1
            return []
        self._nonce = b""
        if round_trip_s > LONGEST_ROUND_TRIP_S:
            return []
        first = self._anchor is None
        self._set_time(answer.server_ms + int(round_trip_s * 500), now)
        if first and self._online:
            self._say_hello(now, ask=False)  # a heartbeat without the time on it is not believed
        self._raise_epoch(opened.key, answer.epoch)
        if answer.rule is not self._rule:
            self._rule, self._dirty = answer.rule, True
        if answer.confirmed_boot == self._boot:
            self._confirm(answer.confirmed_n)
        self._sort_out(now)
        self._decide(now)
        self._resend(now, older_than_s=RESEND_AFTER_S)
        return self._flush(now)

    def started(self, order: str, now: float) -> list[Effect]:
        """The sound card took the first frame."""
        if self._on_air is None or self._on_air.order.id != order or self._on_air.started_at is not None:
            return []
        self._on_air.started_at = now
        progress = self._progress[order]
        first_ms = progress.first_started_ms or self.time_ms(now) or 0
        self._note(order, Stage.SOUNDING, Reason.NONE, now, position_ms=self._on_air.from_ms, first_started_ms=first_ms)
        return self._flush(now)

    def finished(self, order: str, now: float) -> list[Effect]:
        """The last sample has left the sound card."""
        if self._on_air is None or self._on_air.order.id != order:
            return []
        self._on_air = None
        self._note(order, Stage.FINISHED, Reason.NONE, now)
        self._decide(now)
        return self._flush(now)

    def failed(self, order: str, reason: Reason, now: float) -> list[Effect]:
        """It can't be sounded: the file is missing or bad, or the sound card is."""
        if self._on_air is None or self._on_air.order.id != order:
            return []
        self._on_air = None
        self._note(order, Stage.FAILED, reason, now)
        self._decide(now)
        return self._flush(now)

    def fault(self, fault: Fault, *, present: bool) -> None:
        """Something of its own is broken, or whole again; the next heartbeat says so."""
        self.faults = self.faults | fault if present else self.faults & ~fault

    def tick(self, now: float) -> list[Effect]:
        """Time went by. Early calls do nothing."""
        if self._change_at is not None and now >= self._change_at:
            self._decide(now)
        if self._online and now >= self._hello_at:
            self._say_hello(now, ask=self._wants_answer(now))
        elif self._online and self._nonce and now >= self._asked_at + ASK_AGAIN_S:
            self._say_hello(now, ask=True)
        return self._flush(now)

    # ---- boards ---------------------------------------------------------------------------------------------------------

    def _load(self, kept: Kept) -> None:
        """Boards of the last run, verified again: the disk is not trusted more than the wire, and a key may be gone."""
        for frame in kept.boards:
            try:
                opened = self._trust.open(frame, Message.BOARD, exercise=self.who.exercise)
                board = decode_board(opened.payload)
            except (NotAuthentic, BadMessage):
                continue
            if board.scope in self._scopes:
                self._boards[board.scope], self._frames[board.scope] = board, frame
                self._keys[board.scope] = opened.key
        for entry in kept.journal:
            self._journal.append(_Waiting(replace(entry, n=self._next_n)))
            self._next_n += 1
        self._mine = dict(self._meant())

    def _may_write(self, key: TrustedKey, board: Board, now: float) -> bool:
        """Whether the key's scope holds this board: else a township's key could empty the city's board."""
        if board.scope not in self._scopes:
            return False
        place = self.who.area if is_speaker_id(board.scope) else board.scope
        now_ms = self.time_ms(now)
        at_ms = board.written_at_ms if now_ms is None else now_ms
        if not covers(key.area, place) or not key.not_before_ms <= at_ms < key.not_after_ms:
            return False
        held = self._boards.get(board.scope)
        return held is None or all(order.band <= key.highest_band for order in held.orders)

    def _is_old(self, board: Board) -> bool:
        held = self._boards.get(board.scope)
        if board.epoch < self._epoch_floor():
            return True
        return held is not None and (board.epoch, board.version) <= (held.epoch, held.version)

    def _epoch_floor(self) -> int:
        return max(self._epochs.values(), default=0)

    def _raise_epoch(self, key: TrustedKey, epoch: int) -> None:
        if epoch > self._epochs.get(key.key_id, 0):
            self._epochs[key.key_id] = epoch
            self._dirty = True

    def _take(self, board: Board, frame: bytes, key: TrustedKey) -> None:
        self._boards[board.scope], self._frames[board.scope], self._keys[board.scope] = board, frame, key
        self._raise_epoch(key, board.epoch)
        self._dirty = True

    def _meant(self) -> Iterable[tuple[str, Order]]:
        """Every order on any held board that means this speaker, in its highest revision."""
        best: dict[str, Order] = {}
        for scope, board in self._boards.items():
            for order in board.orders:
                if not is_meant(order, self.who.id, self.who.area) or self._refused(order, scope):
                    continue
                if order.id not in best or best[order.id].revision < order.revision:
                    best[order.id] = order
        return best.items()

    def _refused(self, order: Order, scope: str) -> bool:
        progress = self._progress.get(order.id)
        if progress is not None and progress.stage is Stage.REFUSED:
            return True
        return self._keys[scope].objection(order, now_ms=self._boards[scope].written_at_ms) is not Reason.NONE

    def _sort_out(self, now: float) -> None:
        """Compare what the boards carry with what was carried before: new, gone, refused."""
        before, self._mine = self._mine, dict(self._meant())
        for scope, board in self._boards.items():
            for order in board.orders:
                self._object(order, scope, now)
        for order in self._mine.values():
            if order.id not in self._progress:
                self._first_heard_of(order, now)
        for gone in before.keys() - self._mine.keys():
            self._end(before[gone], Stage.STOPPED, Reason.CANCELLED, now)
        self._forget(now)

    def _object(self, order: Order, scope: str, now: float) -> None:
        if order.id in self._progress or not is_meant(order, self.who.id, self.who.area):
            return
        reason = self._keys[scope].objection(order, now_ms=self._boards[scope].written_at_ms)
        if reason is not Reason.NONE:
            self._progress[order.id] = Progress(order.id, order.revision, order.not_after_ms, Stage.RECEIVED)
            self._note(order.id, Stage.REFUSED, reason, now)

    def _first_heard_of(self, order: Order, now: float) -> None:
        now_ms = self.time_ms(now)
        self._progress[order.id] = Progress(order.id, order.revision, order.not_after_ms, Stage.RECEIVED)
        if now_ms is not None and now_ms >= order.not_after_ms:
            self._note(order.id, Stage.MISSED, Reason.WAS_OFF, now)
            return
        self._note(order.id, Stage.RECEIVED, Reason.NONE, now)
        if self._volume(order) == 0:
            self._note(order.id, Stage.REFUSED, Reason.MUTED, now)

    def _forget(self, now: float) -> None:
        now_ms = self.time_ms(now)
        if now_ms is None:
            return
        for progress in list(self._progress.values()):
            if progress.order not in self._mine and now_ms > progress.not_after_ms + FORGET_AFTER_MS:
                del self._progress[progress.order]
                self._dirty = True

    # ---- what sounds ----------------------------------------------------------------------------------------------------

    def _decide(self, now: float) -> None:
        now_ms = self.time_ms(now)
        if now_ms is None:
            self._change_at = None
            return
        self._end_what_is_over(now_ms, now)
        listener = self._listener()
        winner = choose(self._mine.values(), now_ms, listener)
        if self._on_air is not None and not self._goes_on(winner):
            self._take_off(self._on_air.order, winner, now)
        if winner is not None and self._on_air is None:
            self._put_on(winner, now_ms, now)
        for order in self._mine.values():
            if self._progress[order.id].stage is Stage.RECEIVED and order.id != self.on_air:
                quiet = order.kind is Kind.ROUTINE and listener.quiet.hold(now_ms)
                self._note(order.id, Stage.SCHEDULED, Reason.QUIET_HOURS if quiet else Reason.NONE, now)
        edge_ms = next_change_ms(self._mine.values(), now_ms, listener)
        self._change_at = None if edge_ms is None else now + (edge_ms - now_ms) / 1000

    def _listener(self) -> Listener:
        done = frozenset(p.order for p in self._progress.values() if p.terminal)
        return Listener(self.who.id, self.who.area, self.who.exercise, done, self.on_air, self.who.quiet, self._rule)

    def _goes_on(self, winner: Order | None) -> bool:
        """Whether what sounds is what should: the same order with the same sound."""
        if winner is None or self._on_air is None or winner.id != self.on_air:
            return False
        return _sound_of(winner) == _sound_of(self._on_air.order)

    def _end_what_is_over(self, now_ms: int, now: float) -> None:
        for order in list(self._mine.values()):
            progress = self._progress[order.id]
            if not progress.terminal and now_ms >= order.not_after_ms:
                if progress.first_started_ms:
                    self._end(order, Stage.STOPPED, Reason.ENDED, now)
                else:
                    self._end(order, Stage.MISSED, Reason.ENDED, now)

    def _end(self, order: Order, stage: Stage, reason: Reason, now: float) -> None:
        if self._on_air is not None and self.on_air == order.id:
            self._out.append(Stop(order.id))
            self._on_air = None
        progress = self._progress.get(order.id)
        if progress is not None and not progress.terminal:
            self._note(order.id, stage, reason, now)

    def _take_off(self, order: Order, winner: Order | None, now: float) -> None:
        position_ms = self._position_ms(now)
        started = self._on_air is not None and self._on_air.started_at is not None
        self._on_air = None
        self._out.append(Stop(order.id))
        if winner is not None and winner.id == order.id:
            return  # the same order with another sound: it begins anew
        if order.resume is Resume.DROP:
            self._note(order.id, Stage.STOPPED, Reason.DROPPED, now)
        elif started:
            quiet = Reason.QUIET_HOURS if winner is None else Reason.NONE
            self._note(order.id, Stage.INTERRUPTED, quiet, now, position_ms=position_ms)
        else:
            self._note(order.id, Stage.SCHEDULED, Reason.NONE, now)

    def _position_ms(self, now: float) -> int:
        if self._on_air is None or self._on_air.started_at is None:
            return 0
        elapsed_ms = int((now - self._on_air.started_at) * 1000)
        return min(self._on_air.order.sound_ms, self._on_air.from_ms + elapsed_ms) // 20 * 20

    def _put_on(self, order: Order, now_ms: int, now: float) -> None:
        progress = self._progress[order.id]
        from_ms = _resume_at(order, progress, now_ms)
        if from_ms >= order.sound_ms:
            self._note(order.id, Stage.STOPPED, Reason.ENDED, now)
            self._decide(now)
            return
        self._on_air = _OnAir(order, from_ms)
        self._out.append(Play(order, from_ms, self._volume(order)))

    def _volume(self, order: Order) -> int:
        return max(self.who.volume_percent, order.volume_percent)

    def _power_was_lost(self, progress: Progress, now: float) -> None:
        order = self._mine.get(progress.order)
        if order is not None and order.resume is Resume.DROP:
            self._note(progress.order, Stage.STOPPED, Reason.POWER_LOST, now)
        else:
            self._note(progress.order, Stage.INTERRUPTED, Reason.POWER_LOST, now, position_ms=0)

    # ---- time, heartbeat, reports ---------------------------------------------------------------------------------------

    def _set_time(self, server_ms: int, now: float) -> None:
        before_ms = self.time_ms(now)
        self.fault(Fault.CLOCK, present=before_ms is not None and abs(server_ms - before_ms) > CLOCK_FAULT_MS)
        self._anchor = _Anchor(server_ms, now)
        self._answered_at = now
        if self._floor_ms + FORGET_AFTER_MS < server_ms or self._floor_ms > server_ms:
            self._dirty = True
        self._floor_ms = server_ms

    def _wants_answer(self, now: float) -> bool:
        return bool(self._journal) or now - self._answered_at > FRESH_FOR_S or self._anchor is None

    def _say_hello(self, now: float, *, ask: bool) -> None:
        if ask:
            self._nonce, self._asked_at = self._random.randbytes(8), now
        self.fault(Fault.NO_TIME, present=self._anchor is None)
        held = tuple(Held(board.scope, board.epoch, board.version) for board in self._boards.values())
        hello = Hello(
            speaker=self.who.id,
            boot=self._boot,
            nonce=self._nonce if ask else b"",
            uptime_s=int(now - self._booted_at),
            oldest_n=self._journal[0].entry.n if self._journal else self._next_n,
            next_n=self._next_n,
            on_air=self.on_air if self._on_air and self._on_air.started_at is not None else "",
            faults=self.faults,
            refused_frames=self.refusals.as_tuple(),
            held=held,
            at_ms=self.time_ms(now) or 0,
        )
        self._send(Message.HELLO, encode_hello(hello))
        self._hello_at = now + HELLO_EVERY_S * self._random.uniform(0.9, 1.1)

    def _send(self, message: Message, payload: bytes) -> None:
        frame = seal_by_speaker(payload, message, exercise=self.who.exercise, key=self.who.key)
        self._out.append(Send(message, frame))

    def _note(
        self,
        order: str,
        stage: Stage,
        reason: Reason,
        now: float,
        *,
        position_ms: int | None = None,
        first_started_ms: int | None = None,
    ) -> None:
        """Write the step into the progress and the journal; `_flush` keeps and sends it."""
        progress = self._progress[order]
        self._progress[order] = replace(
            progress,
            stage=stage,
            position_ms=progress.position_ms if position_ms is None else position_ms,
            first_started_ms=progress.first_started_ms if first_started_ms is None else first_started_ms,
        )
        entry = Entry(self._next_n, order, progress.revision, stage, reason, self.time_ms(now) or 0)
        self._next_n += 1
        self._journal.append(_Waiting(entry))
        del self._journal[:-JOURNAL_LIMIT]
        self._dirty = True

    def _confirm(self, n: int) -> None:
        before = len(self._journal)
        self._journal = [waiting for waiting in self._journal if waiting.entry.n > n]
        self._dirty = self._dirty or len(self._journal) != before

    def _resend(self, now: float, *, older_than_s: float) -> None:
        for waiting in self._journal:
            if now - waiting.sent_at >= older_than_s:
                waiting.sent_at = -1e9  # _flush sends it

    def _flush(self, now: float) -> list[Effect]:
        """What was decided, in the order of truth: kept first, then stopped and started, then said."""
        out, self._out = self._out, []
        if self._dirty:
            out.insert(0, Keep(self._kept()))
            self._dirty = False
        if self._online:
            unsent = [waiting for waiting in self._journal if waiting.sent_at < 0]
            for start in range(0, len(unsent), MAX_ENTRIES):
                batch = unsent[start : start + MAX_ENTRIES]
                for waiting in batch:
                    waiting.sent_at = now
                self._send(Message.REPORT, encode_report(Report(self.who.id, self._boot, _entries(batch))))
            out += self._out
            self._out = []
        return out

    def _kept(self) -> Kept:
        return Kept(
            boards=tuple(self._frames.values()),
            progress=dict(self._progress),
            epochs=dict(self._epochs),
            time_floor_ms=self._floor_ms,
            rule=self._rule,
            journal=_entries(self._journal),
        )


def _entries(waiting: Iterable[_Waiting]) -> tuple[Entry, ...]:
    return tuple(one.entry for one in waiting)


def _sound_of(order: Order) -> tuple[object, ...]:
    return order.tone, order.asset, order.repeats, order.gap_ms


def _resume_at(order: Order, progress: Progress, now_ms: int) -> int:
    """Where in its sound an order goes on, milliseconds."""
    if progress.first_started_ms == 0:
        return 0
    if order.resume is Resume.CONTINUE:
        return progress.position_ms
    if order.resume is Resume.REJOIN:
        return max(0, now_ms - progress.first_started_ms) // 20 * 20
    return 0
