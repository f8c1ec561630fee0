"""A broadcast from nothing, on the real application: kind, words, areas, time, effect, confirm; drafts; refusals at their field."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from broadcast.domain.groups import Group
from endpoints.protocol import Kind
from tests.town import CHIEF, CITY, DUTY, OTHER_TOWNSHIP, PASSWORD, TOWNSHIP, Town
from tests.web.console.console_page import PHONE, SMALL, WIDE, console, fits, needs_console

pytestmark = needs_console
NEW = "/console/broadcasts/new"


async def write(page: Page, *, text: str = "明天上午停水。", headline: str = "停水通知") -> None:
    await page.fill("#headline", headline)
    await page.fill("#text", text)


async def tick(page: Page, area: str) -> None:
    await page.locator("details", has=page.locator(f"input[value='{area}']")).locator("summary").first.click()
    await page.check(f"input[value='{area}']")


@pytest.mark.parametrize(("language", "width"), [("zh-CN", WIDE), ("en", PHONE)])
async def test_a_notice_goes_out_in_the_order_of_its_steps(
    browser: Browser, there: Town, language: str, width: int
) -> None:
    async with console(browser, there, NEW, language=language, width=width) as page:
        await page.check("input[name=kind][value=notice]")
        await write(page)
        await tick(page, TOWNSHIP)
        await expect(page.locator("[data-test=count]")).to_contain_text("40")
        await page.fill("#minutes", "20")
        await fits(page, width)
        assert await page.evaluate(SMALL) == []
        await page.click("[data-test=look]")
        effect = page.locator("[data-test=effect]")
        for fact in ("停水通知", "40", "41", "明天上午停水"):
            await expect(effect).to_contain_text(fact)
        await fits(page, width)
        await page.click("[data-test=press]")
        await page.wait_for_url(lambda url: "/broadcasts/" in url and not url.endswith("/new"))
    (live,) = there.services.broadcasts.live()
    assert (live.order.kind, live.order.areas, live.text) == (Kind.NOTICE, (TOWNSHIP,), "明天上午停水。")
    assert await there.services.drafts.all(by=DUTY) == []  # what was sent is no draft any more


async def test_a_change_after_the_effect_was_read_asks_for_it_again(browser: Browser, there: Town) -> None:
    async with console(browser, there, NEW) as page:
        await write(page)
        await tick(page, TOWNSHIP)
        await page.click("[data-test=look]")
        await expect(page.locator("[data-test=confirm]")).to_be_visible()
        await page.fill("#text", "改到后天停水。")
        await expect(page.locator("[data-test=confirm]")).to_have_count(0)
        await expect(page.locator("main")).to_contain_text("请再看一次效果")


async def test_the_effect_is_asked_for_again_until_the_speech_is_there(browser: Browser, there: Town) -> None:
    there.speech.fails = "the voice is away"
    async with console(browser, there, NEW) as page:
        await page.clock.install()
        await write(page)
        await tick(page, TOWNSHIP)
        await page.click("[data-test=look]")
        await expect(page.locator("[data-test=no-sound]")).to_contain_text("语音正在合成")
        await page.clock.run_for(2_000)
        await expect(page.locator("[data-test=no-sound]")).to_be_visible()
        there.speech.fails = ""
        await page.clock.run_for(4_000)
        await expect(page.locator("[data-test=effect] audio")).to_be_visible()
        await expect(page.locator("[data-test=no-sound]")).to_have_count(0)


async def test_a_draft_outlives_the_page_and_another_sign_in_and_can_be_discarded(
    browser: Browser, there: Town
) -> None:
    async with console(browser, there, NEW) as page:
        await write(page, headline="没写完的")
        await tick(page, OTHER_TOWNSHIP)
        await expect(page.locator("[data-test=saved]")).to_have_text("草稿已保存")
        async with page.expect_response(lambda one: one.request.method == "PUT" and one.ok):
            await page.fill("#minutes", "45")
        await page.context.clear_cookies()
        await page.goto(NEW)
        await page.wait_for_url("**/login**")
        await page.fill("input[name=username]", "duty")
        await page.fill("input[name=password]", PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.locator("#headline")).to_have_value("没写完的")
        await expect(page.locator("#minutes")).to_have_value("45")
        await expect(page.locator(f"input[value='{OTHER_TOWNSHIP}']")).to_be_checked()
        await expect(page.locator("main")).to_contain_text("这是上次没有发完的草稿")
        await page.click("[data-test=discard]")
        await page.click("[data-test=discard-confirm]")
        await expect(page.locator("#headline")).to_have_value("")
        await page.reload()
        await expect(page.locator("#headline")).to_have_value("")


async def test_what_was_being_written_when_the_session_ended_is_still_there(browser: Browser, there: Town) -> None:
    async with console(browser, there, NEW) as page:
        await page.wait_for_selector("#headline")
        await page.context.clear_cookies()
        await write(page, headline="写到一半")
        dialog = page.get_by_role("dialog", name="请重新登录")
        await expect(dialog).to_be_visible()
        await dialog.locator("input[name=password]").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(dialog).to_be_hidden()
        await expect(page.locator("#headline")).to_have_value("写到一半")
        await expect(page.locator("[data-test=saved]")).to_have_text("草稿已保存", timeout=9_000)


@pytest.mark.parametrize(("language", "too_long"), [("zh-CN", "超出范围"), ("en", "out of range")])
async def test_every_refusal_stands_at_its_field_in_the_officers_language(
    browser: Browser, there: Town, language: str, too_long: str
) -> None:
    async with console(browser, there, NEW, language=language) as page:
        await page.fill("#headline", "<b>停水</b>")
        await page.fill("#minutes", "9999")
        await page.click("[data-test=look]")
        minutes = page.locator("#minutes-errors")
        await expect(minutes).to_contain_text(too_long)
        assert await page.get_attribute("#minutes", "aria-invalid") == "true"
        await page.fill("#minutes", "20")
        await page.click("[data-test=look]")
        for field in ("#areas-errors", "#text-errors"):
            said = await page.locator(field).inner_text()
            assert any("\u4e00" <= sign <= "\u9fff" for sign in said) is (language == "zh-CN"), said
        await expect(page.locator("#minutes-errors")).to_have_count(0)
        await tick(page, TOWNSHIP)
        await page.fill("#text", "停水。")
        await page.click("[data-test=look]")
        await expect(page.locator("[data-test=effect]")).to_contain_text("<b>停水</b>")  # markup is text


async def test_a_template_with_gaps_makes_the_words_and_names_the_gap_that_is_empty(
    browser: Browser, there: Town
) -> None:
    async with console(browser, there, NEW) as page:
        await tick(page, TOWNSHIP)
        await page.get_by_text("用模板填空").click()
        await page.select_option("#template", "flood")
        await page.check("input[name=severity][value=red]")
        await page.click("[data-test=word]")
        await expect(page.locator("#gap-river-errors")).to_contain_text("没有填")
        await page.fill("#fill-when", "今天20时")
        await page.fill("#fill-until", "明天8时")
        await page.fill("#gap-river", "沙河")
        await page.click("[data-test=word]")
        await expect(page.locator("#text")).to_have_value(re.compile("沙河水位将超过警戒水位"))
        await expect(page.locator("#headline")).to_have_value("洪水红色预警")
        await expect(page.locator("input[name=kind][value=emergency]")).to_be_checked()
        await page.click("[data-test=look]")
        await expect(page.locator("[data-test=effect]")).to_contain_text("红色")


async def test_groups_and_pasted_lists_are_areas_too(browser: Browser, there: Town) -> None:
    some = list(there.services.estate.speakers)[5:8]
    await there.services.care.groups.add(Group("", "学校", CITY, (), tuple(some)), by=CHIEF)
    async with console(browser, there, NEW) as page:
        await write(page)
        await page.get_by_text("粘贴名称或代码，一行一个").click()
        await page.fill("#paste", f"东新庄镇\n没有这个村\n{TOWNSHIP}")
        await page.click("[data-test=take]")
        await expect(page.locator("main")).to_contain_text("认不出或有重名：没有这个村")
        await page.get_by_role("button", name="全部取消勾选").click()
        await page.check("[data-test=group]")
        await page.click("[data-test=look]")
        await expect(page.locator("[data-test=reach-online]")).to_have_text("3")


async def test_a_time_that_is_set_is_read_back_and_one_too_far_is_refused_there(browser: Browser, there: Town) -> None:
    async with console(browser, there, NEW) as page:
        await write(page)
        await tick(page, TOWNSHIP)
        await page.check("[data-test=set-time]")
        await page.fill("#later", "2020-01-01T18:00")
        await expect(page.locator("#later-reads")).to_have_text("2020-01-01 18:00 已经过去：会马上播")
        await page.fill("#later", "2099-01-01T18:00")
        await expect(page.locator("#later-reads")).to_have_text("2099-01-01 18:00 开始（北京时间）")
        await page.click("[data-test=look]")
        await expect(page.locator("#later-errors")).to_be_visible()
