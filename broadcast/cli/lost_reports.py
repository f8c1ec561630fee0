"""Measures whether a broker loses reports: `lianbo doctor --broker`.

Reports come in a flood when a whole county is triggered, and the server may be away or busy then. A broker with default limits
acknowledges all of them and keeps few: Mosquitto as installed kept 1,020 of 12,000 (docs/decisions/0003-broker.md).
"""

import asyncio
import contextlib
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from broadcast.cli.finding import Finding, failure, ok
from broadcast.transport.broker import open_broker
from broadcast.transport.broker_config import BrokerSettings
from broadcast.transport.broker_users import server_user
from config.settings import Settings
from endpoints.mqtt_link import AckToken, BrokerAddress, LinkError, MqttLink, TlsFiles
from endpoints.protocol import LIVE_ROOT

MESSAGES, LINKS = 12_000, 8
BODY = bytes(160)  # about a sealed report
UP_WITHIN_S, SENT_WITHIN_S = 10.0, 60.0
QUIET_S = 3.0  # nothing more comes
SLOW_ACKS, SLOW_EVERY_S = 400, 0.02  # a busy server: batches, each after its commit


class NotMeasured(Exception):
    """The broker does not let us in, or not do what is asked; the sentence says which."""


@dataclass(frozen=True, slots=True)
class Loss:
    """:param acknowledged: by the broker: whoever sent it was told that it is safe."""

    sent: int
    acknowledged: int
    arrived: int
    seconds: float

    @property
    def lost(self) -> int:
        return self.acknowledged - self.arrived

    def __str__(self) -> str:
        return (
            f"sent {self.sent:,}, acknowledged {self.acknowledged:,}, arrived {self.arrived:,}, lost {self.lost:,} "
            f"({self.seconds:.1f} s)"
        )


def measure(settings: Settings, *, messages: int = MESSAGES, up_within_s: float = UP_WITHIN_S) -> Iterator[Finding]:
    """Two findings: with the server away, and with a server that is slow."""
    try:
        what, away, slow = asyncio.run(_measure(settings, messages, up_within_s))
    except (NotMeasured, LinkError, OSError) as err:
        yield failure("lost reports", f"not measured: {err}", "check broker.host, port, username, password and TLS")
        return
    yield _judged(
        f"lost reports, {what}, server away",
        away,
        "the queue of an absent client is too short or its session is not kept: max_queued_messages 100000, "
        "max_queued_bytes 0, persistent_client_expiration not below a day",
    )
    yield _judged(
        f"lost reports, {what}, server slow",
        slow,
        "the window or queue of a connected client is too short: max_inflight_messages 1000, max_queued_messages 100000",
    )


async def _measure(settings: Settings, messages: int, up_within_s: float) -> tuple[str, Loss, Loss]:
    async with _address(settings) as (what, address):
        run = _Run(address, messages, up_within_s)
        try:
            return what, await run.with_server_away(), await run.with_server_slow()
        finally:
            with contextlib.suppress(NotMeasured):  # it was said before
                await run.clean_up()


@asynccontextmanager
async def _address(settings: Settings) -> AsyncIterator[tuple[str, BrokerAddress]]:
    """The external broker, or one of our own like the configured one, for the time of the measurement."""
    asked = settings.broker
    if asked.engine == "external":
        tls = TlsFiles(Path(asked.tls_ca)) if asked.tls_ca else None
        yield f"{asked.host}:{asked.port}", BrokerAddress(asked.host, asked.port, asked.username, asked.password, tls)
        return
    password = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="lianbo-doctor-") as folder:
        described = BrokerSettings(folder=Path(folder), engine=asked.engine, persistent=asked.persistence)
        broker = open_broker(described, [server_user("doctor", password)])
        await broker.start()
        try:
            yield f"our own {broker.engine}", broker.address("doctor", password)
        finally:
            await broker.stop()


