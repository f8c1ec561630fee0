"""One MQTT connection that comes back by itself, driven by asyncio: no thread, one file descriptor, no hidden queue.

The server, each of thousands of simulated speakers in a process, and the real speaker use this same link.
"""

import asyncio
import logging
import random as random_module
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import NewType, TypeVar

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode

from endpoints.mqtt_dial import BrokerAddress, TlsFiles, loop_share, open_socket
from endpoints.paho_wire import PahoWire, read_some, write_some

__all__ = ["AckToken", "BrokerAddress", "LinkCounters", "LinkDown", "LinkError", "LinkFull", "MqttLink", "OnMessage"]
__all__ += ["SubscriptionRefused", "TlsFiles", "Will"]

log = logging.getLogger(__name__)

RETRY_FIRST_S = (
    3.0  # 12,000 come back in 1.8 s without jitter: it only spares the CPU of handshakes (research/mqtt.md §6)
)
RETRY_CAP_S = 60.0
STABLE_S = 3.0  # what lived shorter does not reset the back-off: two clients of one id throw each other out for ever
CONNACK_REFUSALS = {1: "protocol", 2: "client id", 3: "unavailable", 4: "bad user or password", 5: "not authorised"}

T = TypeVar("T")
AckToken = NewType("AckToken", int)
"""Names one delivery to be acknowledged; void when the connection it came by is lost. 0: nothing to acknowledge (QoS 0)."""

OnMessage = Callable[[str, bytes, int, bool, AckToken], None]
"""topic, payload, qos, retained, token"""


class LinkError(Exception):
    """A publish that will not happen; the caller derives it again when the link is up."""

    def __init__(self, client_id: str, reason: str) -> None:
        self.client_id, self.reason = client_id, reason
        super().__init__(f"{client_id}: {reason}")


class LinkDown(LinkError):
    """Not connected, or lost or stopped before the broker's PUBACK."""


class LinkFull(LinkError):
    """More unacknowledged messages or unsent bytes than the link may hold."""


class SubscriptionRefused(LinkError):
    """The broker refuses the filters: its access list says so. Mosquitto accepts and delivers nothing instead."""

    def __init__(self, client_id: str, filters: tuple[str, ...]) -> None:
        self.filters = filters
        super().__init__(client_id, f"broker refused to subscribe {', '.join(filters)}")


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes when the link ends without DISCONNECT."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


@dataclass(slots=True)
class LinkCounters:
    """Since the link was made."""

    ups: int = 0
    losses: int = 0
    failed_dials: int = 0
    received: int = 0
    published: int = 0
    void_acks: int = 0  # tokens of a connection that is gone; the broker delivers those messages again
    callback_errors: int = 0
    refused_filters: int = 0


