"""What stands round every page: the red bar, keys, languages, a session that ends, a server that is gone."""

import re

from playwright.async_api import Browser, Page, expect

from broadcast.domain.broadcasts import StartBroadcast
from broadcast.web.services import Services
from endpoints.protocol import Kind, Severity, Stage
from tests.town import CITY, DUTY, PASSWORD, VIEWER, Town
from tests.web.console.console_page import PHONE, console, fits, needs_console

pytestmark = needs_console
RED = StartBroadcast(
    kind=Kind.EMERGENCY, severity=Severity.RED, areas=(CITY,), text="山洪，请转移。", headline="山洪红色预警", minutes=5
)


async def on_air(there: Town) -> str:
    return (await there.services.broadcasts.start(RED, by=DUTY)).ids[0]


def live(services: Services) -> list[str]:
    return [one.headline for one in services.broadcasts.live()]


async def test_stop_is_one_key_and_one_press_from_any_page(browser: Browser, there: Town) -> None:
    await on_air(there)
    async with console(browser, there, "/console/about") as page:
        await expect(page.locator("[data-test=alert-bar]")).to_contain_text("山洪红色预警")
        await page.keyboard.press("F10")
        await page.click("[data-test=end-confirm]")
        await expect(page.locator("[data-test=alert-bar]")).to_have_count(0)
        assert live(there.services) == []


async def test_an_all_clear_and_a_correction_come_with_their_words(browser: Browser, there: Town) -> None:
    await on_air(there)
    async with console(browser, there, language="en") as page:
        await page.click("[data-test=correct]")
        await expect(page.locator("#end-text")).to_have_value(re.compile("更正"))
        await page.click("[data-test=end-confirm]")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert all(one != "山洪红色预警" for one in live(there.services))
        corrected = live(there.services)
        assert len(corrected) == 1
        await page.click("[data-test=clear]")
        await page.fill("#end-text", "解除了，请回家。")
        await page.click("[data-test=end-confirm]")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert [one.text for one in there.services.broadcasts.live()] == ["解除了，请回家。"]


async def test_an_order_is_on_the_air_when_a_speaker_says_so_and_not_before(browser: Browser, there: Town) -> None:
    async with console(browser, there) as page:
        banner = page.locator("[data-test=on-air]")
        await expect(banner).to_have_attribute("data-tone", "silent")
        one = await on_air(there)
        await expect(banner).to_contain_text("已发出，还没有终端回报")
        await there.report(one, list(there.services.estate.speakers)[:7], Stage.RECEIVED, Stage.SOUNDING)
        await expect(banner).to_contain_text("正在播出")
        await expect(banner).to_contain_text("7 / 718")


async def test_what_is_wrong_is_told_to_a_viewer_too_who_has_no_button(browser: Browser, there: Town) -> None:
    await on_air(there)
    there.services.health.raise_("key-ends", days="7")
    async with console(browser, there, officer=VIEWER) as page:
        await expect(page.locator("[data-test=health]")).to_contain_text("签名密钥还有 7 天到期")
        await expect(page.locator("[data-test=alert-bar]")).to_contain_text("山洪红色预警")
        assert await page.locator("[data-test=stop], [data-test=red-button]").count() == 0


async def test_keys_lead_to_pages_and_can_be_switched_off(browser: Browser, there: Town) -> None:
    async with console(browser, there) as page:
        await page.wait_for_selector("[data-test=wall] .place")
        for keys, path in (("gw", "/console/wall"), ("gd", "/console/")):
            for key in keys:
                await page.keyboard.press(key)
            await page.wait_for_url(f"**{path}")
        await page.keyboard.press("F9")
        await page.wait_for_url("**/console/emergency")
        await page.keyboard.press("?")
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("F10")
        await dialog.get_by_role("checkbox").uncheck()
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        assert await page.locator("nav kbd").count() == 0
        await page.keyboard.press("g")
        await page.keyboard.press("w")
        await page.wait_for_timeout(200)
        assert page.url.endswith("/console/emergency")


async def test_the_language_and_the_look_stay_chosen(browser: Browser, there: Town) -> None:
    async with console(browser, there) as page:
        await page.click("header details summary")
        await page.locator("header select").nth(0).select_option("en")
        await expect(page.locator("nav")).to_contain_text("Speakers")
        await page.locator("header select").nth(1).select_option("contrast")
        await page.reload()
        await expect(page.locator("nav")).to_contain_text("Speakers")
        assert await page.locator("html").get_attribute("data-theme") == "contrast"
        assert await page.title() == "Desk · Lianbo console"


