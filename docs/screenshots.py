"""Makes the pictures of the pages in docs/pictures/ from a real running demo: `./dev screenshots`.

Without arguments it starts `lianbo demo` in a folder of its own, with 718 simulated speakers of which two lose their power;
with `--base`, `--user` and `--password` it uses a server that runs, and **really broadcasts there**.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Error, Page, async_playwright, expect

PICTURES = Path(__file__).with_name("pictures")
SIZES = {"": (1600, 1000), "-phone": (390, 844)}
CONTROL = re.compile(r"--control (\S+)")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
)  # a control room lets the desk sound
LATE_FROM = "130281110000"  # the townships from here on are late
CUT_OFF = ("s-130281100201-1", "s-130281109200-1")
READY = re.compile(r"Desk: (\S+)\s+user: (\S+)\s+password: (\S+)")


@dataclass(frozen=True)
class Desk:
    """Where the desk is and how to get in."""

    base: str
    user: str
    password: str


@asynccontextmanager
async def demo() -> AsyncIterator[Desk]:
    """A demo in a folder that vanishes afterwards."""
    with tempfile.TemporaryDirectory(prefix="lianbo-pictures-") as folder:
        environment = {**os.environ, "LIANBO_SERVER_DATA_FOLDER": folder, "LIANBO_SERVER_PORT": "0"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-u", "-m", "broadcast.main", "demo"), env=environment, stdout=asyncio.subprocess.PIPE
        )
        try:
            yield await ready(process)
        finally:
            process.send_signal(signal.SIGINT)
            await process.wait()


async def ready(process: asyncio.subprocess.Process) -> Desk:
    """Read what the demo says until it says where it is."""
    if process.stdout is None:
        raise SystemExit("the demo says nothing")
    async with asyncio.timeout(120):
        async for raw in process.stdout:
            line = raw.decode()
            print(line, end="")
            if match := CONTROL.search(line):
                await cut_off(match[1])
            if match := READY.search(line):
                return Desk(*match.groups())
    raise SystemExit("the demo ended before its desk was there")


async def cut_off(control: str) -> None:
    """Two speakers lose their power, and half of the townships hear everything 5 s late: the wall is taken half filled."""
    speakers = json.loads(Path(control).with_name("speakers.json").read_text())["speakers"]
    late = [one["id"] for one in speakers if one["area"] >= LATE_FROM and one["id"] not in CUT_OFF]
    for fault, ids in (("power", CUT_OFF), ("slow", late)):
        command = (sys.executable, "-m", "broadcast.main", "fault", fault, *ids, "--control", control)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
        await process.wait()


class Camera:
    """A browser window of one size and language."""

    def __init__(self, page: Page, suffix: str) -> None:
        self.page, self.suffix = page, suffix

    async def take(self, name: str) -> None:
        path = PICTURES / f"{name}{self.suffix}.png"
        for _ in range(3):  # a busy machine's Chromium now and then has no frame to give
            try:
                await self.page.screenshot(path=path)
                break
            except Error as err:
                print(f"  once more: {err.message.splitlines()[0]}")
        print(f"  {path.relative_to(PICTURES.parent.parent)}")


async def sign_in(page: Page, desk: Desk) -> None:
    await page.goto("/console/")
    await page.fill("input[name=username]", desk.user)
    await page.fill("input[name=password]", desk.password)
    await page.click("form button[type=submit]")
    await expect(page.locator("main h1").first).to_be_attached()


async def turn_to(page: Page, path: str) -> None:
    """Go to a page and wait until it can be used."""
    await page.goto(path)
    await expect(page.locator("main h1").first).to_be_attached()


@asynccontextmanager
async def window(browser: Browser, desk: Desk, language: str, size: str) -> AsyncIterator[Camera]:
    width, height = SIZES[size]
    context = await browser.new_context(
        base_url=desk.base, viewport={"width": width, "height": height}, locale=language
    )
    prefs = json.dumps({"language": language, "theme": "dark"})
    await context.add_init_script(f"localStorage.setItem('lianbo.prefs', '{prefs}');")
    page = await context.new_page()
    page.set_default_timeout(20_000)
    await sign_in(page, desk)
    yield Camera(page, "-en" if language == "en" else "")
    await context.close()


async def photograph(browser: Browser, desk: Desk, language: str) -> None:
    """The walk from the morning programme to the end of an alert, at the desk; beside it a telephone."""
    async with window(browser, desk, language, "") as camera, window(browser, desk, language, "-phone") as phone:
        page = camera.page
        await expect(page.locator("[data-test=sounding]")).to_be_visible(timeout=90_000)  # the morning programme
        await camera.take("desk")
        await turn_to(page, "/console/schedule")
        await page.locator(".week .block").first.scroll_into_view_if_needed()
        await camera.take("schedule")
        await turn_to(page, "/console/")
        await page.keyboard.press("F9")
        await page.locator("[data-test=plan-1]").click()
        await expect(page.locator("[data-test=reach-online]")).to_be_visible()
        await page.wait_for_timeout(2_000)  # the words are being spoken
        await camera.take("confirm")
        await page.locator("[data-test=hold]").click(delay=2_300)
        await page.wait_for_url("**/broadcasts/*")
        await phone.page.goto("/m")
        await page.wait_for_timeout(1_500)
        where = page.url
        await turn_to(page, "/console/wall")
        await page.wait_for_timeout(700)
        await camera.take("wall")
        await page.goto(where)
        await page.wait_for_timeout(1_500)
        await camera.take("broadcast")
        await phone.take("phone")
        await page.locator("[data-test=alert-bar] [data-test=stop]").first.click()
        await page.locator("[data-test=end-confirm]").click()
        await expect(page.locator("[data-test=alert-bar]")).to_have_count(0)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--base", default=os.environ.get("LIANBO_BASE", ""), help="address of a running server")
    parser.add_argument("--user", default=os.environ.get("LIANBO_USER", "admin"))
    parser.add_argument("--password", default=os.environ.get("LIANBO_PASSWORD", ""))
    asked = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("there is no chromium on this machine; ./dev screenshots brings it")
    PICTURES.mkdir(exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        if asked.base:
            await all_of(browser, Desk(asked.base, asked.user, asked.password))
        else:
            async with demo() as desk:
                await all_of(browser, desk)
        await browser.close()


async def all_of(browser: Browser, desk: Desk) -> None:
    for language in ("zh-CN", "en"):
        await photograph(browser, desk, language)


if __name__ == "__main__":
    asyncio.run(main())
