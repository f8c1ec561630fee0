"""Where a sound is used now or will be: what is live, the plan, and the fallbacks of areas."""

from collections.abc import Iterator

from broadcast.domain.assets import Use
from broadcast.domain.programmes import File, Playlist, Source
from broadcast.service.ports import Tx

AHEAD_MS = 50 * 3_600_000  # programme boards reach 48 h ahead


def uses_of(tx: Tx, sha256: bytes, now_ms: int) -> list[Use]:
    """Each place once, broadcasts first."""
    return list(dict.fromkeys([*_broadcasts(tx, sha256, now_ms), *_plan(tx, sha256)]))


def _broadcasts(tx: Tx, sha256: bytes, now_ms: int) -> Iterator[Use]:
    occurrences = tx.broadcasts.occurrences(now_ms - AHEAD_MS // 2, now_ms + AHEAD_MS)
    for one in (*tx.broadcasts.on_boards(now_ms), *occurrences):
        if one.is_live(now_ms) and sha256 in (part.asset for part in one.order.parts):
            yield Use("programme" if one.programme else "broadcast", one.programme or one.id, one.headline)


def _plan(tx: Tx, sha256: bytes) -> Iterator[Use]:
    for version in tx.programmes.newest():
        programme = version.programme
        named = {*_named(programme.source), *(part.asset for part in version.content.parts)}
        if not version.retired and sha256 in named:
            yield Use("programme", programme.id, programme.title)
    for one in tx.programmes.plans():
        if one.plan.fallback is not None and one.plan.fallback.asset == sha256:
            yield Use("fallback", one.plan.area, one.plan.area)


def _named(source: Source) -> tuple[bytes, ...]:
    match source:
        case File(asset):
            return (asset,)
        case Playlist(assets):
            return assets
        case _:
            return ()
