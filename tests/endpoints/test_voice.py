"""What a speaker sounds, to the sample: recorded by a WAV sink and compared with the sources."""

import asyncio
import hashlib
import shutil
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from audio_assets.codec import decode, normalise
from audio_assets.pcm import FRAME_SAMPLES, Pcm
from audio_assets.tones import ToneId, melody, tone
from endpoints.sinks import FRAME_S, NullSink, SinkLost, WavSink
from endpoints.track import Await, Clip, Pause, Segment, sequence
from endpoints.voice import Voice
from tests.correlation import Samples, Span, find, find_windows, read_wav, samples, split

Told = tuple[str, str, float | str]


class FakeTimer:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeSink:
    """Keeps what it is given; may be told that its device is gone."""

    starved = ran_dry = 0

    def __init__(self, timer: FakeTimer, *, latency_s: float = 0.0) -> None:
        self.frames: list[bytes] = []
        self.lost, self.latency_s, self.closed = False, latency_s, False
        self._timer, self._breaks = timer, False

    def breaks(self) -> None:
        self._breaks = True

    def write(self, frame: bytes) -> None:
        self._timer.sleep(FRAME_S)
        if self._breaks:
            self._breaks, self.lost = False, True
            raise SinkLost("unplugged")
        self.frames.append(frame)

    def close(self) -> None:
        self.closed = True


@dataclass
class Bench:
    """A voice that is stepped by hand, and what it told."""

    sink: FakeSink | WavSink
    timer: FakeTimer
    told: list[Told] = field(default_factory=list)
    held: list[Callable[[], None]] | None = None  # a loop that is busy; None delivers at once

    def __post_init__(self) -> None:
        self.voice = Voice(
            self.sink,
            post=self._post,
            on_started=lambda token, at: self.told.append(("started", token, round(at, 3))),
            on_finished=lambda token, at: self.told.append(("finished", token, round(at, 3))),
            on_failed=lambda token, err: self.told.append(("failed", token, str(err))),
            timer=self.timer,
        )

    def _post(self, deliver: Callable[[], None]) -> None:
        if self.held is None:
            deliver()
        else:
            self.held.append(deliver)

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.voice.step()

    def heard(self) -> "list[array[int]]":
        assert isinstance(self.sink, FakeSink)
        return [array("h", frame) for frame in self.sink.frames]


@pytest.fixture
def bench() -> Bench:
    timer = FakeTimer()
    return Bench(FakeSink(timer), timer)


def level(value: int, ms: int) -> Clip:
    return Clip(Pcm(array("h", [value] * (48 * ms)).tobytes()))


def test_when_nothing_is_to_be_said_the_sink_is_kept_warm_with_silence(bench: Bench) -> None:
    bench.steps(5)
    assert [max(frame) for frame in bench.heard()] == [0] * 5
    assert bench.told == []


def test_a_sound_fades_in_sounds_and_is_told_when_it_began_and_when_it_was_over(bench: Bench) -> None:
    bench.steps(1)
    bench.voice.play("o-1", [level(8000, 60)])
    bench.steps(6)
    frames = bench.heard()
    assert (frames[1][0], frames[1][480], max(frames[1]) < 8000) == (0, 4000, True)
    assert [set(frame) for frame in frames[2:]] == [{8000}, {8000}, {0}, {0}, {0}]
    assert bench.told == [("started", "o-1", 0.04), ("finished", "o-1", 0.1)]


def test_the_end_is_told_only_when_the_card_has_played_it() -> None:
    timer = FakeTimer()
    bench = Bench(FakeSink(timer, latency_s=0.09), timer)
    bench.voice.play("o-1", [level(8000, 40)])
    bench.steps(20)
    assert bench.told[-1] == ("finished", "o-1", pytest.approx(0.04 + 0.12))


def test_stopped_it_fades_out_and_says_where_it_goes_on(bench: Bench) -> None:
    bench.voice.play("o-1", [level(8000, 200)])
    bench.steps(3)
    assert bench.voice.stop("o-1") == 60
    bench.steps(2)
    fade, silence = bench.heard()[3:]
    assert (fade[0], fade[-1], max(silence)) == (pytest.approx(8000, abs=20), 0, 0)
    assert bench.voice.stop("o-1") is None
    assert bench.told == [("started", "o-1", 0.02)]


def test_stopped_before_its_first_frame_it_was_never_heard_nor_told(bench: Bench) -> None:
    bench.voice.play("o-1", [level(8000, 200)], from_ms=35)
    assert bench.voice.token == "o-1"
    assert bench.voice.stop("o-1") == 35
    bench.steps(2)
    assert (max(max(frame) for frame in bench.heard()), bench.told) == (0, [])


def test_another_takes_its_place_within_the_next_frame(bench: Bench) -> None:
    bench.voice.play("o-1", [level(1000, 500)])
    bench.steps(3)
    bench.voice.play("o-2", [level(8000, 100)])
    bench.steps(2)
    switch, after = bench.heard()[3:]
    assert (switch[0], max(switch) < 8000, set(after)) == (pytest.approx(1000, abs=20), True, {8000})
    assert switch[-1] > 7900
    assert bench.told == [("started", "o-1", 0.02), ("started", "o-2", 0.08)]


