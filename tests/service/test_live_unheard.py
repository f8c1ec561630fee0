"""A microphone that nobody hears: under an emergency, and after its end."""

import asyncio
from pathlib import Path

from broadcast.domain.live import LiveEnd, LiveState
from endpoints.protocol import Stage
from tests.service.live_stage import live_stage
from tests.town import DUTY
from tests.virtual_time import run


def test_the_lamp_goes_out_when_something_higher_has_the_air_and_lights_again_after_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            names = [one.id for one in stage.town.services.estate.meant_by(stage.order(view))][:3]
            await stage.sound(view)
            await asyncio.sleep(0.2)
            view = stage.live.view(view.id, by=DUTY)
            assert (view.state, view.may_speak, view.sounding, view.interrupted) == (LiveState.ON_AIR, True, 3, 0)
            await stage.town.report(view.order, names, Stage.INTERRUPTED)
            await asyncio.sleep(45)  # longer than a forgotten microphone stays open
            view = stage.live.view(view.id, by=DUTY)
            assert (view.state, view.may_speak, view.sounding, view.interrupted) == (LiveState.UNHEARD, False, 0, 3)
            assert view.silent_s < 0.2
            await stage.town.report(view.order, names, Stage.SOUNDING)
            await asyncio.sleep(0.2)
            view = stage.live.view(view.id, by=DUTY)
            assert (view.state, view.may_speak, view.sounding, view.interrupted) == (LiveState.ON_AIR, True, 3, 0)
            await asyncio.sleep(31)
            assert stage.live.view(view.id, by=DUTY).why is LiveEnd.SILENCE

    run(story())


def test_a_page_that_goes_away_after_the_end_sends_nothing_more(tmp_path: Path) -> None:
    async def story() -> None:
        async with live_stage(tmp_path) as stage:
            view = await stage.ready()
            order = stage.order(view)
            await stage.speak(view, 1.02)  # 51 frames, and one more: something is left that fills no packet
            stage.live.feed_opus(view.id, [b"\xf8more"], by=DUTY)
            await stage.town.services.broadcasts.stop(view.order, by=DUTY)
            await asyncio.sleep(1)
            assert stage.live.view(view.id, by=DUTY).why is LiveEnd.STOPPED
            sent = len(stage.packets(order))
            stage.live.gone(view.id, by=DUTY)
            assert len(stage.packets(order)) == sent
            assert stage.town.services.health.conditions == ()

    run(story())
