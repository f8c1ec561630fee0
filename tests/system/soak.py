"""`./dev soak`: what takes too long for every run: a thousand kills. Exits 1 when anything was lost or doubled."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.system.kills import run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000, help="rounds, each with one or two kills")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        say = lambda line: print(line, flush=True)  # noqa: E731
        tally = asyncio.run(run(Path(folder) / "soak", rounds=asked.kills, seed=asked.seed, say=say))
    print(tally)
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
