"""The pages of the office: people, rules, audit, speakers, plans, drills, shifts. Each looked at, each refused at its field."""

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from broadcast.domain.approval_policy import DEFAULT, Asked, Policy, Source
from broadcast.domain.speakers import Speaker
from endpoints.protocol import Kind, Level, Severity
from tests.town import CHIEF, CITY, DUTY, OTHER_TOWNSHIP, TOWNSHIP, Town
from tests.web.browser import served
from tests.web.console.console_page import PHONE, SMALL, WIDE, console, fits, needs_console, window

pytestmark = needs_console
PAGES = (
    *(f"officers?tab={tab}" for tab in ("officers", "changes", "invitations", "tokens", "own")),
    *(f"speakers?tab={tab}" for tab in ("table", "enrol", "groups", "morning")),
    *("policies", "audit", "plans", "drills", "shifts"),
)
MARKUP = '<img src=x onerror="window.hit=1"><b>粗'
PLAN: dict[str, Any] = {
    "title": "洪水红色",
    "hotkey": 1,
    "template": "flood",
    "filling": {"severity": "red", "values": {"river": "沙河"}},
    "broadcast": {"kind": "emergency", "areas": [CITY], "minutes": 30},
}
ONE = "s-130281100200-1"


async def post(page: Page, path: str, body: dict[str, Any], *, method: str = "POST", **headers: str) -> dict[str, Any]:
    """As whoever is signed in there, beside the page."""
    origin = "/".join(page.url.split("/")[:3])
    answer = await page.request.fetch(f"/api/v1{path}", method=method, data=body, headers={"Origin": origin, **headers})
    assert answer.ok, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


@pytest.mark.parametrize(("language", "width"), [("zh-CN", WIDE), ("en", WIDE), ("zh-CN", PHONE), ("en", PHONE)])
async def test_every_page_fits_and_can_be_hit_with_a_finger(
    browser: Browser, there: Town, language: str, width: int
) -> None:
    async with console(browser, there, officer=CHIEF, language=language, width=width) as page:
        await post(page, "/plans", PLAN)
        await post(page, "/groups", {"name": "河边", "owner": CITY, "areas": [TOWNSHIP], "speakers": []})
        for path in PAGES:
            await page.goto(f"/console/{path}")
            await expect(page.locator("main h1")).to_be_visible()
            await page.wait_for_timeout(150)  # what it asked for has come
            await fits(page, width)
            assert await page.evaluate(SMALL) == [], path


# ---- refusals at the field ------------------------------------------------------------------------------------------------------

