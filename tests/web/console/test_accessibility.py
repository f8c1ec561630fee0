"""WCAG 2.2 AA on every page, in both languages, three themes, wide and on a phone; the keyboard alone; no word to another host."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.plans import Plan
from broadcast.domain.statistics import SpeakerDay
from broadcast.service.broadcasts import Cleared
from endpoints.protocol import Kind, Reason, Severity, Stage
from tests.town import CHIEF, CITY, DUTY, Town, town
from tests.web.browser import served
from tests.web.console.axe import in_every_theme, violations
from tests.web.console.console_page import PHONE, WIDE, fits, needs_console, window

pytestmark = needs_console
SOURCES = Path(__file__).parents[3] / "console" / "src"
PATHS = re.findall(r'^  \{ name: "([\w-]+)", path: "([^"]*)"', (SOURCES / "pages.ts").read_text(), re.M)
RED = StartBroadcast(
    kind=Kind.EMERGENCY,
    severity=Severity.RED,
    areas=(CITY,),
    text="山洪，请转移。",
    headline="山洪红色预警",
    minutes=30,
)
ASKED = StartBroadcast(
    kind=Kind.EMERGENCY,
    severity=Severity.ORANGE,
    areas=(CITY,),
    text="暴雨，请留意。",
    headline="暴雨橙色预警",
    minutes=30,
)
SHAPES = [("zh-CN", WIDE), ("en", WIDE), ("zh-CN", PHONE), ("en", PHONE)]
FOCUS = """() => { const one = document.activeElement;
  if (!one || one === document.body) return null;
  const drawn = ['date', 'time', 'datetime-local', 'month'].map(kind => `input[type=${kind}]`); // in parts, by the browser
  const itsOwn = one.matches(['audio', 'video', ...drawn].join());
  if (itsOwn) return {html: one.outerHTML.slice(0, 120), ring: true, seen: true};
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  const ring = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none'
    || getComputedStyle(one.parentElement).boxShadow !== 'none';
  const seen = box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight;
  return {html: one.outerHTML.slice(0, 120), ring, seen}; }"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place() -> AsyncIterator[tuple[Town, str, str]]:
    """A county in the middle of things, its address and a session: an alert with failures, a request, an alarm, figures."""
    async with town(second_person=True) as there, served(there) as base:
        there.all_there(but=["s-130281100201-1"])
        services = there.services
        one = (await services.broadcasts.start(RED, by=DUTY, cleared=Cleared())).ids[0]
        names = list(services.estate.speakers)
        await there.report(one, names[:400], Stage.RECEIVED, Stage.SOUNDING)
        await there.report(one, names[400:420], Stage.RECEIVED, Stage.FAILED, reason=Reason.ASSET_MISSING)
        await services.approvals.submit(ASKED, by=DUTY)
        plans = services.plans
        saved = await plans.add(Plan("", "洪水", "", ASKED, hotkey=1), by=DUTY)
        await plans.approve(saved.plan.id, by=CHIEF, revision=saved.revision)
        services.health.raise_("key-ends", days="7")
        days = [
            SpeakerDay(f"2026-11-{day:02}", name, 86_400, 86_400 - day * 500)
            for day in (20, 21, 22)
            for name in names[:60]
        ]
        await there.store.write(lambda tx: tx.speaker_days.add(days))
        await services.watch.alarms.tick()
        yield there, base, await there.sign_in(CHIEF)


def address(there: Town, path: str, name: str) -> str:
    found = {
        "broadcast": there.services.broadcasts.live()[0].id,
        "approval": next(iter(there.services.approvals.open(by=CHIEF))).id,
    }
    return f"/console/{path.replace(':id', found.get(name, '')).replace(':code', '130281100201')}"


def test_the_pages_are_found() -> None:
    assert len(PATHS) > 20


@pytest.mark.parametrize(("language", "width"), SHAPES)
async def test_no_page_breaks_a_rule_in_any_theme(
    browser: Browser, place: tuple[Town, str, str], language: str, width: int
) -> None:
    there, base, token = place
    broken: dict[str, object] = {}
    foreign: set[str] = set()
    async with window(browser, base, "/console/about", token=token, language=language, width=width) as page:
        await page.emulate_media(reduced_motion="reduce")  # a colour on its way to another is nobody's
        page.on(
            "request", lambda one: foreign.add(one.url) if not one.url.startswith((base, "blob:", "data:")) else None
        )
        for name, path in [
            *((name, address(there, path, name)) for name, path in PATHS),
            ("phone", "/m"),
            ("screen", "/screen"),
        ]:
            await page.goto(path)
            await there_is_a_page(page)
            if found := await in_every_theme(page):
                broken[name] = found
            if name != "screen":
                await fits(page, width)
    assert broken == {}
    assert foreign == set(), "every request stays with our server"


