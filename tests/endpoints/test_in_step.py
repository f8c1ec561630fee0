"""When samples leave the loudspeaker, to the sample: begun at an instant, kept there against clocks that run apart."""

import math
from array import array
from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from audio_assets.pcm import FRAME_BYTES, FRAME_SAMPLES, RATE_HZ, SILENT_FRAME, Pcm
from endpoints.in_step import (
    APART_S,
    BEGIN_S,
    CATCH_UP_S,
    FAR_S,
    FASTEST,
    JUMP_S,
    LESS_S,
    LOOK_S,
    NEAR_S,
    Due,
    longer,
    shorter,
)
from endpoints.sink_clock import SETTLED_AFTER, WINDOW_FRAMES, SinkClock
from endpoints.sinks import FRAME_S, SinkLost
from endpoints.time_line import TimeLine
from endpoints.track import Clip, Pause, Segment
from endpoints.voice import Voice

BEGIN = 1_000.0
MODULUS = 30_011
_COUNTED = array("h", [index % MODULUS - 15_000 for index in range(MODULUS + FRAME_SAMPLES)]).tobytes()


class Timer:
    def __init__(self) -> None:
        self.now = BEGIN

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Card:
    """A sound card with a buffer and a crystal of its own; it keeps what it played, and knows when each sample was heard.

    :param ppm: so much faster than the monotonic clock.
    :param jitter_s: how late the process is woken, at most.
    """

    lost = False
    starved = ran_dry = 0

    def __init__(
        self, timer: Timer, *, ppm: float = 0.0, frames: int = 4, jitter_s: float = 0.0, seed: int = 1
    ) -> None:
        self.timer, self.frame_s, self.depth = timer, FRAME_S / (1 + ppm * 1e-6), frames
        self.latency_s = (frames - 1) * FRAME_S
        self.played = bytearray()
        self.breaks = False
        self._began = timer.now
        self._random, self._jitter_s = Random(seed), jitter_s
        self._written = self._starving = 0

    def write(self, frame: bytes) -> None:
        if self.breaks:
            self.breaks = False
            raise SinkLost("unplugged")
        assert len(frame) == FRAME_BYTES
        self._starves()
        room_at = self._began + (self._written - self.depth + 1) * self.frame_s
        fills_up = room_at < self.timer.now - self.frame_s / 2
        self.timer.now = max(self.timer.now, room_at + self._random.uniform(0, self._jitter_s))
        heard_in_s = self.heard_at(len(self.played) // 2) - self.timer.now
        self.latency_s = heard_in_s if fills_up else (self.depth - 1) * FRAME_S
        self.played += frame
        self._written += 1

    def starve(self, frames: int) -> None:
        """With the next frame the writer comes so many too late, and the card puts silence in front of it."""
        self._starving += frames

    def run_dry(self, seconds: float) -> None:
        """It has played all it had, and then nothing for so long: its buffer is empty and fills up at once."""
        self.timer.now = self.heard_at(len(self.played) // 2) + seconds
        self._began = self.timer.now - self._written * self.frame_s
        self.ran_dry += 1

    def _starves(self) -> None:
        self.starved += self._starving
        self._written += self._starving
        self.played += SILENT_FRAME * self._starving
        self._starving = 0

    def close(self) -> None: ...

    def heard_at(self, sample: int) -> float:
        return self._began + sample / FRAME_SAMPLES * self.frame_s


class Counting:
    """A sound whose samples say where in it they are."""

    def __init__(self, samples: int = 1 << 62) -> None:
        self.at, self.samples = 0, samples

    @property
    def position_ms(self) -> int:
        return self.at // 48

    @property
    def at_end(self) -> bool:
        return self.at >= self.samples

    def read(self) -> bytes:
        end, first = min(self.at + FRAME_SAMPLES, self.samples), self.at % MODULUS
        data = _COUNTED[2 * first : 2 * (first + end - self.at)]
        self.at = end
        return data


def where_in_it(value: int, near: int) -> int:
    """The position in a `Counting` sound that a sample tells of."""
    off = (value + 15_000 - near) % MODULUS
    return near + (off if off <= MODULUS // 2 else off - MODULUS)


class Speaker:
    """A voice with a card, warm for two seconds."""

    def __init__(
        self, *, ppm: float = 0.0, jitter_s: float = 0.0, warm: int = 2 * WINDOW_FRAMES, trim_s: float = 0.0
    ) -> None:
        self.timer = Timer()
        self.card = Card(self.timer, ppm=ppm, jitter_s=jitter_s)
        self.told: list[tuple[str, str, float | str]] = []
        self.line: TimeLine | None = TimeLine(BEGIN, 0)
        self.voice = Voice(
            self.card,
            post=lambda deliver: deliver(),
            on_started=lambda token, at: self.told.append(("started", token, at)),
            on_finished=lambda token, at: self.told.append(("finished", token, at)),
            on_failed=lambda token, err: self.told.append(("failed", token, str(err))),
            timer=self.timer,
            trim_s=trim_s,
        )
        self.voice.follow(lambda: self.line)
        self.steps(warm)

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.voice.step()

    @property
    def heard(self) -> "np.typing.NDArray[np.int16]":
        return np.frombuffer(bytes(self.card.played), dtype="<i2")

    def off_s(self, at: float, *, due: Callable[[float], float] = lambda seconds: seconds) -> float:
        """How much too late the last sample handed over is heard, of a `Counting` sound that should begin at `at`."""
        last = len(self.card.played) // 2 - 1
        heard_at = self.card.heard_at(last)
        position = where_in_it(
            int.from_bytes(self.card.played[-2:], "little", signed=True), round((heard_at - at) * RATE_HZ)
        )
        return heard_at - (at + due(position / RATE_HZ))


def test_the_first_sample_is_heard_at_its_instant_wherever_that_lies_in_a_frame() -> None:
    for offset in (0.0, 0.25 / RATE_HZ, 0.0073, 0.0199, 0.02, 0.5):
        speaker = Speaker()
        at = speaker.timer.now + 0.3 + offset
        speaker.voice.play("o-1", Counting(), at=at)
        speaker.steps(60)
        assert abs(speaker.off_s(at)) <= 0.6 / RATE_HZ, offset
        ((what, token, told_at),) = speaker.told
        assert (what, token, told_at) == ("started", "o-1", pytest.approx(at, abs=1 / RATE_HZ))


def test_until_its_instant_there_is_silence_and_it_is_not_said_to_sound() -> None:
    speaker = Speaker()
    speaker.voice.play("o-1", Counting(), at=speaker.timer.now + 1.0)
    speaker.steps(45)
    assert (np.abs(speaker.heard).max(), speaker.told) == (0, [])
    assert speaker.voice.stop("o-1") == 0
    speaker.steps(100)
    assert (np.abs(speaker.heard).max(), speaker.told) == (0, [])


@pytest.mark.parametrize("seed", range(5))
def test_a_process_that_is_woken_late_again_and_again_begins_in_time_all_the_same(seed: int) -> None:
    speaker = Speaker(warm=0)
    speaker.card = speaker.voice._sink = Card(speaker.timer, jitter_s=0.004, seed=seed)
    speaker.steps(200)
    at = speaker.timer.now + 0.3
    speaker.voice.play("o-1", Counting(), at=at)
    speaker.steps(60)
    assert abs(speaker.off_s(at) + 0.002) < 0.0006, "half of the jitter, as at the neighbours, and little beside"


def test_what_begins_too_late_leaves_out_as_much_as_it_may_and_is_in_step() -> None:
    speaker = Speaker()
    at = speaker.timer.now - 0.4
    speaker.voice.play("o-1", Counting(), at=at, skip_ms=1_500)
    speaker.steps(4)
    assert abs(speaker.off_s(at)) <= 0.6 / RATE_HZ
    assert speaker.told[0][2] == pytest.approx(speaker.timer.now, abs=0.1), "and it has begun at once"


def test_what_may_leave_nothing_out_begins_with_its_first_sample_and_is_in_step_after_two_seconds() -> None:
    speaker = Speaker()
    at = speaker.timer.now - 0.01
    speaker.voice.play("o-1", Counting(), at=at)
    speaker.steps(5)
    assert speaker.off_s(at) == pytest.approx(0.01 + speaker.card.depth * FRAME_S, abs=0.02)
    speaker.steps(50 * 2)
    assert abs(speaker.off_s(at)) < NEAR_S
    speaker.steps(50 * 10)
    assert abs(speaker.off_s(at)) <= BEGIN_S + 1 / RATE_HZ


@pytest.mark.parametrize("starved", [1, 2, 5])
@pytest.mark.parametrize("jitter_s", [0.0, 0.002])
def test_after_starved_frames_it_is_in_step_again_within_a_second_and_a_half(starved: int, jitter_s: float) -> None:
    speaker = Speaker(jitter_s=jitter_s)
    at = speaker.timer.now + 0.3
    speaker.voice.play("o-1", Counting(), at=at)
    speaker.steps(50 * 5)
    speaker.card.starve(starved)
    speaker.steps(2)
    assert speaker.off_s(at) > starved * FRAME_S - LESS_S - LOOK_S - 0.003, "it is no more than one piece nearer"
    healed_after = next(frame for frame in range(500) if _stepped(speaker) and abs(speaker.off_s(at)) < NEAR_S)
    assert healed_after * FRAME_S <= 0.3 + 0.25 * starved
    worst = max(abs(speaker.off_s(at)) for _ in range(200) if _stepped(speaker))
    assert worst < 0.0015 + jitter_s / 2, "and it stays so"


@pytest.mark.parametrize("gap_s", [0.007, 0.05, 0.2])
@pytest.mark.parametrize("jitter_s", [0.0, 0.002])
def test_after_its_card_ran_dry_it_is_in_step_again_within_seconds(gap_s: float, jitter_s: float) -> None:
    speaker = Speaker(jitter_s=jitter_s)
    at = speaker.timer.now + 0.3
    speaker.voice.play("o-1", Counting(), at=at)
    speaker.steps(50 * 5)
    speaker.card.run_dry(gap_s)
    speaker.steps(1)
    assert speaker.off_s(at) == pytest.approx(gap_s, abs=0.003)
    healed_after = next(frame for frame in range(500) if _stepped(speaker) and abs(speaker.off_s(at)) < NEAR_S)
    assert healed_after * FRAME_S <= 0.5 + gap_s / LESS_S * APART_S * 1.2
    worst = max(abs(speaker.off_s(at)) for _ in range(200) if _stepped(speaker))
    assert worst < 0.0015 + jitter_s / 2, "and it stays so"


@pytest.mark.parametrize("frame", range(12))
def test_what_begins_right_after_a_gap_begins_at_its_instant_and_says_so(frame: int) -> None:
    for dry_s, starved in ((0.13, 0), (0.0, 3)):
        speaker = Speaker()
        at = speaker.timer.now + 0.5
        speaker.voice.play("o-1", Counting(), at=at)
        speaker.steps(frame)
        speaker.card.starve(starved)
        if dry_s:
            speaker.card.run_dry(dry_s)
        speaker.steps(60)
        assert abs(speaker.off_s(at)) <= 1 / RATE_HZ
        assert speaker.told[0][2] == pytest.approx(at, abs=1 / RATE_HZ)


def test_a_sound_whose_first_frame_the_card_waited_for_is_said_to_begin_when_it_does() -> None:
    speaker = Speaker()
    at = math.ceil(speaker.timer.now * 50) / 50 + 0.5
    speaker.voice.play("o-1", Counting(), at=at)
    while not speaker.told:
        speaker.card.starve(2)
        speaker.steps(1)
    first = int(np.flatnonzero(speaker.heard)[0])
    heard_at = speaker.card.heard_at(first)
    assert speaker.told[0][2] == pytest.approx(heard_at, abs=2 / RATE_HZ)
    assert heard_at > at + FRAME_S


def _stepped(speaker: Speaker) -> bool:
    speaker.steps(1)
    return True


def test_what_begins_much_too_late_stays_so() -> None:
    speaker = Speaker()
    at = speaker.timer.now - CATCH_UP_S - 1
    speaker.voice.play("o-1", Counting(), at=at)
    speaker.steps(50)
    late_s = speaker.off_s(at)
    speaker.steps(50 * 60)
    assert speaker.off_s(at) == pytest.approx(late_s, abs=BEGIN_S)


def test_in_the_silence_between_two_sentences_it_comes_into_step_quickly() -> None:
    speaker = Speaker()
    loud = Clip(Pcm(array("h", [8000] * 48_000).tobytes()))
    at = speaker.timer.now - 0.15
    segments: list[Segment] = [loud, Pause(1_500), loud]
    speaker.voice.play("o-1", segments, at=at)
    speaker.steps(220)
    second = int(np.flatnonzero(speaker.heard == 8000)[-1])
    assert speaker.card.heard_at(second) == pytest.approx(at + 3.5, abs=2 * BEGIN_S)


def test_without_drift_not_one_sample_is_touched() -> None:
    speaker = Speaker(jitter_s=0.0002)
    noise = array("h", (np.random.default_rng(1).normal(0, 3000, 48_000 * 90)).astype("<i2").tolist()).tobytes()
    speaker.voice.play("o-1", [Clip(Pcm(noise))], at=speaker.timer.now + 0.11)
    speaker.steps(50 * 92)
    rest = noise[2 * FRAME_SAMPLES * 2 :]  # what follows the fade
    assert bytes(speaker.card.played).find(rest) > 0


@pytest.mark.parametrize("ppm", [-200.0, 50.0, 200.0])
def test_after_half_an_hour_at_a_card_with_a_bad_crystal_it_is_in_step_within_a_millisecond(ppm: float) -> None:
    speaker = Speaker(ppm=ppm, jitter_s=0.001)
    at = speaker.timer.now + 0.3
    speaker.voice.play("o-1", Counting(), at=at)
    worst = 0.0
    for _ in range(180):
        speaker.steps(500)
        worst = max(worst, abs(speaker.off_s(at) + 0.0005))  # the jitter's middle, as at the neighbours
    assert worst < 0.001


def test_it_follows_the_servers_time_when_its_own_crystal_is_the_bad_one() -> None:
    """The server's second is 80 ppm shorter than ours; the line is drawn anew every minute, each time a little off."""
    speaker, random = Speaker(), Random(3)
    rate = 80e-6
    begin_us = round((speaker.timer.now + 0.3) * 1e6)
    at = speaker.timer.now + 0.3

    def draw() -> None:
        now = speaker.timer.now
        us = begin_us + round((now - at) * 1e6 * (1 + rate)) + random.randint(-150, 150)
        speaker.line = TimeLine(now, us, rate)

    draw()
    speaker.voice.play("o-1", Counting(), at=at)
    for _ in range(20):
        speaker.steps(50 * 60)
        assert abs(speaker.off_s(at, due=lambda seconds: seconds / (1 + rate))) < 0.001
        draw()


def test_a_server_whose_clock_is_set_moves_nothing_that_is_on_the_air() -> None:
    speaker = Speaker()
    at = speaker.timer.now + 0.3
    speaker.voice.play("o-1", Counting(), at=at)
    speaker.steps(100)
    speaker.line = TimeLine(speaker.timer.now, round((speaker.timer.now - BEGIN + 3 * JUMP_S) * 1e6))
    speaker.steps(50 * 60)
    assert abs(speaker.off_s(at)) <= 0.6 / RATE_HZ


def test_a_small_correction_of_the_time_is_followed_by_at_most_so_many_samples_a_second() -> None:
    speaker = Speaker()
    at = speaker.timer.now + 0.3
    speaker.voice.play("o-1", Counting(), at=at)
    speaker.steps(100)
    speaker.line = TimeLine(speaker.timer.now, round((speaker.timer.now - BEGIN + 0.9 * FAR_S) * 1e6))
    for second in range(1, 30):
        speaker.steps(50)
        assert 0 >= speaker.off_s(at) >= -second * FASTEST - 1e-4


def test_a_larger_one_is_followed_at_once_and_by_no_more_than_it_is() -> None:
    speaker = Speaker()
    at = speaker.timer.now + 0.3
    speaker.voice.play("o-1", Counting(), at=at)
    speaker.steps(100)
    speaker.line = TimeLine(speaker.timer.now, round((speaker.timer.now - BEGIN + 0.05) * 1e6))
    speaker.steps(50 * 2)
    assert speaker.off_s(at) == pytest.approx(-0.05, abs=NEAR_S)
    speaker.line = TimeLine(speaker.timer.now, round((speaker.timer.now - BEGIN) * 1e6))
    speaker.steps(50 * 3)
    assert speaker.off_s(at) == pytest.approx(0, abs=NEAR_S)


def test_nobody_knows_when_a_fresh_stream_is_heard_so_what_has_an_instant_sounds_at_once() -> None:
    speaker = Speaker(warm=SETTLED_AFTER - 1)
    speaker.voice.play("o-1", Counting(), at=speaker.timer.now + 5)
    speaker.steps(2)
    assert [told[:2] for told in speaker.told] == [("started", "o-1")]


def test_a_speaker_behind_a_slow_amplifier_is_told_so_and_begins_earlier() -> None:
    speaker = Speaker(trim_s=0.013)
    at = speaker.timer.now + 0.3
    speaker.voice.play("o-1", Counting(), at=at)
    speaker.steps(60)
    assert speaker.off_s(at) == pytest.approx(-0.013, abs=1 / RATE_HZ)


def test_a_card_that_went_away_is_another_one_when_it_comes_back() -> None:
    speaker = Speaker()
    speaker.card.breaks = True
    speaker.voice.play("o-1", Counting())
    speaker.steps(1)
    assert speaker.told == [("failed", "o-1", "unplugged")]
    speaker.voice.play("o-2", Counting(), at=speaker.timer.now + 5)
    speaker.steps(2)
    assert speaker.told[-1][:2] == ("started", "o-2"), "its clock is not known yet"


def test_where_it_goes_on_counts_what_was_heard_and_not_what_was_read_ahead() -> None:
    speaker = Speaker()
    at = math.ceil(speaker.timer.now * 50) / 50 + 0.51
    speaker.voice.play("o-1", Counting(), at=at)
    speaker.steps(60)
    position_ms = speaker.voice.stop("o-1")
    last = len(speaker.card.played) // 2 - 1
    assert position_ms == pytest.approx((speaker.card.heard_at(last) - at) * 1000, abs=1)


# ---- one sample ---------------------------------------------------------------------------------------------------------------


def tone_frame(hz: float, phase: float) -> bytes:
    at = np.arange(FRAME_SAMPLES) / RATE_HZ
    return (20_000 * np.sin(2 * np.pi * hz * at + phase)).astype("<i2").tobytes()


@pytest.mark.parametrize("hz", [200.0, 440.0, 1_000.0, 3_000.0])
def test_one_sample_more_or_less_makes_no_step_that_the_sound_does_not_have(hz: float) -> None:
    """A step is heard as a click; a fiftieth of a millisecond is not heard as anything."""
    for phase in np.linspace(0, 6, 13):
        frame = tone_frame(hz, float(phase))
        steepest = int(np.abs(np.diff(np.frombuffer(frame, dtype="<i2").astype(int))).max())
        for changed, count in ((shorter(frame, 1), -1), (longer(frame, 1), 1)):
            heard = np.frombuffer(changed, dtype="<i2").astype(int)
            assert len(heard) == FRAME_SAMPLES + count
            assert np.abs(np.diff(heard)).max() <= steepest + 1


def test_only_one_place_is_changed() -> None:
    frame = np.random.default_rng(2).integers(-9_000, 9_000, FRAME_SAMPLES).astype("<i2").tobytes()
    less, more = shorter(frame, 1), longer(frame, 1)
    same = next(index for index in range(0, len(frame), 2) if less[index : index + 2] != frame[index : index + 2])
    assert less[same:] == frame[same + 2 :]
    same = next(index for index in range(0, len(frame), 2) if more[index : index + 2] != frame[index : index + 2])
    assert more[same + 2 :] == frame[same:]


def test_due_follows_small_steps_of_the_line_and_no_big_ones() -> None:
    lines = [TimeLine(0.0, 0)]
    due = Due(10.0, lambda: lines[-1])
    assert due.when(1.0) == pytest.approx(11.0)
    lines.append(TimeLine(0.0, 20_000))
    assert due.when(1.0) == pytest.approx(10.98)
    lines.append(TimeLine(0.0, 9_000_000))
    assert due.when(2.0) == pytest.approx(11.98)
    lines.append(TimeLine(0.0, 9_010_000))
    assert due.when(2.0) == pytest.approx(11.97)


def test_a_stall_moves_the_clock_of_the_sink_only_if_it_lasts() -> None:
    clock = SinkClock()
    for frame in range(300):
        clock.wrote(frame * FRAME_S + (0.3 if 200 <= frame < 215 else 0.0))
    assert clock.next_leaves_at() == pytest.approx(300 * FRAME_S)
