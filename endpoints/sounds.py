"""Sounds at hand: the files that orders may sound, open or in memory, to be looked up by the sound thread."""

import asyncio
import logging
from collections import OrderedDict
from functools import partial

from audio_assets.cache import AssetCache
from audio_assets.codec import decode
from audio_assets.library import AssetError
from audio_assets.pcm import RATE_HZ, Pcm
from audio_assets.rendering import AudioTooLong, UnsupportedAudio
from audio_assets.streamed import OpusFile
from endpoints.reel import Reels
from endpoints.track import Long, Sound

IN_MEMORY_SAMPLES = 60 * RATE_HZ  # what is longer is read from the disk while it sounds
AT_ONCE_BYTES = 1 << 20  # read and checked in 2 ms
MAX_DECODED_BYTES = 64 * 1024 * 1024  # eleven clips of a minute

log = logging.getLogger(__name__)


class Sounds:
    """What can be sounded this instant. Changed in the event loop, read from any thread."""

    def __init__(self, cache: AssetCache, reels: Reels) -> None:
        self._cache, self._reels = cache, reels
        self._open: dict[bytes, Long] = {}
        self._in_memory: OrderedDict[bytes, Pcm] = OrderedDict()  # those used last stand last
        self._bad: set[bytes] = set()

    def get(self, asset: bytes) -> Sound | None:
        """The sound, if it is at hand."""
        return self._in_memory.get(asset) or self._open.get(asset)

    def is_bad(self, asset: bytes) -> bool:
        """Whether the file is here, whole, and no sound of ours."""
        return asset in self._bad

    async def take_up(self, asset: bytes, *, in_memory: bool) -> None:
        """The file is here: have it at hand.

        :param in_memory: it is to begin at the first word at once; a long one is not held in memory all the same.
        """
        try:
            if asset not in self._open:
                self._open_file(await asyncio.to_thread(OpusFile.at, self._cache.path(asset)), asset)
            if in_memory and self._open[asset].samples <= IN_MEMORY_SAMPLES:
                await self._decode(asset)
        except (UnsupportedAudio, AudioTooLong) as err:
            log.error("sound %s: %s", asset.hex()[:12], err)
            self._bad.add(asset)
        except (AssetError, OSError) as err:  # it went away meanwhile, and is fetched again
            log.warning("sound %s: %s", asset.hex()[:12], err)
            self.forget(asset)
        else:
            self._bad.discard(asset)

    def open_now(self, asset: bytes) -> None:
        """Have a small file at hand that nobody had announced, without a round through a thread: an order is about to sound it."""
        path = self._cache.path(asset)
        try:
            if asset not in self._open and path.stat().st_size <= AT_ONCE_BYTES:
                self._cache.check(asset)
                self._open_file(OpusFile.at(path), asset)
        except (UnsupportedAudio, AssetError, OSError) as err:  # not here, or not usable: whoever stages it finds out
            log.info("sound %s is not at hand: %s", asset.hex()[:12], err)

    def forget(self, asset: bytes) -> None:
        """It is not here any more; what sounds of it goes on as long as it can."""
        self._open.pop(asset, None)
        self._in_memory.pop(asset, None)

    def keep(self, assets: frozenset[bytes]) -> None:
        """Forget all others."""
        for asset in [asset for asset in self._open if asset not in assets]:
            self.forget(asset)
        self._bad &= assets

    def _open_file(self, file: OpusFile, asset: bytes) -> None:
        self._open[asset] = Long(
            file.samples, partial(self._reels.open, file), partial(self._reels.open, file, at_once=True)
        )

    async def _decode(self, asset: bytes) -> None:
        if asset not in self._in_memory:
            self._in_memory[asset] = await asyncio.to_thread(self._decoded, asset)
        self._in_memory.move_to_end(asset)
        while sum(len(pcm.data) for pcm in self._in_memory.values()) > MAX_DECODED_BYTES:
            self._in_memory.popitem(last=False)

    def _decoded(self, asset: bytes) -> Pcm:
        return decode(self._cache.get(asset))
