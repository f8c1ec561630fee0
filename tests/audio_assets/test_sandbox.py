"""The process that takes a file apart: what it can reach, what it may cost, how it dies; with bubblewrap and without."""

import asyncio
import contextlib
import io
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from audio_assets import sandbox as sandbox_module
from audio_assets.intake import ROUTINE, Limits, Prepared, Refusal, Refused
from audio_assets.ogg import duration_ms
from audio_assets.sandbox import Sandbox, SandboxBroken
from tests.audio_assets.samples import KINDS, long_sample, sample

BWRAP = shutil.which("bwrap")
SELF_TEST = b"self-test"


@pytest.fixture(params=["bubblewrap", "limits alone"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """Both ways of holding the child."""
    one = Sandbox(bubblewrap=BWRAP if request.param == "bubblewrap" else None)
    if (await one.confinement()).bubblewrap is not (request.param == "bubblewrap"):
        pytest.skip((await one.confinement()).why)
    yield one
    assert not those_below(os.getpid()), "nothing is left of it"


def children() -> list[str]:
    """Processes of ours that take a sound apart."""
    listed = subprocess.run(["ps", "-eo", "ppid,args"], capture_output=True, text=True, check=True).stdout
    return [
        line
        for line in listed.splitlines()
        if "audio_assets.intake_child" in line and str(os.getpid()) in line.split()[0]
    ]


async def run(sandbox: Sandbox, data: bytes, limits: Limits | None = None) -> tuple[Prepared, bytes]:
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as result:
        source.write(data)
        source.flush()
        source.seek(0)
        prepared = await sandbox.run(source.fileno(), result.fileno(), ROUTINE, limits or Limits())
        result.seek(0)
        return prepared, result.read()


async def refused(sandbox: Sandbox, data: bytes, limits: Limits | None = None) -> Refused:
    with pytest.raises(Refused) as err:
        await run(sandbox, data, limits)
    return err.value


async def test_a_sound_comes_out_whole(sandbox: Sandbox, tmp_path: Path) -> None:
    prepared, file = await run(sandbox, sample("mp3"))
    (tmp_path / "made.opus").write_bytes(file)
    assert abs(duration_ms(tmp_path / "made.opus") - prepared.duration_ms) <= 20
    assert prepared.container == "mp3"


async def test_every_kind_can_be_read_when_nothing_more_can_be_opened(sandbox: Sandbox) -> None:
    """A decoder that loads a table late would fail here and not on the desk."""
    for kind in KINDS:
        assert (await run(sandbox, sample(kind)))[0].duration_ms > 2_900, kind


def test_the_server_s_process_loads_no_decoder() -> None:
    program = "import sys, audio_assets.sandbox, broadcast.transport.workshop; print('av' in sys.modules, 'numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False False"


def test_behind_bubblewrap_the_child_sees_no_data_no_keys_no_network_and_no_process_of_ours(
    tmp_path: Path,
) -> None:
    if BWRAP is None:
        pytest.skip("bubblewrap is not installed")
    (tmp_path / "keys").write_text("secret")
    look = (
        "import os, socket\n"
        f"print(os.path.exists({str(tmp_path)!r}), os.path.exists('/etc/passwd'), os.path.exists('/proc/1/status'))\n"
        "print([name for _, name in socket.if_nameindex()], os.access('/', os.W_OK), os.access('/usr', os.W_OK))\n"
    )
    python = os.path.realpath(sys.executable)
    walls = sandbox_module._walls([Path(python).parents[1], *sandbox_module._import_paths()])
    command = [BWRAP, *walls, "--", python, "-I", "-S", "-c", look]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == ["False False False", "['lo'] False False"]


# ---- no read outside ------------------------------------------------------------------------------------------------------


class Canary:
    """A named pipe and a web server: both notice whoever opens them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "canary.mp3"
        os.mkfifo(self.path)
        self.sung: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._listening.settimeout(0.02)
        self._going = True
        self._watch = threading.Thread(target=self._look)
        self._watch.start()

    def _look(self) -> None:
        while self._going:
            with contextlib.suppress(TimeoutError):
                self._listening.accept()[0].close()
                self.sung.append("http")
            with contextlib.suppress(OSError):  # ENXIO while nobody reads
                os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
                self.sung.append("file")

    def close(self) -> None:
        self._going = False
        self._watch.join()
        self._listening.close()


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    one = Canary(tmp_path)
    yield one
    one.close()


def test_the_canary_sings_when_it_is_looked_at(canary: Canary) -> None:
    reader = os.open(canary.path, os.O_RDONLY | os.O_NONBLOCK)
    socket.create_connection(("127.0.0.1", canary.port)).close()
    time.sleep(0.15)
    os.close(reader)
    assert set(canary.sung) == {"file", "http"}


def playlists(canary: Canary) -> dict[str, str]:
    file, url = canary.path, f"http://127.0.0.1:{canary.port}/a.ts"
    return {
        "m3u": f"#EXTM3U\n#EXTINF:1,a\n{file}\n{url}\n",
        "m3u without a head": f"{file}\n{url}\n",
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{file}\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n",
        "hls with a key": f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="file://{file}"\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n',
        "ffconcat": f"ffconcat version 1.0\nfile '{file}'\nfile '{url}'\n",
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio {canary.port} RTP/AVP 0\n",
        "xspf": f'<?xml version="1.0"?><playlist><trackList><track><location>{url}</location></track></trackList></playlist>',
        "pls": f"[playlist]\nFile1={file}\nFile2={url}\n",
        "asx": f'<asx version="3.0"><entry><ref href="{url}"/></entry></asx>',
        "dash": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{url}</BaseURL></MPD>',
        "concat protocol": f"concat:{file}|{file}",
        "subfile": f"subfile,,start,0,end,100,,:{file}",
    }


async def test_a_playlist_named_mp3_is_refused_and_what_it_names_is_never_opened(
    sandbox: Sandbox, canary: Canary
) -> None:
    for name, text in playlists(canary).items():
        err = await refused(sandbox, text.encode())
        assert err.code is Refusal.NOT_A_SOUND, name
    assert canary.sung == []


async def test_a_playlist_behind_a_tag_or_within_a_sound_is_not_followed_either(
    sandbox: Sandbox, canary: Canary
) -> None:
    text = playlists(canary)["hls"].encode()
    tagged = b"ID3\3\0\0\0\0\0\0" + text
    assert (await refused(sandbox, tagged)).code is Refusal.NOT_A_SOUND
    behind = sample("mp3") + text
    with contextlib.suppress(Refused):
        await run(sandbox, behind)
    assert canary.sung == []


async def test_quicktime_that_names_another_file_for_its_samples_does_not_get_it(
    sandbox: Sandbox, canary: Canary
) -> None:
    pointing = elsewhere(sample("alac"), str(canary.path))
    with contextlib.suppress(Refused):
        await run(sandbox, pointing)
    assert canary.sung == []


def elsewhere(data: bytes, path: str) -> bytes:
    """The file with a data reference to another one: an `alis` record as libav's mov demuxer reads it."""
    at = data.index(b"dref") - 4
    name = path.encode()
    alias = (
        bytes(10) + bytes([0]) + bytes(27) + bytes(12) + bytes([0]) + bytes(63) + bytes(16) + b"\0\1\0\1" + bytes(16)
    )
    alias += struct.pack(">HH", 2, len(name)) + name + b"\0" * (len(name) % 2) + struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I", 12 + len(alias)) + b"alis" + bytes(4) + alias
    box = struct.pack(">I", 16 + len(entry)) + b"dref" + bytes(4) + struct.pack(">I", 1) + entry
    old = struct.unpack_from(">I", data, at)[0]
    grown = bytearray(data[:at] + box + data[at + old :])
    start, more = 0, len(box) - old
    for name_of in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        start = grown.index(name_of, start) - 4
        grown[start : start + 4] = struct.pack(">I", struct.unpack_from(">I", grown, start)[0] + more)
        start += 8
    return bytes(grown)


def test_libav_itself_would_have_followed_them(canary: Canary) -> None:
    """So the tests above test us, and not that libav has no such demuxer."""
    text = playlists(canary)["ffconcat"].encode()
    options = {"safe": "0", "protocol_whitelist": "file,http,tcp"}
    reading = threading.Thread(target=lambda: _try_to_open(text, options))
    reading.start()
    for _ in range(200):
        if canary.sung:
            break
        time.sleep(0.02)
    assert canary.sung
    reading.join(10)


def _try_to_open(text: bytes, options: dict[str, str]) -> None:
    with contextlib.suppress(av.FFmpegError), av.open(io.BytesIO(text), format="concat", options=options):
        pass


# ---- bounded ---------------------------------------------------------------------------------------------------------------


def flac_of_silence(hours: float) -> bytes:
    """A constant frame is a few bytes: 2 GB of samples from 2 MB."""
    out = io.BytesIO()
    with av.open(out, "w", format="flac") as file:
        stream = file.add_stream("flac", rate=192_000, layout="5.1", format="s32")
        assert isinstance(stream, av.AudioStream)
        block = np.zeros((1, 6 * 4_608), np.int32)
        for at in range(int(hours * 3_600 * 192_000 / 4_608)):
            frame = av.AudioFrame.from_ndarray(block, "s32", "5.1")
            frame.sample_rate, frame.pts = 192_000, at * 4_608
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


async def test_two_gigabytes_of_silence_from_a_small_file_are_refused_in_bounded_time(sandbox: Sandbox) -> None:
    data = flac_of_silence(0.14)  # 504 s × 192 kHz × 6 channels × 4 bytes = 2.3 GB decoded
    limits = Limits(cpu_s=60, memory_bytes=600 * 1024 * 1024)
    began = time.monotonic()
    err = await refused(sandbox, data, limits)
    took_s = time.monotonic() - began
    print(f"{len(data)} bytes of FLAC, 2.3 GB of samples: {err} after {took_s:.1f} s")
    assert err.code in (Refusal.SILENT, Refusal.TOO_LARGE, Refusal.TOO_SLOW)
    assert took_s < 90


async def test_a_length_in_the_head_that_is_too_long_is_refused_at_once(sandbox: Sandbox) -> None:
    head = bytearray(sample("flac"))
    at = 8 + 10  # STREAMINFO: rate 20 bits, channels 3, bits 5, samples 36
    whole = int.from_bytes(head[at : at + 8], "big")
    head[at : at + 8] = ((whole >> 36 << 36) | (44_100 * 3_600 * 20)).to_bytes(8, "big")
    began = time.monotonic()
    assert (await refused(sandbox, bytes(head))).code is Refusal.TOO_LONG
    assert time.monotonic() - began < 5


async def test_memory_is_bounded(sandbox: Sandbox) -> None:
    err = await refused(sandbox, sample("flac"), Limits(memory_bytes=60 * 1024 * 1024))
    assert err.code in (Refusal.MEMORY, Refusal.CRASHED), "it can't even load libav"


async def test_a_child_that_hangs_is_ended_with_all_that_it_started(sandbox: Sandbox) -> None:
    data, began = long_sample(), time.monotonic()
    err = await refused(sandbox, data, Limits(wall_s=0.25))
    assert err.code is Refusal.TOO_SLOW
    assert time.monotonic() - began < 10


async def test_processor_time_is_bounded_even_where_no_packet_ends(sandbox: Sandbox) -> None:
    assert (await refused(sandbox, sample("flac"), Limits(cpu_s=0))).code is Refusal.TOO_SLOW


async def test_what_is_given_up_leaves_no_process(sandbox: Sandbox) -> None:
    task = asyncio.create_task(run(sandbox, long_sample()))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGXCPU])
