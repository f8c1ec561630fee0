import asyncio
import hashlib
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import typer
from aiohttp import web
from typer.testing import CliRunner

from audio_assets.codec import encode
from audio_assets.pcm import FRAME_BYTES, SILENT_FRAME
from audio_assets.tones import ToneId, melody, tone
from broadcast.cli.speaker import simulate, speaker
from endpoints.box import Box
from endpoints.protocol import Order
from endpoints.provisioning import write_provisioning
from endpoints.sinks import NullSink, Sink, SinkLost, WavSink
from endpoints.speaker import (
    AwaitedSink,
    FolderInUse,
    log_for_a_service,
    open_or_await,
    running_speaker,
    tell_systemd,
)
from endpoints.vocabulary import Band, Fault, Kind, Reason, Stage, Tone
from endpoints.voice_output import gain_db
from tests.correlation import THRESHOLD, find, read_wav, samples
from tests.endpoints.county import County, an_order, county, until

FAILED, FINISHED, RECEIVED, SOUNDING = Stage.FAILED, Stage.FINISHED, Stage.RECEIVED, Stage.SOUNDING
STOPPED = Stage.STOPPED
MELODY = melody().slice_ms(0, 3_000)
MELODY_FILE = encode(MELODY)
MELODY_HASH = hashlib.sha256(MELODY_FILE).digest()
LONG_FILE = Random(1).randbytes(300_000)
LONG_HASH = hashlib.sha256(LONG_FILE).digest()


class Recording:
    """A sink that keeps what it is given, as fast as it may."""

    latency_s = 0.0
    starved = ran_dry = 0

    def __init__(self) -> None:
        self.frames = bytearray()
        self.lost = self.pulled_out = self.closed = False
        self._pace = NullSink()

    def write(self, frame: bytes) -> None:
        self._pace.write(frame)
        if self.pulled_out and not self.lost:
            self.lost = True
            raise SinkLost("pulled out")
        if not self.pulled_out:
            self.lost = False
            self.frames += frame

    def close(self) -> None:
        self.closed = True


class AssetServer:
    """`/assets/<sha256>` as the server offers it; it can hold its answers back."""

    def __init__(self, files: dict[bytes, bytes]) -> None:
        self.files, self.asked = files, 0
        self.ranges: list[str] = []
        self.most_bytes = 10**9  # of one answer; then it stalls
        self.open = asyncio.Event()
        self.open.set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        self.ranges.append(request.headers.get("Range", ""))
        await self.open.wait()
        data = self.files.get(bytes.fromhex(request.match_info["name"]))
        if data is None:
            return web.Response(status=404)
        start = request.http_range.start or 0
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        if len(data) - start <= self.most_bytes:
            return web.Response(body=data[start:], status=206 if start else 200, headers=headers)
        slow = web.StreamResponse(headers={"Content-Length": str(len(data))})
        await slow.prepare(request)
        await slow.write(data[: self.most_bytes])
        await asyncio.sleep(3_600)  # nothing more comes
        raise AssertionError

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/assets/{name}", self.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            self.open.set()
            await runner.cleanup()


@asynccontextmanager
async def real_speaker(where: County, folder: Path, sink: Sink, *, assets_url: str = "") -> AsyncIterator[Box]:
    """The first speaker of the county as a real one, with the time."""
    single = replace(where.provisioning.only(where.provisioning.speakers[0].id), assets_url=assets_url)
    async with running_speaker(single, state=folder / "state", sink=sink) as box:
        await until(lambda: box.player.time_ms(box.clock.now()) is not None)
        yield box


def a_notice(name: str, **other: object) -> Order:
    return an_order(
        name, **{"kind": Kind.NOTICE, "band": Band.NOTICE, "tone": Tone.NONE, "volume_percent": 100, **other}
    )


def with_melody(**other: object) -> dict[str, object]:
    size = {"asset": MELODY_HASH, "asset_bytes": len(MELODY_FILE), "asset_ms": MELODY.duration_ms}
    return {**size, **other}


def told(where: County, order: str) -> list[tuple[Stage, Reason]]:
    (entries,) = where.server.entries.values() or [[]]
    return [
        (entry.stage, entry.reason) for entry in entries if entry.order == order and entry.stage is not Stage.SCHEDULED
    ]


async def test_the_attention_signal_is_heard_at_the_volume_of_the_order(tmp_path: Path) -> None:
    sink = WavSink(tmp_path / "out.wav")
    async with county(tmp_path, 1) as where:
        async with real_speaker(where, tmp_path, sink):
            where.server.publish(an_order("o-1", volume_percent=100))
            await until(lambda: where.server.at("o-1", FINISHED) == 1)
        assert told(where, "o-1") == [(RECEIVED, 0), (SOUNDING, 0), (FINISHED, 0)]
    heard, signal_ = read_wav(tmp_path / "out.wav"), samples(tone(ToneId.ATTENTION).data)
    match = find(signal_, heard)
    assert match.score > 0.99
    assert np.abs(heard).max() == pytest.approx(np.abs(signal_).max(), rel=0.02)


