"""The console's own microphone: tried, prepared, on the air by the speakers' word, muted for a cough, ended; refused; busy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from broadcast.domain.live import LiveState
from tests.service.live_stage import ASKED, LiveStage
from tests.town import CHIEF, DUTY, VIEWER
from tests.web.console.console_page import PHONE, SMALL, WIDE, chromium, fits, needs_console, window
from tests.web.live_desk import desk

pytestmark = needs_console
FAKE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium(*FAKE) as one:
        yield one


async def on_the_air(page: Page, stage: LiveStage) -> str:
    """By the word of three speakers; the id of the microphone."""
    await page.click("[data-test=begin]")
    await expect(page.locator("[data-test=lamp]")).to_have_attribute("data-lamp", "waiting")
    mine = [one for one in stage.live.all() if one.officer == DUTY.name and one.order]
    await stage.sound(mine[0])
    await expect(page.locator("[data-test=lamp]")).to_have_attribute("data-lamp", "on_air")
    return mine[0].id


@pytest.mark.parametrize(
    ("language", "width", "words"),
    [("zh-CN", WIDE, ("正在播出", "已静音", "由您结束。")), ("en", PHONE, ("On the air", "Muted", "You ended it."))],
)
async def test_an_officer_tries_the_microphone_speaks_coughs_and_ends_it(
    browser: Browser, tmp_path: Path, language: str, width: int, words: tuple[str, str, str]
) -> None:
    async with desk(tmp_path) as (stage, base):
        token = await stage.town.sign_in(DUTY)
        async with window(browser, base, "/console/live", token=token, language=language, width=width) as page:
            await page.click("[data-test=mic]")
            await expect(page.locator("[data-test=mic]")).to_have_attribute("aria-pressed", "true")
            await expect(page.locator("#lv-device option").first).to_contain_text("Fake")
            await fits(page, width)
            assert await page.evaluate(SMALL) == []
            await page.fill("#lv-headline", "<img src=x onerror=alert(1)>")
            await page.click("[data-test=prepare]")
            await expect(page.locator("[data-test=lamp]")).to_have_attribute("data-lamp", "prelisten")
            assert not [one for one in stage.live.all() if one.order]
            name = await on_the_air(page, stage)
            await expect(page.locator("[data-test=lamp]")).to_contain_text(words[0])
            await expect(page.locator("[data-test=booth] [data-test=sounding]")).to_contain_text("3")
            await fits(page, width)
            await page.keyboard.down("Space")
            await expect(page.locator("[data-test=lamp]")).to_contain_text(words[1])
            assert stage.live.view(name, by=DUTY).muted
            await page.keyboard.up("Space")
            await expect(page.locator("[data-test=lamp]")).to_contain_text(words[0])
            await page.click("[data-test=mute]")
            await expect(page.locator("[data-test=lamp]")).to_contain_text(words[1])
            await page.click("[data-test=mute]")
            await page.click("[data-test=end]")
            await expect(page.locator("[data-test=over]")).to_contain_text(words[2])
            await expect(page.locator("img")).to_have_count(0)
        assert not [one for one in stage.live.all() if one.state is LiveState.ON_AIR]


async def test_who_has_the_air_is_named_and_a_wrong_field_says_so(browser: Browser, tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base):
        await stage.ready(ASKED, by=CHIEF)
        token = await stage.town.sign_in(DUTY)
        async with window(browser, base, "/console/live", token=token) as page:
            await expect(page.locator("[data-test=speaking]")).to_contain_text(CHIEF.name)
            await page.fill("#lv-minutes", "9999")
            await page.evaluate("document.querySelector('[data-test=live-form]').noValidate = true")
            await page.click("[data-test=prepare]")
            await expect(page.locator("#lv-minutes-errors li")).to_have_count(1)
            await page.fill("#lv-minutes", "5")
            await page.click("[data-test=prepare]")
            begin = page.locator("[data-test=begin]")
            await expect(begin.or_(page.locator(".problem"))).to_be_visible()
            if await begin.is_visible():
                await begin.click()
            await expect(page.locator(".problem")).to_contain_text(CHIEF.name)


async def test_an_officer_on_the_air_does_not_leave_the_page_by_a_slip(browser: Browser, tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base):
        token = await stage.town.sign_in(DUTY)
        async with window(browser, base, "/console/live", token=token) as page:
            await page.click("[data-test=prepare]")
            await expect(page.locator("[data-test=lamp]")).to_have_attribute("data-lamp", "prelisten")
            await on_the_air(page, stage)
            await page.locator("nav a[href='/console/wall']").first.click()
            await expect(page.locator("[data-test=lamp]")).to_have_attribute("data-lamp", "on_air")
            assert page.url.endswith("/live")
            await page.click("[data-test=end]")
            await expect(page.locator("[data-test=over]")).to_be_visible()
            await page.locator("nav a[href='/console/wall']").first.click()
            await expect(page).to_have_url(f"{base}/console/wall")


async def test_an_exercise_says_so_in_every_button(browser: Browser, tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base):
        token = await stage.town.sign_in(DUTY)
        async with window(browser, base, "/console/live", token=token) as page:
            await page.locator("[data-test=exercise]").check()
            await expect(page.locator("[data-test=prepare]")).to_have_text("准备演练喊话")
            await page.click("[data-test=prepare]")
            await expect(page.locator("[data-test=booth]")).to_have_attribute("data-exercise", "true")
            await expect(page.locator("[data-test=begin]")).to_contain_text("开始演练喊话")


async def test_who_may_not_speak_is_told_and_gets_no_button(browser: Browser, tmp_path: Path) -> None:
    async with desk(tmp_path) as (stage, base):
        token = await stage.town.sign_in(VIEWER)
        async with window(browser, base, "/console/live", token=token) as page:
            await expect(page.locator("main")).to_contain_text("您没有直播权限")
            await expect(page.locator("[data-test=prepare]")).to_have_count(0)
