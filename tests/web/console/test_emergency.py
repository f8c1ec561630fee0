"""The emergency on a real server, broker and simulator: how many presses it takes, in both languages, wide and on a phone."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.officers import Officer, Role
from broadcast.domain.plans import Plan
from endpoints.protocol import Kind, Severity
from tests.system.city import CITY, OFFICER, City, city
from tests.web.console.console_page import PHONE, SMALL, WIDE, fits, needs_console, window

pytestmark = needs_console
PASSWORD = "correct horse battery"
WANG = Officer("wang", "王芳", Role.DUTY, CITY)
ZHAO = Officer("zhao", "赵敏", Role.APPROVER, CITY)
FLOOD = Plan(
    id="",
    title="洪水红色",
    owner="",
    command=StartBroadcast(
        kind=Kind.EMERGENCY, severity=Severity.RED, areas=(CITY,), text="山洪红色预警，请立即转移。", minutes=5
    ),
    hotkey=1,
)
PICTURES = os.environ.get("LIANBO_PICTURES", "")
SHAPES = [("zh-CN", WIDE), ("en", WIDE), ("zh-CN", PHONE), ("en", PHONE)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def there(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    """Twelve speakers, a plan that is approved under 1 and one that nobody approved under 2."""
    async with city(tmp_path_factory.mktemp("city"), count=12, RULES_SECOND_PERSON="true") as one:
        for officer in (WANG, ZHAO):
            await one.server.officers.add(officer, PASSWORD, by=OFFICER)
        plans = one.server.governance.plans
        saved = await plans.add(FLOOD, by=WANG)
        await plans.approve(saved.plan.id, by=ZHAO, revision=saved.revision)
        await plans.add(Plan("", "没批准的", "", FLOOD.command, hotkey=2), by=WANG)
        yield one


class Hands:
    """Somebody at the console; every press, key and typed word is counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.acts = 0

    async def key(self, key: str) -> None:
        self.acts += 1
        await self.page.keyboard.press(key)
        if key == "F9":
            await expect(self.page.locator("[data-test=plan-1]")).to_be_visible()

    async def click(self, what: str) -> None:
        self.acts += 1
        await self.page.locator(what).first.click()

    async def hold(self, what: str = "[data-test=hold]", ms: int = 2_300) -> None:
        self.acts += 1
        await self.page.locator(what).click(delay=ms)


@asynccontextmanager
async def at_desk(
    browser: Browser,
    there: City,
    officer: Officer = WANG,
    *,
    language: str = "zh-CN",
    width: int = WIDE,
    path: str = "/console/",
    script: str = "",
) -> AsyncIterator[Hands]:
    token = (await there.server.officers.sign_in(officer.name, PASSWORD, address="127.0.0.1")).token
    async with window(
        browser, there.server.address, path, token=token, language=language, width=width, script=script
    ) as page:
        await expect(page.locator("main h1").first).to_be_attached()
        yield Hands(page)


async def shoot(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=True)


async def until(page: Page, true: str) -> None:
    """By asking again: the page's Content-Security-Policy lets nothing be evaluated inside it."""
    for _ in range(200):
        if await page.evaluate(true):
            return
        await page.wait_for_timeout(50)
    raise AssertionError(true)


async def silence(there: City) -> None:
    await there.server.broadcasts.stop_all(by=OFFICER)


@pytest.mark.parametrize(("language", "width"), SHAPES)
async def test_a_red_plan_goes_to_the_whole_city_in_four_presses_and_stops_in_two(
    browser: Browser, there: City, language: str, width: int
) -> None:
    async with at_desk(browser, there, language=language, width=width) as hands:
        page = hands.page
        await hands.key("F9")
        await expect(page.locator("[data-test=plan-1]")).to_contain_text("洪水红色")
        await shoot(page, f"emergency-plans-{language}-{width}")
        await hands.key("1")
        await expect(page.locator("[data-test=reach-online]")).to_have_text("12")
        await expect(page.locator("[data-test=effect]")).to_contain_text("山洪红色预警")
        await shoot(page, f"emergency-effect-{language}-{width}")
        await fits(page, width)
        assert await page.evaluate(SMALL) == []
        await hands.hold()
        await page.wait_for_url("**/broadcasts/*")
        assert hands.acts <= 4
        (live,) = there.server.broadcasts.live()
        assert (live.order.areas, live.order.severity) == ((CITY,), Severity.RED)
        hands.acts = 0
        await expect(page.locator("[data-test=alert-bar]")).to_be_visible()
        await hands.click("[data-test=alert-bar] [data-test=stop]")
        await hands.click("[data-test=end-confirm]")
        await expect(page.locator("[data-test=alert-bar]")).to_have_count(0)
        assert hands.acts <= 2
        assert there.server.broadcasts.live() == []


