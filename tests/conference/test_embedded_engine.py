"""Our own engine passes the contract of the engines, with real media in its real process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from audio_assets.live_codec import LiveEncoder
from audio_assets.ogg_pages import OpusPages
from audio_assets.tones import melody
from broadcast.transport.embedded.engine import EmbeddedEngine
from tests.conference.caller import CallerStage
from tests.conference.contract import EngineContract


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[CallerStage]:
    engine = EmbeddedEngine(tmp_path / "engine", sheds=False)
    stage = CallerStage(engine, lambda: engine.pid)
    await engine.start(stage.hear)
    await engine.stats()  # it has started
    yield stage
    await stage.end()
    await engine.stop()


@pytest.fixture
def opus_file(tmp_path: Path) -> str:
    """A melody of a few seconds."""
    frames = LiveEncoder().encode(melody().data)
    pages = OpusPages(7)
    path = tmp_path / "melody.opus"
    path.write_bytes(pages.begin() + b"".join(pages.page(frames[at : at + 50]) for at in range(0, len(frames), 50)))
    return str(path)


class TestEmbeddedEngine(EngineContract):
    """All of it."""
