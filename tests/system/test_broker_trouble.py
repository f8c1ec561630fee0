"""What goes wrong at the broker is seen at the desk: an id that two devices use, a line that died, a queue that ran over."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.generator import packet, text
from endpoints.delivery import State
from endpoints.mqtt_link import MqttLink
from endpoints.sealing import broker_password
from tests.system.city import OFFICER, RED, City, city, until

MORE_THAN_A_QUEUE = 101_000
TOPIC = "eb/v1/time/nobody"


@pytest.fixture
async def six(tmp_path: Path) -> AsyncIterator[City]:
    async with city(tmp_path, count=6, BROKER_ENGINE="mosquitto", BROKER_PERSISTENCE="false") as one:
        yield one


def shown(there: City, condition: str) -> dict[str, str] | None:
    """The facts of a condition that holds, as the desk shows them."""
    found = [one for one in there.server.health.conditions if one.name == condition]
    return dict(found[0].facts) if found else None


def second_device(there: City, speaker: str, *, keepalive_s: int) -> socket.socket:
    """It connects with the id and the password of a speaker, and then does nothing."""
    address = there.server.broker.address("", "")
    password = broker_password(there.server.keyring.master, speaker)
    line = socket.create_connection((address.host, address.port), timeout=5)
    head = text("MQTT") + b"\x04\xc2" + struct.pack(">H", keepalive_s)
    line.sendall(packet(0x10, head + text(speaker) + text(speaker) + text(password)))
    assert line.recv(4) == b"\x20\x02\x00\x00"
    return line


async def test_two_devices_with_one_id_are_named_at_the_desk_and_the_speaker_comes_back(six: City) -> None:
    one = next(iter(six.simulator.speakers.values()))
    lines = [second_device(six, one.config.id, keepalive_s=60) for _ in range(4)]
    await until(lambda: shown(six, "broker-taken-over") is not None, "shown", within_s=10)
    facts = shown(six, "broker-taken-over")
    assert facts is not None and one.config.id in facts["clients"]
    assert six.server.health.counters["broker_take_overs"] >= 4
    for line in lines:
        line.close()
    await until(lambda: one.connected, "it is back", within_s=15)
    order = (await six.server.broadcasts.start(RED, by=OFFICER)).ids[0]
    await six.all_in(order, State.SOUNDING)


async def test_a_single_take_over_is_counted_and_no_alarm(six: City) -> None:
    """A speaker that comes back before its old connection is known to be dead takes over its own."""
    one = next(iter(six.simulator.speakers.values()))
    second_device(six, one.config.id, keepalive_s=60).close()
    await until(lambda: six.server.health.counters.get("broker_take_overs") == 1, "counted")
    assert shown(six, "broker-taken-over") is None


async def test_a_line_that_died_unheard_is_counted_when_its_keepalive_is_over(six: City) -> None:
    one = next(iter(six.simulator.speakers.values()))
    one.loses_power()
    with second_device(six, one.config.id, keepalive_s=1):
        await until(lambda: six.server.health.counters.get("broker_timed_out") == 1, "timed out", within_s=15)
    assert shown(six, "broker-dropped") is None


async def test_messages_that_the_broker_drops_are_an_alarm_with_their_number_and_an_alert_goes_out(six: City) -> None:
    """Somebody's session takes nothing until its queue of 100,000 runs over."""
    address = six.server.broker.address("lianbo", six.server.keyring.broker_password)
    stalled = MqttLink(address, "stalled", on_message=lambda *_: None, clean=False)
    await_subscribed = stalled.subscribe([(TOPIC, 1)])
    stalled.start()
    await await_subscribed
    await stalled.stop()
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = text("MQTT") + b"\x04\xc2\x00\x00"
    writer.write(packet(0x10, head + text("talker") + text(address.username) + text(address.password)))
    assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
    thousand = b"".join(packet(0x32, text(TOPIC) + struct.pack(">H", n + 1) + b"x") for n in range(1_000))
    for _ in range(MORE_THAN_A_QUEUE // 1_000):
        writer.write(thousand)
        await reader.readexactly(4_000)  # the broker has them
    await until(lambda: shown(six, "broker-dropped") is not None, "shown", within_s=20)
    facts = shown(six, "broker-dropped")
    assert facts is not None and "stalled" in facts["clients"]
    await until(lambda: six.server.health.counters["broker_dropped"] == MORE_THAN_A_QUEUE - 100_000, "counted")
    assert shown(six, "broker-dropped")
    order = (await six.server.broadcasts.start(RED, by=OFFICER)).ids[0]
    await six.all_in(order, State.SOUNDING)
    writer.close()
