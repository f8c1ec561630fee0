"""Which media engine conferences of this server have, from the settings and from what this machine has."""

import logging
from pathlib import Path

from broadcast.service.conference.no_engine import NoEngine
from broadcast.service.ports import Engine
from broadcast.transport.embedded.engine import EmbeddedEngine
from config.settings import ConferenceSettings

log = logging.getLogger(__name__)


def engine_of(asked: ConferenceSettings, folder: Path) -> Engine:
    """The engine that the settings name; `auto` takes the best there is. The log says which and why.

    :param folder: the server's data folder; a managed engine keeps its files in one of its own there.
    """
    name, why = _choose(asked.engine)
    log.info("conference engine: %s (%s)", name, why)
    if name == "embedded":
        return EmbeddedEngine(folder / "conference")
    return NoEngine()


def _choose(asked: str) -> tuple[str, str]:
    """:returns: name and reason."""
    if asked != "auto":
        return asked, "the settings ask for it"
    return "embedded", "no other is here"
