"""The tree of areas (区域树) an order can be spoken to: who lies where, who covers whom, and since when.

Sorted by code, every area stands right before all that lies in it. So what an area covers is one slice, found by two binary
searches, and nothing here reads the whole table to answer about one place.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Self

from broadcast.domain.area_checks import check_table
from broadcast.domain.area_faults import Problem
from broadcast.domain.area_rows import Area, Level, read_row
from broadcast.domain.errors import BroadcastError
from endpoints.area_codes import ancestors, covers, padded, significant

__all__ = ["Area", "AreaTree", "BadAreaTable", "Level", "UnknownArea", "minimal_cover"]

PAST_DIGITS = ":"  # sorts right behind "9": prefix + this is where the codes with that prefix end
QUOTED_MAX = 40  # characters of a wrong code that an error repeats


class UnknownArea(BroadcastError):
    """No area of the table has that code."""

    def __init__(self, code: str, nearest: Area | None) -> None:
        self.code = code[:QUOTED_MAX]
        self.nearest = nearest.code if nearest else ""
        self.nearest_name = nearest.name if nearest else ""
        hint = f"the nearest known one is {nearest.code} ({nearest.name})" if nearest else "the area table is empty"
        super().__init__(f"no area has the code {self.code!r}; {hint}")


class BadAreaTable(BroadcastError):
    """The rows do not make a tree; nothing of them was taken."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = [problem.as_fact() for problem in problems]
        super().__init__(f"the area table has {len(problems)} problem(s); the first, {problems[0]}")


def minimal_cover(codes: Iterable[str]) -> tuple[str, ...]:
    """The same places by as few of these codes as will do, sorted: whoever lies in another chosen one is left out.

    Areas that are all chosen do not become their parent: a village founded tomorrow was not chosen today.

    :raises BadAreaCode: for anything that is not a well-formed code.
    """
    kept: list[str] = []
    for code in sorted({padded(significant(code)) for code in codes}):
        if not kept or not covers(kept[-1], code):
            kept.append(code)
    return tuple(kept)


