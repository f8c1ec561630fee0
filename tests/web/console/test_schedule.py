"""The plan in the browser: a week of blocks that are dragged, its form, two officers at once, the log, the calendar, rules."""

import re
from datetime import date, time, timedelta

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from broadcast.domain.calendar import DayKind
from broadcast.domain.programmes import AreaPlan, DayRule, Pattern, Programme
from endpoints.protocol import Reason, Stage
from tests.plans import daily
from tests.service.test_as_run import on_air
from tests.town import CHIEF, DUTY, TOWNSHIP, VIEWER, Town
from tests.web.console.console_page import PHONE, SMALL, WIDE, console, fits, needs_console

pytestmark = needs_console
MARKUP = "<img src=x onerror=alert(1)>"
SCHEDULE = "/console/schedule"


async def plan(there: Town, *times: time, **how: object) -> str:
    return (await there.services.programmes.add(daily(*times, **how), by=DUTY)).programme  # type: ignore[arg-type]


def kept(there: Town, programme: str) -> Programme:
    return there.services.programmes.get(programme, by=DUTY).programme


def block(page: Page, title: str, day: int) -> Locator:
    """Of the n-th day of the week that is shown, Monday 0."""
    return page.locator(".week .day").nth(day).locator(".block", has_text=title)


async def next_week(page: Page, labels: str = "下一周") -> None:
    """Nothing in it is over, whatever day it is today."""
    before = await page.locator("[data-day]").first.get_attribute("data-day")
    await page.get_by_label(labels, exact=True).click()
    await expect(page.locator("[data-day]").first).not_to_have_attribute("data-day", str(before))


async def saved(page: Page) -> None:
    """The server has said what it meets, and then it is saved."""
    await page.locator("[data-test=save]").click()
    await expect(page.locator("[data-test=drawer]")).to_have_count(0)


@pytest.mark.parametrize(
    ("language", "after", "wins"), [("zh-CN", "下一周", "按类别"), ("en", "The week after", "by kind")]
)
async def test_a_block_is_dragged_and_what_it_meets_is_said_before_it_is_saved(
    browser: Browser, there: Town, language: str, after: str, wins: str
) -> None:
    ours = await plan(there, time(12), title="县新闻", length_min=60)
    await plan(there, time(10, 30), title="镇广播", length_min=30, areas=(TOWNSHIP,), owner=TOWNSHIP)
    async with console(browser, there, SCHEDULE, language=language) as page:
        await next_week(page, after)
        one = block(page, "县新闻", 2)
        box = await one.bounding_box()
        assert box is not None and round(box["height"]) == 60
        await page.mouse.move(box["x"] + 20, box["y"] + 10)
        await page.mouse.down()
        await page.mouse.move(box["x"] + 20, box["y"] - 50, steps=5)
        await page.mouse.move(box["x"] + 20, box["y"] - 110, steps=5)
        await expect(page.locator("[data-test=ghost]")).to_contain_text("10:00–11:00")
        await page.mouse.up()
        await expect(page.locator("[data-test=target]")).to_contain_text("10:00–11:00")
        await expect(page.locator("[data-test=conflicts]")).to_contain_text(wins)
        assert kept(there, ours).pattern.times == (time(12),)
        await saved(page)
        await expect(block(page, "县新闻", 2)).to_contain_text("10:00–11:00")
    assert (kept(there, ours).pattern.times, kept(there, ours).length_min) == ((time(10),), 60)


async def test_the_lower_edge_makes_it_longer(browser: Browser, there: Town) -> None:
    ours = await plan(there, time(9), title="县新闻", length_min=40)
    async with console(browser, there, SCHEDULE) as page:
        await next_week(page)
        box = await block(page, "县新闻", 1).bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + 30, box["y"] + box["height"] - 3)
        await page.mouse.down()
        await page.mouse.move(box["x"] + 30, box["y"] + box["height"] + 17, steps=5)
        await page.mouse.up()
        await expect(page.locator("[data-test=target]")).to_contain_text("09:00–10:00")
        await saved(page)
    assert kept(there, ours).length_min == 60


