"""Who hears what: the places of a county grouped by what is meant for them, and told by as few names as will do. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from broadcast.domain.areas import AreaTree, Level
from broadcast.domain.broadcasts import Targeted
from endpoints.area_codes import GROUP_ENDS, VILLAGE, covers, padded, significant


@dataclass(frozen=True, slots=True)
class Where:
    """The same for many villages, told by as few names as will do.

    :param areas: codes; one that is affected as a whole stands for all in it.
    :param villages: how many of them in all.
    :param speakers: single speakers, beside the areas.
    """

    areas: tuple[str, ...]
    villages: int
    speakers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where speakers hear the same: a village, a grid, or one speaker that is named by itself."""

    area: str
    speaker: str = ""


class Audience:
    """The places of a tree of today.

    :param speakers: area by id, of speakers that something names by themselves.
    """

    def __init__(self, tree: AreaTree, speakers: Mapping[str, str]) -> None:
        self._tree = tree
        parents = {area.parent for area in tree}
        areas = [area.code for area in tree if area.level is Level.VILLAGE or area.code not in parents]
        self.places = (
            *(Place(code) for code in areas),
            *(Place(padded(significant(area)), speaker) for speaker, area in sorted(speakers.items())),
        )
        self._above = {code: _codes_above(code) for code in {place.area for place in self.places}}
        self._total = Counter(above for code in areas for above in self._above[code])

    def by_what_is_meant(self, wanted: Sequence[Targeted]) -> dict[tuple[int, ...], list[Place]]:
        """Places grouped by the indexes of what is meant for them; places that nothing is meant for are left out.

        The same answer as `endpoints.arbitration.is_meant` for each, in one look instead of one for each pair.
        """
        by_area: dict[str, list[int]] = defaultdict(list)
        by_speaker: dict[str, list[int]] = defaultdict(list)
        for index, one in enumerate(wanted):
            for code in one.areas:
                by_area[padded(significant(code))].append(index)
            for speaker in one.speakers:
                by_speaker[speaker].append(index)
        groups: dict[tuple[int, ...], list[Place]] = defaultdict(list)
        for place in self.places:
            meant = {index for code in self._above[place.area] for index in by_area.get(code, ())}
            meant = {n for n in meant if not _is_excluded(wanted[n].excluded, place.area)}
            if place.speaker:
                meant.update(by_speaker.get(place.speaker, ()))
            if meant:
                groups[tuple(sorted(meant))].append(place)
        return groups

    def where(self, places: Iterable[Place]) -> Where:
        """The same places by the largest areas that lie wholly in them."""
        chosen = set(places)
        areas = {place.area for place in chosen if not place.speaker}
        inside = Counter(above for code in areas for above in self._above[code])
        told = {next(one for one in self._above[code] if self._is_whole(one, inside)) for code in areas}
        villages = {significant(code)[:VILLAGE] for code in areas if len(significant(code)) >= VILLAGE}
        speakers = (place.speaker for place in chosen if place.speaker and place.area not in areas)
        return Where(tuple(sorted(told)), len(villages), tuple(sorted(speakers)))

    def _is_whole(self, code: str, inside: Mapping[str, int]) -> bool:
        """Whether an area of the table, not the province above it, is affected as a whole."""
        return code in self._tree and inside[code] == self._total[code]


def _codes_above(code: str) -> tuple[str, ...]:
    """All that cover it, the largest first, itself last."""
    digits = significant(code)
    return tuple(dict.fromkeys(padded(digits[:end]) for end in GROUP_ENDS if end <= len(digits)))


def _is_excluded(excluded: tuple[str, ...], area: str) -> bool:
    return any(covers(code, area) for code in excluded)
