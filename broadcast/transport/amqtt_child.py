"""amqtt in a process of its own: `python -m broadcast.transport.amqtt_child amqtt.json`.

The access lists are ours (its own topic plugin loads once and allows publishing where no list is), and seven faults of amqtt
0.12.1 are repaired where its hooks allow:

- a silent client stayed connected for ever, and so did the old one of two with the same id;
- a stranger without password pushed a client off by its id;
- any client was sent the retained messages of everybody's subscriptions;
- a forged will was published;
- who was connected stayed so when its account was taken away;
- what a client sent just before its goodbye was acknowledged and thrown away.

What stays is in `broker.AMQTT_LIMITS`.
"""

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import amqtt.broker
from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import Broker, BrokerContext
from amqtt.contexts import Action, BaseContext
from amqtt.errors import MQTTError
from amqtt.mqtt.connack import NOT_AUTHORIZED, ConnackPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.plugins.base import BaseAuthPlugin, BasePlugin, BaseTopicPlugin
from amqtt.session import Session

from broadcast.transport.broker_users import check_password, covers

log = logging.getLogger("amqtt_child")
_ME = "broadcast.transport.amqtt_child"


class Accounts:
    """Name to hash and filters, read again on SIGHUP."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._users: Mapping[str, Mapping[str, Any]] = {}
        self.read()

    def read(self) -> frozenset[str]:
        """The names whose account is gone or another one now."""
        before, self._users = self._users, json.loads(self._path.read_text())
        return frozenset(name for name, user in before.items() if self._users.get(name) != user)

    def knows(self, name: str | None, password: str | None) -> bool:
        user = self._users.get(name or "")
        return user is not None and check_password(password or "", user["hash"])

    def allows(self, name: str | None, topic: str, kind: str) -> bool:
        user = self._users.get(name or "")
        return user is not None and any(covers(one, topic) for one in user[kind])


_accounts: list[Accounts] = []  # amqtt makes its plugins itself and hands them only plain values


def say(line: str) -> None:
    """One line for the server to count, in Mosquitto's words (`broker_health.LOG_LINES`)."""
    sys.stderr.write(line + "\n")


def _name(session: Session | None) -> str:
    """The client id as one word without control characters: it comes from outside and goes to a log."""
    return ascii(session.client_id if session is not None else None)[1:-1].replace(" ", "_")


class Login(BaseAuthPlugin):  # type: ignore[misc]
    """amqtt refuses everybody without such a plugin; `CheckedHandler` has asked already."""

    async def authenticate(self, *, session: Session) -> bool:
        return _accounts[0].knows(session.username, session.password)

    @dataclass
    class Config:
        """amqtt wants one."""


class Topics(BaseTopicPlugin):  # type: ignore[misc]
    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        kind = "write" if action == Action.PUBLISH else "read"
        good = session is not None and _accounts[0].allows(session.username, topic or "", kind)
        if not good and action != Action.RECEIVE:
            say(f"Denied {'PUBLISH' if kind == 'write' else 'SUBSCRIBE'} from {_name(session)}")
        return good

    @dataclass
    class Config:
        """amqtt wants one."""


class Numbers(BasePlugin[BrokerContext]):  # type: ignore[misc]
    """Publishes below `$SYS/broker/`."""

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._task: asyncio.Task[None] | None = None

    async def on_broker_post_start(self) -> None:
        self._task = asyncio.create_task(self._publish(), name="numbers")

    async def _publish(self) -> None:
        while True:
            connected = sum(session.transitions.state == "connected" for session in self.context.sessions)
            values = {"clients/connected": connected, "retained messages/count": len(self.context.retained_messages)}
            for name, value in values.items():
                await self.context.broadcast_message(f"$SYS/broker/{name}", str(value).encode(), 0)
            await asyncio.sleep(self.config.every_s)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    @dataclass
    class Config:
        every_s: int = 2


