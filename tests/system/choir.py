"""Several real speakers that sound together: `lianbo speaker` processes at channels of one sink, and a server that orders it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from audio_assets.codec import encode
from audio_assets.pcm import Pcm
from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.speakers import Speaker, default_id
from broadcast.server import Server
from broadcast.service.presence import Presence
from config.settings import load
from endpoints.delivery import State
from endpoints.protocol import Kind, Severity, Tone
from endpoints.provisioning import write_provisioning
from tests.system.city import OFFICER, environment, until

VILLAGE = "130281001001"
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def choir(folder: Path, cards: Sequence[str], process_environment: Mapping[str, str]) -> AsyncIterator[Server]:
    """A server, its broker, and a speaker of one village at each card, online."""
    settings = {"RULES_QUIET_FROM": "00:00", "RULES_QUIET_UNTIL": "00:00"}
    server = Server(load(environment=environment(folder / "data", **settings)))
    await server.start()
    try:
        names = [default_id(VILLAGE, n + 1) for n in range(len(cards))]
        await server.estate.enrol([Speaker(name, VILLAGE, "x") for name in names], by=OFFICER)
        server.refresh_users()
        async with _singing(server, folder, dict(zip(names, cards, strict=True)), process_environment):
            await until(lambda: server.speakers.counts()[Presence.ONLINE] == len(cards), "all online", within_s=30)
            yield server
    finally:
        await server.stop()


async def sing(server: Server, song: Pcm, *, kind: Kind = Kind.NOTICE) -> str:
    """One order with this sound, to its end; its id. A notice without a tone, an emergency with its own."""
    asset = server.library.put(encode(song))
    urgent = kind is Kind.EMERGENCY
    command = StartBroadcast(
        kind,
        (VILLAGE,),
        severity=Severity.RED if urgent else Severity.UNKNOWN,
        asset=asset,
        tone=None if urgent else Tone.NONE,
        repeats=1,
        volume_percent=100,
    )
    order = (await server.broadcasts.start(command, by=OFFICER)).ids[0]
    within_s = song.duration_ms / 1000 + 20
    await until(lambda: _all_done(server, order), "sung to the end", within_s=within_s)
    return order


def _all_done(server: Server, order: str) -> bool:
    counts = server.ladder.counts(order) or {}
    return set(counts) == {State.DONE}


@asynccontextmanager
async def _singing(
    server: Server, folder: Path, cards: Mapping[str, str], process_environment: Mapping[str, str]
) -> AsyncIterator[None]:
    running = []
    try:
        for name, card in cards.items():
            file = folder / f"{name}.json"
            write_provisioning(file, server.provisioning().only(name))
            options = (str(file), "--state", str(folder / name), "--sound", f"pyaudio:{card}")
            with (folder / f"{name}.log").open("wb") as log:
                running.append(
                    await asyncio.create_subprocess_exec(
                        *(sys.executable, "-m", "broadcast.main", "speaker", *options),
                        env={**process_environment, "PYTHONPATH": str(ROOT)},
                        stdout=log,
                        stderr=log,
                    )
                )
        yield
    finally:
        for one in running:
            if one.returncode is None:
                one.terminate()
        for one in running:
            await asyncio.wait_for(one.wait(), 15)