class AreaTree:
    """All areas ever in use, retired ones included; `on(day)` is the tree of one day. It never changes.

    Every method that takes a code raises UnknownArea when the table does not have it.

    :raises BadAreaTable: when a code is doubled, a parent missing, or dates and merges contradict each other.
    """

    def __init__(self, areas: Iterable[Area] = ()) -> None:
        given = tuple(areas)
        self._take(given, check_table(given, lines=[0] * len(given)))

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, str]]) -> Self:
        """From rows by the columns of `area_rows.COLUMNS`, of which code and name are enough.

        :raises BadAreaTable: likewise, and when a row cannot be read.
        """
        read = [read_row(row, line) for line, row in enumerate(rows, start=2)]
        areas = [area for area, _ in read if area is not None]
        problems = [problem for _, wrong in read for problem in wrong]
        tree = cls()
        tree._take(areas, problems or check_table(areas, lines=range(2, len(areas) + 2)))
        return tree

    def _take(self, areas: Iterable[Area], problems: Sequence[Problem] = ()) -> None:
        if problems:
            raise BadAreaTable(problems)
        self._areas = tuple(sorted(areas, key=lambda area: area.code))
        self._codes = [area.code for area in self._areas]
        self._by_code = dict(zip(self._codes, self._areas, strict=True))
        self._levels = {level: tuple(area for area in self._areas if area.level is level) for level in Level}
        self._level_codes = {level: [area.code for area in areas] for level, areas in self._levels.items()}
        self._by_name: dict[str, list[Area]] = {}
        for area in self._areas:
            for name in {area.name, area.short_name}:
                self._by_name.setdefault(name, []).append(area)

    def __len__(self) -> int:
        return len(self._areas)

    def __iter__(self) -> Iterator[Area]:
        """In order of code: each area before what lies in it."""
        return iter(self._areas)

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def area(self, code: str) -> Area:
        """The area of that code."""
        try:
            return self._by_code[code]
        except KeyError:
            raise UnknownArea(code, self._nearest(code)) from None

    def named(self, name: str) -> tuple[Area, ...]:
        """All areas of that full or short name; names may repeat, so it can be none, one or several."""
        return tuple(self._by_name.get(name, ()))

    @property
    def cities(self) -> tuple[Area, ...]:
        """The roots; a county's table has one."""
        return self._levels[Level.CITY]

    def parent(self, code: str) -> Area | None:
        """The area right above; None for a city."""
        parent = self.area(code).parent
        return self._by_code[parent] if parent else None

    def ancestors(self, code: str) -> tuple[Area, ...]:
        """The areas above, nearest first: a village answers (township, city)."""
        self.area(code)
        return tuple(self._by_code[above] for above in ancestors(code) if above in self._by_code)

    def children(self, code: str) -> tuple[Area, ...]:
        """The areas right below."""
        level = list(Level).index(self.area(code).level) + 1
        return self.of_level(list(Level)[level], under=code) if level < len(Level) else ()

    def descendants(self, code: str) -> tuple[Area, ...]:
        """All areas below, in order of code."""
        start, end = self._span(self._codes, code)
        return self._areas[start + 1 : end]

    def covers(self, area: str, other: str) -> bool:
        """Whether `other` is `area` or lies in it."""
        return covers(self.area(area).code, self.area(other).code)

    def of_level(self, level: Level, *, under: str | None = None) -> tuple[Area, ...]:
        """All areas of a level, or those in `under`, itself included when it is of that level."""
        if under is None:
            return self._levels[level]
        start, end = self._span(self._level_codes[level], under)
        return self._levels[level][start:end]

    def villages(self, *codes: str) -> tuple[Area, ...]:
        """The villages that lie wholly in the chosen areas, each once; without codes, all. A grid has none."""
        chosen = self.minimal_cover(codes) if codes else (None,)
        return tuple(village for code in chosen for village in self.of_level(Level.VILLAGE, under=code))

    def counts(self, code: str | None = None) -> dict[Level, int]:
        """How many areas of each level there are, or lie in `code`, itself included."""
        if code is None:
            return {level: len(codes) for level, codes in self._level_codes.items()}
        spans = {level: self._span(codes, code) for level, codes in self._level_codes.items()}
        return {level: end - start for level, (start, end) in spans.items()}

    def minimal_cover(self, codes: Iterable[str]) -> tuple[str, ...]:
        """See the function of that name; every code must be known."""
        return minimal_cover(self.area(code).code for code in codes)

    def on(self, day: date) -> Self:
        """Only what is in use on that day: by its own dates and by those of all above it."""
        living: dict[str, Area] = {}
        for area in self._areas:  # parents come first
            if area.in_use(day) and (not area.parent or area.parent in living):
                living[area.code] = area
        tree = type(self)()
        tree._take(living.values())
        return tree

    def successor(self, code: str) -> Area:
        """Where that place is today: the end of its chain of merges, itself when it was never merged."""
        area = self.area(code)
        while area.replaced_by and area.replaced_by in self._by_code:
            area = self._by_code[area.replaced_by]
        return area

    def merged_into(self, codes: Iterable[str]) -> tuple[str, ...]:
        """Areas that were merged into these (or into something inside them) and whose own code lies elsewhere.

        Speakers that stand there still go by the old code; who orders for the new area means them too.
        """
        chosen = [code for code in codes if code in self._by_code]
        return tuple(
            area.code
            for area in self._areas
            if area.replaced_by
            and any(covers(code, self.successor(area.code).code) for code in chosen)
            and not any(covers(code, area.code) for code in chosen)
        )

    def with_areas(self, changed: Iterable[Area]) -> Self:
        """A tree in which these areas are new or stand for those of the same code; see Area.renamed and Area.retired.

        :raises BadAreaTable: the change contradicts the rest, say a township retired with a village still in it.
        """
        return type(self)({**self._by_code, **{area.code: area for area in changed}}.values())

    def rows(self) -> Iterator[dict[str, str]]:
        """What `from_rows` reads: level by level from the city down, in order of code."""
        return (area.as_row() for level in Level for area in self._levels[level])

    def _span(self, codes: Sequence[str], code: str) -> tuple[int, int]:
        """Where `code` and what lies in it stand in a sorted list."""
        digits = significant(self.area(code).code)
        start = bisect_left(codes, code)
        return start, bisect_left(codes, digits + PAST_DIGITS, lo=start)

    def _nearest(self, code: str) -> Area | None:
        """The neighbour in order of code that shares more digits from the left."""
        at = bisect_left(self._codes, code)
        neighbours = self._areas[max(at - 1, 0) : at + 1]
        return max(neighbours, key=lambda area: _shared(area.code, code), default=None)


def _shared(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
