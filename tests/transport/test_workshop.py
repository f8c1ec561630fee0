"""Uploads on a real disk, taken apart by the real sandbox: what stays, what goes, and when there is no room."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from audio_assets.intake import Limits
from audio_assets.library import AssetLibrary
from audio_assets.sandbox import Sandbox
from broadcast.domain.assets import AssetKind
from broadcast.service.ports import NoRoom, Received, SoundRefused, UploadTooLarge
from broadcast.transport.workshop import DiskWorkshop
from tests.audio_assets.samples import long_sample, made, quiet, sample, voice
from tests.system.test_disk import small_disk


@pytest.fixture
def library(tmp_path: Path) -> AssetLibrary:
    return AssetLibrary(tmp_path / "assets")


@pytest.fixture
def workshop(library: AssetLibrary) -> Iterator[DiskWorkshop]:
    one = opened(library)
    yield one
    one.close()


def opened(library: AssetLibrary, *, limits: Limits | None = None, keep_free: int = 0) -> DiskWorkshop:
    return DiskWorkshop(library, sandbox=Sandbox(), limits=limits or Limits(), keep_free_bytes=keep_free)


async def pieces(data: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def begun() -> None:
    """Nobody looks."""


def left(library: AssetLibrary) -> list[str]:
    """Every file, those under way with their folder."""
    return sorted(str(path.relative_to(library.folder)) for path in library.folder.rglob("*") if path.is_file())


async def settled(library: AssetLibrary, names: list[str]) -> None:
    """What is thrown away goes on another thread."""
    for _ in range(200):
        if left(library) == names:
            return
        await asyncio.sleep(0.01)
    assert left(library) == names


async def test_a_sound_becomes_one_file_of_the_library_and_nothing_else_stays(
    workshop: DiskWorkshop, library: AssetLibrary
) -> None:
    data = made(voice(20.0), "wav")
    received = await workshop.receive(pieces(data), size_bytes=len(data))
    assert (received.size_bytes, received.sha256) == (len(data), hashlib.sha256(data).digest())
    turns: list[int] = []
    measured = await workshop.prepare(received, AssetKind.NOTICE, lambda: turns.append(1))
    assert turns == [1]
    assert library.check(measured.sha256) == measured.size_bytes
    assert abs(measured.lufs + 16) <= 1 and measured.container == "wav"
    assert workshop.unsettled() == [measured.sha256], "until its row is written"
    await workshop.drop(received)
    assert workshop.unsettled() == []
    assert left(library) == [f"{measured.sha256.hex()}.opus"]
    await workshop.forget(measured.sha256)
    assert left(library) == []


async def test_what_is_refused_leaves_nothing(workshop: DiskWorkshop, library: AssetLibrary) -> None:
    received = await workshop.receive(pieces(made(quiet(3), "flac")), size_bytes=None)
    with pytest.raises(SoundRefused) as err:
        await workshop.prepare(received, AssetKind.ROUTINE, begun)
    assert (err.value.code, err.value.facts["spans"]) == ("silent", [(0, 3_000)])
    await workshop.drop(received)
    await settled(library, [])


async def test_a_sender_that_stops_half_way_leaves_nothing(workshop: DiskWorkshop, library: AssetLibrary) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield bytes(3_000_000)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await workshop.receive(breaking(), size_bytes=None)
    await settled(library, [])
    task = asyncio.create_task(workshop.receive(endless(), size_bytes=None))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settled(library, [])


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(100_000)
        await asyncio.sleep(0.001)


async def test_more_than_may_come_is_refused_announced_or_not(library: AssetLibrary) -> None:
    workshop = opened(library, limits=Limits(source_bytes=1_000_000))
    with pytest.raises(UploadTooLarge):
        await workshop.receive(endless(), size_bytes=1_000_001)
    with pytest.raises(UploadTooLarge):
        await workshop.receive(endless(), size_bytes=None)
    await settled(library, [])
    workshop.close()


async def test_uploads_leave_the_database_its_room(library: AssetLibrary) -> None:
    workshop = opened(library, keep_free=2**60)
    with pytest.raises(NoRoom) as err:
        await workshop.receive(endless(), size_bytes=10)
    assert err.value.free_bytes > 0
    workshop.close()


async def test_a_disk_that_fills_up_while_a_file_comes_leaves_nothing_of_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", megabytes=4):
        library = AssetLibrary(tmp_path / "small")
        workshop = opened(library)
        with pytest.raises(NoRoom):
            await workshop.receive(endless(), size_bytes=None)
        await settled(library, [])
        received = await workshop.receive(pieces(sample("mp3")), size_bytes=None)
        with pytest.raises(SoundRefused) as err:  # 16 MB could come of it
            await workshop.prepare(received, AssetKind.ROUTINE, begun)
        assert err.value.code == "unfinished"
        await workshop.drop(received)
        await settled(library, [])
        workshop.close()


async def test_a_crash_leaves_what_the_next_start_takes_away(library: AssetLibrary) -> None:
    workshop = opened(library)
    await workshop.receive(pieces(sample("mp3")), size_bytes=None)
    second = await workshop.receive(pieces(sample("flac")), size_bytes=None)
    measured = await workshop.prepare(second, AssetKind.ROUTINE, begun)
    workshop.close()  # and no drop: as if killed here
    assert len(left(library)) == 4
    after = opened(library)
    assert after.unsettled() == [measured.sha256], "its row may be there or not"
    after.settle()
    assert left(library) == [f"{measured.sha256.hex()}.opus"]
    after.close()


async def test_one_child_at_a_time_and_what_is_given_up_makes_room(
    workshop: DiskWorkshop, library: AssetLibrary
) -> None:
    turns: list[str] = []
    first = await workshop.receive(pieces(long_sample()), size_bytes=None)
    second = await workshop.receive(pieces(sample("mp3")), size_bytes=None)
    slow = asyncio.create_task(workshop.prepare(first, AssetKind.ROUTINE, lambda: turns.append("first")))
    quick = asyncio.create_task(workshop.prepare(second, AssetKind.ROUTINE, lambda: turns.append("second")))
    await asyncio.sleep(0.2)
    assert turns == ["first"]
    slow.cancel()
    assert (await quick).container == "mp3"
    assert turns == ["first", "second"]
    for received in (first, second):
        await workshop.drop(received)


async def test_a_child_that_lies_about_its_file_is_not_believed(library: AssetLibrary) -> None:
    class Lying(Sandbox):
        async def run(self, source: int, result: int, *rest: object) -> object:  # type: ignore[override]
            made_sound = await super().run(source, result, *rest)  # type: ignore[arg-type]
            os.ftruncate(result, 10)
            return made_sound

    workshop = DiskWorkshop(library, sandbox=Lying(), limits=Limits(), keep_free_bytes=0)
    received: Received = await workshop.receive(pieces(sample("mp3")), size_bytes=None)
    with pytest.raises(SoundRefused) as err:
        await workshop.prepare(received, AssetKind.ROUTINE, begun)
    assert err.value.code == "crashed"
    await workshop.drop(received)
    await settled(library, [])
    workshop.close()


async def test_a_machine_that_can_not_take_sounds_apart_says_so(library: AssetLibrary) -> None:
    class Broken(Sandbox):
        def _command(self, job: str, result: int, *, wrapped: bool) -> list[str]:
            return ["/bin/false"]

    workshop = DiskWorkshop(library, sandbox=Broken(), limits=Limits(), keep_free_bytes=0)
    assert (await workshop.conditions())["sandbox-broken"]
    received = await workshop.receive(pieces(sample("mp3")), size_bytes=None)
    with pytest.raises(SoundRefused) as err:
        await workshop.prepare(received, AssetKind.ROUTINE, begun)
    assert err.value.code == "unfinished"
    workshop.close()
