"""The console from the door to the live wall, in both languages and on a phone."""

import pytest
from playwright.async_api import Browser, expect

from broadcast.domain.broadcasts import StartBroadcast
from endpoints.protocol import Kind, Severity, Stage
from tests.town import CITY, DUTY, Town
from tests.web.console.console_page import PHONE, SMALL, WIDE, console, fits, needs_console, sign_in

pytestmark = needs_console
RED = StartBroadcast(
    kind=Kind.EMERGENCY, severity=Severity.RED, areas=(CITY,), text="山洪，请转移。", headline="山洪红色预警", minutes=5
)


async def test_who_signs_in_comes_to_where_they_wanted(browser: Browser, there: Town) -> None:
    async with console(browser, there, "/console/wall", officer=None) as page:
        await sign_in(page, password="wrong")
        await expect(page.get_by_role("alert")).to_be_visible()
        await sign_in(page)
        await expect(page.locator("[data-test=wall] .place")).to_have_count(718)
        assert page.url.endswith("/console/wall")


@pytest.mark.parametrize(("language", "width"), [("zh-CN", WIDE), ("en", WIDE), ("zh-CN", PHONE), ("en", PHONE)])
async def test_the_wall_fills_by_itself(browser: Browser, there: Town, language: str, width: int) -> None:
    there.services.speakers.gone("s-130281100200-1")
    async with console(browser, there, "/console/wall", language=language, width=width) as page:
        places = page.locator("[data-test=wall] .place")
        await expect(places).to_have_count(718)
        await expect(page.locator(".place[data-look=idle][data-index]")).to_have_count(717)
        one = (await there.services.broadcasts.start(RED, by=DUTY)).ids[0]
        await expect(page.locator(".place[data-look=expected][data-index]")).to_have_count(717)
        names = [name for name in there.services.estate.speakers if name != "s-130281100200-1"]
        await there.report(one, names[:400], Stage.RECEIVED, Stage.SOUNDING)
        await expect(page.locator(".place[data-look=sounding][data-index]")).to_have_count(400)
        await expect(page.locator(".place[data-look=offline][data-index]")).to_have_count(1)
        await expect(page.locator("[data-test=alert-bar]")).to_contain_text("山洪红色预警")
        assert await page.locator("html").get_attribute("lang") == language
        await fits(page, width)
        assert await page.evaluate(SMALL) == []