def test_of_two_decisions_within_one_frame_only_the_last_is_heard(bench: Bench) -> None:
    bench.voice.play("o-1", [level(1000, 500)])
    bench.steps(2)
    bench.voice.play("o-2", [level(30_000, 500)])
    bench.voice.play("o-3", [level(2000, 500)])
    bench.steps(3)
    assert max(max(frame) for frame in bench.heard()) == 2000
    assert [told[1] for told in bench.told] == ["o-1", "o-3"]


def test_whoever_was_stopped_is_not_told_of_it_by_a_busy_loop(bench: Bench) -> None:
    bench.held = []
    bench.voice.play("o-1", [level(8000, 200)])
    bench.steps(1)
    bench.voice.stop("o-1")
    for deliver in bench.held:
        deliver()
    assert bench.told == []


def test_gain_is_in_decibels_and_changes_without_a_step(bench: Bench) -> None:
    bench.voice.play("o-1", [level(10_000, 500)], gain_db=-20)
    bench.steps(3)
    bench.voice.set_gain("o-1", 0)
    bench.steps(2)
    frames = bench.heard()
    assert set(frames[2]) == {1000}
    assert (frames[3][0], max(np.diff(frames[3])) < 50) == (pytest.approx(1000, abs=20), True)
    assert set(frames[4]) == {10_000}


def test_an_emergency_sounds_its_signal_until_its_file_is_there(bench: Bench) -> None:
    got: list[Pcm] = []
    signal = tone(ToneId.ATTENTION)
    bench.voice.play("o-1", [Await(lambda: got[0] if got else None, signal)])
    bench.steps(300)
    assert b"".join(frame.tobytes() for frame in bench.heard()[1:300]) == (signal.data * 2)[1920 : 300 * 1920]
    got.append(melody().slice_ms(0, 100))
    bench.steps(8)
    assert b"".join(frame.tobytes() for frame in bench.heard()[301:306]) == got[0].data
    assert bench.told == [("started", "o-1", 0.02), ("finished", "o-1", pytest.approx(307 * FRAME_S))]


def test_a_sound_that_cannot_be_got_fails_alone(bench: Bench) -> None:
    def gone() -> Pcm | None:
        raise LookupError("removed")

    bench.voice.play("o-1", [Await(gone, Pcm(b""))])
    bench.steps(2)
    bench.voice.play("o-2", [level(100, 20)])
    bench.steps(3)
    assert [told[:2] for told in bench.told] == [("failed", "o-1"), ("started", "o-2"), ("finished", "o-2")]


def test_a_lost_sound_card_fails_what_sounds_and_what_is_played_meanwhile(bench: Bench) -> None:
    assert isinstance(bench.sink, FakeSink)
    bench.voice.play("o-1", [level(8000, 500)])
    bench.steps(2)
    bench.sink.breaks()
    bench.steps(2)
    bench.voice.play("o-2", [level(8000, 500)])
    bench.steps(2)
    assert bench.voice.sink_lost
    bench.sink.lost = False
    bench.voice.play("o-3", [level(8000, 500)])
    bench.steps(1)
    assert [told[:2] for told in bench.told] == [
        ("started", "o-1"),
        ("failed", "o-1"),
        ("failed", "o-2"),
        ("started", "o-3"),
    ]


def test_a_first_frame_that_the_card_refuses_was_not_started(bench: Bench) -> None:
    assert isinstance(bench.sink, FakeSink)
    bench.sink.breaks()
    bench.voice.play("o-1", [level(8000, 500)])
    bench.steps(1)
    assert bench.told == [("failed", "o-1", "unplugged")]


def test_frames_that_came_too_late_for_the_card_are_counted(bench: Bench) -> None:
    bench.steps(3)
    bench.timer.now += 0.5
    bench.steps(3)
    assert bench.voice.late_frames == 1


# ---- the whole of it, recorded ----------------------------------------------------------------------------------------


def speech() -> Pcm:
    """A real announcement through the codec; without espeak-ng, noise of the same length."""
    if shutil.which("espeak-ng"):
        from audio_assets.announcement import compose

        return decode(compose("黎河水位上涨，请沿河群众立即向高处转移。", exercise=False).data)
    noise = b"".join(hashlib.sha256(b"%d" % index).digest() for index in range(12_000))
    return normalise(Pcm(noise))


def timeline(recording: Samples, speaking: Pcm) -> list[Span]:
    sources = {
        "routine": samples(melody().data),
        "signal": samples(tone(ToneId.ATTENTION).data),
        "speech": samples(speaking.data),
    }
    return split(recording, sources)


