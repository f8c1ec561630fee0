"""Composition of conferences: what they are handed, and their loops."""

from audio_assets.library import AssetLibrary
from broadcast.clock import Clock
from broadcast.server.engines import engine_of
from broadcast.server.loops import Loops
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.conference.conferring import Conferring
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.ports import Store
from config.settings import Settings


def confer(  # noqa: PLR0917 it has what the server has
    clock: Clock,
    store: Store,
    estate: Estate,
    health: Health,
    library: AssetLibrary,
    broadcasts: Broadcasts,
    settings: Settings,
) -> Conferring:
    """Make them."""

    def sound_of(sha256: str) -> str | None:
        digest = bytes.fromhex(sha256)
        return str(library.path(digest)) if library.has(digest) else None

    return Conferring.of(
        clock=clock,
        store=store,
        estate=estate,
        health=health,
        engine=engine_of(settings.conference, settings.server.data_folder),
        sound_of=sound_of,
        on_air=broadcasts.live,
    )


def start_conferring(conferring: Conferring, loops: Loops) -> None:
    """Keep them going. `tick` waits for news itself: an act reaches the engine at once."""
    loops.every("conferences", 0.0, conferring.tick)
    loops.every("conference-doors", 1.0, conferring.housekeep)
