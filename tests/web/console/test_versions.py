"""Two officers edit the same thing: nothing is overwritten that somebody has not seen."""

import re
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.town import CHIEF, CITY, DUTY, TOWNSHIP, Town
from tests.web.browser import served
from tests.web.console.console_page import PHONE, WIDE, fits, needs_console, window

pytestmark = needs_console
FLOOD: dict[str, Any] = {
    "title": "洪水红色",
    "hotkey": 1,
    "template": "flood",
    "filling": {"severity": "red", "values": {"river": "沙河"}},
    "broadcast": {"kind": "emergency", "areas": [CITY], "minutes": 30},
}


async def plan_of(page: Page, **change: Any) -> str:
    """Saved as whoever is signed in there."""
    answer = await page.request.post("/api/v1/plans", data={**FLOOD, **change}, headers={"Origin": origin(page)})
    assert answer.status == 201, await answer.text()
    return str((await answer.json())["id"])


def origin(page: Page) -> str:
    return "/".join(page.url.split("/")[:3])


async def edit(page: Page, title: str) -> None:
    await page.goto("/console/plans")
    await page.get_by_role("button", name=title).click()
    await page.click("[data-test=edit-plan]")
    await page.wait_for_selector("#pl-title")


async def newest(page: Page, plan: str) -> dict[str, Any]:
    found: dict[str, Any] = await (await page.request.get(f"/api/v1/plans/{plan}")).json()
    return found


@pytest.mark.parametrize(("language", "width"), [("zh-CN", WIDE), ("en", PHONE)])
async def test_of_two_officers_editing_one_plan_the_second_keeps_what_they_typed_and_chooses_field_by_field(
    browser: Browser, there: Town, language: str, width: int
) -> None:
    one, two = await there.sign_in(DUTY), await there.sign_in(CHIEF)
    async with (
        served(there) as base,
        window(browser, base, token=one, language=language, width=width) as mine,
        window(browser, base, token=two, language=language) as theirs,
    ):
        plan = await plan_of(mine)
        await edit(mine, "洪水红色")
        await edit(theirs, "洪水红色")
        await theirs.fill("#pl-minutes", "45")
        await theirs.fill("#pl-note", "<b>先通知水务</b>")
        await theirs.fill("#pl-gap-river", "黎河")
        await theirs.click("[data-test=save-plan]")
        await expect(theirs.locator("[data-test=plan]")).to_have_count(0)

        await mine.fill("#pl-title", "沙河洪水红色")
        await mine.fill("#pl-minutes", "60")
        await mine.fill("#pl-gap-river", "沙河上游")
        await mine.click("[data-test=save-plan]")
        note = mine.locator("[data-test=version-conflict]")
        await expect(note).to_contain_text("chief")
        await expect(note).to_be_focused()
        assert await mine.input_value("#pl-title") == "沙河洪水红色"  # typed and kept
        assert await mine.input_value("#pl-minutes") == "60"
        assert await mine.input_value("#pl-note") == "<b>先通知水务</b>"  # only they changed it
        await expect(note.locator("[data-field]")).to_have_count(2)
        await expect(note.locator("[data-field=minutes]")).to_contain_text(re.compile("60.*45", re.DOTALL))
        await fits(mine, width)

        await mine.click("[data-test=save-plan]")  # pressing again overwrites nothing
        await expect(note.locator("[data-open]")).to_have_count(2)
        assert (await newest(mine, plan))["revision"] == 2

        await note.locator("[data-field=minutes] input[value=theirs]").check()
        assert await mine.input_value("#pl-minutes") == "45"
        await mine.click("[data-test=save-plan]")
        assert (await newest(mine, plan))["revision"] == 2
        await note.locator("[data-field='values.river'] input[value=mine]").check()
        await mine.click("[data-test=save-plan]")
        await expect(mine.locator("[data-test=plan]")).to_have_count(0)
        found = await newest(mine, plan)
        assert (found["revision"], found["title"], found["broadcast"]["minutes"], found["note"]) == (
            3,
            "沙河洪水红色",
            45,
            "<b>先通知水务</b>",
        )
        assert found["filling"]["values"] == {"river": "沙河上游"}


async def test_what_two_officers_changed_in_different_fields_is_saved_together_once_it_was_seen(
    browser: Browser, there: Town
) -> None:
    one, two = await there.sign_in(DUTY), await there.sign_in(CHIEF)
    async with (
        served(there) as base,
        window(browser, base, token=one) as mine,
        window(browser, base, token=two) as theirs,
    ):
        plan = await plan_of(mine)
        await edit(mine, "洪水红色")
        await edit(theirs, "洪水红色")
        await theirs.select_option("#pl-severity", "orange")
        await theirs.click("[data-test=save-plan]")
        await expect(theirs.locator("[data-test=plan]")).to_have_count(0)
        await mine.fill("#pl-areas", "遵化镇")
        await mine.click(f"[data-area='{TOWNSHIP}']")
        await mine.click("[data-test=save-plan]")
        note = mine.locator("[data-test=version-conflict]")
        await expect(note).to_contain_text("级别")
        await expect(note.locator("[data-field]")).to_have_count(0)
        await mine.click("[data-test=save-plan]")
        await expect(mine.locator("[data-test=plan]")).to_have_count(0)
        found = await newest(mine, plan)
        assert (found["filling"]["severity"], found["broadcast"]["areas"]) == ("orange", [CITY, TOWNSHIP])


async def test_a_third_version_that_came_in_while_choosing_is_met_in_the_same_way(
    browser: Browser, there: Town
) -> None:
    one, two = await there.sign_in(DUTY), await there.sign_in(CHIEF)
    async with (
        served(there) as base,
        window(browser, base, token=one) as mine,
        window(browser, base, token=two) as theirs,
    ):
        plan = await plan_of(mine)
        await edit(mine, "洪水红色")
        await mine.fill("#pl-note", "一")
        for revision, said in ((1, "二"), (2, "三")):
            body = {**FLOOD, "note": said}
            answer = await theirs.request.put(
                f"/api/v1/plans/{plan}", data=body, headers={"Origin": base, "If-Match": f'"{revision}"'}
            )
            assert answer.status == 200, await answer.text()
            await mine.click("[data-test=save-plan]")
            note = mine.locator("[data-test=version-conflict] [data-field=note]")
            await expect(note).to_contain_text(said)
            await note.locator("input[value=mine]").check()
        await mine.click("[data-test=save-plan]")
        await expect(mine.locator("[data-test=plan]")).to_have_count(0)
        found = await newest(mine, plan)
        assert (found["revision"], found["note"]) == (4, "一")
