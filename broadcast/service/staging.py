"""What every speaker holds of the files that its programmes name, and what it lacks (备播): by its own word, or unknown.

After a start nothing is known until the speakers say it again, which they do every ten minutes; unknown is never shown as complete.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Broadcast, Life
from broadcast.domain.speakers import Speaker
from broadcast.domain.wall_time import wall_time
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.places import told_by_township, township_of
from broadcast.service.programme_boards import ProgrammeBoards
from endpoints.area_codes import ancestors
from endpoints.protocol import Stock

SOON_MS = 2 * 3_600_000
BEIJING = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is known of one speaker.

    :param stock: its last word; None: it has not said anything since this server came up.
    :param whole: whether it holds the newest version of every programme board that it follows.
    """

    speaker: Speaker
    stock: Stock | None
    heard_ms: int
    whole: bool

    @property
    def complete(self) -> bool:
        return self.stock is not None and self.whole and not self.stock.lacking


@dataclass(frozen=True, slots=True)
class Lacking:
    """A file that a speaker does not have.

    :param titles: the programmes that need it.
    :param needed_ms: when the first of them begins there; 0: none does any more.
    """

    asset: bytes
    titles: tuple[str, ...]
    needed_ms: int


@dataclass(frozen=True, slots=True)
class TownshipShelves:
    """A township in one line.

    :param complete_until_ms: what is to sound before then is at every speaker that has said something; 0: nobody has.
    """

    code: str
    speakers: int
    complete: int
    lacking: int
    behind: int  # an older programme board than the newest
    unknown: int
    complete_until_ms: int


class Staging:
    """The stock of every speaker, in memory."""

    def __init__(self, *, clock: Clock, estate: Estate, boards: ProgrammeBoards, health: Health) -> None:
        self._clock, self._estate, self._boards, self._health = clock, estate, boards, health
        self._shelves: dict[str, tuple[Stock, int, bool]] = {}
        self._rows: Mapping[str, Broadcast] | None = None
        self._by_asset: dict[bytes, list[Broadcast]] = {}

    def take(self, stock: Stock) -> None:
        """A speaker's word, verified. What it lacks of the boards is published again."""
        speaker = self._estate.speakers.get(stock.speaker)
        if speaker is None or speaker.exercise:  # an exercise has no programme
            return
        scopes = (speaker.id, speaker.area, *ancestors(speaker.area))
        whole = self._boards.compare(scopes, {one.scope: one for one in stock.programmes})
        self._shelves[stock.speaker] = stock, self._clock.now_ms(), whole

    def shelf(self, speaker: Speaker) -> Shelf:
        stock, heard_ms, whole = self._shelves.get(speaker.id, (None, 0, False))
        return Shelf(speaker, stock, heard_ms, whole)

    def shelves(self, area: str) -> list[Shelf]:
        """All speakers of an area that follow the programme, by id."""
        found = [one for one in self._estate.inside(area) if not one.exercise]
        return [self.shelf(one) for one in sorted(found, key=lambda one: one.id)]

    def townships(self, area: str) -> list[TownshipShelves]:
        """The same, a line a township, by code."""
        by_township: dict[str, list[Shelf]] = {}
        for one in self.shelves(area):
            by_township.setdefault(township_of(one.speaker.area), []).append(one)
        return [_line(code, shelves) for code, shelves in sorted(by_township.items())]

    def lacking(self, shelf: Shelf) -> list[Lacking]:
        """What a speaker lacks, that needed first first."""
        if shelf.stock is None:
            return []
        needs = self._needs()
        found = [self._lacking(asset, shelf.speaker, needs.get(asset, ())) for asset in shelf.stock.lacking]
        return sorted(found, key=lambda one: (one.needed_ms == 0, one.needed_ms))

    def watch(self) -> None:
        """One alarm for all speakers that lack what is to sound within two hours; call every few seconds."""
        soon_ms = self._clock.now_ms() + SOON_MS
        short: dict[str, int] = {}
        for name, (stock, _, _) in self._shelves.items():
            speaker = self._estate.speakers.get(name)
            if speaker is None or not stock.lacking:
                continue
            needed = [one.needed_ms for one in self.lacking(self.shelf(speaker)) if 0 < one.needed_ms < soon_ms]
            if needed:
                short[name] = min(needed)
        if not short:
            self._health.clear("stock-lacking")
            return
        first = wall_time(BEIJING, min(short.values()))
        self._health.raise_("stock-lacking", time=_clock(first), **told_by_township(self._estate, short))

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _needs(self) -> Mapping[bytes, Sequence[Broadcast]]:
        """The coming occurrences by the files that they need, by start."""
        if self._boards.rows is not self._rows:
            self._rows, self._by_asset = self._boards.rows, {}
            for one in sorted(self._rows.values(), key=lambda one: one.order.not_before_ms):
                for asset in {part.asset for part in one.order.parts} if one.life is Life.LIVE else ():
                    self._by_asset.setdefault(asset, []).append(one)
        return self._by_asset

    def _lacking(self, asset: bytes, speaker: Speaker, needed_by: Iterable[Broadcast]) -> Lacking:
        now_ms = self._clock.now_ms()
        here = [one for one in needed_by if one.order.not_after_ms > now_ms and one.means(speaker.id, speaker.area)]
        titles = tuple(dict.fromkeys(one.headline for one in here))
        return Lacking(asset, titles, max(now_ms, here[0].order.not_before_ms) if here else 0)


def _line(code: str, shelves: Collection[Shelf]) -> TownshipShelves:
    known = [one.stock for one in shelves if one.stock is not None]
    return TownshipShelves(
        code,
        speakers=len(shelves),
        complete=sum(one.complete for one in shelves),
        lacking=sum(bool(stock.lacking) for stock in known),
        behind=sum(one.stock is not None and not one.whole for one in shelves),
        unknown=sum(one.stock is None for one in shelves),
        complete_until_ms=min((stock.complete_until_ms for stock in known), default=0),
    )


def _clock(at: datetime) -> str:
    return f"{at:%H:%M}"
