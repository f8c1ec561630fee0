"""How far apart four speakers are, against four snapclients in the same run: one server of sound, one recording of all eight.

Ours: server, Mosquitto, four `lianbo speaker` processes; ten orders of three chirps each, so ten starts. Theirs: snapserver with
Opus and a buffer of 1 s, four snapclients of the PulseAudio player, chirps all the time. The cards are channels of one sink, so the
recording has one clock; where a chirp begins in each channel is found to a fraction of a sample. On a busy machine a card may have
a gap, theirs as ours: what is lost in one is counted, and what all four sound is compared. What the speakers report of each start
is held against the first chirp of that order in the recording.

One machine: no line between server and speakers, and one crystal for all. What a line adds is the uncertainty that each speaker
reports of its clock; what crystals add is tested in simulation (tests/endpoints/test_in_step.py).
"""

import asyncio
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.figures import Figure, write
from broadcast.service.skew import achieved
from tests.chirps import Spread, chirps, spread_where_whole
from tests.correlation import samples
from tests.pulse import Pulse, pulse
from tests.system.choir import choir, sing
from tests.system.city import free_port, until

VOICES = 4
ORDERS, CHIRPS_EACH = 10, 3
WARM_S = 150.0  # of both: a stream's clock settles in half a minute, a speaker's time in two; in the field they are warm for months
PAUSE_S = 0.5
OURS = [f"box{n + 1}" for n in range(VOICES)]
THEIRS = [f"snap{n + 1}" for n in range(VOICES)]