async def test_arrows_move_one_day_alone_and_the_others_stay(browser: Browser, there: Town) -> None:
    ours = await plan(there, time(12), title="县新闻", length_min=30)
    async with console(browser, there, SCHEDULE) as page:
        await next_week(page)
        day = date.fromisoformat(str(await page.locator("[data-day]").nth(3).get_attribute("data-day")))
        await block(page, "县新闻", 3).focus()
        for key in ("ArrowDown", "ArrowDown", "Shift+ArrowDown"):
            await page.keyboard.press(key)
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-test=target]")).to_contain_text("12:10–12:45")
        await page.get_by_label("只改这一天").check()
        await expect(page.locator("[data-test=conflicts]")).to_have_count(1)
        await saved(page)
        await expect(block(page, "县新闻", 3)).to_contain_text("12:10–12:45")
        await expect(block(page, "县新闻", 4)).to_contain_text("12:00–12:30")
    assert kept(there, ours).pattern.dates_out == {day} and kept(there, ours).pattern.times == (time(12),)
    others = [one.programme for one in there.services.programmes.seen(DUTY) if one.programme.id != ours]
    assert [(one.pattern.first, one.pattern.last, one.pattern.times, one.length_min) for one in others] == [
        (day, day, (time(12, 10),), 35)
    ]


async def test_escape_gives_a_move_up(browser: Browser, there: Town) -> None:
    ours = await plan(there, time(12), title="县新闻", length_min=30)
    async with console(browser, there, SCHEDULE) as page:
        await next_week(page)
        await block(page, "县新闻", 3).focus()
        await page.keyboard.press("ArrowDown")
        await expect(page.locator("[data-test=ghost]")).to_have_count(1)
        await page.keyboard.press("Escape")
        await expect(page.locator("[data-test=ghost]")).to_have_count(0)
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-test=programme]")).to_be_visible()
    assert kept(there, ours).revision == 1


async def test_who_may_not_plan_there_can_drag_nothing(browser: Browser, there: Town) -> None:
    await plan(there, time(12), title="县新闻")
    async with console(browser, there, SCHEDULE, officer=VIEWER) as page:
        await next_week(page)
        one = block(page, "县新闻", 3)
        await expect(one).to_have_attribute("data-movable", "false")
        await one.focus()
        await page.keyboard.press("ArrowDown")
        await expect(page.locator("[data-test=ghost]")).to_have_count(0)
        await one.click()
        await expect(page.locator("[data-test=programme]")).to_be_visible()
        await expect(page.locator("[data-test=preview]")).to_have_count(0)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_a_village_sees_who_gives_way_and_why_and_markup_is_text(
    browser: Browser, there: Town, language: str
) -> None:
    await plan(there, time(9), title="县新闻", length_min=60)
    await plan(there, time(9, 30), title=MARKUP, length_min=60, areas=(TOWNSHIP,), owner=TOWNSHIP)
    async with console(browser, there, SCHEDULE, language=language) as page:
        await next_week(page, "下一周" if language == "zh-CN" else "The week after")
        await page.locator("#sc-area").select_option(TOWNSHIP)
        await expect(page.locator("[data-test=clashes] li")).to_have_count(7)
        await expect(page.locator("[data-test=clashes] li").first).to_contain_text(MARKUP)
        await expect(block(page, MARKUP, 0).locator(".wait")).to_have_count(1)
        await expect(page.locator("img")).to_have_count(0)


@pytest.mark.parametrize(("language", "weekdays"), [("zh-CN", ["周一", "周二"]), ("en", ["Mon", "Tue"])])
async def test_a_phone_shows_a_day_at_a_time_and_the_refusal_at_its_field(
    browser: Browser, there: Town, language: str, weekdays: list[str]
) -> None:
    ours = await plan(there, time(12), title="县新闻")
    async with console(browser, there, SCHEDULE, language=language, width=PHONE) as page:
        await expect(page.locator(".week .day:visible")).to_have_count(1)
        for word in weekdays:
            await page.locator(".pick button", has_text=word).click()
            await expect(page.locator(".week .head:visible")).to_contain_text(word)
        await fits(page, PHONE)
        await page.locator("[data-test=programmes] button").click()
        await expect(page.locator("#pr-minutes")).to_have_value("5")
        await fits(page, PHONE)
        assert await page.evaluate(SMALL) == []
        await page.fill("#pr-title", "")
        await page.fill("#pr-minutes", "5000")
        await page.evaluate("document.querySelector('[data-test=programme]').noValidate = true")
        await page.locator("[data-test=preview]").click()
        await expect(page.locator("#pr-minutes-errors li")).to_have_count(1)
        await expect(page.locator("#pr-minutes")).to_have_attribute("aria-invalid", "true")
    assert kept(there, ours).title == "县新闻"


