"""A whole real speaker in virtual time: box, player, disk, staging, voice; only the line to the broker is a function call.

What comes from a server is signed as on the wire and handed to `Box.hear`; what is kept is on a real disk, so that the power can
be cut. The speaker has a trusted battery clock, because nobody answers it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from endpoints.box import Box, Clock
from endpoints.kept import Kept, KeptFile
from endpoints.mqtt_link import BrokerAddress
from endpoints.protocol import (
    LIVE_ROOT,
    Board,
    Order,
    Part,
    ProgrammeBoard,
    board_topic,
    encode_board,
    encode_programme,
    programme_topic,
)
from endpoints.sealing import Message, TrustStore, seal
from endpoints.vocabulary import Reason, Stage
from tests.endpoints.county import COUNTY, KEY, SIGNER, speakers
from tests.endpoints.studio import NOON_MS, Studio, Tape

NOWHERE = BrokerAddress("127.0.0.1", 1, "", "")
VOLUME_PERCENT = 100  # as recorded: samples can be compared


class LoopClock:
    """The virtual loop's time, as a box's monotonic clock."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def now(self) -> float:
        return self._studio.loop.time()

    def seconds_until(self, at: float) -> float:
        return at - self._studio.loop.time()


class Diary:
    """A disk that remembers which stages it was told of, in order."""

    def __init__(self, path: Path) -> None:
        self._file = KeptFile(path)
        self.stages: dict[str, list[tuple[Stage, Reason]]] = {}

    def read(self) -> Kept:
        return self._file.read()

    def write(self, kept: Kept) -> None:
        self._file.write(kept)
        for one in kept.progress.values():
            told = self.stages.setdefault(one.order, [])
            if (now := (one.stage, one.reason)) not in told[-1:]:
                told.append(now)


@dataclass
class Booth:
    """One speaker and what would be its server."""

    folder: Path
    studio: Studio
    diary: Diary
    box: Box
    version: int = 0

    @property
    def now_ms(self) -> int:
        """The server's time."""
        return self.studio.opened_ms + self.studio.now_ms

    def publish(self, *orders: Order) -> None:
        """The next version of the county's board."""
        self.version += 1
        payload = encode_board(Board(COUNTY, 1, self.version, self.now_ms, orders))
        self.box.hear(board_topic(LIVE_ROOT, COUNTY), _sealed(payload, Message.BOARD))

    def plan(self, *orders: Order, fallback: Part | None = None, until_ms: int = 0, **other: object) -> None:
        """The next version of the county's programme."""
        self.version += 1
        until_ms = until_ms or self.now_ms + 48 * 3_600_000
        made = ProgrammeBoard(COUNTY, 1, self.version, self.now_ms, orders, until_ms, fallback=fallback)
        payload = encode_programme(replace(made, **other))  # type: ignore[arg-type]
        self.box.hear(programme_topic(LIVE_ROOT, COUNTY), _sealed(payload, Message.PROGRAMME))

    def stages(self, order: str) -> list[tuple[Stage, Reason]]:
        return self.diary.stages.get(order, [])


def _sealed(payload: bytes, message: Message) -> bytes:
    return seal(payload, message, exercise=False, signer=SIGNER)


@asynccontextmanager
async def booth(
    folder: Path,
    *offered: Tape,
    held: tuple[Tape, ...] = (),
    opened_ms: int = NOON_MS,
    skips_lulls: bool = False,
    volume_percent: int = VOLUME_PERCENT,
) -> AsyncIterator[Booth]:
    """Switched on, from that time on, until the power is cut.

    :param offered: what a server has. :param held: what is in the cache.
    """
    studio = Studio(folder / "assets", *offered, held=held, opened_ms=opened_ms)
    studio.voice.skips_lulls = skips_lulls
    await studio.output.start()
    clock: Clock = LoopClock(studio)
    diary = Diary(folder / "kept.cbor")
    who = replace(speakers(1)[0].identity, volume_percent=volume_percent)
    box = Box(
        who,
        TrustStore((KEY,)),
        broker=NOWHERE,
        disk=diary,
        output=studio.output,
        random=Random(1),
        clock=clock,
        rtc_ms=opened_ms,
    )
    box.start(online=False)
    try:
        yield Booth(folder, studio, diary, box)
    finally:
        box.drop()
        await studio.output.close()
