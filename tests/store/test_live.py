"""The evidence of live sound: what every Store does with it."""

from broadcast.domain.live_records import LiveRecord
from broadcast.service.ports import Store
from tests.store.rows import NOW_MS

BEGUN = LiveRecord("o-1", NOW_MS, 2**32 - 1)
DONE = BEGUN._replace(
    to_ms=NOW_MS + 60_000, sha256=b"h" * 32, size_bytes=185_000, sound_ms=59_980, packets=1_000, lost=3, why="closed"
)


async def test_a_record_is_unfinished_until_it_has_an_end(store: Store) -> None:
    again = BEGUN._replace(from_ms=NOW_MS + 1)
    for one in (BEGUN, again, BEGUN._replace(order="o-2")):
        await store.write(lambda tx, one=one: tx.live.save(one))  # type: ignore[misc]
    assert [one.order for one in await store.read(lambda tx: tx.live.unfinished())] == ["o-1", "o-2", "o-1"]
    await store.write(lambda tx: tx.live.save(DONE))
    assert await store.read(lambda tx: tx.live.of("o-1")) == [DONE, again]
    assert len(await store.read(lambda tx: tx.live.unfinished())) == 2
    assert await store.read(lambda tx: tx.live.of("o-3")) == []