FORMS: dict[str, tuple[str, list[tuple[str, str]], str, str]] = {
    # page: what is filled in, what is pressed, which field says what is wrong
    "plan without a title": ("plans", [("click", "[data-test=new-plan]")], "[data-test=save-plan]", "pl-title"),
    "plan for longer than a day": (
        "plans",
        [("click", "[data-test=new-plan]"), ("#pl-title", "洪水"), ("#pl-text", "请转移。"), ("#pl-minutes", "9999")],
        "[data-test=save-plan]",
        "pl-minutes",
    ),
    "plan for nowhere": (
        "plans",
        [("click", "[data-test=new-plan]"), ("#pl-title", "洪水"), ("click", "[data-test=plan] .chips button")],
        "[data-test=save-plan]",
        "pl-areas",
    ),
    "invitation of a bad name": (
        "officers?tab=invitations",
        [("#in-name", "a b/c")],
        "[data-test=invite] [type=submit]",
        "in-name",
    ),
    "token for no time": (
        "officers?tab=tokens",
        [("#to-title", "大屏"), ("click", "[data-test=screen]"), ("#to-days", "0")],
        "[data-test=token] [type=submit]",
        "to-days",
    ),
    "PIN that everybody tries": (
        "officers?tab=own",
        [("#own-pin", "1234"), ("#own-pin-password", "correct horse battery")],
        "[data-test=pin] [type=submit]",
        "own-pin",
    ),
    "rule that waits a second": (
        "policies",
        [("click", "[data-test=rule]:nth-of-type(6) [aria-expanded]"), ("#ru-within-5", "1")],
        "[data-test=save-policy]",
        "ru-errors-5",
    ),
    "code that is good for no time": (
        "speakers?tab=enrol",
        [("select", f"#en-area={TOWNSHIP}"), ("#en-valid", "0")],
        "[data-test=enrol] [type=submit]",
        "en-valid",
    ),
    "group without a name": (
        "speakers?tab=groups",
        [("click", "main button.main")],
        "[data-test=group] [type=submit]",
        "gr-name",
    ),
    "speaker that is too loud": (
        f"speakers?speaker={ONE}",
        [("#sd-volume", "300")],
        "[data-test=settings] [type=submit]",
        "sd-volume",
    ),
    "mute in the past": (
        f"speakers?speaker={ONE}",
        [("#sd-muted", "2020-01-01T00:00")],
        "[data-test=settings] [type=submit]",
        "sd-muted",
    ),
    "watch taken unseen": ("shifts", [], "[data-test=take] [type=submit]", "sh-checked"),
}


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_every_form_says_at_its_field_what_the_server_refused(
    browser: Browser, there: Town, language: str
) -> None:
    async with console(browser, there, officer=CHIEF, language=language, width=PHONE) as page:
        for name, (path, filled, pressed, field) in FORMS.items():
            await page.goto(f"/console/{path}")
            for what, value in filled:
                if what == "click":
                    await page.locator(value).first.click()
                elif what == "select":
                    await page.select_option(*value.split("="))
                else:
                    await page.fill(what, value)
            await page.locator(pressed).first.click()
            said = page.locator(f"#{field}-errors" if not field.endswith(("-5", "-checked")) else f"#{field}")
            await expect(said, name).to_be_visible()
            assert not await said.evaluate("one => one.textContent.includes('undefined')")
            await fits(page, PHONE)


async def test_a_bulk_change_that_is_wrong_says_so_at_its_field_and_changes_nobody(
    browser: Browser, there: Town
) -> None:
    async with console(browser, there, "/console/speakers", officer=CHIEF) as page:
        await page.fill("#sp-word", ONE)
        await page.check("thead input")
        await expect(page.locator("[data-test=hit] summary")).to_contain_text("1")
        await page.fill("#bulk-volume", "101")
        await page.click("[data-test=bulk] [type=submit]")
        await expect(page.locator("#bulk-volume-errors")).to_be_visible()
        assert there.services.estate.speaker(ONE).volume_percent != 101


# ---- text of people is text --------------------------------------------------------------------------------------------------


async def test_stored_markup_is_shown_as_text_wherever_people_type(browser: Browser, there: Town) -> None:
    async with console(browser, there, officer=CHIEF) as page:
        await post(page, "/plans", {**PLAN, "title": MARKUP[:40], "note": MARKUP})
        await post(page, "/groups", {"name": MARKUP[:40], "owner": CITY, "areas": [TOWNSHIP], "speakers": []})
        body = {"name": MARKUP[:40], "note": MARKUP, "contacts": MARKUP, "county_quiet": False}
        await post(page, f"/speakers/{ONE}/settings", body, method="PUT", **{"If-Match": '"1"'})
        await post(page, "/invitations", {"name": "lisi", "title": MARKUP[:40], "role": "viewer", "area": CITY})
        seen = 0
        for path in ("plans", "speakers?tab=groups", f"speakers?speaker={ONE}", "officers?tab=changes", "audit"):
            await page.goto(f"/console/{path}")
            await expect(page.get_by_text("<img src=x").first).to_be_attached()
            seen += await page.locator("main img").count()
        assert seen == 0
        assert await page.evaluate("window.hit") is None


# ---- rules -------------------------------------------------------------------------------------------------------------------

