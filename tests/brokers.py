"""A running broker for tests, Mosquitto and amqtt alike; import `broker` in a conftest.py to have it.

    from tests.brokers import broker  # noqa: F401

`running(engine, folder)` gives one inside a test; `Peer` is a client that remembers what it heard.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broadcast.transport.broker import AmqttChild, BrokerSettings, ManagedBroker, MosquittoChild, open_broker
from broadcast.transport.broker_users import BrokerUser, server_user, speaker_user
from endpoints.mqtt_link import AckToken, MqttLink

ENGINES = ("mosquitto", "amqtt")
COUNTY, TOWNSHIP, VILLAGE = "130281000000", "130281001000", "130281001001"
FOREIGN_VILLAGE = "130281002001"
SERVER = server_user("lianbo", "server-secret")
SPEAKER, NEIGHBOUR = "s-130281001001-1", "s-130281002001-1"
USERS = (
    SERVER,
    speaker_user(SPEAKER, f"secret-of-{SPEAKER}", (COUNTY, TOWNSHIP, VILLAGE)),
    speaker_user(NEIGHBOUR, f"secret-of-{NEIGHBOUR}", (COUNTY, "130281002000", FOREIGN_VILLAGE)),
)


@asynccontextmanager
async def running(
    engine: str, folder: Path, users: tuple[BrokerUser, ...] = USERS, **settings: Any
) -> AsyncIterator[ManagedBroker]:
    """A broker of its own on a free port, without files that outlive it; ended with the block."""
    described = replace(
        BrokerSettings(folder=folder / engine, persistent=False, sys_interval_s=1), engine=engine, **settings
    )
    broker = open_broker(described, users)
    assert isinstance(broker, MosquittoChild | AmqttChild)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


@pytest.fixture(params=ENGINES)
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ManagedBroker]:
    async with running(request.param, tmp_path) as one:
        yield one


class Peer:
    """A client that keeps what it hears.

    :param first_retry_s: a number makes each retry wait that long instead of a random time.
    """

    def __init__(
        self,
        broker: ManagedBroker,
        user: str,
        client_id: str | None = None,
        *,
        first_retry_s: float = 0.05,
        **options: Any,
    ) -> None:
        password = "server-secret" if user == SERVER.name else f"secret-of-{user}"
        self.heard: list[tuple[str, bytes]] = []
        self.retained: list[tuple[str, bytes]] = []
        self.tokens: list[AckToken] = []
        self.ups: list[bool] = []
        self.downs: list[str] = []
        self.link = MqttLink(
            options.pop("address", None) or broker.address(user, password),
            client_id or user,
            on_message=self._hear,
            on_up=self.ups.append,
            on_down=self.downs.append,
            random=_Fixed(first_retry_s),
            **options,
        )

    def _hear(self, topic: str, payload: bytes, qos: int, retained: bool, token: AckToken) -> None:
        (self.retained if retained else self.heard).append((topic, payload))
        if token:
            self.tokens.append(token)

    async def up(self, *filters: str) -> "Peer":
        if filters:
            self.link.subscribe([(one, 1) for one in filters])
        count = len(self.ups)
        self.link.start()
        await until(lambda: len(self.ups) > count)
        return self


class _Fixed(random.Random):
    def __init__(self, value: float) -> None:
        super().__init__()
        self._value = value

    def uniform(self, a: float, b: float) -> float:
        return min(self._value, b)


async def until(condition: Any, *, timeout_s: float = 10.0) -> None:
    """Wait for other processes; there is no clock of theirs to advance."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def settled(seconds: float = 0.3) -> None:
    """Long enough that what must not arrive would have arrived."""
    await asyncio.sleep(seconds)
