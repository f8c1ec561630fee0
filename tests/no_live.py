"""Live sound for tests that have none: a microphone can't even be looked at."""

from collections.abc import Sequence

from broadcast.clock import Clock
from broadcast.domain.live import LiveRules, NoSource
from broadcast.domain.live_records import Taped
from broadcast.service.boards import Boards
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.ladder import Ladder
from broadcast.service.live import Live
from broadcast.service.live_boards import LiveBoards
from broadcast.service.live_ports import Ears, FedSource, OutStream, Source, Tape
from broadcast.service.live_run import Studio
from broadcast.service.ports import SpeechFailed, Store
from endpoints.protocol import Order, OrderRule


class Nothing:
    """No sources, no way to the speakers, no tapes, no words."""

    def fed(self, ears: Ears) -> FedSource:
        raise NoSource("", "this test has no live sound")

    async def open(self, address: str, ears: Ears) -> Source:
        raise NoSource(address, "this test has no live sound")

    async def frames(self, text: str) -> Sequence[bytes]:
        raise SpeechFailed("this test has no live sound")

    def begin(self, order: str, from_ms: int, *, title: str) -> Tape:
        raise NotImplementedError

    async def mend(self, order: str, from_ms: int) -> Taped | None:
        return None


class NoAir:
    def open(self, order: Order, *, started_us: int) -> OutStream:
        raise NotImplementedError

    def forget(self, order: Order) -> None:
        """There is none."""


def no_live(  # noqa: PLR0917 the parts of a town
    clock: Clock, store: Store, health: Health, estate: Estate, boards: Boards, broadcasts: Broadcasts, ladder: Ladder
) -> Live:
    nothing = Nothing()
    studio = Studio(clock=clock, store=store, health=health, air=NoAir(), tapes=nothing, rules=LiveRules())
    on_boards = LiveBoards(clock, estate, boards, broadcasts, ladder, OrderRule.SEVERITY_FIRST)
    return Live(studio=studio, boards=on_boards, sources=nothing, words=nothing)
