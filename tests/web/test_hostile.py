"""Those who want to keep officers out: the trigger is served all the same."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientError

from broadcast.web import bodies, guard
from tests.town import town
from tests.web.browser import machine, order, served, visitor

HEAD = b"POST /api/v1/broadcasts HTTP/1.1\r\nHost: x\r\n"


async def trickle(base: str, count: int) -> list[asyncio.StreamWriter]:
    """Sockets that have begun to ask and never finish."""
    host, port = base.removeprefix("http://").split(":")
    writers = []
    for _ in range(count):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(HEAD)
        writers.append(writer)
    return writers


async def test_five_hundred_trickling_sockets_and_a_trigger_at_once() -> None:
    async with town() as there, machine(there, per_loopback=200) as client:
        writers = await trickle(str(client._base_url).rstrip("/"), 500)
        for writer in writers:
            writer.write(b"X-Slow: 1\r\n")
        began = time.perf_counter()
        assert (await client.post("/api/v1/broadcasts", json=order())).status == 202
        took_ms = (time.perf_counter() - began) * 1000
        print(f"trigger beside 500 trickling sockets: {took_ms:.1f} ms")
        assert took_ms < 500
        for writer in writers:
            writer.close()


async def test_a_head_that_is_not_whole_in_time_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "HEAD_WITHIN_S", 0.3)
    async with town() as there, served(there) as base:
        host, port = base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        began = time.perf_counter()
        for _ in range(20):
            writer.write(b"G" if _ == 0 else b"E")
            try:
                async with asyncio.timeout(0.1):
                    if await reader.read() == b"":
                        break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert 0.2 < time.perf_counter() - began < 1.0
        writer.close()


async def test_an_address_that_has_enough_busy_connections_gets_no_more_and_others_do() -> None:
    async with town() as there, served(there, per_address=3) as base:
        token = {"Authorization": f"Bearer {await there.sign_in()}"}
        async with visitor(base, "127.0.0.2") as greedy, visitor(base, "127.0.0.3") as other:
            streams = [await greedy.get("/api/v1/events", headers=token) for _ in range(3)]
            with pytest.raises(ClientError):
                await greedy.get("/healthz")
            assert (await other.get("/healthz")).status == 200
            for stream in streams:
                stream.close()


async def test_a_packed_body_is_refused_without_being_unpacked() -> None:
    """200 MB of zeros are 200 kB of gzip; here they are sent as both."""
    async with town() as there, machine(there) as client:
        packed = gzip.compress(b"\0" * 200_000_000)
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        began = time.perf_counter()
        answer = await client.post("/api/v1/broadcasts", data=packed, headers=headers)
        assert (answer.status, (await answer.json())["type"]) == (415, "/problems/unsupported-body")
        print(f"bomb of {len(packed)} bytes refused in {(time.perf_counter() - began) * 1000:.1f} ms")
        assert (await client.post("/api/v1/broadcasts", json=order())).status == 202


async def test_two_hundred_megabytes_are_refused_while_a_trigger_is_served() -> None:
    async with town() as there, machine(there) as client, visitor(str(client._base_url)) as sender:

        async def flood() -> AsyncIterator[bytes]:
            for _ in range(200):
                yield b"\x1f\x8b" + b"x" * 1_000_000

        async def send() -> int:
            headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
            headers |= {"Authorization": client.headers["Authorization"]}
            try:
                async with sender.post("/api/v1/broadcasts", data=flood(), headers=headers) as answer:
                    return answer.status
            except ClientError:
                return 0  # we hung up while it was still sending

        sending = asyncio.create_task(send())
        took = []
        for _ in range(20):
            began = time.perf_counter()
            async with client.post("/api/v1/broadcasts", json=order(areas=["130281100000"])) as answer:
                assert answer.status == 202
            took.append((time.perf_counter() - began) * 1000)
        assert await sending in (0, 415)
        print(f"trigger beside 200 MB: max {max(took):.1f} ms")
        assert max(took) < 500


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_body_is_refused(chunked: bool) -> None:
    async with town() as there, machine(there) as client:

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b" " * 1024

        body = pieces() if chunked else b" " * 100_000
        answer = await client.post("/api/v1/broadcasts", data=body, headers={"Content-Type": "application/json"})
        assert (answer.status, (await answer.json())["type"]) == (413, "/problems/body-too-large")


async def test_a_body_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WITHIN_S", 0.3)
    async with town() as there, machine(there) as client:

        async def slow() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b" "
                await asyncio.sleep(0.1)

        answer = await client.post("/api/v1/broadcasts", data=slow(), headers={"Content-Type": "application/json"})
        assert answer.status == 408


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_form_of_another_site_could_send_is_no_json(media: str) -> None:
    async with town() as there, machine(there) as client:
        answer = await client.post("/api/v1/broadcasts", data=b"{}", headers={"Content-Type": media})
        assert answer.status == 415


async def test_stored_markup_is_shown_as_text() -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    async with town() as there, machine(there) as client:
        made = await (await client.post("/api/v1/broadcasts", json=order(text=evil, headline=evil))).json()
        for path in ("/emergency", f"/emergency/broadcasts/{made['id']}", f"/emergency/broadcasts/{made['id']}/stop"):
            answer = await client.get(path)
            page = await answer.text()
            assert "<script>alert" not in page and "<img src=x" not in page
            assert "&lt;script&gt;alert" in page
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
            assert "unsafe" not in answer.headers["Content-Security-Policy"]


async def test_every_answer_carries_what_browsers_are_to_heed() -> None:
    async with town() as there, machine(there) as client:
        for path in ("/emergency", "/api/v1/session", "/static/desk.js", "/healthz", "/nothing", "/assets/" + "0" * 64):
            answer = await client.get(path)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Request-ID"]
            assert "Server" not in answer.headers
