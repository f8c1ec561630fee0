"""After sending: what is missing, retry to those only, escalate, correct, all-clear of chosen townships, who did what, replay."""

import re
import tomllib
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from broadcast.domain.broadcasts import StartBroadcast
from endpoints.protocol import Kind, Reason, Severity, Stage
from tests.town import CHIEF, DUTY, OTHER_TOWNSHIP, TOWNSHIP, Town
from tests.web.console.console_page import console, needs_console

pytestmark = needs_console
ORANGE = StartBroadcast(
    kind=Kind.EMERGENCY,
    severity=Severity.ORANGE,
    areas=(TOWNSHIP, OTHER_TOWNSHIP),
    text="山洪，请转移。",
    headline="山洪橙色预警",
    minutes=5,
)


async def on_air(there: Town, order: StartBroadcast = ORANGE) -> str:
    return (await there.services.broadcasts.start(order, by=DUTY)).ids[0]


def speakers_in(there: Town, township: str) -> list[str]:
    return [name for name, one in there.services.estate.speakers.items() if one.area.startswith(township[:9])]


async def press(page: Page) -> None:
    """The light confirm, which settles for a second first."""
    await page.click("[data-test=again] [data-test=press]")


async def test_who_is_missing_stands_by_name_and_only_they_are_sent_to_again(browser: Browser, there: Town) -> None:
    one = await on_air(there)
    here, other = speakers_in(there, TOWNSHIP), speakers_in(there, OTHER_TOWNSHIP)
    await there.report(one, [*here, *other[2:]], Stage.RECEIVED, Stage.SOUNDING)
    await there.report(one, other[:2], Stage.REFUSED, reason=Reason.QUIET_HOURS)
    async with console(browser, there, f"/console/broadcasts/{one}") as page:
        missing = page.locator("[data-test=missing]")
        await expect(missing.locator("li")).to_have_count(2)
        await expect(missing).to_contain_text("静音时段")
        await expect(page.locator("[data-test=retry]")).to_have_text("只对这 2 个终端重播")
        await page.click("[data-test=retry]")
        await press(page)
        await page.wait_for_url(lambda url: not url.endswith(one))
    again = next(live for live in there.services.broadcasts.live() if live.id != one)
    assert (again.order.speakers, again.order.areas) == (tuple(sorted(other[:2])), ())
    assert len(there.services.broadcasts.live()) == 2


async def test_escalating_takes_its_place_one_level_higher(browser: Browser, there: Town) -> None:
    one = await on_air(there)
    async with console(browser, there, f"/console/broadcasts/{one}", language="en") as page:
        await page.click("[data-test=escalate]")
        await expect(page.locator("#update-severity")).to_have_value("red")
        await press(page)
        await page.wait_for_url(lambda url: not url.endswith(one))
        await expect(page.locator("[data-test=broadcast]")).to_contain_text("What it replaced")
    (live,) = there.services.broadcasts.live()
    assert (live.order.severity, live.replaces) == (Severity.RED, one)


async def test_an_all_clear_of_chosen_townships_leaves_the_others_on_the_air(browser: Browser, there: Town) -> None:
    one = await on_air(there)
    async with console(browser, there, f"/console/broadcasts/{one}") as page:
        await page.check(f".towns input[value='{TOWNSHIP}']")
        await page.click("[data-test=clear-chosen]")
        await expect(page.get_by_role("dialog")).to_contain_text("只在遵化镇解除")
        await page.click("[data-test=end-confirm]")
        await expect(page.get_by_role("dialog")).to_have_count(0)
    there_still, cleared = sorted(there.services.broadcasts.live(), key=lambda live: live.id != one)
    assert (there_still.id, there_still.order.excluded) == (one, (TOWNSHIP,))
    assert cleared.order.areas == (TOWNSHIP,)


# What is sent with that ending happens, and its answer gets lost on the way; once.
LOST = """
const fetched = window.fetch;
window.fetch = async (...asked) => {
  const answer = await fetched(...asked);
  const address = asked[0].url ?? String(asked[0]);
  if (!address.endsWith("/all-clear") || sessionStorage.getItem("lost")) return answer;
  sessionStorage.setItem("lost", "1");
  throw new TypeError("the answer was lost");
};
"""