async def test_who_is_signed_out_signs_in_on_top_of_the_page_and_goes_on(browser: Browser, there: Town) -> None:
    async with console(browser, there, "/console/wall") as page:
        await page.wait_for_selector("[data-test=wall] .place")
        await page.context.clear_cookies()
        await page.locator("[data-test=wall] .place").nth(3).click()  # asks the server
        dialog = page.get_by_role("dialog", name="请重新登录")
        await expect(dialog).to_be_visible()
        assert await page.locator("[data-test=drawer]").count() == 1, "the page below is as it was"
        assert await page.input_value("input[name=username]") == "duty"
        await page.fill("input[name=password]", PASSWORD)
        await page.keyboard.press("Enter")
        await expect(dialog).to_be_hidden()
        assert page.url.endswith("/console/wall")
        one = await on_air(there)
        await there.report(one, list(there.services.estate.speakers)[:5], Stage.RECEIVED)
        await expect(page.locator(".place[data-look=received][data-index]")).to_have_count(5)


async def test_who_signs_out_is_at_the_door(browser: Browser, there: Town) -> None:
    async with console(browser, there) as page:
        await page.click("header details summary")
        await page.click("[data-test=sign-out]")
        await page.wait_for_url("**/console/login")
        await page.goto("/console/wall")
        await page.wait_for_url("**/console/login?next=/console/wall")


async def test_the_exercise_has_its_own_frame_words_and_watermark(browser: Browser, there: Town) -> None:
    async with console(browser, there) as page:
        await page.click("header details summary")
        await page.get_by_label("演练模式").check()
        await expect(page.locator(".shell")).to_have_attribute("data-mode", "exercise")
        await expect(page.locator(".watermark")).to_be_visible()
        await expect(page.locator("[data-test=red-button]")).to_contain_text("演练")


async def tab_to(page: Page, wanted: str, *, most: int = 60) -> None:
    for _ in range(most):
        await page.keyboard.press("Tab")
        if await page.evaluate("(wanted) => document.activeElement?.matches(wanted) ?? false", wanted):
            return
    raise AssertionError(f"{wanted} is not reached by the Tab key")


async def test_the_first_key_leads_past_the_navigation(browser: Browser, there: Town) -> None:
    async with console(browser, there) as page:
        await page.wait_for_selector("[data-test=wall] .place")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"
        await tab_to(page, "[data-test=red-button]")
        await tab_to(page, ".place")
        await tab_to(page, "body, a, button:not(.place)", most=1)  # the wall is one stop, not 718


async def test_names_of_people_are_text(browser: Browser, there: Town) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    await there.services.broadcasts.start(
        StartBroadcast(
            kind=Kind.EMERGENCY, severity=Severity.RED, areas=(CITY,), text="山洪。", headline=nasty, minutes=5
        ),
        by=DUTY,
    )
    async with console(browser, there, "/console/wall") as page:
        await expect(page.locator("[data-test=alert-bar]")).to_contain_text(nasty)
        assert await page.locator("img").count() == 0


async def test_every_page_of_the_navigation_opens_on_a_phone(browser: Browser, there: Town) -> None:
    async with console(browser, there, width=PHONE) as page:
        await page.click("header .menu")
        paths = [str(await one.get_attribute("href")) for one in await page.locator("nav a").all()]
        assert len(paths) >= 18
        for path in paths:
            await page.goto(path)
            await page.wait_for_selector("main h1")
            await fits(page, PHONE)


async def test_a_locked_screen_still_shows_and_stops_and_opens_with_the_password(browser: Browser, there: Town) -> None:
    await on_air(there)
    async with console(browser, there) as page:
        await page.click("header details summary")
        await page.click("[data-test=lock]")
        await expect(page.locator("[data-test=locked]")).to_contain_text("屏幕已锁定")
        await expect(page.locator("[data-test=wall] .place")).to_have_count(718)
        await expect(page.locator("[data-test=correct]")).to_have_count(0)
        await page.click("[data-test=stop]")
        await page.click("[data-test=end-confirm]")
        await expect(page.locator("[data-test=alert-bar]")).to_have_count(0)
        assert live(there.services) == []
        await page.click("[data-test=locked] button")
        await page.fill("#secret", "wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
        await page.fill("#secret", PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-test=locked]")).to_have_count(0)


async def test_a_screen_that_nobody_touches_locks_itself(browser: Browser, there: Town) -> None:
    async with console(browser, there) as page:
        await page.clock.install()
        await page.reload()
        await page.wait_for_selector("[data-test=wall] .place")
        minutes = there.services.officers.rules.lock_after_min
        await page.clock.run_for((minutes + 1) * 60_000)
        await expect(page.locator("[data-test=locked]")).to_be_visible()


async def test_who_signs_in_for_exercises_only_has_no_other_mode(browser: Browser, there: Town) -> None:
    async with console(browser, there, officer=None) as page:
        await page.check("input[name=exercise]")
        await page.fill("input[name=username]", "duty")
        await page.fill("input[name=password]", PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.locator(".shell")).to_have_attribute("data-mode", "exercise")
        await page.click("header details summary")
        await expect(page.get_by_label("演练模式")).to_be_disabled()


async def test_the_minute_by_minute_look_of_a_page_keeps_nobody_signed_in(browser: Browser, there: Town) -> None:
    async with console(browser, there) as page:
        await page.wait_for_selector("[data-test=wall] .place")
        async with page.expect_request("**/api/v1/as-run*") as asked:
            await page.reload()
        assert (await asked.value).headers["lianbo-unattended"] == "1"