@pytest.mark.parametrize(("policy", "back_at_ms"), [("continue", 6_980), ("restart", 0), ("rejoin", 15_000)])
def test_a_routine_programme_is_pre_empted_and_comes_back_by_its_policy(
    tmp_path: Path, policy: str, back_at_ms: int
) -> None:
    timer, speaking = FakeTimer(), speech()
    bench = Bench(WavSink(tmp_path / "box.wav", timer=timer), timer)
    bench.steps(50)
    bench.voice.play("routine", [Clip(melody())])
    bench.steps(349)
    left_at_ms = bench.voice.stop("routine")
    assert left_at_ms == 6_980
    decision = (50 + 349) * FRAME_SAMPLES
    signal = tone(ToneId.ATTENTION)
    bench.voice.play("flood", sequence(signal, [Await(lambda: speaking, signal)]))
    while bench.told[-1][:2] != ("finished", "flood"):
        bench.voice.step()
    back = len(bench.told)
    bench.voice.play("routine", [Clip(melody())], from_ms=back_at_ms)
    bench.steps(300)
    bench.voice.close()
    heard = read_wav(tmp_path / "box.wav")

    at = find(samples(signal.data), heard)
    assert (at.at, at.score) == (decision, pytest.approx(1, abs=0.01)), "within the frame of the decision"
    for match in find_windows(samples(speaking.data), heard):
        assert (match.at, match.score) == (decision + samples(signal.data).size, pytest.approx(1, abs=0.001))
    tail = samples(speaking.data)[-4800:]
    assert np.array_equal(heard[decision + (len(signal.data) + len(speaking.data)) // 2 - 4800 :][:4800], tail)

    spans = timeline(heard, speaking)
    known = [span for span in spans if span.name != "?"]
    assert [span.name for span in known] == ["routine", "signal", "speech", "routine"], policy
    assert all(span.end_ms - span.start_ms == 200 for span in spans if span.name == "?"), "where one follows another"
    assert bench.told[back][:2] == ("started", "routine")
    rest = heard[decision + (len(signal.data) + len(speaking.data)) // 2 :]
    again = find(samples(melody().slice_ms(back_at_ms + 20, back_at_ms + 4_000).data), rest)
    assert (again.at < 4 * FRAME_SAMPLES, again.score) == (True, pytest.approx(1, abs=0.001))


def test_nothing_but_the_sources_sounds_and_no_edge_clicks(tmp_path: Path) -> None:
    timer = FakeTimer()
    bench = Bench(WavSink(tmp_path / "box.wav", timer=timer), timer)
    routine, signal = samples(melody().data), samples(tone(ToneId.ATTENTION).data)
    bench.voice.play("routine", [Clip(melody())])
    bench.steps(101)
    bench.voice.stop("routine")
    bench.voice.play("flood", [Clip(tone(ToneId.ATTENTION)), Pause(40)])
    bench.steps(210)
    bench.voice.close()
    heard = read_wav(tmp_path / "box.wav")
    edge = 101 * FRAME_SAMPLES
    left = heard.copy()
    left[FRAME_SAMPLES:edge] -= routine[FRAME_SAMPLES:edge]
    left[edge + FRAME_SAMPLES : edge + signal.size] -= signal[FRAME_SAMPLES:]
    faded = [slice(0, FRAME_SAMPLES), slice(edge, edge + FRAME_SAMPLES)]
    for frame in faded:
        left[frame] = 0
    assert np.all(left == 0), "outside the two faded frames the recording is the sources, sample by sample"
    biggest = max(np.abs(np.diff(routine)).max(), np.abs(np.diff(signal)).max())
    assert np.abs(np.diff(heard)).max() <= 1.1 * biggest


# ---- the thread -------------------------------------------------------------------------------------------------------


async def test_the_thread_plays_and_calls_back_into_the_loop(tmp_path: Path) -> None:
    loop, done, names = asyncio.get_running_loop(), asyncio.Event(), list[str]()
    sink = WavSink(tmp_path / "box.wav", timer=FakeTimer())

    def finished(token: str, at: float) -> None:
        names.append(threading.current_thread().name)
        done.set()

    voice = Voice(
        sink,
        post=loop.call_soon_threadsafe,
        on_started=lambda token, at: names.append(token),
        on_finished=finished,
        on_failed=lambda token, err: names.append(str(err)),
    )
    voice.start()
    segments: list[Segment] = [Clip(tone(ToneId.CHIME))]
    voice.play("chime", segments)
    await asyncio.wait_for(done.wait(), 5)
    await asyncio.to_thread(voice.close)
    assert names == ["chime", threading.main_thread().name]
    assert find(samples(tone(ToneId.CHIME).data), read_wav(tmp_path / "box.wav")).score > 0.99


async def test_a_decision_takes_effect_within_two_frames_of_real_time() -> None:
    """Ten times: the time between the decision and the sink's word that it has the first frame."""
    loop, started = asyncio.get_running_loop(), asyncio.Queue[float]()
    voice = Voice(
        NullSink(),
        post=loop.call_soon_threadsafe,
        on_started=lambda token, at: started.put_nowait(at),
        on_finished=lambda token, at: None,
        on_failed=lambda token, err: None,
    )
    voice.start()
    waits = []
    for index in range(10):
        decided = time.monotonic()
        voice.play(f"o-{index}", [level(1000, 500)])
        waits.append(await asyncio.wait_for(started.get(), 5) - decided)
    await asyncio.to_thread(voice.close)
    assert sorted(waits)[7] <= 2 * FRAME_S + 0.005, [round(wait * 1000, 1) for wait in waits]
