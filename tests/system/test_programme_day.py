"""A day without a network: a speaker that holds 48 hours plays every slot of them, to the sample; and loses none to a power cut.

In virtual time (`tests.virtual_time`): player, staging, disk, reels and voice are the real ones, and every sample that left is
compared with its source. What is not real here is the thread that feeds the sink; `test_line_cut.py` has that.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np

from endpoints.protocol import Kind, Order, Resume, Tone
from endpoints.vocabulary import Fault, Reason, Stage
from tests.correlation import Samples
from tests.endpoints.booth import Booth, booth
from tests.endpoints.studio import Tape, an_order, tape
from tests.virtual_time import run

NONE = Reason.NONE
PLAYED = [Stage.SCHEDULED, Stage.SOUNDING, Stage.FINISHED]  # as kept: RECEIVED and SCHEDULED are decided together
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
FIVE_MS = 1_799_960_400_000  # 05:00 in Beijing, 15 January 2027
MORNING = ("06:30", "07:00", "08:00", "08:35", "10:00", "11:30", "12:00", "12:30")
SLOTS = (*MORNING, "16:00", "17:15", "18:00", "19:00", "20:30", "21:30")
TAPES = 7  # each sounds twice a day, so that the test takes seconds
FADE = 960


def slots(day: int) -> list[tuple[Order, list[Tape]]]:
    """What is planned for one of the two days: files of 50 to 80 s, every third slot a playlist of two with a closing."""
    planned = []
    for n, wall in enumerate(SLOTS):
        hour, minute = map(int, wall.split(":"))
        tapes = [the_tape((n + day) % TAPES)] + ([the_tape((n + 1) % TAPES)] if n % 3 == 2 else [])
        begin = FIVE_MS - 5 * HOUR_MS + day * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS
        order = an_order(
            f"P-{day}-{n:02d}",
            *tapes,
            issued_at_ms=FIVE_MS - HOUR_MS,
            not_before_ms=begin,
            not_after_ms=begin + 5 * MINUTE_MS,
            start_by_ms=begin + 5 * MINUTE_MS,
            closing=Tone.CHIME if n % 3 == 2 else Tone.NONE,
            resume=Resume.REJOIN,
        )
        planned.append((order, tapes))
    return planned


def the_tape(n: int) -> Tape:
    return tape(50 + 5 * n, n)


def check(heard: Booth, order: Order, tapes: list[Tape], opened_ms: int) -> None:
    """Played at its time, whole, and nothing else around it."""
    begin = order.not_before_ms - opened_ms
    source = np.concatenate([one.samples for one in tapes])
    recording: Samples = heard.studio.heard(begin, begin + order.sound_ms + 1_000)
    assert np.array_equal(recording[FADE : source.size], source[FADE:]), order.id
    assert np.abs(heard.studio.heard(begin - 1_000, begin)).max() == 0, order.id
    assert np.abs(recording[order.sound_ms * 48 + FADE :]).max(initial=0) == 0, order.id
    assert [stage for stage, _ in heard.stages(order.id)] == PLAYED, order.id


def test_a_day_without_a_network_costs_no_programme(tmp_path: Path) -> None:
    today, tomorrow = slots(0), slots(1)
    tapes = tuple(the_tape(n) for n in range(TAPES))

    async def story() -> None:
        async with booth(tmp_path, *tapes, opened_ms=FIVE_MS, skips_lulls=True) as heard:
            heard.plan(*(order for order, _ in (*today, *tomorrow)))
            await asyncio.sleep(1_800)
            stock = heard.studio.output.stock()
            assert (stock.held, stock.lacking) == (TAPES, ()), "staged before the line is cut"
            heard.studio.line.cut = True
            asked = len(heard.studio.line.asked)
            await asyncio.sleep(24 * 3_600)
            for order, parts in today:
                check(heard, order, parts, FIVE_MS)
            assert not heard.box.player.faults & (Fault.FILES | Fault.SILENCE)
            assert len(heard.studio.line.asked) == asked, "nobody was asked for anything"
            assert heard.stages(tomorrow[0][0].id) == []

    run(story())


def test_the_power_goes_in_the_middle_of_a_day_without_a_network(tmp_path: Path) -> None:
    today = slots(0)
    tapes = tuple(the_tape(n) for n in range(TAPES))
    off_ms, on_ms = (
        FIVE_MS + 7 * HOUR_MS + 20_000,
        FIVE_MS + 8 * HOUR_MS,
    )  # 12:00:20, in the middle of a slot, until 13:00

    async def morning() -> None:
        async with booth(tmp_path, *tapes, opened_ms=FIVE_MS, skips_lulls=True) as heard:
            heard.plan(*(order for order, _ in today))
            await asyncio.sleep(1_800)
            heard.studio.line.cut = True
            await asyncio.sleep((off_ms - FIVE_MS) / 1_000 - 1_800)
            for order, parts in today[:6]:
                check(heard, order, parts, FIVE_MS)
            assert heard.stages(today[6][0].id)[-1] == (Stage.SOUNDING, NONE)

    async def afternoon() -> None:
        async with booth(tmp_path, opened_ms=on_ms, skips_lulls=True) as heard:
            heard.studio.line.cut = True
            await asyncio.sleep(10 * 3_600)
            for order, parts in today[8:]:
                check(heard, order, parts, on_ms)
            assert heard.stages(today[6][0].id)[-1] == (Stage.STOPPED, Reason.ENDED), "never caught up with"
            assert heard.stages(today[7][0].id) == [(Stage.MISSED, Reason.WAS_OFF)]

    run(morning())
    run(afternoon())


def test_an_emergency_in_the_middle_of_a_programme_without_a_line_to_its_files(tmp_path: Path) -> None:
    """It came over MQTT, the line for files is cut: the tone and then the attention signal; the programme is back in step."""
    (order, parts), words = slots(0)[0], tape(5, 99)
    begin = order.not_before_ms - FIVE_MS

    async def story() -> None:
        async with booth(tmp_path, *(the_tape(n) for n in range(TAPES)), opened_ms=FIVE_MS, skips_lulls=True) as heard:
            heard.plan(order)
            await asyncio.sleep(1_800)
            heard.studio.line.cut = True
            await asyncio.sleep(begin / 1_000 - 1_800 + 20)
            alarm = an_order("e", words, kind=Kind.EMERGENCY, tone=Tone.ATTENTION, volume_percent=100)
            now = heard.now_ms
            heard.publish(replace(alarm, issued_at_ms=now, not_before_ms=now, not_after_ms=now + 15_000))
            await asyncio.sleep(60)
            assert heard.stages("e")[-1] == (Stage.FAILED, Reason.ASSET_MISSING)
            assert heard.stages(order.id)[-1][0] is Stage.FINISHED
            back = heard.studio.heard(begin + 40_000, begin + 49_000)
            source = parts[0].samples[40_000 * 48 : 49_000 * 48]
            assert np.sqrt(np.mean((back - source) ** 2)) < 12, "in step"

    run(story())