async def test_a_file_is_fetched_once_and_sounds_as_often_as_the_order_says(tmp_path: Path) -> None:
    sink, server = Recording(), AssetServer({MELODY_HASH: MELODY_FILE})
    async with county(tmp_path, 1) as where, server.running() as url:
        async with real_speaker(where, tmp_path, sink, assets_url=url):
            where.server.publish(a_notice("o-1", repeats=2, gap_ms=200, **with_melody()))
            await until(lambda: where.server.at("o-1", FINISHED) == 1)
        assert server.asked == 1
    heard, once = samples(bytes(sink.frames)), samples(MELODY.data)
    one = find(once, heard)
    heard[one.at : one.at + len(once)] = 0
    other = find(once, heard)
    assert (one.score > THRESHOLD, other.score > THRESHOLD) == (True, True)
    assert abs(one.at_ms - other.at_ms) == pytest.approx(MELODY.duration_ms + 200, abs=2)


async def test_a_file_of_an_order_that_is_not_due_is_fetched_before(tmp_path: Path) -> None:
    server = AssetServer({MELODY_HASH: MELODY_FILE})
    async with (
        county(tmp_path, 1) as where,
        server.running() as url,
        real_speaker(where, tmp_path, NullSink(), assets_url=url) as box,
    ):
        where.server.publish(a_notice("o-1", begin_ms=100_000, lasting_ms=60_000, **with_melody()))
        await until((tmp_path / f"state/assets/{MELODY_HASH.hex()}.opus").is_file)
        assert box.player.on_air == ""


async def test_a_download_that_a_restart_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    server = AssetServer({LONG_HASH: LONG_FILE})
    server.most_bytes = 100_000
    order = a_notice("o-1", begin_ms=60_000, lasting_ms=60_000, asset=LONG_HASH, asset_bytes=len(LONG_FILE), asset_ms=9)
    part = tmp_path / f"state/assets/.part-{LONG_HASH.hex()}"
    async with county(tmp_path, 1) as where, server.running() as url:
        async with real_speaker(where, tmp_path, NullSink(), assets_url=url):
            where.server.publish(order)
            await until(lambda: part.is_file() and part.stat().st_size == 100_000)
        server.most_bytes = 10**9
        async with real_speaker(where, tmp_path, NullSink(), assets_url=url):
            await until((tmp_path / f"state/assets/{LONG_HASH.hex()}.opus").is_file)
        assert server.ranges == ["", "bytes=100000-"]


async def test_an_emergency_sounds_the_attention_signal_until_its_file_is_there(tmp_path: Path) -> None:
    sink, server = Recording(), AssetServer({MELODY_HASH: MELODY_FILE})
    server.open.clear()
    async with (
        county(tmp_path, 1) as where,
        server.running() as url,
        real_speaker(where, tmp_path, sink, assets_url=url),
    ):
        where.server.publish(an_order("o-1", tone=Tone.CHIME, **with_melody()))
        await until(lambda: where.server.at("o-1", SOUNDING) == 1)
        chime_bytes = len(tone(ToneId.CHIME).data)
        await until(lambda: len(sink.frames.lstrip(b"\0")) > chime_bytes + 10 * FRAME_BYTES)
        server.open.set()
        await until(lambda: where.server.at("o-1", FINISHED) == 1)
    heard = samples(bytes(sink.frames))
    meanwhile = find(samples(tone(ToneId.ATTENTION).slice_ms(0, 200).data), heard)
    words = find(samples(MELODY.data), heard)
    assert (meanwhile.score > 0.9, words.score > THRESHOLD) == (True, True)
    assert find(samples(tone(ToneId.CHIME).data), heard).at < meanwhile.at < words.at


async def test_a_programme_waits_in_silence_and_is_not_said_to_sound_before_it_does(tmp_path: Path) -> None:
    sink, server = Recording(), AssetServer({MELODY_HASH: MELODY_FILE})
    server.open.clear()
    async with (
        county(tmp_path, 1) as where,
        server.running() as url,
        real_speaker(where, tmp_path, sink, assets_url=url) as box,
    ):
        where.server.publish(a_notice("o-1", tone=Tone.CHIME, **with_melody()))
        await until(lambda: box.player.on_air == "o-1" and server.asked == 1)
        await until(lambda: where.server.at("o-1", RECEIVED) == 1)
        assert (told(where, "o-1"), sink.frames.strip(b"\0")) == ([(RECEIVED, 0)], b"")
        server.open.set()
        await until(lambda: where.server.at("o-1", SOUNDING) == 1)


