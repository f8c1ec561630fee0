"""Sinks: real time without a sound card, files that survive being killed."""

import struct
import subprocess
import sys
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audio_assets.pcm import FRAME_BYTES, FRAME_SAMPLES, SILENT_FRAME
from endpoints import sinks, sound_card
from endpoints.sinks import FRAME_S, NoSoundCard, Sink, WavSink, open_sink, wav_header
from endpoints.sound_card import Counter, PyAudioSink

LOUD_FRAME = struct.pack("<h", 1000) * FRAME_SAMPLES


class FakeTimer:
    """Time that passes when somebody sleeps, and no other way."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture(params=["null", "wav"])
def sink_and_timer(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Sink, FakeTimer]:
    timer = FakeTimer()
    return open_sink("null" if request.param == "null" else f"wav:{tmp_path}/out.wav", timer=timer), timer


def test_a_sink_takes_fifty_frames_a_second(sink_and_timer: tuple[Sink, FakeTimer]) -> None:
    sink, timer = sink_and_timer
    for _ in range(501):
        sink.write(SILENT_FRAME)
    assert timer.now - 100 == pytest.approx(10.0)


def test_a_late_frame_does_not_shift_those_after_it(sink_and_timer: tuple[Sink, FakeTimer]) -> None:
    sink, timer = sink_and_timer
    for index in range(101):
        timer.now += 0.015 if index % 10 == 0 else 0.0
        sink.write(SILENT_FRAME)
    assert timer.now - 100 == pytest.approx(2.0)


def test_after_the_process_was_halted_nothing_is_played_in_a_rush(sink_and_timer: tuple[Sink, FakeTimer]) -> None:
    sink, timer = sink_and_timer
    sink.write(SILENT_FRAME)
    timer.now += 60
    before = timer.now
    for _ in range(51):
        sink.write(SILENT_FRAME)
    assert timer.now - before == pytest.approx(50 * FRAME_S)


def test_a_frame_of_another_length_is_a_mistake(sink_and_timer: tuple[Sink, FakeTimer]) -> None:
    with pytest.raises(ValueError, match="1920 bytes"):
        sink_and_timer[0].write(bytes(100))


def frames_in(path: Path) -> int:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 48_000)
        data = file.readframes(file.getnframes())
    assert data == LOUD_FRAME * (len(data) // FRAME_BYTES)
    return len(data) // FRAME_BYTES


def test_a_wav_holds_what_was_played(tmp_path: Path) -> None:
    sink = WavSink(tmp_path / "deep" / "out.wav", timer=FakeTimer())
    for _ in range(77):
        sink.write(LOUD_FRAME)
    sink.close()
    sink.close()
    assert frames_in(tmp_path / "deep" / "out.wav") == 77


def test_a_wav_is_valid_at_any_moment_to_the_last_second(tmp_path: Path) -> None:
    sink = WavSink(tmp_path / "out.wav", timer=FakeTimer())
    assert frames_in(tmp_path / "out.wav") == 0
    for written in range(1, 200):
        sink.write(LOUD_FRAME)
        assert 0 <= written - frames_in(tmp_path / "out.wav") < 50


def test_a_killed_process_leaves_a_valid_wav(tmp_path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from endpoints.sinks import WavSink
class Timer:
    def monotonic(self): return 0.0
    def sleep(self, seconds): pass
sink = WavSink(Path({str(tmp_path / "out.wav")!r}), timer=Timer())
for _ in range(120): sink.write({LOUD_FRAME[:2]!r} * {FRAME_SAMPLES})
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert frames_in(tmp_path / "out.wav") == 100


def test_a_wav_ends_before_its_sizes_would_overflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "_WAV_MAX_BYTES", 3 * FRAME_BYTES + 100)
    timer = FakeTimer()
    sink = WavSink(tmp_path / "out.wav", timer=timer)
    for _ in range(6):
        sink.write(LOUD_FRAME)
    sink.close()
    assert frames_in(tmp_path / "out.wav") == 3
    assert timer.now - 100 == pytest.approx(5 * FRAME_S), "it keeps time all the same"
    assert len(wav_header(0)) == 44


@pytest.mark.parametrize("spec", ["", "wav:", "mp3:x", "pyaudi", "NULL"])
def test_a_mistyped_output_is_refused_with_the_choices(spec: str) -> None:
    with pytest.raises(ValueError, match="auto, null, wav:PATH or pyaudio"):
        open_sink(spec)


NO_CARD = """
import logging, sys
logging.basicConfig(format="%(message)s")
from endpoints.sinks import open_sink, NoSoundCard
print(type(open_sink("auto")).__name__)
try: open_sink("pyaudio:horn")
except NoSoundCard as err: print(err)
"""


def test_without_a_sound_card_auto_warns_in_one_line_and_a_named_card_is_refused() -> None:
    """ALSA's own 80 lines are not shown."""
    done = subprocess.run([sys.executable, "-c", NO_CARD], capture_output=True, text=True, check=True)
    kind, refusal = done.stdout.splitlines()
    if kind != "NullSink":
        pytest.skip("this machine has a sound card")
    assert "sound card" in refusal or "PyAudio" in refusal
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("no sound will be heard here:")


class FakeStream:
    """A card's stream: a test plays PortAudio's thread."""

    def __init__(self) -> None:
        self.active, self.closed = True, False

    def is_active(self) -> bool:
        return self.active

    def get_output_latency(self) -> float:
        return 0.05

    def close(self) -> None:
        self.closed = True


class FakeCard:
    def terminate(self) -> None: ...


def asked(counter: Counter, *, delay_s: float = 0.08) -> tuple[bytes, int]:
    """The card asks for a frame that will be heard after so long; what it gets."""
    return counter.asks(None, FRAME_SAMPLES, {"current_time": 5.0, "output_buffer_dac_time": 5.0 + delay_s}, 0)


