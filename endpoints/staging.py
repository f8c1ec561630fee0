"""Files before their time (备播): which to fetch next and when, and whether what is on the disk is still whole.

Those needed first come first, and emergencies' before all: while one is on its way nothing else is. A file that is needed tomorrow
waits a random while, because 700 speakers hear of it in the same second. What was fetched is checked again shortly before it is
needed, while there is time to fetch it anew.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random
from typing import Protocol

from audio_assets.cache import AssetCache, LibraryFull
from audio_assets.library import AssetDamaged, AssetMissing
from endpoints.effects import OnHand, Wanted
from endpoints.fetch import AssetForged, AssetNotOffered, AssetTooLarge, FetchError, ServerBusy
from endpoints.protocol import Part
from endpoints.vocabulary import Reason

LANES, URGENT_LANES = 2, 4  # downloads at a time
SOON_S = 120.0  # needed within this: no time for patience
SPREAD, LONGEST_SPREAD_S = 0.1, 600.0  # a random start within so much of the time there is
RECHECK_BEFORE_S, CHECKED_FOR_S = 900.0, 3_600.0
FIRST_RETRY_S, LONGEST_RETRY_S = 5.0, 120.0
HOPELESS_RETRY_S = 300.0  # the server does not have it, or has another: somebody has to do something
FULL_RETRY_S = STUMBLED_RETRY_S = 60.0
URGENT_PATIENCE_S = 3.0  # the longest that an emergency waits for a server that asks for patience
SHORT_WITHIN_S = 6 * 3_600.0  # what is lacking and needed by then is a fault
_NEVER = float("inf")

log = logging.getLogger(__name__)


class Fetcher(Protocol):
    """Gets sound files into the cache; `AssetFetcher`."""

    async def fetch(self, sha256: bytes, size_bytes: int) -> None:
        """:raises FetchError: it could not. :raises LibraryFull: no room. :raises OSError: the disk is broken."""


class State(Enum):
    LACKING = auto()
    UNCHECKED = auto()  # a file of that name is there
    HELD = auto()


class Urgency(Enum):
    """How much of a hurry there is; the first comes first."""

    NOW = 0  # it sounds, or may have to at any moment
    SOON = 1
    LATER = 2


@dataclass(slots=True, eq=False)
class _Item:
    part: Part
    needed_at_ms: int
    state: State
    not_before: float  # by the loop's clock
    checked_at: float = -_NEVER
    failures: int = 0
    reason: Reason = Reason.NONE  # why it can't be had, as far as anybody knows
    is_urgent: bool = False
    hurried: bool = False  # asked for by what is on air
    urgency: Urgency = Urgency.LATER
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Staging:
    """The files of one speaker. Made and called in the event loop; `run` does the work until it is cancelled.

    :param fetcher: None when there is nowhere to fetch from.
    :param now_ms: the server's time, None while it is not known.
    :param on_here: a file is here and whole.
    :param on_gone: one that was here is not, or was damaged.
    :param on_change: the stock, or `short`, is another.
    """

    def __init__(
        self,
        cache: AssetCache,
        fetcher: Fetcher | None,
        *,
        random: Random,
        now_ms: Callable[[], int | None],
        on_here: Callable[[bytes], None],
        on_gone: Callable[[bytes], None],
        on_change: Callable[[], None],
    ) -> None:
        self._cache, self._fetcher, self._random, self._now_ms = cache, fetcher, random, now_ms
        self._on_here, self._on_gone, self._on_change = on_here, on_gone, on_change
        self._items: dict[bytes, _Item] = {}
        self._wanted: tuple[Wanted, ...] = ()
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._checking: asyncio.Task[None] | None = None
        self._hurried: set[bytes] = set()
        self._was_short = False

    # ---- what is asked --------------------------------------------------------------------------------------------------

    def expect(self, wanted: tuple[Wanted, ...]) -> None:
        """These files may have to sound, those needed first first; any others only if they are being hurried."""
        if wanted == self._wanted:
            return
        self._wanted = wanted
        ahead = {one.part.asset: one for one in wanted}
        for asset in [asset for asset, item in self._items.items() if asset not in ahead and not item.hurried]:
            self._drop(asset)
        for one in wanted:
            item = self._take(one.part)
            item.needed_at_ms, item.is_urgent = one.needed_at_ms, one.urgent
        self._rank()

    def hurry(self, parts: tuple[Part, ...]) -> None:
        """What is on air needs these now; those of before are hurried no more."""
        assets = {part.asset for part in parts}
        if assets == self._hurried:
            return
        self._hurried = assets
        for part in parts:
            item = self._take(part)
            item.hurried, item.not_before = True, self._loop.time() if not item.hurried else item.not_before
        kept = {one.part.asset for one in self._wanted}
        for asset, item in list(self._items.items()):
            item.hurried = asset in assets
            if not item.hurried and asset not in kept:
                self._drop(asset)
        self._rank()

    def is_here(self, asset: bytes) -> bool:
        """Whether it is on the disk, and was found whole."""
        item = self._items.get(asset)
        return item is not None and item.state is State.HELD

    def reason(self, asset: bytes) -> Reason:
        """Why it can't be had; NONE while it can, or nobody knows yet."""
        item = self._items.get(asset)
        if item is None or item.state is State.HELD:
            return Reason.NONE
        return item.reason

    @property
    def short(self) -> bool:
        """Whether files of the coming hours are not here, and could not be got when it was tried."""
        return any(self._is_short(item) for item in self._items.values())

    def stock(self) -> OnHand:
        held = [item for item in self._items.values() if item.state is not State.LACKING]
        lacking = [one for one in self._wanted if self._items[one.part.asset].state is State.LACKING]
        held_bytes = sum(item.part.asset_bytes for item in held)
        return OnHand(len(held), held_bytes, self._cache.free_bytes(), tuple(lacking))

    # ---- work -----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until it is cancelled; then what is on its way is given up, and goes on after the next start."""
        try:
            while True:
                self._wake.clear()
                try:
                    wait_s = self._next_turn()
                except Exception:  # without it no programme would be there tomorrow
                    log.exception("staging stumbled")
                    wait_s = STUMBLED_RETRY_S
                try:
                    async with asyncio.timeout(None if wait_s == _NEVER else max(0.0, wait_s)):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            tasks = [item.task for item in self._items.values() if item.task is not None]
            tasks += [self._checking] if self._checking is not None else []
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _next_turn(self) -> float:
        """Start what is due; seconds until there is something else to start."""
        now = self._loop.time()
        for item in self._items.values():
            item.urgency = self._urgency_of(item)
        self._tell()
        return min(self._start_fetches(now), self._start_check(now)) - now

    def _start_fetches(self, now: float) -> float:
        if self._fetcher is None:
            return _NEVER
        lacking = [item for item in self._items.values() if item.state is State.LACKING]
        waiting = [item for item in lacking if item.task is None]
        due = sorted((item for item in waiting if item.not_before <= now), key=_need)
        for item in due:
            if self._has_room_for(item, [item for item in lacking if item.task is not None]):
                item.task = asyncio.create_task(self._fetch(item), name=f"fetch {item.part.asset.hex()[:12]}")
        later = [item.not_before for item in waiting if item.not_before > now]
        growing = [now + self._left_s(item) - SOON_S for item in waiting if item.urgency is Urgency.LATER]
        return min((at for at in (*later, *growing) if at > now), default=_NEVER)

    def _has_room_for(self, item: _Item, running: list[_Item]) -> bool:
        """Whether it can begin now; who is less in a hurry gives way, and goes on from there later."""
        urgent = [one for one in running if one.urgency is Urgency.NOW]
        others = [one for one in running if one.urgency is not Urgency.NOW]
        if item.urgency is Urgency.NOW:
            for one in others:
                _give_way(one)
            return len(urgent) < URGENT_LANES
        if urgent:
            return False
        if len(others) < LANES:
            return True
        last = max(others, key=_need)
        if item.urgency is Urgency.SOON and last.urgency is Urgency.LATER:
            _give_way(last)
        return False  # the one that gives way calls for another turn

    async def _fetch(self, item: _Item) -> None:
        asset = item.part.asset
        try:
            if self._fetcher is not None:
                await self._fetcher.fetch(asset, item.part.asset_bytes)
        except (FetchError, LibraryFull, OSError) as err:
            self._failed(item, err)
        except Exception as err:  # our own fault; not to be repeated without a pause
            log.exception("fetching %s stumbled", asset.hex()[:12])
            self._failed(item, err)
        else:
            self._is_whole(item)
        finally:
            item.task = None
            self._look_for_evicted()
            self._wake.set()

    def _failed(self, item: _Item, err: Exception) -> None:
        now, item.failures, before = self._loop.time(), item.failures + 1, item.reason
        if item.failures in (1, 10, 100):
            log.warning("%s", err)
        match err:
            case ServerBusy(retry_after_s=asked_s):
                item.failures -= 1
                patience_s = asked_s + self._random.uniform(0, min(10.0, asked_s))
                wait_s = min(patience_s, URGENT_PATIENCE_S) if item.urgency is Urgency.NOW else patience_s
            case AssetNotOffered():
                item.reason, wait_s = Reason.ASSET_MISSING, HOPELESS_RETRY_S
            case AssetForged() | AssetTooLarge():
                item.reason, wait_s = Reason.ASSET_BAD, HOPELESS_RETRY_S
            case LibraryFull() | OSError():
                item.reason, wait_s = Reason.ASSET_MISSING, FULL_RETRY_S
            case _:
                longest_s = FIRST_RETRY_S if item.urgency is Urgency.NOW else LONGEST_RETRY_S
                wait_s = self._random.uniform(0.5, 1) * min(longest_s, FIRST_RETRY_S * 2**item.failures)
        item.not_before = now + wait_s
        if item.reason is not before:
            self._on_change()

    # ---- checking what is there -----------------------------------------------------------------------------------------

    def _start_check(self, now: float) -> float:
        """One at a time: they read the disk that what sounds is read from."""
        if self._checking is not None:
            return _NEVER
        due = [item for item in self._items.values() if self._check_at(item) <= now]
        if due:
            self._checking = asyncio.create_task(self._check(min(due, key=_need)), name="check a sound")
            return _NEVER
        return min((self._check_at(item) for item in self._items.values()), default=_NEVER)

    def _check_at(self, item: _Item) -> float:
        """When it is to be read again; what was not checked yet now."""
        if item.state is State.UNCHECKED:
            return -_NEVER
        if item.state is State.LACKING or item.hurried:
            return _NEVER
        due_in_s = self._left_s(item) - RECHECK_BEFORE_S
        at = max(self._loop.time() + due_in_s, item.checked_at + CHECKED_FOR_S)
        return at if due_in_s > -RECHECK_BEFORE_S else _NEVER

    async def _check(self, item: _Item) -> None:
        try:
            await asyncio.to_thread(self._cache.check, item.part.asset)
        except (AssetDamaged, AssetMissing, OSError) as err:
            log.error("%s", err)
            if isinstance(err, OSError):  # the disk does not give it
                await asyncio.to_thread(self._cache.remove, item.part.asset)
            self._is_gone(item)
        else:
            self._is_whole(item)
        finally:
            self._checking = None
            self._wake.set()

    def _is_whole(self, item: _Item) -> None:
        news = item.state is not State.HELD
        item.state, item.checked_at = State.HELD, self._loop.time()
        item.failures, item.reason = 0, Reason.NONE
        if news:
            self._on_here(item.part.asset)
            self._on_change()

    def _is_gone(self, item: _Item) -> None:
        item.state, item.not_before = State.LACKING, self._loop.time()
        item.reason = Reason.NONE if self._fetcher is not None else Reason.ASSET_BAD
        self._on_gone(item.part.asset)
        self._on_change()

    def _look_for_evicted(self) -> None:
        """What is needed last may have made room for what has come."""
        for asset, item in self._items.items():
            if item.state is State.HELD and not self._cache.has(asset):
                self._is_gone(item)

    # ---- bookkeeping ----------------------------------------------------------------------------------------------------

    def _take(self, part: Part) -> _Item:
        item = self._items.get(part.asset)
        if item is None:
            state = State.UNCHECKED if self._cache.has(part.asset) else State.LACKING
            item = self._items[part.asset] = _Item(part, 0, state, 0.0)
            if state is State.LACKING and self._fetcher is None:
                item.reason = Reason.ASSET_MISSING
        return item

    def _drop(self, asset: bytes) -> None:
        item = self._items.pop(asset)
        if item.task is not None:
            item.task.cancel()

    def _rank(self) -> None:
        """Tell the cache what is needed first, and give what is new its start."""
        items = sorted(self._items.values(), key=lambda item: (not (item.hurried or item.is_urgent), item.needed_at_ms))
        self._cache.keep([item.part.asset for item in items])
        now = self._loop.time()
        for item in items:
            item.urgency = self._urgency_of(item)
            if item.not_before == 0.0:
                spread_s = min(LONGEST_SPREAD_S, self._left_s(item) * SPREAD)
                item.not_before = now + (self._random.uniform(0, spread_s) if item.urgency is Urgency.LATER else 0.0)
            elif item.urgency is not Urgency.LATER and not item.failures:
                item.not_before = min(item.not_before, now)
        self._wake.set()

    def _urgency_of(self, item: _Item) -> Urgency:
        if item.hurried or item.is_urgent:
            return Urgency.NOW
        return Urgency.SOON if self._left_s(item) <= SOON_S else Urgency.LATER

    def _left_s(self, item: _Item) -> float:
        """Until it is needed; an hour while nobody knows the time."""
        now_ms = self._now_ms()
        return 3_600.0 if now_ms is None else (item.needed_at_ms - now_ms) / 1_000

    def _is_short(self, item: _Item) -> bool:
        if item.state is not State.LACKING or not (item.failures or item.reason):
            return False
        return item.urgency is Urgency.NOW or self._left_s(item) <= SHORT_WITHIN_S

    def _tell(self) -> None:
        if self.short is not self._was_short:
            self._was_short = self.short
            self._on_change()


def _need(item: _Item) -> tuple[int, int]:
    return item.urgency.value, item.needed_at_ms


def _give_way(item: _Item) -> None:
    if item.task is not None:
        item.task.cancel()
