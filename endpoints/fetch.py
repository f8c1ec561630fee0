"""Fetches sound files over HTTP by their content hash into the speaker's cache: resumed, checked, tried again."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from random import Random
from typing import BinaryIO

import aiohttp

from audio_assets.cache import AssetCache
from audio_assets.library import AssetDamaged, AssetError
from endpoints.orders import MAX_ASSET_BYTES

log = logging.getLogger(__name__)

ATTEMPTS = 8
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
LONGEST_RETRY_AFTER_S = 900.0
UNSAID_RETRY_S = 30.0
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


class ServerBusy(FetchError):
    """The server asks us to come back later: it lets only so many of a township in at a time."""

    def __init__(self, sha256: bytes, retry_after_s: float) -> None:
        super().__init__(sha256, f"the server asks for {retry_after_s:.0f} s of patience")
        self.retry_after_s = retry_after_s


class _Broken(Exception):
    """This attempt failed; what came so far is kept and the next one goes on from there."""


class AssetFetcher:
    """Gets files of `BASE/assets/<sha256>` (取文件) into a cache. What has come of one is on the disk, and outlives a restart.

    :param base_url: without a slash at the end.
    :param sleep: waits between attempts, seconds.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        cache: AssetCache,
        *,
        random: Random,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._session, self._base_url, self._cache = session, base_url.rstrip("/"), cache
        self._random, self._attempts, self._sleep = random, attempts, sleep

    async def fetch(self, sha256: bytes, size_bytes: int) -> None:
        """Have the file in the cache. At once when it is there. One at a time for each file; cancelled, it can go on later.

        :param size_bytes: what the order says; a byte more ends the download.
        :raises FetchError: AssetNotOffered, AssetTooLarge, AssetForged, ServerBusy or FetchGivenUp.
        :raises LibraryFull: the cache has no room. :raises OSError: the disk is full or broken.
        """
        if self._cache.has(sha256):
            return
        if not 0 < size_bytes <= MAX_ASSET_BYTES:
            raise AssetTooLarge(sha256, MAX_ASSET_BYTES)
        await asyncio.to_thread(self._cache.reserve, sha256, size_bytes)
        try:
            await self._persist(sha256, size_bytes)
        finally:
            self._cache.drop_empty_part(sha256)

    async def _persist(self, sha256: bytes, size_bytes: int) -> None:
        last, forged = "", False
        for attempt in range(self._attempts):
            if attempt:
                await self._sleep(self._random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)))
            try:
                await self._attempt(sha256, size_bytes)
            except (_Broken, aiohttp.ClientError, TimeoutError) as err:
                last = str(err) or type(err).__name__
                log.info("sound %s: attempt %d: %s", sha256.hex()[:12], attempt + 1, last)
                continue
            try:
                await asyncio.to_thread(self._cache.adopt, sha256)
                return
            except AssetDamaged:
                if forged:  # once may be a resume across a repaired file or a bad cache on the way
                    raise AssetForged(sha256) from None
                forged, last = True, "the content did not match"
        raise FetchGivenUp(sha256, self._attempts, last)

    async def _attempt(self, sha256: bytes, size_bytes: int) -> None:
        """Get what is missing.

        :raises _Broken, aiohttp.ClientError, TimeoutError: worth another attempt.
        """
        with self._cache.part(sha256).open("ab") as part:
            if part.tell() > size_bytes:
                _empty(part)
            if part.tell() == size_bytes:
                return
            headers = {"Accept-Encoding": "identity"}
            if part.tell():
                headers["Range"] = f"bytes={part.tell()}-"
            url = f"{self._base_url}/assets/{sha256.hex()}"
            async with self._session.get(url, headers=headers, timeout=_TIMEOUT, allow_redirects=False) as answer:
                _set_start(sha256, part, answer)
                async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                    if part.tell() + len(chunk) > size_bytes:
                        _empty(part)
                        raise AssetTooLarge(sha256, size_bytes)
                    part.write(chunk)
            if part.tell() < size_bytes:
                raise _Broken(f"{part.tell()} of {size_bytes} bytes came")


def _set_start(sha256: bytes, part: BinaryIO, answer: aiohttp.ClientResponse) -> None:
    """Agree with the server where its bytes begin."""
    match answer.status:
        case 200:
            _empty(part)
        case 206:
            found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != part.tell():
                _empty(part)
                raise _Broken("the server went on at another place")
        case 416:
            _empty(part)
            raise _Broken("the server has no such range")
        case 429 | 503 if "Retry-After" in answer.headers:
            raise ServerBusy(sha256, _retry_after_s(answer))
        case 408 | 425 | 429 | 500 | 502 | 503 | 504:
            raise _Broken(f"the server answers {answer.status}")
        case status:
            raise AssetNotOffered(sha256, status)


def _empty(part: BinaryIO) -> None:
    part.seek(0)
    part.truncate()


def _retry_after_s(answer: aiohttp.ClientResponse) -> float:
    """Seconds, or the time of day by the server's own clock (RFC 9110 §10.2.3)."""
    value = answer.headers["Retry-After"].strip()
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_RETRY_AFTER_S)
    try:
        then, now = (parsedate_to_datetime(text) for text in (value, answer.headers["Date"]))
        return min(max(0.0, (then - now).total_seconds()), LONGEST_RETRY_AFTER_S)
    except (ValueError, TypeError, KeyError):
        return UNSAID_RETRY_S
