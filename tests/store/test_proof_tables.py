"""Proofs of play: what every Store does with them."""

from dataclasses import replace

from broadcast.domain.proofs import Proved, Witnessed
from broadcast.service.ports import Store
from endpoints.proof import Ear, Place, Proof, Window
from tests.store.rows import NOW_MS

WINDOWS = (Window(Place.START, 998, -1_250, -231), Window(Place.END, 0, 9_000_000, -1_200))
PROOF = Proof("zh-1", 2**47, "o-1", 3, NOW_MS, 350, Ear.MICROPHONE, True, WINDOWS)


async def test_a_proof_that_comes_again_is_kept_once_as_it_was(store: Store) -> None:
    first, other = Proved(PROOF, NOW_MS + 5), Proved(replace(PROOF, speaker="zh-2", windows=()), NOW_MS + 6)
    await store.write(lambda tx: tx.proofs.keep([first, other]))
    await store.write(lambda tx: tx.proofs.keep([Proved(PROOF, NOW_MS + 900)]))
    assert await store.read(lambda tx: tx.proofs.of("o-1")) == [first, other]
    assert await store.read(lambda tx: tx.proofs.of("o-2")) == []


async def test_an_order_that_sounded_again_after_a_start_is_proved_again(store: Store) -> None:
    runs = [Proved(PROOF, NOW_MS + 5), Proved(replace(PROOF, boot=8), NOW_MS + 6)]
    await store.write(lambda tx: tx.proofs.keep(runs))
    assert await store.read(lambda tx: tx.proofs.of("o-1")) == runs


async def test_what_people_say_is_kept_in_order_and_never_overwritten(store: Store) -> None:
    said = [
        Witnessed("o-1", "zh-1", "cadre", NOW_MS, False, "只有<响声>"),
        Witnessed("o-1", "zh-1", "cadre", NOW_MS + 1, True),
    ]
    for one in said:
        await store.write(lambda tx, one=one: tx.proofs.witness(one))  # type: ignore[misc]
    assert await store.read(lambda tx: tx.proofs.witnesses("o-1")) == said