async def test_a_file_that_never_comes_is_said_to_be_missing_before_the_order_ends(tmp_path: Path) -> None:
    sink, server = Recording(), AssetServer({})
    server.open.clear()
    async with (
        county(tmp_path, 1) as where,
        server.running() as url,
        real_speaker(where, tmp_path, sink, assets_url=url),
    ):
        where.server.publish(a_notice("o-1", lasting_ms=1_500, **with_melody()))
        await until(lambda: where.server.at("o-1", FAILED) == 1)
        where.server.publish(an_order("o-2", lasting_ms=1_500, **with_melody()))
        await until(lambda: where.server.at("o-2", FAILED) == 1)
        assert told(where, "o-1") == [(RECEIVED, 0), (FAILED, Reason.ASSET_MISSING)]
        assert told(where, "o-2") == [(RECEIVED, 0), (SOUNDING, 0), (FAILED, Reason.ASSET_MISSING)]


async def test_a_file_that_the_server_does_not_have_fails_an_emergency_after_its_tone(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where, AssetServer({}).running() as url:
        async with real_speaker(where, tmp_path, NullSink(), assets_url=url):
            where.server.publish(an_order("o-1", tone=Tone.CHIME, **with_melody()))
            await until(lambda: where.server.at("o-1", FAILED) == 1)
        assert told(where, "o-1") == [(RECEIVED, 0), (SOUNDING, 0), (FAILED, Reason.ASSET_MISSING)]


async def test_a_file_that_is_not_what_its_hash_says_is_bad(tmp_path: Path) -> None:
    forged = bytes(len(MELODY_FILE))
    noise = b"no sound at all"
    noise_hash = hashlib.sha256(noise).digest()
    server = AssetServer({MELODY_HASH: forged, noise_hash: noise})
    async with county(tmp_path, 1) as where, server.running() as url:
        async with real_speaker(where, tmp_path, NullSink(), assets_url=url):
            where.server.publish(a_notice("o-1", **with_melody()))
            await until(lambda: where.server.at("o-1", FAILED) == 1)
            where.server.publish(a_notice("o-2", **with_melody(asset=noise_hash, asset_bytes=len(noise))))
            await until(lambda: where.server.at("o-2", FAILED) == 1)
        assert told(where, "o-1")[-1] == (FAILED, Reason.ASSET_BAD)
        assert told(where, "o-2")[-1] == (FAILED, Reason.ASSET_BAD)


async def test_an_emergency_takes_the_air_from_a_programme_that_comes_back_where_it_was(tmp_path: Path) -> None:
    sink, server = Recording(), AssetServer({MELODY_HASH: MELODY_FILE})
    async with county(tmp_path, 1) as where, server.running() as url:
        async with real_speaker(where, tmp_path, sink, assets_url=url):
            programme = a_notice("o-1", repeats=2, gap_ms=0, **with_melody())
            where.server.publish(programme)
            await until(lambda: where.server.at("o-1", SOUNDING) == 1)
            where.server.publish(programme, an_order("o-2", tone=Tone.CHIME))
            await until(lambda: where.server.at("o-2", FINISHED) == 1)
            await until(lambda: where.server.at("o-1", FINISHED) == 1)
        assert [stage for stage, _ in told(where, "o-1")] == [RECEIVED, SOUNDING, Stage.INTERRUPTED, SOUNDING, FINISHED]
    assert find(samples(tone(ToneId.CHIME).data), samples(bytes(sink.frames))).score > THRESHOLD


async def test_a_stop_before_the_start_leaves_silence(tmp_path: Path) -> None:
    sink, server = Recording(), AssetServer({MELODY_HASH: MELODY_FILE})
    server.open.clear()
    async with county(tmp_path, 1) as where, server.running() as url:
        async with real_speaker(where, tmp_path, sink, assets_url=url) as box:
            where.server.publish(a_notice("o-1", **with_melody()))
            await until(lambda: box.player.on_air == "o-1")
            where.server.publish()
            await until(lambda: where.server.at("o-1", STOPPED) == 1)
            server.open.set()
            where.server.publish(an_order("o-2", tone=Tone.CHIME))
            await until(lambda: where.server.at("o-2", FINISHED) == 1)
        assert told(where, "o-1") == [(RECEIVED, 0), (STOPPED, Reason.CANCELLED)]
    longer = bytes(sink.frames).ljust(2 * len(MELODY.data), b"\0")
    assert find(samples(MELODY.data), samples(longer)).score < THRESHOLD


async def test_a_sound_card_that_is_pulled_out_fails_the_order_and_shows_in_the_heartbeat(tmp_path: Path) -> None:
    sink = Recording()
    async with county(tmp_path, 1) as where, real_speaker(where, tmp_path, sink) as box:
        where.server.publish(an_order("o-1", repeats=10))
        await until(lambda: where.server.at("o-1", SOUNDING) == 1)
        sink.pulled_out = True
        await until(lambda: where.server.at("o-1", FAILED) == 1)
        assert told(where, "o-1")[-1] == (FAILED, Reason.SOUND_CARD)
        await until(lambda: box.player.faults & Fault.SOUND)
        sink.pulled_out = False
        await until(lambda: not sink.lost)
        where.server.publish(an_order("o-2"))
        await until(lambda: where.server.at("o-2", SOUNDING) == 1)
        assert not box.player.faults & Fault.SOUND


async def test_an_orderly_leave_fades_out_and_says_no_last_will(tmp_path: Path) -> None:
    sink = Recording()
    async with county(tmp_path, 1) as where:
        async with real_speaker(where, tmp_path, sink):
            where.server.publish(an_order("o-1", repeats=10))
            await until(lambda: where.server.at("o-1", SOUNDING) == 1)
            await until(lambda: len(sink.frames.lstrip(b"\0")) > 20 * FRAME_BYTES)
        assert sink.closed
        assert abs(samples(bytes(sink.frames))[-1]) < 50
        assert where.server.gone == []


async def test_what_a_real_speaker_heard_outlives_a_restart(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where:
        async with real_speaker(where, tmp_path, NullSink()):
            where.server.publish(an_order("o-1", tone=Tone.CHIME))
            await until(lambda: where.server.at("o-1", FINISHED) == 1)
        async with real_speaker(where, tmp_path, NullSink()) as box:
            await until(lambda: [order.id for order in box.player.orders] == ["o-1"])
            assert box.player.on_air == ""
        assert where.server.at("o-1", SOUNDING) == 1


async def test_a_state_file_that_was_torn_is_reported_and_replaced(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/kept.cbor").write_bytes(b"torn")
    async with county(tmp_path, 1) as where, real_speaker(where, tmp_path, NullSink()):
        where.server.publish(an_order("o-1"))
        await until(lambda: where.server.at("o-1", SOUNDING) == 1)
        (hello,) = where.server.hellos.values()
        assert hello.held == () or not hello.faults & Fault.DISK


async def test_two_speakers_with_one_folder_are_refused(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where, real_speaker(where, tmp_path, NullSink()):
        with pytest.raises(FolderInUse, match="another speaker"):
            async with real_speaker(where, tmp_path, NullSink()):
                pass


async def test_the_program_ends_in_an_orderly_way_on_sigterm(tmp_path: Path) -> None:
    async with county(tmp_path, 1) as where:
        write_provisioning(tmp_path / "box.json", where.provisioning)
        wav = tmp_path / "out.wav"
        main = "import typer; from broadcast.cli.speaker import speaker; typer.run(speaker)"
        arguments = [str(tmp_path / "box.json"), "--state", str(tmp_path / "state"), "--sound", f"wav:{wav}"]
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", main, *arguments, stderr=asyncio.subprocess.PIPE
        )
        await until(lambda: where.server.hellos)
        where.server.publish(an_order("o-1", repeats=5))
        await until(lambda: where.server.at("o-1", SOUNDING) == 1)
        child.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(child.communicate(), 10)
        assert (child.returncode, b"Traceback" in errors) == (0, False)
        assert where.server.gone == []
        assert where.provisioning.speakers[0].password not in errors.decode()
        assert np.abs(read_wav(wav)).max() > 1_000


def test_a_wrong_sink_or_file_is_said_in_one_line(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(speaker)
    app.command()(simulate)
    (tmp_path / "box.json").write_text("{}", encoding="utf-8")
    result = CliRunner().invoke(app, ["speaker", str(tmp_path / "box.json")])
    assert (result.exit_code, "chmod 600" in result.output) == (1, True)


def test_a_sound_card_that_is_not_there_yet_is_awaited() -> None:
    if Path("/dev/snd").exists():
        pytest.skip("there is a sound card")
    sink = open_or_await("pyaudio:no such card")
    assert isinstance(sink, AwaitedSink)
    assert sink.lost
    sink.write(SILENT_FRAME)
    sink.close()
    with pytest.raises(ValueError, match="a sound output is"):
        open_or_await("gramophone")


def test_half_the_volume_is_six_decibels_less() -> None:
    assert [round(gain_db(percent), 2) for percent in (100, 50, 1, 0)] == [0, -6.02, -40, -40]


def test_systemd_is_told_where_it_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tell_systemd("READY=1")  # nobody listens
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        tell_systemd("READY=1")
        assert manager.recv(64) == b"READY=1"


def test_lines_for_the_journal_carry_their_priority(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        log_for_a_service()
        logging.getLogger("lianbo").error("two\nlines")
        assert capsys.readouterr().err == "<3>lianbo: two | lines\n"
    finally:
        root.handlers[:], root.level = before
