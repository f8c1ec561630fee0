"""`kill -9` while an officer speaks: nobody is left on the air, and what went out until then is evidence."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from audio_assets.library import AssetLibrary
from audio_assets.live_codec import LiveEncoder
from audio_assets.ogg_pages import frames_of
from audio_assets.tones import melody
from broadcast.domain.broadcasts import Life
from broadcast.store.store import open_store
from tests.system.city import CITY, OFFICER, ServerProcess
from tests.system.kills import PASSWORD, first_data

SPEAKS_S = 3.0


async def signed_in(session: aiohttp.ClientSession, server: ServerProcess) -> dict[str, str]:
    body = {"name": OFFICER.name, "password": PASSWORD}
    async with session.post(f"{server.url}/api/v1/session", json=body) as answer:
        assert answer.status == 200, await answer.text()
        return {"Authorization": f"Bearer {(await answer.json())['token']}"}


async def speak(session: aiohttp.ClientSession, server: ServerProcess, who: dict[str, str]) -> tuple[str, int]:
    """Speak until killed; the order, and how many frames had been fed by then."""
    frames = LiveEncoder().encode(melody().slice_ms(0, 8_000).data)
    asked = {"type": "open", "sound": "opus", "areas": [CITY], "minutes": 5, "tone": "none"}
    async with session.ws_connect(f"{server.url}/api/v1/live/microphone", headers=who) as socket:
        await socket.send_json(asked)
        assert (await socket.receive_json(timeout=10))["state"] == "prelisten"
        await socket.send_json({"type": "begin"})
        state = await socket.receive_json(timeout=10)
        while not state["order"]:
            state = await socket.receive_json(timeout=10)
        began, n = time.monotonic(), 0
        while time.monotonic() - began < SPEAKS_S:
            await socket.send_bytes(n.to_bytes(4, "big") + frames[n])
            n += 1
            await asyncio.sleep(max(0.0, began + n * 0.02 - time.monotonic()))
        os.kill(server.pid, signal.SIGKILL)
        return str(state["order"]), n


@pytest.mark.parametrize("twice", [False, True])
async def test_a_killed_servers_microphone_is_off_the_air_and_its_recording_is_kept(
    tmp_path: Path, twice: bool
) -> None:
    (tmp_path / "data").mkdir()
    await first_data(tmp_path / "data", 1)
    server = ServerProcess(tmp_path)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            await server.ready(session)
            order, fed = await speak(session, server, await signed_in(session, server))
            for _ in range(1 + twice):
                await server.start()
                await server.ready(session)
                os.kill(server.pid, signal.SIGKILL if twice else signal.SIGTERM)
                await asyncio.sleep(1)
    finally:
        with suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGKILL)
    store = open_store(f"sqlite:///{tmp_path / 'data' / 'lianbo.db'}", exclusive=False)
    records, kept = await store.read(lambda tx: (tx.live.of(order), tx.broadcasts.get(order)))
    await store.close()
    (record,) = records
    assert record.why == "crash"
    recorded = frames_of(AssetLibrary(tmp_path / "data" / "assets").get(record.sha256))
    sent = LiveEncoder().encode(melody().slice_ms(0, 8_000).data)
    first = sent.index(recorded[0])
    assert recorded == sent[first : first + len(recorded)]
    assert first + len(recorded) >= fed - 15, "all but what was on its way in"
    assert record.sound_ms == len(recorded) * 20
    assert list((tmp_path / "data" / "live").iterdir()) == []
    assert kept is not None and kept.life is Life.STOPPED
