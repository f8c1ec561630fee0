"""Alarms sound until somebody answers by name; whether they can be heard stands in the header."""

from playwright.async_api import Browser, expect

from broadcast.domain.shifts import Item
from tests.town import DUTY, VIEWER, Town
from tests.web.console.console_page import console, needs_console

pytestmark = needs_console


async def ring(there: Town) -> None:
    there.services.health.raise_("broker-down")
    await there.services.watch.alarms.tick()


async def test_the_oldest_alarm_is_answered_by_one_key_a_reason_and_a_press(browser: Browser, there: Town) -> None:
    await ring(there)
    async with console(browser, there) as page:
        chip = page.locator("header a[href='/console/alarms']")
        await expect(chip).to_contain_text("1")
        await page.keyboard.press("F2")
        dialog = page.get_by_role("dialog", name="确认告警")
        await expect(dialog).to_contain_text("消息服务器不可用")
        await dialog.get_by_role("button", name="已派人查看").click()
        await page.click("[data-test=acknowledge]")
        await expect(dialog).to_be_hidden()
        assert sum(there.services.watch.alarms.sounding.values()) == 0
        await page.goto("/console/alarms")
        await expect(page.locator("[data-test=alarm]")).to_contain_text("已派人查看")


async def test_an_answer_without_a_reason_is_refused_at_its_field(browser: Browser, there: Town) -> None:
    await ring(there)
    async with console(browser, there, "/console/alarms", language="en") as page:
        await page.locator("[data-test=alarm] button").click()
        await page.fill("#alarm-reason", "   ")
        await page.click("[data-test=acknowledge]")
        await expect(page.get_by_role("dialog").locator("#alarm-reason-errors, [role=alert]").first).to_be_visible()


async def test_who_may_not_answer_is_not_asked(browser: Browser, there: Town) -> None:
    await ring(there)
    async with console(browser, there, "/console/alarms", officer=VIEWER) as page:
        await expect(page.locator("[data-test=alarm]")).to_have_count(1)
        await page.keyboard.press("F2")
        await page.wait_for_timeout(200)
        assert await page.locator("[data-test=alarm] button, [role=dialog]:visible").count() == 0


SWITCH = "header .chip[aria-pressed]"


async def test_sound_is_kept_back_by_the_browser_until_the_first_press_and_the_header_is_orange(
    browser: Browser, there: Town
) -> None:
    async with console(browser, there) as page:
        await expect(page.locator("header")).to_have_attribute("data-sound", "blocked")
        await expect(page.locator(SWITCH)).to_contain_text("声音被浏览器拦住")
        await page.locator("main").click(position={"x": 3, "y": 3})
        await expect(page.locator(SWITCH)).to_contain_text("声音已开")
        await page.click(SWITCH)
        await expect(page.locator(SWITCH)).to_contain_text("声音未开")
        await page.reload()
        await page.locator("main").click(position={"x": 3, "y": 3})
        await expect(page.locator(SWITCH)).to_contain_text("声音未开")  # who switched it off meant it


async def test_an_alarm_at_a_machine_without_sound_says_so_in_its_place(browser: Browser, there: Town) -> None:
    await ring(there)
    async with console(browser, there, language="en") as page:
        strip = page.locator("[data-test=mute]")
        await expect(strip).to_contain_text("An alarm rings, but this machine makes no sound")
        await strip.get_by_role("button").click()
        await expect(strip).to_have_count(0)
        await expect(page.locator(SWITCH)).to_contain_text("Sound on")


async def test_whoever_takes_the_watch_hears_the_alarms_once_and_says_so(browser: Browser, there: Town) -> None:
    await there.services.watch.shifts.take(checked=list(Item), by=DUTY)
    async with console(browser, there) as page:
        strip = page.locator("[data-test=sound-check]")
        await expect(strip).to_contain_text("值班开始：声音自检")
        await page.click("[data-test=sound-play]")
        await page.click("[data-test=sound-heard]")
        await expect(strip).to_have_count(0)
        async with page.expect_response("**/api/v1/shifts/current"):
            await page.reload()
        await expect(strip).to_have_count(0)
