"""The wall (回执墙): every village of an officer's area as one cell, and what is behind it: the ladder, speaker by speaker.

What is not known is said to be unknown. A cell never looks better than its worst speaker.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from broadcast.clock import Clock
from broadcast.domain.areas import AreaTree, Level
from broadcast.domain.broadcasts import Broadcast, UnknownBroadcast
from broadcast.domain.officers import Officer
from broadcast.domain.speakers import Speaker
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.estate import Estate
from broadcast.service.ladder import Ladder
from broadcast.service.ports import DeliveryRow, ReportRow, Store
from broadcast.service.presence import Presence, Speakers
from broadcast.service.programme_boards import ProgrammeBoards
from broadcast.service.reach import place_of
from endpoints.area_codes import TOWNSHIP, VILLAGE, covers, depth, padded, significant
from endpoints.delivery import State
from endpoints.protocol import Order, Reason


class Look(StrEnum):
    """What a cell shows, worst first."""

    FAILED = "failed"
    REFUSED = "refused"
    MISSED = "missed"
    UNREACHED = "unreached"  # no word that it began, and the time for it is over
    UNFINISHED = "unfinished"  # it began, its end was never heard of
    OFFLINE = "offline"
    UNKNOWN = "unknown"
    PARTLY = "partly"  # some of its speakers do what they should, some don't
    EXPECTED = "expected"  # sent, no answer yet
    WAITING = "waiting"  # known there, sounds later
    RECEIVED = "received"
    INTERRUPTED = "interrupted"  # something higher has the air there
    SOUNDING = "sounding"
    STOPPED = "stopped"
    DONE = "done"
    IDLE = "idle"  # online, silent; no broadcast is looked at
    OUTSIDE = "outside"  # not meant by this broadcast
    NONE = "none"  # no speaker stands there


BADNESS = {look: index for index, look in enumerate(Look)}
TROUBLE = frozenset(list(Look)[: BADNESS[Look.PARTLY]])  # the list of the missing, by name
GOOD = frozenset({Look.RECEIVED, Look.WAITING, Look.INTERRUPTED, Look.SOUNDING, Look.STOPPED, Look.DONE, Look.IDLE})

LOOK_OF: Mapping[State, Look] = {
    State.EXPECTED: Look.EXPECTED,
    State.RECEIVED: Look.RECEIVED,
    State.SCHEDULED: Look.WAITING,
    State.SOUNDING: Look.SOUNDING,
    State.INTERRUPTED: Look.INTERRUPTED,
    State.DONE: Look.DONE,
    State.STOPPED: Look.STOPPED,
    State.CANCELLED: Look.STOPPED,
    State.REFUSED: Look.REFUSED,
    State.MISSED: Look.MISSED,
    State.FAILED: Look.FAILED,
    State.UNREACHED: Look.UNREACHED,
    State.UNFINISHED: Look.UNFINISHED,
}


def look_of(state: State, presence: Presence | None) -> Look:
    """One speaker's look in a broadcast; `presence` None when the broadcast is over and only the record counts."""
    if state in (State.EXPECTED, State.UNREACHED) and presence is Presence.OFFLINE:
        return Look.OFFLINE
    if state is State.EXPECTED and presence is Presence.UNKNOWN:
        return Look.UNKNOWN
    return LOOK_OF[state]


def look_of_presence(presence: Presence, on_air: str) -> Look:
    """One speaker's look when no broadcast is looked at."""
    if presence is Presence.ONLINE:
        return Look.SOUNDING if on_air else Look.IDLE
    return Look.OFFLINE if presence is Presence.OFFLINE else Look.UNKNOWN


def together(looks: Iterable[Look]) -> Look:
    """The look of a cell: the worst of its speakers, or `partly` when others there are well."""
    several = set(looks) - {Look.OUTSIDE}
    if not several:
        return Look.OUTSIDE
    worst = min(several, key=BADNESS.__getitem__)
    return Look.PARTLY if worst in TROUBLE and several & GOOD else worst


@dataclass(frozen=True, slots=True)
class Cell:
    """A place on the wall; it stays where people have learnt that it is."""

    code: str
    name: str
    township: str
    speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A township with its cells, as indexes into `WallView.cells`. The city's own speakers have a panel of their own."""

    code: str
    name: str
    cells: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands where for one officer's area; changes only with the area table or the estate."""

    cells: tuple[Cell, ...]
    panels: tuple[Panel, ...]
    cell_of: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Missing:
    """A speaker that does not do what it should."""

    id: str
    name: str
    area: str
    place: str
    look: Look
    reason: Reason
    since_ms: int


