"""The whole job of our server against the same generator as the floor: trigger, publish, take the reports, write them down."""

import asyncio
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.floor import CITY, ROUND_TIMEOUT_S, Round, ask, cpu_of, generator, own_cpu
from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.officers import Officer, Role
from broadcast.domain.speakers import Speaker
from broadcast.server import Server
from broadcast.service.ports import ReportRow
from broadcast.transport.broker import ManagedBroker
from config.settings import load
from endpoints.protocol import Kind, Severity, Stage
from endpoints.provisioning import write_provisioning

OFFICER = Officer("bench", "bench", Role.ADMINISTRATOR, CITY)


@dataclass(slots=True)
class Committed:
    """What is in the table, and when the commit that brought it was known."""

    counts: dict[Stage, int] = field(default_factory=lambda: dict.fromkeys(Stage, 0))
    last_at: dict[Stage, float] = field(default_factory=lambda: dict.fromkeys(Stage, 0.0))
    seen: set[tuple[str, str, Stage]] = field(default_factory=set)
    doubled: int = 0

    def add(self, rows: Sequence[ReportRow]) -> None:
        now = time.monotonic()
        for row in rows:
            key = (row.order, row.speaker, row.stage)
            self.doubled += key in self.seen
            self.seen.add(key)
            self.counts[row.stage] += 1
            self.last_at[row.stage] = now


def watch(server: Server) -> Committed:
    """Notes each commit of reports as the server itself learns of it."""
    committed, keep = Committed(), server.store.keep_reports

    def keep_and_note(rows: Sequence[ReportRow]) -> asyncio.Future[None]:
        done = keep(rows)
        done.add_done_callback(lambda future: None if future.exception() else committed.add(rows))
        return done

    server.store.keep_reports = keep_and_note  # type: ignore[method-assign]
    return committed


async def started_server(folder: Path, count: int, areas: list[str], *, engine: str) -> Server:
    """Our server with `count` speakers enrolled, on its defaults but for folder, ports and engine."""
    environment = {"LIANBO_SERVER_DATA_FOLDER": str(folder), "LIANBO_SERVER_PORT": "0", "LIANBO_BROKER_ENGINE": engine}
    server = Server(load(environment=environment))
    await server.start()
    speakers = [
        Speaker(f"s-{areas[n % len(areas)]}-{n // len(areas) + 1}", areas[n % len(areas)], "bench")
        for n in range(count)
    ]
    await server.estate.enrol(speakers, by=OFFICER)
    server.refresh_users()
    return server


async def run(count: int, areas: list[str], *, rounds: int, engine: str) -> tuple[list[Round], float, float]:
    """:returns: the rounds, the seconds in which all connected, and the server's peak memory in MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = await started_server(folder / "data", count, areas, engine=engine)
        try:
            await asyncio.sleep(2)  # Mosquitto reads its new users
            path = folder / "speakers.json"
            write_provisioning(path, server.provisioning())
            committed = watch(server)
            broker = server.broker
            pid = broker.child.pid or 0 if isinstance(broker, ManagedBroker) else 0
            async with generator(path) as process:
                connected = await ask(process)
                done = [await one_round(server, committed, count, process, pid) for _ in range(rounds)]
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            return done, connected["seconds"], peak_mb
        finally:
            await server.stop()


async def one_round(
    server: Server, committed: Committed, count: int, process: asyncio.subprocess.Process, broker_pid: int
) -> Round:
    await asyncio.sleep(0.5)
    before = await ask(process, b"round")
    committed.counts = dict.fromkeys(Stage, 0)
    cpu, broker_cpu = own_cpu(), cpu_of(broker_pid)
    command = StartBroadcast(kind=Kind.EMERGENCY, severity=Severity.RED, areas=(CITY,))
    began = time.monotonic()
    outcome = await server.broadcasts.start(command, by=OFFICER)
    while committed.counts[Stage.SOUNDING] < count and time.monotonic() - began < ROUND_TIMEOUT_S:
        await asyncio.sleep(0.01)
    cpu, broker_cpu = own_cpu() - cpu, cpu_of(broker_pid) - broker_cpu
    after = await ask(process, b"round")
    await server.broadcasts.stop(outcome.ids[0], by=OFFICER)
    return Round(
        last_board_ms=(after["last_board_at"] - began) * 1000,
        last_received_ms=(committed.last_at[Stage.RECEIVED] - began) * 1000,
        last_started_ms=(committed.last_at[Stage.SOUNDING] - began) * 1000,
        boards=int(after["boards"]),
        received=committed.counts[Stage.RECEIVED],
        started=committed.counts[Stage.SOUNDING],
        doubled=committed.doubled,
        consumer_cpu_s=cpu,
        generator_cpu_s=after["cpu_s"] - before["cpu_s"],
        broker_cpu_s=broker_cpu,
    )
