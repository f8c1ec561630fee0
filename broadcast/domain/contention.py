"""Orders that want the air at one place at the same time, played through as a speaker would (争用推演). Pure.

Who has the air is `endpoints.arbitration.choose`'s to say, at every instant at which its answer can change; this only keeps what a
speaker keeps: what is on the air, what is done, how far each has got.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from endpoints.arbitration import NEWEST_WINS, Listener, applies, began_ms, choose, has_hard_time, next_change_ms, rank
from endpoints.protocol import Band, Level, Order, OrderRule, Resume, Severity

IN_TIME_MS = 2_000  # a first start that is no later than that begins at the beginning


class Cause(StrEnum):
    """Why the one has the air and the other has not: the first part of the key in which they differ."""

    BAND = "band"
    SEVERITY = "severity"
    LEVEL = "level"
    HARD_TIME = "hard-time"  # equal, and it takes the air at its hard time
    BEGAN_FIRST = "began-first"  # equal, and the other waits until it has finished
    NEWEST = "newest"  # equal emergencies
    ID = "id"  # equal in everything; some order there must be


class Effect(StrEnum):
    """What becomes of the loser."""

    DELAYED = "delayed"
    INTERRUPTED = "interrupted"  # it gets the air back
    CUT_SHORT = "cut-short"  # it does not
    LOST = "lost"  # it never sounds


@dataclass(frozen=True, slots=True)
class Turn:
    """A span in which the same order has the air; by index into the orders.

    :param on_air: None: silence.
    :param waiting: those that may sound then and do not.
    """

    from_ms: int
    until_ms: int
    on_air: int | None
    waiting: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Contest:
    """A span in which one keeps another from sounding.

    :param facts: what each has of the cause.
    """

    from_ms: int
    until_ms: int
    winner: int
    loser: int
    cause: Cause
    facts: tuple[tuple[str, str], ...]
    effect: Effect


def play_through(orders: Sequence[Order], listener: Listener) -> tuple[Turn, ...]:
    """Who has the air there from the first beginning to the last end, without a gap between the turns.

    :param listener: what has the air and what is done are disregarded: nothing has begun.
    """
    return tuple(_merged(_Air(orders, listener).turns()))


class _Air:
    def __init__(self, orders: Sequence[Order], listener: Listener) -> None:
        self._orders = orders
        self._index = {order.id: index for index, order in enumerate(orders)}
        self._listener = replace(listener, on_air="", done=frozenset(), begun=frozenset())
        self._ends: dict[str, int] = {}  # of what is on the air, when its sound will have been played
        self._played: dict[str, int] = {}  # of what was interrupted, how much of its sound

    def turns(self) -> Iterator[Turn]:
        now_ms, until_ms = min(o.not_before_ms for o in self._orders), max(o.not_after_ms for o in self._orders)
        while now_ms < until_ms:
            chosen = choose(self._orders, now_ms, self._listener)
            if chosen is not None and self._end_of(chosen, now_ms) <= now_ms:
                self._done(chosen)  # by the clock its sound is over already
                continue
            self._hand_over(chosen, now_ms)
            next_ms = min(until_ms, self._next_ms(chosen, now_ms))
            yield Turn(
                now_ms, next_ms, None if chosen is None else self._index[chosen.id], self._waiting(chosen, now_ms)
            )
            now_ms = next_ms
            if chosen is not None and now_ms >= self._ends[chosen.id]:
                self._done(chosen)

    def _done(self, order: Order) -> None:
        on_air = "" if self._listener.on_air == order.id else self._listener.on_air
        self._listener = replace(self._listener, on_air=on_air, done=self._listener.done | {order.id})

    def _hand_over(self, chosen: Order | None, now_ms: int) -> None:
        was = self._listener.on_air
        if chosen is not None and chosen.id == was:
            return
        if was:
            order = self._orders[self._index[was]]
            self._played[was] = max(0, order.sound_ms - (self._ends[was] - now_ms))
            if order.resume is Resume.DROP:
                self._listener = replace(self._listener, done=self._listener.done | {was})
        if chosen is not None:
            self._ends[chosen.id] = self._end_of(chosen, now_ms)
            self._played.setdefault(chosen.id, 0)
        on_air = "" if chosen is None else chosen.id
        self._listener = replace(self._listener, on_air=on_air, begun=frozenset(self._played))

    def _end_of(self, order: Order, now_ms: int) -> int:
        """When its sound will be over if it has the air from now on."""
        if order.id == self._listener.on_air:
            return self._ends[order.id]
        if not order.asset or order.stream:
            return order.not_after_ms  # a stream; or a source that is not a file yet, which is taken to fill its slot
        begun = order.id in self._played
        if order.resume is Resume.REJOIN and (begun or now_ms > order.not_before_ms + IN_TIME_MS):
            return order.not_before_ms + order.sound_ms
        if order.resume is Resume.CONTINUE:
            return now_ms + order.sound_ms - self._played.get(order.id, 0)
        return now_ms + order.sound_ms

    def _next_ms(self, chosen: Order | None, now_ms: int) -> int:
        change_ms = next_change_ms(self._orders, now_ms, self._listener)
        ends_ms = None if chosen is None else self._ends[chosen.id]
        return min(edge for edge in (change_ms, ends_ms) if edge is not None)

    def _waiting(self, chosen: Order | None, now_ms: int) -> tuple[int, ...]:
        return tuple(
            index
            for index, order in enumerate(self._orders)
            if order is not chosen and applies(order, now_ms, self._listener)
        )


def _merged(turns: Iterator[Turn]) -> Iterator[Turn]:
    """Neighbours with the same answer as one."""
    last: Turn | None = None
    for turn in turns:
        if last is not None and (last.on_air, last.waiting) == (turn.on_air, turn.waiting):
            last = replace(last, until_ms=turn.until_ms)
            continue
        if last is not None:
            yield last
        last = turn
    if last is not None:
        yield last


def contests(orders: Sequence[Order], turns: Sequence[Turn], rule: OrderRule) -> list[Contest]:
    """Of what `play_through` found, each span in which one waits for another, with the reason and what becomes of it."""
    found: list[Contest] = []
    for loser in range(len(orders)):
        heard = [turn.from_ms for turn in turns if turn.on_air == loser]
        for from_ms, until_ms, winner in _waits(turns, loser):
            cause, facts = why(orders[winner], orders[loser], rule, from_ms)
            found.append(Contest(from_ms, until_ms, winner, loser, cause, facts, _effect(heard, from_ms)))
    return found


def _waits(turns: Sequence[Turn], loser: int) -> list[tuple[int, int, int]]:
    """From when to when it waits for whom."""
    spans: list[tuple[int, int, int]] = []
    for turn in turns:
        if turn.on_air is None or loser not in turn.waiting:
            continue
        if spans and spans[-1][1:] == (turn.from_ms, turn.on_air):
            spans[-1] = (spans[-1][0], turn.until_ms, turn.on_air)
        else:
            spans.append((turn.from_ms, turn.until_ms, turn.on_air))
    return spans


def _effect(heard: Sequence[int], waits_from_ms: int) -> Effect:
    """:param heard: when it gets the air, in order."""
    if not heard:
        return Effect.LOST
    if heard[0] > waits_from_ms:
        return Effect.DELAYED
    return Effect.INTERRUPTED if heard[-1] > waits_from_ms else Effect.CUT_SHORT


def why(winner: Order, loser: Order, rule: OrderRule, now_ms: int) -> tuple[Cause, tuple[tuple[str, str], ...]]:
    """The first part of the key to the air in which the two differ, and what each has of it."""
    above, below = rank(winner, rule), rank(loser, rule)
    if above != below:
        if winner.band is not loser.band:
            return Cause.BAND, _both(winner.band, loser.band)
        by_level = winner.level is not loser.level and (
            rule is OrderRule.LEVEL_FIRST or winner.severity is loser.severity
        )
        if by_level:
            return Cause.LEVEL, _both(winner.level, loser.level)
        return Cause.SEVERITY, _both(winner.severity, loser.severity)
    if began_ms(winner) == began_ms(loser):
        return Cause.ID, ()
    if winner.band in NEWEST_WINS:
        return Cause.NEWEST, ()
    hard = has_hard_time(winner, now_ms) and began_ms(winner) > began_ms(loser)
    return (Cause.HARD_TIME if hard else Cause.BEGAN_FIRST), ()


def _both(winner: Band | Severity | Level, loser: Band | Severity | Level) -> tuple[tuple[str, str], ...]:
    return ("winner", _name(winner)), ("loser", _name(loser))


def _name(value: Band | Severity | Level) -> str:
    return value.name.lower().replace("_", "-")
