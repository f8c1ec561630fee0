"""The county of 718 with every part in a process of its own. What must come about is asserted, with generous times: the exact
figures are the business of `bench/`, on a quiet machine."""

from pathlib import Path

from bench.county import county, now_ms, wait_for
from endpoints.protocol import Stage

COUNT = 718
GENEROUS = 3  # times the goal
FIRST_MS, DURABLE_S, SILENT_S = 500, 1.0, 1.0


async def test_718_speakers_come_online_sound_at_a_trigger_and_fall_silent_at_stop_all(tmp_path: Path) -> None:
    async with county(tmp_path, COUNT) as there, there.simulator():
        online_s = await there.all_online(COUNT)
        for words in ({}, {"text": "暴雨红色预警，请马上转移。"}):
            at_ms = now_ms()
            order, accepted_s = await there.trigger(**words)
            most_s = await there.durable(order, Stage.SOUNDING, COUNT * 99 // 100)
            await there.durable(order, Stage.SOUNDING, COUNT)
            first_ms = there.reported(order, Stage.SOUNDING).first_ms - at_ms
            assert await there.sounding() == COUNT
            assert (await there.get(f"/broadcasts/{order}/ladder"))["counts"] == {"sounding": COUNT}
            stopped_ms = now_ms()
            await there.stop_all()
            silent_s = await wait_for(there.sounding, lambda sounding: sounding == 0, "silence", within_s=30)
            await there.durable(order, Stage.STOPPED, COUNT)
            last_ms = there.reported(order, Stage.STOPPED).last_ms - stopped_ms
            print(
                f"{COUNT} online in {online_s:.1f} s; accepted {accepted_s * 1000:.0f} ms, first sounds {first_ms} ms, 99 % "
                f"durable {(accepted_s + most_s) * 1000:.0f} ms; silent {silent_s * 1000:.0f} ms, the last {last_ms} ms"
            )
            if not words:  # words that were never spoken before take the voice its time
                assert first_ms < GENEROUS * FIRST_MS
                assert accepted_s + most_s < GENEROUS * DURABLE_S
            assert silent_s < GENEROUS * SILENT_S
        assert await there.online() == COUNT
