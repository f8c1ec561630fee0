"""The wall in the browser: places that stay, keys, filter, the ladder behind a place, and what it says when it hears nothing."""

import time

from playwright.async_api import Browser, Page, expect

from broadcast.domain.broadcasts import StartBroadcast
from endpoints.protocol import Kind, Reason, Severity, Stage
from tests.town import CITY, DUTY, OTHER_TOWNSHIP, Town
from tests.web.console.console_page import console, needs_console

pytestmark = needs_console
RED = StartBroadcast(
    kind=Kind.EMERGENCY, severity=Severity.RED, areas=(CITY,), text="山洪，请转移。", headline="山洪红色预警", minutes=5
)


async def on_air(there: Town, order: StartBroadcast = RED) -> str:
    return (await there.services.broadcasts.start(order, by=DUTY)).ids[0]


async def opened(page: Page) -> None:
    await expect(page.locator("[data-test=wall] .place")).to_have_count(718)


async def test_a_wall_that_hears_nothing_for_20_s_is_hatched_and_says_since_when(browser: Browser, there: Town) -> None:
    await on_air(there)
    async with console(browser, there, "/console/wall") as page:
        await page.clock.install()
        await page.reload()
        await opened(page)
        await page.clock.run_for(15_000)
        await expect(page.locator("[data-test=stale]")).to_have_count(0)
        await page.clock.run_for(7_000)
        await expect(page.locator("[data-test=wall].stale")).to_have_count(1)
        await expect(page.locator("[data-test=stale]")).to_contain_text("之后没有收到任何消息")
        await expect(page.locator("[data-test=on-air]")).to_have_attribute("data-tone", "stale")


async def test_a_machine_that_slept_for_an_hour_starts_with_the_whole(browser: Browser, there: Town) -> None:
    async with console(browser, there, "/console/wall") as page:
        await page.clock.install()
        await page.reload()
        await opened(page)
        one = await on_air(there)
        await page.wait_for_selector("[data-test=alert-bar]")
        await there.report(one, list(there.services.estate.speakers)[:30], Stage.RECEIVED)
        async with page.expect_request("**/api/v1/events*") as again:
            await page.clock.fast_forward(3_600_000)
        assert "last-event-id" not in (await again.value).headers
        await expect(page.locator("[data-test=wall].stale")).to_have_count(0)
        await expect(page.locator(".place[data-look=received][data-index]")).to_have_count(30)


async def test_the_arrows_move_and_enter_opens_the_ladder_and_escape_leads_back(browser: Browser, there: Town) -> None:
    one = await on_air(there)
    names = list(there.services.estate.speakers)
    await there.report(one, names, Stage.RECEIVED, Stage.SOUNDING)
    async with console(browser, there, "/console/wall") as page:
        await opened(page)
        await page.locator(".place[data-index='0']").focus()
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("ArrowRight")
        at = "Number(document.activeElement.dataset.index)"
        assert await page.evaluate(at) == 2
        await page.keyboard.press("ArrowDown")
        below = await page.evaluate(at)
        assert below > 2
        await page.keyboard.press("ArrowUp")
        assert await page.evaluate(at) == 2
        await page.keyboard.press("End")
        assert await page.evaluate(at) == 717
        await page.keyboard.press("Enter")
        drawer = page.locator("[data-test=drawer]")
        await expect(drawer.locator(".ladder li")).to_have_count(2)
        await expect(drawer).to_contain_text("终端回报")  # the grade of the proof
        await page.click("[data-test=stop]")  # the red bar is free
        await page.get_by_role("button", name="不操作").click()
        await expect(page.locator(".el-overlay:visible")).to_have_count(0)
        await drawer.focus()
        await page.keyboard.press("Escape")
        await expect(drawer).to_have_count(0)
        assert await page.evaluate(at) == 717


async def test_an_open_ladder_follows_its_speaker(browser: Browser, there: Town) -> None:
    one = await on_air(there)
    async with console(browser, there, "/console/wall") as page:
        await opened(page)
        index = 40
        await page.locator(f".place[data-index='{index}']").click()
        code = await page.locator("[data-test=area-detail] h2 small").inner_text()
        (name,) = [speaker.id for speaker in there.services.estate.speakers.values() if speaker.area == code]
        await there.report(one, [name], Stage.REFUSED, reason=Reason.QUIET_HOURS)
        await expect(page.locator("[data-test=drawer] .ladder")).to_contain_text("静音时段")


async def test_the_filter_leaves_every_place_where_it_is(browser: Browser, there: Town) -> None:
    there.services.speakers.gone("s-130281100200-1")
    async with console(browser, there, "/console/wall") as page:
        await opened(page)
        places = (
            "[...document.querySelectorAll('[data-test=wall] .place')].map(one => one.offsetLeft + ' ' + one.offsetTop)"
        )
        before = await page.evaluate(places)
        await page.locator(".legend button", has_text="离线").click()
        await expect(page.locator("[data-test=wall] .place:not(.dim)")).to_have_count(1)
        assert await page.evaluate(places) == before


async def test_a_finished_broadcast_can_be_chosen_and_the_newest_comes_back(browser: Browser, there: Town) -> None:
    part = StartBroadcast(
        kind=Kind.NOTICE,
        severity=Severity.UNKNOWN,
        areas=(OTHER_TOWNSHIP,),
        text="停水。",
        headline="停水通知",
        minutes=5,
    )
    one = await on_air(there, part)
    names = [
        name for name, speaker in there.services.estate.speakers.items() if speaker.area.startswith(OTHER_TOWNSHIP[:9])
    ]
    await there.report(one, names, Stage.RECEIVED, Stage.SOUNDING)
    await there.services.broadcasts.stop(one, by=DUTY)
    async with console(browser, there, "/console/wall") as page:
        await opened(page)
        await expect(page.locator(".place[data-look=idle][data-index]")).to_have_count(718)
        await page.locator("main select").select_option(one)
        await expect(page.locator(".place[data-look=outside][data-index]")).to_have_count(718 - len(names))
        await expect(page.locator("main")).to_contain_text("停水通知")
        await page.locator("main select").select_option("")
        await expect(page.locator(".place[data-look=idle][data-index]")).to_have_count(718)


async def test_every_report_of_718_in_a_second_is_shown(browser: Browser, there: Town) -> None:
    one = await on_air(there)
    names = list(there.services.estate.speakers)
    async with console(browser, there, "/console/wall") as page:
        await opened(page)
        began = time.monotonic()
        for start in range(0, 718, 72):
            await there.report(one, names[start : start + 72], Stage.RECEIVED, Stage.SOUNDING)
        await expect(page.locator(".place[data-look=sounding][data-index]")).to_have_count(718)
        assert time.monotonic() - began < 5  # what it takes on a quiet machine is measured by bench/console.py
        await expect(page.locator("[data-test=summary]")).to_have_text("已回执 718 / 718，有问题 0")