async def test_a_lost_answer_to_an_all_clear_is_asked_for_again_after_a_reload_and_clears_once(
    browser: Browser, there: Town
) -> None:
    one = await on_air(there)
    async with console(browser, there, f"/console/broadcasts/{one}", script=LOST) as page:
        await page.check(f".towns input[value='{TOWNSHIP}']")
        await page.click("[data-test=clear-chosen]")
        await page.fill("#end-text", "这里解除了。")
        await page.click("[data-test=end-confirm]")
        await expect(page.locator("[data-test=end-owed]")).to_be_visible()
        before = sorted(live.id for live in there.services.broadcasts.live())  # it was done
        await page.reload()
        await page.check(f".towns input[value='{OTHER_TOWNSHIP}']")  # another act: nothing is owed for it
        await page.click("[data-test=clear-chosen]")
        await expect(page.locator("[data-test=end-owed]")).to_have_count(0)
        await page.get_by_role("button", name="不操作").click()
        await page.uncheck(f".towns input[value='{OTHER_TOWNSHIP}']")
        kept = await page.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('lianbo.once.end'))")
        assert kept == [f"lianbo.once.end.{one}.clear.{TOWNSHIP}"]
        sent = await page.evaluate("(key) => JSON.parse(sessionStorage.getItem(key))", kept[0])
        answer = await page.request.post(  # the late duplicate: the very same, once more, when all is over
            f"/api/v1/broadcasts/{one}/all-clear",
            data=sent["sent"]["body"],
            headers={"Idempotency-Key": sent["key"], "Origin": page.url.split("/console")[0]},
        )
        assert (await answer.json())["repeated"] is True
    assert sorted(live.id for live in there.services.broadcasts.live()) == before


async def test_a_correction_whose_answer_was_lost_is_sent_with_the_same_key(browser: Browser, there: Town) -> None:
    one = await on_air(there)
    async with console(browser, there, script=LOST.replace("/all-clear", "/correct")) as page:
        await page.click("[data-test=alert-bar] [data-test=correct]")
        await expect(page.locator("#end-text")).not_to_have_value("")
        await page.click("[data-test=end-confirm]")
        await expect(page.locator("[data-test=end-owed]")).to_contain_text("绝不会播两遍")
        (corrected,) = there.services.broadcasts.live()
        await expect(page.locator("[data-test=end-confirm]")).to_have_text("再问一次")
        await page.click("[data-test=end-confirm]")
        await expect(page.get_by_role("dialog")).to_have_count(0)
    assert [live.id for live in there.services.broadcasts.live()] == [corrected.id]
    assert corrected.replaces == one


@pytest.mark.parametrize(
    ("language", "begun", "stopped"), [("zh-CN", "发起播发", "停播"), ("en", "started", "stopped")]
)
async def test_who_did_what_is_told_in_words(
    browser: Browser, there: Town, language: str, begun: str, stopped: str
) -> None:
    one = await on_air(there)
    await there.services.broadcasts.stop(one, by=DUTY)
    async with console(browser, there, f"/console/broadcasts/{one}", officer=CHIEF, language=language) as page:
        acts = page.locator("[data-test=acts] li")
        await expect(acts).to_have_count(2)
        await expect(acts.nth(0)).to_contain_text(f"duty {stopped}")
        await expect(acts.nth(1)).to_contain_text(f"duty {begun}")


