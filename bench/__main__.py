"""`./dev bench`: every benchmark in turn, then one table; ends with 1 when a goal is not met.

`python -m bench NAME …` runs some of them. Each runs in a process of its own, so that memory and imports of one are not those of
the next, and writes bench/out/NAME.json. Run it on a quiet machine: the load average is printed at the start and the end.
"""

import argparse
import importlib
import os
import subprocess
import sys
import time

from bench.figures import OUT, read_all

BENCHES = {
    "main_job": "trigger to the last durable report, against the raw floor: 718, 5,000, 12,000 on Mosquitto and 718 on amqtt",
    "power_up": "every speaker switched on at once while an alert is live",
    "figures_that_decide": "718 speakers on the defaults: first sound, 99 % durable, silence, start-up, idle",
    "assets": "uploaded sounds: speed against decoding alone, memory for an hour, what a short clip costs",
    "flood": "10,000 bad reports a second while an officer triggers",
    "wrong_logins": "1,000 wrong passwords, against one account and against 1,000 names, while an officer triggers",
    "line_cut": "a programme of 30 minutes through a network cut of ten, in real time",
    "preempt": "600 emergencies take the air from a long programme at one speaker, in real time",
    "plan_boards": "the plan of 718 areas on its boards: their size, an edit, the broker back, the server at rest",
    "live": "mouth to ear in one recording; 718 and more live listeners, the broker's CPU and the way's latency; amqtt's limit",
    "skew": "how far apart four speakers begin and stay, against four snapclients in the same recording",
    "console": "the console in Chromium: bytes of the first load, the wall painted, from 718 reports to their places",
    "conference": "27 sites on the embedded engine: its CPU, late ticks of the mixer, how long an act takes",
    "audit": "the audit trail: verified in memory and from a file, against bare hashing; what an act costs",
    "year": "a year of the plan of 718 areas: occurrences, clashes, and what one new programme meets",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    unknown = set(asked.names) - BENCHES.keys()
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    if asked.one:
        importlib.import_module(f"bench.{asked.names[0]}").main()
        return 0
    names = asked.names or list(BENCHES)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    failed = [name for name in names if not _run(name)]
    print(f"load average {os.getloadavg()[0]:.1f}")
    missed = _print_table(names)
    for name in failed:
        print(f"{name} did not run to its end")
    return 1 if missed or failed else 0


def _run(name: str) -> bool:
    print(f"\n{name}: {BENCHES[name]}", flush=True)
    (OUT / f"{name}.json").unlink(missing_ok=True)
    began = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "bench", "--one", name], check=False).returncode
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return code == 0


def _print_table(names: list[str]) -> int:
    """:returns: how many goals were not met."""
    print(f"\n{'figure':<72} {'value':>10} {'unit':<5} {'floor':>9} {'ratio':>6} {'goal':>8}  met")
    missed = 0
    for name, rows in read_all().items():
        if name not in names:
            continue
        for row in rows:
            goal = "" if row["goal"] is None else f"{row['goal']:g}" + (" ×" if row["goal_of"] == "ratio" else "")
            met = {None: "", True: "yes", False: "NO"}[row["met"]]  # type: ignore[index]
            missed += row["met"] is False
            floor = "" if row["floor"] is None else f"{row['floor']:.1f}"
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
            print(f"{row['figure']:<72} {row['value']:>10.1f} {row['unit']:<5} {floor:>9} {ratio:>6} {goal:>8}  {met}")
    print(f"{missed} goals not met")
    return missed


if __name__ == "__main__":
    sys.exit(main())
