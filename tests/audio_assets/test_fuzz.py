"""A thousand damaged files: each ends in a clear refusal or a good sound, in bounded time and memory; none crashes the decoder."""

import asyncio
import json
import sys
from collections import Counter

from audio_assets.intake import Refusal

FILES, BATCHES = 1_000, 2
MOST_CPU_S, MOST_MB = 2.0, 300


async def batch(first: int, last: int) -> list[dict[str, object]]:
    """What became of these; a file that kills the process is named."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", "tests.audio_assets.fuzz", str(first), str(last)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(child.communicate(), 300)
    rows: list[dict[str, object]] = [json.loads(line) for line in out.splitlines()]
    assert child.returncode == 0, f"file {rows[-1]} ended it with {child.returncode}: {err.decode()[-2_000:]}"
    return [row for row in rows if "outcome" in row]


async def test_a_thousand_damaged_files_are_refused_or_good() -> None:
    size = FILES // BATCHES
    batches = await asyncio.gather(*(batch(at, at + size) for at in range(0, FILES, size)))
    rows = [row for each in batches for row in each]
    assert [row["number"] for row in rows] == list(range(FILES))
    outcomes = Counter(str(row["outcome"]) for row in rows)
    assert set(outcomes) <= {"ready", *(code.value for code in Refusal)}
    assert outcomes["ready"] > 100 and outcomes["damaged"] > 100, "the mutations neither spare nor kill everything"
    slowest, fattest = max(float(str(row["cpu_s"])) for row in rows), max(int(str(row["rss_mb"])) for row in rows)
    print(f"{dict(outcomes)}; at most {slowest:.2f} s of CPU and {fattest} MB each")
    assert slowest < MOST_CPU_S
    assert fattest < MOST_MB
