"""In exercise mode every button that acts says so, on every page of the desk, in both languages; frame and watermark are there."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from broadcast.domain.approval_policy import Demand, Policy, Rule
from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.officers import Officer, Role
from endpoints.protocol import Kind, Severity
from tests.system.city import OFFICER, city
from tests.town import CITY, DUTY, PASSWORD, Town
from tests.web.console.console_page import console, needs_console, window

pytestmark = needs_console
MARK = {"zh-CN": "【演练】", "en": "exercise"}
EXERCISE = StartBroadcast(
    kind=Kind.EMERGENCY,
    severity=Severity.ORANGE,
    areas=(CITY,),
    text="演练。",
    headline="演练",
    minutes=9,
    exercise=True,
)
ACTING = "[...document.querySelectorAll('[data-acts]')].filter((one) => one.getClientRects().length)"
ON = "sessionStorage.setItem('lianbo.exercise', '1');"


async def all_say_so(page: Page, language: str, least: int) -> None:
    """Of the buttons that act, and at least so many are there."""
    await expect(page.locator(".shell")).to_have_attribute("data-mode", "exercise")
    await expect(page.locator(".watermark")).to_be_visible()
    words: list[str] = await page.evaluate(f"{ACTING}.map((one) => one.textContent.trim())")
    assert len(words) >= least, (page.url, words)
    assert [word for word in words if MARK[language].lower() not in word.lower()] == [], page.url


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_every_button_that_acts_says_that_it_is_an_exercise(browser: Browser, there: Town, language: str) -> None:
    one = (await there.services.broadcasts.start(EXERCISE, by=DUTY)).ids[0]
    async with console(browser, there, language=language, script=ON) as page:
        await page.wait_for_selector("[data-test=alert-bar] [data-test=clear]")
        await all_say_so(page, language, 4)  # the red button, stop, correct, all-clear
        for ending in ("stop", "correct", "clear"):
            await page.click(f"[data-test=alert-bar] [data-test={ending}]")
            await expect(page.locator("[data-test=end-confirm]")).to_be_visible()
            await all_say_so(page, language, 5)
            await page.keyboard.press("Escape")
            await expect(page.locator("[data-test=end-confirm]")).to_be_hidden()
        await page.goto(f"/console/broadcasts/{one}")
        await page.wait_for_selector("[data-test=escalate]")
        await all_say_so(page, language, 8)
        for how in ("update", "escalate"):
            await page.click(f"[data-test={how}]")
            await page.wait_for_selector("[data-test=again] [data-test=press]")
            await all_say_so(page, language, 9)
            await page.click("[data-test=again-leave]")
        await page.goto(f"/console/wall?broadcast={one}")
        await page.wait_for_selector("[data-test=alert-bar] [data-test=clear]")
        await all_say_so(page, language, 3)
        await page.goto("/console/broadcasts/new")
        await page.fill("#text", "演练。")
        await page.check("input[name=kind][value=emergency]")
        await page.check("input[name=severity][value=red]")
        await page.check("[data-test=whole]")
        await page.click("[data-test=look]")
        await page.wait_for_selector("[data-test=hold]")
        await all_say_so(page, language, 5)
        assert await page.locator("main h1").inner_text() != ""
        assert MARK[language].lower() in (await page.locator("main h1").inner_text()).lower()


async def test_the_buttons_of_an_approval_say_that_it_is_an_exercise(browser: Browser, tmp_path: Path) -> None:
    """Whatever the window's own mode is: what would be sent is what counts. The policy asks for two, also for exercises."""
    async with city(tmp_path, count=1, exercise=1, RULES_SECOND_PERSON="true") as there:
        wang, zhao = (Officer(name, name, role, CITY) for name, role in (("wang", Role.DUTY), ("zhao", Role.APPROVER)))
        for officer in (wang, zhao):
            await there.server.officers.add(officer, PASSWORD, by=OFFICER)
        policies, approvals = there.server.governance.policy, there.server.governance.approvals
        await policies.save(Policy((Rule(Demand.SECOND_PERSON),)), by=OFFICER, revision=policies.now.revision)
        asked = await approvals.submit(EXERCISE, by=wang)
        path, base = f"/console/approvals/{asked.approval}", there.server.address
        for language in ("zh-CN", "en"):
            for officer, acts, least in ((zhao, "reject", 4), (wang, "glass", 3)):
                token = (await there.server.officers.sign_in(officer.name, PASSWORD, address="127.0.0.1")).token
                async with window(browser, base, path, token=token, language=language, script=ON) as page:
                    await page.click(f"[data-test={acts}]")
                    await all_say_so(page, language, least)
