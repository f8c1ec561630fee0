"""Sounds on a real server: uploaded, approved, fetched and sounded by speakers, killed half-way, ten at once beside a trigger."""

import asyncio
import os
import sqlite3
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from broadcast.clock import SystemClock
from broadcast.service.officers import Officers
from broadcast.service.passwords import Argon2Hasher
from broadcast.store.store import open_store
from endpoints.delivery import State
from tests.audio_assets.samples import long_sample, made, sample, voice
from tests.system.city import CITY, OFFICER, ServerProcess, city, until
from tests.system.test_disk import small_disk

PASSWORD = "correct horse battery staple"
RAW = {"Content-Type": "application/octet-stream"}
KILLS = 6


@asynccontextmanager
async def visitor(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        answer = await session.post("/api/v1/session", json={"name": OFFICER.name, "password": PASSWORD})
        assert answer.status < 300, await answer.text()
        yield session


async def send(session: aiohttp.ClientSession, data: bytes, name: str, **fields: str) -> aiohttp.ClientResponse:
    params = {"name": name, "licence": "自行录制", **fields}
    return await session.post("/api/v1/assets", data=data, params=params, headers=RAW)


async def settled(session: aiohttp.ClientSession, where: str) -> dict[str, Any]:
    for _ in range(600):
        shown: dict[str, Any] = await (await session.get(where)).json()
        if shown["state"] in ("ready", "refused"):
            return shown
        await asyncio.sleep(0.05)
    raise AssertionError(shown)


async def test_an_uploaded_sound_is_heard_in_the_village_and_deleted_only_afterwards(tmp_path: Path) -> None:
    async with city(tmp_path, count=5) as there:
        await there.server.officers.add(OFFICER, PASSWORD, by=OFFICER)
        async with visitor(there.server.address) as session:
            answer = await send(session, sample("mp3"), "早安遵化", file_name="早安.wav")
            ready = await settled(session, answer.headers["Location"])
            assert ready["state"] == "ready", ready
            assert ready["sound"]["misnamed"] == "wav"
            where, sha256 = answer.headers["Location"], ready["sound"]["sha256"]

            part = await session.get(f"{where}/audio", headers={"Range": "bytes=0-3"})
            assert (part.status, await part.read(), part.content_type) == (206, b"OggS", "audio/ogg")
            wave = await (await session.get(f"{where}/waveform", params={"points": 50})).json()
            assert 40 <= len(wave["pairs"]) <= 50
            assert (await session.post(f"{where}/approve", json={"sha256": sha256})).status == 200

            order = {"kind": "notice", "areas": [CITY], "asset": sha256, "minutes": 5, "repeats": 20}
            started = await (await session.post("/api/v1/broadcasts", json=order)).json()
            await there.all_in(started["id"], State.SOUNDING)
            for speaker in there.simulator.speakers.values():
                assert speaker.sounds == started["id"]

            refused = await session.delete(where)
            assert (refused.status, (await refused.json())["uses"][0]["id"]) == (409, started["id"])
            await session.post(f"/api/v1/broadcasts/{started['id']}/stop")

            past = "2001-01-01T00:00:00+08:00"
            assert (await session.post(f"{where}/expire", json={"expires": past})).status == 200
            again = await session.post("/api/v1/broadcasts", json=order)
            assert [fault["code"] for fault in (await again.json())["errors"]] == ["expired-asset"]
            assert (await session.delete(where)).status == 204
            assert (await session.get(f"/assets/{sha256}")).status == 404
            gone = await session.post("/api/v1/broadcasts", json=order)
            assert [fault["code"] for fault in (await gone.json())["errors"]] == ["unknown-asset"]


async def test_kill_9_at_any_point_leaves_no_half_of_a_sound(tmp_path: Path) -> None:
    server, dice, folder = ServerProcess(tmp_path), Random(4), tmp_path / "data"
    await add_officer(folder)
    states: list[str] = []
    async with aiohttp.ClientSession() as watching:
        for attempt in range(KILLS + 1):
            await server.start()
            await server.ready(watching)
            kept = rows(folder)
            assert files(folder) == sorted(f"{sha256.hex()}.opus" for sha256 in kept), states
            if attempt == KILLS:
                break
            async with visitor(server.url) as session:
                sending = asyncio.create_task(upload_and_wait(session, made(voice(4.0, seed=attempt), "wav"), attempt))
                if attempt % 2:
                    await until(
                        lambda: between_file_and_row(folder), "the file is made, its row perhaps not yet written"
                    )
                else:
                    await asyncio.sleep(dice.choice((0.01, 0.1, 0.3, 1.5)))
                await server.kill()
                states.append(await sending)
        await server.stop()
    print(f"killed {KILLS} times: {states}; {len(rows(folder))} sounds kept")


def between_file_and_row(folder: Path) -> bool:
    return bool(list((folder / "assets" / "incoming").glob("*.settling")))


async def upload_and_wait(session: aiohttp.ClientSession, data: bytes, number: int) -> str:
    """How far it got before the server died."""
    state = "sending"
    try:
        answer = await send(session, data, f"sound {number}")
        state = "received"
        state = (await settled(session, answer.headers["Location"]))["state"]
    except (aiohttp.ClientError, OSError):
        pass
    return state


async def add_officer(folder: Path) -> None:
    """Before the first start of a server there."""
    os.makedirs(folder, 0o700)  # noqa: PTH103
    store, hasher = open_store(f"sqlite:///{folder / 'lianbo.db'}"), Argon2Hasher()
    await Officers(clock=SystemClock(), store=store, hasher=hasher).add(OFFICER, PASSWORD, by=OFFICER)
    hasher.close()
    await store.close()


def rows(folder: Path) -> list[bytes]:
    with sqlite3.connect(folder / "lianbo.db") as connection:
        return [row[0] for row in connection.execute("SELECT DISTINCT sha256 FROM asset")]


def files(folder: Path) -> list[str]:
    """All that the library and its folder of what is under way hold; speech would have its own folder."""
    library = folder / "assets"
    under_way = [path.name for path in (library / "incoming").iterdir()]
    return sorted([*(path.name for path in library.iterdir() if path.is_file()), *under_way])


@pytest.mark.alone
async def test_ten_uploads_at_once_do_not_delay_a_trigger(tmp_path: Path) -> None:
    await add_officer(tmp_path / "data")
    server = ServerProcess(tmp_path)
    async with aiohttp.ClientSession() as watching:
        await server.start()
        await server.ready(watching)
        async with visitor(server.url) as session:
            alone = await triggers(session, 15)
            before_kib = resident_kib(server.pid)
            await send(session, long_sample(10), "one that takes its time")
            sender = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.system.uploader", str(server.port), cookie_of(session), "40"),
                stdout=asyncio.subprocess.PIPE,
            )
            assert sender.stdout is not None
            first, beside = asyncio.create_task(sender.stdout.readline()), []
            while not first.done():  # until the first of them has been taken
                beside += await triggers(session, 1)
            said = [await first, *(await sender.communicate())[0].splitlines()]
            assert [line.split()[0] for line in said] == [b"202"] * 10, said
            while_probing = await triggers(session, 15)
            after_kib = resident_kib(server.pid)
            print(
                f"trigger alone {quick(alone)}, beside ten uploads {quick(beside)}, while they are examined"
                f" {quick(while_probing)}; server {before_kib // 1024} → {after_kib // 1024} MB"
            )
            assert len(beside) >= 5, "triggers went out while the files came in"
            assert statistics.median(beside) < 0.25 and max(beside) < 1.5
            assert statistics.median(while_probing) < 0.25
            assert after_kib - before_kib < 60 * 1024, "400 MB came in and were not held"
        await server.stop()


