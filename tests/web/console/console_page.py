"""The console in a real Chromium, against the real application of `tests.town` or of a whole server."""

import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from broadcast.domain.officers import Officer
from broadcast.web.console_files import BUILT, is_there
from tests.town import DUTY, PASSWORD, Town
from tests.web.browser import served

CHROMIUM = shutil.which("chromium") or ""
needs_console = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine; ./dev test brings it"),
    pytest.mark.skipif(not is_there(BUILT), reason="the console is not built; ./dev test builds it"),
]
MAY_REFUSE = ("/api/", "/emergency/listen")  # the page tells the officer, of a sound that is not there too
WIDE, PHONE = 1600, 390
REFUSED = re.compile(r"^Failed to load resource: .* status of 4\d\d ")
# What a finger can't hit (WCAG 2.5.8), by eye's measure: links inside a sentence are exempt.
SMALL = """[...document.querySelectorAll('button, select, summary, input:not([type=hidden]), textarea, nav a, [role=button]')]
    .filter(one => one.getClientRects().length && getComputedStyle(one).visibility !== 'hidden')
    .filter(one => !(one.closest('label') && one.tagName === 'INPUT'))
    .map(one => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
    .filter(([, box]) => box.width < 23.5 || box.height < 23.5).map(([html]) => html)"""


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", *flags]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        await browser.close()


@asynccontextmanager
async def window(
    browser: Browser,
    base: str,
    path: str = "/console/",
    *,
    token: str = "",
    language: str = "zh-CN",
    theme: str = "dark",
    width: int = WIDE,
    script: str = "",
) -> AsyncIterator[Page]:
    """A window at that address. Whatever the browser complains about is held against us at the end.

    :param token: of a session; without one the visitor is a stranger.
    :param script: runs before the page's own.
    """
    viewport = {"width": width, "height": 844 if width < 500 else 1000}
    context = await browser.new_context(base_url=base, viewport=viewport, locale=language)  # type: ignore[arg-type]
    if token:
        await context.add_cookies([{"name": "lianbo_session", "value": token, "url": base}])
    prefs = json.dumps({"language": language, "theme": theme})
    await context.add_init_script(
        f"localStorage.getItem('lianbo.prefs') ?? localStorage.setItem('lianbo.prefs', '{prefs}');" + script
    )
    page = await context.new_page()
    page.set_default_timeout(10_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if is_complaint(line) else None)
    await page.goto(path)
    yield page
    await context.close()
    assert complaints == [], complaints


@asynccontextmanager
async def console(
    browser: Browser,
    there: Town,
    path: str = "/console/",
    *,
    officer: Officer | None = DUTY,
    language: str = "zh-CN",
    theme: str = "dark",
    width: int = WIDE,
    script: str = "",
) -> AsyncIterator[Page]:
    """The town served, and one officer of it before the console, signed in; None: a stranger."""
    token = await there.sign_in(officer) if officer else ""
    async with (
        served(there) as base,
        window(browser, base, path, token=token, language=language, theme=theme, width=width, script=script) as page,
    ):
        yield page


async def sign_in(page: Page, name: str = "duty", password: str = PASSWORD) -> None:
    await page.fill("input[name=username]", name)
    await page.fill("input[name=password]", password)
    await page.click("form button[type=submit]")


def is_complaint(line: ConsoleMessage) -> bool:
    """A refusal that is shown to the officer is no fault of the page, and Chromium says so all the same."""
    if line.type not in ("error", "warning"):
        return False
    return not (REFUSED.search(line.text) and urlsplit(line.location["url"]).path.startswith(MAY_REFUSE))


async def fits(page: Page, width: int) -> None:
    """No scrolling sideways."""
    found: int = await page.evaluate("document.documentElement.scrollWidth")
    assert found <= width, (page.url, found)


def picture(folder: Path, name: str) -> dict[str, str]:
    return {"path": str(folder / f"{name}.png")}