async def measure(folder: Path) -> list[Figure]:
    with pulse([*OURS, *THEIRS], together=True) as sound, snapcast(folder, sound):
        (folder / "data").mkdir()
        async with choir(folder, OURS, sound.environment) as server:
            speakers = list(server.estate.speakers)
            known = [server.speakers.status(name) for name in speakers]
            await until(lambda: all(one.time_error_us for one in known), "clocks known", within_s=30)
            await asyncio.sleep(WARM_S)
            logs = [folder / f"{name}.log" for name in speakers]
            before = sum(map(gaps_of, logs))  # while a stream begins it has some
            file = folder / "all.raw"
            reported = []
            with sound.recording_together(file):
                for _ in range(ORDERS):
                    order = await sing(server, chirps(CHIRPS_EACH))
                    broadcast = await server.broadcasts.get(order)
                    rows = {row.speaker: row for row in server.ladder.rows(order) or []}
                    reported.append(achieved(broadcast, rows, estate=server.estate, speakers=server.speakers))
                    await asyncio.sleep(PAUSE_S)
            worst_clock_us = max(one.time_error_us for one in known)
        gaps = sum(map(gaps_of, logs)) - before
    data = file.read_bytes()
    both = samples(data[: len(data) // (4 * VOICES) * 4 * VOICES]).reshape(-1, 2 * VOICES)
    ours, theirs = spread_where_whole(both[:, :VOICES]), spread_where_whole(both[:, VOICES:])
    assert ours.ms.size, "not one whole chirp of ours"
    told_ms = [one.villages[0].spread_ms if one is not None and one.villages else 0 for one in reported]
    return [*compared(ours, theirs), *lost(ours, theirs, gaps), *told(told_ms, ours, worst_clock_us)]


def gaps_of(log: Path) -> int:
    """ALSA says each time that a card of a speaker ran dry."""
    return len(re.findall("underrun occurred", log.read_text(errors="replace")))


def compared(ours: Spread, theirs: Spread) -> list[Figure]:
    what = f"spread of {VOICES} speakers"
    return [
        Figure(f"{what}, mean of {ours.ms.size} chirps ({theirs.ms.size})", ours.mean, "ms", theirs.mean, 1.0, "ratio"),
        Figure(f"{what}, p99", ours.p99, "ms", theirs.p99, 1.0, "ratio"),
        Figure(f"{what}, worst", ours.worst, "ms", theirs.worst, 1.0, "ratio"),
    ]


def lost(ours: Spread, theirs: Spread, gaps: int) -> list[Figure]:
    return [
        Figure("chirps with a gap at some speaker (snapclient)", ours.lost, "", theirs.lost),
        Figure("times that a card of ours ran dry, warm", gaps, ""),
    ]


def told(spreads_ms: Sequence[int], heard: Spread, clock_us: int) -> list[Figure]:
    """Each order's report against what was heard when it began; in whole milliseconds, as it is reported."""
    first = first_of_each(heard, len(spreads_ms))
    wrong = [
        abs(told_ms - heard_ms) for told_ms, heard_ms in zip(spreads_ms, first, strict=True) if heard_ms is not None
    ]
    return [
        Figure("spread by the speakers' own reports, worst order", max(spreads_ms), "ms", goal=10),
        Figure(f"report and recording of a start differ, worst of {len(wrong)}", max(wrong, default=0.0), "ms", goal=2),
        Figure("how wrong a clock says it can be, worst speaker", clock_us / 1000, "ms"),
    ]


def first_of_each(heard: Spread, orders: int) -> list[float | None]:
    """The spread of each order's first chirp, None where it was not whole: chirps of one order are a second apart, orders more."""
    found: list[float | None] = []
    last = float("-inf")
    for at_s, ms in zip(heard.at_s, heard.ms, strict=True):
        if at_s - last > 1.5:
            found.append(float(ms))
        last = at_s
    return found if len(found) == orders else [None] * orders


# ---- the others ---------------------------------------------------------------------------------------------------------------


@contextmanager
def snapcast(folder: Path, sound: Pulse) -> Iterator[None]:
    """snapserver fed with chirps, and a snapclient at each of their cards. They are ended by their ids; the clients of 0.26 then
    crash, which is known of them and harms nobody."""
    pipe, stream, control, http = folder / "snapfifo", free_port(), free_port(), free_port()
    os.mkfifo(pipe)
    (folder / "snapserver.conf").write_text(
        f"[server]\ndatadir = {folder}\n[http]\nenabled = false\nport = {http}\n[tcp]\nenabled = false\nport = {control}\n"
        f"[stream]\nport = {stream}\nsource = pipe://{pipe}?name=chirps&sampleformat=48000:16:2&codec=opus\nbuffer = 1000\n"
    )
    running = [_start(folder, "snapserver", ["snapserver", "-c", str(folder / "snapserver.conf")], sound.environment)]
    ended = threading.Event()
    feeder = threading.Thread(target=_feed, args=(pipe, ended), name="chirps", daemon=True)
    try:
        feeder.start()
        time.sleep(1)
        for n, card in enumerate(THEIRS):
            command = ["snapclient", "-h", "127.0.0.1", "-p", str(stream), "-i", str(n + 1), "--hostID", card]
            environment = {**sound.environment, "PULSE_SINK": card}
            running.append(_start(folder, card, [*command, "--player", "pulse"], environment))
        yield
        alive = [process.poll() is None for process in running]
        assert all(alive), f"snapcast did not run to the end: {alive}; logs in {folder}"
    finally:
        ended.set()
        for process in reversed(running):
            process.terminate()
        for process in running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(
    folder: Path, name: str, command: Sequence[str], environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def _feed(pipe: Path, ended: threading.Event) -> None:
    """A chirp a second into the pipe, in stereo, as quickly as snapserver takes it: that is real time."""
    mono = chirps(1).data
    stereo = b"".join(mono[at : at + 2] * 2 for at in range(0, len(mono), 2))
    try:
        with pipe.open("wb") as out:
            while not ended.is_set():
                out.write(stereo)
    except BrokenPipeError:
        return


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="skew-") as name:
        write("skew", asyncio.run(measure(Path(name))))


if __name__ == "__main__":
    main()