@dataclass(slots=True)
class WallView:
    """The wall of one officer for one broadcast; `update` keeps it current.

    :param looks: one a cell.
    :param speakers: one a speaker that stands inside the officer's area.
    """

    layout: Layout
    broadcast: Broadcast | None
    seq: int
    looks: list[Look]
    speakers: dict[str, Look] = field(default_factory=dict)

    @property
    def counts(self) -> dict[Look, int]:
        """Speakers by look, those outside apart."""
        counts = Counter(self.speakers.values())
        counts.pop(Look.OUTSIDE, None)
        return {look: counts[look] for look in Look if counts[look]}

    def counts_of(self, panel: Panel) -> dict[Look, int]:
        """Speakers of one township by look."""
        names = [name for index in panel.cells for name in self.layout.cells[index].speakers]
        counts = Counter(self.speakers[name] for name in names)
        counts.pop(Look.OUTSIDE, None)
        return {look: counts[look] for look in Look if counts[look]}

    @property
    def meant(self) -> int:
        return sum(self.counts.values())


def sees(broadcast: Broadcast, by: Officer, estate: Estate) -> bool:
    """Whether it concerns anything in the officer's area."""
    places = [*broadcast.order.areas]
    places += [estate.speaker(one).area for one in broadcast.order.speakers if one in estate]
    return any(covers(by.area, place) or covers(place, by.area) for place in places)


def lay_out(tree: AreaTree, speakers: Sequence[Speaker], area: str) -> Layout:
    """The cells of an area: every village, and each township or city that has speakers of its own."""
    by_cell: dict[str, list[str]] = {}
    for one in speakers:
        by_cell.setdefault(padded(significant(one.area)[:VILLAGE]), []).append(one.id)
    cells: list[Cell] = []
    panels: dict[str, list[int]] = {}
    for place in (tree.area(area), *tree.descendants(area)) if area in tree else ():
        if place.level not in (Level.CITY, Level.TOWNSHIP, Level.VILLAGE):
            continue
        if place.level is not Level.VILLAGE and place.code not in by_cell:
            continue
        township = padded(significant(place.code)[:TOWNSHIP])
        panels.setdefault(township, []).append(len(cells))
        cells.append(Cell(place.code, place.short_name, township, tuple(sorted(by_cell.get(place.code, ())))))
    cell_of = {name: index for index, cell in enumerate(cells) for name in cell.speakers}
    named = [Panel(code, tree.area(code).short_name if code in tree else code, tuple(c)) for code, c in panels.items()]
    return Layout(tuple(cells), tuple(named), cell_of)


