"""A programme of 30 minutes through a network cut of ten, in real time: broker, HTTP, a real `lianbo speaker`, and a cable between.

The recording is compared with the file, sample by sample. The speaker's CPU and memory are those of its process while it played.
"""

import asyncio
import tempfile
from pathlib import Path

from bench.figures import Figure, write
from tests.system.line_cut import through_a_cut

SECONDS, CUT_FROM_S, CUT_UNTIL_S = 1_800, 300, 900


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        played = asyncio.run(through_a_cut(Path(name), seconds=SECONDS, cut_from_s=CUT_FROM_S, cut_until_s=CUT_UNTIL_S))
    whole = len(played.broken)
    write(
        "line_cut",
        [
            Figure(f"seconds of {SECONDS} that were not heard as they are in the file", whole, "s", goal=0),
            Figure("seconds heard sample by sample", played.exact_s, "s"),
            Figure("single samples left out or said twice in the others, to stay in step", played.corrected, ""),
            Figure("attempts to connect during the cut of ten minutes", played.refused, ""),
            Figure("CPU of a playing speaker, of one core", played.cpu_percent, "%"),
            Figure("resident memory of a playing speaker", played.rss_mib, "MiB"),
        ],
    )


if __name__ == "__main__":
    main()
