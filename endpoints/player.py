"""What a speaker does with what it hears: frames, times and the sound card's word go in, decisions and reports come out.

Sans-IO, and the same in the simulator and in the real box. The rules (docs/wire.md §6 gives them to vendors) stand one by one in

* `shelf`: it keeps the highest version of each board of its own and its areas, refuses lower ones, checks what the key may say;
* `ledger`: absence in a higher version is the cancel, and what has ended does not begin again;
* `server_time`: after a boot nothing is played before one fresh signed time, which runs on the monotonic clock;
* `air`: what sounds is what `arbitration.choose` says;
* `journal`: every step is reported, and reported again until the server confirms that it is in the table.

Here is how they meet: what is decided is kept before it is done, and done before it is said.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from random import Random

from endpoints.air import Air
from endpoints.area_codes import covers
from endpoints.budget import Budget
from endpoints.effects import Effect, Identity, Keep, OnHand, Play, Send, Stop, TakeStock, Volume, Wanted
from endpoints.journal import Journal
from endpoints.kept import Kept
from endpoints.ledger import Ledger, begins_again, is_usurped
from endpoints.protocol import (
    BadMessage,
    Board,
    Fault,
    Held,
    Hello,
    Order,
    Ping,
    ProgrammeBoard,
    Reason,
    Report,
    Stage,
    TimeAnswer,
    decode_time_answer,
    encode_hello,
    encode_ping,
    encode_report,
    encode_stock,
)
from endpoints.refusals import Refusals
from endpoints.sealing import Message, NotAuthentic, TrustedKey, seal_by_speaker
from endpoints.server_time import ServerTime
from endpoints.settled import Settled
from endpoints.setup import Setup, encode_about
from endpoints.shelf import Copy, Shelf, Trust, Verdict
from endpoints.stocktaking import Stocktaking, merged, stock_of, wanted_of
from endpoints.time_line import TimeLine
from endpoints.time_pings import TimePings

__all__ = ["Effect", "Identity", "Keep", "Play", "Player", "Refusals", "Send", "Stop", "TakeStock", "Trust", "Volume"]

HELLO_EVERY_S = 20.0
WAIT_FOR_SOUND_S = (
    0.06  # three blocks: RECEIVED goes out with SOUNDING in one message, and 12,000 speakers say half as much
)
_NEVER = float("inf")


class Player:
    """One speaker. Every method takes the monotonic time in seconds and returns what to do, in order.

    :param kept: what the last run wrote; an empty `Kept` on the first start.
    :param boot: a random number of this start.
    :param random: for nonces too: the operating system's, outside of tests.
    :param rtc_ms: the time of a battery clock that the network cannot set, where the box has one and is set to trust it.
    :param pings: whether it asks for the time besides its heartbeats, to be in step with its neighbours.
    """

    __slots__ = (
        "_air",
        "_boot",
        "_booted_at",
        "_budget",
        "_dirty",
        "_hello_at",
        "_journal",
        "_ledger",
        "_mine",
        "_online",
        "_out",
        "_random",
        "_rtc_ms",
        "_rule",
        "_say_at",
        "_settled",
        "_shelf",
        "_staged_files",
        "_stock",
        "_tells_about",
        "_time",
        "_trust",
        "_upcoming_at",
        "faults",
        "refusals",
    )

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
        pings: bool = False,
    ) -> None:
        self.refusals, self.faults = Refusals(), 0
        self._settled = Settled(who, trust)
        self._settled.take_up(kept.setup, floor_ms=kept.time_floor_ms)
        self._tells_about = False  # what it says of itself is owed
        self._trust, self._boot, self._random, self._rtc_ms = trust, boot, random, rtc_ms
        self._shelf = Shelf(who.id, who.area, who.scopes, trust, exercise=who.exercise, epochs=kept.epochs)
        for message, frames in ((Message.BOARD, kept.boards), (Message.PROGRAMME, kept.programmes)):
            for frame in frames:
                self._shelf.take_up(frame, floor_ms=kept.time_floor_ms, message=message)
        self._journal = Journal(kept.journal)
        self._ledger, self._budget = Ledger(kept.progress, self._journal), Budget(kept.spent)
        self._air = Air(self._settled.who, self._ledger, self._budget)
        self._time = ServerTime(kept.time_floor_ms, TimePings(random) if pings else None)
        self._rule = kept.rule
        self._mine: dict[str, Order] = {}
        self._online = self._dirty = False
        self._booted_at = self._hello_at = now
        self._upcoming_at = _NEVER  # when more of the programmes enters the decisions
        self._stock = Stocktaking(random)
        self._staged_files: tuple[Wanted, ...] | None = None
        self._say_at = _NEVER  # when reports go out that wait for the sound card's word
        self._out: list[Send | TakeStock] = []

    # ---- what the outside asks ------------------------------------------------------------------------------------------

    @property
    def wake_at(self) -> float:
        """When `tick` next has work, monotonic seconds; infinite when it has none."""
        change_at = min(self._air.change_at, self._upcoming_at)
        if not self._online:
            return change_at
        return min(
            change_at, self._hello_at, self._time.ask_again_at, self._time.ping_at, self._say_at, self._stock.due_at
        )

    @property
    def who(self) -> Identity:
        """Who it is, with the settings that it goes by now."""
        return self._air.who

    @property
    def setup(self) -> Setup | None:
        """What it was told by the server; None: it goes by its provisioning."""
        return self._settled.setup

    @property
    def wants_secrets(self) -> bool:
        """Whether the server has newer secrets for it than those that it uses."""
        return self._settled.wants_secrets

    @property
    def on_air(self) -> str:
        """The order that sounds now, or empty."""
        return self._air.on_air

    @property
    def boards(self) -> dict[str, Board]:
        return self._shelf.boards

    @property
    def programmes(self) -> dict[str, ProgrammeBoard]:
        """By scope, that of the smallest area first."""
        return self._shelf.programmes

    @property
    def orders(self) -> tuple[Order, ...]:
        """Those that mean it and that their key may give: on its boards, and of its programmes what is near."""
        return tuple(self._mine.values())

    @property
    def boot(self) -> int:
        """The random number of this start."""
        return self._boot

    def time_ms(self, now: float) -> int | None:
        """The server's time, or None before the first fresh signed answer."""
        return self._time.now_ms(now)

    def when(self, server_ms: int) -> float | None:
        """When it is that time at the server, on the monotonic clock; None before the first answer."""
        return self._time.when(server_ms)

    @property
    def time_line(self) -> TimeLine | None:
        """The server's time on the monotonic clock as it is known now; None before the first answer."""
        return self._time.line

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """The files of all that may still sound, each once, those needed first first; the fallback before all programmes."""
        on_boards = (one for one in self._mine.values() if not self._ledger[one.id].programme)
        return merged(wanted_of(self._live(on_boards), self._shelf.terms.fallback), self._staged())

    def _staged(self) -> tuple[Wanted, ...]:
        """Of the programmes; worked out anew when one came or its next order is near, and not at each emergency."""
        if self._staged_files is None:
            self._staged_files = wanted_of(self._live(self._shelf.staged()), self._shelf.terms.fallback)
        return self._staged_files

    def _live(self, orders: Iterable[Order]) -> Iterator[Order]:
        return (one for one in orders if one.id not in self._ledger or not self._ledger[one.id].terminal)

    # ---- what happens ---------------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Effect]:
        """Call once after making it: says what the power cut off, and begins if the box's own clock is trusted."""
        if self._rtc_ms is not None and not self._time.trust_box(self._rtc_ms, now):
            self.fault(Fault.CLOCK, present=True)
        self._sort_out(now)
        self._air.power_was_lost(self._mine, self._time.now_ms(now))
        return self._decide(now)

    def connected(self, now: float) -> list[Effect]:
        """The broker took the connection and the subscriptions."""
        self._online = self._tells_about = True
        self._time.connected(now)
        self._say_hello(now, ask=True)
        self._journal.resend(now, older_than_s=0)
        return self._flush(now)

    def disconnected(self) -> None:
        """What is said from now on waits; what sounds goes on."""
        self._online = False
        self._time.disconnected()

    def board(self, frame: bytes, now: float, message: Message = Message.BOARD) -> list[Effect]:
        """A board or programme came, from whom and for what reason whatever: retained, repeated, replayed, forged.

        :param message: BOARD or PROGRAMME, as the topic says.
        """
        verdict = self._shelf.offer(frame, self._time.now_ms(now), message)
        if verdict is not Verdict.TAKEN:
            self.refusals.count(verdict)
            return []
        self._dirty = True
        if message is Message.PROGRAMME:
            self._staged_files = None
            self._stock.changed(now)
        self._sort_out(now)
        return self._decide(now)

    def settings(self, frame: bytes, now: float) -> list[Effect]:
        """A setup came, from whom and for what reason whatever. One that is taken is answered, and so is a silent test."""
        verdict = self._settled.offer(frame, self._time.now_ms(now), self._shelf.is_below_floor)
        if verdict is not Verdict.TAKEN:
            self.refusals.count(verdict)
            return []
        self._go_by_setup(now)
        return self._decide(now)

    def time(self, frame: bytes, now: float) -> list[Effect]:
        """An answer to the question for the time came."""
        try:
            opened = self._trust.open(frame, Message.TIME, exercise=self.who.exercise)
            answer = decode_time_answer(opened.payload)
        except NotAuthentic:
            self.refusals.count(Verdict.NOT_AUTHENTIC)
            return []
        except BadMessage:
            self.refusals.count(Verdict.UNREADABLE)
            return []
        if not self._may_answer(opened.key, answer, now):
            self.refusals.count(Verdict.FOREIGN)
            return []
        asked_at = self._time.asked_at(answer.nonce, now)
        if asked_at is None or self._shelf.is_below_floor(opened.key, answer.epoch):
            self.refusals.count(Verdict.OLD)
            return []
        had_time = self._time.now_ms(now) is not None
        self._take_time(answer, asked_at, opened.key, now)
        self._journal.resend(now)
        self._staged_files = None
        self._sort_out(now)
        if self._online and not had_time and self._time.now_ms(now) is not None:
            self._stock.changed(now)
            self._say_hello(now, ask=False)  # none without the time is believed; the boards that waited are on it
        now_ms = self._time.now_ms(now)
        if now_ms is not None and self._settled.prove(now_ms, self._shelf.is_below_floor):
            self._go_by_setup(now)
        self._say_about(now)
        return self._decide(now)

    def started(self, order: str, now: float, reason: Reason = Reason.NONE, at: float | None = None) -> list[Effect]:
        """The sound card took the first frame.

        :param reason: FALLBACK when the fallback sounds in its place.
        :param at: when its first sample is heard; None: now.
        """
        heard_at = now if at is None else at
        news = self._air.started(order, reason, self._time.now_ms(heard_at), heard_at)
        return self._flush(now) if news else []

    def finished(self, order: str, now: float) -> list[Effect]:
        """The last sample has left the sound card."""
        news = self._air.ended(order, Stage.FINISHED, Reason.NONE, self._time.now_ms(now), now)
        return self._decide(now) if news else []

    def failed(self, order: str, reason: Reason, now: float) -> list[Effect]:
        """It can't be sounded: the file is missing or bad, or the sound card is."""
        news = self._air.ended(order, Stage.FAILED, reason, self._time.now_ms(now), now)
        return self._decide(now) if news else []

    def stock_changed(self, now: float) -> None:
        """A file has come or gone; it will ask what is here."""
        self._stock.changed(now)

    def stock(self, on_hand: OnHand, now: float) -> list[Effect]:
        """What is here of what is wanted; said when it is news."""
        now_ms = self._time.now_ms(now)
        if now_ms is None:
            return []  # with the first answer it is asked again
        stock = stock_of(self.who.id, self._boot, on_hand, self._shelf.programmes.values())
        if self._online and self._stock.is_news(stock, now):
            self._send(Message.STOCK, encode_stock(replace(stock, at_ms=now_ms, free_bytes=on_hand.free_bytes)))
        return self._flush(now)

    def fault(self, fault: Fault, *, present: bool) -> None:
        """Something of its own is broken, or whole again; the next heartbeat says so."""
        if fault is Fault.DISK and present:
            self._dirty = True  # tried again with whatever comes next
        self.faults = self.faults | fault if present else self.faults & ~fault

    def tick(self, now: float) -> list[Effect]:
        """Time went by. Early calls do nothing."""
        if now < self.wake_at and not self._dirty:
            return []
        if self._online and now >= min(self._hello_at, self._time.ask_again_at):
            wants = bool(self._journal) or self._time.is_wanted(now) or now >= self._time.ask_again_at
            self._say_hello(now, ask=wants)
        if self._online and now >= self._time.ping_at:
            self._ping(now)
        if self._online and now >= self._stock.due_at:
            self._out.append(TakeStock())
            self._stock.asked(now)
        if now >= self._upcoming_at:
            self._staged_files = None
            self._sort_out(now)
            return self._decide(now)
        return self._decide(now) if now >= self._air.change_at else self._flush(now)

    # ---- settings -------------------------------------------------------------------------------------------------------

    def _go_by_setup(self, now: float) -> None:
        """Quiet hours, volume and mute count from now on, for what sounds too."""
        self._air.who = self._settled.who
        self._dirty = self._tells_about = True
        self._say_about(now)

    def _say_about(self, now: float) -> None:
        """If it is owed, and there is somebody to hear it who can tell it from a recording."""
        now_ms = self._time.now_ms(now)
        if not (self._online and self._tells_about) or now_ms is None:
            return
        self._tells_about = False
        about = self._settled.about(boot=self._boot, at_ms=now_ms, faults=self.faults)
        self._send(Message.ABOUT, encode_about(about))

    # ---- which orders are there -----------------------------------------------------------------------------------------

    def _sort_out(self, now: float) -> None:
        """Compare what the boards carry with what is known: new, changed, gone."""
        now_ms = self._time.now_ms(now)
        if now_ms is not None and self._shelf.prove(now_ms):
            self._dirty = True
        self._air.terms = self._shelf.terms
        copies = self._shelf.copies(now_ms, self._ledger)
        for copy in copies.values():
            self._hear(copy, now_ms)
        self._mine = {copy.order.id: copy.order for copy in copies.values() if copy.objection is Reason.NONE}
        for progress in self._ledger:
            if progress.terminal or progress.order in self._mine:
                continue
            if self._shelf.speaks_for(progress.scope, programme=progress.programme):
                self._air.take_off(progress.order, Stage.STOPPED, Reason.CANCELLED, now_ms, now)
            elif now_ms is not None and now_ms >= progress.not_after_ms:  # its board was lost, with the key perhaps
                self._air.is_over(progress, progress.not_after_ms, now_ms, now)
        if now_ms is not None:
            self._ledger.forget(now_ms, self._shelf.carries)
            self._upcoming_at = now + (self._shelf.next_upcoming_ms - now_ms) / 1000

    def _hear(self, copy: Copy, now_ms: int | None) -> None:
        """One order that means this speaker, new or known."""
        order, known = copy.order, self._ledger.get(copy.order.id)
        lawful = copy.objection is Reason.NONE
        if known is not None and not begins_again(known, order) and not (lawful and is_usurped(known, order, copy.key)):
            self._ledger.follow(order, copy.scope, programme=copy.programme)
            return
        self._ledger.hear_of(order, copy.scope, copy.key, programme=copy.programme)
        if not lawful:
            self._ledger.note(order.id, Stage.REFUSED, copy.objection, now_ms)
            return
        if now_ms is not None and now_ms >= order.not_after_ms:
            return  # heard of too late: `air` says MISSED
        self._ledger.note(order.id, Stage.RECEIVED, Reason.NONE, now_ms)
        due_ms = None if now_ms is None else max(now_ms, order.not_before_ms)
        if self._air.volume_percent(order, due_ms) == 0:
            self._ledger.note(order.id, Stage.REFUSED, Reason.MUTED, now_ms)

    # ---- time -----------------------------------------------------------------------------------------------------------

    def _may_answer(self, key: TrustedKey, answer: TimeAnswer, now: float) -> bool:
        about_us = answer.speaker == self.who.id and covers(key.area, self.who.area)
        return about_us and self._time.may_answer(key, answer.server_ms, now)

    def _take_time(self, answer: TimeAnswer, asked_at: float, key: TrustedKey, now: float) -> None:
        was_wrong = self._time.answered(answer, asked_at, key, now)
        self.fault(Fault.CLOCK, present=was_wrong)
        if answer.confirmed_boot == self._boot and self._journal.confirm(answer.confirmed_n):
            self._dirty = True
        if self._shelf.raise_epoch(key, answer.epoch) or answer.rule is not self._rule:
            self._rule, self._dirty = answer.rule, True

    # ---- what is said and kept ------------------------------------------------------------------------------------------

    def _decide(self, now: float) -> list[Effect]:
        now_ms = self._time.now_ms(now)
        if now_ms is not None:
            self._air.decide(self._mine, self._rule, now_ms, now)
        return self._flush(now)

    def _flush(self, now: float) -> list[Effect]:
        """What was decided, in the order of truth: kept first, then stopped and started, then said."""
        if self._online and not self._waits_for_sound(now):
            for entries in self._journal.take_unsent(now):
                self._send(Message.REPORT, encode_report(Report(self.who.id, self._boot, entries)))
        out: list[Effect] = [*self._air.out, *self._out]
        self._air.out, self._out = [], []
        if self._dirty or self._ledger.changed or self._time.should_be_kept(now):
            self._dirty = self._ledger.changed = False
            out.insert(0, Keep(self._kept(now)))
        return out

    def _waits_for_sound(self, now: float) -> bool:
        """Whether the sound card is about to say that it began; what else there is to report goes with that."""
        if any(type(effect) is Play for effect in self._air.out):
            self._say_at = now + WAIT_FOR_SOUND_S
        if self._air.heard == self._air.on_air or now >= self._say_at:
            self._say_at = _NEVER
        return self._say_at != _NEVER

    def _kept(self, now: float) -> Kept:
        return Kept(
            boards=self._shelf.frames(Message.BOARD),
            progress=self._ledger.as_dict(),
            epochs=self._shelf.epochs,
            time_floor_ms=self._time.kept_ms(now),
            rule=self._rule,
            journal=self._journal.entries,
            programmes=self._shelf.frames(Message.PROGRAMME),
            spent=self._budget.spent,
            setup=self._settled.frame,
        )

    def _say_hello(self, now: float, *, ask: bool) -> None:
        nonce = self._random.randbytes(8) if ask else b""
        if ask:
            self._time.ask(nonce, now)
        now_ms = self._time.now_ms(now)
        self.fault(Fault.NO_TIME, present=now_ms is None)
        hello = Hello(
            speaker=self.who.id,
            boot=self._boot,
            nonce=nonce,
            uptime_s=int(now - self._booted_at),
            oldest_n=self._journal.oldest_n,
            next_n=self._journal.next_n,
            on_air=self._air.heard,
            faults=self.faults,
            refused_frames=self.refusals.as_tuple(),
            held=tuple(Held(board.scope, board.epoch, board.version) for board in self._shelf.boards.values()),
            at_ms=now_ms or 0,
            time_error_us=self._time.error_us(now) or 0,
        )
        self._send(Message.HELLO, encode_hello(hello))
        self._hello_at = now + HELLO_EVERY_S * self._random.uniform(0.9, 1.1)

    def _ping(self, now: float) -> None:
        nonce = self._random.randbytes(8)
        self._time.ping(nonce, now)
        self._send(Message.PING, encode_ping(Ping(self.who.id, nonce)))

    def _send(self, message: Message, payload: bytes) -> None:
        frame = seal_by_speaker(payload, message, exercise=self.who.exercise, key=self.who.key)
        self._out.append(Send(message, frame))
