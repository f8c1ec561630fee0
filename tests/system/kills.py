"""The server killed at random points of its work, with a recorder on the wire: what must never be lost or doubled.

A round: an officer's trigger goes out with its Idempotency-Key; `kill -9` at a random moment around it; the server starts again;
who got no answer asks again with the same key, as the page does. Then there must be exactly one broadcast of that key, on the wire
too; every speaker must have begun it exactly once; its reports must be in the table once; and after the stop (killed at random
too) it must be silent everywhere. `python -m tests.system.soak` runs a thousand rounds, the test suite fifty.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import aiohttp

from broadcast.clock import SystemClock
from broadcast.domain.area_import import read_table
from broadcast.domain.speakers import Speaker, default_id
from broadcast.keyring import open_keyring
from broadcast.service.officers import Officers
from broadcast.service.passwords import Argon2Hasher
from broadcast.store.store import open_store
from broadcast.transport.broker import MosquittoChild, open_broker
from broadcast.transport.broker_config import BrokerSettings
from broadcast.transport.broker_users import BrokerUser, server_user, speaker_user
from config.areas import load_packaged
from endpoints import canonical
from endpoints.area_codes import ancestors
from endpoints.mqtt_link import MqttLink
from endpoints.protocol import decode_board
from endpoints.provisioning import Provisioning, SpeakerConfig
from endpoints.sealing import broker_password, speaker_key
from endpoints.simulator import Simulator
from tests.system.city import CITY, OFFICER, ServerProcess, until

PASSWORD = "correct horse battery staple"
BROKER_PASSWORD = "of-the-server"
REPEATS = 10  # 53 s: it still sounds when the server is back on a busy machine, and so silence after the stop is the stop's doing


@dataclass(slots=True)
class Tally:
    """What the rounds came to. Everything named `lost` or `doubled` must stay 0."""

    kills: int = 0
    killed_before_answer: int = 0
    accepted: int = 0
    repeated: int = 0
    lost: int = 0
    doubled_broadcasts: int = 0
    doubled_starts: int = 0
    never_started: int = 0
    sounding_after_stop: int = 0
    doubled_rows: int = 0
    boards_on_wire: int = 0
    board_copies_on_wire: int = 0
    restart_s: list[float] = field(default_factory=list)

    @property
    def faults(self) -> int:
        return (
            self.lost
            + self.doubled_broadcasts
            + self.doubled_starts
            + self.never_started
            + self.sounding_after_stop
            + self.doubled_rows
        )

    def __str__(self) -> str:
        times = sorted(self.restart_s)
        middle = times[len(times) // 2] if times else 0.0
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "restart_s"}
        return f"{plain}; restart to ready: median {middle:.2f} s, longest {max(times, default=0.0):.2f} s"


class Recorder:
    """Listens on the wire as the server may: which orders stood on which boards, in which frames."""

    def __init__(self, broker: MosquittoChild) -> None:
        self.frames: Counter[bytes] = Counter()
        self.orders: Counter[str] = Counter()
        self._link = MqttLink(broker.address("recorder", "recorder"), "recorder", on_message=self._hear)
        self._link.subscribe([("eb/v1/board/+", 1)])
        self._link.start()

    def _hear(self, topic: str, payload: bytes, qos: int, retained: bool, token: int) -> None:
        if retained or not payload:
            return
        self.frames[payload] += 1
        outer = canonical.decode(payload, max_bytes=1 << 17)
        for order in decode_board(outer[2]).orders:  # type: ignore[index]
            self.orders[order.id] += 1

    async def stop(self) -> None:
        await self._link.stop()


async def run(folder: Path, *, rounds: int, count: int = 12, seed: int = 1, say: object = None) -> Tally:
    """:param count: speakers, one in each of the first areas."""
    random, tally = Random(seed), Tally()
    data = folder / "data"
    data.mkdir(parents=True)
    keyring = open_keyring(
        data / "keys", county="130281", algorithm="ed25519", key_days=100, now_ms=time.time_ns() // 1_000_000
    )
    speakers = await first_data(data, count)
    users = [server_user("lianbo", BROKER_PASSWORD), BrokerUser("recorder", "recorder", read=("eb/#",))]
    users += [
        speaker_user(one.id, broker_password(keyring.master, one.id), (one.area, *ancestors(one.area)))
        for one in speakers
    ]
    broker = open_broker(BrokerSettings(folder=folder / "broker", engine="mosquitto"), users)
    assert isinstance(broker, MosquittoChild)
    await broker.start()
    address = broker.address("lianbo", BROKER_PASSWORD)
    provisioning = Provisioning(
        address.host,
        address.port,
        keyring.trusted,
        tuple(
            SpeakerConfig(
                one.id, one.area, speaker_key(keyring.master, one.id), broker_password(keyring.master, one.id)
            )
            for one in speakers
        ),
    )
    recorder, simulator = Recorder(broker), Simulator(provisioning, seed=seed)
    simulator.start()
    server = ServerProcess(
        folder,
        BROKER_ENGINE="external",
        BROKER_HOST=address.host,
        BROKER_PORT=address.port,
        BROKER_PASSWORD=BROKER_PASSWORD,
    )
    await server.start()
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            await server.ready(session)
            stand = Stand(server, session, simulator, recorder, random, tally)
            for number in range(rounds):
                if number % 100 == 0:  # a server that never lives for a minute writes down no session as seen
                    await _sign_in(session, server.url)
                await _round(number, stand)
                if callable(say) and (number + 1) % 10 == 0:
                    say(f"{number + 1} of {rounds} rounds: {tally}")
    finally:
        await server.stop()
        await simulator.stop()
        await recorder.stop()
        await broker.stop()
    tally.doubled_rows = await _doubled_rows(data)
    tally.boards_on_wire = len(recorder.frames)
    tally.board_copies_on_wire = sum(recorder.frames.values())
    return tally


async def _sign_in(session: aiohttp.ClientSession, url: str) -> None:
    async with session.post(f"{url}/api/v1/session", json={"name": "duty", "password": PASSWORD}) as answer:
        assert answer.status < 300, await answer.text()


async def first_data(data: Path, count: int) -> list[Speaker]:
    store, hasher = open_store(f"sqlite:///{data / 'lianbo.db'}"), Argon2Hasher()
    tree = read_table(load_packaged())
    speakers = [
        Speaker(default_id(area.code), area.code, area.name) for area, _ in zip(tree, range(count), strict=False)
    ]
    await store.write(lambda tx: tx.areas.replace(tree))
    await store.write(lambda tx: tx.speakers.add(speakers))
    await Officers(clock=SystemClock(), store=store, hasher=hasher).add(OFFICER, PASSWORD, by=OFFICER)
    hasher.close()
    await store.close()
    return speakers


@dataclass(frozen=True, slots=True)
class Stand:
    """Everything that a round needs."""

    server: ServerProcess
    session: aiohttp.ClientSession
    simulator: Simulator
    recorder: Recorder
    random: Random
    tally: Tally


async def _round(number: int, stand: Stand) -> None:
    server, session, simulator, tally = stand.server, stand.session, stand.simulator, stand.tally
    recorder, random = stand.recorder, stand.random
    key = f"round-{number}-{random.getrandbits(64):x}"
    body = {"kind": "emergency", "severity": "red", "areas": [CITY], "repeats": REPEATS}
    asked = asyncio.ensure_future(_post(session, f"{server.url}/api/v1/broadcasts", body, key))
    await asyncio.sleep(random.choice((0.0, random.uniform(0, 0.03), random.uniform(0, 0.2))))
    await _kill_and_restart(server, session, tally)
    first = await asked
    if first is None:
        tally.killed_before_answer += 1
    second = await _post(session, f"{server.url}/api/v1/broadcasts", body, key)
    assert second is not None, "the server answers again and refuses"
    tally.accepted += 1
    tally.repeated += second["repeated"]
    if first is not None and first["id"] != second["id"]:
        tally.doubled_broadcasts += 1
    if first is not None and not second["repeated"]:
        tally.lost += 1
    order = second["id"]
    try:
        await until(lambda: all(one.sounds == order for one in simulator.speakers.values()), "all sound", within_s=30)
    except AssertionError:
        tally.never_started += sum(one.sounds != order for one in simulator.speakers.values())
    tally.lost += recorder.orders[order] == 0
    for one in simulator.speakers.values():
        starts = sum(play.order.id == order and play.from_ms == 0 for play in one.heard)
        tally.doubled_starts += max(0, starts - 1)
    stopped = asyncio.ensure_future(_post(session, f"{server.url}/api/v1/broadcasts/{order}/stop", {}, None))
    if random.random() < 0.3:
        await asyncio.sleep(random.uniform(0, 0.02))
        await _kill_and_restart(server, session, tally)
    if await stopped is None:
        await _post(session, f"{server.url}/api/v1/broadcasts/{order}/stop", {}, None)
    try:
        await until(lambda: simulator.sounding == 0, "all silent", within_s=30)
    except AssertionError:
        tally.sounding_after_stop += simulator.sounding


async def _kill_and_restart(server: ServerProcess, session: aiohttp.ClientSession, tally: Tally) -> None:
    await server.kill()
    tally.kills += 1
    await server.start()
    tally.restart_s.append(await server.ready(session))


async def _post(
    session: aiohttp.ClientSession, url: str, body: dict[str, object], key: str | None
) -> dict[str, object] | None:
    """The answer, or None when the server died over it."""
    headers = {"Idempotency-Key": key} if key else {}
    try:
        async with session.post(url, json=body, headers=headers) as answer:
            got: dict[str, object] = await answer.json()
            assert answer.status == 202, (answer.status, got)
            return got
    except (TimeoutError, aiohttp.ClientError, ConnectionError):
        return None


async def _doubled_rows(data: Path) -> int:
    """Lines of evidence that tell the same thing twice: same order, speaker and boot, same number."""
    store = open_store(f"sqlite:///{data / 'lianbo.db'}")
    try:
        broadcasts = await store.read(lambda tx: tx.broadcasts.page(before=None, limit=10_000))
        seen: Counter[tuple[str, str, int, int]] = Counter()
        for one in broadcasts:
            for row in await store.read(lambda tx, order=one.id: tx.reports.of(order)):
                seen[row.order, row.speaker, row.boot, row.n] += 1
        return sum(times - 1 for times in seen.values())
    finally:
        await store.close()
