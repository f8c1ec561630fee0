"""What sounds at one speaker: has on air what `choose` says, and knows how an order comes off and where it goes on.

Neighbours begin in step: what has a time is handed to the sound card a moment before it. What gets the air at its time or after
begins at once where it has a tone to spare, in the middle of what its neighbours sound; else a moment after its time, everywhere
the same. An emergency never waits (docs/decisions/0011-start-in-step.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from endpoints.arbitration import Listener, choose, is_muted, is_too_late, loudness_percent, next_change_ms, rank
from endpoints.budget import Budget
from endpoints.effects import Effect, Identity, NewEnd, Play, Stop, Volume
from endpoints.kept import Progress
from endpoints.ledger import Ledger
from endpoints.protocol import TONE_MS, Kind, Order, OrderRule, Reason, Resume, Stage
from endpoints.shelf import NO_TERMS, Terms

BLOCK_MS = 20  # sound is taken up at whole blocks of this length
PREROLL_MS = 500  # so much before its time the sound card gets what is due next, if the air is free
IN_STEP_MS = 200  # so much after the common instant begins what has no tone to spare; above a sound card's latency
TONE_LEFT_MS = 1_000  # of its tone a late one sounds so much at least
IN_TIME_MS = 2_000  # a first start no later than this begins at the beginning


@dataclass(slots=True)
class _OnAir:
    """:param at_ms: when `from_ms` is to be heard, server's time; None: as soon as can be."""

    order: Order
    from_ms: int
    volume_percent: int
    at_ms: int | None = None
    started_at: float | None = None  # when the sound card said so, monotonic seconds
    charged: tuple[int, int] = (0, 0)  # to the budget of which day, and how much

    def position_ms(self, now: float) -> int:
        if self.started_at is None or self.order.kind is Kind.LIVE:
            return self.from_ms
        return min(self.order.sound_ms, self.from_ms + self.heard_ms(now)) // BLOCK_MS * BLOCK_MS

    def heard_ms(self, now: float) -> int:
        return 0 if self.started_at is None else int((now - self.started_at) * 1000)


