"""Whom a broadcast would reach if it were ordered now (预计覆盖): what the officer reads before confirming.

Computed from the live state and never from what should be: a speaker that has not been heard of is unknown, not online.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from broadcast.clock import Clock
from broadcast.domain.areas import AreaTree, Level
from broadcast.domain.broadcasts import Broadcast, Sound, StartBroadcast, as_of_today, compose
from broadcast.domain.officers import Officer
from broadcast.domain.speakers import Speaker
from broadcast.service.boards import Boards
from broadcast.service.estate import Estate
from broadcast.service.presence import Presence, Speakers, SpeakerStatus
from endpoints.arbitration import NEWEST_WINS, Listener, choose, is_muted, loudness_percent, rank
from endpoints.area_codes import TOWNSHIP, depth, padded, significant
from endpoints.protocol import Fault, Order, OrderRule

BEIJING = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class Named:
    """A speaker as people call it.

    :param place: township and village, as on the wall.
    :param why: `offline`, `unknown`, `muted`, `maintenance` or the names of faults that it says it has.
    """

    id: str
    name: str
    area: str
    place: str
    why: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class OnAir:
    """Something that has the air at some of these speakers now.

    :param gives_way: whether the new order takes the air from it; otherwise the new one waits there.
    :param broadcast: its id.
    """

    broadcast: str
    headline: str
    speakers: int
    gives_way: bool


@dataclass(frozen=True, slots=True)
class Reached:
    """The answer; the four counts add up to `speakers`."""

    townships: int
    villages: int
    speakers: int
    online: int
    offline: tuple[Named, ...]
    unknown: tuple[Named, ...]
    faulty: tuple[Named, ...]  # of those online
    on_air: tuple[OnAir, ...]
    begins_ms: int
    ends_ms: int


class Reach:
    """Answers for any target, from memory.

    :param rule: that the speakers follow.
    """

    def __init__(self, *, clock: Clock, estate: Estate, boards: Boards, speakers: Speakers, rule: OrderRule) -> None:
        self._clock, self._estate, self._boards, self._speakers, self._rule = clock, estate, boards, speakers, rule

    def of(self, command: StartBroadcast, *, by: Officer) -> Reached:
        """Of a command that `Broadcasts.must_be_right` has let pass."""
        now_ms = self._clock.now_ms()
        command = as_of_today(command, self._estate.tree)
        order = compose(command, Sound(), order_id="preview", by=by, now_ms=now_ms).order
        meant = self._estate.meant_by(order)
        statuses = {one.id: self._speakers.status(one.id) for one in meant}
        today = (self._clock.now() + BEIJING).date()
        townships, villages = places(self._estate.tree, order, meant, today)
        by_presence: dict[Presence, list[Speaker]] = {presence: [] for presence in Presence}
        for one in meant:
            by_presence[statuses[one.id].presence].append(one)

        def named(speakers: Iterable[Speaker], why: str) -> tuple[Named, ...]:
            return tuple(self._named(one, why, statuses[one.id]) for one in speakers)

        return Reached(
            townships=townships,
            villages=villages,
            speakers=len(meant),
            online=len(by_presence[Presence.ONLINE]),
            offline=named(by_presence[Presence.OFFLINE], "offline"),
            unknown=named(by_presence[Presence.UNKNOWN], "unknown"),
            faulty=tuple(
                self._named(one, why, statuses[one.id])
                for one in by_presence[Presence.ONLINE]
                if (why := why_silent(one, statuses[one.id], order))
            ),
            on_air=on_air(order, meant, statuses, self._boards.carried, now_ms=now_ms, rule=self._rule),
            begins_ms=order.not_before_ms,
            ends_ms=order.not_after_ms,
        )

    def _named(self, speaker: Speaker, why: str, status: SpeakerStatus) -> Named:
        since_ms = status.since_ms if status.presence is not Presence.ONLINE else 0
        return Named(speaker.id, speaker.name, speaker.area, place_of(self._estate.tree, speaker.area), why, since_ms)


def place_of(tree: AreaTree, area: str) -> str:
    """`苏家洼镇 东五里村`; the code where the table does not have it."""
    if area not in tree:
        return area
    above = [one.short_name for one in reversed(tree.ancestors(area)) if one.level is not Level.CITY]
    return " ".join([*above, tree.area(area).short_name])


def places(tree: AreaTree, order: Order, meant: Sequence[Speaker], today: date) -> tuple[int, int]:
    """How many townships and villages the order speaks to; a single speaker's village counts too."""
    gone = tuple(significant(code) for code in order.excluded)
    digits = {
        significant(village.code)
        for village in (tree.villages(*order.areas) if order.areas else ())
        if village.in_use(today) and not significant(village.code).startswith(gone)
    }
    digits |= {significant(one.area)[:12] for one in meant if depth(one.area) > TOWNSHIP}
    townships = {code[:TOWNSHIP] for code in digits} | {
        significant(one.area)[:TOWNSHIP] for one in meant if depth(one.area) >= TOWNSHIP
    }
    return len(townships), sum(padded(code) in tree for code in digits)


def why_silent(speaker: Speaker, status: SpeakerStatus, order: Order) -> str:
    """What is known to be wrong with a speaker that is online; "" when nothing is."""
    said = [fault.name.lower() for fault in Fault if status.faults & fault]
    if is_muted(order, order.not_before_ms, speaker.muted_until_ms):
        said.append("maintenance")
    limits = {"ceiling_percent": speaker.ceiling_percent, "floor_percent": speaker.floor_percent}
    if loudness_percent(order, speaker.volume_percent, **limits) == 0:
        said.append("muted")
    return " ".join(said)


def on_air(
    order: Order,
    meant: Sequence[Speaker],
    statuses: Mapping[str, SpeakerStatus],
    carried: Mapping[str, Broadcast],
    *,
    now_ms: int,
    rule: OrderRule,
) -> tuple[OnAir, ...]:
    """What has the air at these speakers when the order begins: by their own word now, by the rules at a later time."""
    found: dict[str, int] = {}
    later = order.not_before_ms > now_ms
    orders = [one.order for one in carried.values() if one.is_live(now_ms)]
    for speaker in meant:
        if later:
            claim = choose(orders, order.not_before_ms, Listener(speaker.id, speaker.area, speaker.exercise, rule=rule))
            sounds = claim.id if claim else ""
        else:
            status = statuses[speaker.id]
            sounds = status.on_air if status.presence is Presence.ONLINE else ""
        if sounds:
            found[sounds] = found.get(sounds, 0) + 1
    answer = []
    for sounding, count in sorted(found.items()):
        other = carried.get(sounding)
        gives_way = other is None or takes_air(order, other.order, rule)
        answer.append(OnAir(sounding, other.headline if other else "", count, gives_way))
    return tuple(answer)


def takes_air(order: Order, other: Order, rule: OrderRule) -> bool:
    """Whether the newer order takes the air from the other that sounds; the same comparison as `arbitration.choose`."""
    if rank(order, rule) != rank(other, rule):
        return rank(order, rule) > rank(other, rule)
    return order.band in NEWEST_WINS
