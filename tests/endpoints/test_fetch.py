"""Sound files over a network that breaks off, against a real HTTP server."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from audio_assets.cache import AssetCache, LibraryFull
from endpoints.fetch import (
    ATTEMPTS,
    LONGEST_RETRY_AFTER_S,
    LONGEST_WAIT_S,
    UNSAID_RETRY_S,
    AssetFetcher,
    AssetForged,
    AssetNotOffered,
    AssetTooLarge,
    FetchGivenUp,
    ServerBusy,
)
from endpoints.orders import MAX_ASSET_BYTES

SOUND = Random(1).randbytes(300_000)
SHA = hashlib.sha256(SOUND).digest()

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeServer:
    """Answers as it is told, one answer a request; the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [self.whole]
        self.ranges: list[str] = []
        self.hanging = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert request.match_info["name"] == SHA.hex()
        self.ranges.append(request.headers.get("Range", ""))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)

    async def whole(self, request: web.Request) -> web.StreamResponse:
        start = request.http_range.start or 0
        headers = {"Content-Range": f"bytes {start}-{len(SOUND) - 1}/{len(SOUND)}"} if start else {}
        return web.Response(body=SOUND[start:], status=206 if start else 200, headers=headers)

    async def breaks_off(self, request: web.Request) -> web.StreamResponse:
        """100,000 bytes more, then the connection is cut."""
        start = request.http_range.start or 0
        response = web.StreamResponse(status=206 if start else 200)
        response.headers["Content-Length"] = str(len(SOUND) - start)
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(SOUND) - 1}/{len(SOUND)}"
        await response.prepare(request)
        await response.write(SOUND[start : start + 100_000])
        await asyncio.sleep(0.02)  # let it arrive before the cut
        assert request.transport is not None
        request.transport.abort()
        return response

    async def ignores_the_range(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=SOUND)

    async def goes_on_elsewhere(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=SOUND[5:], status=206, headers={"Content-Range": f"bytes 5-{len(SOUND) - 1}/300000"})

    async def forges(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(len(SOUND)))

    async def never_ends(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=SOUND + b"!")

    async def hangs(self, request: web.Request) -> web.StreamResponse:
        self.hanging.set()
        await asyncio.sleep(3600)
        raise AssertionError

    @staticmethod
    def status(status: int, headers: dict[str, str] | None = None) -> Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers=headers)

        return answer


class Bench:
    def __init__(self, server: FakeServer, fetcher: AssetFetcher, library: AssetCache, waits: list[float]) -> None:
        self.server, self.fetcher, self.library, self.waits = server, fetcher, library, waits


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    server, library, waits = FakeServer(), AssetCache(tmp_path, max_bytes=10**7), list[float]()
    app = web.Application()
    app.router.add_get("/assets/{name}", server.handle)

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with TestServer(app) as running, aiohttp.ClientSession() as session:
        fetcher = AssetFetcher(session, str(running.make_url("")), library, random=Random(7), sleep=sleep)
        yield Bench(server, fetcher, library, waits)


async def test_a_file_is_got_once_and_kept(bench: Bench) -> None:
    await bench.fetcher.fetch(SHA, len(SOUND))
    await bench.fetcher.fetch(SHA, len(SOUND))
    assert bench.library.get(SHA) == SOUND
    assert (bench.server.ranges, bench.waits) == ([""], [])


async def test_a_broken_download_goes_on_where_it_broke(bench: Bench) -> None:
    bench.server.answers = [bench.server.breaks_off, bench.server.breaks_off, bench.server.whole]
    await bench.fetcher.fetch(SHA, len(SOUND))
    assert bench.library.get(SHA) == SOUND
    assert bench.server.ranges == ["", "bytes=100000-", "bytes=200000-"]


@pytest.mark.parametrize("answer", ["ignores_the_range", "goes_on_elsewhere", "416"])
async def test_a_server_that_cannot_resume_is_asked_anew(bench: Bench, answer: str) -> None:
    second = bench.server.status(416) if answer == "416" else getattr(bench.server, answer)
    bench.server.answers = [bench.server.breaks_off, second, bench.server.whole]
    await bench.fetcher.fetch(SHA, len(SOUND))
    assert bench.library.get(SHA) == SOUND


async def test_a_busy_server_is_asked_again_after_longer_and_longer_random_waits(bench: Bench) -> None:
    bench.server.answers = [bench.server.status(503)]
    with pytest.raises(FetchGivenUp) as caught:
        await bench.fetcher.fetch(SHA, len(SOUND))
    assert (caught.value.attempts, caught.value.last) == (ATTEMPTS, "the server answers 503")
    random = Random(7)
    limits = [min(LONGEST_WAIT_S, 0.5 * 2**attempt) for attempt in range(1, ATTEMPTS)]
    assert bench.waits == [random.uniform(0, limit) for limit in limits]


