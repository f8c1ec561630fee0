"""What speakers hold and lack: by their own word or unknown; and a township's share of the line."""

from broadcast.service.asset_gate import AssetGate
from endpoints.protocol import Held, Stock
from endpoints.sealing import asset_pass
from tests.plans import HOUR_MS, boards_of, once_in
from tests.town import CITY, DUTY, MELODY, TOWNSHIP, Town, town

FIRST, SECOND = "s-130281100200-1", "s-130281100201-1"


def stock(there: Town, name: str, *, lacking: tuple[bytes, ...] = (), version: int = 1) -> Stock:
    now_ms = there.clock.now_ms()
    held = (Held(CITY, 1, version),) if version else ()
    return Stock(name, 1, now_ms, 1, 1 - len(lacking), 0, 10**9, now_ms + HOUR_MS, held, lacking)


def conditions(there: Town) -> dict[str, dict[str, str]]:
    there.services.planning.staging.watch()
    return {one.name: dict(one.facts) for one in there.services.health.conditions}


async def test_nothing_is_known_before_a_speaker_says_it() -> None:
    async with town() as there:
        await there.services.programmes.add(once_in(there.clock.now_ms(), 3_000), by=DUTY)
        lines = there.services.planning.staging.townships(CITY)
        assert len(lines) == 28 and sum(line.unknown for line in lines) == 718
        assert sum(line.complete for line in lines) == 0 and {line.complete_until_ms for line in lines} == {0}


async def test_a_speaker_that_has_everything_is_complete_and_one_with_an_old_board_is_behind() -> None:
    async with town() as there:
        await there.services.programmes.add(once_in(there.clock.now_ms(), 3_000), by=DUTY)
        staging = there.services.planning.staging
        staging.take(stock(there, FIRST))
        staging.take(stock(there, SECOND, version=0))
        line = next(line for line in staging.townships(TOWNSHIP))
        assert (line.complete, line.behind, line.lacking, line.unknown) == (1, 1, 0, line.speakers - 2)
        there.clock.advance(6)
        there.services.planning.tick()
        assert [board.version for board in boards_of(there, CITY)] == [1, 1]  # repaired by what it said


async def test_its_word_decides_no_version() -> None:
    async with town() as there:
        await there.services.programmes.add(once_in(there.clock.now_ms(), 3_000), by=DUTY)
        there.services.planning.staging.take(stock(there, FIRST, version=99))
        there.clock.advance(6)
        there.services.planning.tick()
        assert [board.version for board in boards_of(there, CITY)] == [1]


async def test_what_is_lacking_is_told_by_name_and_by_when_it_is_needed() -> None:
    async with town() as there:
        now_ms = there.clock.now_ms()
        await there.services.programmes.add(once_in(now_ms, 7_300, title="晚间"), by=DUTY)
        await there.services.programmes.add(once_in(now_ms, 9_000, title="夜话"), by=DUTY)
        staging = there.services.planning.staging
        staging.take(stock(there, FIRST, lacking=(bytes(32), MELODY.asset)))
        shelf = staging.shelf(there.services.estate.speaker(FIRST))
        assert not shelf.complete
        first, second = staging.lacking(shelf)
        assert (first.asset, first.titles) == (MELODY.asset, ("晚间", "夜话"))
        assert 7_298_000 < first.needed_ms - now_ms < 7_302_000
        assert (second.titles, second.needed_ms) == ((), 0)
        assert "stock-lacking" not in conditions(there)
        there.clock.advance(200)
        for name in there.services.estate.speakers:
            staging.take(stock(there, name, lacking=(MELODY.asset,)))
        facts = conditions(there)["stock-lacking"]
        assert (facts["speakers"], facts["townships"]) == ("718", "28")
        for name in there.services.estate.speakers:
            staging.take(stock(there, name))
        assert "stock-lacking" not in conditions(there)


# ---- a township's share -----------------------------------------------------------------------------------------------------


async def test_a_township_gets_its_share_and_another_is_not_kept_waiting() -> None:
    async with town() as there:
        now, urgent = [0.0], [False]
        estate = there.services.estate
        gate = AssetGate(monotonic=lambda: now[0], estate=estate, urgent=lambda _: urgent[0], bytes_per_s=1_000)
        shown = asset_pass(estate.key_of(FIRST) or b"", FIRST)
        neighbour = asset_pass(estate.key_of(SECOND) or b"", SECOND)
        far = asset_pass(estate.key_of("s-130281101000-1") or b"", "s-130281101000-1")

        def ask(passed: str, size_bytes: int = 20_000, address: str = "10.0.0.1") -> float:
            return gate.wait_s(MELODY.asset, size_bytes, shown=passed, address=address)

        assert ask(shown) == 0  # a whole file, paid for afterwards
        assert 12 < ask(neighbour) < 13
        assert ask(far) == 0
        assert ask("", address="10.0.0.1") == 0
        assert ask(neighbour[:-1], address="10.0.0.1") > 0  # a false pass is that address
        assert ask("", address="10.0.0.2") == 0
        urgent[0] = True
        assert ask(neighbour) == 0
        urgent[0] = False
        now[0] = 12.1
        assert ask(neighbour) == 0


async def test_no_limit_is_no_limit() -> None:
    async with town() as there:
        gate = AssetGate(monotonic=lambda: 0.0, estate=there.services.estate, urgent=lambda _: False, bytes_per_s=0)
        assert {gate.wait_s(bytes(32), 10**9, shown="", address="a") for _ in range(9)} == {0.0}
