"""Recordings of what went out: whole after an orderly end, and after none."""

import asyncio
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from audio_assets.codec import decode
from audio_assets.library import AssetLibrary
from audio_assets.live_codec import LiveEncoder
from audio_assets.ogg_pages import NOTHING, frames_of
from audio_assets.tones import melody
from broadcast.transport.live_tape import FileTapes
from tests.correlation import find, samples

ROOT = Path(__file__).parents[2]
FROM_MS = 1_800_000_000_000


@cache
def frames() -> tuple[bytes, ...]:
    return tuple(LiveEncoder().encode(melody().slice_ms(0, 6_000).data))


@pytest.fixture
def library(tmp_path: Path) -> AssetLibrary:
    return AssetLibrary(tmp_path / "assets")


@pytest.fixture
def tapes(tmp_path: Path, library: AssetLibrary) -> FileTapes:
    return FileTapes(tmp_path / "live", library)


async def test_what_was_added_is_a_file_of_the_library(tapes: FileTapes, library: AssetLibrary, tmp_path: Path) -> None:
    tape = tapes.begin("o-1", FROM_MS, title="王芳喊话")
    for start in range(0, 300, 3):
        tape.add(frames()[start : start + 3])
    taped = await tape.finish()
    assert taped is not None
    data = library.get(taped.sha256)
    assert frames_of(data) == list(frames())
    assert (taped.size_bytes, taped.sound_ms) == (len(data), 6_000)
    assert find(samples(melody().data)[48_000:96_000], samples(decode(data).data)).score > 0.9
    tapes.forget("o-1", FROM_MS)
    assert list((tmp_path / "live").iterdir()) == []


async def test_what_did_not_go_out_keeps_its_place_up_to_a_minute(tapes: FileTapes, library: AssetLibrary) -> None:
    tape = tapes.begin("o-1", FROM_MS, title="")
    tape.add(frames()[:3])
    tape.skip(120)
    tape.add(frames()[3:6])
    tape.skip(1_000_000)
    taped = await tape.finish()
    assert taped is not None
    kept = frames_of(library.get(taped.sha256))
    assert kept[:126] == [*frames()[:3], *[NOTHING] * 120, *frames()[3:6]]
    assert len(kept) == 126 + 3_000


async def test_an_empty_recording_is_none(tapes: FileTapes, tmp_path: Path) -> None:
    assert await tapes.begin("o-1", FROM_MS, title="").finish() is None
    assert await tapes.mend("o-2", FROM_MS) is None
    assert list((tmp_path / "live").iterdir()) == []


async def test_a_disk_that_does_not_take_it_says_so_and_silences_nobody(tmp_path: Path, library: AssetLibrary) -> None:
    (tmp_path / "live").write_text("a file where the folder should be")
    tape = FileTapes(tmp_path / "live", library).begin("o-1", FROM_MS, title="")
    tape.add(frames()[:3])
    tape.skip(3)
    assert tape.broken
    assert await tape.finish() is None


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="no /dev/full")
async def test_a_disk_that_is_full_in_the_middle_keeps_what_it_has(tapes: FileTapes, library: AssetLibrary) -> None:
    tape = tapes.begin("o-1", FROM_MS, title="")
    tape.add(frames()[:3])
    full, kept = os.open("/dev/full", os.O_WRONLY), tape._file
    tape._file = full
    tape.add(frames()[3:6])
    assert tape.broken
    os.close(full)
    tape._file = kept
    taped = await tape.finish()
    assert taped is not None
    assert frames_of(library.get(taped.sha256)) == list(frames()[:3])


KILLED = """
import asyncio, os, sys
from pathlib import Path
from audio_assets.library import AssetLibrary
from broadcast.transport.live_tape import FileTapes

async def main(folder, count):
    tape = FileTapes(folder / "live", AssetLibrary(folder / "assets")).begin("o-1", 1_800_000_000_000, title="x")
    for n in range(count):
        tape.add([b"\\xf8%05d-%d" % (n, k) for k in range(3)])
        print(n, flush=True)
        await asyncio.sleep(0)
    await asyncio.sleep(60)

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


def test_a_killed_server_leaves_all_that_had_gone_out(tapes: FileTapes, library: AssetLibrary, tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), "400"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = 0
    for line in child.stdout:
        said = int(line)
        if said >= 250:
            break
    child.kill()
    said = max([said, *(int(line) for line in child.stdout.read().split("\n")[:-1])])
    child.wait()
    taped = asyncio.run(tapes.mend("o-1", FROM_MS))
    assert taped is not None
    kept = frames_of(library.get(taped.sha256))
    assert kept == [b"\xf8%05d-%d" % (n, k) for n in range(len(kept) // 3) for k in range(3)]
    assert said + 1 <= len(kept) // 3 <= said + 2
    assert taped.sound_ms == len(kept) * 20
    assert asyncio.run(tapes.mend("o-1", FROM_MS)) == taped, "killed again before the row knew of it"
    tapes.forget("o-1", FROM_MS)
    assert asyncio.run(tapes.mend("o-1", FROM_MS)) is None
    assert library.has(taped.sha256)
