"""The interrupt stack on recorded samples: who is heard when, how loud, from where on, and that nothing clicks.

A whole speaker in virtual time (`booth`). Positions are lags of the correlation with the sources, loudness is RMS.
"""

import asyncio
import math
from array import array
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest

from audio_assets.codec import decode, encode
from audio_assets.pcm import RATE_HZ, Pcm
from audio_assets.tones import ToneId, tone
from endpoints.arbitration import EMERGENCY_PERCENT
from endpoints.protocol import Band, Kind, Level, Order, Resume, Severity, Tone
from endpoints.vocabulary import Reason, Stage
from tests.correlation import Samples, find, samples
from tests.endpoints.booth import booth
from tests.endpoints.studio import Tape, an_order, tape
from tests.virtual_time import run

SOUNDING, FINISHED, INTERRUPTED, STOPPED = Stage.SOUNDING, Stage.FINISHED, Stage.INTERRUPTED, Stage.STOPPED
OWN_PERCENT = 40
FRAME = 960
ATTENTION, CHIME = samples(tone(ToneId.ATTENTION).data), samples(tone(ToneId.CHIME).data)

R, N, E, L = tape(90, 1), tape(12, 2), tape(6, 3), tape(5, 4)  # routine, notice, emergency, life-safety


def a_notice(name: str, words: Tape, now_ms: int, **other: object) -> Order:
    made = an_order(name, words, kind=Kind.NOTICE, resume=Resume.CONTINUE)
    return replace(made, issued_at_ms=now_ms, not_before_ms=now_ms, **other)  # type: ignore[arg-type]


def an_alarm(name: str, words: Tape, now_ms: int, **other: object) -> Order:
    made = an_order(name, words, kind=Kind.EMERGENCY, tone=Tone.ATTENTION, resume=Resume.RESTART)
    return replace(made, issued_at_ms=now_ms, not_before_ms=now_ms, **other)  # type: ignore[arg-type]


def where(source: Samples, heard: Samples) -> int:
    """The sample of the recording at which all of the source begins."""
    match = find(source, heard)
    assert match.score > 0.98, match
    return match.at


def db(one: Samples, other: Samples) -> float:
    """How much louder one is."""
    return 10 * math.log10(float(np.mean(one**2)) / float(np.mean(other**2)))


def gain(percent: int) -> float:
    return 20 * math.log10(percent / 100)


