"""Relays: a source becomes the stream of a programme's order, for as long as its slot lasts."""

import asyncio
from pathlib import Path

import pytest

from broadcast.domain.live import LiveOverBudget
from endpoints.protocol import Band, Kind, Level, Order, Severity, Tone
from tests.service.live_stage import NOON_US, LiveStage, live_stage
from tests.town import CITY, TOWNSHIP
from tests.virtual_time import run

RADIO = "http://radio/"


def programme(name: str = "P-1", stream: int = 77, area: str = TOWNSHIP) -> Order:
    noon_ms = NOON_US // 1_000
    return Order(
        id=name, revision=1, kind=Kind.ROUTINE, band=Band.ROUTINE, severity=Severity.UNKNOWN, level=Level.CITY, exercise=False,
        issued_at_ms=noon_ms, not_before_ms=noon_ms, not_after_ms=noon_ms + 1_800_000, areas=(area,), tone=Tone.NONE,
        stream=stream,
    )  # fmt: skip


async def play(stage: LiveStage, count: int) -> None:
    for n in range(count):
        stage.sources.opened[-1].ears.frames([b"\xf8%d" % n], stage.clock.now_us())
        await asyncio.sleep(0.02)


def names(stage: LiveStage) -> list[str]:
    return [one.name for one in stage.town.services.health.conditions]


def test_a_relay_runs_from_its_start_to_its_stop_and_is_recorded(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            order = programme()
            await stage.relays.start(order, RADIO)
            await stage.relays.start(order, RADIO)
            await asyncio.sleep(0.1)
            assert (set(stage.relays.running), len(stage.sources.opened)) == ({"P-1"}, 1)
            await play(stage, 30)
            await stage.relays.stop("P-1")
            await stage.relays.stop("P-1")
            assert stage.relays.running == frozenset()
            assert [head and head.ended for head in stage.heads(order)] == [False, True, None]
            assert stage.frames(order)[:30] == [b"\xf8%d" % n for n in range(30)]
            (record,) = await stage.town.store.read(lambda tx: tx.live.of("P-1"))
            assert (record.why, record.packets) == ("closed", 11)
            assert stage.studio.airtime.running_per_s == 0
            assert stage.sources.opened[0].closed

    run(story())


def test_a_source_that_breaks_or_never_was_there_is_tried_until_it_comes(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            stage.sources.there.clear()
            order = programme()
            await stage.relays.start(order, RADIO)
            await asyncio.sleep(1)
            assert "relay-lost" in names(stage)
            stage.sources.there.add(RADIO)
            await asyncio.sleep(6)
            assert "relay-lost" not in names(stage)
            await play(stage, 6)
            stage.sources.opened[0].ears.ended("it hung up")
            await asyncio.sleep(0.1)
            assert "relay-lost" in names(stage)
            await asyncio.sleep(2)
            await play(stage, 6)
            assert len(stage.sources.opened) == 2
            assert [packet.seq for packet in stage.packets(order)] == [0, 1, 2, 3]
            assert "relay-lost" not in names(stage)

    run(story())


def test_a_source_that_was_away_for_ten_seconds_is_on_the_record_for_good(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            stage.sources.there.clear()
            late, short = programme(), programme("P-2", 78)
            await stage.relays.start(late, RADIO)
            await asyncio.sleep(12)
            (record,) = await stage.town.store.read(lambda tx: tx.live.of("P-1"))
            assert (record.why, record.to_ms) == ("relay-lost", 0), "it is known before it is over"
            stage.sources.there.add(RADIO)
            await asyncio.sleep(6)
            await play(stage, 30)
            assert "relay-lost" not in names(stage)
            await stage.relays.stop("P-1")
            await stage.relays.start(short, RADIO)
            await asyncio.sleep(8)
            await play(stage, 30)
            await stage.relays.stop("P-2")
            records = [await stage.town.store.read(lambda tx, name=name: tx.live.of(name)) for name in ("P-1", "P-2")]  # type: ignore[misc]
            assert [[(one.why, one.packets) for one in some] for some in records] == [
                [("relay-lost", 11)],
                [("closed", 11)],
            ]

    run(story())


def test_relays_share_the_broker_with_microphones(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path, max_deliveries_per_s=12_000) as stage:
            await stage.relays.start(programme(area=CITY), RADIO)
            with pytest.raises(LiveOverBudget) as caught:
                await stage.relays.start(programme("P-2", 78, CITY), RADIO)
            assert caught.value.running_per_s == 11_967
            assert stage.relays.running == {"P-1"}

    run(story())


def test_the_next_run_of_the_server_takes_the_stream_up(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            order = programme()
            await stage.relays.start(order, RADIO)
            await asyncio.sleep(0.1)
            await play(stage, 6)
            await stage.relays.stop_all()
            assert [head and head.ended for head in stage.heads(order)] == [False], "it is not said to have ended"
            await stage.relays.start(order, RADIO)
            await asyncio.sleep(0.1)
            await play(stage, 6)
            first, second = stage.heads(order)
            assert first is not None and second is not None and second.run > first.run
            assert [packet.seq for packet in stage.packets(order)] == [0, 1, 0, 1]
            assert len(await stage.town.store.read(lambda tx: tx.live.of("P-1"))) == 2

    run(story())


def test_an_order_without_a_stream_is_no_relay(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            with pytest.raises(ValueError, match="names no stream"):
                await stage.relays.start(programme(stream=0), RADIO)

    run(story())
