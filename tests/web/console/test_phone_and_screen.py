"""A telephone in a village with a poor network, a big screen that nobody touches, and the figures of a month."""

import pytest
from playwright.async_api import Browser, Route, expect

from broadcast.domain.accounts import AccountRules
from broadcast.domain.broadcasts import StartBroadcast
from broadcast.domain.statistics import SpeakerDay
from endpoints.protocol import Kind, Severity, Stage
from tests.town import CHIEF, CITY, DUTY, TOWN_DUTY, Town, town
from tests.web.browser import machine, served
from tests.web.console.console_page import PHONE, SMALL, console, fits, needs_console, window

pytestmark = needs_console
RED = StartBroadcast(
    kind=Kind.EMERGENCY, severity=Severity.RED, areas=(CITY,), text="山洪，请转移。", headline="山洪红色预警", minutes=5
)
HERE = "s-130281100201-1"


async def on_air(there: Town) -> str:
    one = (await there.services.broadcasts.start(RED, by=DUTY)).ids[0]
    await there.report(one, list(there.services.estate.speakers), Stage.RECEIVED, Stage.SOUNDING)
    return one


async def witnesses(there: Town, broadcast: str) -> list[tuple[str, bool, str]]:
    found = await there.store.read(lambda tx: tx.proofs.witnesses(broadcast))
    return [(one.speaker, one.heard, one.officer) for one in found]


@pytest.mark.parametrize(("language", "theme"), [("zh-CN", "dark"), ("en", "light")])
async def test_who_stands_beside_a_speaker_says_with_one_thumb_that_it_was_heard(
    browser: Browser, there: Town, language: str, theme: str
) -> None:
    one = await on_air(there)
    async with console(browser, there, "/m", officer=TOWN_DUTY, width=PHONE, language=language, theme=theme) as page:
        await page.locator("[data-test=stand-at]").select_option(HERE)
        await page.click("[data-test=heard]")
        await expect(page.locator("[data-test=confirmed]")).to_be_visible()
        assert await witnesses(there, one) == [(HERE, True, "town")]
        await expect(page.locator("[data-test=phone-speakers]")).to_contain_text("东关村")
        await expect(page.locator("[data-test=phone-speakers]")).not_to_contain_text("西下营")
        assert await page.evaluate(SMALL) == []
        await fits(page, PHONE)


async def test_what_could_not_be_sent_is_shown_as_unsent_survives_a_reload_and_counts_once(
    browser: Browser, there: Town
) -> None:
    one = await on_air(there)
    keys: list[str] = []
    mode = "gone"

    async def network(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        now = mode
        if now == "gone":
            await route.abort()
            return
        answer = await route.fetch()
        if now == "answer-lost":
            await route.abort()
        else:
            await route.fulfill(response=answer)

    async with served(there) as base:
        token = await there.sign_in(TOWN_DUTY)
        script = f"localStorage.setItem('lianbo.phone.speaker', '{HERE}')"
        try:
            async with window(browser, base, "/m", token=token, width=PHONE, script=script) as page:
                await page.route("**/heard", network)
                await page.click("[data-test=heard]")
                await expect(page.locator("[data-test=outbox]")).to_contain_text("还没有发出")
                await expect(page.locator("[data-test=confirmed]")).to_have_count(0)
                await page.reload()
                await expect(page.locator("[data-test=outbox]")).to_contain_text("还没有发出")
                assert await witnesses(there, one) == []
                for next_mode in ("answer-lost", "good"):
                    mode = next_mode
                    before = len(keys)
                    await page.locator("[data-test=outbox] .big").click()
                    while len(keys) == before:
                        await page.wait_for_timeout(20)
                await expect(page.locator("[data-test=outbox]")).to_have_count(0)
                await expect(page.locator("[data-test=confirmed]")).to_be_visible()
        except AssertionError as err:  # the browser says that the network was gone, and so it was
            if "ERR_FAILED" not in str(err):
                raise
    assert len(set(keys)) == 1 and len(keys) >= 3
    assert await witnesses(there, one) == [(HERE, True, "town")]


async def test_a_fault_reported_from_the_village_rings_in_the_duty_room(browser: Browser, there: Town) -> None:
    async with console(browser, there, "/m", officer=TOWN_DUTY, width=PHONE) as page:
        await page.click("[data-test=report]")
        await page.locator("form select").select_option(HERE)
        await page.locator("input[value=damaged]").check()
        await page.fill("textarea", "<b>杆子倒了</b>")
        await page.click("[data-test=send-report]")
        await expect(page.get_by_text("报修已收到")).to_be_visible()
        await there.services.watch.alarms.tick()
        [alarm] = there.services.watch.alarms.open(by=DUTY)
        assert (alarm.kind, alarm.facts["note"]) == ("fault-reported", "<b>杆子倒了</b>")


async def test_a_telephone_that_hears_nothing_does_not_say_that_something_is_on_the_air(
    browser: Browser, there: Town
) -> None:
    await on_air(there)
    async with console(browser, there, "/m", officer=TOWN_DUTY, width=PHONE) as page:
        await expect(page.locator("[data-test=phone-air]")).to_contain_text("正在播出")
        await page.clock.install()
        await page.context.set_offline(True)
        await page.clock.run_for(25_000)
        await expect(page.locator("[data-test=phone-stale]")).to_be_visible()
        await expect(page.locator("[data-test=phone-air]")).not_to_contain_text("正在播出")


# ---- the big screen ----------------------------------------------------------------------------------------------------------


async def test_a_screen_opens_with_its_token_typed_once_and_never_in_an_address(browser: Browser) -> None:
    async with town(accounts=AccountRules(two_person=False)) as there, machine(there, CHIEF) as client:
        body = {"title": "大屏", "area": CITY, "days": 1000, "screen": True}
        made = await (await client.post("/api/v1/tokens", json=body)).json()
        there.all_there()
        async with console(browser, there, "/screen", officer=None) as page:
            await page.fill("#token", made["secret"])
            await page.keyboard.press("Enter")
            await expect(page.locator("[data-test=wall] .place")).to_have_count(718, timeout=20_000)
            await expect(page.locator("aside")).to_contain_text("718 / 718")
            assert made["secret"] not in page.url
            await page.reload()
            await expect(page.locator("[data-test=wall] .place")).to_have_count(718, timeout=20_000)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160)])