async def test_the_replay_of_a_finished_broadcast_goes_by_the_times_of_its_ladder(
    browser: Browser, there: Town
) -> None:
    one = await on_air(there)
    here, other = speakers_in(there, TOWNSHIP), speakers_in(there, OTHER_TOWNSHIP)
    there.clock.advance(10)
    await there.report(one, here, Stage.RECEIVED)
    there.clock.advance(10)
    await there.report(one, here[:5], Stage.SOUNDING)
    await there.report(one, other, Stage.FAILED, reason=Reason.SOUND_CARD)
    there.clock.advance(10)
    await there.report(one, here[:5], Stage.FINISHED)
    await there.services.broadcasts.stop(one, by=DUTY)

    def shown(look: str) -> str:
        return f"[data-test=wall] .place[data-look={look}]"

    async with console(browser, there, f"/console/wall?broadcast={one}") as page:
        slider = page.locator("[data-test=replay-slider]")
        await expect(slider).to_be_enabled()
        whole = int(await slider.get_attribute("max") or 0)
        assert 30_000 <= whole <= 33_000
        await slider.focus()
        await page.keyboard.press("Home")
        await expect(page.locator("[data-test=replay-time]")).to_contain_text("+0:00")
        await expect(page.locator(shown("expected"))).to_have_count(len(here) + len(other))
        await expect(page.locator(shown("outside"))).to_have_count(718 - len(here) - len(other))
        for _ in range(12):
            await page.keyboard.press("ArrowRight")
        await expect(page.locator("[data-test=replay-time]")).to_contain_text("+0:12")
        await expect(page.locator(shown("received"))).to_have_count(len(here))
        await expect(page.locator(shown("expected"))).to_have_count(len(other))
        await slider.fill(str(22_000))
        await expect(page.locator(shown("sounding"))).to_have_count(5)
        await expect(page.locator(shown("failed"))).to_have_count(len(other))
        await expect(page.locator("[data-test=summary]")).to_contain_text(f"有问题 {len(other)}")
        await page.locator(".legend button", has_text="正在响").click()
        await expect(page.locator("[data-test=wall] .place:not(.dim)")).to_have_count(5)
        await slider.focus()
        await page.keyboard.press("End")
        await expect(page.locator(shown("done"))).to_have_count(5)  # as the server has it now


async def test_every_place_tells_its_whole_ladder_with_times_and_proof(browser: Browser, there: Town) -> None:
    one = await on_air(there)
    (name, *_) = speakers_in(there, TOWNSHIP)
    await there.report(one, [name], Stage.RECEIVED, Stage.SOUNDING, Stage.FINISHED)
    await there.services.proofs.witness(one, name, heard=True, note="", by=DUTY)
    code = there.services.estate.speakers[name].area
    async with console(browser, there, f"/console/areas/{code}?broadcast={one}") as page:
        steps = page.locator("[data-test=area-detail] .ladder li")
        await expect(steps).to_have_count(4)
        for n, word in enumerate(("收到", "开始响", "播完", "在现场听到了")):
            await expect(steps.nth(n)).to_contain_text(word)
            assert len((await steps.nth(n).locator("time").first.inner_text()).split(":")) == 3
        await expect(page.locator("[data-test=area-detail] .grade").first).to_contain_text("人工确认")


async def test_nobody_signs_out_while_an_alert_is_live(browser: Browser, there: Town) -> None:
    one = await on_air(there)
    async with console(browser, there) as page:
        await page.wait_for_selector("[data-test=alert-bar]")
        await page.click("header details summary")
        await expect(page.locator("[data-test=stay]")).to_contain_text("锁定屏幕")
        await expect(page.locator("[data-test=sign-out]")).to_have_count(0)
        await there.services.broadcasts.stop(one, by=DUTY)
        await expect(page.locator("[data-test=sign-out]")).to_be_visible()


def test_this_file_knows_the_words_of_every_act_of_a_broadcast() -> None:
    """What the service writes into the trail of a broadcast has a word in the texts; a new verb needs one."""
    root = Path(__file__).parents[3]
    source = "".join((root / "broadcast" / "service" / name).read_text() for name in ("broadcasts.py", "approvals.py"))
    verbs = set(re.findall(r'verb="([a-z][a-z -]+)"', source)) | {"ask approval", "heard", "not heard"}
    for language in ("zh-CN", "en"):
        did = tomllib.loads((root / "broadcast" / "web" / "texts" / f"{language}.toml").read_text())["did"]
        assert {verb for verb in verbs if verb.replace(" ", "-") not in did} == set()
