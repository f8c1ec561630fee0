"""Who has the air (仲裁): one pure function, the same in server ("should"), speaker ("is"), preview and tests.

It looks at orders, a time and a listener, and at nothing else; it keeps no state, so two speakers with the same orders agree
whatever order the frames came in. An order that does not apply is not an error: it is silence.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

from endpoints.area_codes import GROUP_ENDS, LENGTHS, significant
from endpoints.protocol import Band, Kind, Order, OrderRule, Severity

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
EMERGENCY_PERCENT = 60  # an emergency is at least this loud at a speaker that was muted or turned down

Key = tuple[int, int, int, int, str]


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When routine is silent whoever ordered it; minutes after midnight of local time. From = until means never.

    :param utc_offset_min: local time at the speaker, 480 for Beijing.
    """

    from_min: int = 22 * 60
    until_min: int = 6 * 60
    utc_offset_min: int = 480

    def hold(self, now_ms: int) -> bool:
        minute = (now_ms // MINUTE_MS + self.utc_offset_min) % 1_440
        if self.from_min <= self.until_min:
            return self.from_min <= minute < self.until_min
        return minute >= self.from_min or minute < self.until_min

    def next_edge_ms(self, now_ms: int) -> int:
        """The next instant at which they begin or end."""
        midnight = self.local_day(now_ms) * DAY_MS - self.utc_offset_min * MINUTE_MS
        edges = [midnight + day * DAY_MS + m * MINUTE_MS for day in (0, 1) for m in (self.from_min, self.until_min)]
        return min(edge for edge in edges if edge > now_ms)

    def local_day(self, now_ms: int) -> int:
        """Days since 1970-01-01 by local time."""
        return (now_ms + self.utc_offset_min * MINUTE_MS) // DAY_MS

    def local_hour(self, now_ms: int) -> int:
        """0 to 23, by local time."""
        return (now_ms + self.utc_offset_min * MINUTE_MS) % DAY_MS // HOUR_MS

    def next_hour_ms(self, now_ms: int) -> int:
        """When the next hour of local time begins."""
        offset_ms = self.utc_offset_min * MINUTE_MS
        return ((now_ms + offset_ms) // HOUR_MS + 1) * HOUR_MS - offset_ms


@dataclass(frozen=True, slots=True)
class Listener:
    """What arbitration has to know of one speaker.

    :param exercise: it is locked in an exercise and refuses everything else, and the reverse.
    :param done: ids of orders that have come to an end here.
    :param on_air: the id that sounds now, or empty; an equal claim does not take the air from it, but for a hard time.
    :param begun: ids of orders that have begun to sound here, so that their latest start is met. None: nobody knows, and all
        count as begun; so the server asks, and who plans.
    :param muted_until_ms: somebody works at the horn; until then it is silent but for danger to life.
    """

    id: str
    area: str
    exercise: bool = False
    done: frozenset[str] = frozenset()
    on_air: str = ""
    quiet: QuietHours = QuietHours()
    rule: OrderRule = OrderRule.SEVERITY_FIRST
    begun: frozenset[str] | None = None
    muted_until_ms: int = 0


NEWEST_WINS = frozenset({Band.EMERGENCY, Band.LIFE_SAFETY})


def rank(order: Order, rule: OrderRule) -> tuple[int, int, int]:
    """Band, then severity and level as the rule says; red is 4, blue 1, unknown 0.

    Only a strictly higher rank takes the air from what sounds (GD/J 084-2018 §6.4).
    """
    severity = 0 if order.severity is Severity.UNKNOWN else 5 - order.severity
    if rule is OrderRule.LEVEL_FIRST:
        return order.band, order.level, severity
    return order.band, severity, order.level


def key(order: Order, rule: OrderRule) -> Key:
    """A total order on orders, highest wins: the rank; then among emergencies the newest, otherwise the one that began first."""
    return *rank(order, rule), began_ms(order) if order.band in NEWEST_WINS else -began_ms(order), order.id


def began_ms(order: Order) -> int:
    """Since when it claims the air."""
    return max(order.issued_at_ms, order.not_before_ms)


def has_hard_time(order: Order, now_ms: int) -> bool:
    """Whether its hard time has come: it takes the air from an equal one that began before it. Programmes alone have one: equal
    notices queue, and an equal voice is refused."""
    return order.kind is Kind.ROUTINE and 0 < order.hard_at_ms <= now_ms


def is_meant(order: Order, speaker: str, area: str) -> bool:
    """Whether the frozen target of the order holds this speaker. An empty target is nobody."""
    if speaker in order.speakers:
        return True
    here = _codes_covering(area)
    return not here.isdisjoint(order.areas) and here.isdisjoint(order.excluded)


@lru_cache(maxsize=65536)
def _codes_covering(area: str) -> frozenset[str]:
    """Every code that covers the area, in each of its spellings: an order may name 700 villages, and 12,000 speakers ask."""
    digits = significant(area)
    ends = [end for end in GROUP_ENDS if end <= len(digits)]
    return frozenset(digits[:end].ljust(length, "0") for end in ends for length in LENGTHS if end <= length)


def loudness_percent(
    order: Order,
    own_percent: int,
    hour_percent: int = 100,
    *,
    ceiling_percent: int = 100,
    floor_percent: int = EMERGENCY_PERCENT,
) -> int:
    """How loud an order sounds at a speaker whose own volume is that; 0 is not at all.

    A programme bends to the hour, and every order has a floor and a ceiling. An emergency knows no hour, lifts mute, and is not
    brought below EMERGENCY_PERCENT by any ceiling.

    :param hour_percent: of the place's volume profile for this hour.
    :param ceiling_percent: of the speaker: nothing is louder there.
    :param floor_percent: of the speaker: an emergency is at least so loud.
    """
    urgent = order.band >= Band.EMERGENCY
    ceiling = max(ceiling_percent, EMERGENCY_PERCENT) if urgent else ceiling_percent
    least = min(max(floor_percent, EMERGENCY_PERCENT), ceiling) if urgent else 0
    own = (own_percent * hour_percent + 50) // 100 if order.kind is Kind.ROUTINE else own_percent
    return min(max(own, order.volume_percent, least), max(order.ceiling_percent, least), ceiling)


def applies(order: Order, now_ms: int, listener: Listener) -> bool:
    """Whether the order may sound at this speaker now, others apart."""
    return (
        order.exercise is listener.exercise
        and order.not_before_ms <= now_ms < order.not_after_ms
        and order.id not in listener.done
        and is_meant(order, listener.id, listener.area)
        and not (order.kind is Kind.ROUTINE and listener.quiet.hold(now_ms))
        and not is_muted(order, now_ms, listener.muted_until_ms)
        and not is_too_late(order, now_ms, listener.begun)
    )


def is_muted(order: Order, now_ms: int, muted_until_ms: int) -> bool:
    """Whether somebody works at the horn. It will sound when the work is over; danger to life does not wait for that."""
    return now_ms < muted_until_ms and order.band < Band.LIFE_SAFETY


def is_too_late(order: Order, now_ms: int, begun: frozenset[str] | None) -> bool:
    """Whether its latest start has passed and it has not begun: it is missed, and never caught up with."""
    return 0 < order.start_by_ms < now_ms and begun is not None and order.id not in begun


def choose(orders: Iterable[Order], now_ms: int, listener: Listener) -> Order | None:
    """The one order that should sound at this speaker now, or None for silence."""
    claims = [order for order in orders if applies(order, now_ms, listener)]
    if not claims:
        return None
    best = max(claims, key=lambda order: key(order, listener.rule))
    if best.band in NEWEST_WINS:
        return best
    equals = [claim for claim in claims if rank(claim, listener.rule) == rank(best, listener.rule)]
    holder = next(
        (claim for claim in equals if claim.id == listener.on_air), best
    )  # the others wait until it has finished
    hard = [claim for claim in equals if has_hard_time(claim, now_ms) and began_ms(claim) > began_ms(holder)]
    return max(hard, key=lambda order: (began_ms(order), order.id), default=holder)


def next_change_ms(orders: Collection[Order], now_ms: int, listener: Listener) -> int | None:
    """The next instant at which `choose` can answer otherwise although nothing arrives; None when there is none."""
    edges = [edge for order in orders for edge in _edges(order) if edge > now_ms]
    if any(order.kind is Kind.ROUTINE for order in orders) and listener.quiet.from_min != listener.quiet.until_min:
        edges.append(listener.quiet.next_edge_ms(now_ms))
    if listener.muted_until_ms > now_ms and orders:
        edges.append(listener.muted_until_ms)
    return min(edges, default=None)


def _edges(order: Order) -> tuple[int, ...]:
    return order.not_before_ms, order.not_after_ms, order.start_by_ms + 1, order.hard_at_ms
