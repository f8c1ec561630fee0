"""The duty desk in a real Chromium: without scripts it starts and stops, with them the wall fills by itself."""

import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from endpoints.protocol import Stage
from tests.plans import daily
from tests.town import CITY, DUTY, PASSWORD, TOWNSHIP, Town, town
from tests.web.browser import served

CHROMIUM = shutil.which("chromium") or ""
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine; ./dev test brings it")
TEXT = "山洪红色预警，沿河各村请立即向高处转移。"
SMALL = """[...document.querySelectorAll('button, .button, input:not([type=hidden]), .tile, summary, label.choice')]
    .filter(one => one.getClientRects().length)
    .filter(one => !(one.closest('label') && one.tagName === 'INPUT'))
    .map(one => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
    .filter(([, box]) => box.width < 24 || box.height < 24)"""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()


@asynccontextmanager
async def desk(there: Town, *, scripts: bool = True, width: int = 1600) -> AsyncIterator[Page]:
    """Signed in, with everything that the browser complains about held against us at the end."""
    complaints: list[str] = []
    async with served(there) as base, chromium() as browser:
        viewport = {"width": width, "height": 1000 if width > 500 else 844}
        context: BrowserContext = await browser.new_context(
            java_script_enabled=scripts,
            base_url=base,
            viewport=viewport,  # type: ignore[arg-type]
        )
        page = await context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if is_complaint(line) else None)
        await page.goto("/emergency")
        await page.fill("#name", "duty")
        await page.fill("#password", PASSWORD)
        await page.click("main button")
        await page.wait_for_selector("#desk")
        yield page
        await context.close()
    assert complaints == []


def is_complaint(line: ConsoleMessage) -> bool:
    """A form that is refused comes back as 422, and Chromium says so."""
    return line.type in ("error", "warning") and "422 (Unprocessable Entity)" not in line.text


async def trigger(page: Page) -> str:
    """By hand, from the desk to the wall; the broadcast's id."""
    await page.check("input[name=severity][value=red]")
    await page.check(f"input[name=areas][value='{CITY}']")
    await page.fill("#text", TEXT)
    await page.click("#desk .submit button")
    await page.fill("#typed", "690")
    await page.click("#go")
    await page.wait_for_selector("#wall")
    return page.url.rsplit("/", 1)[1]


async def test_without_scripts_it_starts_shows_and_stops() -> None:
    async with town() as there:
        there.all_there()
        async with desk(there, scripts=False) as page:
            one = await trigger(page)
            assert [live.id for live in there.services.broadcasts.live()] == [one]
            assert await page.locator("#wall .tile.expected").count() == 718
            await there.report(one, list(there.services.estate.speakers)[:300], Stage.RECEIVED, Stage.SOUNDING)
            await expect(page.locator("#wall .tile.sounding")).to_have_count(300)  # by refresh
            await page.click("main a[href$='/stop']")
            await page.click("main button.danger")
            await page.wait_for_selector("text=已停播")
            assert there.services.broadcasts.live() == []


async def test_stopping_takes_two_clicks_from_any_page() -> None:
    async with town() as there, desk(there) as page:
        await trigger(page)
        await page.goto("/emergency")
        await page.click(".stop-all")
        await page.click("main button.danger")
        await page.wait_for_selector("#desk")
        assert there.services.broadcasts.live() == []


async def test_the_wall_fills_by_itself_and_follows_the_end() -> None:
    async with town() as there:
        there.all_there(but=["s-130281100200-1"])
        async with desk(there) as page:
            one = await trigger(page)
            names = [name for name in there.services.estate.speakers if name != "s-130281100200-1"]
            began = time.perf_counter()
            for start in range(0, 717, 40):
                await there.report(one, names[start : start + 40], Stage.RECEIVED, Stage.SOUNDING)
            await expect(page.locator("#wall .tile.sounding")).to_have_count(717)
            print(f"717 cells shown {(time.perf_counter() - began) * 1000:.0f} ms after the first report")
            assert await page.locator("#wall .tile.offline").count() == 1
            assert await page.inner_text("#missing-total") == "1"
            assert "东坝村" in await page.inner_text("#missing")
            assert await page.inner_text("#legend [data-look=sounding] b") == "717"
            there.clock.advance(60)  # nobody believes an end before it can have come
            await there.report(one, names, Stage.FINISHED)
            await expect(page.locator("#wall .tile.done")).to_have_count(717)
            await there.services.broadcasts.stop(one, by=DUTY)
            await page.wait_for_selector("#life:has-text('已停播')")
            assert await page.locator("main a[href$='/stop']").count() == 0