async def test_two_officers_edit_one_programme_and_nothing_is_overwritten(browser: Browser, there: Town) -> None:
    ours = await plan(there, time(12), title="县新闻", length_min=10)
    async with console(browser, there, SCHEDULE) as page:
        await page.locator("[data-test=programmes] button").click()
        await page.fill("#pr-title", "我的名称")
        theirs = daily(time(12), title="他的名称", length_min=25)
        await there.services.programmes.change(ours, theirs, by=CHIEF, revision=1)
        await page.locator("[data-test=preview]").click()
        await page.locator("[data-test=save]").click()
        conflict = page.locator("[data-test=version-conflict]")
        await expect(conflict).to_contain_text(CHIEF.name)
        await expect(conflict).to_contain_text("我的名称")
        await expect(conflict).to_contain_text("他的名称")
        assert kept(there, ours).title == "他的名称"
        await expect(page.locator("#pr-minutes")).to_have_value("25")
        await conflict.locator("input[value=mine]").check()
        await page.locator("[data-test=preview]").click()
        await saved(page)
    assert (kept(there, ours).title, kept(there, ours).length_min, kept(there, ours).revision) == ("我的名称", 25, 3)


async def test_a_new_programme_of_words_is_made_heard_and_told_in_its_history(browser: Browser, there: Town) -> None:
    async with console(browser, there, SCHEDULE) as page:
        await page.click("[data-test=new-programme]")
        await page.fill("#pr-title", "停水提醒")
        await page.locator("#pr-kind").select_option("speech")
        await page.fill("#pr-source", "今天停水。")
        await page.click("[data-test=preview]")
        await expect(page.locator("[data-test=conflicts]")).to_be_visible()
        await saved(page)
        await page.locator("[data-test=programmes] button", has_text="停水提醒").click()
        await page.fill("#pr-minutes", "45")
        await page.click("[data-test=preview]")
        await saved(page)
        await page.locator("[data-test=programmes] button", has_text="停水提醒").click()
        await page.locator("[data-test=history] summary").click()
        await expect(page.locator("[data-test=history]")).to_contain_text(re.compile("长度：30 → 45"))
        await page.get_by_role("button", name="从节目单删除").click()
        await page.click("[data-test=delete]")
        await expect(page.locator("[data-test=drawer]")).to_have_count(0)
    assert there.services.programmes.seen(DUTY) == []


async def test_a_day_is_copied_to_another_without_taking_anything_away(browser: Browser, there: Town) -> None:
    now = there.clock.now().date()
    monday = now + timedelta(days=7 - now.weekday())
    ours = await plan(there, time(12), title="县新闻", pattern=mondays(monday))
    async with console(browser, there, SCHEDULE) as page:
        await next_week(page)
        await page.get_by_role("button", name="复制…").click()
        await page.locator("#cp-from").select_option(monday.isoformat())
        await page.fill("#cp-to", (monday + timedelta(days=2)).isoformat())
        await page.get_by_role("button", name="看看要复制什么").click()
        await page.click("[data-test=copy-go]")
        await expect(block(page, "县新闻", 2)).to_have_count(1)
        await expect(block(page, "县新闻", 0)).to_have_count(1)
    assert kept(there, ours).pattern.dates_in == {monday + timedelta(days=2)}


def mondays(monday: date) -> Pattern:
    return Pattern((time(12),), monday - timedelta(days=30), weekdays=frozenset({1}))


