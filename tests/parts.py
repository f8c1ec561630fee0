"""All tests in two parts: first, side by side on all cores, those that only want an answer; then, one by one on a machine that does
nothing else, those that are marked `alone` because they record sound or hold a clock against it (`tests/conftest.py` says which).

`./dev test` starts this without arguments. The parts are a mark and its negation; what is collected at the beginning is counted
again at the end, so a test that neither part ran is a failure of the run. The last line is the sum of both.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ALONE = "alone"
WORKERS = (os.cpu_count() or 1) + 1  # tests wait for their brokers and processes about a third of their time
NOTHING_HERE = (
    5  # pytest's exit code for a folder without tests of this part; the count at the end tells whether that is right
)
SLOW = ("--durations=25", "--durations-min=4")
PARTS: dict[str, tuple[str, ...]] = {
    "side by side": ("-m", f"not {ALONE}", "-n", str(WORKERS), "--dist=loadfile", "--no-loadscope-reorder"),
    "one by one": ("-m", ALONE),
}


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of the tests of a part. One that fails and then fails to clean up counts once."""

    passed: int = 0
    skipped: int = 0
    failed: tuple[str, ...] = ()

    @property
    def ran(self) -> int:
        return self.passed + self.skipped + len(self.failed)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.passed + other.passed, self.skipped + other.skipped, self.failed + other.failed)

    def __str__(self) -> str:
        return f"{self.passed} passed, {len(self.failed)} failed, {self.skipped} skipped"


def tally_of(report: Path) -> Tally:
    """Read pytest's report; a part that died before it wrote one ran nothing."""
    if not report.exists():
        return Tally()
    cases: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):  # our own pytest wrote it
        name = f"{case.get('classname')}::{case.get('name')}"
        found = {child.tag for child in case}
        came_to = "failed" if found & {"failure", "error"} else "skipped" if "skipped" in found else "passed"
        cases[name] = "failed" if "failed" in (came_to, cases.get(name)) else came_to
    results = list(cases.values())
    return Tally(
        results.count("passed"), results.count("skipped"), tuple(name for name in cases if cases[name] == "failed")
    )


def pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments]


def environment() -> dict[str, str]:
    """Workers must collect the same tests in the same order, also where a set is among the parameters."""
    return {"PYTHONHASHSEED": "0", **os.environ}


def collected(where: Sequence[str]) -> int | None:
    """How many tests there are; None, with pytest's words printed, when they can't all be read."""
    found = subprocess.run(
        pytest("--collect-only", *where), env=environment(), capture_output=True, text=True, check=False
    )
    count = re.search(r"^(?:=+ )?(\d+) tests? collected", found.stdout, re.MULTILINE)
    if found.returncode != 0 or count is None:
        print(found.stdout[-20_000:], found.stderr[-5_000:], flush=True)
        return None
    return int(count[1])


def run(where: Sequence[str] = ()) -> int:
    """Both parts, whatever comes of the first.

    :param where: folders instead of all tests.
    :return: the exit code: 0 when every test that was collected ran once and none failed.
    """
    wanted, whole, codes = collected(where), Tally(), []
    if wanted is None:
        return 2
    with tempfile.TemporaryDirectory(prefix="lianbo-tests-") as folder:
        for name, arguments in PARTS.items():
            print(f"--- {name}: pytest {' '.join(arguments)}", flush=True)
            began, report = time.monotonic(), Path(folder, f"{name}.xml")
            codes.append(subprocess.call(pytest(*arguments, *SLOW, f"--junitxml={report}", *where), env=environment()))
            tally = tally_of(report)
            print(f"--- {name}: {tally} in {time.monotonic() - began:.0f} s", flush=True)
            whole += tally
    for name in whole.failed:
        print(f"FAILED {name}")
    lost = whole.ran != wanted
    if lost:
        print(f"{wanted} tests were collected and {whole.ran} ran: the parts do not make the whole")
    print(f"tests: {whole}", flush=True)
    return next((code for code in codes if code not in (0, NOTHING_HERE)), int(lost or bool(whole.failed)))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and the part that runs ends with us
    try:
        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