async def test_a_wall_that_hears_nothing_is_hatched_and_says_since_when() -> None:
    async with town() as there, desk(there) as page:
        await trigger(page)
        await page.wait_for_selector("#wall")
        await page.clock.install()
        await page.reload()
        await page.wait_for_selector("#wall")
        await page.clock.run_for(21_000)
        await page.wait_for_selector("#wall.stale")
        assert "没有收到更新" in await page.inner_text("#stale")


async def test_it_works_from_the_keyboard_alone() -> None:
    async with town() as there, desk(there) as page:
        await trigger(page)
        first = page.locator("#wall .tile").first
        await first.focus()
        await page.keyboard.press("ArrowRight")
        assert await page.evaluate("document.activeElement.id") == "t1"
        await page.goto("/emergency")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"


async def test_the_search_finds_a_village_and_a_phone_needs_no_sideways_scrolling() -> None:
    async with town() as there, desk(there, width=390) as page:
        await page.fill("#search", "东坝村")
        shown = page.locator(".villages .choice:visible")
        await expect(page.locator(".township:visible", has_text="华明路街道")).to_have_count(0)
        assert await shown.count() >= 1
        assert "东坝村" in await shown.first.inner_text()
        await page.fill("#search", "")
        await there.services.programmes.add(daily(title="一个名字很长很长很长很长很长很长很长很长的节目"), by=DUTY)
        plan = ("/programmes", "/programmes/new", "/programmes/record", "/programmes/staging")
        for path in ("/emergency", "/emergency/wall", "/emergency/stop-all", *plan):
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390
            assert await page.evaluate(SMALL) == []


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_template_is_filled_heard_corrected_and_cleared_on_a_phone(scripts: bool) -> None:
    async with town() as there, desk(there, scripts=scripts, width=390) as page:

        async def is_fit_for_a_phone() -> None:
            if scripts:
                assert await page.evaluate("document.documentElement.scrollWidth") <= 390, page.url
                assert await page.evaluate(SMALL) == [], page.url

        await page.click(".templates summary")
        await is_fit_for_a_phone()
        await page.click("a[href$='/templates/flood']")
        await page.wait_for_selector("#template")
        await is_fit_for_a_phone()
        await page.click("#template .submit button")
        assert await page.locator("#fault-areas, #fault-place").count() >= 1
        await is_fit_for_a_phone()
        await page.check("input[name=severity][value=red]")
        await page.check(f"input[name=areas][value='{CITY}']")
        await page.fill("#i-place", "沙河两岸")
        await page.fill("#i-gap-river", "沙河")
        await page.focus("#i-until")
        await page.keyboard.type("明天8时")
        await page.keyboard.press("Enter")  # the form needs no mouse
        await page.wait_for_selector(".locked")
        assert await page.locator("audio[controls]").count() == 1
        await is_fit_for_a_phone()
        await page.fill("#typed", "690")
        await page.click("#go")
        await page.wait_for_selector("#wall")
        await is_fit_for_a_phone()
        (alert,) = there.services.broadcasts.live()
        assert alert.text.startswith("遵化市应急广播发布洪水红色预警。沙河两岸，")
        await page.click("main a[href$='/all-clear']")
        await is_fit_for_a_phone()
        await page.check(f"input[name=areas][value='{TOWNSHIP}']")
        await page.click("button[value=whole]")  # that is not what is ticked
        await page.wait_for_selector("#fault-areas")
        await page.click("button[value=chosen]")
        await page.wait_for_selector("#wall")
        rest = await there.services.broadcasts.get(alert.id)
        assert rest.is_live(there.clock.now_ms()) and not rest.means("s-1", TOWNSHIP)
        await page.goto(f"/emergency/broadcasts/{alert.id}")
        await page.click("main a[href$='/withdraw']")
        await is_fit_for_a_phone()
        await page.click("main button.danger")
        await page.wait_for_selector("#wall")
        assert any(one.replaces == alert.id and "现予更正" in one.text for one in there.services.broadcasts.live())
