"""Places as the pages name and offer them."""

from dataclasses import dataclass

from broadcast.domain.areas import Area, AreaTree, Level
from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.programmes import Programme
from broadcast.service.estate import Estate
from broadcast.service.reach import place_of
from endpoints.protocol import Order

MOST_NAMES = 12


@dataclass(frozen=True, slots=True)
class Township:
    """A township of the form's tree with the villages in it."""

    area: Area
    villages: tuple[Area, ...]


@dataclass(frozen=True, slots=True)
class Choices:
    """What an officer can tick.

    :param whole: the officer's own area, for one tick.
    """

    whole: Area | None
    townships: tuple[Township, ...]
    villages: int


def choices(tree: AreaTree, area: str) -> Choices:
    """The tree of one officer: townships with their villages; for a village officer, the village alone."""
    if area not in tree:
        return Choices(None, (), 0)
    whole = tree.area(area)
    found = tuple(
        Township(one, tree.of_level(Level.VILLAGE, under=one.code)) for one in tree.of_level(Level.TOWNSHIP, under=area)
    )
    return Choices(whole, found, len(tree.of_level(Level.VILLAGE, under=area)))


def target_words(estate: Estate, target: StartBroadcast | Order | Programme) -> str:
    """The chosen places by name, shortened in a long list."""
    tree = estate.tree
    names = [place_of(tree, code) for code in target.areas] + list(target.speakers)
    gone = [place_of(tree, code) for code in target.excluded]
    text = _shortened(names)
    return f"{text} − {_shortened(gone)}" if gone else text


def clearable(tree: AreaTree, target: Order, area: str) -> tuple[str, ...]:
    """The parts of a broadcast that can be cleared by themselves: whole townships where it covers them, else what it names."""
    codes: list[str] = []
    for code in target.areas:
        if code in tree and tree.area(code).level is Level.CITY:
            codes += [one.code for one in tree.of_level(Level.TOWNSHIP, under=code)]
        else:
            codes.append(code)
    return tuple(code for code in codes if code in tree and area in tree and tree.covers(area, code))


def _shortened(names: list[str]) -> str:
    shown = "、".join(names[:MOST_NAMES])
    return f"{shown} … ({len(names)})" if len(names) > MOST_NAMES else shown