def cookie_of(session: aiohttp.ClientSession) -> str:
    return "; ".join(f"{cookie.key}={cookie.value}" for cookie in session.cookie_jar)


def quick(times_s: list[float]) -> str:
    return f"p50 {1000 * statistics.median(times_s):.0f} ms, max {1000 * max(times_s):.0f} ms"


async def triggers(session: aiohttp.ClientSession, count: int) -> list[float]:
    """How long each took to be durable and on its way."""
    order, took = {"kind": "emergency", "severity": "red", "areas": [CITY], "minutes": 1}, []
    for _ in range(count):
        began = time.monotonic()
        answer = await session.post("/api/v1/broadcasts", json=order)
        took.append(time.monotonic() - began)
        assert answer.status == 202
        await session.post("/api/v1/stop-all")
        await asyncio.sleep(0.02)
    return took


def resident_kib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])


async def test_on_a_full_disk_a_sound_is_refused_and_a_trigger_goes_out(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", megabytes=28):
        async with city(tmp_path / "small", count=3, BROKER_PERSISTENCE="false", ASSETS_KEEP_FREE_MB=20) as there:
            await there.server.officers.add(OFFICER, PASSWORD, by=OFFICER)
            async with visitor(there.server.address) as session:
                answer = await send(session, made(voice(60.0), "wav"), "too much")
                assert (answer.status, (await answer.json())["type"]) == (507, "/problems/no-room")
                order = {"kind": "emergency", "severity": "red", "areas": [CITY], "minutes": 1}
                assert (await session.post("/api/v1/broadcasts", json=order)).status == 202
            incoming = tmp_path / "small" / "data" / "assets" / "incoming"
            await until(lambda: not list(incoming.iterdir()), "nothing of it is left")


async def test_the_server_says_how_sounds_are_taken_apart_and_never_loads_a_decoder(tmp_path: Path) -> None:
    async with city(tmp_path, count=1) as there:
        await there.server._look_after_sounds()
        held = {one.name for one in there.server.health.conditions} & {"sandbox-limits-alone", "sandbox-broken"}
        said = await there.server.workshop.conditions()
        assert held == {name for name, cause in said.items() if cause}
        assert "sandbox-broken" not in held
    maps = await loaded_by_a_server(tmp_path / "another")
    assert "libavcodec" not in maps and "numpy" not in maps


async def loaded_by_a_server(folder: Path) -> str:
    """The libraries that a server process holds after it has taken a sound in."""
    await add_officer(folder / "data")
    server = ServerProcess(folder)
    async with aiohttp.ClientSession() as watching:
        await server.start()
        await server.ready(watching)
        async with visitor(server.url) as session:
            answer = await send(session, sample("mp3"), "one")
            assert (await settled(session, answer.headers["Location"]))["state"] == "ready"
        maps = mapped(server.pid)
        print(f"server after an upload: {resident_kib(server.pid) // 1024} MB")
        await server.stop()
    return maps


def mapped(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()
