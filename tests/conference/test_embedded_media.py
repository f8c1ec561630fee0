"""What our own engine lets out: the forward to loudspeakers, sounds of the library, recordings; and how it lives and dies."""

import asyncio
import itertools
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from audio_assets.live_codec import LiveDecoder
from audio_assets.ogg_pages import OpusPages, frames_of
from broadcast.domain.conference.media import (
    AudioMode,
    Codec,
    Died,
    EngineFull,
    Feed,
    Kind,
    Link,
    NotCapable,
    Play,
    PlayEnded,
    RecordSpec,
    RoomSpec,
    RtpTarget,
    SiteAudio,
    Source,
    Started,
    Talking,
    View,
)
from broadcast.transport.embedded.engine import EmbeddedEngine
from tests.conference.caller import TONES_HZ, CallerStage, tone, tones_in
from tests.conference.contract import ROOM, TALK, hears, until

PLAYED_HZ = TONES_HZ[-1]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[CallerStage]:
    engine = EmbeddedEngine(tmp_path / "engine", sheds=False)
    stage = CallerStage(engine, lambda: engine.pid)
    await engine.start(stage.hear)
    await engine.open_room(RoomSpec(ROOM))
    yield stage
    await stage.end()
    await engine.stop()


class Ear:
    """A socket that takes RTP: when each packet came, and what is in it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    async def packets(self, count: int) -> list[bytes]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            return [await loop.sock_recv(self._socket, 2_000) for _ in range(count)]

    def close(self) -> None:
        self._socket.close()


def decoded(packets: list[bytes]) -> np.ndarray:
    decoder = LiveDecoder()
    return np.frombuffer(b"".join(decoder.decode(one[12:]) or b"" for one in packets), dtype=np.int16).astype(float)


async def test_the_forward_is_even_carries_silence_and_of_the_podium_nobody_else(stage: CallerStage) -> None:
    ear = Ear()
    target = RtpTarget("127.0.0.1", ear.port, payload_type=97, ssrc=0xCAFE)
    await stage.engine.forward_audio(ROOM, "relay", "podium", target)
    silent = await ear.packets(25)
    heads = [struct.unpack_from("!BBHII", one) for one in silent]
    assert {(first, kind, ssrc) for first, kind, _, _, ssrc in heads} == {(0x80, 97, 0xCAFE)}
    assert {(b[2] - a[2], b[3] - a[3]) for a, b in itertools.pairwise(heads)} == {(1, 960)}
    assert not tones_in(decoded(silent), TONES_HZ)

    a, b = stage.client(ROOM, "a"), stage.client(ROOM, "b")
    await stage.engine.set_audio(ROOM, "a", SiteAudio(AudioMode.TALK, podium=True))
    await stage.engine.set_audio(ROOM, "b", TALK)
    await a.send(Link.AUDIO)
    await b.send(Link.AUDIO)
    await hears(a, {"b"})
    async with asyncio.timeout(10):
        while (found := tones_in(decoded(await ear.packets(25)), TONES_HZ)) != {stage.hz_of("a")}:
            assert stage.hz_of("b") not in found
    assert {(one.site, one.on) for one in stage.heard if isinstance(one, Talking)} == {("a", True), ("b", True)}
    ear.close()


async def test_old_loudspeakers_get_the_same_as_g711(stage: CallerStage) -> None:
    ear = Ear()
    await stage.engine.forward_audio(
        ROOM, "horn", "floor", RtpTarget("127.0.0.1", ear.port, codec=Codec.PCMA, payload_type=8)
    )
    heads = [(len(one), struct.unpack_from("!BBHII", one)[3]) for one in await ear.packets(10)]
    assert {size for size, _ in heads} == {172}
    assert {b - a for (_, a), (_, b) in itertools.pairwise(heads)} == {160}
    ear.close()


async def test_an_announcement_seizes_a_muted_room_and_its_end_is_heard(stage: CallerStage, tmp_path: Path) -> None:
    pages = OpusPages(7)
    path = tmp_path / "call.opus"
    path.write_bytes(pages.begin() + b"".join(pages.page(tone(PLAYED_HZ)) for _ in range(2)))
    a, b = stage.client(ROOM, "a"), stage.client(ROOM, "b")
    await stage.engine.set_audio(ROOM, "a", TALK)
    await a.send(Link.AUDIO)
    await b.send(Link.AUDIO)
    await hears(b, {"a"})
    stage.sites.extend(f"nobody-{n}" for n in range(len(TONES_HZ) - 3))
    stage.sites.append("announcement")  # whose tone it is
    await stage.engine.mute_room(ROOM, True, frozenset({"a"}))
    await stage.engine.play(ROOM, "p", Play(str(path), seize=True))
    await hears(b, {"announcement"})
    await until(lambda: any(isinstance(one, PlayEnded) and one.play == "p" for one in stage.heard))
    await hears(b, {"a"})
    await stage.engine.play(ROOM, "gone", Play(str(tmp_path / "nothing.opus")))
    assert any(isinstance(one, PlayEnded) and one.play == "gone" for one in stage.heard)


async def test_a_recording_has_the_mix_and_each_site_while_it_is_heard(stage: CallerStage, tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    folder.mkdir()
    for site in ("a", "b"):
        await stage.client(ROOM, site).send(Link.AUDIO)
    await stage.engine.set_audio(ROOM, "a", TALK)
    await until(lambda: any(isinstance(one, Talking) and one.site == "a" for one in stage.heard))
    for _ in range(2):
        await stage.engine.record(ROOM, "r", RecordSpec(str(folder), sites=("a", "b")))
    ear = Ear()  # its packets are the clock
    await stage.engine.forward_audio(ROOM, "clock", "floor", RtpTarget("127.0.0.1", ear.port))
    await ear.packets(75)
    files = await stage.engine.record(ROOM, "r", None)
    assert await stage.engine.record(ROOM, "r", None) == files
    sound = {}
    for one in files:
        frames = frames_of(await asyncio.to_thread(Path(one.path).read_bytes))
        assert one.sound_ms == 20 * len(frames) >= 1_400
        sound[one.site] = tones_in(decoded([bytes(12) + frame for frame in frames]), TONES_HZ)
    assert sound == {"": {stage.hz_of("a")}, "a": {stage.hz_of("a")}, "b": set()}
    ear.close()


async def test_what_it_can_not_carry_is_refused_by_name(stage: CallerStage) -> None:
    engine = stage.engine
    with pytest.raises(NotCapable, match="camera_rtsp"):
        await engine.feed(ROOM, "camera", Feed(Kind.RTSP, "rtsp://192.0.2.1/"))
    for n in range(7):
        await engine.open_room(RoomSpec(f"room-{n}"))
    with pytest.raises(EngineFull) as refused:
        await engine.open_room(RoomSpec("one-more"))
    assert (refused.value.what, refused.value.most) == ("rooms", 8)
    for n in range(3):
        await engine.set_view("room-1", f"s-{n}", View((Source("x"),) * 16))
        await engine.offer_to("room-1", f"s-{n}")
    await engine.set_view("room-1", "s-3", View((Source("x"),) * 16))
    with pytest.raises(EngineFull, match="56 pictures"):
        await engine.offer_to("room-1", "s-3")


async def test_after_a_kill_it_is_there_again_with_a_higher_generation(stage: CallerStage) -> None:
    before = (await stage.engine.stats()).generation
    began = time.monotonic()
    await stage.kill()
    await until(lambda: isinstance(stage.heard[-1], Started) and stage.heard[-1].generation > before)
    took_s = time.monotonic() - began
    assert [type(one) for one in stage.heard if isinstance(one, Started | Died)] == [Started, Died, Started]
    assert took_s < 8  # on a machine that is busy with others; alone it is under one second


def test_it_dies_with_the_server(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from broadcast.transport.embedded.engine import EmbeddedEngine\n"
        "async def main():\n"
        "    engine = EmbeddedEngine(Path(sys.argv[1]))\n"
        "    await engine.start(lambda _: None)\n"
        "    await engine.stats()\n"
        "    assert not {'av', 'aiortc'} & set(sys.modules)\n"
        "    print(engine.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        server.kill()
    deadline = time.monotonic() + 10
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
