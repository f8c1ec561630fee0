"""Where the sound of orders comes from (供声): files are staged, taken up as soon as they are here, looked up while they sound."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any

from audio_assets.cache import AssetCache
from audio_assets.tones import ToneId, tone
from endpoints.effects import OnHand, Play, Wanted
from endpoints.reel import Reels
from endpoints.score import is_urgent, part_due, segments_of
from endpoints.sounds import Sounds
from endpoints.staging import Fetcher, Staging
from endpoints.track import Clip, Get, Slot, Sound, Track
from endpoints.vocabulary import Kind, Reason

LOOPS = 1_000  # of what fills, one after the other without a gap

log = logging.getLogger(__name__)


class SoundUnavailable(Exception):
    """What an order should sound is not to be had; `reason` is what to report."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason.name)


class Supply:
    """The files of one speaker. Made and called in the event loop; what `Get` returns is asked in the sound thread.

    :param now_ms: the server's time, None while it is not known.
    :param on_change: the stock is another, or a sound is at hand now, or never will be.
    """

    def __init__(
        self,
        cache: AssetCache,
        fetcher: Fetcher | None,
        reels: Reels,
        *,
        random: Random,
        now_ms: Callable[[], int | None],
        on_change: Callable[[], None],
    ) -> None:
        self._reels, self._on_change = reels, on_change
        self._sounds = Sounds(cache, reels)
        self._staging = Staging(
            cache,
            fetcher,
            random=random,
            now_ms=now_ms,
            on_here=self._on_here,
            on_gone=self._sounds.forget,
            on_change=on_change,
        )
        self._wanted: tuple[Wanted, ...] = ()
        self._urgent: frozenset[bytes] = frozenset()  # to be held in memory
        self._on_air: frozenset[bytes] = frozenset()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._reels.start()
        self._spawn(self._staging.run(), "staging")

    async def close(self) -> None:
        """Give up what is on its way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def close_files(self) -> None:
        """Once nothing sounds any more; it waits for a thread."""
        self._reels.close()

    # What is asked --------------------------------------------------------------------------------------------------------

    @property
    def short(self) -> bool:
        """Whether files of the coming hours are not here and can't be got now."""
        return self._staging.short

    def stock(self) -> OnHand:
        return self._staging.stock()

    def can_begin(self, play: Play) -> bool:
        """Whether there is anything to be heard now."""
        due = None if is_urgent(play.order) else part_due(play)
        if play.order.is_empty:
            return play.fallback is not None and self._sounds.get(play.fallback.asset) is not None
        if due is None or self._sounds.get(due.asset) is not None:
            return True
        return play.fallback is not None and self._sounds.get(play.fallback.asset) is not None

    def is_missing(self, play: Play) -> bool:
        """Whether the file that sounds first is not at hand."""
        if play.order.is_empty:
            return True
        due = part_due(play)
        return due is not None and self._sounds.get(due.asset) is None

    def why_not(self, play: Play) -> Reason:
        """Why the file that sounds first can't be had; NONE while it can, or nobody knows yet."""
        due = part_due(play)
        return Reason.NONE if due is None else self._reason(due.asset)

    # What is said ---------------------------------------------------------------------------------------------------------

    def expect(self, wanted: tuple[Wanted, ...]) -> None:
        """Fetch what will be needed, and have at hand what is urgent."""
        if wanted == self._wanted:
            return
        self._wanted = wanted
        self._staging.expect(wanted)
        self._urgent = frozenset(one.part.asset for one in wanted if one.urgent)
        self._sounds.keep(self._on_air | {one.part.asset for one in wanted})
        for one in wanted:
            asset = one.part.asset
            if self._staging.is_here(asset) and (one.urgent or self._sounds.get(asset) is None):
                self._on_here(asset)

    def open_now(self, play: Play) -> None:
        """It is about to sound: what nobody had announced is taken up at once, if it is small."""
        due = part_due(play)
        if due is not None and self._sounds.get(due.asset) is None:
            self._sounds.open_now(due.asset)

    def hurry(self, play: Play | None) -> None:
        """This has the air, or nothing has: its files are needed now."""
        parts = () if play is None else play.order.parts
        self._on_air = frozenset(part.asset for part in parts)
        if play is not None and play.order.kind is not Kind.ROUTINE:
            self._urgent |= self._on_air
        self._staging.hurry(parts)

    # What sounds ----------------------------------------------------------------------------------------------------------

    def track_of(self, play: Play) -> Track:
        get = self._get_in_time if play.order.kind is Kind.ROUTINE else self._get_or_fail
        segments = segments_of(play.order, lambda asset: partial(get, asset))
        return Track(segments, from_ms=play.from_ms, at_once=is_urgent(play.order))

    def filling_of(self, play: Play) -> Callable[[], Track | None]:
        """What fills it: an emergency the attention signal, a programme the fallback, a notice nothing."""

        def attention() -> Track:
            return Track([Clip(tone(ToneId.ATTENTION))] * LOOPS)

        def fallback() -> Track | None:
            part = play.fallback
            if part is None or self._sounds.get(part.asset) is None:
                return None
            get: Get = partial(self._sounds.get, part.asset)
            return Track([Slot(get, part.asset_ms)] * LOOPS)

        return attention if is_urgent(play.order) else fallback

    def _get_in_time(self, asset: bytes) -> Sound | None:
        """Asked in the sound thread: what is not there is filled."""
        return self._sounds.get(asset)

    def _get_or_fail(self, asset: bytes) -> Sound | None:
        """Asked in the sound thread. :raises SoundUnavailable: it will never be there."""
        sound = self._sounds.get(asset)
        if sound is None and (reason := self._reason(asset)):
            raise SoundUnavailable(reason)
        return sound

    def _reason(self, asset: bytes) -> Reason:
        return Reason.ASSET_BAD if self._sounds.is_bad(asset) else self._staging.reason(asset)

    # What comes -----------------------------------------------------------------------------------------------------------

    def _on_here(self, asset: bytes) -> None:
        self._spawn(self._take_up(asset), f"take up {asset.hex()[:12]}")

    async def _take_up(self, asset: bytes) -> None:
        await self._sounds.take_up(asset, in_memory=asset in self._urgent)
        self._on_change()

    def _spawn(self, what: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(what, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (err := task.exception()) is not None:
            log.error("%s: %r", task.get_name(), err)
