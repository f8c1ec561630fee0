"""What is heard in one area on one day, span by span, and why it and not another (时段图). Pure.

The slots are the grid's (`day_grid`); who is heard in them is played through with `endpoints.arbitration.choose`, as speakers do.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

from broadcast.domain.calendar import Calendar
from broadcast.domain.contention import Cause, Turn, play_through, why
from broadcast.domain.day_grid import Stretch, day_grid
from broadcast.domain.occurrences import LONGEST_MS, occurrences, programme_id, to_order
from broadcast.domain.programmes import BEIJING, NOTHING_YET, Content, Programme
from endpoints.arbitration import Listener, QuietHours, is_meant
from endpoints.protocol import Order, OrderRule


@dataclass(frozen=True, slots=True)
class Waits:
    """One that may sound in the span and does not.

    :param cause, facts: why the other is heard, as in `contention.Contest`.
    """

    programme: str
    cause: Cause
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A span of the day in which the same holds.

    :param sounds: id of the programme that is heard in the area; empty: none is.
    :param waits: those that it keeps from sounding.
    :param slot_of: whose slot it is when nothing sounds: its sound is over, or these are the quiet hours.
    :param partly: those that sound in a part of the area only; what each meets there is shown by that part's own day.
    """

    from_ms: int
    until_ms: int
    sounds: str
    waits: tuple[Waits, ...]
    slot_of: tuple[str, ...]
    partly: tuple[str, ...]
    quiet: bool

    @property
    def is_free(self) -> bool:
        return not (self.sounds or self.slot_of or self.partly or self.quiet)


def day_heard(
    area: str,
    day: date,
    programmes: Collection[Programme],
    calendar: Calendar,
    *,
    contents: Mapping[str, Content],
    speakers: Mapping[str, str],
    quiet: QuietHours,
    rule: OrderRule,
    zone: str = BEIJING,
) -> tuple[Piece, ...]:
    """The whole day without gaps; empty for a day that the zone left out. What officers send besides is not in it.

    :param contents, speakers: as in `conflicts.preview`.
    """
    grid = day_grid(area, day, programmes, calendar, zone=zone, contents=contents, speakers=speakers, quiet=quiet)
    if not grid:
        return ()
    found = occurrences(programmes, calendar, grid[0].from_ms - LONGEST_MS, grid[-1].until_ms)
    orders = [to_order(one, contents.get(one.programme.id, NOTHING_YET)) for one in found]
    here = [order for order in orders if is_meant(order, "", area)]
    turns = play_through(here, Listener("", area, quiet=quiet, rule=rule)) if here else ()
    edges = {edge for turn in turns for edge in (turn.from_ms, turn.until_ms)}
    return tuple(
        _piece(replace(stretch, from_ms=begin, until_ms=end), _turn_at(turns, begin), here, rule)
        for stretch in grid
        for begin, end in pairwise(
            [stretch.from_ms, *sorted(e for e in edges if stretch.from_ms < e < stretch.until_ms), stretch.until_ms]
        )
    )


def _turn_at(turns: Sequence[Turn], at_ms: int) -> Turn | None:
    return next((turn for turn in turns if turn.from_ms <= at_ms < turn.until_ms), None)


def _piece(stretch: Stretch, turn: Turn | None, orders: Sequence[Order], rule: OrderRule) -> Piece:
    from_ms, until_ms = stretch.from_ms, stretch.until_ms
    winner = None if turn is None or turn.on_air is None else orders[turn.on_air]
    sounds = "" if winner is None else programme_id(winner.id)
    waits: list[Waits] = []
    if winner is not None and turn is not None:
        for loser in (orders[n] for n in turn.waiting):
            waits.append(Waits(programme_id(loser.id), *why(winner, loser, rule, from_ms)))
    here = {programme_id(order.id) for order in orders}
    partly = tuple(one.programme for one in stretch.holders if one.programme not in here)
    slot_of = () if sounds else tuple(one.programme for one in stretch.holders if one.programme in here)
    return Piece(from_ms, until_ms, sounds, tuple(waits), slot_of, partly, stretch.quiet)