def test_four_levels_interrupt_each_other_and_give_the_air_back_one_by_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with booth(tmp_path, held=(R, N, E, L), volume_percent=OWN_PERCENT) as here:
            routine = an_order("r", R)
            here.publish(routine)
            await asyncio.sleep(5)
            notice = a_notice("n", N, here.now_ms)
            here.publish(routine, notice)
            await asyncio.sleep(4)
            alarm = an_alarm("e", E, here.now_ms)
            here.publish(routine, notice, alarm)
            await asyncio.sleep(7)
            red = an_alarm("l", L, here.now_ms, band=Band.LIFE_SAFETY, volume_percent=100)
            here.publish(routine, notice, alarm, red)
            await asyncio.sleep(100)

            heard, second = here.studio.heard(), RATE_HZ
            begins_l = where(L.samples, heard)
            assert begins_l == where(ATTENTION, heard[15 * second : 22 * second]) + 15 * second + ATTENTION.size
            first_e = where(ATTENTION, heard[8 * second : 14 * second]) + 8 * second
            again_e = where(ATTENTION, heard[begins_l + L.samples.size :]) + begins_l + L.samples.size
            whole_e = where(E.samples, heard[again_e:]) + again_e
            assert whole_e == again_e + ATTENTION.size, "the emergency began anew, with its signal"
            rest_n = whole_e + E.samples.size
            left_n = where(heard[rest_n + second : rest_n + 3 * second], N.samples) - second
            first_n = where(N.samples[FRAME:second], heard) - FRAME
            assert abs(left_n - (first_e - first_n)) <= 3 * FRAME, "the notice went on where it was left"
            back_r = rest_n + N.samples.size - left_n
            began_r = where(R.samples[FRAME:second], heard) - FRAME
            rejoined = where(heard[back_r + second : back_r + 5 * second], R.samples) - second
            assert abs(rejoined - (back_r - began_r)) <= 1, "the programme is where it would have been"

            loudness = {
                "r before": db(heard[began_r + second : began_r + 4 * second], R.samples[second : 4 * second]),
                "n before": db(heard[first_n + second : first_n + 3 * second], N.samples[second : 3 * second]),
                "e": db(heard[whole_e : whole_e + E.samples.size], E.samples),
                "l": db(heard[begins_l : begins_l + L.samples.size], L.samples),
                "n after": db(
                    heard[rest_n + second : rest_n + 3 * second], N.samples[left_n + second : left_n + 3 * second]
                ),
                "r after": db(
                    heard[back_r + second : back_r + 9 * second], R.samples[rejoined + second : rejoined + 9 * second]
                ),
            }
            own, emergency = gain(OWN_PERCENT), gain(EMERGENCY_PERCENT)
            assert loudness == pytest.approx(
                {"r before": own, "n before": own, "e": emergency, "l": 0, "n after": own, "r after": own}, abs=0.1
            ), "saved once below the first interrupt, restored once after the last"
            assert [stage for stage, _ in here.stages("r")][1:] == [SOUNDING, INTERRUPTED, SOUNDING, FINISHED]
            assert [stage for stage, _ in here.stages("n")][-4:] == [SOUNDING, INTERRUPTED, SOUNDING, FINISHED]
            assert [stage for stage, _ in here.stages("e")][-4:] == [SOUNDING, INTERRUPTED, SOUNDING, FINISHED]
            assert here.stages("l")[-1] == (FINISHED, Reason.NONE)

    run(story())


