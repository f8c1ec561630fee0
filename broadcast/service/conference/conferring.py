"""Everything of conferences in one place, as the server makes it and the web asks it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Broadcast
from broadcast.domain.conference.media import EngineDown, RtpTarget
from broadcast.service.conference.bookings import Bookings
from broadcast.service.conference.doors import Doors
from broadcast.service.conference.emergencies import Emergencies
from broadcast.service.conference.lines import Lines
from broadcast.service.conference.media import Media
from broadcast.service.conference.reconciler import Reconciler
from broadcast.service.conference.rooms import Conferences
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.ports import Engine, Store

LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Conferring:
    """All of them."""

    engine: Engine
    conferences: Conferences
    doors: Doors
    bookings: Bookings
    lines: Lines
    media: Media
    reconciler: Reconciler
    emergencies: Emergencies

    @classmethod
    def of(
        cls,
        *,
        clock: Clock,
        store: Store,
        estate: Estate,
        health: Health,
        engine: Engine,
        sound_of: Callable[[str], str | None],
        on_air: Callable[[], Iterable[Broadcast]] = tuple,
        relay_target: Callable[[str], RtpTarget | None] = lambda _: None,
    ) -> "Conferring":
        """Make them."""
        conferences = Conferences(clock=clock, store=store, estate=estate)
        lines = Lines()
        reconciler = Reconciler(
            clock=clock,
            engine=engine,
            conferences=conferences,
            health=health,
            sound_of=sound_of,
            renegotiate=lines.renegotiate,
            relay_target=relay_target,
        )
        return cls(
            engine,
            conferences,
            Doors(clock=clock, store=store, conferences=conferences),
            Bookings(clock=clock, store=store, estate=estate, conferences=conferences),
            lines,
            Media(
                clock=clock,
                engine=engine,
                conferences=conferences,
                tell=lines.tell,
                started=reconciler.forget,
                news=reconciler.poke,
            ),
            reconciler,
            Emergencies(clock=clock, conferences=conferences, live=on_air),
        )

    async def load(self) -> None:
        """What was on when the server ended is on; then the engine."""
        await self.conferences.load()
        try:
            await self.engine.start(self.media.hear)
        except EngineDown:
            return  # the reconciler says so as soon as a conference wants it

    async def tick(self) -> None:
        """What is new is done at once; without news, what time does ten times a second. Call it again and again."""
        await self.reconciler.wait(LOOK_S)
        await self.media.drain()
        await self.conferences.tick()
        await self.emergencies.tick()
        await self.media.tick()
        await self.reconciler.step()

    async def housekeep(self) -> None:
        """Call about once a second."""
        await self.doors.tick()
        await self.bookings.tick()
