"""Worthless reports by the thousand, from stolen boxes: counted, shown, never believed; the next alert goes out all the same."""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

from broadcast.server import Server
from broadcast.service.presence import Presence
from config.settings import load
from endpoints.delivery import State
from endpoints.provisioning import write_provisioning
from endpoints.simulator import Simulator
from tests.system.city import OFFICER, RED, City, environment, some_speakers, until

HONEST, STOLEN = 40, 4
PER_S, SECONDS = 10_000, 3.0
ENOUGH_PER_S = 4_000  # what this machine must bring up at least, for the test to say something
COUNTED = ("malformed", "forged", "too_fast", "impossible", "unknown_order", "stale_hello")


async def test_ten_thousand_worthless_reports_a_second_are_counted_and_not_believed_and_an_alert_goes_out(
    tmp_path: Path,
) -> None:
    server = Server(load(environment=environment(tmp_path / "data", BROKER_PERSISTENCE="false")))
    await server.start()
    try:
        speakers = some_speakers(server, HONEST + STOLEN)
        stolen = [one.id for one in speakers[HONEST:]]
        await server.estate.enrol(speakers, by=OFFICER)
        server.refresh_users()
        told = server.provisioning()
        write_provisioning(tmp_path / "stolen.json", replace(told, speakers=told.speakers[HONEST:]))
        simulator = Simulator(told, only=[one.id for one in speakers[:HONEST]], seed=1)
        simulator.start()
        try:
            there = City(server, simulator)
            await there.all_online()
            before = (await server.broadcasts.start(RED, by=OFFICER)).ids[0]
            await until(lambda: there.counts(before).get(State.SOUNDING) == HONEST, "the honest ones sound")
            await under_flood(there, tmp_path / "stolen.json", before, stolen)
        finally:
            await simulator.stop()
    finally:
        await server.stop()


async def under_flood(there: City, file: Path, before: str, stolen: list[str]) -> None:
    server = there.server
    command = (sys.executable, "-m", "tests.system.flood", str(file), before, str(PER_S), str(SECONDS))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert (await asyncio.wait_for(process.stdout.readline(), 20)).strip() == b"up"
    counters = server.health.counters
    await until(lambda: counters.get("reports_malformed", 0) > 200, "the flood has come")
    took_s = []
    for _ in range(3):
        began = server.clock.monotonic()
        order = (await server.broadcasts.start(RED, by=OFFICER)).ids[0]
        took_s.append(server.clock.monotonic() - began)
        await until(lambda: there.counts(order).get(State.SOUNDING) == HONEST, "all sound it", within_s=10)  # noqa: B023
        assert {one.sounds for one in there.simulator.speakers.values()} == {order}
    assert process.returncode is None, "all this was during the flood"
    sent = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
    assert await process.wait() == 0
    print(f"{sent}; accepted in {max(took_s) * 1000:.0f} ms at most; {counters}")
    assert sent["sent"] / sent["seconds"] > ENOUGH_PER_S
    await until(lambda: handled(there) >= sent["taken"] * 0.85, "all of it was looked at", within_s=30)
    for why in COUNTED:
        assert counters[f"reports_{why}"] > 0, why
    for name in stolen:
        status = server.speakers.status(name)
        assert status.bad_reports > 100, "it is shown at the speaker"
        assert status.presence is not Presence.ONLINE, "a heartbeat of yesterday shows nobody as alive"
        assert {server.ladder.state(order, name), server.ladder.state(before, name)} <= {
            State.EXPECTED,
            State.UNREACHED,
        }
    assert counters.get("broker_dropped", 0) == 0
    await server.broadcasts.stop_all(by=OFFICER)
    await until(lambda: there.simulator.sounding == 0, "silence")
    assert there.online == HONEST


def handled(there: City) -> int:
    """Reports that came to some end. An eighth of what the broker takes never reaches us: its access list says so."""
    return sum(count for name, count in there.server.health.counters.items() if name.startswith("reports"))
