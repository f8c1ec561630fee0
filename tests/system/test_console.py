"""The console in a real browser on a whole server: broker, speakers that answer, a store on disk."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from broadcast.domain.officers import Officer, Role
from tests.system.city import CITY, OFFICER, City, city
from tests.web.console.console_page import PHONE, WIDE, chromium, fits, needs_console, sign_in, window

pytestmark = needs_console[1:]
PASSWORD = "correct horse battery"
WANG = Officer("wang", "王芳", Role.DUTY, CITY)
QUIET = {"RULES_QUIET_FROM": "00:00", "RULES_QUIET_UNTIL": "00:00"}


@pytest.fixture
async def forty(tmp_path: Path) -> AsyncIterator[City]:
    async with city(tmp_path, count=40, **QUIET) as one:
        await one.server.officers.add(WANG, PASSWORD, by=OFFICER)
        yield one


async def test_an_alert_fills_the_wall_from_its_speakers_and_is_stopped_from_the_red_bar(forty: City) -> None:
    async with (
        chromium() as browser,
        window(browser, forty.server.address, "/") as page,
        window(browser, forty.server.address, "/console/wall", language="en", width=PHONE) as phone,
    ):
        for one, width in ((page, WIDE), (phone, PHONE)):
            await sign_in(one, "wang", PASSWORD)
            await expect(one.locator(".place[data-look=idle][data-index]")).to_have_count(40)
            await fits(one, width)
        body = {"kind": "emergency", "severity": "red", "areas": [CITY], "minutes": 5, "repeats": 20}
        answer = await page.request.post("/api/v1/broadcasts", data=body)
        assert answer.status == 202, await answer.text()
        for one in (page, phone):
            await expect(one.locator(".place[data-look=sounding][data-index]")).to_have_count(40, timeout=15_000)
        await expect(page.locator("[data-test=on-air]")).to_contain_text("40 / 40")
        await phone.locator(".place[data-look=sounding][data-index]").first.click()
        await expect(phone.locator("[data-test=drawer] .ladder li").nth(1)).to_be_visible()
        await phone.keyboard.press("Escape")
        await page.click("[data-test=stop]")
        await page.click("[data-test=end-confirm]")
        for one in (page, phone):
            await expect(one.locator("[data-test=alert-bar]")).to_have_count(0)
            await expect(one.locator(".place[data-look=idle][data-index]")).to_have_count(40, timeout=15_000)