@pytest.mark.parametrize(
    ("language", "reason"), [("zh-CN", "当日播出时长已用完"), ("en", "the routine minutes of the day are used up")]
)
async def test_the_log_says_what_did_not_sound_and_why(
    browser: Browser, there: Town, language: str, reason: str
) -> None:
    one = await on_air(there)
    names = sorted(there.services.estate.speakers)
    await there.report(one.id, names[:3], Stage.REFUSED, reason=Reason.BUDGET)
    async with console(browser, there, "/console/schedule/as-run", language=language) as page:
        await expect(page.locator("[data-test=as-run] tbody tr")).to_have_count(1)
        await expect(page.locator("[data-test=as-run]")).to_contain_text(reason)
        await expect(page.locator("[data-test=as-run]")).to_contain_text("3/718")
    async with console(browser, there, "/console/schedule/as-run", language=language, width=PHONE) as page:
        await expect(page.locator("[data-test=as-run]")).to_contain_text(reason)
        await fits(page, PHONE)


@pytest.mark.parametrize(("language", "width"), [("zh-CN", WIDE), ("en", PHONE)])
async def test_the_county_says_what_a_day_is_and_sees_what_that_does(
    browser: Browser, there: Town, language: str, width: int
) -> None:
    await plan(there, time(12), title="工作日新闻", pattern=workdays())
    async with console(browser, there, "/console/schedule/calendar", language=language, width=width) as page:
        year = await page.locator("[data-date]").first.get_attribute("data-date")
        assert year is not None
        day = next(
            one for one in (date(int(year[:4]), 11, 1) + timedelta(days=n) for n in range(9)) if one.weekday() == 2
        )
        await page.locator(f"[data-date='{day}']").click()
        effect = page.locator("[data-test=day-effect]")
        await expect(effect).to_contain_text("工作日新闻")
        await page.locator("#cd-kind").select_option("holiday")
        await expect(effect.locator("del")).to_have_text("工作日新闻")
        await page.locator("[data-test=own-day] button[type=submit]").click()
        await expect(page.locator("#cd-name-errors li")).to_have_count(1)
        await page.fill("#cd-name", MARKUP[:30])
        await page.locator("[data-test=own-day] button[type=submit]").click()
        await expect(page.locator(f"[data-date='{day}']")).to_have_attribute("data-own", "true")
        await expect(page.locator("img")).to_have_count(0)
        assert [(one.day, one.kind) for one in (await there.services.programmes.days())[0]] == [(day, DayKind.HOLIDAY)]
        await fits(page, width)
        await page.locator("[data-test=own-day] button[type=button]").click()
        await expect(page.locator(f"[data-date='{day}']")).to_have_attribute("data-own", "false")
    assert list((await there.services.programmes.days())[0]) == []


def workdays() -> Pattern:
    return Pattern((time(12),), date(2020, 1, 1), rule=DayRule.WORKDAYS)


async def test_the_rules_of_an_area_are_set_and_two_officers_overwrite_nothing(browser: Browser, there: Town) -> None:
    programmes = there.services.programmes
    async with console(browser, there, "/console/schedule/areas") as page:
        await page.locator("#rl-area").select_option(TOWNSHIP)
        await page.fill("#rl-budget", "90")
        await page.locator("[data-test=by-hour]").check()
        await page.locator("[data-test=hours] input").nth(6).fill("40")
        await programmes.save_plan(AreaPlan(TOWNSHIP, (), 0, note="村里说好的"), fallback=b"", by=CHIEF, revision=0)
        await page.locator("[data-test=area-rules] button[type=submit]").click()
        await expect(page.locator("[data-test=version-conflict]")).to_contain_text("备注")
        await expect(page.locator("#rl-note")).to_have_value("村里说好的")
        await page.locator("[data-test=area-rules] button[type=submit]").click()
        await expect(page.locator("[data-test=area-plans]")).to_contain_text("90")
        saved_plan = (await programmes.plans())[TOWNSHIP].plan
        assert (saved_plan.budget_min, saved_plan.note, saved_plan.volume_by_hour[6]) == (90, "村里说好的", 40)
        await page.fill("#rl-budget", "9000")
        await page.evaluate("document.querySelector('[data-test=area-rules]').noValidate = true")
        await page.locator("[data-test=area-rules] button[type=submit]").click()
        await expect(page.locator("#rl-budget-errors li")).to_have_count(1)
        await page.set_viewport_size({"width": PHONE, "height": 844})
        await fits(page, PHONE)
