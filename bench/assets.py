"""`python -m bench assets`: uploaded sounds: speed against decoding alone, memory for an hour, what a short clip costs."""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audio_assets.intake import NOTICE, ROUTINE, Limits, Recipe
from audio_assets.sandbox import Sandbox
from bench.figures import Figure, median, write

MINUTES = {"mp3": 60, "flac": 10, "wav": 10}
LEAST_TIMES_REAL_TIME = 45  # the figure: an hour in 80 s of one core
MOST_MB = 120

# The floor: the same file, decoded by libav to the end and thrown away.
_DECODE = """
import sys, time, av
began = time.process_time()
with av.open(sys.argv[1]) as file:
    file.streams.audio[0].codec_context.thread_count = 1
    for frame in file.decode(audio=0):
        pass
print(time.process_time() - began)
"""
_MAKE = """
import sys
import numpy as np
from tests.audio_assets.samples import made, voice
kind, minutes, path = sys.argv[1], float(sys.argv[2]), sys.argv[3]
sound = np.tile(voice(min(60.0, 60 * minutes)), max(1, round(minutes)))
open(path, "wb").write(made(sound, kind))
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(_measure(Path(folder)))
    write("assets", figures)


async def _measure(folder: Path) -> list[Figure]:
    figures: list[Figure] = []
    alone, wrapped = Sandbox(bubblewrap=None), Sandbox()
    held = await wrapped.confinement()
    await alone.confinement()
    print(f"  held by bubblewrap: {held.bubblewrap} {held.why}", flush=True)
    for kind, minutes in MINUTES.items():
        path = _made(kind, minutes, folder)
        floor_s = _decoded_s(path)
        cpu_s, _, most_mb = await _taken(alone, path, ROUTINE)
        hours = minutes / 60
        print(f"  {kind}, {minutes} min: {minutes * 60 / cpu_s:.0f} × real time, {most_mb:.0f} MB", flush=True)
        goal_s = 3_600 / LEAST_TIMES_REAL_TIME
        figures.append(Figure(f"an hour of {kind} made into a sound: CPU", cpu_s / hours, "s", floor_s / hours, goal_s))
        figures.append(Figure(f"{minutes} min of {kind}: most memory of its process", most_mb, "MB", None, MOST_MB))
        path.unlink()
    clip = _made("mp3", 0.05, folder)
    for name, sandbox in (("bubblewrap", wrapped), ("limits alone", alone)):
        walls = [(await _taken(sandbox, clip, NOTICE))[1] for _ in range(10)]
        figures.append(Figure(f"a clip of 3 s by {name}: wall", 1000 * median(walls), "ms"))
    return figures


def _made(kind: str, minutes: float, folder: Path) -> Path:
    path = folder / f"sound.{kind}"
    subprocess.run([sys.executable, "-W", "ignore", "-c", _MAKE, kind, str(minutes), str(path)], check=True)
    return path


def _decoded_s(path: Path) -> float:
    done = subprocess.run([sys.executable, "-c", _DECODE, str(path)], check=True, capture_output=True, text=True)
    return float(done.stdout)


async def _taken(sandbox: Sandbox, path: Path, recipe: Recipe) -> tuple[float, float, float]:
    """CPU of the child, start included; wall; most memory in MB. The CPU is known only without bubblewrap between us."""
    began, cpu_before = time.perf_counter(), _cpu_of_children_s()
    with path.open("rb") as source, tempfile.TemporaryFile() as result, _watching() as most:
        await sandbox.run(source.fileno(), result.fileno(), recipe, Limits())
    return _cpu_of_children_s() - cpu_before, time.perf_counter() - began, most[0]


def _cpu_of_children_s() -> float:
    used = os.times()
    return used.children_user + used.children_system


@contextmanager
def _watching() -> Iterator[list[float]]:
    """The most that a child of ours held, in MB, looked at twenty times a second."""
    most, going = [0.0], threading.Event()

    def look() -> None:
        while not going.wait(0.05):
            for pid in _children():
                try:
                    status = Path(f"/proc/{pid}/status").read_text()
                except OSError:
                    continue
                if "VmHWM:" in status:
                    most[0] = max(most[0], int(status.partition("VmHWM:")[2].split()[0]) / 1024)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        going.set()
        thread.join()


def _children() -> list[str]:
    tasks = Path(f"/proc/{os.getpid()}/task")
    return [pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()]


if __name__ == "__main__":
    main()
