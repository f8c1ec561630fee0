"""Nested interrupts as they leave a real `lianbo speaker`: its process, its threads, its WAV sink, a broker, files over HTTP.

The same in virtual time, with every policy, is in `tests/endpoints/test_interrupts.py`; here it is real time that is asked.
"""

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_assets.tones import ToneId, tone
from endpoints.arbitration import EMERGENCY_PERCENT
from endpoints.protocol import Band, Kind, Order, Resume, Severity, Tone
from endpoints.vocabulary import Stage
from tests.correlation import RATE_HZ, Samples, find, read_wav, samples
from tests.endpoints.county import an_order, county, until
from tests.endpoints.studio import Tape, tape
from tests.system.line_cut import Cable, a_speaker, offered

OWN_PERCENT = 40
WINDOW = RATE_HZ // 2
TENTH = RATE_HZ // 10
ATTENTION = samples(tone(ToneId.ATTENTION).data)
R, N, E, L = tape(60, 1), tape(7, 2), tape(3, 3), tape(3, 4)


def sounding(order: Order, words: Tape, **other: object) -> Order:
    part = words.part
    made = replace(order, asset=part.asset, asset_bytes=part.asset_bytes, asset_ms=part.asset_ms, volume_percent=0)
    return replace(made, **other)  # type: ignore[arg-type]


def lag(source: Samples, at: int, heard: Samples, start: int, end: int) -> int:
    """Where in the recording the source would begin, by half a second of it from `at` on; between these two."""
    match = find(source[at : at + WINDOW], heard[start:end])
    assert match.score > 0.95, match
    return match.at + start - at


def level_db(heard: Samples, source: Samples) -> float:
    return 10 * math.log10(float(np.mean(heard**2)) / float(np.mean(source**2)))


async def test_a_real_speaker_goes_up_four_levels_and_down_again(tmp_path: Path) -> None:
    wav = tmp_path / "heard.wav"
    async with (
        county(tmp_path / "county", 1) as where,
        offered(*(one.data for one in (R, N, E, L))) as http_port,
        Cable(where.provisioning.port).laid() as mqtt,
        Cable(http_port).laid() as http,
        a_speaker(where, tmp_path, mqtt, http, wav, volume_percent=OWN_PERCENT),
    ):
        server, who = where.server, where.provisioning.speakers[0].id
        await until(lambda: who in server.hellos and server.hellos[who].at_ms)
        quiet = {"kind": Kind.ROUTINE, "band": Band.ROUTINE, "severity": Severity.UNKNOWN, "tone": Tone.NONE}
        routine = sounding(an_order("r", begin_ms=3_000, lasting_ms=120_000), R, **quiet, resume=Resume.REJOIN)
        server.publish(routine)
        await until(lambda: server.at("r", Stage.SOUNDING) == 1)
        await asyncio.sleep(3)
        notice = sounding(
            an_order("n"), N, **(quiet | {"kind": Kind.NOTICE, "band": Band.NOTICE}), resume=Resume.CONTINUE
        )
        server.publish(routine, notice)
        await until(lambda: server.at("n", Stage.SOUNDING) == 1)
        await asyncio.sleep(2)
        alarm = sounding(an_order("e"), E, resume=Resume.RESTART)
        server.publish(routine, notice, alarm)
        await until(lambda: server.at("e", Stage.SOUNDING) == 1)
        await asyncio.sleep(2)
        red = sounding(an_order("l"), L, band=Band.LIFE_SAFETY, volume_percent=100)
        server.publish(routine, notice, alarm, red)
        await until(lambda: server.at("n", Stage.FINISHED) == 1, within_s=60)
        await asyncio.sleep(4)
    heard, second = read_wav(wav), RATE_HZ

    # who is heard when
    red_at = lag(L.samples, second, heard, 0, heard.size)
    signal = lag(ATTENTION, second, heard, red_at - 5 * second, red_at)
    assert abs(red_at - signal - ATTENTION.size) <= 2, "signal and words follow each other at once"
    alarm_at = lag(E.samples, second, heard, red_at + L.samples.size, heard.size)
    signal = lag(ATTENTION, second, heard, red_at + L.samples.size, alarm_at)
    assert abs(alarm_at - signal - ATTENTION.size) <= 2, "the emergency began anew, with its signal"
    assert 0 <= signal - (red_at + L.samples.size) <= second // 4
    notice_at = lag(N.samples, second, heard, 0, red_at)
    rest_at = alarm_at + E.samples.size
    goes_on = lag(N.samples, 5 * second, heard, rest_at, heard.size)
    first_signal = lag(ATTENTION, second // 2, heard, notice_at + second, red_at - 4 * second)
    assert abs((rest_at - goes_on) - (first_signal - notice_at)) <= second // 4, "the notice went on where it was left"
    routine_at = lag(R.samples, second, heard, 0, notice_at)
    notice_end = goes_on + N.samples.size
    back_at = (notice_end - routine_at) // second + 1
    rejoined = lag(R.samples, back_at * second, heard, notice_end, heard.size)
    assert abs(rejoined - routine_at) <= second // 100, "the programme is where its neighbours' are"

    # how loud
    def loud(source: Samples, begins: int, at: int, size: int) -> float:
        return level_db(heard[begins + at : begins + at + size], source[at : at + size])

    levels = {
        "routine before": loud(R.samples, routine_at, second, second),
        "notice before": loud(N.samples, notice_at, second // 2, second),
        "emergency": loud(E.samples, alarm_at, TENTH, 2 * second),
        "life-safety": loud(L.samples, red_at, TENTH, 2 * second),
        "notice after": loud(N.samples, goes_on, 5 * second, second),
        "routine after": loud(R.samples, rejoined, back_at * second, 2 * second),
    }
    own, emergency = (20 * math.log10(percent / 100) for percent in (OWN_PERCENT, EMERGENCY_PERCENT))
    expected = dict(zip(levels, (own, own, emergency, 0.0, own, own), strict=True))
    assert levels == pytest.approx(expected, abs=0.1), (
        "saved once below the first interrupt, restored once after the last"
    )

    # to the edges
    for words, at in ((E, alarm_at), (L, red_at)):
        for place in (0, words.samples.size - TENTH):
            match = find(words.samples[place : place + TENTH], heard[at + place - 48 : at + place + TENTH + 48])
            assert match.score > 0.9, "the first and the last 100 ms; a single sample may be one too many"
