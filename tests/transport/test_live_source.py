"""Sources of live sound, each the real worker process: samples, frames, network radios and RTP, and what pretends to be one."""

import asyncio
import io
import os
import signal
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache

import av
import pytest
from aiohttp import web
from av.audio.frame import AudioFrame
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.codec import encode
from audio_assets.live_codec import LiveDecoder, LiveEncoder, Meter
from audio_assets.live_inputs import NoInput, open_input, parse_rtp
from audio_assets.pcm import FRAME_BYTES, SILENT_FRAME, Pcm
from audio_assets.tones import melody
from broadcast.domain.broadcasts import Fault
from broadcast.domain.live import NoSource, must_be_sound
from broadcast.transport.live_source import LiveSources, SourceProcess
from tests.correlation import find, samples
from tests.system.city import free_port, until

MELODY = melody()


class Heard:
    """Ears that remember."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.at_us: list[int] = []
        self.levels: list[tuple[float, float]] = []
        self.cause = ""

    def frames(self, frames: Sequence[bytes], arrived_us: int) -> None:
        self.got += frames
        self.at_us += [arrived_us] * len(frames)

    def level(self, level_db: float, peak_db: float) -> None:
        self.levels.append((level_db, peak_db))

    def ended(self, cause: str) -> None:
        self.cause = cause

    @property
    def pcm(self) -> bytes:
        decoder = LiveDecoder()
        return b"".join(decoder.decode(frame) or SILENT_FRAME for frame in self.got)


@asynccontextmanager
async def running(spec: str) -> AsyncIterator[tuple[SourceProcess, Heard]]:
    heard = Heard()
    process = SourceProcess(spec, heard)
    await process.start()
    try:
        yield process, heard
    finally:
        await process.close()


# ---- from a page --------------------------------------------------------------------------------------------------------------


async def test_samples_in_pieces_of_any_length_come_back_as_frames_that_can_be_sent() -> None:
    data = MELODY.slice_ms(0, 3_000).data
    async with running("pcm") as (process, heard):
        for start in range(0, len(data), 3_462):
            assert process.feed(b"P", data[start : start + 3_462])
        await until(lambda: len(heard.got) == 150, "all frames")
        for frame in heard.got:
            must_be_sound(frame)
        assert find(samples(data)[:96_000], samples(heard.pcm)).score > 0.9
        assert len(heard.levels) == 30
        assert all(abs(at_us - time.time_ns() // 1_000) < 20_000_000 for at_us in heard.at_us)


async def test_frames_are_measured_and_not_said_back_and_damaged_ones_harm_nobody() -> None:
    frames = LiveEncoder().encode(MELODY.slice_ms(0, 2_000).data)
    async with running("opus") as (process, heard):
        for frame in frames:
            process.feed(b"O", frame)
            process.feed(b"O", b"\xff" * 40)
            process.feed(b"O", b"")
        await until(lambda: len(heard.levels) >= 20, "levels")
        assert heard.got == []
        loud = [level for level, _ in heard.levels]
        assert -30 < max(loud) < -5
        assert heard.cause == ""


async def test_what_can_not_be_relayed_is_known_before_it_is_planned() -> None:
    sources = LiveSources(card="card", addresses=["http://radio.example:8000/"])
    allowed = await sources.fault("http://radio.example:8000/live", field="f"), await sources.fault("card", field="f")
    assert allowed == (None, None)
    assert await sources.fault("http://radio.example/live", field="source.url") == Fault(
        "source.url", "relay-not-allowed", (("allowed", "http://radio.example:8000/"),)
    )
    names = await sources.cards()
    found = await sources.fault("card:no such card", field="source.device")
    assert found == Fault(
        "source.device", "unknown-card", (("card", "no such card"), ("cards", ", ".join(names) or "–"))
    )
    assert [await sources.fault(f"card:{name}", field="f") for name in names] == [None] * len(names)
    none = LiveSources(card="", addresses=[])
    assert await none.fault("card", field="f") == await none.fault("card:any", field="f") == Fault("f", "no-card")
    assert await none.fault("cardboard://x/", field="f") == Fault("f", "relay-not-allowed", (("allowed", "–"),))


async def test_a_worker_that_dies_is_heard_of_and_one_that_is_closed_is_not() -> None:
    async with running("pcm") as (process, heard):
        assert process._child is not None
        os.kill(process._child.pid, signal.SIGKILL)
        await until(lambda: heard.cause, "the end")
    async with running("pcm") as (process, heard):
        pass
    await asyncio.sleep(0.1)
    assert heard.cause == ""


async def test_what_a_page_feeds_says_what_it_is_and_another_page_may_feed_the_other() -> None:
    heard = Heard()
    fed = LiveSources(card="", addresses=[]).fed(heard)
    samples_of_it = MELODY.slice_ms(0, 2_000).data
    frames = LiveEncoder().encode(samples_of_it)
    fed.measure(frames[:1])
    await until(lambda: fed._process is not None and fed._process.feed(b"O", frames[0]), "a worker")
    fed.measure(frames)
    await until(lambda: len(heard.levels) >= 18, "levels")
    assert heard.got == []
    fed.samples(bytes(1_920))
    await until(lambda: fed._running == "pcm" and fed._process and fed._process.feed(b"P", b""), "the other worker")
    fed.samples(samples_of_it)
    await until(lambda: len(heard.got) == 100, "frames")
    assert heard.cause == ""
    await fed.close()


def test_a_meter_says_what_ten_frames_are_a_second() -> None:
    meter = Meter()
    assert meter.hear(SILENT_FRAME * 5) == [(-90.0, -90.0)]
    full = struct.pack("<h", 32_767) * (FRAME_BYTES * 5 // 2)
    assert meter.hear(full) == [(0.0, 0.0)]
    assert meter.hear(SILENT_FRAME) == []


# ---- what is allowed ----------------------------------------------------------------------------------------------------------

ALLOWED = ("http://radio.example:8000/live/", "rtp://239.1.1.1:5004", "https://tls.example/")


@pytest.mark.parametrize(
    "address",
    [
        "http://radio.example:8000/other",
        "http://radio.example:8000.evil.example/live/",
        "http://radio.example:8000@evil.example/live/",
        "http://user:pass@radio.example:8000/live/",
        "http://radio.example/live/",
        "https://radio.example:8000/live/",
        "http://radio.example:8000/live/../../admin",
        "http://radio.example:80000/live/",
        "http://[::1/live/",
        "file:///etc/passwd",
        "concat:/etc/passwd",
        "rtp://239.1.1.2:5004",
        "card",
        "card:Line In",
        "pcm",
        "opus",
        "",
    ],
)
async def test_an_address_that_the_settings_do_not_name_is_refused(address: str) -> None:
    with pytest.raises(NoSource):
        await LiveSources(card="", addresses=ALLOWED).open(address, Heard())


@pytest.mark.parametrize(
    "spec",
    ["file:///etc/passwd", "/etc/passwd", "rtmp://x/y", "http://", "rtp://x", "rtp://x:99999", "rtp://x:1?codec=exe"],
)
def test_the_worker_itself_takes_nothing_else_either(spec: str) -> None:
    with pytest.raises(NoInput):
        open_input(spec)


# ---- network radios -------------------------------------------------------------------------------------------------------------


@cache
def mp3() -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as file:
        stream = file.add_stream("libmp3lame", rate=44_100, layout="stereo")
        resampler = av.AudioResampler(format=stream.codec_context.format or "s16p", layout="stereo", rate=44_100)
        data = MELODY.slice_ms(0, 12_000).data
        for start in range(0, len(data), 1_920):
            frame = AudioFrame(format="s16", layout="mono", samples=960)
            frame.planes[0].update(data[start : start + 1_920])
            frame.sample_rate = 48_000
            for piece in resampler.resample(frame):
                file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return out.getvalue()


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def radio(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{name}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/live"
    finally:
        await runner.cleanup()


def sends(data: bytes, kind: str, *, at_once: int = 65_536, bytes_per_s: int = 16_000, ends: bool = False) -> Handler:
    """As Icecast does: a burst, then in real time; for ever, or until it hangs up."""

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": kind, "icy-name": "test"})
        await answer.prepare(request)
        await answer.write(data[:at_once])
        for start in range(at_once, len(data), bytes_per_s // 10):
            await asyncio.sleep(0.1)
            await answer.write(data[start : start + bytes_per_s // 10])
        if not ends:
            await asyncio.sleep(60)
        return answer

    return handler


@pytest.mark.parametrize("kind", ["audio/mpeg", "audio/ogg; charset=x"])
async def test_a_radio_comes_in_real_time_whatever_it_sends_at_once(kind: str) -> None:
    data = mp3() if kind == "audio/mpeg" else encode(Pcm(MELODY.data))
    async with radio(sends(data, kind)) as url, running(url) as (_, heard):
        await until(lambda: len(heard.got) >= 10, "sound", within_s=20)
        first, count = time.monotonic(), len(heard.got)
        await until(lambda: len(heard.got) >= count + 100, "two seconds of it")
        assert 1.6 < time.monotonic() - first < 3.5
        assert find(samples(heard.pcm)[24_000:72_000], samples(MELODY.data)).score > 0.8
        assert heard.levels


async def test_a_radio_that_hangs_up_has_ended_and_its_last_sound_is_heard() -> None:
    data = mp3()[:40_000]
    async with radio(sends(data, "audio/mpeg", ends=True)) as url, running(url) as (_, heard):
        await until(lambda: heard.cause, "the end", within_s=20)
        assert len(heard.got) > 100
        assert heard.cause == "the source has ended"


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (sends(b"#EXTM3U\nfile:///etc/passwd\n", "audio/x-mpegurl"), "no sound that we take"),
        (sends(b"#EXTM3U\nfile:///etc/passwd\n" * 99, "audio/mpeg", ends=True), "no mp3"),
        (sends(b"ffconcat version 1.0\nfile /etc/passwd\n", "audio/ogg", ends=True), "no ogg"),
        (sends(os.urandom(200_000), "audio/aac", ends=True), "no aac"),
        (sends(b"<html>", "text/html"), "no sound that we take"),
    ],
)
async def test_what_is_no_radio_is_refused_with_a_sentence(handler: Handler, why: str) -> None:
    async with radio(handler) as url, running(url) as (_, heard):
        await until(lambda: heard.cause, "the end", within_s=20)
        assert why in heard.cause or "ended" in heard.cause
        assert heard.got == []


async def test_a_redirect_is_not_followed() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with radio(handler) as url, running(url) as (_, heard):
        await until(lambda: heard.cause, "the end", within_s=10)
        assert heard.cause.endswith("answers 302")
        assert asked == ["/live"]


async def test_nobody_there_is_no_source_and_no_traceback() -> None:
    async with running(f"http://127.0.0.1:{free_port()}/") as (_, heard):
        await until(lambda: heard.cause, "the end", within_s=10)
        assert "does not answer" in heard.cause


# ---- RTP ------------------------------------------------------------------------------------------------------------------------


def rtp(seq: int, payload: bytes, kind: int = 0, *, extension: bytes = b"", padding: int = 0, csrc: int = 0) -> bytes:
    first = 0x80 | (0x10 if extension else 0) | (0x20 if padding else 0) | csrc
    head = struct.pack(">BBHII", first, kind, seq & 0xFFFF, seq * 160, 1) + bytes(4 * csrc)
    if extension:
        head += struct.pack(">HH", 0xBEDE, len(extension) // 4) + extension
    return head + payload + (bytes(padding - 1) + bytes([padding]) if padding else b"")


def test_a_packet_is_cut_where_its_header_says() -> None:
    assert parse_rtp(rtp(7, b"abc")) == (0, 7, b"abc")
    assert parse_rtp(rtp(7, b"abc", 111, extension=bytes(8), padding=5, csrc=3)) == (111, 7, b"abc")


@given(st.binary(max_size=200))
def test_any_other_bytes_are_no_packet_or_one_that_is_cut_inside(data: bytes) -> None:
    packet = parse_rtp(data)
    assert packet is None or (0 < len(packet[2]) < len(data) and packet[2] in data)


async def test_an_rtp_stream_is_heard_in_its_order() -> None:
    port = free_port()
    frames = LiveEncoder().encode(MELODY.slice_ms(0, 4_000).data)
    async with running(f"rtp://127.0.0.1:{port}?codec=opus") as (_, heard):
        await asyncio.sleep(0.5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            order = list(range(65_500, 65_500 + len(frames)))
            for n in range(10, len(order) - 1, 7):
                order[n], order[n + 1] = order[n + 1], order[n]
            for seq in order:
                sock.sendto(rtp(seq, frames[seq - 65_500], 111), ("127.0.0.1", port))
                sock.sendto(os.urandom(30), ("127.0.0.1", port))
                await asyncio.sleep(0.002)
        await until(lambda: len(heard.got) >= 190, "sound")
        assert find(samples(MELODY.data)[24_000:96_000], samples(heard.pcm)).score > 0.8