def test_a_warning_is_heard_with_the_next_frame_whenever_it_comes_and_the_programme_with_the_one_after_its_end(
    tmp_path: Path,
) -> None:
    """Forty times at random moments; in real time, with a disk and threads, it is `bench/preempt.py`."""
    random = Random(1)

    async def story() -> None:
        async with booth(tmp_path, held=(R, E)) as here:
            routine = an_order("r", R, resume=Resume.CONTINUE)
            announced = replace(an_alarm("e", E, here.now_ms), not_before_ms=here.now_ms + 3_000_000, tone=Tone.NONE)
            here.publish(routine, announced)
            await asyncio.sleep(1)
            asked, given_back = [], []
            for n in range(40):
                await asyncio.sleep(random.uniform(0.1, 0.4))
                asked.append(here.studio.now_ms)
                alarm = an_alarm("e", E, here.now_ms, tone=Tone.NONE, revision=n + 2)
                here.publish(routine, alarm)
                await asyncio.sleep(random.uniform(0.1, 0.4))
                given_back.append(here.studio.now_ms)
                here.publish(routine)
            await asyncio.sleep(1)
            heard, second = here.studio.heard(), E.samples[FRAME : 2 * FRAME]
            for at_ms in asked:
                frame = -(-at_ms // 20) * FRAME
                places = [frame + late * FRAME for late in range(2)]
                assert any(np.array_equal(heard[at + FRAME : at + 2 * FRAME], second) for at in places), at_ms
            for at_ms in given_back:
                frame = -(-at_ms // 20) * FRAME
                piece = heard[frame + 2 * FRAME : frame + 4 * FRAME]
                assert find(piece, R.samples[: 30 * RATE_HZ]).score > 0.99, at_ms
            assert here.studio.output.underruns == 0

    run(story())


@pytest.mark.parametrize("policy", [Resume.CONTINUE, Resume.REJOIN, Resume.RESTART, Resume.DROP])
def test_what_was_interrupted_comes_back_by_its_policy(tmp_path: Path, policy: Resume) -> None:
    async def story() -> None:
        async with booth(tmp_path, held=(R, E)) as here:
            routine = an_order("r", R, resume=policy)
            here.publish(routine)
            await asyncio.sleep(20)
            here.publish(routine, an_alarm("e", E, here.now_ms))
            await asyncio.sleep(20)
            heard, second = here.studio.heard(), RATE_HZ
            began = where(R.samples[FRAME : 5 * second], heard) - FRAME
            off = where(ATTENTION, heard)
            back = where(E.samples, heard) + E.samples.size
            if policy is Resume.DROP:
                assert np.abs(heard[back + FRAME :]).max() == 0
                assert here.stages("r")[-1] == (STOPPED, Reason.DROPPED)
                return
            goes_on = where(heard[back + second : back + 4 * second], R.samples) - second
            at = {Resume.CONTINUE: off - began, Resume.REJOIN: back - began, Resume.RESTART: 0}[policy]
            assert abs(goes_on - at) <= (1 if policy is Resume.REJOIN else 3 * FRAME)

    run(story())


def test_a_floor_raises_a_ceiling_lowers_and_a_mute_gives_way_to_an_emergency_alone(tmp_path: Path) -> None:
    async def story() -> None:
        for own, order, percent in (
            (40, {}, 40),
            (40, {"volume_percent": 65}, 65),
            (90, {"volume_percent": 65}, 90),
            (90, {"ceiling_percent": 30}, 30),
            (0, {}, None),
        ):
            folder = tmp_path / f"{own}-{len(str(order))}-{percent}"
            async with booth(folder, held=(N, E), volume_percent=own) as here:
                here.publish(an_order("r", N, **order))  # type: ignore[arg-type]
                await asyncio.sleep(14)
                heard = here.studio.heard()
                if percent is None:
                    assert (np.abs(heard).max(), here.stages("r")[-1]) == (0, (Stage.REFUSED, Reason.MUTED))
                    here.publish(an_alarm("e", E, here.now_ms))
                    await asyncio.sleep(12)
                    at = where(E.samples, here.studio.heard())
                    found = db(here.studio.heard()[at : at + E.samples.size], E.samples)
                    assert found == pytest.approx(gain(EMERGENCY_PERCENT), abs=0.1)
                else:
                    at = where(N.samples[FRAME:], heard)
                    found = db(heard[at : at + N.samples.size - FRAME], N.samples[FRAME:])
                    assert found == pytest.approx(gain(percent), abs=0.1), (own, order)

    run(story())


def test_notices_that_come_together_sound_one_after_the_other_and_none_is_lost(tmp_path: Path) -> None:
    words = [tape(4, 10 + n) for n in range(4)]

    async def story() -> None:
        async with booth(tmp_path, held=(R, *words)) as here:
            routine = an_order("r", R)
            here.publish(routine)
            await asyncio.sleep(3)
            notices = [a_notice(f"n-{n}", one, here.now_ms + 100 * n) for n, one in enumerate(words)]
            for count in range(1, 5):
                here.publish(routine, *notices[:count])
                await asyncio.sleep(0.05)
            await asyncio.sleep(25)
            heard = here.studio.heard()
            places = [where(one.samples[FRAME:], heard) for one in words]
            gaps = [
                after - before - one.samples.size for before, after, one in zip(places, places[1:], words, strict=False)
            ]
            assert places == sorted(places)
            assert all(0 <= gap <= RATE_HZ // 2 for gap in gaps), "the next begins when the last has ended"
            assert all(here.stages(one.id)[-1] == (FINISHED, Reason.NONE) for one in notices)
            back = heard[places[-1] + words[-1].samples.size + RATE_HZ :][: 3 * RATE_HZ]
            assert find(back, R.samples).score > 0.99

    run(story())


def test_alerts_of_two_levels_in_the_same_second_are_all_heard_to_their_end(tmp_path: Path) -> None:
    words = [tape(4, 20 + n) for n in range(3)]

    async def story() -> None:
        async with booth(tmp_path, held=tuple(words)) as here:
            now = here.now_ms
            town = an_alarm("town", words[0], now, level=Level.TOWNSHIP)
            city = an_alarm("city", words[1], now + 300, level=Level.CITY)
            orange = an_alarm("orange", words[2], now + 600, level=Level.CITY, severity=Severity.ORANGE)
            here.publish(town)
            await asyncio.sleep(0.4)
            here.publish(town, city)
            await asyncio.sleep(0.4)
            here.publish(town, city, orange)
            await asyncio.sleep(40)
            heard = here.studio.heard()
            places = {
                name: where(one.samples, heard) for name, one in zip(("town", "city", "orange"), words, strict=True)
            }
            order = sorted(places, key=lambda name: places[name])
            assert order == ["city", "town", "orange"]
            assert all(here.stages(name)[-1] == (FINISHED, Reason.NONE) for name in order)

    run(story())


def test_chime_words_and_closing_follow_each_other_at_once_with_the_first_and_last_tenth_of_a_second(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with booth(tmp_path, held=(E,)) as here:
            made = a_notice("n", E, here.now_ms, tone=Tone.CHIME, closing=Tone.CHIME, repeats=2, gap_ms=700)
            here.publish(made)
            await asyncio.sleep(25)
            heard, tenth = here.studio.heard(), RATE_HZ // 10
            chime = where(CHIME[FRAME:], heard) - FRAME
            first = where(E.samples, heard)
            assert first == chime + CHIME.size
            second = where(E.samples, heard[first + RATE_HZ :]) + first + RATE_HZ
            assert second == first + E.samples.size + 700 * 48
            closing = where(CHIME, heard[second + E.samples.size - 10 :]) + second + E.samples.size - 10
            assert closing == second + E.samples.size
            for at in (first, second):
                assert np.array_equal(heard[at : at + tenth], E.samples[:tenth])
                assert np.array_equal(heard[at + E.samples.size - tenth : at + E.samples.size], E.samples[-tenth:])
            assert np.abs(heard[closing + CHIME.size :]).max() == 0

    run(story())


@cache
def hum(seconds: int, hz: float) -> Tape:
    """A smooth sound: its own steps from sample to sample are 0.013 of full scale, so a click stands out."""
    wave = (round(16_000 * math.sin(2 * math.pi * hz * n / RATE_HZ)) for n in range(seconds * RATE_HZ))
    data = encode(Pcm(array("h", wave).tobytes()).faded(in_ms=10, out_ms=10))
    return Tape(data, decode(data))


def test_no_switch_clicks(tmp_path: Path) -> None:
    low, middle, high = hum(60, 110), hum(6, 150), hum(4, 190)

    async def story() -> None:
        async with booth(tmp_path, held=(low, middle, high)) as here:
            routine = an_order("r", low, closing=Tone.NONE)
            here.publish(routine)
            await asyncio.sleep(2.013)
            notice = a_notice("n", middle, here.now_ms)
            here.publish(routine, notice)
            await asyncio.sleep(2.007)
            alarm = replace(an_alarm("e", high, here.now_ms), tone=Tone.NONE)
            here.publish(routine, notice, alarm)
            await asyncio.sleep(1.501)
            here.publish(routine, notice)
            await asyncio.sleep(1.233)
            here.publish(replace(routine, revision=2, volume_percent=0, ceiling_percent=30))
            await asyncio.sleep(2.1)
            here.publish(replace(routine, revision=3))
            await asyncio.sleep(1.7)
            here.publish()
            await asyncio.sleep(1)
            heard = here.studio.heard()
            steps = np.abs(np.diff(heard)) / 32_768
            assert steps.max() < 0.02, (steps.max(), int(steps.argmax()) / RATE_HZ)
            assert np.abs(heard).max() > 10_000

    run(story())
