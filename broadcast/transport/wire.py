"""The server's own connection to the broker, as the services see it."""

import asyncio
from collections.abc import Callable, Iterable

from broadcast.service.ports import WireDown
from endpoints.mqtt_link import AckToken, BrokerAddress, LinkError, MqttLink
from endpoints.protocol import EXERCISE_ROOT, LIVE_ROOT

CLIENT_ID = "lianbo-server"
RETRY_FIRST_S, RETRY_CAP_S = 0.1, 2.0  # there is one of us, and the speakers wait for its boards

OnMessage = Callable[[str, bytes, int, bool, int], None]


class ServerWire:
    """What speakers say, and a way to write boards. The session at the broker is kept: reports wait there while we are away.

    :param on_message: topic, payload, QoS, retained, token to `ack` once it is in the table.
    """

    def __init__(self, *, on_message: OnMessage, on_up: Callable[[], None], on_down: Callable[[], None]) -> None:
        self._on_message, self._on_up, self._on_down = on_message, on_up, on_down
        self._link: MqttLink | None = None

    def connect(self, address: BrokerAddress) -> None:
        """Connect, and stay connected."""
        self._link = MqttLink(
            address,
            CLIENT_ID,
            on_message=self._on_message,
            on_up=lambda _: self._on_up(),
            on_down=lambda _: self._on_down(),
            clean=False,
            manual_ack=True,
            max_inflight=60_000,
            keepalive_s=10,
            retry_first_s=RETRY_FIRST_S,
            retry_cap_s=RETRY_CAP_S,
        )
        for root in (LIVE_ROOT, EXERCISE_ROOT):
            once = ("report", "gone", "proof", "about")
            self._link.subscribe([(f"{root}/{kind}/+", 1) for kind in once])
            self._link.subscribe([(f"{root}/hello/+", 0), (f"{root}/ping/+", 0), (f"{root}/stock/+", 0)])
        self._link.start()

    @property
    def link(self) -> MqttLink | None:
        """The connection, for its counters."""
        return self._link

    @property
    def is_up(self) -> bool:
        return self._link is not None and self._link.connected

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> asyncio.Future[None]:
        """:raises WireDown: not connected, or too much is under way; the future likewise."""
        if self._link is None:
            raise WireDown("not connected")
        try:
            return self._link.publish(topic, payload, qos, retain)
        except LinkError as err:
            raise WireDown(err.reason) from err

    def ack(self, tokens: Iterable[int]) -> None:
        if self._link is not None:
            self._link.ack(AckToken(token) for token in tokens)

    async def close(self) -> None:
        if self._link is not None:
            await self._link.stop()