CASES = [
    Asked(Level.CITY, Kind.EMERGENCY, Severity.RED, wide=True, source=Source.TEXT, exercise=False),
    Asked(Level.CITY, Kind.EMERGENCY, Severity.RED, wide=True, source=Source.PLAN, exercise=False),
    Asked(Level.CITY, Kind.EMERGENCY, Severity.YELLOW, wide=False, source=Source.TEXT, exercise=False),
    Asked(Level.CITY, Kind.EMERGENCY, Severity.YELLOW, wide=True, source=Source.TEXT, exercise=False),
    Asked(Level.TOWNSHIP, Kind.EMERGENCY, Severity.BLUE, wide=False, source=Source.TEXT, exercise=False),
    Asked(Level.TOWNSHIP, Kind.EMERGENCY, Severity.BLUE, wide=False, source=Source.TEXT, exercise=True),
    Asked(Level.CITY, Kind.NOTICE, Severity.UNKNOWN, wide=True, source=Source.TEXT, exercise=False),
    Asked(Level.CITY, Kind.EMERGENCY, Severity.ORANGE, wide=True, source=Source.PINNED, exercise=False),
]


async def test_the_page_and_the_server_agree_on_who_has_to_approve_a_case(browser: Browser, there: Town) -> None:
    words = {"none": "nobody else", "second-person": "a second person", "auto-start": "starts by itself"}
    async with console(browser, there, "/console/policies", officer=CHIEF, language="en") as page:
        for asked in CASES:
            await page.select_option("#ca-mode", "true" if asked.exercise else "false")
            await page.select_option("#ca-kind", asked.kind.name.lower())
            if asked.kind is Kind.EMERGENCY:
                await page.select_option("#ca-severity", asked.severity.name.lower())
            await page.select_option("#ca-source", asked.source.value)
            await page.select_option("#ca-level", asked.level.name.lower())
            await page.select_option("#ca-wide", "true" if asked.wide else "false")
            answer = page.locator("[data-test=case-answer] strong")
            await expect(answer).to_have_text(words[DEFAULT.rule_for(asked).demand.value])


async def test_two_officers_who_change_the_rules_see_both_tables_side_by_side(browser: Browser, there: Town) -> None:
    token = await there.sign_in(CHIEF)
    async with served(there) as base, window(browser, base, "/console/policies", token=token) as page:
        await expect(page.locator("[data-test=rule]")).to_have_count(8)
        shorter = Policy(there.services.policy.now.policy.rules[1:])  # as two other officers have agreed
        await there.services.policy.save(shorter, by=CHIEF, revision=0)
        await page.locator("[data-test=rule]").last.get_by_role("button").last.click()
        await page.click("[data-test=save-policy]")
        note = page.locator("[data-test=version-conflict]")
        await expect(note.locator("[data-field=rules]")).to_be_visible()
        await page.click("[data-test=save-policy]")
        assert there.services.policy.now.revision == 1
        await note.locator("input[value=theirs]").check()
        await expect(page.locator("[data-test=rule]")).to_have_count(7)


# ---- speakers ----------------------------------------------------------------------------------------------------------------


YESTERDAY = """const real = Date, day = 86400000;
Date = class extends real {
  constructor(...given) { given.length ? super(...given) : super(real.now() - day); }
  static now() { return real.now() - day; }
};"""


async def test_a_mute_is_counted_by_the_servers_clock_and_ends_when_it_is_cleared(
    browser: Browser, there: Town
) -> None:
    async with console(browser, there, "/console/speakers", officer=CHIEF, script=YESTERDAY) as page:
        await page.fill("#sp-word", ONE)
        await page.check("thead input")
        await page.fill("#bulk-mute", "2")
        await page.click("[data-test=bulk] [type=submit]")
        await expect(page.locator("[data-test=speakers] tbody")).to_contain_text("静音")
        until = datetime.fromtimestamp(there.services.estate.speaker(ONE).muted_until_ms / 1000, UTC)
        apart = until - datetime.fromtimestamp(there.clock.now_ms() / 1000, UTC)
        assert 7_000 < apart.total_seconds() <= 7_200
        await page.locator("[data-test=speakers] tbody button").first.click()
        await page.fill("#sd-muted", "")
        await page.click("[data-test=settings] [type=submit]")
        await expect(page.locator("[data-test=speakers] tbody")).not_to_contain_text("静音")
        assert there.services.estate.speaker(ONE).muted_until_ms == 0


