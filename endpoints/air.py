"""What sounds at one speaker: has on air what `choose` says, and knows how an order comes off and where it goes on."""

from collections.abc import Mapping
from dataclasses import dataclass

from endpoints.arbitration import Listener, choose, loudness_percent, next_change_ms, rank
from endpoints.effects import Effect, Identity, Play, Stop
from endpoints.kept import Progress
from endpoints.ledger import Ledger
from endpoints.protocol import Kind, Order, OrderRule, Reason, Resume, Stage

BLOCK_MS = 20  # sound is taken up at whole blocks of this length


@dataclass(slots=True)
class _OnAir:
    order: Order
    from_ms: int
    started_at: float | None = None  # when the sound card said so, monotonic seconds

    def position_ms(self, now: float) -> int:
        if self.started_at is None or self.order.kind is Kind.LIVE:
            return self.from_ms
        played_to_ms = self.from_ms + int((now - self.started_at) * 1000)
        return min(self.order.sound_ms, played_to_ms) // BLOCK_MS * BLOCK_MS


class Air:
    """One loudspeaker's air. Times: `now` in monotonic seconds, `now_ms` the server's.

    What is to be played and stopped is collected in `out`, in order; the caller takes it from there.
    """

    __slots__ = ("_ledger", "_on_air", "_who", "change_at", "out")

    def __init__(self, who: Identity, ledger: Ledger) -> None:
        self._who, self._ledger = who, ledger
        self._on_air: _OnAir | None = None
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

    def volume_percent(self, order: Order) -> int:
        """How loud it sounds here; 0 is not at all."""
        return loudness_percent(order, self._who.volume_percent)

    # ---- the sound card's word ------------------------------------------------------------------------------------------

    def started(self, order: str, now_ms: int | None, now: float) -> bool:
        """The first frame is out. Whether that is news."""
        if self._on_air is None or self.on_air != order or self._on_air.started_at is not None:
            return False
        self._on_air.started_at = now
        first_ms = self._ledger[order].first_started_ms or now_ms or 0
        at_ms = self._on_air.from_ms
        self._ledger.note(order, Stage.SOUNDING, Reason.NONE, now_ms, position_ms=at_ms, first_started_ms=first_ms)
        return True

    def ended(self, order: str, stage: Stage, reason: Reason, now_ms: int | None) -> bool:
        """It was played out, or can't be. Whether that is news."""
        if self.on_air != order:
            return False
        self._on_air = None
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
        for order in orders.values():
            progress = self._ledger[order.id]
            if now_ms >= order.not_after_ms and not progress.terminal:
                self.is_over(progress, now_ms)
        while not self._settle(orders, rule, now_ms, now):
            pass  # what was chosen had nothing left to sound; the next one has its turn
        self._explain_silence(orders, rule, now_ms)
        edge_ms = next_change_ms(orders.values(), now_ms, self._listener(orders, rule))
        self.change_at = float("inf") if edge_ms is None else now + (edge_ms - now_ms) / 1000

    def take_off(self, order: str, stage: Stage, reason: Reason, now_ms: int | None) -> None:
        """It is over, whether it sounds or not."""
        if self.on_air == order:
            self.out.append(Stop(order))
            self._on_air = None
        self._ledger.note(order, stage, reason, now_ms)

    def is_over(self, progress: Progress, now_ms: int) -> None:
        """Its end has come."""
        if progress.first_started_ms:
            self.take_off(progress.order, Stage.STOPPED, Reason.ENDED, now_ms)
        else:
            undecided = progress.stage is Stage.RECEIVED and self.on_air != progress.order  # no time of ours behind it
            self.take_off(progress.order, Stage.MISSED, Reason.WAS_OFF if undecided else Reason.ENDED, now_ms)

    def _listener(self, orders: Mapping[str, Order], rule: OrderRule) -> Listener:
        who, done = self._who, self._ledger.done(orders)
        return Listener(who.id, who.area, who.exercise, done, self.on_air, who.quiet, rule)

    def _settle(self, orders: Mapping[str, Order], rule: OrderRule, now_ms: int, now: float) -> bool:
        """One try; False when the order chosen came to its end at once."""
        winner = choose(orders.values(), now_ms, self._listener(orders, rule))
        from_ms = None
        if self._on_air is not None:
            was = self._on_air
            if winner is None or winner.id != was.order.id:
                self._interrupt(was, winner, now_ms, now)
            elif _sound_of(winner) != _sound_of(was.order):
                from_ms = 0  # another sound begins anew
            elif self.volume_percent(winner) != self.volume_percent(was.order):
                from_ms = was.position_ms(now)
            else:
                was.order = winner  # whatever else was revised counts from now on
                return True
            self._on_air = None
            self.out.append(Stop(was.order.id))
        if winner is None:
            return True
        return self._put_on(
            winner, _resume_at(winner, self._ledger[winner.id], now_ms) if from_ms is None else from_ms, now_ms
        )

    def _put_on(self, order: Order, from_ms: int, now_ms: int) -> bool:
        if order.kind is Kind.LIVE or from_ms < order.sound_ms:
            self._on_air = _OnAir(order, from_ms)
            self.out.append(Play(order, from_ms, self.volume_percent(order)))
            return True
        if self._ledger[order.id].first_started_ms:
            self._ledger.note(order.id, Stage.STOPPED, Reason.ENDED, now_ms)
        else:
            self._ledger.note(order.id, Stage.FAILED, Reason.ASSET_MISSING, now_ms)  # neither tone nor file
        return False

    def _interrupt(self, was: _OnAir, winner: Order | None, now_ms: int, now: float) -> None:
        """Something higher takes the air, or the quiet hours begin."""
        order = was.order
        if order.resume is Resume.DROP and self._ledger[order.id].first_started_ms:
            self._ledger.note(order.id, Stage.STOPPED, Reason.DROPPED, now_ms)
        elif was.started_at is not None:
            reason = Reason.QUIET_HOURS if winner is None else Reason.NONE
            self._ledger.note(order.id, Stage.INTERRUPTED, reason, now_ms, position_ms=was.position_ms(now))

    def _explain_silence(self, orders: Mapping[str, Order], rule: OrderRule, now_ms: int) -> None:
        """Say of every order that waits that it does, and refuse a second voice beside an equal one."""
        on_air = None if self._on_air is None else self._on_air.order
        for order in orders.values():
            progress = self._ledger[order.id]
            if order.id == self.on_air or progress.terminal:
                continue
            if on_air is not None and _is_second_voice(order, on_air, rule, now_ms):
                self._ledger.note(order.id, Stage.REFUSED, Reason.BUSY, now_ms)
            elif progress.stage is Stage.RECEIVED:
                quiet = order.kind is Kind.ROUTINE and self._who.quiet.hold(now_ms)
                self._ledger.note(order.id, Stage.SCHEDULED, Reason.QUIET_HOURS if quiet else Reason.NONE, now_ms)


def _is_second_voice(order: Order, on_air: Order, rule: OrderRule, now_ms: int) -> bool:
    both_live = order.kind is Kind.LIVE and on_air.kind is Kind.LIVE
    return both_live and order.not_before_ms <= now_ms and rank(order, rule) == rank(on_air, rule)


def _sound_of(order: Order) -> tuple[object, ...]:
    return order.tone, order.asset, order.repeats, order.gap_ms


def _resume_at(order: Order, progress: Progress, now_ms: int) -> int:
    """Where in its sound an order goes on, milliseconds. A live voice has no beginning to go back to."""
    if progress.first_started_ms == 0 or order.kind is Kind.LIVE:
        return 0
    if order.resume is Resume.CONTINUE:
        return progress.position_ms
    if order.resume is Resume.REJOIN:
        return max(0, now_ms - progress.first_started_ms) // BLOCK_MS * BLOCK_MS
    return 0
