"""What can be wrong between rows of the area table that are each right."""

from collections.abc import Iterable, Iterator, Sequence

from broadcast.domain.area_faults import Fault, Problem
from broadcast.domain.area_rows import Area
from endpoints.area_codes import significant


def check_table(areas: Sequence[Area], *, lines: Sequence[int], elsewhere: Iterable[str] = ()) -> list[Problem]:
    """Duplicates, orphans, lives that do not fit into the parent's, impossible merges.

    :param lines: of the areas, one each; 0 when they come from no file.
    :param elsewhere: codes whose rows are known and wrong; nobody is called an orphan because of them.
    """
    problems: list[Problem] = []
    first: dict[str, int] = {}
    excused = frozenset(elsewhere)

    def wrong(index: int, column: str, fault: Fault, expected: str = "") -> None:
        problems.append(
            Problem(lines[index], areas[index].code, column, areas[index].as_row()[column], fault, expected)
        )

    for index, area in enumerate(areas):
        if first.setdefault(area.code, index) != index:
            wrong(index, "code", Fault.DUPLICATE, str(lines[first[area.code]]))
    cities = {significant(area.code): area.code for area in areas if not area.parent}
    for index, area in enumerate(areas):
        if area.parent in first:
            for column, fault, expected in _life_faults(area, areas[first[area.parent]]):
                wrong(index, column, fault, expected)
        elif area.parent and area.parent not in excused:
            wrong(index, "code", Fault.UNKNOWN_PARENT, area.parent)
        elif not area.parent and len(significant(area.code)) == 6 and significant(area.code)[:4] in cities:
            wrong(index, "code", Fault.NESTED_CITY, cities[significant(area.code)[:4]])
        if area.replaced_by and area.replaced_by not in excused:
            successor = areas[first[area.replaced_by]] if area.replaced_by in first else None
            for fault, expected in _merge_faults(area, successor):
                wrong(index, "replaced_by", fault, expected)
    return problems


def _life_faults(area: Area, parent: Area) -> Iterator[tuple[str, Fault, str]]:
    if area.valid_from and parent.valid_from and area.valid_from < parent.valid_from:
        yield "valid_from", Fault.STARTS_BEFORE_PARENT, parent.valid_from.isoformat()
    if parent.valid_to and (area.valid_to is None or area.valid_to > parent.valid_to):
        yield "valid_to", Fault.OUTLIVES_PARENT, parent.valid_to.isoformat()


def _merge_faults(area: Area, successor: Area | None) -> Iterator[tuple[Fault, str]]:
    """That the successor is in use on the day of the merge also keeps merges from running in a circle."""
    if successor is None:
        yield Fault.UNKNOWN_SUCCESSOR, ""
    elif successor.level is not area.level:
        yield Fault.SUCCESSOR_OTHER_LEVEL, area.level
    elif area.valid_to and not successor.in_use(area.valid_to):
        yield Fault.SUCCESSOR_NOT_IN_USE, area.valid_to.isoformat()