async def test_a_screen_shows_every_village_at_once_and_has_nothing_to_press(
    browser: Browser, there: Town, width: int, height: int
) -> None:
    there.services.speakers.gone(HERE)
    async with console(browser, there, "/screen") as page:
        await page.set_viewport_size({"width": width, "height": height})
        await expect(page.locator("[data-test=wall] .place")).to_have_count(718, timeout=20_000)
        await expect(page.locator("[data-test=screen-air]")).to_contain_text("没有播出")
        assert await page.locator("[data-test=screen] :is(button, a, input, select):not([inert] *)").count() == 0
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement === document.body")
        inside = "[...document.querySelectorAll('.place')].every(one => { const box = one.getBoundingClientRect();"
        await page.wait_for_function(
            inside + " return box.bottom <= innerHeight && box.right <= innerWidth && box.width >= innerWidth / 90 })"
        )
        await on_air(there)
        await expect(page.locator("[data-test=screen-air]")).to_contain_text("山洪红色预警", timeout=20_000)
        await expect(page.locator("[data-test=screen-air]")).to_contain_text("718 / 718", timeout=20_000)


async def test_a_screen_that_hears_nothing_says_that_it_does_not_know(browser: Browser, there: Town) -> None:
    await on_air(there)
    async with console(browser, there, "/screen") as page:
        air = page.locator("[data-test=screen-air]")
        await expect(air).to_contain_text("正在播出")
        await page.clock.install()
        await page.context.set_offline(True)
        await page.clock.run_for(25_000)
        await expect(air).to_contain_text("不知道现在是否在播")
        await expect(air).not_to_contain_text("山洪")
        await expect(page.locator(".clock")).to_contain_text("--:--")


async def test_a_screen_takes_the_new_console_when_the_server_has_one(browser: Browser, there: Town) -> None:
    async with console(browser, there, "/screen") as page:
        await expect(page.locator("[data-test=wall] .place")).to_have_count(718, timeout=20_000)
        await page.clock.install()
        await page.reload()
        await expect(page.locator("[data-test=wall] .place")).to_have_count(718, timeout=20_000)
        await page.evaluate("window.before = true")
        await page.clock.run_for(61_000)
        await page.wait_for_timeout(100)
        assert await page.evaluate("window.before"), "the same console is no reason to start anew"

        async def newer(route: Route) -> None:
            if route.request.is_navigation_request():
                await route.continue_()
            else:
                await route.fulfill(
                    body='<script type="module" src="/console/assets/index-newer.js"></script>',
                    content_type="text/html",
                )

        await page.route("**/screen", newer)
        async with page.expect_navigation():
            await page.clock.run_for(61_000)
        assert await page.evaluate("window.before === undefined")


async def test_a_wrong_token_of_a_screen_is_refused_on_the_page(browser: Browser, there: Town) -> None:
    async with console(browser, there, "/screen", officer=None) as page:
        await page.fill("#token", "lbt_wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_be_visible()
        assert await page.input_value("#token") == ""


# ---- the figures -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_figures_are_seen_and_can_be_read_and_taken_along(browser: Browser, there: Town, language: str) -> None:
    names = list(there.services.estate.speakers)[:90]
    today = there.clock.now().strftime("%Y-%m-%d")
    await there.store.write(lambda tx: tx.speaker_days.add([SpeakerDay(today, name, 1_000, 990) for name in names]))
    async with console(browser, there, "/console/statistics", language=language) as page:
        await expect(page.locator("[data-test=figures] canvas").first).to_be_visible()
        await expect(page.locator("[data-test=figures]")).to_contain_text("99 %")
        await page.locator("[data-test=figures] summary").first.click()
        await expect(page.locator("[data-test=figures] table").first).to_contain_text(today)
        async with page.expect_download() as taken:
            await page.click("[data-test=xlsx]")
        assert (await taken.value).suggested_filename.endswith(".xlsx")