class _Run:
    """One measurement: a consumer with a kept session, and links that send."""

    def __init__(self, address: BrokerAddress, messages: int, up_within_s: float) -> None:
        self._address, self._messages, self._up_within_s = address, messages, up_within_s
        self._client = f"lianbo-doctor-{secrets.token_hex(6)}"
        self._root = f"{LIVE_ROOT}/{self._client}"
        self._arrived: set[str] = set()
        self._held: list[AckToken] = []
        self._heard_at = 0.0

    async def with_server_away(self) -> Loss:
        """The session is there, the server is not; then it comes back and takes what was kept."""
        consumer = await self._consumer()
        await consumer.stop()
        began = time.monotonic()
        acknowledged = await self._send("away")
        consumer = await self._consumer()
        try:
            await self._take(consumer, pace=self._messages)
        finally:
            await consumer.stop()
        return self._loss(acknowledged, began)

    async def with_server_slow(self) -> Loss:
        """It is connected and acknowledges less quickly than the reports come."""
        consumer = await self._consumer()
        self._arrived.clear()
        began = time.monotonic()
        try:
            taking = asyncio.create_task(self._take(consumer, pace=SLOW_ACKS), name="slow server")
            acknowledged = await self._send("slow")
            self._heard_at = time.monotonic()
            await taking
        finally:
            await consumer.stop()
        return self._loss(acknowledged, began)

    async def clean_up(self) -> None:
        """A clean session of the same name erases the kept one."""
        link = MqttLink(self._address, self._client, on_message=lambda *_: None, clean=True)
        link.start()
        await _up(link, self._up_within_s)
        await link.stop()

    async def _consumer(self) -> MqttLink:
        link = MqttLink(self._address, self._client, on_message=self._hear, clean=False, manual_ack=True)
        subscribed = link.subscribe([(f"{self._root}/+", 1)])
        link.start()
        await _up(link, self._up_within_s)
        await asyncio.wait_for(subscribed, self._up_within_s)
        self._heard_at = time.monotonic()
        return link

    def _hear(self, topic: str, _payload: bytes, _qos: int, _retained: bool, token: AckToken) -> None:
        self._arrived.add(topic)
        self._held.append(token)
        self._heard_at = time.monotonic()

    async def _take(self, consumer: MqttLink, *, pace: int) -> None:
        """Acknowledge so many at a time, until all are there or nothing more comes."""
        while len(self._arrived) < self._messages or self._held:
            if not self._held and time.monotonic() - self._heard_at > QUIET_S:
                return
            batch, self._held = self._held[:pace], self._held[pace:]
            consumer.ack(batch)
            await asyncio.sleep(SLOW_EVERY_S)

    async def _send(self, phase: str) -> int:
        """How many the broker acknowledged."""
        links = [MqttLink(self._address, f"{self._client}-{n}", on_message=lambda *_: None) for n in range(LINKS)]
        try:
            for link in links:
                link.start()
            for link in links:
                await _up(link, self._up_within_s)
            futures = [links[n % LINKS].publish(f"{self._root}/{phase}-{n}", BODY, 1) for n in range(self._messages)]
            done, _ = await asyncio.wait(futures, timeout=SENT_WITHIN_S)
            return sum(one.exception() is None for one in done)
        finally:
            await asyncio.gather(*(link.stop() for link in links))

    def _loss(self, acknowledged: int, began: float) -> Loss:
        return Loss(self._messages, acknowledged, len(self._arrived), time.monotonic() - began)


async def _up(link: MqttLink, within_s: float) -> None:
    """:raises NotMeasured: the broker does not let us in."""
    ends = time.monotonic() + within_s
    while not link.connected:
        if time.monotonic() > ends:
            reason = link.last_reason
            link.drop()
            raise NotMeasured(f"no connection to {link.address!r}: {reason}")
        await asyncio.sleep(0.02)


def _judged(subject: str, loss: Loss, remedy: str) -> Finding:
    if loss.arrived == 0:
        return failure(
            subject, str(loss), f"nothing came through: does the account read and write {LIVE_ROOT}/#? Or {remedy}"
        )
    if loss.acknowledged < loss.sent:
        return failure(
            subject, str(loss), "the broker did not take all of them in time: is it busy, or is its disk full?"
        )
    return failure(subject, str(loss), remedy) if loss.lost else ok(subject, str(loss))