class MqttLink:
    """Keeps one MQTT 3.1.1 session with a broker; make it and call it inside one event loop.

    Each `on_up` is followed by exactly one `on_down`, also when we stop it ourselves. Callbacks run in the loop and must not
    block; what they raise is logged and counted, and the link goes on.

    :param clean: False keeps the session at the broker: it queues QoS 1 messages while we are away.
    :param manual_ack: PUBACK only by `ack`, after the batch is on disk; what was not acknowledged comes again.
    :param keepalive_s: a dead peer is noticed after one to two of these.
    :param retry_first_s: ceiling of the first full-jitter wait; it doubles up to `retry_cap_s`.
    :param max_inflight: unacknowledged publishes; at most 65,535, the ids of MQTT.
    :param max_packet_bytes: a longer incoming packet ends the connection.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        *,
        on_message: OnMessage,
        on_up: Callable[[bool], None] | None = None,
        on_down: Callable[[str], None] | None = None,
        clean: bool = True,
        manual_ack: bool = False,
        keepalive_s: int = 30,
        will: Will | None = None,
        random: Random | None = None,
        connect_timeout_s: float = 10.0,
        retry_first_s: float = RETRY_FIRST_S,
        retry_cap_s: float = RETRY_CAP_S,
        max_inflight: int = 50_000,
        max_outbox_bytes: int = 64 * 1024 * 1024,
        max_packet_bytes: int = 1024 * 1024,
    ) -> None:
        self.address, self.client_id, self.counters = address, client_id, LinkCounters()
        self.connected = False
        self.last_reason = "not started"
        self._on_message, self._on_up, self._on_down = on_message, on_up, on_down
        self._keepalive_s, self._connect_timeout_s = keepalive_s, connect_timeout_s
        self._retry_first_s, self._retry_cap_s = retry_first_s, retry_cap_s
        self._max_inflight, self._max_outbox_bytes = max_inflight, max_outbox_bytes
        self._random = random or random_module
        self._loop = asyncio.get_running_loop()
        self._share = loop_share(self._loop)
        self._wire = PahoWire(
            self, client_id=client_id, clean=clean, manual_ack=manual_ack, max_packet_bytes=max_packet_bytes
        )
        self._wire.username_pw_set(address.username, address.password)
        self._wire.on_socket_close = self._forget_socket
        if will is not None:
            self._wire.will_set(will.topic, will.payload, will.qos, will.retain)
        self._wanted = False
        self._socket: socket.socket | None = None
        self._generation = 0
        self._attempt, self._up_since = 0, 0.0
        self._filters: dict[str, int] = {}
        self._unacked: dict[int, asyncio.Future[None]] = {}
        self._subscribing: dict[int, tuple[tuple[str, ...], asyncio.Future[None] | None]] = {}
        self._waiting_subscribes: list[tuple[tuple[str, ...], asyncio.Future[None]]] = []
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._done.set_result(None)
        self._connack: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._keepalive: asyncio.TimerHandle | None = None
        self._flush_soon: asyncio.Handle | None = None
        self._write_watched = False

    # What the owner calls -----------------------------------------------------------------------------------------------

    def start(self, *, delay_s: float = 0.0) -> None:
        """Connect, and reconnect until `stop` or `drop`. Returns at once; `on_up` tells."""
        if not self._wanted:
            self._wanted, self._attempt = True, 0
            self._retry = self._loop.call_later(delay_s, self._dial)

    async def stop(self, *, timeout_s: float = 1.0) -> None:
        """Send what is written, say DISCONNECT and close: the broker keeps our will to itself."""
        self._wanted = False
        if self.connected:
            self._closed = self._loop.create_future()
            self._wire.disconnect()
            with suppress(
                TimeoutError
            ):  # the broker closes; if we did first, unread data would turn our goodbye into a reset
                async with asyncio.timeout(timeout_s):
                    await self._closed
        dialing = self._dialing
        self._end("stopped")
        if dialing is not None:
            await asyncio.wait([dialing])

    def drop(self) -> None:
        """Close the connection without DISCONNECT, as a power cut does; the broker publishes our will."""
        self._wanted = False
        self._end("dropped")

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> asyncio.Future[None]:
        """Send now. The future is done at the broker's PUBACK (QoS 1) or at once (QoS 0).

        A PUBACK says that the broker has it, not that it allowed it: in MQTT 3.1.1 a forbidden topic is acknowledged too.

        :raises LinkDown: not connected; the future raises it when the connection is lost before the PUBACK.
        :raises LinkFull: too much is under way already.
        """
        if not self.connected:
            raise LinkDown(self.client_id, f"not connected: {self.last_reason}")
        if qos and len(self._unacked) >= self._max_inflight:
            raise LinkFull(self.client_id, f"{len(self._unacked)} publishes wait for their PUBACK")
        if len(self._wire.outbox) + len(payload) > self._max_outbox_bytes:
            raise LinkFull(self.client_id, f"{len(self._wire.outbox)} bytes wait for the socket")
        info = self._wire.publish(topic, payload, qos, retain)
        if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise LinkFull(self.client_id, f"message id {info.mid} is still in use")
        self.counters.published += 1
        if qos == 0:
            return self._done
        future = self._unacked[info.mid] = self._loop.create_future()
        return future

    def subscribe(self, filters: Iterable[tuple[str, int]]) -> asyncio.Future[None]:
        """Subscribe (topic filter, QoS) now or when the link is up, and again at each connect, which brings retained ones again.

        :raises SubscriptionRefused: by the future, when the broker says so.
        """
        fresh = dict(filters)
        self._filters.update(fresh)
        future: asyncio.Future[None] = self._loop.create_future()
        if self.connected:
            self._send_subscribe(fresh, future)
        else:
            self._waiting_subscribes.append((tuple(fresh), future))
        return future

    def unsubscribe(self, filters: Iterable[str]) -> None:
        """Leave the filters, now or at the next connect (a kept session remembers those it was not told about)."""
        gone = [name for name in filters if self._filters.pop(name, None) is not None]
        if gone and self.connected:
            self._wire.unsubscribe(gone)

    def ack(self, tokens: Iterable[AckToken]) -> None:
        """Acknowledge deliveries in one write. Tokens of an earlier connection are void: the broker delivers again."""
        mids = [token & 0xFFFF for token in tokens if token >> 16 == self._generation or self._void(token)]
        if mids and self.connected:
            self._wire.puback(mids)

    def _void(self, token: int) -> bool:
        self.counters.void_acks += token != 0
        return False

    # Dialing ------------------------------------------------------------------------------------------------------------

    def _dial(self) -> None:
        self._dialing = self._loop.create_task(self._connect(), name=f"mqtt-dial-{self.client_id}")

    async def _connect(self) -> None:
        try:
            async with self._share.gate, asyncio.timeout(self._connect_timeout_s):
                sock = await open_socket(self.address)
                self._socket = sock
                self._connack = self._loop.create_future()
                self._generation += 1
                self._wire.open(sock, keepalive_s=self._keepalive_s)
                self._loop.add_reader(sock, self._readable)
                await self._connack
        except (OSError, TimeoutError) as err:  # OSError covers TLS, refused and unreachable
            self.counters.failed_dials += 1
            self._close(str(err) or type(err).__name__)
            log.debug("%s: no connection to %r: %s", self.client_id, self.address, self.last_reason)
            self._retry_later()
        finally:
            if self._dialing is asyncio.current_task():
                self._dialing = None

    def _retry_later(self) -> None:
        """Full jitter: anywhere between now and a ceiling that doubles."""
        if self._wanted:
            ceiling_s = min(self._retry_cap_s, self._retry_first_s * 2 ** min(self._attempt, 10))
            self._attempt += 1
            self._retry = self._loop.call_later(self._random.uniform(0, ceiling_s), self._dial)

    def _end(self, reason: str) -> None:
        """Stop for good: no retry, nothing left waiting."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._dialing is not None:
            self._dialing.cancel()
        self._close(reason)
        for _, future in self._waiting_subscribes:
            _fail(future, LinkDown(self.client_id, reason))
        self._waiting_subscribes.clear()

    def _lost(self, reason: str) -> None:
        """The connection ended without our wish (or, while stopping, by the broker's answer to DISCONNECT)."""
        if self._connack is not None:
            if not self._connack.done():
                self._connack.set_exception(ConnectionError(reason))
            return
        if self._closed is not None:
            self._close("stopped")
            return
        self.counters.losses += 1
        if time.monotonic() - self._up_since >= STABLE_S:
            self._attempt = 0
        self._close(reason)
        self._retry_later()

    def _close(self, reason: str) -> None:
        """Close what is open, fail what waits, tell the owner if it was up."""
        was_up, self.connected, self.last_reason = self.connected, False, reason
        self._connack = None
        self._wire.close()
        if self._socket is not None:  # dialed, but never handed over
            self._socket.close()
            self._socket = None
        for timer in (self._keepalive, self._flush_soon):
            if timer is not None:
                timer.cancel()
        self._keepalive = self._flush_soon = None
        error = LinkDown(self.client_id, reason)
        unacked, self._unacked = self._unacked, {}
        for future in unacked.values():
            _fail(future, error)
        for filters, waiting in self._subscribing.values():
            if waiting is not None:
                self._waiting_subscribes.append((filters, waiting))
        self._subscribing.clear()
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        self._closed = None
        if was_up:
            self._call(self._on_down, reason)

    def _forget_socket(self, _client: paho.Client, _userdata: object, _sock: object) -> None:
        """paho is about to close the socket."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._write_watched = False
            self._socket = None

    # What the wire tells ------------------------------------------------------------------------------------------------

    def heard_connack(self, code: int, *, session_present: bool) -> None:
        if code != 0 or self._connack is None or self._connack.done():
            self._lost(f"broker refused: {CONNACK_REFUSALS.get(code, code)}")
            return
        self._connack.set_result(None)
        self._connack = None
        self.connected, self.last_reason, self._up_since = True, "", time.monotonic()
        self.counters.ups += 1
        self._keepalive = self._loop.call_later(self._keepalive_s, self._check_alive)
        if self._filters:
            self._send_subscribe(self._filters, None)
        self._call(self._on_up, session_present)

    def heard_message(self, message: paho.MQTTMessage) -> None:
        self.counters.received += 1
        token = AckToken(self._generation << 16 | message.mid if message.qos else 0)
        try:
            self._on_message(message.topic, bytes(message.payload), message.qos, message.retain, token)
        except Exception:
            self.counters.callback_errors += 1
            log.exception("%s: on_message failed", self.client_id)

    def heard_puback(self, mid: int) -> None:
        future = self._unacked.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(None)

    def heard_suback(self, mid: int, granted: list[bool]) -> None:
        filters, future = self._subscribing.pop(mid, ((), None))
        refused = tuple(name for name, good in zip(filters, granted, strict=False) if not good)
        if refused:
            self.counters.refused_filters += len(refused)
            log.warning("%s: broker refused to subscribe %s", self.client_id, ", ".join(refused))
        waiting = [] if future is None else [(filters, future)]
        if future is None:  # the subscribe of a fresh connection answers for all that waited
            waiting, self._waiting_subscribes = self._waiting_subscribes, []
        for names, one in waiting:
            mine = tuple(name for name in names if name in refused)
            if mine:
                _fail(one, SubscriptionRefused(self.client_id, mine))
            elif not one.done():
                one.set_result(None)

    def _send_subscribe(self, filters: dict[str, int], future: asyncio.Future[None] | None) -> None:
        _, mid = self._wire.subscribe(list(filters.items()))
        if mid is not None:
            self._subscribing[mid] = (tuple(filters), future)

    # The socket ---------------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        sock = self._socket
        if sock is None:
            return
        try:
            data = read_some(sock, self._share.scratch)
            if data is None:
                return
            code = self._wire.feed(data) if data else MQTTErrorCode.MQTT_ERR_CONN_LOST
        except OSError as err:
            self._lost(str(err))
        except Exception as err:  # a packet that paho cannot read: the connection cannot go on, the link must
            log.exception("%s: unreadable packet", self.client_id)
            self._lost(f"unreadable packet: {err}")
        else:
            if code and self._socket is sock:
                self._lost("closed by the broker" if not data else f"bad packet: {paho.error_string(code)}")

    def wants_to_write(self) -> None:
        """One send at the end of this turn of the loop, whatever was queued: the cork."""
        if self._flush_soon is None and not self._write_watched:
            self._flush_soon = self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_soon = None
        if self._socket is None:
            return
        try:
            while self._wire.outbox and (count := write_some(self._socket, self._wire.outbox)):
                self._wire.sent(count)
        except OSError as err:
            self._lost(str(err))
            return
        if bool(self._wire.outbox) is not self._write_watched:
            self._write_watched = not self._write_watched
            if self._write_watched:
                self._loop.add_writer(self._socket, self._flush)
            else:
                self._loop.remove_writer(self._socket)

    def _check_alive(self) -> None:
        if self._wire.still_alive():
            self._keepalive = self._loop.call_later(max(0.0, self._wire.next_check_s()) + 0.05, self._check_alive)
        else:
            self._lost(f"no answer to a ping in {self._keepalive_s} s")

    def _call(self, callback: Callable[[T], None] | None, argument: T) -> None:
        if callback is None:
            return
        try:
            callback(argument)
        except Exception:
            self.counters.callback_errors += 1
            log.exception("%s: a callback failed", self.client_id)


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    """Fail a future; its owner may not care, so asyncio need not complain that nobody looked."""
    if not future.done():
        future.set_exception(error)
        future.exception()
