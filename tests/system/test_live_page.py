"""The live microphone in a real browser: from the officer's mouth, here a WAV file, to speakers that say that they sound it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import expect

from audio_assets.pcm import RATE_HZ
from broadcast.domain.broadcasts import Life, StartBroadcast
from broadcast.domain.live import LiveEnd, LiveState
from endpoints.delivery import State
from endpoints.protocol import EXERCISE_ROOT, Kind, Severity
from tests.system.city import CITY, OFFICER, City, city, until
from tests.system.live_page import LI, WANG, Cable, as_heard, booth, chromium, needs_chromium, tape

pytestmark = needs_chromium
QUIET = {"RULES_QUIET_FROM": "00:00", "RULES_QUIET_UNTIL": "00:00", "BROKER_PERSISTENCE": "false"}


@pytest.fixture
async def forty(tmp_path: Path) -> AsyncIterator[City]:
    async with city(tmp_path, count=40, exercise=6, BROKER_ENGINE="mosquitto", **QUIET) as one:
        yield one


async def is_the_tune(there: City, order: str, *, least: int) -> None:
    """What went out is what the microphone heard, in its order; a browser on a busy machine loses some of it by itself."""
    pieces = as_heard(await tape(there.server, order))
    good = [off for score, off in pieces if score > 0.8]
    assert len(good) >= least, pieces
    assert max(map(abs, good)) < 0.5, pieces


@pytest.mark.parametrize(
    ("language", "width", "words"),
    [
        ("zh-CN", 1400, ("请等待", "正在播出", "已静音", "由您结束。", "开始喊话")),
        ("zh-CN", 390, ("请等待", "正在播出", "已静音", "由您结束。", "开始喊话")),
        ("en", 1400, ("Wait", "On the air", "Muted", "You ended it.", "Speak now")),
        ("en", 390, ("Wait", "On the air", "Muted", "You ended it.", "Speak now")),
    ],
)
async def test_an_officer_speaks_coughs_and_ends_it(
    forty: City, tmp_path: Path, language: str, width: int, words: tuple[str, ...]
) -> None:
    wait, on_air, muted, ended, begin = words
    slow = next(iter(forty.simulator.speakers.values()))
    async with chromium(tmp_path) as browser, booth(browser, forty.server, language=language, width=width) as one:
        page = one.page
        for speaker in forty.simulator.speakers.values():
            speaker.goes_slow(2.0)
        await one.prepared()
        await expect(page.locator("#begin")).to_contain_text(begin)
        await expect(page.locator("#sounding")).to_have_text("0 / 40" if language == "zh-CN" else "0 of 40")
        await until(lambda: one.view().level_db > -40, "the server hears it")
        assert one.view().order == ""
        await page.click("#begin")
        await expect(page.locator("#lamp-word")).to_have_text(wait)
        await expect(page.locator("#begin")).to_be_hidden()
        await one.lamp("on_air", within_s=15)
        await expect(page.locator("#lamp-word")).to_have_text(on_air)
        assert (await one.lamps())[:3] == ["prelisten", "waiting", "on_air"]
        await expect(page.locator("#sounding")).to_have_text("40 / 40" if language == "zh-CN" else "40 of 40")
        order = one.view().order
        assert slow.sounds == order
        await asyncio.sleep(3)
        await page.keyboard.down("Space")
        await one.lamp("muted")
        await expect(page.locator("#lamp-word")).to_have_text(muted)
        await until(lambda: one.view().muted and one.view().level_db < -80, "silence at the server")
        await page.keyboard.up("Space")
        await one.lamp("on_air")
        await until(lambda: not one.view().muted and one.view().level_db > -40, "the voice again")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await asyncio.sleep(0.7)  # the first half second of the button is a double click's
        await page.click("#stop")
        await one.ended(ended)
        await expect(page.locator("#over-link")).to_have_attribute("href", f"/emergency/broadcasts/{order}")
        for speaker in forty.simulator.speakers.values():
            speaker.goes_slow(0)
        await until(lambda: not any(speaker.sounds for speaker in forty.simulator.speakers.values()), "silence")
        assert [one.life for one in await forty.server.broadcasts.page(limit=1)] == [Life.STOPPED]
        await is_the_tune(forty, order, least=5)


async def test_who_holds_a_button_to_speak_is_heard_only_then(forty: City, tmp_path: Path) -> None:
    async with chromium(tmp_path) as browser, booth(browser, forty.server) as one:
        page = one.page
        await one.prepared()
        await page.check("[name=talk-mode][value=hold]")
        await page.click("#begin")
        await one.lamp("muted", within_s=20)
        await until(lambda: one.view().muted, "muted at the server")
        box = await page.locator("#talk").bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + 20, box["y"] + 20)
        await page.mouse.down()
        await one.lamp("on_air")
        await until(lambda: not one.view().muted and one.view().level_db > -40, "the voice")
        await page.mouse.up()
        await one.lamp("muted")
        await page.keyboard.down("Space")
        await one.lamp("on_air")
        await page.keyboard.up("Space")
        await one.lamp("muted")
        await page.locator("#stop").focus()
        await page.keyboard.press("Space")  # a key to speak with, and no button
        assert one.view().state is LiveState.ON_AIR
        await page.keyboard.press("Enter")
        await one.ended("由您结束。")


async def test_the_second_officer_is_told_who_speaks_there(forty: City, tmp_path: Path) -> None:
    async with (
        chromium(tmp_path) as browser,
        booth(browser, forty.server) as first,
        booth(browser, forty.server, LI) as second,
        booth(browser, forty.server, LI, language="en") as third,
    ):
        await first.speaking()
        for one, words in ((second, ("占线：wang", "遵化市")), (third, ("Busy: wang", "遵化市"))):
            await one.choose()
            await one.page.click("#prepare")
            await one.problem(*words)
            await expect(one.page.locator("#live-form")).to_be_visible()
        await first.lamp("on_air")
        await first.page.click("#stop")
        await first.ended("由您结束。")
        await second.page.click("#prepare")
        await second.lamp("prelisten")


async def test_a_life_safety_warning_takes_the_air_and_gives_it_back(forty: City, tmp_path: Path) -> None:
    async with chromium(tmp_path) as browser, booth(browser, forty.server) as one:
        order = (await one.speaking()).order
        red = StartBroadcast(Kind.EMERGENCY, (CITY,), severity=Severity.RED, life_safety=True, minutes=5)
        emergency = (await forty.server.broadcasts.start(red, by=OFFICER)).ids[0]
        await forty.all_in(emergency, State.SOUNDING)
        await one.lamp("unheard")
        await expect(one.page.locator("#interrupted")).to_contain_text("40")
        await expect(one.page.locator("#lamp-about")).to_contain_text("40")
        assert not one.view().may_speak
        await forty.server.broadcasts.stop(emergency, by=OFFICER)
        await one.lamp("on_air")
        await expect(one.page.locator("#sounding")).to_have_text("40 / 40")
        await one.page.click("#stop")
        await one.ended("由您结束。")
        await is_the_tune(forty, order, least=1)


async def test_a_browser_that_is_killed_leaves_the_microphone_held_then_ended_with_an_alarm(
    forty: City, tmp_path: Path
) -> None:
    async with chromium(tmp_path) as browser, booth(browser, forty.server, picky=False) as one:
        view = await one.speaking()
        session = await browser.new_browser_cdp_session()
        killing = asyncio.ensure_future(session.send("Browser.crash"))
        await until(lambda: one.view().state is LiveState.HELD, "held")
        assert 0 < one.view().left_s <= 10
        assert forty.simulator.sounding == 40, "the speakers wait for the officer to come back"

        def end() -> LiveEnd:
            return forty.server.live.view(view.id, by=WANG).why

        await until(lambda: end() is LiveEnd.LOST, "ended", within_s=15)
        await until(lambda: forty.simulator.sounding == 0, "silence")
        assert "live-lost" in {one.name for one in forty.server.health.conditions}
        await asyncio.gather(killing, return_exceptions=True)
    await is_the_tune(forty, view.order, least=2)


async def test_a_cable_that_is_pulled_and_plugged_again_costs_what_was_said_meanwhile(
    forty: City, tmp_path: Path
) -> None:
    async with (
        Cable(forty.server.address) as cable,
        chromium(tmp_path) as browser,
        booth(browser, forty.server, address=cable.address, picky=False) as one,
    ):
        view = await one.speaking()
        await asyncio.sleep(1.5)
        cable.pull()
        await one.lamp("held")
        await until(lambda: one.view().state is LiveState.HELD, "held at the server")
        await asyncio.sleep(2)
        cable.plug()
        await one.lamp("on_air")
        assert (one.view().id, one.view().order, one.view().state) == (view.id, view.order, LiveState.ON_AIR)
        await asyncio.sleep(2.5)
        await one.page.click("#stop")
        await one.ended("由您结束。")
    recording = await tape(forty.server, view.order)
    good = [off for score, off in as_heard(recording) if score > 0.8]
    assert len(good) >= 4
    assert max(map(abs, good)) < 0.5, "what was lost is silence in its place, before and after it is in time"


async def test_who_stops_while_the_cable_is_out_is_stopped_when_it_is_back(forty: City, tmp_path: Path) -> None:
    async with (
        Cable(forty.server.address) as cable,
        chromium(tmp_path) as browser,
        booth(browser, forty.server, address=cable.address, picky=False) as one,
    ):
        await one.speaking()
        await asyncio.sleep(0.7)
        cable.pull()
        await one.lamp("held")
        await one.page.click("#stop")
        cable.plug()
        await one.ended("由您结束。")
        assert forty.server.live.all() == []


async def test_a_microphone_that_is_unplugged_is_replaced_by_the_one_that_is_left(forty: City, tmp_path: Path) -> None:
    noting = """
    const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (asked) => (window.stream = await get(asked));"""
    async with chromium(tmp_path) as browser, booth(browser, forty.server, script=noting) as one:
        view = await one.speaking()
        await asyncio.sleep(1)
        await one.page.evaluate(
            "() => { const track = window.stream.getAudioTracks()[0]; track.stop(); track.dispatchEvent(new Event('ended')); }"
        )
        await expect(one.page.locator("#announce")).to_have_text("话筒断开，已换到另一个话筒")
        await asyncio.sleep(2)
        assert (one.view().id, one.view().state) == (view.id, LiveState.ON_AIR)
        assert one.view().level_db > -40
        packets = one.view().packets
        await asyncio.sleep(1)
        assert one.view().packets > packets + 10, "what comes of the other is not taken for late"
        await one.page.click("#stop")
        await one.ended("由您结束。")


async def test_the_only_microphone_that_is_unplugged_is_waited_for(forty: City, tmp_path: Path) -> None:
    noting = """
    const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (asked) => {
      if (window.unplugged) throw new DOMException("none", "NotFoundError");
      return window.stream = await get(asked);
    };"""
    async with chromium(tmp_path) as browser, booth(browser, forty.server, script=noting) as one:
        view = await one.speaking()
        await one.page.evaluate(
            """() => { const track = window.stream.getAudioTracks()[0];
            window.unplugged = true; track.stop(); track.dispatchEvent(new Event("ended")); }"""
        )
        await one.problem("话筒断开了")
        await one.lamp("held")
        await until(lambda: one.view().state is LiveState.HELD, "held at the server")
        await one.page.evaluate(
            "() => { window.unplugged = false; navigator.mediaDevices.dispatchEvent(new Event('devicechange')); }"
        )
        await one.lamp("on_air")
        await until(lambda: one.view().state is LiveState.ON_AIR and one.view().level_db > -40, "the voice")
        assert one.view().id == view.id
        await one.page.click("#stop")
        await one.ended("由您结束。")


async def test_a_double_click_does_not_stop_what_it_starts(forty: City, tmp_path: Path) -> None:
    async with chromium(tmp_path) as browser, booth(browser, forty.server) as one:
        await one.prepared()
        box = await one.page.locator("#begin").bounding_box()
        assert box is not None
        for _ in range(4):
            await one.page.mouse.click(box["x"] + 30, box["y"] + 20)
            await asyncio.sleep(0.1)
        await one.lamp("on_air", within_s=20)
        await one.page.click("#stop")
        await one.ended("由您结束。")


async def test_an_officer_who_loads_the_page_again_goes_on_with_one_click(forty: City, tmp_path: Path) -> None:
    async with chromium(tmp_path) as browser, booth(browser, forty.server) as one:
        view = await one.speaking()
        await one.page.reload()
        await expect(one.page.locator("#held")).to_be_visible()
        await one.page.click("#go-on")
        await one.lamp("on_air")
        await until(lambda: one.view().state is LiveState.ON_AIR and one.view().level_db > -40, "the voice")
        assert one.view().id == view.id
        await one.page.click("#stop")
        await one.ended("由您结束。")


async def test_an_exercise_says_so_on_its_buttons_and_sounds_at_exercise_speakers_alone(
    forty: City, tmp_path: Path
) -> None:
    said: list[str] = []
    publish = forty.server.wire.publish

    def listening(topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> asyncio.Future[None]:
        said.append(topic)
        return publish(topic, payload, qos=qos, retain=retain)

    forty.server.wire.publish = listening  # type: ignore[method-assign]
    async with chromium(tmp_path) as browser, booth(browser, forty.server) as one:
        await one.choose(exercise=True)
        await expect(one.page.locator("#prepare")).to_have_text("准备演练喊话", use_inner_text=True)
        said.clear()
        await one.page.click("#prepare")
        await one.lamp("prelisten")
        await expect(one.page.locator("#begin")).to_have_text("开始演练喊话", use_inner_text=True)
        await expect(one.page.locator("#booth")).to_have_class("booth exercise")
        await one.page.click("#begin")
        await one.lamp("on_air", within_s=25)
        assert (await one.lamps())[-4:] == ["prelisten", "waiting", "announcing", "on_air"]
        await expect(one.page.locator("#sounding")).to_have_text("6 / 6")
        sound = {name for name, speaker in forty.simulator.speakers.items() if speaker.sounds}
        assert sound == {name for name, speaker in forty.simulator.speakers.items() if speaker.config.exercise}
        live = [topic for topic in said if "/live/" in topic or "/board/" in topic]
        assert live and all(topic.startswith(f"{EXERCISE_ROOT}/") for topic in live)
        await one.page.click("#stop")
        await one.ended("由您结束。", within_s=25)


async def test_a_browser_without_opus_and_with_another_rate_sends_samples(forty: City, tmp_path: Path) -> None:
    old = """
    delete window.AudioEncoder;
    const Context = window.AudioContext;
    window.AudioContext = class extends Context {
      constructor(options) {
        if (options?.sampleRate === 48000) throw new DOMException("only its own rate", "NotSupportedError");
        super({ ...options, sampleRate: 44100 });
      }
    };"""
    async with chromium(tmp_path) as browser, booth(browser, forty.server, script=old) as one:
        order = (await one.speaking()).order
        await asyncio.sleep(4)
        assert one.view().level_db > -40
        await one.page.click("#stop")
        await one.ended("由您结束。")
    await is_the_tune(forty, order, least=6)


async def test_who_says_nothing_is_warned_and_then_ended(tmp_path: Path) -> None:
    async with (
        city(tmp_path, count=5, BROKER_ENGINE="mosquitto", LIVE_SILENCE_S=12, **QUIET) as there,
        chromium(tmp_path, sound=bytes(RATE_HZ * 4)) as browser,
        booth(browser, there.server) as one,
    ):
        await one.speaking()
        await expect(one.page.locator(".level-word").last).to_contain_text("没有声音")
        await expect(one.page.locator("#silence")).to_be_visible()
        await expect(one.page.locator("#silence")).to_contain_text("自动结束")
        await one.ended("太久没有声音，自动结束。", within_s=20)


async def test_the_longest_time_ends_it_and_somebody_elses_stop_too(forty: City, tmp_path: Path) -> None:
    async with chromium(tmp_path) as browser, booth(browser, forty.server) as one:
        view = await one.speaking()
        await forty.server.broadcasts.stop(view.order, by=OFFICER)
        await one.ended("有人停播了这次喊话。")
        await one.page.fill("#minutes", "0")
        await one.page.click("#prepare")
        await one.problem("最长几分钟", "超出范围")
        await one.page.fill("#minutes", "999")
        await one.page.click("#prepare")
        await one.problem("最长几分钟", "超出范围")


# ---- no microphone ----------------------------------------------------------------------------------------------------------


async def test_a_page_that_is_not_secure_says_what_to_do(forty: City, tmp_path: Path) -> None:
    port = forty.server.address.rpartition(":")[2]
    resolver = "--host-resolver-rules=MAP lianbo.example 127.0.0.1"
    async with chromium(tmp_path, resolver) as browser:
        for language, words in (
            ("zh-CN", ("不是安全连接", "https://", "localhost")),
            ("en", ("no secure", "https://")),
        ):
            there = f"http://lianbo.example:{port}"
            async with booth(browser, forty.server, language=language, address=there, picky=False) as one:
                await one.problem(*words, f"lianbo.example:{port}")
                await one.choose()
                await one.page.click("#prepare")
                await one.problem(*words)
                assert forty.server.live.all() == []


async def test_without_a_device_or_without_leave_the_page_says_so(forty: City, tmp_path: Path) -> None:
    async with chromium(tmp_path, device=False) as browser, booth(browser, forty.server) as one:
        await one.page.click("#mic")
        await one.problem("没有找到话筒")
    denied = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); };"
    async with chromium(tmp_path) as browser, booth(browser, forty.server, script=denied, language="en") as one:
        await one.page.click("#mic")
        await one.problem("does not allow the microphone")
        assert forty.server.live.all() == []


async def test_oneself_is_heard_only_when_asked_for_and_never_on_the_air(forty: City, tmp_path: Path) -> None:
    listen = """
    window.gains = []; const create = AudioContext.prototype.createGain;
    AudioContext.prototype.createGain = function () { const one = create.call(this); window.gains.push(one); return one; };"""
    async with chromium(tmp_path) as browser, booth(browser, forty.server, script=listen) as one:
        gain = "window.gains.at(-1).gain.value"
        await one.choose()
        await one.page.click("#mic")
        await expect(one.page.locator("#hear")).to_be_enabled()
        assert await one.page.evaluate(gain) == 0
        await one.page.check("#hear")
        assert await one.page.evaluate(gain) == 1
        await one.page.click("#prepare")
        await one.lamp("prelisten")
        await one.page.click("#begin")
        await one.lamp("on_air", within_s=20)
        assert await one.page.evaluate(gain) == 0


async def test_a_reader_of_screens_hears_each_state_once_and_every_control_has_a_name(
    forty: City, tmp_path: Path
) -> None:
    notes = """
    window.announced = [];
    addEventListener("DOMContentLoaded", () => {
      const place = document.getElementById("announce");
      if (place) new MutationObserver(() => window.announced.push(place.textContent)).observe(place, { childList: true });
    });"""
    async with chromium(tmp_path) as browser, booth(browser, forty.server, language="en", script=notes) as one:
        await one.speaking()
        await asyncio.sleep(2)
        said = await one.page.evaluate("window.announced")
        assert [text.partition(" ")[0] for text in said] == ["Not", "Wait", "On"]
        nameless = await one.page.evaluate(
            """[...document.querySelectorAll('main button, main input, main select, main [role=meter]')]
            .filter(one => !(one.labels?.length || one.textContent.trim() || one.getAttribute('aria-label')))
            .map(one => one.outerHTML)"""
        )
        assert nameless == []
        small = await one.page.evaluate(
            """[...document.querySelectorAll('main button, main select, main .choice')]
            .filter(one => one.getClientRects().length)
            .map(one => [one.id, one.getBoundingClientRect()])
            .filter(([, box]) => box.width < 24 || box.height < 24)"""
        )
        assert small == []


def test_the_tune_is_told_from_noise() -> None:
    noise = np.random.default_rng(1).normal(0, 3_000, RATE_HZ * 3)
    assert max(score for score, _ in as_heard(noise)) < 0.3
