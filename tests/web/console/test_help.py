"""The newcomer: nothing but the help page, and the emergency drill is done in two minutes."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.plans import Plan
from endpoints.protocol import Kind, Severity
from tests.town import CHIEF, CITY, DUTY, Town
from tests.web.console.console_page import PHONE, WIDE, console, fits, needs_console

pytestmark = needs_console
QUOTED = re.compile(r"[“\"]([^”\"]+)[”\"]")
FLOOD = StartBroadcast(kind=Kind.EMERGENCY, severity=Severity.RED, areas=(CITY,), text="山洪，请立即转移。", minutes=5)
READING_S = 60.0  # of the seven steps, slowly: 700 characters a minute are usual


async def with_a_plan(there: Town) -> None:
    saved = await there.services.plans.add(Plan("", "洪水", "", FLOOD, hotkey=1), by=DUTY)
    await there.services.plans.approve(saved.plan.id, by=CHIEF, revision=saved.revision)


async def press_what_is_quoted(page: Page, step: str, which: int = 0) -> None:
    """The button or field that the step names, by the words that it names."""
    words = QUOTED.findall(step)[which]
    named = (
        page.get_by_role("button", name=words)
        .or_(page.get_by_label(words))
        .or_(page.locator("summary", has_text=words))
    )
    await named.first.click()


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_a_newcomer_who_follows_the_page_has_drilled_an_emergency(
    browser: Browser, there: Town, language: str
) -> None:
    await with_a_plan(there)
    began: float = there.clock.monotonic()
    async with console(browser, there, "/console/help", language=language) as page:
        steps = [(await one.inner_text()) for one in await page.locator("[data-test=steps] > li > b").all()]
        assert len(steps) == 7
        mode, first_key, plan, send, watch, stop, leave = steps
        await press_what_is_quoted(page, mode, 0)
        await press_what_is_quoted(page, mode, 1)
        await expect(page.locator(".shell")).to_have_attribute("data-mode", "exercise")
        await page.keyboard.press("Escape")
        for step in (first_key, plan):
            [key] = re.findall(r"(?:按|[Pp]ress) (F?\d+)", step)[:1]
            await page.wait_for_timeout(0) if key == "F9" else await page.wait_for_selector("[data-test=plan-1]")
            await page.keyboard.press(key)
        assert re.search(r"2 (?:秒|seconds)", send)
        button = page.locator("[data-test=hold]")
        await expect(button).to_contain_text("演练" if language == "zh-CN" else "EXERCISE")
        await button.click(delay=2_300)
        [headline] = [QUOTED.findall(watch)[0]]
        await expect(page).to_have_title(re.compile(re.escape(headline)))
        assert [one.order.exercise for one in there.services.broadcasts.live()] == [True]
        [key] = re.findall(r"F\d+", stop)
        await page.keyboard.press(key)
        await press_what_is_quoted(page.get_by_role("dialog"), stop)  # type: ignore[arg-type]
        await expect(page.locator("[data-test=alert-bar]")).to_have_count(0)
        assert there.services.broadcasts.live() == []
        await press_what_is_quoted(page, leave, 0)
        await press_what_is_quoted(page, leave, 1)
        await expect(page.locator(".shell")).to_have_attribute("data-mode", "live")
        topics = {topic for topic, _ in there.wire.published}
        assert {topic.split("/")[0] for topic in topics} == {"ex"}, topics
    assert there.clock.monotonic() - began + READING_S < 120


@pytest.mark.parametrize(("language", "width"), [("zh-CN", PHONE), ("en", WIDE)])
async def test_the_page_explains_every_shape_and_every_key_there_is(
    browser: Browser, there: Town, language: str, width: int
) -> None:
    async with console(browser, there, "/console/help", language=language, width=width) as page:
        await expect(page.locator("#shapes dt")).to_have_count(16)
        await expect(page.locator("#keys")).to_contain_text("F9")
        await expect(page.locator("#keys")).to_contain_text("g d")
        assert "help." not in await page.locator("main").inner_text()
        await fits(page, width)