class CheckedHandler(BrokerProtocolHandler):  # type: ignore[misc]
    """Asks for the password before the session of that client id is touched, and notices silence."""

    @classmethod
    async def init_from_connect(
        cls, reader: ReaderAdapter, writer: WriterAdapter, *args: Any, **options: Any
    ) -> tuple[BrokerProtocolHandler, Session]:
        accounts = _accounts[0]
        handler, session = await super().init_from_connect(reader, writer, *args, **options)
        if not accounts.knows(session.username, session.password):
            say(f"Client {_name(session)} disconnected, not authorised.")
            await ConnackPacket.build(0, NOT_AUTHORIZED).to_stream(writer)
            await writer.close()
            raise MQTTError(f"{session.client_id}: not authorised")
        if session.will_flag and not accounts.allows(session.username, session.will_topic or "", "write"):
            say(f"Denied WILL from {_name(session)}")
            session.will_flag = False
        return handler, session

    def handle_read_timeout(self) -> None:
        say(f"Client {_name(self.session)} has exceeded timeout, disconnecting.")
        self._ending = asyncio.create_task(self.handle_connection_closed(), name="timed-out")


class RepairedBroker(Broker):  # type: ignore[misc]
    """Four private methods of amqtt 0.12.1, each called as before and kept from doing harm."""

    async def _initialize_client_session(self, *args: Any) -> tuple[BrokerProtocolHandler, Session]:
        handler, session = await super()._initialize_client_session(*args)
        await self._end_older(session.client_id)
        if session.keep_alive:
            session.keep_alive = round(session.keep_alive * 1.5)  # MQTT 3.1.1 §3.1.2.10
        return handler, session

    async def _delete_session(self, client_id: str) -> None:
        await self._end_older(client_id)
        await super()._delete_session(client_id)

    async def _end_older(self, client_id: str | None) -> None:
        """Two clients with one id: the newer one stays (MQTT 3.1.1 §3.1.4-2)."""
        session, handler = self.sessions.get(client_id, (None, None))
        if session is None or handler is None or session.transitions.state != "connected":
            return
        say(f"Client {_name(session)} already connected, closing old connection.")
        await handler.handle_connection_closed()
        for _ in range(200):  # its own task ends it: 2 s at most
            if session.transitions.state != "connected":
                return
            await asyncio.sleep(0.01)

    async def _handle_disconnect(
        self, client_session: Session, handler: BrokerProtocolHandler, disconnect_waiter: asyncio.Future[Any]
    ) -> None:
        waiting = client_session.delivered_message_queue
        while not waiting.empty():
            given: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            given.set_result(waiting.get_nowait())
            await self._handle_message_delivery(client_session, handler, given)
        await super()._handle_disconnect(client_session, handler, disconnect_waiter)

    async def cut_off(self, names: frozenset[str]) -> None:
        """End the connections of those whose password is no longer taken: amqtt asks for it at the beginning only."""
        for session, handler in list(self.sessions.values()):
            if session.username not in names or handler is None or session.transitions.state != "connected":
                continue
            if not _accounts[0].knows(session.username, session.password):
                say(f"Client {_name(session)} disconnected, not authorised.")
                await handler.handle_connection_closed()

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        if any(one is session for one, _ in self.subscriptions.get(subscription[0], ())):
            await super()._publish_retained_messages_for_subscription(subscription, session)


async def serve(settings: Mapping[str, Any]) -> None:
    _accounts.append(Accounts(Path(settings["users"])))
    listener: dict[str, Any] = {"type": "tcp", "bind": f"{settings['host']}:{settings['port']}"}
    if tls := settings["tls"]:
        listener |= {"ssl": True, "cafile": tls["ca"], "certfile": tls["certificate"], "keyfile": tls["key"]}
    plugins = {f"{_ME}.Login": {}, f"{_ME}.Topics": {}, f"{_ME}.Numbers": {"every_s": settings["sys_interval_s"]}}
    amqtt.broker.BrokerProtocolHandler = CheckedHandler  # the broker makes its handlers by this name
    broker = RepairedBroker({"listeners": {"default": listener}, "plugins": plugins})
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    loop.add_signal_handler(signal.SIGINT, ending.set)
    cutting: set[asyncio.Task[None]] = set()

    def read_again() -> None:
        task = loop.create_task(broker.cut_off(_accounts[0].read()), name="cut off")
        cutting.add(task)
        task.add_done_callback(cutting.discard)

    loop.add_signal_handler(signal.SIGHUP, read_again)
    await broker.start()
    await ending.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    sys.modules[_ME] = sys.modules[
        "__main__"
    ]  # amqtt imports its plugins by name: it must find these, not a second copy
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text())))
