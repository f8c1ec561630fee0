"""The engine on paper passes the contract of the engines, so that tests of the core rest on what an engine does."""

from collections.abc import AsyncIterator, Sequence

import pytest

from broadcast.domain.conference.media import EngineEvent
from broadcast.service.ports import Engine
from tests.conference.contract import EngineContract
from tests.conference.paper import PaperClient, PaperEngine


class PaperStage:
    def __init__(self) -> None:
        self.paper = PaperEngine()
        self._heard: list[EngineEvent] = []

    @property
    def engine(self) -> Engine:
        return self.paper

    @property
    def heard(self) -> Sequence[EngineEvent]:
        return self._heard

    def client(self, room: str, site: str) -> PaperClient:
        return PaperClient(self.paper, room, site)

    async def kill(self) -> None:
        self.paper.die()
        self.paper.rise()

    async def begin(self) -> None:
        await self.paper.start(self._heard.append)


class TestPaperEngine(EngineContract):
    @pytest.fixture
    async def stage(self) -> AsyncIterator[PaperStage]:
        stage = PaperStage()
        await stage.begin()
        yield stage
        await stage.paper.stop()
