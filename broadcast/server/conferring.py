"""Composition of conferences: their loops, and where their sounds lie."""

from audio_assets.library import AssetLibrary
from broadcast.server.loops import Loops
from broadcast.service.conference.conferring import Conferring


def start_conferring(conferring: Conferring, loops: Loops) -> None:
    """Keep them going. `tick` waits for news itself: an act reaches the engine at once."""
    loops.every("conferences", 0.0, conferring.tick)
    loops.every("conference-doors", 1.0, conferring.housekeep)


def sound_path(library: AssetLibrary, sha256: str) -> str | None:
    """The file of the library with that hex SHA-256."""
    digest = bytes.fromhex(sha256)
    return str(library.path(digest)) if library.has(digest) else None
