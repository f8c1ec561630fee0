"""Rendering in a process of its own."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from audio_assets.library import AssetLibrary
from audio_assets.rendering import RenderFailed, TextEmpty, TextTooLong, UnsupportedAudio
from audio_assets.worker import RenderWorker

pytestmark = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[RenderWorker]:
    worker = RenderWorker(AssetLibrary(tmp_path))
    yield worker
    await worker.close()


def child_of(worker: RenderWorker) -> int:
    assert worker._child is not None
    return worker._child.pid


async def test_what_was_heard_in_the_preview_is_what_is_sent(worker: RenderWorker, tmp_path: Path) -> None:
    preview = await worker.render("请立即转移。", exercise=False)
    assert await worker.render("请立即转移。", exercise=False) == preview
    await worker.close()
    assert await worker.render("请立即转移。", exercise=False) == preview
    assert worker._child is None, "remembered, also after a restart: nothing is rendered"
    assert AssetLibrary(tmp_path).get(preview.sha256) == preview.data
    assert (await worker.render("请立即转移。", exercise=True)).sha256 != preview.sha256


async def test_a_file_lost_or_damaged_on_disk_is_rendered_again_the_same(worker: RenderWorker, tmp_path: Path) -> None:
    first = await worker.render("请立即转移。", exercise=False)
    AssetLibrary(tmp_path).path(first.sha256).write_bytes(b"rot")
    assert await worker.render("请立即转移。", exercise=False) == first


async def test_errors_come_through_with_their_facts(worker: RenderWorker) -> None:
    with pytest.raises(TextEmpty):
        await worker.render("", exercise=True)
    with pytest.raises(TextTooLong) as caught:
        await worker.render("长" * 601, exercise=False)
    assert caught.value.characters == 601
    with pytest.raises(UnsupportedAudio, match="neither Ogg Opus nor WAV"):
        await worker.ingest(b"#EXTM3U")


async def test_an_upload_is_taken_and_the_demonstration_has_its_tune(worker: RenderWorker) -> None:
    tune = await worker.melody()
    again = await worker.ingest(tune.data, title="晨曲")
    assert (tune.duration_ms, again.duration_ms, again.text) == (24_000, 24_000, "晨曲")
    assert (tune.lufs, again.lufs) == (pytest.approx(-18, abs=0.5), pytest.approx(-16, abs=0.5))


async def test_a_child_that_is_killed_is_replaced(worker: RenderWorker) -> None:
    await worker.warm_up()
    os.kill(child_of(worker), 9)
    assert (await worker.render("请立即转移。", exercise=False)).duration_ms > 0


async def test_a_child_that_hangs_is_given_up_and_ended(tmp_path: Path) -> None:
    worker = RenderWorker(AssetLibrary(tmp_path), timeout_s=0.01)
    with pytest.raises(RenderFailed, match="not ready"):
        await worker.warm_up()
    assert worker._child is None


async def test_who_gives_up_waiting_leaves_no_half_answer_for_the_next(worker: RenderWorker) -> None:
    await worker.warm_up()
    waiting = asyncio.create_task(worker.render("水库水位上涨，请立即转移。" * 20, exercise=False))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (await worker.render("请注意。", exercise=False)).text == "请注意。"


async def test_many_who_ask_the_same_get_the_same(worker: RenderWorker) -> None:
    made = await asyncio.gather(*(worker.render("请立即转移。", exercise=False) for _ in range(5)))
    assert len({one.sha256 for one in made}) == 1


def test_the_process_that_asks_never_loads_the_codec() -> None:
    script = "import audio_assets.worker, sys; print([m for m in ('av', 'pypinyin', 'pydub') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout.strip() == b"[]"
