"""axe-core in a page: what WCAG 2.2 AA says of it. The script is MPL-2.0 and is used by the tests alone."""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
LOOK = """async ([tags, only]) => {
  const options = only.length ? {runOnly: {type: 'rule', values: only}} : {runOnly: {type: 'tag', values: tags}};
  const rules = only.length ? {} : {'target-size': {enabled: true}};
  const found = await axe.run(document, {...options, rules, resultTypes: ['violations']});
  return found.violations.map(one => [one.id, one.nodes.slice(0, 4).map(node => node.html.slice(0, 160) + ' | ' +
    (node.any[0]?.message ?? node.all[0]?.message ?? ''))]);
}"""
THEMES = ("light", "contrast", "dark")


async def violations(page: Page, *, only: tuple[str, ...] = ()) -> list[Any]:
    """Each with its first places; empty: nothing was found.

    :param only: these rules; without, all of WCAG 2.2 AA.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT + ";void 0")
    found: list[Any] = await page.evaluate(LOOK, [RULES, list(only)])
    return found


async def in_every_theme(page: Page) -> dict[str, list[Any]]:
    """All rules in the theme that it has, and in the others what colours can do wrong. Only themes with findings."""
    found = {"dark": await violations(page)}
    for theme in THEMES:
        await page.evaluate(
            """(theme) => { const root = document.documentElement; root.dataset.theme = theme;
            root.classList.toggle('dark', theme !== 'light'); }""",
            theme,
        )
        if theme != "dark":
            found[theme] = await violations(page, only=("color-contrast",))
    return {theme: list_ for theme, list_ in found.items() if list_}
