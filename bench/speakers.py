"""What simulated speakers cost: `python bench/speakers.py 718 5000 12000`.

On loopback with a Mosquitto of its own. This process holds the speakers; the server (the double of the tests, a process of its
own) publishes a county-wide emergency and counts the reports. CPU is this process's, of one core.
"""

import asyncio
import gc
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from bench.links import cpu_s, resident_kib
from broadcast.transport.broker_users import server_user, speaker_user
from endpoints.provisioning import Provisioning
from endpoints.simulator import Simulator
from endpoints.simulator_program import make_room_for
from endpoints.vocabulary import Stage
from tests.brokers import running
from tests.endpoints.county import KEY, SERVER, SERVER_PASSWORD, ServerDouble, an_order, speakers, until

WITHIN_S = 300.0
SETTLE_S = 45.0  # longer than two heartbeats, in which the server confirms what was reported
IDLE_S = 60.0


def serve(port: int, wire: Connection) -> None:
    """The server's process: publish when told, answer with the seconds until every speaker has said SOUNDING."""
    asyncio.run(_serve(port, wire))


async def _serve(port: int, wire: Connection) -> None:
    server, loop = ServerDouble(port), asyncio.get_running_loop()
    await server.start()
    wire.send("up")
    while count := await loop.run_in_executor(None, wire.recv):
        began = time.monotonic()
        server.publish(an_order("o-1"))
        await until(lambda count=count: server.at("o-1", Stage.SOUNDING) == count, within_s=WITHIN_S)
        wire.send(server.last_entry_at - began)
    await server.link.stop()


async def measure(count: int) -> None:
    listed = speakers(count)
    users = [speaker_user(one.id, one.password, one.identity.scopes[1:]) for one in listed]
    with tempfile.TemporaryDirectory() as folder:
        async with running("mosquitto", Path(folder), (server_user(SERVER, SERVER_PASSWORD), *users)) as broker:
            port = broker.child.port
            mine, theirs = multiprocessing.Pipe()
            child = multiprocessing.get_context("spawn").Process(target=serve, args=(port, theirs))
            child.start()
            await asyncio.to_thread(mine.recv)
            await _measure(count, Provisioning("127.0.0.1", port, (KEY,), listed), mine)
            mine.send(0)
            await asyncio.to_thread(child.join)


async def _measure(count: int, provisioning: Provisioning, server: Connection) -> None:
    began, cpu, memory = time.monotonic(), cpu_s(), resident_kib()
    simulator = Simulator(provisioning)
    simulator.start()
    await until(lambda: simulator.connected == count, within_s=WITHIN_S)
    print(f"{count} speakers: connected in {time.monotonic() - began:.2f} s ({cpu_s() - cpu:.2f} s CPU)")
    each_kib = (resident_kib() - memory) / count
    print(f"  {resident_kib() / 1024:.0f} MiB in all, {each_kib:.1f} KiB each")
    gc.collect()
    gc.freeze()
    cpu = cpu_s()
    server.send(count)
    took_s = await asyncio.to_thread(server.recv)
    print(f"  board to the last SOUNDING at the server: {took_s:.2f} s ({cpu_s() - cpu:.2f} s CPU)")
    await asyncio.sleep(SETTLE_S)
    cpu = cpu_s()
    await asyncio.sleep(IDLE_S)
    print(f"  idle: {100 * (cpu_s() - cpu) / IDLE_S:.1f} % of a core; {resident_kib() / 1024:.0f} MiB")
    for speaker in simulator.speakers.values():
        speaker.loses_power()


if __name__ == "__main__":
    counts = [int(argument) for argument in sys.argv[1:]] or [718]
    make_room_for(max(counts))
    gc.set_threshold(50_000, 50, 1_000)  # as `lianbo simulate`
    for speakers_count in counts:
        asyncio.run(measure(speakers_count))