class Wall:
    """Answers of the wall and of the ladder behind it."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        estate: Estate,
        broadcasts: Broadcasts,
        routine: ProgrammeBoards,
        ladder: Ladder,
        speakers: Speakers,
    ) -> None:
        self._clock, self._store, self._estate = clock, store, estate
        self._broadcasts, self._routine, self._ladder, self._speakers = broadcasts, routine, ladder, speakers
        self._layouts: dict[str, tuple[AreaTree, int, Layout]] = {}

    def layout(self, by: Officer) -> Layout:
        """Kept until areas or speakers change."""
        kept = self._layouts.get(by.area)
        if kept is not None and kept[0] is self._estate.tree and kept[1] == len(self._estate):
            return kept[2]
        made = lay_out(self._estate.tree, self._estate.inside(by.area), by.area)
        self._layouts[by.area] = (self._estate.tree, len(self._estate), made)
        return made

    def newest(self, by: Officer) -> Broadcast | None:
        """The newest live broadcast that this officer may see: emergencies first, what has not begun last, then programmes."""
        now_ms = self._clock.now_ms()
        live = [one for one in self._broadcasts.live() if self.sees(one, by=by)]
        if not live:
            return next(iter(self.running(by)), None)
        return max(live, key=lambda one: (one.order.not_before_ms <= now_ms, one.order.band, one.id))

    def running(self, by: Officer) -> list[Broadcast]:
        """The programmes whose time it is in the officer's area, of the highest level first."""
        seen = [one for one in self._routine.running() if self.sees(one, by=by)]
        return sorted(seen, key=lambda one: -one.order.level)

    async def get(self, broadcast: str, *, by: Officer) -> Broadcast:
        """:raises UnknownBroadcast: there is none, or none that this officer may see."""
        found = await self._broadcasts.get(broadcast)
        if not self.sees(found, by=by):
            raise UnknownBroadcast(broadcast)
        return found

    def sees(self, broadcast: Broadcast, *, by: Officer) -> bool:
        return sees(broadcast, by, self._estate)

    async def view(self, *, by: Officer, broadcast: Broadcast | None, seq: int = 0) -> WallView:
        """The whole wall as it is now; without a broadcast, who is there.

        :param seq: of the feed, read before.
        """
        layout = self.layout(by)
        view = WallView(layout, broadcast, seq, [Look.NONE] * len(layout.cells))
        rows = {} if broadcast is None else await self.deliveries(broadcast, by=by)
        for name in layout.cell_of:
            view.speakers[name] = self._look(broadcast, name, rows.get(name))
        for index, cell in enumerate(layout.cells):
            if cell.speakers:
                view.looks[index] = together(view.speakers[name] for name in cell.speakers)
        return view

    def update(self, view: WallView, speakers: Iterable[str]) -> list[tuple[int, Look]]:
        """Look again at these speakers; the cells that have changed."""
        cells: set[int] = set()
        for name in speakers:
            index = view.layout.cell_of.get(name)
            if index is None:
                continue
            row = self._ladder_row(view.broadcast.order, name) if view.broadcast else None
            look = self._look(view.broadcast, name, row)
            if view.speakers.get(name) is not look:
                view.speakers[name] = look
                cells.add(index)
        changed = []
        for index in sorted(cells):
            look = together(view.speakers[name] for name in view.layout.cells[index].speakers)
            if look is not view.looks[index]:
                view.looks[index] = look
                changed.append((index, look))
        return changed

    def missing(self, view: WallView, rows: Mapping[str, DeliveryRow] | None = None) -> list[Missing]:
        """By name, the worst first, at most as many as there are speakers."""
        found = []
        for name, look in view.speakers.items():
            if look not in TROUBLE:
                continue
            speaker = self._estate.speakers.get(name)
            if speaker is None:
                continue
            row = (rows or {}).get(name) or (self._ladder_row(view.broadcast.order, name) if view.broadcast else None)
            reason = row.reason if row else Reason.NONE
            status = self._speakers.status(name)
            since_ms = status.since_ms if look in (Look.OFFLINE, Look.UNKNOWN) else row.changed_ms if row else 0
            place = place_of(self._estate.tree, speaker.area)
            found.append(Missing(name, speaker.name, speaker.area, place, look, reason, since_ms))
        return sorted(found, key=lambda one: (BADNESS[one.look], one.area, one.id))

    async def deliveries(self, broadcast: Broadcast, *, by: Officer) -> dict[str, DeliveryRow]:
        """Where it stands at each speaker of the officer's area: from memory, or from the table once it is long over."""
        rows: Sequence[DeliveryRow] | None = self._ladder.rows(broadcast.id)
        if rows is None:
            rows = await self._store.read(lambda tx: tx.deliveries.of(broadcast.id))
        digits = significant(by.area)
        speakers = self._estate.speakers

        def is_inside(name: str) -> bool:
            area = speakers[name].area if name in speakers else ""
            return significant(area).startswith(digits) if area else depth(by.area) <= 6

        return {row.speaker: row for row in rows if is_inside(row.speaker)}

    async def reports(self, broadcast: Broadcast, speaker: str | None = None) -> Sequence[ReportRow]:
        """Every line of evidence, as it came in."""
        return await self._store.read(lambda tx: tx.reports.of(broadcast.id, speaker))

    def heard_of(self, broadcast: str) -> Mapping[State, int]:
        """How many speakers reported what so far, of all that are meant; empty when it is long over."""
        return self._ladder.counts(broadcast) or {}

    async def page(self, *, by: Officer, before: str | None, limit: int) -> tuple[list[Broadcast], str | None]:
        """Newest first, those that the officer may see, and from where to go on; None at the end."""
        found: list[Broadcast] = []
        cursor = before
        while True:
            page = await self._broadcasts.page(before=cursor, limit=100)
            for one in page:
                if len(found) == limit:
                    return found, found[-1].id
                if self.sees(one, by=by):
                    found.append(one)
            if len(page) < 100:
                return found, None
            cursor = page[-1].id

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _ladder_row(self, order: Order, name: str) -> DeliveryRow | None:
        return self._ladder.row(order.id, name)

    def _look(self, broadcast: Broadcast | None, name: str, row: DeliveryRow | None) -> Look:
        status = self._speakers.status(name)
        if broadcast is None:
            return look_of_presence(status.presence, status.on_air)
        if row is None:
            speaker = self._estate.speakers[name]
            meant = speaker.exercise is broadcast.order.exercise and broadcast.means(name, speaker.area)
            return Look.UNKNOWN if meant and not self._ladder.knows(broadcast.id) else Look.OUTSIDE
        live = broadcast.is_live(self._clock.now_ms())
        return look_of(row.state, status.presence if live else None)