@pytest.mark.parametrize("status", [403, 404, 410, 302])
async def test_what_is_not_offered_is_not_asked_for_again(bench: Bench, status: int) -> None:
    bench.server.answers = [bench.server.status(status)]
    with pytest.raises(AssetNotOffered) as caught:
        await bench.fetcher.fetch(SHA, len(SOUND))
    assert (caught.value.status, len(bench.server.ranges)) == (status, 1)


async def test_a_forged_file_never_gets_into_the_library(bench: Bench) -> None:
    bench.server.answers = [bench.server.forges]
    with pytest.raises(AssetForged):
        await bench.fetcher.fetch(SHA, len(SOUND))
    assert not bench.library.has(SHA)
    assert len(bench.server.ranges) == 2, "once more, in case a cache on the way was broken"


async def test_a_byte_more_than_announced_ends_it(bench: Bench) -> None:
    bench.server.answers = [bench.server.never_ends]
    with pytest.raises(AssetTooLarge):
        await bench.fetcher.fetch(SHA, len(SOUND))
    for size in (0, -1, MAX_ASSET_BYTES + 1):
        with pytest.raises(AssetTooLarge):
            await bench.fetcher.fetch(SHA, size)


async def test_what_came_before_the_power_went_is_not_fetched_again(tmp_path: Path, bench: Bench) -> None:
    bench.server.answers = [bench.server.breaks_off, bench.server.status(404)]
    with pytest.raises(AssetNotOffered):
        await bench.fetcher.fetch(SHA, len(SOUND))
    bench.server.answers = [bench.server.whole]
    bench.fetcher._cache = again = AssetCache(tmp_path, max_bytes=10**7)
    await bench.fetcher.fetch(SHA, len(SOUND))
    assert again.get(SHA) == SOUND
    assert bench.server.ranges == ["", "bytes=100000-", "bytes=100000-"]


async def test_a_part_that_was_complete_when_the_power_went_needs_no_server(bench: Bench) -> None:
    bench.library.part(SHA).write_bytes(SOUND)
    await bench.fetcher.fetch(SHA, len(SOUND))
    assert (bench.library.get(SHA), bench.server.ranges) == (SOUND, [])


async def test_a_part_that_rotted_on_the_disk_is_fetched_anew(bench: Bench) -> None:
    bench.library.part(SHA).write_bytes(bytes(200_000))
    await bench.fetcher.fetch(SHA, len(SOUND))
    assert bench.library.get(SHA) == SOUND
    assert bench.server.ranges == ["bytes=200000-", ""]


async def test_one_that_is_cancelled_goes_on_later(bench: Bench) -> None:
    bench.server.answers = [bench.server.breaks_off, bench.server.hangs, bench.server.whole]
    task = asyncio.create_task(bench.fetcher.fetch(SHA, len(SOUND)))
    await bench.server.hanging.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await bench.fetcher.fetch(SHA, len(SOUND))
    assert bench.library.get(SHA) == SOUND
    assert bench.server.ranges[-1] == "bytes=100000-"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("99999", LONGEST_RETRY_AFTER_S),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
        ("-5", UNSAID_RETRY_S),
        ("soon", UNSAID_RETRY_S),
        ("Wed, 21 Oct 2026 07:28:30 -0000", UNSAID_RETRY_S),
    ],
)
async def test_a_server_that_asks_for_patience_is_left_alone_for_so_long(
    bench: Bench, status: int, said: str, seconds: float
) -> None:
    headers = {"Retry-After": said, "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    bench.server.answers = [bench.server.status(status, headers)]
    with pytest.raises(ServerBusy) as caught:
        await bench.fetcher.fetch(SHA, len(SOUND))
    assert (caught.value.retry_after_s, len(bench.server.ranges), bench.waits) == (seconds, 1, [])


async def test_nothing_is_left_of_a_file_of_which_nothing_came(tmp_path: Path, bench: Bench) -> None:
    bench.server.answers = [bench.server.status(404)]
    with pytest.raises(AssetNotOffered):
        await bench.fetcher.fetch(SHA, len(SOUND))
    assert not any(os.scandir(tmp_path))


async def test_a_full_cache_is_said_so_before_anything_is_asked_for(tmp_path: Path, bench: Bench) -> None:
    bench.fetcher._cache = AssetCache(tmp_path / "small", max_bytes=1000)
    with pytest.raises(LibraryFull):
        await bench.fetcher.fetch(SHA, len(SOUND))
    assert bench.server.ranges == []
