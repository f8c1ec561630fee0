"""The whole job of our server against the same generator as the floor: trigger, publish, take the reports, write them down."""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench import floor
from bench.figures import Figure, median, write
from bench.floor import CITY, ROUND_TIMEOUT_S, Round, ask, cpu_of, generator, own_cpu
from broadcast.domain.area_import import read_table
from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.officers import Officer, Role
from broadcast.domain.speakers import Speaker
from broadcast.server import Server
from broadcast.service.ports import ReportRow
from broadcast.transport.broker import ManagedBroker
from config.areas import load_packaged
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
    environment["LIANBO_RULES_SECOND_PERSON"] = "false"  # one officer does everything here
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
    while committed.counts[Stage.SOUNDING] < count and time.monotonic() - began < ROUND_TIMEOUT_S:  # noqa: ASYNC110
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


SIZES = ((718, "mosquitto"), (5_000, "mosquitto"), (12_000, "mosquitto"), (718, "amqtt"))
ROUNDS = 7
TURNS = 2  # floor, ours, floor, ours: what else the machine does falls on both
GOAL = 1.5
POINTS = {
    "last_board_ms": "last board delivered",
    "last_received_ms": "last received-report durable",
    "last_started_ms": "last started-report durable",
}


def main() -> None:
    """Each measurement in a fresh process, so that neither inherits the other's memory."""
    figures: list[Figure] = []
    for count, engine in SIZES:
        raw: list[dict[str, float]] = []
        ours: list[dict[str, float]] = []
        for _ in range(TURNS):
            raw += _measure("floor", count, engine)
            ours += _measure("ours", count, engine)
        figures += _compare(count, engine, raw, ours)
    write("main_job", figures)


def _measure(what: str, count: int, engine: str) -> list[dict[str, float]]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.main_job", what, str(count), engine],
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    rounds: list[dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    middle = median([one["last_received_ms"] for one in rounds])
    print(
        f"  {count} on {engine}, {what}: last received-report after {middle:.0f} ms (median of {len(rounds)})",
        flush=True,
    )
    return rounds


def _compare(count: int, engine: str, raw: list[dict[str, float]], ours: list[dict[str, float]]) -> list[Figure]:
    name = f"{count} on {engine}"
    figures = [
        Figure(
            f"{name}: trigger → {title}",
            median([one[key] for one in ours]),
            "ms",
            median([one[key] for one in raw]),
            None if key == "last_board_ms" or engine == "amqtt" else GOAL,
            "ratio",
        )
        for key, title in POINTS.items()
    ]
    lost = sum(2 * count - one["received"] - one["started"] for one in ours)
    cpu = median([one["consumer_cpu_s"] * 1000 for one in ours])
    raw_cpu = median([one["consumer_cpu_s"] * 1000 for one in raw])
    broker, raw_broker = (median([one["broker_cpu_s"] * 1000 for one in some]) for some in (ours, raw))
    return [
        *figures,
        Figure(f"{name}: server's CPU a round", cpu, "ms", raw_cpu),
        Figure(f"{name}: broker's CPU a round", broker, "ms", raw_broker),
        Figure(f"{name}: server's peak memory", max(one["peak_mb"] for one in ours), "MB", raw[0]["peak_mb"]),
        Figure(f"{name}: reports lost in {len(ours)} rounds", lost, "", None, 0),
        Figure(f"{name}: reports doubled in {len(ours)} rounds", sum(one["doubled"] for one in ours), "", None, 0),
    ]


async def _one(what: str, count: int, engine: str) -> None:
    areas = [area.code for area in read_table(load_packaged())]
    if what == "floor":
        rounds, _ = await floor.run(count, areas, rounds=ROUNDS, engine=engine)
    else:
        rounds, _, _ = await run(count, areas, rounds=ROUNDS, engine=engine)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([{**asdict(one), "peak_mb": peak_mb} for one in rounds[1:]]))  # the first one warms up


if __name__ == "__main__":
    asyncio.run(_one(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
