"""The MQTT broker as the server sees it: which engine, where to connect, who may, how it is.

`auto` takes Mosquitto as a child process, or amqtt in a process of its own where no system package can be had; `external` takes
any broker at an address. The choice and its reason are printed at start; docs/decisions/0003-broker.md says why this order.
"""

import asyncio
import contextlib
import importlib.util
import json
import logging
import secrets
import signal
import sys
from collections.abc import Iterable
from typing import Protocol

from broadcast.transport.broker_config import BrokerSettings, find_mosquitto, mosquitto_conf
from broadcast.transport.broker_health import SYS_FILTER, BrokerCounters, BrokerHealth, LogTail
from broadcast.transport.broker_users import BrokerUser, acl_lines, as_json, password_lines
from broadcast.transport.child import BrokerError, Child, connectable, write_private
from endpoints.mqtt_link import BrokerAddress, MqttLink, TlsFiles

log = logging.getLogger(__name__)

MONITOR = "lianbo-monitor"
LOG_EVERY_S = 1.0
AMQTT_LIMITS = (
    "a report that was delivered to the server but not acknowledged is not delivered again after a lost connection",
    "an unacknowledged delivery is dropped after 5 s, uncounted",
    "sessions and retained boards live in memory: after its restart the server publishes every board again",
    "deliveries are written by one Python process: 718 answers take about 0.26 s, 5,000 about 4 s",
    "MQTT 3.1.1 only",
)


class BrokerNotFound(BrokerError):
    def __init__(self, engine: str) -> None:
        self.engine = engine
        super().__init__(
            f"No MQTT broker for broker.engine = {engine}: install the system package (`apt install mosquitto`), or the extra "
            "`pip install lianbo[amqtt]`, or set broker.engine = external and broker.host to one that runs elsewhere."
        )


class Broker(Protocol):
    """Any engine."""

    engine: str
    why: str  # it was chosen
    limits: tuple[str, ...]  # of this engine, for the start message and the status page

    async def start(self) -> None: ...  # BrokerError
    async def stop(self) -> None: ...
    def set_users(self, users: Iterable[BrokerUser]) -> None: ...  # the whole list; a running broker takes it over
    def address(self, username: str, password: str) -> BrokerAddress: ...  # for clients on this machine
    def health(self) -> BrokerHealth: ...


class Monitor:
    """Our own connection to `$SYS` of a broker."""

    def __init__(self, counters: BrokerCounters) -> None:
        self._counters = counters
        self._link: MqttLink | None = None

    @property
    def connected(self) -> bool:
        return self._link is not None and self._link.connected

    def start(self, address: BrokerAddress) -> None:
        self._link = MqttLink(
            address,
            f"{MONITOR}-{secrets.token_hex(4)}",
            on_message=lambda topic, payload, *_: self._counters.hear_sys(topic, payload),
            keepalive_s=10,
        )
        self._link.subscribe([(SYS_FILTER, 0)])
        self._link.start()

    async def stop(self) -> None:
        if self._link is not None:
            await self._link.stop()


class ManagedBroker:
    """What Mosquitto and amqtt have in common: a child process, its accounts in files, its log, its `$SYS`."""

    engine: str
    limits: tuple[str, ...]
    _limits_level = logging.INFO

    def __init__(
        self, settings: BrokerSettings, users: Iterable[BrokerUser], argv: list[str], known: tuple[str, ...], why: str
    ) -> None:
        self.why = why
        self._settings, self._users = settings, tuple(users)
        self.child = Child(self.engine, argv, folder=settings.folder, host=settings.host, port=settings.port)
        self.child.on_start = self._before_start
        self._counters = BrokerCounters(known)
        self._monitor = Monitor(self._counters)
        self._monitor_password = secrets.token_urlsafe(32)
        self._tail = LogTail(self.child.log_file)
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.child.start()
        self._reading = asyncio.create_task(self._read_log(), name=f"log-{self.engine}")
        self._monitor.start(self.address(MONITOR, self._monitor_password))
        log.info("broker %s on %s:%s (%s)", self.engine, self.child.host, self.child.port, self.why)
        for limit in self.limits:
            log.log(self._limits_level, "broker %s: %s", self.engine, limit)

    async def stop(self) -> None:
        await self._monitor.stop()
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        await self.child.stop()

    def set_users(self, users: Iterable[BrokerUser]) -> None:
        """A running broker reads the list again; who is no longer on it is disconnected (Mosquitto) or refused next time."""
        self._users = tuple(users)
        if self.child.running:
            self._write_users()
            self.child.signal(signal.SIGHUP)

    def address(self, username: str, password: str) -> BrokerAddress:
        """The name in the certificate is not asked for: this is our own child, and its certificate is checked."""
        tls = TlsFiles(self._settings.tls.ca, check_hostname=False) if self._settings.tls else None
        return BrokerAddress(connectable(self.child.host), self.child.port, username, password, tls)

    def health(self) -> BrokerHealth:
        for line in self._tail.lines():
            self._counters.hear_line(line)
        values = self._counters
        return BrokerHealth(
            engine=self.engine,
            running=self.child.running,
            reachable=self._monitor.connected,
            version=values.version,
            restarts=self.child.restarts,
            clients=values["clients"],
            retained=values["retained"],
            stored=values["stored"],
            dropped=values["dropped"],
            overflowing=values["overflowing"],
            take_overs=values["take_overs"],
            timed_out=values["timed_out"],
            refused_logins=values["refused_logins"],
            denied=values["denied"],
            suspects=tuple(values.suspects),
            losing=values.losing,
            contested=values.contested,
            limits=self.limits,
        )

    def _everyone(self) -> tuple[BrokerUser, ...]:
        return (*self._users, BrokerUser(MONITOR, self._monitor_password, read=("$SYS/#",)))

    def _before_start(self) -> None:
        self._counters.broker_restarted()
        self._write_users()

    def _write_users(self) -> None:
        raise NotImplementedError

    async def _read_log(self) -> None:
        while True:
            await asyncio.sleep(LOG_EVERY_S)
            for line in self._tail.lines():
                self._counters.hear_line(line)


