"""Alarms sound until somebody answers by name; whether they can be heard stands in the header."""

from playwright.async_api import Browser, expect

from tests.town import VIEWER, Town
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


async def test_sound_is_off_until_a_person_switches_it_on(browser: Browser, there: Town) -> None:
    async with console(browser, there) as page:
        button = page.locator("header .chip[aria-pressed]")
        await expect(button).to_contain_text("声音未开")
        await button.click()
        await expect(button).to_contain_text("声音已开")
