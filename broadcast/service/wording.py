"""Announcements from templates (预警模板): the words come from the template and the officer's gaps, and from nothing else."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from broadcast.clock import Clock
from broadcast.domain.areas import Area, AreaTree, Level
from broadcast.domain.broadcasts import Broadcast, Fault, InvalidRequest, StartBroadcast
from broadcast.domain.clearing import within
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer
from broadcast.domain.templates import MAX_PLACE, Ending, Filling, Template, Worded, ending_of, fill, moment
from broadcast.service.estate import Estate
from endpoints.area_codes import covers

_BETWEEN, _AND = re.compile(r"[、，,\s]+"), re.compile(r"[和与及]")


class UnknownTemplate(BroadcastError):
    """There is no template of this id."""

    def __init__(self, template: str) -> None:
        self.template = template
        super().__init__(f"there is no template {template}")


@dataclass(frozen=True, slots=True)
class When:
    """Two instants in the officer's words, or in his own.

    :param begins_ms, until_ms: of `when` and `until`, milliseconds since 1970; the words are made from them.
    """

    begins_ms: int | None = None
    until_ms: int | None = None


class Wording:
    """The templates of this installation.

    :param templates: read and checked.
    :param suffix: who speaks, after the name of the officer's area.
    :param utc_offset: of the clock on the wall.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        estate: Estate,
        templates: Sequence[Template],
        suffix: str,
        utc_offset: timedelta,
    ) -> None:
        self._clock, self._estate, self._suffix, self._utc_offset = clock, estate, suffix, utc_offset
        self.templates: Mapping[str, Template] = {one.id: one for one in templates}

    def word(self, template: str, filling: Filling, when: When, *, areas: Sequence[str], by: Officer) -> Worded:
        """The text and headline of a template. A place that is left empty is that of the chosen areas.

        :raises UnknownTemplate:
        :raises InvalidRequest: with every gap that is not right.
        """
        known = self.templates.get(template)
        if known is None:
            raise UnknownTemplate(template)
        now_ms = self._clock.now_ms()
        if when.begins_ms is not None and not filling.when:
            filling = replace(filling, when=self._moment(when.begins_ms, now_ms))
        if when.until_ms is not None and not filling.until:
            filling = replace(filling, until=self._moment(when.until_ms, now_ms))
        if not filling.place.strip() and areas:
            filling = replace(filling, place=place_of(self._estate.tree, areas))
        outside = place_fault(self._estate.tree, filling.place, areas)
        found = fill(known, filling, issuer=self.issuer_of(by), now=self._local(now_ms))
        if isinstance(found, list) or outside:
            raise InvalidRequest([*(found if isinstance(found, list) else ()), *outside])
        return found

    def command_of(self, template: str, worded: Worded, command: StartBroadcast) -> StartBroadcast:
        """The command with the words and the kind of its template."""
        return replace(command, text=worded.text, headline=worded.headline, kind=self.templates[template].kind)

    def ending_of(self, broadcast: Broadcast, *, areas: Sequence[str] = ()) -> Ending:
        """The all-clear and the correction of a broadcast, for all that is left of it or for what of it lies in these areas."""
        tree, order = self._estate.tree, broadcast.order
        speakers = [self._estate.speaker(one).area for one in order.speakers if one in self._estate]
        chosen = within(order, areas) if areas else order.areas  # the city means what of it was alerted
        speakers = [code for code in speakers if not areas or any(covers(one, code) for one in areas)]
        left = [code for code in chosen if not any(covers(gone, code) for gone in order.excluded)]
        named = [code for code in dict.fromkeys((*left, *speakers)) if code in tree]
        issuer = tree.area(self._issuing_area(broadcast)).name if named else ""
        without = [gone for gone in order.excluded if any(covers(code, gone) for code in left)]
        but = f"除{place_of(tree, without)}以外" if without else ""
        return ending_of(
            broadcast,
            issuer=issuer + self._suffix,
            place=place_of(tree, named) + but,
            utc_offset=self._utc_offset,
        )

    def now(self) -> str:
        """This moment in the words of the clock."""
        now_ms = self._clock.now_ms()
        return self._moment(now_ms, now_ms)

    def issuer_of(self, officer: Officer) -> str:
        """Who speaks: the officer's area and what speaks there."""
        tree = self._estate.tree
        return (tree.area(officer.area).name if officer.area in tree else "") + self._suffix

    def _issuing_area(self, broadcast: Broadcast) -> str:
        """The nearest common area of the targets, which is the one whose officer may have given it."""
        tree = self._estate.tree
        codes = [code for code in broadcast.order.areas if code in tree]
        codes += [self._estate.speaker(one).area for one in broadcast.order.speakers if one in self._estate]
        lines = [(*reversed(tree.ancestors(code)), tree.area(code)) for code in codes]
        common = [level[0] for level in zip(*lines, strict=False) if len({one.code for one in level}) == 1]
        return common[-1].code if common else codes[0]

    def _moment(self, at_ms: int, now_ms: int) -> str:
        return moment(self._local(at_ms), now=self._local(now_ms))

    def _local(self, at_ms: int) -> datetime:
        return (datetime.fromtimestamp(at_ms / 1000, UTC) + self._utc_offset).replace(tzinfo=None)


def place_fault(tree: AreaTree, place: str, areas: Sequence[str]) -> list[Fault]:
    """A place that is the name of an area, or begins with that of a township, lies where it is heard.

    Of villages with the same name one that does is enough. What is no name of an area is the officer's to know.
    """
    known = [code for code in areas if code in tree]
    for named in _named(tree, place) if known else ():
        if named and not any(covers(code, one.code) or covers(one.code, code) for one in named for code in known):
            return [Fault("place", "outside-targets", (("place", named[0].name), ("areas", place_of(tree, known))))]
    return []


def _named(tree: AreaTree, place: str) -> Iterator[list[Area]]:
    """The areas that each part of the words may mean."""
    for piece in filter(None, _BETWEEN.split(place)):
        if whole := _called(tree, piece):  # 和平村 is one village
            yield whole
            continue
        for part in filter(None, _AND.split(piece)):
            yield _called(tree, part) or [one for one in tree.of_level(Level.TOWNSHIP) if part.startswith(one.name)]


def _called(tree: AreaTree, words: str) -> list[Area]:
    return [area for area in tree if words in (area.name, short_name(area.name), area.short_name)]


def short_name(name: str) -> str:
    return name.removesuffix("村民委员会").removesuffix("居民委员会")


def place_of(tree: AreaTree, areas: Sequence[str]) -> str:
    """Areas in words, as many as can be said; the rest by their number."""
    names = [short_name(tree.area(code).name) for code in areas if code in tree]
    said: list[str] = []
    for name in names:
        if len("、".join((*said, name))) > MAX_PLACE - 10:
            return f"{'、'.join(said)}等{len(names)}个地方"
        said.append(name)
    return "、".join(said)
