from pathlib import Path

from endpoints.vocabulary import Stage
from tests.system.line_cut import through_a_cut

SECONDS = 40  # the bench has 30 minutes and a cut of ten


async def test_a_programme_sounds_through_a_cut_line_as_if_nothing_had_been(tmp_path: Path) -> None:
    played = await through_a_cut(tmp_path, seconds=SECONDS, cut_from_s=8, cut_until_s=28)
    print(played)
    assert played.broken == (), "every sample of it, and nothing else"
    assert played.corrected <= 5 * SECONDS, "but for single ones that keep it in step"
    assert played.refused > 0, "it tried to come back meanwhile"
    assert played.stages[-2:] == (Stage.SOUNDING, Stage.FINISHED)