def test_a_card_gets_what_is_written_and_says_when_it_will_be_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_card, "_GIVE_WITHIN_S", 5.0)
    monkeypatch.setattr(sound_card, "open_card", lambda device, counter: (FakeCard(), FakeStream()))
    sink = PyAudioSink("horn", timer=FakeTimer())
    assert (sink.lost, sink.latency_s) == (False, 0.05)
    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(sink.write, LOUD_FRAME)
        assert asked(sink._counter) == (LOUD_FRAME, 0)
        assert not writing.done(), "the card has no room for another yet"
        asking = threads.submit(asked, sink._counter, delay_s=0.093)
        writing.result(5)
        assert sink.latency_s == pytest.approx(0.08), "as the card said when it took it"
        second = threads.submit(sink.write, SILENT_FRAME)
        assert asking.result(5) == (SILENT_FRAME, 0)
        assert sink.starved == 0
        monkeypatch.setattr(sound_card, "_GIVE_WITHIN_S", 0.001)
        while not second.done():
            asked(sink._counter)


def test_a_card_that_waited_in_vain_plays_silence_and_the_frame_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_card, "open_card", lambda device, counter: (FakeCard(), FakeStream()))
    sink = PyAudioSink(timer=FakeTimer())
    assert asked(sink._counter) == (SILENT_FRAME, 0)
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(sink.write, LOUD_FRAME)
        while (got := asked(sink._counter)[0]) == SILENT_FRAME:
            assert sink.starved < 100
        assert got == LOUD_FRAME
        asked(sink._counter)
        writing.result(5)


def test_after_silence_in_place_of_a_late_frame_it_still_says_when_each_was_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the one that it took until the next one it asks for may lie any number of starved ones."""
    monkeypatch.setattr(sound_card, "open_card", lambda device, counter: (FakeCard(), FakeStream()))
    timer = FakeTimer()
    sink = PyAudioSink(timer=timer)
    counter = sink._counter
    with ThreadPoolExecutor(1) as threads:
        giving = threads.submit(counter.give, LOUD_FRAME, within_s=5)
        while asked(counter)[0] == SILENT_FRAME:
            timer.now += FRAME_S
        heard_at = timer.now + 0.08
        while not giving.done():
            timer.now += FRAME_S
            asked(counter)
        assert giving.result() == pytest.approx(heard_at)


def test_a_card_that_ran_dry_says_so_and_is_believed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_card, "_GIVE_WITHIN_S", 0.0)
    timer = FakeTimer()
    counter = Counter(timer)
    for _ in range(200):
        timer.now += FRAME_S
        asked(counter, delay_s=0.06)
    timer.now += 0.25
    counter.asks(None, FRAME_SAMPLES, {"current_time": 5.0, "output_buffer_dac_time": 5.0}, 4)
    assert (counter.ran_dry, counter._asked_for) == (1, timer.now)
    asked(counter, delay_s=0.02)
    assert counter._asked_for == pytest.approx(timer.now + 0.02)


def test_a_device_that_takes_all_it_can_get_is_held_to_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """ALSA's null device: 1,494 times as fast, 287 MB in 2 s (research/audio §2.4)."""
    monkeypatch.setattr(sound_card, "_GIVE_WITHIN_S", 0.0)
    timer = FakeTimer()
    counter = Counter(timer)
    for _ in range(1_000):
        asked(counter)
    assert timer.now - 100 == pytest.approx(20 / 1.05, abs=1)


def test_a_right_card_is_never_held_up_however_long_it_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_card, "_GIVE_WITHIN_S", 0.0)
    timer, slept = FakeTimer(), list[float]()
    monkeypatch.setattr(timer, "sleep", slept.append)
    counter = Counter(timer)
    for _ in range(200_000):  # more than an hour, of a crystal that is 200 ppm too fast
        timer.now += FRAME_S / 1.0002
        counter._keep_pace()
    assert slept == []


def test_a_card_that_is_unplugged_is_reported_once_and_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [FakeStream(), FakeStream()]
    waiting: list[FakeStream | None] = [streams[0], None, streams[1]]

    def open_card(device: str | None, counter: Counter) -> tuple[FakeCard, FakeStream]:
        stream = waiting.pop(0)
        if stream is None:
            raise NoSoundCard("still unplugged")
        return FakeCard(), stream

    monkeypatch.setattr(sound_card, "open_card", open_card)
    timer = FakeTimer()
    sink = PyAudioSink("horn", timer=timer)
    streams[0].active = False
    with pytest.raises(sinks.SinkLost, match="horn went away"):
        sink.write(LOUD_FRAME)
    assert (sink.lost, streams[0].closed) == (True, True)
    lost_at = timer.now
    while sink.lost:
        sink.write(LOUD_FRAME)
    assert 2.0 <= timer.now - lost_at < 2.1, "tried once a second, at the pace of real time"


def test_a_card_is_closed_after_100_ms_of_silence_or_it_swallows_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_card, "_GIVE_WITHIN_S", 5.0)
    stream = FakeStream()
    monkeypatch.setattr(sound_card, "open_card", lambda device, counter: (FakeCard(), stream))
    sink = PyAudioSink(timer=FakeTimer())
    counter = sink._counter
    with ThreadPoolExecutor(2) as threads:
        closing = threads.submit(sink.close)
        assert [asked(counter)[0] for _ in range(5)] == [SILENT_FRAME] * 5
        monkeypatch.setattr(sound_card, "_GIVE_WITHIN_S", 0.0)
        asked(counter)
        while not closing.done():
            asked(counter)
        closing.result(5)
    assert stream.closed