class Air:
    """One loudspeaker's air. Times: `now` in monotonic seconds, `now_ms` the server's.

    What is to be played and stopped is collected in `out`, in order; the caller takes it from there.
    """

    __slots__ = ("_budget", "_ledger", "_on_air", "awake_ms", "change_at", "out", "terms", "who")

    def __init__(self, who: Identity, ledger: Ledger, budget: Budget) -> None:
        self.who, self._ledger, self._budget = who, ledger, budget  # who changes with the setup
        self._on_air: _OnAir | None = None
        self.terms: Terms = NO_TERMS  # what the place asks of routine
        self.awake_ms: int | None = None  # since when the time has been known in this run, server's time
        self.change_at = float("inf")  # when `decide` can come to another answer although nothing has happened
        self.out: list[Effect] = []

    @property
    def on_air(self) -> str:
        """The order that was handed to the sound card, or empty."""
        return self._on_air.order.id if self._on_air else ""

    @property
    def heard(self) -> str:
        """The same, once the sound card has taken the first frame."""
        return self.on_air if self._on_air and self._on_air.started_at is not None else ""

    def volume_percent(self, order: Order, at_ms: int | None) -> int:
        """How loud it sounds here then; 0 is not at all."""
        hour = 100 if at_ms is None else self.terms.hour_percent(self.who.quiet.local_hour(at_ms))
        who = self.who
        return loudness_percent(
            order, who.volume_percent, hour, ceiling_percent=who.ceiling_percent, floor_percent=who.floor_percent
        )

    # ---- the sound card's word ------------------------------------------------------------------------------------------

    def started(self, order: str, reason: Reason, now_ms: int | None, now: float) -> bool:
        """The first frame is out, or the fallback goes on for what has begun. Whether that is news."""
        on_air = self._on_air
        if on_air is None or self.on_air != order:
            return False
        if on_air.started_at is not None:
            if reason is Reason.NONE or self._ledger[order].reason is reason:
                return False
            self._ledger.note(order, Stage.SOUNDING, reason, now_ms)
            return True
        on_air.started_at = now
        if now_ms is not None:
            self._charge(on_air, now_ms)
        first_ms = self._ledger[order].first_started_ms or now_ms or 0
        self._ledger.note(order, Stage.SOUNDING, reason, now_ms, position_ms=on_air.from_ms, first_started_ms=first_ms)
        return True

    def ended(self, order: str, stage: Stage, reason: Reason, now_ms: int | None, now: float) -> bool:
        """It was played out, or can't be. Whether that is news."""
        if self.on_air != order:
            return False
        if stage is Stage.FINISHED and self._ledger[order].reason is Reason.FALLBACK:
            reason = Reason.FALLBACK  # to the end, and yet not what was meant
        self._leave(now)
        self._ledger.note(order, stage, reason, now_ms)
        return True

    def power_was_lost(self, orders: Mapping[str, Order], now_ms: int | None) -> None:
        """Call once after a boot: say of what sounded then that it does not any more."""
        for progress in self._ledger:
            if progress.stage is not Stage.SOUNDING:
                continue
            order = orders.get(progress.order)
            stage = Stage.STOPPED if order is not None and order.resume is Resume.DROP else Stage.INTERRUPTED
            self._ledger.note(progress.order, stage, Reason.POWER_LOST, now_ms, position_ms=0)

    # ---- deciding -------------------------------------------------------------------------------------------------------

    def decide(self, orders: Mapping[str, Order], rule: OrderRule, now_ms: int, now: float) -> None:
        """Have that on air which should be, and say of the rest why it is not.

        :param orders: all that mean this speaker, by id; each is in the ledger.
        """
        if self.awake_ms is None:
            self.awake_ms = now_ms
        due = [order for order in orders.values() if self._is_due(order, now_ms)]
        for order in sorted(due, key=lambda one: one.id == self.on_air):  # it kept the others waiting until now
            progress = self._ledger[order.id]
            if now_ms >= order.not_after_ms:
                self.is_over(progress, order.not_after_ms, now_ms, now)
            else:
                reason = self._why_missed(progress, order.start_by_ms, Reason.TOO_LATE, Reason.TOO_LATE)
                self.take_off(order.id, Stage.MISSED, reason, now_ms, now)
        while not self._settle(orders, rule, now_ms, now):
            pass  # what was chosen had nothing left to sound; the next one has its turn
        self._explain_silence(orders, rule, now_ms)
        change_ms = self._next_change_ms(orders, rule, now_ms)
        self.change_at = float("inf") if change_ms is None else now + (change_ms - now_ms) / 1000

    def take_off(self, order: str, stage: Stage, reason: Reason, now_ms: int | None, now: float) -> None:
        """It is over, whether it sounds or not."""
        if self.on_air == order:
            self.out.append(Stop(order))
            self._leave(now)
        self._ledger.note(order, stage, reason, now_ms)

    def is_over(self, progress: Progress, end_ms: int, now_ms: int, now: float) -> None:
        """Its end has come."""
        if progress.first_started_ms:
            self.take_off(progress.order, Stage.STOPPED, Reason.ENDED, now_ms, now)
        else:
            reason = self._why_missed(progress, end_ms, Reason.WAS_OFF, Reason.ENDED)
            self.take_off(progress.order, Stage.MISSED, reason, now_ms, now)

    def _is_due(self, order: Order, now_ms: int) -> bool:
        """Whether it has to be said that it is over, or that it missed its latest start."""
        progress = self._ledger[order.id]
        if progress.terminal:
            return False
        missed = not progress.first_started_ms and is_too_late(order, now_ms, frozenset())
        return missed or now_ms >= order.not_after_ms

    def _why_missed(self, progress: Progress, deadline_ms: int, heard_late: Reason, otherwise: Reason) -> Reason:
        """What kept it from beginning until then; nothing is skipped without a reason.

        :param heard_late: for one that was heard of after that.
        """
        on_air = self._on_air
        if self.awake_ms is None or deadline_ms < self.awake_ms:
            return Reason.WAS_OFF
        if (
            on_air is not None and on_air.order.id == progress.order
        ):  # the sound card had it, and waited for what to sound
            return Reason.STREAM_LOST if on_air.order.stream else Reason.ASSET_MISSING
        if progress.stage is Stage.RECEIVED:  # no decision of ours behind it
            return heard_late
        if progress.reason in (Reason.QUIET_HOURS, Reason.MUTED):
            return progress.reason
        return otherwise if on_air is None else Reason.BUSY

    def _listener(self, orders: Mapping[str, Order], rule: OrderRule) -> Listener:
        who, done = self.who, self._ledger.done(orders)
        begun = frozenset(order for order in orders if self._ledger[order].first_started_ms)
        return Listener(who.id, who.area, who.exercise, done, self.on_air, who.quiet, rule, begun, who.muted_until_ms)

    def _next_change_ms(self, orders: Mapping[str, Order], rule: OrderRule, now_ms: int) -> int | None:
        edges = [next_change_ms(orders.values(), now_ms, self._listener(orders, rule))]
        if self._on_air is None:
            soon = (order.not_before_ms - PREROLL_MS for order in orders.values())
            edges.append(min((edge for edge in soon if edge > now_ms), default=None))
        elif self.terms.volume_by_hour and self._on_air.order.kind is Kind.ROUTINE:
            edges.append(self.who.quiet.next_hour_ms(now_ms))
        return min((edge for edge in edges if edge is not None), default=None)

    # ---- who comes, who goes --------------------------------------------------------------------------------------------

    def _settle(self, orders: Mapping[str, Order], rule: OrderRule, now_ms: int, now: float) -> bool:
        """One try; False when the order chosen came to its end at once."""
        winner = self._winner(orders, rule, now_ms)
        was, anew, words_only = self._on_air, False, False
        if was is not None:
            if winner is None or winner.id != was.order.id:
                self._interrupt(was, winner, now_ms, now)
            elif _sound_of(winner) != _sound_of(was.order):
                anew = was.started_at is not None  # with another sound
                words_only = anew and not was.order.parts and was.heard_ms(now) >= TONE_LEFT_MS
            else:
                self._go_on(was, winner, now_ms)
                return True
            self._leave(now)
            self.out.append(Stop(was.order.id))
        return winner is None or self._put_on(winner, now_ms, anew=anew, words_only=words_only)

    def _winner(self, orders: Mapping[str, Order], rule: OrderRule, now_ms: int) -> Order | None:
        """What should sound now; in silence, what will begin in a moment and can be handed to the sound card already."""
        listener, claims = self._listener(orders, rule), dict(orders)
        held = claims.get(self.on_air)
        if held is not None and now_ms < held.not_before_ms and self._ledger[held.id].first_started_ms:
            # a clock set back does not take back what has begun; whatever else there is goes by the clock as it is now
            claims[held.id] = replace(held, not_before_ms=now_ms)
        best = choose(claims.values(), now_ms, listener)
        if best is not None:
            return orders[best.id]
        soon = choose(orders.values(), now_ms + PREROLL_MS, listener)
        return soon if soon is not None and soon.not_before_ms > now_ms and not _is_live(soon) else None

    def _go_on(self, was: _OnAir, order: Order, now_ms: int) -> None:
        """Whatever was revised beside its sound counts from now on; the hour may have changed as well."""
        if (order.not_after_ms, order.fade_ms) != (was.order.not_after_ms, was.order.fade_ms):
            self.out.append(NewEnd(order))
        was.order = order
        percent = self.volume_percent(order, max(now_ms, order.not_before_ms))
        if percent != was.volume_percent:
            was.volume_percent = percent
            self.out.append(Volume(order.id, percent))

    def _put_on(self, order: Order, now_ms: int, *, anew: bool, words_only: bool) -> bool:
        progress = self._ledger[order.id]
        begun = bool(progress.first_started_ms)
        if not begun and self._is_beyond_budget(order, now_ms):
            self._ledger.note(order.id, Stage.REFUSED, Reason.BUDGET, now_ms)
            return False
        from_ms, at_ms = _where_and_when(order, progress, now_ms, anew=anew)
        if (
            words_only and at_ms is None and from_ms == 0
        ):  # its tone has been heard; the words that were late come after it
            from_ms = TONE_MS[order.tone]
        fallback = self.terms.fallback if order.kind is Kind.ROUTINE else None
        if order.is_empty and fallback is None:
            self._ledger.note(order.id, Stage.FAILED, Reason.ASSET_MISSING, now_ms)
            return False
        if _is_live(order) or from_ms < order.sound_ms:
            volume_percent = self.volume_percent(order, max(now_ms, order.not_before_ms))
            self._on_air = _OnAir(order, from_ms, volume_percent, at_ms)
            self.out.append(Play(order, from_ms, volume_percent, at_ms, fallback))
            return True
        if begun:
            self._ledger.note(order.id, Stage.STOPPED, Reason.ENDED, now_ms)
        elif order.sound_ms:
            self._ledger.note(order.id, Stage.MISSED, Reason.TOO_LATE, now_ms)  # by the clock its sound is over already
        else:
            self._ledger.note(order.id, Stage.FAILED, Reason.ASSET_MISSING, now_ms)  # neither tone nor file
        return False

    def _interrupt(self, was: _OnAir, winner: Order | None, now_ms: int, now: float) -> None:
        """Something higher takes the air, the quiet hours begin, or somebody goes to work at the horn."""
        order = was.order
        if order.resume is Resume.DROP and self._ledger[order.id].first_started_ms:
            self._ledger.note(order.id, Stage.STOPPED, Reason.DROPPED, now_ms)
        elif was.started_at is not None:
            muted = is_muted(order, now_ms, self.who.muted_until_ms)
            reason = self._why_it_waits(order, now_ms) if muted or winner is None else Reason.NONE
            self._ledger.note(order.id, Stage.INTERRUPTED, reason, now_ms, position_ms=was.position_ms(now))

    def _leave(self, now: float) -> None:
        """Nothing is on air any more."""
        was, self._on_air = self._on_air, None
        if was is not None:
            day, charged_ms = was.charged
            self._budget.give_back(day, max(0, charged_ms - was.heard_ms(now)))

    def _is_beyond_budget(self, order: Order, now_ms: int) -> bool:
        day = self.who.quiet.local_day(max(now_ms, order.not_before_ms))
        return order.kind is Kind.ROUTINE and self._budget.is_used_up(day, self.terms.budget_min)

    def _charge(self, on_air: _OnAir, now_ms: int) -> None:
        """What the power cut off has been charged whole."""
        order = on_air.order
        if order.kind is not Kind.ROUTINE or self._ledger[order.id].reason is Reason.POWER_LOST:
            return
        rest_ms = max(0, min(order.sound_ms - on_air.from_ms, order.not_after_ms - now_ms))
        on_air.charged = self.who.quiet.local_day(now_ms), rest_ms
        self._budget.charge(*on_air.charged)

    def _explain_silence(self, orders: Mapping[str, Order], rule: OrderRule, now_ms: int) -> None:
        """Say of every order that waits that it does, and refuse a second voice beside an equal one."""
        on_air = None if self._on_air is None else self._on_air.order
        for order in orders.values():
            progress = self._ledger[order.id]
            if order.id == self.on_air or progress.terminal:
                continue
            if on_air is not None and _is_second_voice(order, on_air, rule, now_ms):
                self._ledger.note(order.id, Stage.REFUSED, Reason.BUSY, now_ms)
            elif progress.stage in _WAITS:
                reason = self._why_it_waits(order, max(now_ms, order.not_before_ms))
                if progress.stage is Stage.RECEIVED or progress.reason is not reason:
                    self._ledger.note(order.id, Stage.SCHEDULED, reason, now_ms)

    def _why_it_waits(self, order: Order, due_ms: int) -> Reason:
        """What keeps it silent at that time, other orders apart."""
        if is_muted(order, due_ms, self.who.muted_until_ms):
            return Reason.MUTED
        return Reason.QUIET_HOURS if order.kind is Kind.ROUTINE and self.who.quiet.hold(due_ms) else Reason.NONE


