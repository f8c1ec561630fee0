"""The library of sounds in the browser: sent with its progress, refused at the file, heard, approved, deleted when unused."""

from datetime import timedelta

import pytest
from playwright.async_api import Browser, Page, expect

from tests.town import CHIEF, Town
from tests.web.console.console_page import PHONE, SMALL, WIDE, console, fits, needs_console

pytestmark = needs_console
SOUNDS = "/console/assets"
MARKUP = "<img src=x onerror=alert(1)>"


async def send(page: Page, data: bytes, *, name: str, licence: str = "自行录制", file_name: str = "a.mp3") -> None:
    await page.set_input_files("#as-file", {"name": file_name, "mimeType": "audio/mpeg", "buffer": data})
    await page.fill("#as-name", name)
    await page.fill("#as-licence", licence)
    await page.click("[data-test=send]")


@pytest.mark.parametrize(
    ("language", "width", "refusal"), [("zh-CN", WIDE, "静音：0:12–0:31"), ("en", PHONE, "Silent from 0:12–0:31")]
)
async def test_a_refused_file_says_so_at_the_file_and_a_good_one_is_in_the_library(
    browser: Browser, there: Town, language: str, width: int, refusal: str
) -> None:
    async with console(browser, there, SOUNDS, language=language, width=width) as page:
        await page.locator("[data-test=upload-details] > summary").click()
        await send(page, b"refused: silent", name="无声")
        await expect(page.locator("#as-file-errors")).to_contain_text(refusal)
        await expect(page.locator("#as-file")).to_have_attribute("aria-invalid", "true")
        await expect(page.locator("#as-licence")).to_have_value("自行录制")  # nothing has to be typed again
        await expect(page.locator("[data-test=uploads]")).to_contain_text(refusal)
        await fits(page, width)
        assert await page.evaluate(SMALL) == []
        await send(page, b"a song" * 100, name=MARKUP)
        await expect(page.locator("[data-test=assets] tbody tr")).to_have_count(1)
        await expect(page.locator("[data-test=assets]")).to_contain_text(MARKUP)
        await expect(page.locator("img")).to_have_count(0)
        await expect(page.locator("[data-test=drawer]")).to_contain_text("LUFS")
        await expect(page.locator("[data-test=drawer] [data-test=waveform]")).to_be_visible()
        await fits(page, width)


async def test_a_file_without_a_word_of_its_licence_is_refused_at_that_field(browser: Browser, there: Town) -> None:
    async with console(browser, there, SOUNDS) as page:
        await page.locator("[data-test=upload-details] > summary").click()
        await send(page, b"a song" * 100, name="早安", licence="")
        await expect(page.locator("#as-licence-errors li")).to_have_count(1)


async def test_a_sound_is_approved_by_another_gets_its_expiry_and_is_deleted_when_unused(
    browser: Browser, there: Town
) -> None:
    async with console(browser, there, SOUNDS) as page:
        await page.locator("[data-test=upload-details] > summary").click()
        await send(page, b"a song" * 100, name="早安")
        drawer = page.locator("[data-test=drawer]")
        await expect(drawer).to_contain_text("待审批")
    async with console(browser, there, SOUNDS, officer=CHIEF) as page:
        await page.get_by_role("button", name="早安", exact=True).click()
        await page.click("[data-test=approve-asset]")
        await expect(page.locator("[data-test=drawer]")).to_contain_text("已审批")
        await page.fill("#as-until", "2099-01-31")
        await page.get_by_role("button", name="设置有效期").click()
        await expect(page.locator("#as-until-errors li")).to_have_count(1)
        day = (there.clock.now().date() + timedelta(days=100)).isoformat()
        await page.fill("#as-until", day)
        await page.get_by_role("button", name="设置有效期").click()
        await expect(page.locator("[data-test=assets]")).to_contain_text(day)
        await expect(page.locator("#as-until")).to_have_value(day)
        await page.click("[data-test=delete]")
        await page.click("[data-test=delete-sure]")
        await expect(page.locator("[data-test=assets] tbody tr")).to_have_count(0)


async def test_a_text_is_heard_as_it_will_sound(browser: Browser, there: Town) -> None:
    async with console(browser, there, SOUNDS) as page:
        await page.locator("[data-test=speech-details] > summary").click()
        await page.fill("#sp-text", "今天停水。")
        await page.click("[data-test=speak]")
        await expect(page.locator("[data-test=spoken]")).to_contain_text("今天停水。")
        await page.fill("#sp-text", "x" * 10_001)
        await page.click("[data-test=speak]")
        await expect(page.locator("#sp-text-errors li")).to_have_count(1)