async def test_a_child_that_is_killed_or_crashes_refuses_the_file_and_nothing_else(
    sandbox: Sandbox, number: signal.Signals
) -> None:
    task = asyncio.create_task(run(sandbox, long_sample()))
    await asyncio.to_thread(kill_the_child, number)
    with pytest.raises(Refused) as err:
        await task
    assert err.value.code in (Refusal.CRASHED, Refusal.TOO_SLOW)
    assert (await run(sandbox, sample("mp3")))[0].container == "mp3", "the next one is taken"


def kill_the_child(number: signal.Signals) -> None:
    os.kill(wait_for(lambda: those_below(os.getpid()))[-1], number)


def ancestors(pid: int) -> set[int]:
    found = set()
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.add(pid)
    return found


def test_a_server_that_is_killed_takes_the_child_along(tmp_path: Path) -> None:
    for bubblewrap in (BWRAP, None):
        sound = tmp_path / "long.flac"
        sound.write_bytes(long_sample())
        program = (
            "import asyncio, tempfile, sys\n"
            "from audio_assets.sandbox import Sandbox\n"
            "from audio_assets.intake import ROUTINE, Limits\n"
            "async def main():\n"
            f"    one = Sandbox(bubblewrap={bubblewrap!r})\n"
            "    await one.confinement()\n"
            f"    with open({str(sound)!r}, 'rb') as source, tempfile.TemporaryFile() as out:\n"
            "        print('go', flush=True)\n"
            "        await one.run(source.fileno(), out.fileno(), ROUTINE, Limits())\n"
            "asyncio.run(main())\n"
        )
        server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert server.stdout is not None and server.stdout.readline() == b"go\n"
        below = wait_for(lambda pid=server.pid: those_below(pid))
        server.kill()
        server.wait()
        server.stdout.close()
        wait_for(lambda pids=below: not [one for one in pids if Path(f"/proc/{one}").exists()])


