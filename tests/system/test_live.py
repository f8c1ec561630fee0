"""A live voice through everything that is real: an officer's microphone, the server, Mosquitto, `lianbo speaker` processes.

What is fed is a tune that fits nowhere else; what the speakers record must be that tune, in its order, until it ends.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from audio_assets.codec import decode
from audio_assets.live_codec import LiveDecoder, LiveEncoder
from audio_assets.ogg_pages import frames_of
from audio_assets.tones import ToneId, tone
from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.live import EXERCISE_HEAD, LiveEnd, LiveState, LiveView, OpenLive
from broadcast.domain.speakers import Speaker, default_id
from broadcast.server import Server
from broadcast.service.presence import Presence
from config.settings import load
from endpoints.delivery import State
from endpoints.live_output import hold_tone
from endpoints.protocol import Kind, Reason, Severity, Tone
from tests.correlation import RATE_HZ, Samples, find, read_wav, samples, unmistakable
from tests.system.city import OFFICER, environment, until
from tests.system.test_sound import processes

VILLAGES = ("130281001001", "130281001002")
TOWNSHIP = "130281001000"
ASKED = OpenLive(areas=(TOWNSHIP,), tone=Tone.NONE)
STUMBLES = (
    1  # a piece in which something was late here; what has to be exact is exact in tests/endpoints/test_live_output.py
)


def in_place(sound: Samples, recording: Samples, began: int) -> list[bool]:
    """Whether each 0.3 s of it is where it should be, to 30 ms: a speaker that was just switched on moves by some milliseconds
    while it comes to know the time."""
    size, near = RATE_HZ * 3 // 10, RATE_HZ * 3 // 100
    loud = [at for at in range(4_800, sound.size - size, size) if np.sqrt(np.mean(sound[at : at + size] ** 2)) > 60]
    return [
        find(sound[at : at + size], recording[began + at - near : began + at + size + near]).score > 0.8 for at in loud
    ]


@cache
def voice() -> tuple[tuple[bytes, ...], Samples]:
    """The tune as frames of a microphone, and its samples."""
    tune = unmistakable(24)
    return tuple(LiveEncoder().encode(tune.astype("<i2").tobytes())), tune


@dataclass
class Air:
    """A server and its speakers, and an officer who speaks."""

    server: Server
    files: dict[str, Path]
    speaking: asyncio.Task[None] | None = None

    async def open(self, command: OpenLive = ASKED) -> LiveView:
        view = await self.server.live.prepare(command, by=OFFICER)
        return await self.server.live.open(view.id, by=OFFICER)

    def speak(self, view: LiveView) -> None:
        """From now on, in real time, over and over."""
        self.speaking = asyncio.create_task(self._speak(view))

    async def _speak(self, view: LiveView) -> None:
        frames, _ = voice()
        began, n = time.monotonic(), 0
        while True:
            self.server.live.feed_opus(view.id, [frames[n % len(frames)]], by=OFFICER)
            n += 1
            await asyncio.sleep(max(0.0, began + n * 0.02 - time.monotonic()))

    async def sounding(self, view: LiveView, *, within_s: float = 15.0) -> None:
        def all_of_them() -> bool:
            return self.server.live.view(view.id, by=OFFICER).sounding == len(self.files)

        await until(all_of_them, "everybody sounds", within_s=within_s)

    async def close(self, view: LiveView) -> LiveView:
        if self.speaking is not None:
            self.speaking.cancel()
        return await self.server.live.close(view.id, by=OFFICER)

    async def all_in(self, order: str, *states: State, within_s: float = 15.0) -> None:
        def there() -> bool:
            counts = self.server.ladder.counts(order) or {}
            return sum(counts.get(state, 0) for state in states) == len(self.files)

        await until(there, f"{order} {[one.name for one in states]}", within_s=within_s)

    async def reasons(self, order: str) -> set[Reason]:
        rows = await self.server.store.read(lambda tx: tx.reports.of(order))
        return {row.reason for row in rows}


@asynccontextmanager
async def on_air(folder: Path, *, exercise: bool = False) -> AsyncIterator[Air]:
    """Two speakers in two villages, online, into WAV files."""
    voice()  # seconds of work, before anything has to be in time
    never_quiet = {"RULES_QUIET_FROM": "00:00", "RULES_QUIET_UNTIL": "00:00"}
    server = Server(load(environment=environment(folder / "data", **never_quiet)))
    await server.start()
    try:
        await server.estate.enrol([Speaker(default_id(area), area, "x", exercise) for area in VILLAGES], by=OFFICER)
        server.refresh_users()
        files = {default_id(area): folder / f"{default_id(area)}.wav" for area in VILLAGES}
        sinks = {name: f"wav:{file}" for name, file in files.items()}
        async with processes(server, folder, sinks, os.environ):
            await until(lambda: server.speakers.counts()[Presence.ONLINE] == 2, "all online", within_s=20)
            air = Air(server, files)
            try:
                yield air
            finally:
                if air.speaking is not None:
                    air.speaking.cancel()
    finally:
        await server.stop()


def heard(air: Air) -> list[Samples]:
    return [read_wav(file) for file in air.files.values()]


def windows(recording: Samples, *, from_at: int = 0, step_s: float = 0.5) -> list[tuple[int, float, int]]:
    """Pieces of 0.4 s: where they are in the recording, how surely they are the tune, and where in it."""
    _, tune = voice()
    twice = np.concatenate([tune, tune[:RATE_HZ]])
    found = []
    end = int(np.flatnonzero(np.abs(recording) > 30)[-1])
    for at in range(from_at, end - RATE_HZ // 2, int(step_s * RATE_HZ)):
        piece = recording[at : at + RATE_HZ * 2 // 5]
        if np.sqrt(np.mean(piece**2)) > 60:
            match = find(piece, twice)
            found.append((at, match.score, match.at))
    return found


def jumps(pieces: Sequence[tuple[int, float, int]]) -> list[int]:
    """By how many milliseconds each piece is off the straight line of the one before: the tune as it is played has none."""
    first_at, _, first_in = pieces[0]
    size = voice()[1].size
    off = [((tune_at - first_in) - (at - first_at) + size // 2) % size - size // 2 for at, _, tune_at in pieces]
    steps = [after - before for before, after in pairwise(off)]  # a line that is shifted once has jumped once
    return [one * 1_000 // RATE_HZ for one in steps if abs(one) > RATE_HZ * 6 // 100]


def test_the_ruler_is_straight() -> None:
    """Every piece of the tune is found where it is, once it has been through the codec; late joiners hear no other place."""
    frames, _ = voice()
    decoder = LiveDecoder()
    pieces = windows(samples(b"".join(decoder.decode(one) or b"" for one in frames)))
    assert min(score for _, score, _ in pieces) > 0.95
    assert jumps(pieces) == []


def silence_in(recording: Samples) -> int:
    """Where the first two seconds of silence end that come after sound."""
    loud = np.flatnonzero(np.abs(recording) > 30)
    gaps = np.flatnonzero(np.diff(loud) > 2 * RATE_HZ)
    assert gaps.size, "there is no silence"
    return int(loud[gaps[0] + 1])


async def test_what_an_officer_says_is_heard_until_the_last_word_and_kept(tmp_path: Path) -> None:
    async with on_air(tmp_path) as air:
        view = await air.open(replace(ASKED, tone=Tone.CHIME))
        air.speak(view)
        await air.sounding(view)
        assert air.server.live.view(view.id, by=OFFICER).state is LiveState.WAITING
        await until(lambda: air.server.live.view(view.id, by=OFFICER).may_speak, "the lamp")
        await asyncio.sleep(6)
        closed = await air.close(view)
        assert (closed.why, closed.lost) == (LiveEnd.CLOSED, 0)
        await air.all_in(view.order, State.DONE)
        (record,) = await air.server.store.read(lambda tx: tx.live.of(view.order))
        kept = frames_of(air.server.library.get(record.sha256))
        assert record.packets * 3 - 2 <= len(kept) <= record.packets * 3
        assert len(kept) * 20 == record.sound_ms > 6_000
        assert find(decoded(air, record.sha256)[RATE_HZ : 3 * RATE_HZ], voice()[1]).score > 0.9
    chime = samples(tone(ToneId.CHIME).data)
    for recording in heard(air):
        chime_at = find(chime, recording)
        assert chime_at.score > 0.9
        pieces = windows(recording, from_at=chime_at.at + chime.size + RATE_HZ // 2)
        assert len(pieces) >= 10
        assert sum(score > 0.8 for _, score, _ in pieces) >= len(pieces) - 2
        assert len(jumps([one for one in pieces if one[1] > 0.8])) <= STUMBLES


def decoded(air: Air, sha256: bytes) -> Samples:
    return samples(decode(air.server.library.get(sha256)).data)


async def test_a_life_safety_warning_takes_the_air_from_a_live_voice_and_gives_it_back(tmp_path: Path) -> None:
    async with on_air(tmp_path) as air:
        view = await air.open()
        air.speak(view)
        await air.sounding(view)
        await asyncio.sleep(2)
        red = StartBroadcast(Kind.EMERGENCY, (TOWNSHIP,), severity=Severity.RED, life_safety=True, repeats=1)
        emergency = (await air.server.broadcasts.start(red, by=OFFICER)).ids[0]
        await air.all_in(emergency, State.SOUNDING)
        assert air.server.ladder.counts(view.order) == {State.INTERRUPTED: 2}
        await until(lambda: air.server.live.view(view.id, by=OFFICER).sounding == 0, "the lamp to go out")
        await air.all_in(emergency, State.DONE)
        await air.sounding(view)
        await asyncio.sleep(3)
        await air.close(view)
        await air.all_in(view.order, State.DONE)
    attention = samples(tone(ToneId.ATTENTION).data)
    for recording in heard(air):
        signal_at = find(attention, recording)
        assert signal_at.score > 0.98
        before = [one for one in windows(recording[: signal_at.at]) if one[1] > 0.8]
        after = [one for one in windows(recording, from_at=signal_at.at + attention.size + 9_600) if one[1] > 0.8]
        assert len(before) >= 2
        assert len(after) >= 4
        assert max(len(jumps(before)), len(jumps(after))) <= STUMBLES


async def test_a_broker_that_restarts_costs_seconds_and_no_broadcast(tmp_path: Path) -> None:
    async with on_air(tmp_path) as air:
        view = await air.open()
        air.speak(view)
        await air.sounding(view)
        await asyncio.sleep(1)
        os.kill(air.server.broker.child.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        await until(lambda: not air.server.wire.is_up, "the wire to be down")
        await until(lambda: air.server.wire.is_up, "the wire to be up")
        await asyncio.sleep(8)
        now = air.server.live.view(view.id, by=OFFICER)
        assert now.lost > 0
        await air.close(view)
        await air.all_in(view.order, State.DONE, State.FAILED)
        assert Reason.STREAM_LOST not in await air.reasons(view.order)
    for recording in heard(air):
        pieces = [one for one in windows(recording) if one[1] > 0.8]
        last = max(at for at, _, _ in pieces)
        gap = max(later[0] - one[0] for one, later in pairwise(pieces))
        assert RATE_HZ // 2 < gap < 8 * RATE_HZ, "something was lost, and it came back"
        assert recording.size - last < 4 * RATE_HZ, "and was heard to the end"


@pytest.mark.parametrize(("seconds", "lost"), [(4.5, False), (12.0, True)])
async def test_a_line_that_is_dead_for_a_while_is_held_and_then_given_up(
    tmp_path: Path, seconds: float, lost: bool
) -> None:
    """The broker stands still: no connection breaks, and nothing comes."""
    async with on_air(tmp_path) as air:
        view = await air.open()
        air.speak(view)
        await air.sounding(view)
        await asyncio.sleep(2)
        pid = air.server.broker.child.pid  # type: ignore[attr-defined]
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
        if lost:
            await air.all_in(view.order, State.FAILED, within_s=25)
            assert Reason.STREAM_LOST in await air.reasons(view.order)
        else:
            await asyncio.sleep(4)
            await air.close(view)
            await air.all_in(view.order, State.DONE)
    beep = samples(hold_tone().data)[:7_200]
    for recording in heard(air):
        held_at = silence_in(recording)
        assert find(beep, recording[held_at - 96 : held_at + 9_600]).score > 0.9
        before = [one for one in windows(recording[: held_at - 2 * RATE_HZ]) if one[1] > 0.8]
        after = [one for one in windows(recording, from_at=held_at + 7_200) if one[1] > 0.8]
        assert len(before) >= 2
        assert len(jumps(before)) <= STUMBLES
        assert bool(after) is not lost


async def test_an_exercise_is_heard_to_be_one_before_the_voice_and_after_it(tmp_path: Path) -> None:
    async with on_air(tmp_path, exercise=True) as air:
        view = await air.open(replace(ASKED, exercise=True))
        air.speak(view)
        await air.sounding(view)
        await until(lambda: air.server.live.view(view.id, by=OFFICER).may_speak, "the lamp", within_s=15)
        await asyncio.sleep(3)
        await air.close(view)
        await air.all_in(view.order, State.DONE)
        spoken = await air.server.worker.render(EXERCISE_HEAD, exercise=False, rate=160)
    head = samples(decode(spoken.data).data)
    for recording in heard(air):
        first = int(np.flatnonzero(np.abs(recording) > 300)[0])
        began = find(head[4_800:19_200], recording[: first + RATE_HZ]).at - 4_800
        assert abs(began - first) < RATE_HZ // 5, "nothing comes before them"
        assert sum(not one for one in in_place(head, recording, began)) <= STUMBLES
        tune = [one for one in windows(recording, from_at=began + head.size) if one[1] > 0.8]
        assert len(tune) >= 3
        after = recording[tune[-1][0] + RATE_HZ :]
        assert np.abs(after).max() > 1_000, "and after the voice it is said again"
