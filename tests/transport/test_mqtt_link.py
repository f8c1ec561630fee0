"""The link against a scripted broker (what it must survive) and real ones (what both ends agree on)."""

import asyncio
import inspect
import os
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.transport.broker import ManagedBroker
from endpoints import paho_wire
from endpoints.mqtt_dial import HANDSHAKES
from endpoints.mqtt_link import AckToken, BrokerAddress, LinkDown, LinkFull, MqttLink
from endpoints.paho_wire import PahoWire
from tests.brokers import SERVER, SPEAKER, Peer, running, settled, until

# ---- our contract with paho -------------------------------------------------------------------------------------------------


def test_paho_still_has_the_private_names_that_we_rely_on() -> None:
    """If this fails, paho was upgraded: read its new `_packet_read` and `_packet_queue` before touching `paho_wire`."""
    assert version("paho-mqtt").startswith("2.2.")
    expected = {
        "_packet_read": ["self"],
        "_packet_queue": ["self", "command", "packet", "mid", "qos", "info"],
        "_sock_recv": ["self", "bufsize"],
        "_sock_close": ["self"],
        "_create_socket": ["self"],
        "_handle_on_message": ["self", "message"],
        "_handle_connack": ["self"],
        "_check_keepalive": ["self"],
    }
    assert set(expected) == set(paho_wire.PRIVATE_HOOKS)
    found = {name: list(inspect.signature(getattr(paho.Client, name)).parameters) for name in expected}
    assert found == expected
    attributes = vars(paho.Client(paho.CallbackAPIVersion.VERSION2))
    assert {"_sock", "_in_packet", "_last_msg_out", "_last_bytes_received", "_sockpairR", "_thread"} <= set(attributes)
    assert attributes["_sockpairR"] is None, "paho opens a socket pair for each client now: two more descriptors a link"


