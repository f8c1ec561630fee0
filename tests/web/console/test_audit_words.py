"""Every act that the server writes into its trail has its words in both languages, and the filter offers it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.console.test_texts import LANGUAGES, SOURCES, texts

SERVER = Path(__file__).parents[3] / "broadcast"
WRITERS = ("ActRow", "_act")  # the act's name is their third argument


def literals(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*literals(node.body), *literals(node.orelse))


def acts_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in WRITERS and len(node.args) > 2:
                yield from literals(node.args[2])
            for keyword in node.keywords:
                if keyword.arg == "verb":
                    yield from literals(keyword.value)
        elif isinstance(node, ast.Assign) and any(getattr(one, "id", "") == "verb" for one in node.targets):
            yield from literals(node.value)


def server_acts() -> set[str]:
    found: set[str] = set()
    for path in SERVER.rglob("*.py"):
        if path.relative_to(SERVER).parts[0] != "web":
            found |= set(acts_in(ast.parse(path.read_text())))
    return {act for act in found if act and not act.startswith("/")}  # a path of the API names a once-key


def test_the_filter_offers_every_act() -> None:
    listed = re.search(
        r"export const ACTS = \[(.*?)\] as const", (SOURCES / "pages/audit/acts.ts").read_text(), re.DOTALL
    )
    assert listed is not None
    assert set(re.findall(r'"([^"]+)"', listed[1])) == server_acts()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_act_has_its_words(language: str) -> None:
    known = texts("audit", language)
    assert [act for act in server_acts() if f"audit.act.{re.sub('[ -]', '_', act)}" not in known] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_words_are_kept_for_an_act_that_nobody_writes(language: str) -> None:
    keys = {f"audit.act.{re.sub('[ -]', '_', act)}" for act in server_acts()}
    assert {key for key in texts("audit", language) if key.startswith("audit.act.")} - keys == set()