_WAITS = frozenset({Stage.RECEIVED, Stage.SCHEDULED})


def _is_second_voice(order: Order, on_air: Order, rule: OrderRule, now_ms: int) -> bool:
    both_live = order.kind is Kind.LIVE and on_air.kind is Kind.LIVE
    return both_live and order.not_before_ms <= now_ms and rank(order, rule) == rank(on_air, rule)


def _is_live(order: Order) -> bool:
    """Whether its sound has no beginning to go back to."""
    return order.kind is Kind.LIVE or order.stream != 0


def _may_be_late_ms(order: Order) -> int:
    """By so much it can begin too late and come into step by itself."""
    spare_ms = TONE_MS[order.tone] - TONE_LEFT_MS
    return max(IN_TIME_MS, spare_ms) if order.kind is Kind.EMERGENCY or spare_ms > 0 else -1


def _sound_of(order: Order) -> tuple[object, ...]:
    return order.tone, order.asset, order.more, order.repeats, order.gap_ms, order.closing, order.stream


def _where_and_when(order: Order, progress: Progress, now_ms: int, *, anew: bool) -> tuple[int, int | None]:
    """Where in its sound an order begins or goes on, milliseconds, and at which of the server's; None: at once, and one that
    has passed: at once too, without so much of its tone.

    :param anew: with another sound; mostly its words, which come after it.
    """
    if _is_live(order):  # it comes back without its tone: somebody is speaking
        return TONE_MS[order.tone] if progress.first_started_ms and not anew else 0, None
    begun, late_ms = bool(progress.first_started_ms) and not anew, now_ms - order.not_before_ms
    if order.resume is Resume.REJOIN and not anew and (begun or late_ms > IN_TIME_MS):
        late_ms = max(0, late_ms)  # early: the clock was set back since it began
        from_ms = -(-(late_ms + IN_STEP_MS) // BLOCK_MS) * BLOCK_MS
        return from_ms, order.not_before_ms + from_ms
    if begun:
        return progress.position_ms if order.resume is Resume.CONTINUE else 0, None
    if late_ms < 0 or late_ms <= _may_be_late_ms(order):
        return 0, order.not_before_ms
    if anew:
        return 0, None
    waits_for_step = order.kind in (Kind.ROUTINE, Kind.NOTICE) and late_ms < IN_STEP_MS
    return 0, order.not_before_ms + IN_STEP_MS if waits_for_step else None
