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
        midnight = (now_ms + self.utc_offset_min * MINUTE_MS) // DAY_MS * DAY_MS - self.utc_offset_min * MINUTE_MS
        edges = [midnight + day * DAY_MS + m * MINUTE_MS for day in (0, 1) for m in (self.from_min, self.until_min)]
        return min(edge for edge in edges if edge > now_ms)


@dataclass(frozen=True, slots=True)
class Listener:
    """What arbitration has to know of one speaker.

    :param exercise: it is locked in an exercise and refuses everything else, and the reverse.
    :param done: ids of orders that have come to an end here.
    :param on_air: the id that sounds now, or empty; an equal claim does not take the air from it.
    """

    id: str
    area: str
    exercise: bool = False
    done: frozenset[str] = frozenset()
    on_air: str = ""
    quiet: QuietHours = QuietHours()
    rule: OrderRule = OrderRule.SEVERITY_FIRST


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
    began = max(order.issued_at_ms, order.not_before_ms)
    return *rank(order, rule), began if order.band in NEWEST_WINS else -began, order.id


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


def loudness_percent(order: Order, own_percent: int) -> int:
    """How loud an order sounds at a speaker whose own volume is that; 0 is not at all.

    An order may raise the volume; an emergency lifts mute even if it says nothing of volume.
    """
    floor = EMERGENCY_PERCENT if order.band >= Band.EMERGENCY else 0
    return max(own_percent, order.volume_percent, floor)


def applies(order: Order, now_ms: int, listener: Listener) -> bool:
    """Whether the order may sound at this speaker now, others apart."""
    return (
        order.exercise is listener.exercise
        and order.not_before_ms <= now_ms < order.not_after_ms
        and order.id not in listener.done
        and is_meant(order, listener.id, listener.area)
        and not (order.kind is Kind.ROUTINE and listener.quiet.hold(now_ms))
    )


def choose(orders: Iterable[Order], now_ms: int, listener: Listener) -> Order | None:
    """The one order that should sound at this speaker now, or None for silence."""
    claims = [order for order in orders if applies(order, now_ms, listener)]
    if not claims:
        return None
    best = max(claims, key=lambda order: key(order, listener.rule))
    if best.id != listener.on_air and best.band not in NEWEST_WINS:
        for claim in claims:  # an equal notice, routine or live waits until the one on the air has finished
            if claim.id == listener.on_air and rank(claim, listener.rule) == rank(best, listener.rule):
                return claim
    return best


def next_change_ms(orders: Collection[Order], now_ms: int, listener: Listener) -> int | None:
    """The next instant at which `choose` can answer otherwise although nothing arrives; None when there is none."""
    edges = [edge for order in orders for edge in (order.not_before_ms, order.not_after_ms) if edge > now_ms]
    if any(order.kind is Kind.ROUTINE for order in orders) and listener.quiet.from_min != listener.quiet.until_min:
        edges.append(listener.quiet.next_edge_ms(now_ms))
    return min(edges, default=None)