@pytest.mark.parametrize("path", ["/console/login", "/console/invitation", "/screen"])
async def test_a_door_breaks_no_rule(browser: Browser, place: tuple[Town, str, str], path: str) -> None:
    async with window(browser, place[1], path, language="en") as page:
        await there_is_a_page(page)
        assert await in_every_theme(page) == {}


@pytest.mark.parametrize(("language", "width"), SHAPES)
async def test_the_dialogs_of_an_emergency_break_no_rule_and_give_the_focus_back(
    browser: Browser, place: tuple[Town, str, str], language: str, width: int
) -> None:
    _, base, token = place
    async with window(browser, base, "/console/emergency", token=token, language=language, width=width) as page:
        await page.emulate_media(reduced_motion="reduce")  # a dialog that is half there is hard to read
        await page.click("[data-test=plan-1]")
        await page.wait_for_selector("[data-test=confirm]")
        assert await in_every_theme(page) == {}
        await page.locator("[data-test=stop]").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_selector("[data-test=end-confirm]")
        assert await in_every_theme(page) == {}
        for _ in range(12):  # the focus stays in the dialog
            await page.keyboard.press("Tab")
            assert await page.evaluate("document.activeElement.closest('[role=dialog]') !== null")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await page.wait_for_function("document.activeElement?.matches('[data-test=stop]')")


async def there_is_a_page(page: Page) -> None:
    """Loaded, and its first answers are in."""
    await page.wait_for_load_state("load")
    await expect(page.locator("h1").first, page.url).to_be_attached()
    await page.evaluate("new Promise(done => requestIdleCallback(done, {timeout: 400}))")


FIELDS = 9  # an input of date and time is one element with a stop for each part and one for its calendar


async def walk(page: Page, most: int = 140) -> int:
    """Tab through the page until it begins anew; every stop must be seen. How many there are."""
    seen: list[str] = []
    await page.evaluate("document.activeElement?.blur()")
    for _ in range(most):
        await page.keyboard.press("Tab")
        at = await page.evaluate(FOCUS)
        if at is None:
            return len(seen)
        assert at["ring"], ("the focus can't be seen", page.url, at["html"])
        assert at["seen"], ("the focus is where nobody looks", page.url, at["html"])
        seen.append(at["html"])
        assert len(seen) < FIELDS or len(set(seen[-FIELDS:])) > 1, ("a trap", page.url, seen[-1])
    return len(seen)


async def test_every_page_can_be_walked_by_tab_with_the_focus_in_sight(
    browser: Browser, place: tuple[Town, str, str]
) -> None:
    there, base, token = place
    async with window(browser, base, "/console/about", token=token) as page:
        for name, path in PATHS:
            await page.goto(address(there, path, name))
            await there_is_a_page(page)
            assert await walk(page, 70) >= 20, name
        await page.goto("/m")
        await page.wait_for_selector("[data-test=phone-air]")
        await page.wait_for_selector("[data-test=stand-at]")  # its loudspeakers are there: until then it has two stops
        assert await walk(page) >= 4


async def test_every_page_of_the_navigation_opens_with_the_keyboard_alone(
    browser: Browser, place: tuple[Town, str, str]
) -> None:
    _, base, token = place
    async with window(browser, base, "/console/about", token=token) as page:
        await page.wait_for_selector("nav a")
        paths = [str(await one.get_attribute("href")) for one in await page.locator(".below > nav a").all()]
        for path in paths:
            await page.locator(f".below > nav a[href='{path}']").focus()
            await page.keyboard.press("Enter")
            await page.wait_for_url(lambda url, path=path: urlsplit(url).path == path)  # type: ignore[misc]


async def test_the_look_changes_every_page_at_once(browser: Browser, place: tuple[Town, str, str]) -> None:
    _, base, token = place
    async with window(browser, base, "/console/statistics", token=token) as page:
        await page.wait_for_selector("[data-test=figures] canvas")
        colours = []
        for theme in ("dark", "light", "contrast"):
            await page.click("header details summary")
            await page.locator("header select").nth(1).select_option(theme)
            await page.keyboard.press("Escape")
            colours.append(await page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor"))
            assert await violations(page) == []
        assert len(set(colours)) == 3
