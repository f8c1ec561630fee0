"""Fetches sound files over HTTP by their content hash into the speaker's cache: resumed, checked, tried again."""

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

import aiohttp

from audio_assets.library import AssetError, AssetLibrary

log = logging.getLogger(__name__)

MAX_ASSET_BYTES = 16 * 1024 * 1024  # 30 minutes at 64 kbit/s; more is no file of ours
ATTEMPTS = 8
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
_CHUNK_BYTES = 65_536
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10, sock_connect=5, sock_read=10)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


class FetchError(AssetError):
    """The file was not got; `sha256` names it."""


class AssetNotOffered(FetchError):
    """The server has no such file, or doesn't give it to us: asking again is no use."""

    def __init__(self, sha256: bytes, status: int) -> None:
        super().__init__(sha256, f"the server answers {status}")
        self.status = status


class AssetTooLarge(FetchError):
    """More bytes than the order said, or than we take."""

    def __init__(self, sha256: bytes, limit_bytes: int) -> None:
        super().__init__(sha256, f"larger than the {limit_bytes} bytes that were announced")
        self.limit_bytes = limit_bytes


class AssetForged(FetchError):
    """All bytes came, and they are not what the hash says."""

    def __init__(self, sha256: bytes) -> None:
        super().__init__(sha256, "the content that came does not match its hash")


class FetchGivenUp(FetchError):
    """Every attempt failed; `last` is what the last one met."""

    def __init__(self, sha256: bytes, attempts: int, last: str) -> None:
        super().__init__(sha256, f"not got in {attempts} attempts; the last: {last}")
        self.attempts, self.last = attempts, last


class _Broken(Exception):
    """This attempt failed; what came so far is kept and the next one goes on from there."""


@dataclass(slots=True)
class _Download:
    sha256: bytes
    size_bytes: int
    got: bytearray = field(default_factory=bytearray)


class AssetFetcher:
    """Gets files of `BASE/assets/<sha256>` (取文件) and puts them into a library.

    :param base_url: without a slash at the end.
    :param sleep: waits between attempts, seconds.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        library: AssetLibrary,
        *,
        random: Random,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._session, self._base_url, self._library = session, base_url.rstrip("/"), library
        self._random, self._attempts, self._sleep = random, attempts, sleep
        self._under_way: dict[bytes, asyncio.Task[None]] = {}

    async def fetch(self, sha256: bytes, size_bytes: int) -> None:
        """Have the file in the library. At once when it is there; one download however many ask.

        :param size_bytes: what the order says; a byte more ends the download.
        :raises FetchError: AssetNotOffered, AssetTooLarge, AssetForged or FetchGivenUp.
        :raises LibraryFull: the cache has no room.
        """
        if self._library.has(sha256):
            return
        if not 0 < size_bytes <= MAX_ASSET_BYTES:
            raise AssetTooLarge(sha256, MAX_ASSET_BYTES)
        task = self._under_way.get(sha256)
        if task is None:
            task = asyncio.create_task(self._persist(_Download(sha256, size_bytes)), name=f"fetch {sha256.hex()[:12]}")
            self._under_way[sha256] = task
            task.add_done_callback(lambda done: self._settle(sha256, done))
        await asyncio.shield(task)

    async def close(self) -> None:
        """Give up what is under way. The session belongs to whoever made it."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _settle(self, sha256: bytes, done: "asyncio.Task[None]") -> None:
        del self._under_way[sha256]
        if not done.cancelled() and (err := done.exception()):  # looked at, also when nobody waits any more
            log.warning("%s", err)

    async def _persist(self, download: _Download) -> None:
        last, forged = "", False
        for attempt in range(self._attempts):
            if attempt:
                await self._sleep(self._random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)))
            try:
                await self._attempt(download)
            except (_Broken, aiohttp.ClientError, TimeoutError) as err:
                last = str(err) or type(err).__name__
                log.info("sound %s: attempt %d: %s", download.sha256.hex()[:12], attempt + 1, last)
                continue
            if hashlib.sha256(download.got).digest() == download.sha256:
                await asyncio.to_thread(self._library.put, bytes(download.got))
                return
            if forged:  # once may be a resume across a repaired file or a bad cache on the way
                raise AssetForged(download.sha256)
            forged, last = True, "the content did not match"
            download.got.clear()
        raise FetchGivenUp(download.sha256, self._attempts, last)

    async def _attempt(self, download: _Download) -> None:
        """Get what is missing.

        :raises _Broken, aiohttp.ClientError, TimeoutError: worth another attempt.
        """
        headers = {"Accept-Encoding": "identity"}
        if download.got:
            headers["Range"] = f"bytes={len(download.got)}-"
        url = f"{self._base_url}/assets/{download.sha256.hex()}"
        async with self._session.get(url, headers=headers, timeout=_TIMEOUT, allow_redirects=False) as answer:
            _set_start(download, answer)
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                if len(download.got) + len(chunk) > download.size_bytes:
                    raise AssetTooLarge(download.sha256, download.size_bytes)
                download.got += chunk
        if len(download.got) < download.size_bytes:
            raise _Broken(f"{len(download.got)} of {download.size_bytes} bytes came")


def _set_start(download: _Download, answer: aiohttp.ClientResponse) -> None:
    """Agree with the server where its bytes begin."""
    match answer.status:
        case 200:
            download.got.clear()
        case 206:
            found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != len(download.got):
                download.got.clear()
                raise _Broken("the server went on at another place")
        case 416:
            download.got.clear()
            raise _Broken("the server has no such range")
        case 408 | 425 | 429 | 500 | 502 | 503 | 504:
            raise _Broken(f"the server answers {answer.status}")
        case status:
            raise AssetNotOffered(download.sha256, status)
