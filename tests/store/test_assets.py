"""The table of sounds, on every engine and in the fake."""

import pytest

from broadcast.domain.assets import AssetKind, UnknownAsset
from broadcast.service.ports import Store, StoreRefused
from tests.store.rows import NOW_MS
from tests.store.sounds import ASSET, asset


async def test_a_sound_comes_back_as_it_was_kept(store: Store) -> None:
    approved = asset(2, approved_by="li", approved_ms=NOW_MS, approved_sha256=ASSET.sha256, expires_ms=NOW_MS + 1)
    await store.write(lambda tx: tx.assets.add(approved))
    await store.write(lambda tx: tx.assets.add(ASSET))
    assert list(await store.read(lambda tx: tx.assets.all())) == [ASSET, approved]


async def test_a_change_is_kept_and_a_sound_that_is_gone_can_not_be_changed(store: Store) -> None:
    await store.write(lambda tx: tx.assets.add(ASSET))
    changed = asset(kind=AssetKind.SIGNAL, name="钟声", expires_ms=NOW_MS)
    await store.write(lambda tx: tx.assets.save(changed))
    assert list(await store.read(lambda tx: tx.assets.all())) == [changed]
    await store.write(lambda tx: tx.assets.drop(ASSET.id))
    assert list(await store.read(lambda tx: tx.assets.all())) == []
    with pytest.raises(UnknownAsset):
        await store.write(lambda tx: tx.assets.save(changed))


async def test_two_sounds_may_be_the_same_file_and_not_have_the_same_id(store: Store) -> None:
    await store.write(lambda tx: tx.assets.add(ASSET))
    with pytest.raises(StoreRefused):
        await store.write(lambda tx: tx.assets.add(asset(name="again")))
    await store.write(lambda tx: tx.assets.add(asset(2)))
    assert len(await store.read(lambda tx: tx.assets.all())) == 2
