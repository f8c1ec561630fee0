"""Where a sound is used: what is live, what is planned, what fills a gap."""

import hashlib
from dataclasses import replace
from datetime import date, time

from broadcast.domain.assets import Use
from broadcast.domain.programme_versions import PlanVersion, Version
from broadcast.domain.programmes import AreaPlan, Content, File, Pattern, Playlist, Programme
from broadcast.service.asset_uses import uses_of
from endpoints.protocol import Part
from tests.memory_store import MemoryStore
from tests.store.rows import NOW_MS, ORDER, broadcast

SOUND = hashlib.sha256(b"sound").digest()
OTHER = hashlib.sha256(b"other").digest()
CITY = "130281000000"


def programme(number: int, source: File | Playlist) -> Programme:
    pattern = Pattern((time(6, 30),), date(2026, 1, 1))
    return Programme(f"01K5M0Z000000000000000000{number}", f"节目{number}", CITY, pattern, source, 30, areas=(CITY,))


async def found(store: MemoryStore, sha256: bytes = SOUND) -> list[Use]:
    return await store.read(lambda tx: uses_of(tx, sha256, NOW_MS))


async def test_a_programme_uses_what_its_source_names_and_what_that_became() -> None:
    store = MemoryStore()
    one, two, three = programme(1, File(SOUND)), programme(2, Playlist((OTHER, SOUND))), programme(3, File(OTHER))
    for each in (one, two):
        await store.write(lambda tx, each=each: tx.programmes.add(Version(each, NOW_MS, "wang")))
    content = Content((Part(SOUND, 1, 1),))
    await store.write(lambda tx: tx.programmes.add(Version(three, NOW_MS, "wang", content)))
    assert {use.name for use in await found(store)} == {"节目1", "节目2", "节目3"}
    assert {use.what for use in await found(store)} == {"programme"}
    assert await found(store, hashlib.sha256(b"none").digest()) == []


async def test_only_the_newest_version_counts_and_none_that_was_retired() -> None:
    store = MemoryStore()
    was, now = programme(1, File(SOUND)), replace(programme(1, File(OTHER)), revision=2)
    await store.write(lambda tx: tx.programmes.add(Version(was, NOW_MS, "wang")))
    assert len(await found(store)) == 1
    await store.write(lambda tx: tx.programmes.add(Version(now, NOW_MS, "wang")))
    assert await found(store) == []
    retired = replace(programme(2, File(SOUND)), revision=1)
    await store.write(lambda tx: tx.programmes.add(Version(retired, NOW_MS, "wang", retired=True)))
    assert await found(store) == []


async def test_the_fallback_of_an_area_is_a_use() -> None:
    store = MemoryStore()
    plan = PlanVersion(AreaPlan(CITY, fallback=Part(SOUND, 1, 1)), 1, NOW_MS, "wang")
    await store.write(lambda tx: tx.programmes.add_plan(plan))
    assert await found(store) == [Use("fallback", CITY, CITY)]


async def test_a_broadcast_is_a_use_while_it_is_live_its_later_parts_too() -> None:
    store = MemoryStore()
    live = broadcast(1, replace(ORDER, asset=OTHER, more=(Part(SOUND, 1, 1),)))
    over = broadcast(2, replace(ORDER, asset=SOUND, not_before_ms=NOW_MS - 9_000, not_after_ms=NOW_MS - 1))
    await store.write(lambda tx: tx.broadcasts.add(live))
    await store.write(lambda tx: tx.broadcasts.add(over))
    assert await found(store) == [Use("broadcast", live.id, live.headline)]
