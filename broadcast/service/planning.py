"""The programme side put together (编排): plan, boards, staging, as-run log, and what has to be done about them all the time."""

from dataclasses import dataclass

from broadcast.clock import Clock
from broadcast.domain.calendar import Announced
from broadcast.service.as_run import AsRun
from broadcast.service.boards import Boards
from broadcast.service.estate import Estate
from broadcast.service.feed import Feed
from broadcast.service.health import Health
from broadcast.service.ladder import Ladder
from broadcast.service.live_ports import SourceRules
from broadcast.service.ports import Sounds, Store, Wire
from broadcast.service.presence import Speakers
from broadcast.service.previews import Voice
from broadcast.service.programme_boards import ProgrammeBoards
from broadcast.service.programme_sounds import ProgrammeSounds
from broadcast.service.programmes import Programmes
from broadcast.service.staging import Staging
from endpoints.arbitration import QuietHours
from endpoints.protocol import OrderRule
from endpoints.sealing import Signer

FORGET_EVERY_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say.

    :param quiet, order: as at the speakers.
    """

    quiet: QuietHours
    order: OrderRule
    keep_reports_days: int
    keep_days: int


class Planning:
    """All parts; the composition root hands the wire's news to them and calls the loops.

    :param signer: of live boards.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        estate: Estate,
        wire: Wire,
        live: Boards,
        ladder: Ladder,
        speakers: Speakers,
        feed: Feed,
        health: Health,
        signer: Signer,
        announced: Announced,
        rules: Rules,
    ) -> None:
        self._clock, self._store, self._estate = clock, store, estate
        self._live, self._health, self._rules = live, health, rules
        self.boards = ProgrammeBoards(
            clock=clock,
            store=store,
            estate=estate,
            wire=wire,
            ladder=ladder,
            feed=feed,
            health=health,
            signer=signer,
            epoch=live.epoch,
            announced=announced,
        )
        self.staging = Staging(clock=clock, estate=estate, boards=self.boards, health=health)
        self.as_run = AsRun(
            clock=clock,
            store=store,
            estate=estate,
            boards=self.boards,
            live=live,
            ladder=ladder,
            speakers=speakers,
            health=health,
            rule=rules.order,
            keep_reports_days=rules.keep_reports_days,
            keep_days=rules.keep_days,
        )
        self._seen_ms = 0
        self._record_loaded = False
        self._forget_at = clock.monotonic()

    def programmes(self, *, sounds: Sounds, voice: Voice, sources: SourceRules) -> Programmes:
        """The use cases, once there is a library and a voice."""
        return Programmes(
            clock=self._clock,
            store=self._store,
            estate=self._estate,
            boards=self.boards,
            live=self._live,
            sounds=ProgrammeSounds(sounds=sounds, voice=voice),
            sources=sources,
            health=self._health,
            quiet=self._rules.quiet,
            rule=self._rules.order,
        )

    async def load(self) -> None:
        """After a start: the boards, derived anew. The record follows in `keep_record`."""
        self._seen_ms = int(await self._store.read(lambda tx: tx.facts.get("seen_ms")) or self._clock.now_ms())
        await self.boards.load()

    def tick(self) -> None:
        """Call about once a second."""
        self.boards.tick()
        if self._record_loaded:
            self.as_run.tick()

    async def keep_record(self) -> None:
        """Look at what was due while nobody looked, once; then how it goes. Call every few seconds."""
        if not self._record_loaded:
            await self.as_run.load(self._seen_ms)
            self._record_loaded = True
        await self.as_run.compare()
        self.as_run.watch()
        self.staging.watch()
        if self._clock.monotonic() >= self._forget_at:
            self._forget_at = self._clock.monotonic() + FORGET_EVERY_S
            await self.as_run.forget()