class Recorder:
    """Owner of a wire that has no loop."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.wakes = 0

    def heard_connack(self, code: int, *, session_present: bool) -> None:
        self.said.append(("connack", code, session_present))

    def heard_message(self, message: paho.MQTTMessage) -> None:
        self.said.append(("message", message.topic, bytes(message.payload), message.qos, message.mid, message.retain))

    def heard_puback(self, mid: int) -> None:
        self.said.append(("puback", mid))

    def heard_suback(self, mid: int, granted: list[bool]) -> None:
        self.said.append(("suback", mid, granted))

    def wants_to_write(self) -> None:
        self.wakes += 1


def _wire(owner: Recorder, **options: Any) -> PahoWire:
    wire = PahoWire(owner, client_id="s-1", clean=True, manual_ack=True, max_packet_bytes=options.pop("limit", 1_000))
    wire.open(socket.socket(), keepalive_s=30)
    return wire


CONNACK = b"\x20\x02\x01\x00"


def publish_packet(topic: str, payload: bytes, mid: int, *, flags: int = 0b0010) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic.encode() + struct.pack(">H", mid) + payload
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) & 127 | 128, len(body) >> 7])
    return bytes([0x30 | flags]) + length + body


@given(st.lists(st.integers(1, 40), max_size=30), st.lists(st.binary(max_size=200), min_size=1, max_size=5))
@settings(deadline=None, max_examples=60)
def test_packets_are_the_same_however_the_network_cuts_them(cuts: list[int], payloads: list[bytes]) -> None:
    stream = (
        CONNACK + b"".join(publish_packet("eb/v1/x", one, n + 1) for n, one in enumerate(payloads)) + b"\x40\x02\0\5"
    )
    owner = Recorder()
    wire = _wire(owner)
    at = 0
    for size in [*cuts, len(stream)]:
        assert wire.feed(stream[at : at + size]) == 0
        at += size
    wire.close()
    messages = [("message", "eb/v1/x", one, 1, n + 1, False) for n, one in enumerate(payloads)]
    assert owner.said == [("connack", 0, True), *messages]  # the PUBACK is for nothing we sent


def test_a_packet_longer_than_allowed_ends_the_connection_before_its_body_is_read() -> None:
    owner = Recorder()
    wire = _wire(owner, limit=1_000)
    assert wire.feed(CONNACK + b"\x32" + b"\xe9\x07") != 0  # 1,001 bytes announced, none sent
    assert owner.said == [("connack", 0, True)]
    wire.close()


def test_acknowledgements_of_a_batch_are_four_bytes_each_in_one_piece() -> None:
    owner = Recorder()
    wire = _wire(owner)
    wire.outbox.clear()
    before = owner.wakes
    wire.puback([1, 258, 65_535])
    assert bytes(wire.outbox) == b"\x40\x02\x00\x01\x40\x02\x01\x02\x40\x02\xff\xff"
    assert owner.wakes == before + 1
    wire.close()


# ---- against a scripted broker ----------------------------------------------------------------------------------------------


class Script:
    """A listener whose answer to each connection a test decides."""

    def __init__(self) -> None:
        self.port = 0
        self.seen: list[bytes] = []
        self.closed = 0
        self.open_now = self.most_open = 0
        self.on_connect: Callable[[asyncio.StreamWriter], None] = lambda writer: writer.write(b"\x20\x02\0\0")
        self.on_data: Callable[[bytes, asyncio.StreamWriter], None] = lambda data, writer: None
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        self.seen.append(await reader.read(65_536))
        self.on_connect(writer)
        try:
            while data := await reader.read(65_536):
                self.seen.append(data)
                self.on_data(data, writer)
        except ConnectionError:
            pass
        self.closed += 1
        writer.close()

    @property
    def heard(self) -> bytes:
        return b"".join(self.seen)


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    one = Script()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    yield one
    server.close()
    for writer in one.writers:
        writer.close()


class Draws(random.Random):
    """Remembers the ceilings it was asked for and waits no time."""

    def __init__(self) -> None:
        super().__init__()
        self.ceilings: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        assert a == 0
        self.ceilings.append(b)
        return 0.0 if len(self.ceilings) < 8 else 3600.0


class Client:
    def __init__(self, port: int, **options: Any) -> None:
        self.ups: list[bool] = []
        self.downs: list[str] = []
        self.messages: list[tuple[str, bytes, int, bool, AckToken]] = []
        options.setdefault("on_up", self.ups.append)
        options.setdefault("on_message", lambda *message: self.messages.append(message))
        self.link = MqttLink(
            BrokerAddress("127.0.0.1", port), options.pop("client_id", "s-1"), on_down=self.downs.append, **options
        )

    async def up(self) -> "Client":
        self.link.start()
        await until(lambda: self.link.connected)
        return self


async def test_retries_wait_a_random_time_below_a_ceiling_that_doubles_up_to_a_minute() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    draws = Draws()
    client = Client(port, random=draws)
    client.link.start()
    await until(lambda: len(draws.ceilings) == 8)
    assert draws.ceilings == [3, 6, 12, 24, 48, 60, 60, 60]
    assert (client.ups, client.downs, client.link.counters.failed_dials) == ([], [], 8)
    client.link.drop()


async def test_a_connection_that_is_thrown_out_at_once_again_and_again_waits_longer_each_time(script: Script) -> None:
    script.on_connect = lambda writer: (writer.write(b"\x20\x02\0\0"), writer.close())  # type: ignore[assignment,return-value]
    draws = Draws()
    client = Client(script.port, random=draws)
    client.link.start()
    await until(lambda: len(draws.ceilings) == 8)
    assert draws.ceilings == [3, 6, 12, 24, 48, 60, 60, 60]
    assert (len(client.ups), len(client.downs)) == (8, 8)
    client.link.drop()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"\x20\x02\0\5", "broker refused: not authorised"),
        (b"\x20\x02\0\1", "broker refused: protocol"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ""),
        (b"", "TimeoutError"),
    ],
)
async def test_what_is_no_welcome_is_a_failed_dial_and_is_tried_again(
    script: Script, answer: bytes, reason: str
) -> None:
    script.on_connect = lambda writer: writer.write(answer)
    client = Client(script.port, random=Draws(), connect_timeout_s=0.15)
    client.link.start()
    await until(lambda: client.link.counters.failed_dials >= 2)
    assert (client.ups, client.downs) == ([], [])
    assert reason in client.link.last_reason
    client.link.drop()


async def test_rubbish_from_the_broker_costs_the_connection_and_not_the_link(script: Script) -> None:
    script.on_connect = lambda writer: writer.write(b"\x20\x02\0\0" + b"\x32\x01\0" + b"\xff" * 100)
    client = Client(script.port, random=Draws())
    client.link.start()
    await until(lambda: client.link.counters.losses >= 2)
    client.link.drop()


async def test_a_publish_is_done_at_the_puback_and_fails_when_the_connection_goes_first(script: Script) -> None:
    client = await Client(script.port, random=random.Random(1)).up()
    first, second = client.link.publish("a", b"1"), client.link.publish("a", b"2")
    await settled(0.05)
    assert not first.done()
    script.writers[0].write(b"\x40\x02\0\1")
    await first
    script.writers[0].close()
    with pytest.raises(LinkDown, match="s-1: closed by the broker"):
        await second
    assert client.downs == ["closed by the broker"]
    with pytest.raises(LinkDown, match="s-1: not connected: closed by the broker"):
        client.link.publish("a", b"3")
    client.link.drop()


async def test_nothing_that_failed_is_sent_later_behind_our_back(script: Script) -> None:
    client = await Client(script.port, random=Draws()).up()
    lost = client.link.publish("topic-that-was-lost", b"x")
    await until(lambda: b"topic-that-was-lost" in script.heard)
    script.seen.clear()
    script.writers[0].close()
    await until(lambda: len(client.ups) == 2)
    client.link.publish("topic-of-now", b"x")
    await until(lambda: b"topic-of-now" in script.heard)
    assert b"topic-that-was-lost" not in script.heard
    assert isinstance(lost.exception(), LinkDown)
    client.link.drop()


async def test_a_link_holds_no_more_than_it_may(script: Script) -> None:
    client = await Client(script.port, max_inflight=2, max_outbox_bytes=10_000).up()
    client.link.publish("a", b"1")
    client.link.publish("a", b"2")
    with pytest.raises(LinkFull, match="2 publishes wait"):
        client.link.publish("a", b"3")
    client.link.publish("a", bytes(9_000), 0)
    with pytest.raises(LinkFull, match="bytes wait for the socket"):
        client.link.publish("a", bytes(9_000), 0)
    client.link.drop()


async def test_qos_0_is_done_at_once(script: Script) -> None:
    client = await Client(script.port).up()
    assert client.link.publish("eb/v1/hello/s-1", b"x", 0).done()
    await until(lambda: b"eb/v1/hello/s-1" in script.heard)
    client.link.drop()


async def test_stop_sends_what_is_written_then_says_goodbye(script: Script) -> None:
    script.on_data = lambda data, writer: writer.close() if data.endswith(b"\xe0\0") else None
    client = await Client(script.port).up()
    last = client.link.publish("eb/v1/report/s-1", bytes(300_000))
    await client.link.stop()
    assert script.heard.endswith(b"\xe0\0")
    assert len(script.heard) > 300_000
    assert client.downs == ["stopped"]
    assert isinstance(last.exception(), LinkDown)


async def test_stop_does_not_wait_for_a_broker_that_does_not_answer(script: Script) -> None:
    client = await Client(script.port).up()
    await client.link.stop(timeout_s=0.05)
    assert (client.downs, client.link.connected) == (["stopped"], False)


async def test_drop_closes_without_goodbye(script: Script) -> None:
    client = await Client(script.port).up()
    client.link.drop()
    await until(lambda: script.closed == 1)
    assert b"\xe0\0" not in script.heard
    assert client.downs == ["dropped"]


async def test_an_idle_link_pings_and_stays_up(script: Script) -> None:
    script.on_data = lambda data, writer: writer.write(b"\xd0\0") if b"\xc0\0" in data else None
    client = await Client(script.port, keepalive_s=1).up()
    await until(lambda: script.heard.count(b"\xc0\0") == 3)
    assert client.downs == []
    client.link.drop()


async def test_a_callback_that_fails_is_counted_and_the_next_message_comes(script: Script) -> None:
    heard: list[bytes] = []

    def broken(topic: str, payload: bytes, *rest: object) -> None:
        heard.append(payload)
        raise RuntimeError("a fault of ours")

    client = await Client(script.port, on_message=broken).up()
    script.writers[0].write(publish_packet("a", b"1", 1) + publish_packet("a", b"2", 2))
    await until(lambda: heard == [b"1", b"2"])
    assert client.link.counters.callback_errors == 2
    assert client.link.connected
    client.link.drop()


@pytest.mark.parametrize("moment", ["on_up", "on_message"])
async def test_a_link_may_be_dropped_by_its_own_callback(script: Script, moment: str) -> None:
    script.on_connect = lambda writer: writer.write(
        b"\x20\x02\0\0" + publish_packet("a", b"1", 1) + publish_packet("a", b"2", 2)
    )
    clients: list[Client] = []
    client = Client(
        script.port,
        **{moment: lambda *_: clients[0].link.drop()},
    )
    clients.append(client)
    client.link.start()
    await until(lambda: client.downs == ["dropped"])
    assert client.link.counters.received == (1 if moment == "on_message" else 0)


async def test_tokens_of_an_earlier_connection_are_void(script: Script) -> None:
    script.on_connect = lambda writer: writer.write(b"\x20\x02\x01\0" + publish_packet("a", b"1", 7))
    client = await Client(script.port, manual_ack=True, clean=False, random=Draws()).up()
    await until(lambda: client.messages)
    old = client.messages[0][4]
    script.writers[0].close()
    await until(lambda: len(client.messages) == 2)
    script.seen.clear()
    client.link.ack([old])
    await settled(0.05)
    assert b"\x40\x02\0\x07" not in script.heard
    assert client.link.counters.void_acks == 1
    client.link.ack([client.messages[1][4]])
    await until(lambda: script.heard == b"\x40\x02\0\x07")
    client.link.drop()


async def test_many_links_shake_hands_a_few_at_a_time(script: Script) -> None:
    waiting: list[asyncio.StreamWriter] = []
    script.on_connect = waiting.append
    clients = [Client(script.port, client_id=f"s-{n}") for n in range(150)]
    for client in clients:
        client.link.start()
    await until(lambda: len(waiting) == HANDSHAKES)
    await settled(0.1)
    assert (len(waiting), script.open_now) == (HANDSHAKES, HANDSHAKES)
    script.on_connect = lambda writer: writer.write(b"\x20\x02\0\0")
    for writer in waiting:
        writer.write(b"\x20\x02\0\0")
    await until(lambda: all(client.link.connected for client in clients))
    for client in clients:
        client.link.drop()


async def test_a_link_that_ended_leaves_no_descriptor_and_no_task(script: Script) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    await (await Client(script.port).up()).link.stop(timeout_s=0.05)
    await until(lambda: script.closed == 1)
    before, tasks = descriptors(), len(asyncio.all_tasks())
    for n in range(5):
        client = await Client(script.port).up()
        client.link.drop()
        await until(lambda wanted=n + 2: script.closed == wanted)
    unfinished = Client(script.port)
    unfinished.link.start()
    await asyncio.sleep(0)
    unfinished.link.drop()
    await settled(0.05)
    assert (descriptors(), len(asyncio.all_tasks())) == (before, tasks)


def test_a_password_does_not_stand_in_a_repr() -> None:
    assert "secret" not in repr(BrokerAddress("h", 1, "s-1", "secret"))


# ---- against real brokers ---------------------------------------------------------------------------------------------------


async def test_subscriptions_are_made_again_after_a_lost_connection(broker: ManagedBroker) -> None:
    speaker = await Peer(broker, SPEAKER).up(f"eb/v1/board/{SPEAKER}")
    assert broker.child.pid is not None
    os.kill(broker.child.pid, 9)
    await until(lambda: len(speaker.ups) == 2)
    assert speaker.ups == [False, False]
    server = await Peer(broker, SERVER.name).up()
    await server.link.publish(f"eb/v1/board/{SPEAKER}", b"board", 1)
    await until(lambda: speaker.heard == [(f"eb/v1/board/{SPEAKER}", b"board")])
    for peer in (speaker, server):
        await peer.link.stop()


async def test_a_filter_that_was_left_is_not_heard_any_more(broker: ManagedBroker) -> None:
    speaker = await Peer(broker, SPEAKER).up(f"eb/v1/board/{SPEAKER}", f"ex/v1/board/{SPEAKER}")
    speaker.link.unsubscribe([f"ex/v1/board/{SPEAKER}"])
    server = await Peer(broker, SERVER.name).up()
    await settled(0.1)
    await server.link.publish(f"ex/v1/board/{SPEAKER}", b"exercise", 1)
    await server.link.publish(f"eb/v1/board/{SPEAKER}", b"live", 1)
    await until(lambda: speaker.heard)
    assert speaker.heard == [(f"eb/v1/board/{SPEAKER}", b"live")]
    for peer in (speaker, server):
        await peer.link.stop()


async def test_a_report_that_was_not_acknowledged_comes_again(tmp_path: Path) -> None:
    async with running("mosquitto", tmp_path) as broker:
        server = await Peer(broker, SERVER.name, clean=False, manual_ack=True).up("eb/v1/report/+")
        speaker = await Peer(broker, SPEAKER).up()
        for n in range(5):
            await speaker.link.publish(f"eb/v1/report/{SPEAKER}", b"%d" % n, 1)
        await until(lambda: len(server.heard) == 5)
        server.link.ack(server.tokens[:2])  # these two are in the table
        await settled(0.1)
        server.link.drop()
        server.heard.clear()
        await server.up()
        await until(lambda: len(server.heard) == 3)
        assert [payload for _, payload in server.heard] == [b"2", b"3", b"4"]
        server.link.ack(server.tokens[-3:])
        await settled(0.1)
        server.link.drop()
        server.heard.clear()
        await server.up()
        await settled()
        assert server.heard == []
        for peer in (server, speaker):
            await peer.link.stop()


async def test_amqtt_forgets_a_report_that_was_delivered_and_not_acknowledged(tmp_path: Path) -> None:
    """A limit of the fall-back, printed at its start; when this fails, take the sentence away."""
    async with running("amqtt", tmp_path) as broker:
        server = await Peer(broker, SERVER.name, clean=False, manual_ack=True).up("eb/v1/report/+")
        speaker = await Peer(broker, SPEAKER).up()
        await speaker.link.publish(f"eb/v1/report/{SPEAKER}", b"x", 1)
        await until(lambda: server.heard)
        server.link.drop()
        server.heard.clear()
        await settled(0.1)
        await server.up()
        await settled()
        assert (server.heard, server.retained) == ([], [])
        for peer in (server, speaker):
            await peer.link.stop()


async def test_a_large_board_goes_through_both_ways(broker: ManagedBroker) -> None:
    server = await Peer(broker, SERVER.name).up()
    board = random.Random(7).randbytes(700_000)
    speaker = await Peer(broker, SPEAKER).up(f"eb/v1/board/{SPEAKER}")
    await server.link.publish(f"eb/v1/board/{SPEAKER}", board, 1)
    await until(lambda: speaker.heard == [(f"eb/v1/board/{SPEAKER}", board)])
    for peer in (speaker, server):
        await peer.link.stop()