async def test_letting_go_too_early_sends_nothing_and_the_number_of_villages_does(
    browser: Browser, there: City
) -> None:
    async with at_desk(browser, there) as hands:
        page = hands.page
        await hands.key("F9")
        await hands.key("1")
        await hands.hold(ms=800)
        await page.wait_for_timeout(1_500)
        assert there.server.broadcasts.live() == []
        await page.fill("[data-test=typed]", "13")
        await expect(page.locator("[data-test=send-typed]")).to_be_disabled()
        villages = (await page.locator("label[for=villages-typed]").inner_text()).strip("：:").split()[-1]
        await page.fill("[data-test=typed]", "".join(filter(str.isdigit, villages)))
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/broadcasts/*")
        assert len(there.server.broadcasts.live()) == 1
    await silence(there)


@pytest.mark.parametrize(
    "ending",
    ["correct", "clear"],
)
async def test_correction_and_all_clear_take_two_presses(browser: Browser, there: City, ending: str) -> None:
    async with at_desk(browser, there) as hands:
        await hands.key("F9")
        await hands.key("1")
        await hands.hold()
        await hands.page.wait_for_url("**/broadcasts/*")
        one = there.server.broadcasts.live()[0].id
        hands.acts = 0
        await expect(hands.page.locator("[data-test=alert-bar]")).to_be_visible()
        await hands.click(f"[data-test=alert-bar] [data-test={ending}]")
        await expect(hands.page.locator("#end-text")).not_to_have_value("")
        await hands.click("[data-test=end-confirm]")
        await expect(hands.page.locator("[data-test=end-confirm]")).to_have_count(0)
        assert hands.acts <= 2
        assert one not in {live.id for live in there.server.broadcasts.live()}
    await silence(there)


async def test_a_second_person_hears_it_and_approves_in_two_presses(browser: Browser, there: City) -> None:
    async with (
        at_desk(browser, there) as hands,
        at_desk(browser, there, ZHAO) as second,
    ):
        await hands.key("F9")
        await hands.key("2")
        await hands.hold()
        await hands.page.wait_for_url("**/approvals/*")
        assert there.server.broadcasts.live() == []
        await second.click("section a[href='/console/approvals']")
        await expect(second.page.locator("[data-test=approve]")).to_be_enabled()  # it is being played
        await shoot(second.page, "approval")
        assert await second.page.evaluate("document.querySelector('[data-test=sound]').error") is None
        await second.click("[data-test=approve]")
        await second.page.wait_for_url("**/broadcasts/*")
        assert second.acts <= 2
        await hands.page.wait_for_url("**/broadcasts/*")
        assert len(there.server.broadcasts.live()) == 1
    await silence(there)


async def test_what_was_returned_says_why_and_the_glass_needs_a_reason(browser: Browser, there: City) -> None:
    async with at_desk(browser, there) as hands:
        page = hands.page
        await hands.key("F9")
        await hands.key("2")
        await hands.hold()
        await page.wait_for_url("**/approvals/*")
        await hands.click("[data-test=glass]")
        await hands.click("[data-test=decide]")
        await expect(page.locator("#reason-errors")).to_be_visible()
        assert there.server.broadcasts.live() == []
        await page.fill("[data-test=reason]", "<b>河堤已决口</b>")
        await hands.click("[data-test=decide]")
        await page.wait_for_url("**/broadcasts/*")
        assert len(there.server.broadcasts.live()) == 1
    await silence(there)


async def test_what_was_returned_is_written_anew_with_its_content(browser: Browser, there: City) -> None:
    approvals = there.server.governance.approvals
    asked = await approvals.submit(replace(FLOOD.command, minutes=25, headline="山洪红色预警"), by=WANG)
    await approvals.send_back(asked.approval, reason="时间写错了", by=ZHAO)
    async with at_desk(browser, there, path=f"/console/approvals/{asked.approval}") as hands:
        page = hands.page
        await expect(page.locator("[data-test=stage]")).to_contain_text("时间写错了")
        await page.get_by_text("修改后重新送审").click()
        await expect(page.locator("[data-test=anew]")).to_be_visible()
        await expect(page.locator("#text")).to_have_value(FLOOD.command.text)
        await expect(page.locator("#minutes")).to_have_value("25")
        await expect(page.locator("input[name=severity][value=red]")).to_be_checked()
        await expect(page.locator("[data-test=whole]")).to_be_checked()
        await page.fill("#text", "山洪，请马上转移。")
        await page.click("[data-test=look]")
        await hands.hold()
        await page.wait_for_url("**/approvals/*")
        waiting = await approvals.get(page.url.split("/")[-1], by=WANG)
        assert (waiting.command.text, waiting.command.areas) == ("山洪，请马上转移。", (CITY,))
        await page.click("[data-test=withdraw]")
        await expect(page.locator("[data-test=stage]")).to_contain_text("已撤回")


async def test_a_text_is_heard_before_it_is_sent(browser: Browser, there: City) -> None:
    async with at_desk(browser, there, path="/console/broadcasts/new") as hands:
        page = hands.page
        await page.fill("#text", "今天下午三点停水。")
        await page.click("[data-test=speak]")
        spoken = page.locator("[data-test=spoken]")
        await expect(spoken).to_be_visible()
        await expect(page.locator("main")).to_contain_text("9 字，试听 0:0")
        played = "document.querySelector('[data-test=spoken]')"
        await until(page, f"{played}.currentTime > 0 || {played}.ended")
        assert await page.evaluate(f"{played}.error") is None


async def test_the_confirm_names_level_event_reach_first_words_and_the_exact_end(browser: Browser, there: City) -> None:
    async with at_desk(browser, there) as hands:
        page = hands.page
        await hands.key("F9")
        await hands.key("1")
        effect = page.locator("[data-test=effect]")
        for fact in ("红色（Ⅰ级）", "应急插播", "山洪红色预警", "终端", "“山洪红色预警"):
            await expect(effect).to_contain_text(fact)
        for count in ("online", "offline", "unknown", "faulty", "muted", "in_maintenance"):
            await expect(page.locator(f"[data-test=reach-{count}]")).to_be_visible()
        ends = await effect.locator(".said dd").last.inner_text()
        assert re.fullmatch(r"\d\d:\d\d:\d\d", ends)


# The first order is done, and its answer gets lost on the way.
LOST = """
const fetched = window.fetch;
window.fetch = async (...asked) => {
  const answer = await fetched(...asked);
  const address = asked[0].url ?? String(asked[0]);
  if (!address.endsWith("/start") || sessionStorage.getItem("lost")) return answer;
  sessionStorage.setItem("lost", "1");
  throw new TypeError("the answer was lost");
};
"""


async def test_an_answer_that_was_lost_is_asked_for_again_and_nothing_sounds_twice(
    browser: Browser, there: City
) -> None:
    async with at_desk(browser, there, script=LOST) as hands:
        page = hands.page
        await hands.key("F9")
        await hands.key("1")
        await hands.hold()
        await expect(page.locator("[data-test=owed]")).to_be_visible()
        (live,) = there.server.broadcasts.live()  # it was done; only the answer was lost
        await page.reload()
        await hands.click("[data-test=ask-again]")
        await page.wait_for_url(f"**/broadcasts/{live.id}")
        assert [one.id for one in there.server.broadcasts.live()] == [live.id]
    await silence(there)