class MosquittoChild(ManagedBroker):
    """Mosquitto 2.0 with a configuration of ours."""

    engine = "mosquitto"
    limits: tuple[str, ...] = ("publishes that the access list refuses are not counted",)

    def __init__(self, settings: BrokerSettings, users: Iterable[BrokerUser], *, binary: str, why: str = "") -> None:
        argv = [binary, "-c", str(settings.folder.absolute() / "mosquitto.conf")]
        known = ("clients", "dropped", "overflowing", "take_overs", "timed_out", "refused_logins")
        super().__init__(settings, users, argv, known, why or f"{binary} is installed")

    def _before_start(self) -> None:
        super()._before_start()
        write_private(self.child.folder / "mosquitto.conf", mosquitto_conf(self._settings, self.child.port))

    def _write_users(self) -> None:
        everyone = self._everyone()
        write_private(self.child.folder / "passwords", password_lines(everyone))
        write_private(self.child.folder / "acl", acl_lines(everyone))


class AmqttChild(ManagedBroker):
    """amqtt 0.12, pure Python, with our access lists and repairs (`amqtt_child`)."""

    engine = "amqtt"
    limits: tuple[str, ...] = AMQTT_LIMITS
    _limits_level = logging.WARNING

    def __init__(self, settings: BrokerSettings, users: Iterable[BrokerUser], *, why: str = "") -> None:
        argv = [sys.executable, "-m", "broadcast.transport.amqtt_child", str(settings.folder.absolute() / "amqtt.json")]
        known = ("clients", "take_overs", "timed_out", "refused_logins", "denied")
        super().__init__(settings, users, argv, known, why or "amqtt is installed")

    def _before_start(self) -> None:
        super()._before_start()
        tls = self._settings.tls
        described = {
            "host": self.child.host,
            "port": self.child.port,
            "sys_interval_s": self._settings.sys_interval_s,
            "tls": tls and {"ca": str(tls.ca), "certificate": str(tls.certificate), "key": str(tls.key)},
            "users": str(self.child.folder.absolute() / "users.json"),
        }
        write_private(self.child.folder / "amqtt.json", json.dumps(described))

    def _write_users(self) -> None:
        write_private(self.child.folder / "users.json", json.dumps(as_json(self._everyone())))


class ExternalBroker:
    """A broker that somebody else runs; accounts and limits are theirs, so most counters are not known."""

    engine = "external"
    limits: tuple[str, ...] = ("accounts, access lists and queue limits are those of the external broker",)

    def __init__(self, address: BrokerAddress, *, why: str = "broker.engine = external") -> None:
        self.why = why
        self._address = address
        self._counters = BrokerCounters(())
        self._monitor = Monitor(self._counters)

    async def start(self) -> None:
        self._monitor.start(self._address)
        log.info("broker %s at %r", self.engine, self._address)

    async def stop(self) -> None:
        await self._monitor.stop()

    def set_users(self, users: Iterable[BrokerUser]) -> None:
        log.info("broker external: its accounts are kept there; %s of ours are not written", len(tuple(users)))

    def address(self, username: str, password: str) -> BrokerAddress:
        return BrokerAddress(self._address.host, self._address.port, username, password, self._address.tls)

    def health(self) -> BrokerHealth:
        values = self._counters
        return BrokerHealth(
            engine=self.engine,
            running=self._monitor.connected,
            reachable=self._monitor.connected,
            version=values.version,
            restarts=None,
            clients=values["clients"],
            retained=values["retained"],
            stored=values["stored"],
            dropped=values["dropped"],
            overflowing=None,
            take_overs=None,
            timed_out=None,
            refused_logins=None,
            denied=None,
            suspects=(),
            losing=values.losing,
            contested=(),
            limits=self.limits,
        )


def open_broker(settings: BrokerSettings, users: Iterable[BrokerUser] = ()) -> Broker:
    """The broker of the settings, not yet started; `why` says how `auto` chose.

    :raises BrokerNotFound: the engine is not there, or `external` lacks its address.
    """
    if settings.engine == "external":
        if settings.external is None:
            raise BrokerNotFound("external")
        return ExternalBroker(settings.external)
    binary = find_mosquitto()
    if settings.engine in ("auto", "mosquitto") and binary is not None:
        return MosquittoChild(settings, users, binary=binary)
    if settings.engine in ("auto", "amqtt") and importlib.util.find_spec("amqtt") is not None:
        why = (
            "broker.engine = amqtt"
            if settings.engine == "amqtt"
            else "no mosquitto on this machine, so its Python fall-back"
        )
        return AmqttChild(settings, users, why=why)
    raise BrokerNotFound(settings.engine)
