"""What the MQTT link costs: `python bench/links.py fleet 718`, `python bench/links.py reports 12000 amqtt`.

On loopback with a broker of its own, Mosquitto unless another engine is named.

`fleet`: time until so many speakers are connected with all their boards subscribed, memory and CPU of one idle process.
`reports`: one speaker's process sends, the server's link (in this process) takes and acknowledges in batches of 5 ms.
"""

import asyncio
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from broadcast.transport.broker import ManagedBroker, open_broker
from broadcast.transport.broker_config import BrokerSettings
from broadcast.transport.broker_users import server_user, speaker_user
from endpoints.mqtt_link import AckToken, BrokerAddress, MqttLink

IDLE_S = 40.0  # a little more than one keepalive
BATCH_S = 0.005
SERVER_PASSWORD = "bench"


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_kib(pid: int | str = "self") -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4


async def fleet(count: int, broker: ManagedBroker) -> None:
    up, everybody = 0, asyncio.Event()

    def on_up(_: bool) -> None:
        nonlocal up
        up += 1
        if up == count:
            everybody.set()

    began, cpu, memory = time.perf_counter(), cpu_s(), resident_kib()
    links = []
    for n in range(count):
        name = speaker(n)
        link = MqttLink(broker.address(name, f"secret-{n}"), name, on_message=lambda *_: None, on_up=on_up)
        link.subscribe([(f"{root}/board/{scope}", 1) for root in ("eb/v1", "ex/v1") for scope in (*areas(n), name)])
        link.start()
        links.append(link)
    await everybody.wait()
    took_s = time.perf_counter() - began
    failed = sum(link.counters.failed_dials for link in links)
    each_kib, broker_mib = (resident_kib() - memory) / count, resident_kib(broker.child.pid or 0) / 1024
    print(
        f"{count} links: up in {took_s:.2f} s ({cpu_s() - cpu:.2f} s CPU), {each_kib:.1f} KiB each, {failed} failed dials"
    )
    print(f"  broker: {broker_mib:.0f} MiB")
    began, cpu = time.perf_counter(), cpu_s()
    await asyncio.sleep(IDLE_S)
    print(f"  idle: {100 * (cpu_s() - cpu) / (time.perf_counter() - began):.2f} % of a core")
    for link in links:
        link.drop()


async def reports(count: int, broker: ManagedBroker) -> None:
    batch: list[AckToken] = []
    first_at = seen = 0.0
    cpu = 0.0
    everything = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_message(topic: str, payload: bytes, qos: int, retained: bool, token: AckToken) -> None:
        nonlocal first_at, cpu, seen
        if not seen:
            first_at, cpu = time.perf_counter(), cpu_s()
        if not batch:
            loop.call_later(BATCH_S, commit)
        batch.append(token)
        seen += 1
        if seen == count:
            everything.set()

    def commit() -> None:
        link.ack(batch)
        batch.clear()

    link = MqttLink(
        broker.address("lianbo", SERVER_PASSWORD), "lianbo", on_message=on_message, clean=False, manual_ack=True
    )
    link.start()
    await link.subscribe([("eb/v1/report/+", 1)])
    command = [sys.executable, __file__, "send", str(count), str(broker.child.port)]
    sender = await asyncio.create_subprocess_exec(*command)
    await everything.wait()
    took_s = time.perf_counter() - first_at
    print(
        f"{count} reports: {1000 * took_s:.0f} ms, {1e6 * (cpu_s() - cpu) / count:.1f} µs CPU each, {count / took_s:.0f}/s"
    )
    await sender.wait()
    await link.stop()


async def send(count: int, port: int) -> None:
    up = asyncio.Event()
    address = BrokerAddress("127.0.0.1", port, speaker(0), "secret-0")
    link = MqttLink(address, speaker(0), on_message=lambda *_: None, on_up=lambda _: up.set())
    link.start()
    await up.wait()
    cpu = cpu_s()
    await asyncio.gather(*(link.publish(f"eb/v1/report/{speaker(0)}", bytes(75)) for _ in range(count)))
    print(f"  sending: {1e6 * (cpu_s() - cpu) / count:.1f} µs CPU each, PUBACK and future included")
    await link.stop()


def speaker(n: int) -> str:
    return f"s-{n:06}"


def areas(n: int) -> tuple[str, str, str]:
    return ("130281000000", f"130281{n % 27:03}000", f"130281{n % 690:06}")


async def main(what: str, count: int, engine: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        users = [speaker_user(speaker(n), f"secret-{n}", areas(n)) for n in range(count if what == "fleet" else 1)]
        settings = BrokerSettings(folder=Path(folder) / "broker", persistent=False)
        broker = open_broker(replace(settings, engine=engine), [server_user("lianbo", SERVER_PASSWORD), *users])
        assert isinstance(broker, ManagedBroker)
        began = time.perf_counter()
        await broker.start()
        print(f"broker with {len(users) + 1} accounts: started in {1000 * (time.perf_counter() - began):.0f} ms")
        await {"fleet": fleet, "reports": reports}[what](count, broker)
        await broker.stop()


if __name__ == "__main__":
    if sys.argv[1] == "send":
        asyncio.run(send(int(sys.argv[2]), int(sys.argv[3])))
    else:
        asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "mosquitto"))
