"""Simulated speakers and live sound: what did not come is not said to have sounded, and one listens for all."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from endpoints.live_packets import Packet, StreamHead, head_topic, live_topic, seal_head, seal_packet
from endpoints.protocol import LIVE_ROOT, Order
from endpoints.sealing import TrustStore
from endpoints.simulated_stream import Listening, News, SimulatedStreams
from endpoints.vocabulary import Reason, Stage, Tone
from tests.endpoints.county import COUNTY, KEY, SIGNER, ServerDouble, a_slot, county, switched_on, until
from tests.virtual_time import run

STREAM = 77
RELAY: dict[str, Any] = {"asset": b"", "asset_bytes": 0, "asset_ms": 0, "stream": STREAM, "tone": Tone.NONE}
HEAD, PACKETS = head_topic(LIVE_ROOT, STREAM), live_topic(LIVE_ROOT, STREAM)


class Air:
    """What is sent, and who listens. Time is the loop's, from noon on."""

    def __init__(self) -> None:
        self.order = a_slot("P-1", lasting_ms=3_600_000, **RELAY)
        self.lines: list[LineDouble] = []
        self.seq = 0

    def time_us(self) -> int:
        return self.order.not_before_ms * 1_000 + round(asyncio.get_running_loop().time() * 1e6)

    def head(self, *, ended: bool = False) -> bytes:
        return seal_head(a_head(self.order, ended=ended), exercise=False, signer=SIGNER)

    def publish(self, topic: str, data: bytes) -> None:
        for line in self.lines:
            if line.hears and topic in line.handlers:
                line.handlers[topic](data)

    async def sound(self, seconds: float) -> None:
        self.publish(HEAD, self.head())
        for _ in range(round(seconds * 10)):
            self.publish(PACKETS, a_packet(self.seq, self.time_us()))
            self.seq += 1
            await asyncio.sleep(0.1)


class LineDouble:
    """A connection of one speaker."""

    area = COUNTY

    def __init__(self, air: Air) -> None:
        self.hears, self.handlers, self._air = True, dict[str, Callable[[bytes], None]](), air
        self.news: list[News] = []
        air.lines.append(self)

    def time_us(self) -> int:
        return self._air.time_us()

    def listen(self, topic: str, handler: Callable[[bytes], None], *, qos: int = 0) -> None:
        self.handlers[topic] = handler
        if topic == HEAD and self._air.seq:
            handler(self._air.head())  # retained

    def unlisten(self, topic: str) -> None:
        self.handlers.pop(topic, None)

    def follow(self, streams: SimulatedStreams, *, filled: bool = False, after_s: float = 0.0) -> Listening:
        return streams.open(self._air.order, self, self.news.append, after_s=after_s, filled=filled)


def a_head(order: Order, *, ended: bool = False) -> StreamHead:
    return StreamHead(order.id, STREAM, 3, 100, order.not_before_ms * 1_000 - 1_000_000, 1, 1 + ended, ended)


def a_packet(seq: int, media_us: int) -> bytes:
    return seal_packet(Packet(STREAM, seq, media_us, (b"\xf8\xff\xfe",) * 3), exercise=False, signer=SIGNER)


def stage(count: int) -> tuple[Air, SimulatedStreams, list[LineDouble]]:
    air = Air()
    return air, SimulatedStreams(TrustStore((KEY,))), [LineDouble(air) for _ in range(count)]


def test_a_stream_that_never_comes_is_given_up_after_ten_seconds_of_wanting_it() -> None:
    async def story() -> None:
        _, streams, (at_once, later) = stage(2)
        at_once.follow(streams)
        later.follow(streams, after_s=3)
        await asyncio.sleep(9.9)
        assert (at_once.news, later.news) == ([], [])
        await asyncio.sleep(0.2)
        assert (at_once.news, later.news) == ([News.LOST], [])
        await asyncio.sleep(3)
        assert later.news == [News.LOST]
        assert not at_once.handlers and not later.handlers

    run(story())


def test_what_comes_keeps_it_and_a_packet_that_nobody_signed_does_not() -> None:
    async def story() -> None:
        air, streams, (one,) = stage(1)
        one.follow(streams)
        await air.sound(25)
        assert one.news == []
        for seq in range(air.seq, air.seq + 12):
            signed = a_packet(seq, air.time_us())
            air.publish(PACKETS, signed[:-1] + bytes([signed[-1] ^ 1]))
            await asyncio.sleep(1)
        assert one.news == [News.LOST]

    run(story())


def test_the_fallback_sounds_while_it_is_away_and_it_is_never_given_up() -> None:
    async def story() -> None:
        air, streams, (one,) = stage(1)
        one.follow(streams, filled=True)
        await asyncio.sleep(30)
        await air.sound(5)
        assert one.news == [News.AWAY, News.COMES]
        await asyncio.sleep(5)
        assert one.news == [News.AWAY, News.COMES, News.AWAY]

    run(story())


def test_one_listens_for_all_another_takes_over_and_who_has_no_line_hears_nothing() -> None:
    async def story() -> None:
        air, streams, (first, second, third) = stage(3)
        following = [one.follow(streams) for one in (first, second, third)]
        sound = asyncio.create_task(air.sound(40))
        await asyncio.sleep(5)
        assert [bool(one.handlers) for one in (first, second, third)] == [True, False, False]
        first.hears = False
        await asyncio.sleep(5)
        assert [bool(one.handlers) for one in (first, second, third)] == [False, True, False]
        await asyncio.sleep(10)
        assert [one.news for one in (first, second, third)] == [[News.LOST], [], []]
        following[1].close()
        await asyncio.sleep(15)
        assert [bool(one.handlers) for one in (first, second, third)] == [False, False, True]
        assert third.news == []
        air.publish(HEAD, air.head(ended=True))
        await asyncio.sleep(1.1)
        assert third.news == [News.END] and not third.handlers
        await sound

    run(story())


async def test_speakers_of_a_county_sound_a_relay_that_comes_and_say_when_it_is_over(tmp_path: Path) -> None:
    async with county(tmp_path, 3) as where, switched_on(where):
        order = a_slot("P-1", **RELAY)
        where.server.publish_programme(order)
        await until(lambda: where.server.at("P-1", Stage.SOUNDING) == 3)
        for seq in range(5):
            say(where.server, a_head(order), a_packet(seq, time.time_ns() // 1_000))
            await asyncio.sleep(0.05)
        say(where.server, a_head(order, ended=True), b"")
        await until(lambda: where.server.at("P-1", Stage.FINISHED) == 3)
        reasons = {entry.reason for told in where.server.entries.values() for entry in told}
        assert reasons == {Reason.NONE}


def say(server: ServerDouble, head: StreamHead, packet: bytes) -> None:
    server.link.publish(HEAD, seal_head(head, exercise=False, signer=SIGNER), 0, retain=True)
    if packet:
        server.link.publish(PACKETS, packet, 0)
