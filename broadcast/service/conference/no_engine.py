"""What stands in where a server has no media engine: conferences are planned, chaired and kept; nobody is heard, and it says so."""

from collections.abc import Callable
from typing import NoReturn

from broadcast.domain.conference.media import EngineCaps, EngineDown, EngineEvent

CAPS = EngineCaps(name="none", version="", max_sites=0, max_all_to_all=0, warnings=("no-engine",))


class NoEngine:
    """Every call of `Engine` is refused alike."""

    caps = CAPS

    async def start(self, hear: Callable[[EngineEvent], None]) -> None:
        """There is nothing to start."""

    async def stop(self) -> None:
        """Nor to stop."""

    async def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise EngineDown("this server has no media engine")

    open_room = close_room = offer = offer_to = answer = trickle = hang_up = _refuse
    set_view = set_audio = set_quality = mute_room = kick = _refuse
    feed = forward_audio = play = record = stats = _refuse
