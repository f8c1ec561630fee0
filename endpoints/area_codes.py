"""Area codes (行政区划代码): 12 digits of the statistical division code, or 15 and 18 for grids (网格) and sub-grids.

Groups of digits: province 2, prefecture 2, county 2, township 3, village 3, grid 3, sub-grid 3. A code is padded with zeros to
12 digits; the significant part ends at the last group that is not zero. Comparing significant parts that always end on a group
boundary is what keeps 1302811 from covering 13028110… by string accident.
Source: National Bureau of Statistics, 统计用区划代码 (12 digits = 6 county + 3 township + 3 village).
"""

from functools import lru_cache
from typing import Any

GROUP_ENDS = (2, 4, 6, 9, 12, 15, 18)
LENGTHS = (12, 15, 18)
COUNTY, TOWNSHIP, VILLAGE, GRID, SUB_GRID = 6, 9, 12, 15, 18


class BadAreaCode(ValueError):
    """Not 12, 15 or 18 ASCII digits, or a group of zeros above one that is not."""

    def __init__(self, code: object) -> None:
        self.code = code
        super().__init__(f"area code {code!r} is not 12, 15 or 18 digits padded with zeros group by group")


@lru_cache(maxsize=65536)
def significant(code: str) -> str:
    """The digits that say where: `130281001000` → `130281001`.

    :raises BadAreaCode: for anything that is not a well-formed code.
    """
    if not isinstance(code, str) or len(code) not in LENGTHS or not (code.isascii() and code.isdigit()):
        raise BadAreaCode(code)
    start, end = 0, 0
    for group_end in GROUP_ENDS:
        if group_end > len(code):
            break
        filled = int(code[start:group_end]) != 0
        if filled and end != start and (end, start) != (4, 6):  # 东莞, 中山, 儋州 have townships and no counties
            raise BadAreaCode(code)
        if filled:
            end = group_end
        start = group_end
    if end == 0:
        raise BadAreaCode(code)
    return code[:end]


def is_area_code(code: Any) -> bool:
    """Whether `significant` takes it."""
    try:
        significant(code)
    except (BadAreaCode, TypeError):
        return False
    return True


def covers(area: str, other: str) -> bool:
    """Whether `other` is `area` or lies inside it."""
    return significant(other).startswith(significant(area))


def depth(code: str) -> int:
    """How many digits are significant: 6 county, 9 township, 12 village, 15 grid, 18 sub-grid."""
    return len(significant(code))


def padded(digits: str) -> str:
    """The full code of significant digits: `130281001` → `130281001000`."""
    code = digits if len(digits) > VILLAGE else digits.ljust(VILLAGE, "0")
    significant(code)
    return code


def ancestors(code: str) -> tuple[str, ...]:
    """The codes above, nearest first, down from the county: a village answers (township, county)."""
    digits = significant(code)
    ends = [end for end in GROUP_ENDS if COUNTY <= end < len(digits)]
    return tuple(padded(digits[:end]) for end in reversed(ends))