def those_below(pid: int) -> list[int]:
    """The Python processes that take a sound apart; under bubblewrap they are grandchildren."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"python" in words[0] and any(b"intake_child" in word for word in words) and SELF_TEST not in words:
                found += [int(folder.name)] if pid in ancestors(int(folder.name)) else []
    return sorted(found)


def wait_for(look: Callable[[], object]) -> Any:
    for _ in range(500):
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError("it never came")


# ---- machines on which it does not work -----------------------------------------------------------------------------------


async def test_a_bubblewrap_that_is_forbidden_to_work_is_noticed_and_done_without(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    one = Sandbox(bubblewrap=str(broken))
    held = await one.confinement()
    assert not held.bubblewrap
    assert "No permissions to create new namespace" in held.why
    assert (await run(one, sample("wav")))[0].container == "wav"


async def test_one_that_leaves_a_door_open_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(SandboxBroken, match=r"was (opened|read)"):
        await leaky(tmp_path)._must_be_shut(wrapped=False)


def leaky(tmp_path: Path) -> Sandbox:
    class Leaky(Sandbox):
        def _command(self, job: str, result: int, *, wrapped: bool) -> list[str]:
            words = super()._command(job, result, wrapped=wrapped)
            at = words.index("-c") + 1
            words[at] = words[at].replace(
                "main()", "import audio_assets.intake_child as c; c._close_the_door = lambda: None; main()"
            )
            return words

    return Leaky(bubblewrap=None)
