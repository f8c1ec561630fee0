"""The console in Chromium on a whole county: how much it loads, when the wall is painted, how long from a report to its place.

The budgets are those of the desk: 200 kB packed at the first load, the wall painted within 0.5 s, a report in its place within
300 ms while 718 speakers report in one second. Here all 718 answer one trigger, which is more at once than that. Speaker, server
and browser share one clock: a delay is when the browser has painted a place, minus when the speaker says that it began.
"""

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from bench.county import County, county
from bench.figures import Figure, median, write
from endpoints.protocol import Stage

COUNT, TRIES, ORDERS = 718, 5, 3
MOST_BYTES, PAINTED_MS, SHOWN_MS = 200_000, 500, 300

# When the wall stood whole, and when each place was painted as sounding, in epoch ms. Two frames: the first is the one that the
# change goes into, at the second it has been handed to the screen.
NOTES = """
window.noted = { wall: 0, sounding: {} };
const frame = requestAnimationFrame;
const painted = (then) => frame(() => frame(() => then(performance.timeOrigin + performance.now())));
addEventListener("DOMContentLoaded", () => {
  new MutationObserver((changes) => {
    const wall = document.querySelector("[data-test=wall]");
    if (!window.noted.wall && wall && wall.querySelectorAll(".place").length >= 690) {
      window.noted.wall = -1;
      painted((at) => (window.noted.wall = at - performance.timeOrigin));
    }
    const codes = changes.filter((one) => one.target.dataset?.look === "sounding" && one.target.dataset.index)
      .map((one) => one.target.dataset.index);
    if (codes.length) painted((at) => { for (const code of codes) window.noted.sounding[code] ??= at; });
  }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-look"] });
});
"""


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        async with county(Path(name) / "county", COUNT) as there, there.simulator(), _chromium() as browser:
            await there.all_online(COUNT)
            loads = [await _first_load(there, browser) for _ in range(TRIES)]
            delays: list[float] = []
            for _ in range(ORDERS):
                delays += await _reports(there, browser)
    ordered = sorted(delays)
    return [
        Figure("first load of the wall, packed", max(size for size, _ in loads), "B", goal=MOST_BYTES),
        Figure(f"navigation → wall painted, median of {TRIES}", median([at for _, at in loads]), "ms", goal=PAINTED_MS),
        Figure(f"navigation → wall painted, worst of {TRIES}", max(at for _, at in loads), "ms"),
        Figure(f"report → its place painted, p50 of {len(ordered)}", median(ordered), "ms"),
        Figure("report → its place painted, p99", ordered[len(ordered) * 99 // 100], "ms", goal=SHOWN_MS),
        Figure("report → its place painted, worst", ordered[-1], "ms"),
    ]


@asynccontextmanager
async def _chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        yield browser
        await browser.close()


async def _context(there: County, browser: Browser) -> BrowserContext:
    """A browser that has never been here, signed in as the county's officer."""
    context = await browser.new_context(base_url=there.server.url, viewport={"width": 1920, "height": 1080})
    cookies = there.session.cookie_jar.filter_cookies(there.server.url)  # type: ignore[arg-type]
    token = cookies["lianbo_session"].value
    await context.add_cookies([{"name": "lianbo_session", "value": token, "url": there.server.url}])
    await context.add_init_script(NOTES)
    return context


async def _first_load(there: County, browser: Browser) -> tuple[int, float]:
    """Bytes over the wire of everything but the API, and milliseconds until the wall is painted."""
    context = await _context(there, browser)
    page = await context.new_page()
    wire = await context.new_cdp_session(page)
    await wire.send("Network.enable")
    urls: dict[str, str] = {}
    sizes: dict[str, int] = {}

    def begins(event: dict[str, Any]) -> None:
        urls[event["requestId"]] = event["response"]["url"]

    def ends(event: dict[str, Any]) -> None:
        sizes[event["requestId"]] = int(event["encodedDataLength"])

    wire.on("Network.responseReceived", begins)
    wire.on("Network.loadingFinished", ends)
    await page.goto("/console/wall")
    at_ms = await _painted(page)
    await context.close()
    return sum(size for one, size in sizes.items() if "/api/" not in urls.get(one, "/api/")), at_ms


async def _painted(page: Page) -> float:
    return await _until(page, "window.noted.wall", 0.001)


async def _until(page: Page, what: str, least: float, *, within_s: float = 60.0) -> float:
    """By asking again and again: the page's Content-Security-Policy lets nothing be evaluated inside it."""
    async with asyncio.timeout(within_s):
        while True:
            found = float(await page.evaluate(what))
            if found >= least:
                return found
            await asyncio.sleep(0.05)


async def _reports(there: County, browser: Browser) -> list[float]:
    """Of one trigger to the whole city: for each speaker, from its report to its place, in milliseconds."""
    context = await _context(there, browser)
    page = await context.new_page()
    await page.goto("/console/wall")
    await _painted(page)
    order, _ = await there.trigger()
    await _until(page, "Object.keys(window.noted.sounding).length", COUNT)
    shown: dict[str, float] = await page.evaluate(
        """async () => {
        const names = {};
        for (const [index, at] of Object.entries(window.noted.sounding)) {
          const place = document.querySelector(`.place[data-index='${index}']`);
          names[place.dataset.code] = at;
        }
        return names; }"""
    )
    said = _said(there, order)
    await there.stop_all()
    await context.close()
    return [shown[area] - at_ms for area, at_ms in said if area in shown]


def _said(there: County, order: str) -> Sequence[tuple[str, int]]:
    """The area of each speaker and when it says that it began to sound."""
    areas = {one.id: one.area for one in there.told.speakers}
    with closing(sqlite3.connect(f"file:{there.folder / 'data' / 'lianbo.db'}?mode=ro", uri=True)) as database:
        query = "SELECT speaker_id, MIN(at_ms) FROM report WHERE order_id = ? AND stage = ? GROUP BY speaker_id"
        return [(areas[name], at_ms) for name, at_ms in database.execute(query, (order, Stage.SOUNDING.value))]


def main() -> None:
    write("console", asyncio.run(measure()))
