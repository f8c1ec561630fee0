from pathlib import Path

from tests.system.kills import run


async def test_fifty_kills_at_random_points_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    tally = await run(tmp_path / "kills", rounds=50)
    print(tally)
    assert tally.kills >= 50
    assert tally.accepted == 50
    assert tally.faults == 0, str(tally)