async def test_a_new_box_gets_a_code_once_with_its_picture(browser: Browser, there: Town) -> None:
    async with console(browser, there, "/console/speakers?tab=enrol", officer=CHIEF, width=PHONE) as page:
        await page.select_option("#en-area", TOWNSHIP)
        await page.click("[data-test=enrol] [type=submit]")
        await expect(page.locator("[data-test=enrol-code] svg path")).to_be_visible()
        await fits(page, PHONE)
        await page.reload()
        await expect(page.locator("[data-test=enrol-code]")).to_have_count(0)


# ---- people ------------------------------------------------------------------------------------------------------------------


async def test_an_invitation_waits_for_a_second_person_and_is_told_once_with_its_picture(
    browser: Browser, there: Town
) -> None:
    async with console(browser, there, "/console/officers?tab=invitations", officer=CHIEF) as page:
        await page.fill("#in-name", "lisi")
        await page.select_option("#in-area", OTHER_TOWNSHIP)
        await page.click("[data-test=invite] [type=submit]")
        secret = page.locator("[data-test=secret]")
        await expect(secret.locator("svg path")).to_be_visible()
        await expect(secret).to_contain_text("/console/invitation#")
        await page.click("[data-test=tab-changes]")
        change = page.locator("[data-test=change]")
        await expect(change).to_contain_text("lisi")
        await expect(change.get_by_role("button", name="确认")).to_have_count(0)  # not by who asked


# ---- drills and shifts --------------------------------------------------------------------------------------------------------


async def test_a_drill_is_held_acknowledged_and_scored_by_township(browser: Browser, there: Town) -> None:
    boxes = [Speaker("s-130281100000-5", TOWNSHIP, "练", True), Speaker("s-130281101000-5", OTHER_TOWNSHIP, "练", True)]
    await there.services.estate.enrol(boxes, by=CHIEF)
    there.all_there()
    async with console(browser, there, officer=DUTY) as page:
        plan = (await post(page, "/plans", PLAN))["id"]
        await page.goto(f"/console/drills?plan={plan}")
        await page.fill("#dr-started", "1")
        await page.click("[data-test=hold]")
        await expect(page.locator("#dr-started-errors")).to_be_visible()
        await page.fill("#dr-started", "30")
        await page.click("[data-test=hold]")
        await page.click("[data-test=acknowledge-drill]")
        await expect(page.locator("[data-test=drill-detail]")).to_contain_text("duty")
        await page.click("[data-test=end-drill]")
        scores = page.locator("[data-test=scores] tbody tr")
        await expect(scores).to_have_count(2)
        await expect(page.locator("[data-test=drill-result]")).to_contain_text("未通过")
        await page.goto("/console/plans")
        await expect(page.locator("[data-test=plans] li").first).to_contain_text("未通过")


async def test_the_watch_goes_from_one_officer_to_the_next_with_the_list_gone_through_by_both(
    browser: Browser, there: Town
) -> None:
    one, two = await there.sign_in(DUTY), await there.sign_in(CHIEF)
    async with (
        served(there) as base,
        window(browser, base, "/console/shifts", token=one) as mine,
        window(browser, base, "/console/shifts", token=two, language="en", width=PHONE) as theirs,
    ):

        async def go_through(page: Page) -> None:
            sound = page.locator("[data-item=sound] input")
            await expect(sound).to_be_disabled()  # until it was played here
            await page.click("[data-test=play-alarm]")
            await expect(sound).to_be_enabled()
            for box in await page.locator("[data-test=checklist] input").all():
                await box.check()

        await go_through(mine)
        await mine.click("[data-test=take] [type=submit]")
        await expect(mine.locator("[data-test=on-duty]")).to_contain_text("duty")
        await go_through(mine)
        await mine.fill("#sh-to", "chief")
        await mine.fill("#sh-note", "<b>三号泵站</b>待修")
        await mine.click("[data-test=offer] [type=submit]")
        await expect(mine.locator("[data-test=offered]")).to_be_visible()
        await theirs.reload()
        await expect(theirs.locator("[data-test=offered]")).to_contain_text("<b>三号泵站</b>")
        await go_through(theirs)
        await theirs.click("[data-test=take] [type=submit]")
        await expect(theirs.locator("[data-test=on-duty]")).to_contain_text("chief")
        await expect(theirs.locator("[data-test=shifts] tbody tr")).to_have_count(2)
        await fits(theirs, PHONE)
