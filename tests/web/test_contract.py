"""What the web promises: the document, the words, every error as an answer."""

import ast
import json
import re
from pathlib import Path

import pytest
from jinja2 import Environment, meta, nodes
from openapi_spec_validator import OpenAPIV31SpecValidator

import broadcast.web.app as web_app
from broadcast.domain.broadcasts import Life
from broadcast.domain.errors import BroadcastError
from broadcast.service.wall import Look
from broadcast.web.bodies import CODES
from broadcast.web.forms import KINDS, SEVERITIES
from broadcast.web.pages import SHAPES
from broadcast.web.problems import PROBLEMS
from broadcast.web.words import LANGUAGES, Words, chosen, texts
from endpoints.protocol import Fault, Reason, Stage
from tests.town import town
from tests.web.browser import machine

ROOT = Path(__file__).parents[2]
WEB = ROOT / "broadcast" / "web"
DOCUMENT = ROOT / "docs" / "openapi.json"


def document_text() -> str:
    return json.dumps(web_app.make_api().document(), ensure_ascii=False, indent=1) + "\n"


def test_the_document_is_valid_openapi_and_the_committed_one_is_today_s() -> None:
    document = web_app.make_api().document()
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"] == "3.1.0"
    assert DOCUMENT.read_text(encoding="utf-8") == document_text(), "python -m docs.openapi writes it anew"


async def test_the_document_is_served_to_everybody() -> None:
    async with town() as there, machine(there, None) as client:
        answer = await client.get("/api/v1/openapi.json")
        assert await answer.json() == web_app.make_api().document()


def errors_below(base: type[BroadcastError]) -> set[type[BroadcastError]]:
    return {sub for kind in base.__subclasses__() for sub in {kind} | errors_below(kind)}


def test_every_error_of_domain_service_and_web_has_a_status_and_a_sentence_in_both_languages() -> None:
    ours = {
        kind for kind in errors_below(BroadcastError) if re.match(r"broadcast\.(domain|service|web)\.", kind.__module__)
    }
    assert ours == set(PROBLEMS)
    for _, slug in PROBLEMS.values():
        for language in LANGUAGES:
            assert Words(language)(f"problem.{slug}")


def test_both_languages_say_the_same_things_with_the_same_facts() -> None:
    blanks = re.compile(r"\{([\w-]+)\}")
    zh, en = texts("zh-CN"), texts("en")
    assert zh.keys() == en.keys()
    for key in zh:
        assert set(blanks.findall(zh[key])) == set(blanks.findall(en[key])), key


def test_every_word_of_the_wire_and_of_the_domain_has_a_name() -> None:
    for language in LANGUAGES:
        known = texts(language)
        wanted = [f"look.{look.value}" for look in Look] + [f"life.{life.value}" for life in Life]
        wanted += [f"stage.{stage.name.lower()}" for stage in Stage]
        wanted += [f"reason.{reason.name.lower()}" for reason in Reason]
        wanted += [f"kind.{kind}" for kind in KINDS] + [f"severity.{severity}" for severity in SEVERITIES]
        wanted += [f"why.{fault.name.lower()}" for fault in Fault]
        wanted += [f"fault.{code}" for code in {*CODES.values(), "wrong-type"}]
        assert [key for key in wanted if key not in known] == []
    assert set(SHAPES) == set(Look)


def test_every_fault_that_the_domain_can_find_has_a_sentence() -> None:
    codes: set[object] = set()
    for path in [*(ROOT / "broadcast").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Fault":
                codes |= {arg.value for arg in node.args[1:2] if isinstance(arg, ast.Constant)}
    assert codes and [code for code in codes if f"fault.{code}" not in texts("en")] == []


def test_every_sentence_that_a_template_asks_for_is_there() -> None:
    environment = Environment()
    for path in (WEB / "templates").glob("*.html"):
        tree = environment.parse(path.read_text(encoding="utf-8"))
        assert meta.find_undeclared_variables(tree) is not None
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "t" and isinstance(call.args[0], nodes.Const):
                assert call.args[0].value in texts("en"), (path.name, call.args[0].value)


def test_every_condition_that_the_server_raises_has_a_sentence_or_the_general_one() -> None:
    words = Words("en")
    assert words.either("condition.broker-down", "condition.other") != words.either("condition.x", "condition.other")
    assert "x" in words.either("condition.x", "condition.other", name="y")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "zh-CN"),
        ("en", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("en-GB,en;q=0.9,zh;q=0.1", "en"),
        ("de,fr;q=0.5", "zh-CN"),
        ("en;q=nonsense", "zh-CN"),
    ],
)
def test_the_language_asked_for(header: str, language: str) -> None:
    assert chosen(header, "zh-CN") == language


def test_pages_have_no_inline_script_and_no_inline_style() -> None:
    for path in (WEB / "templates").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"""<script(?![^>]*\bsrc=)|\sstyle=|\son\w+="|<style""", text), path.name
        assert "|safe" not in text and "| safe" not in text and "autoescape" not in text


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_cells_and_levels_can_be_told_apart_by_those_who_see_little() -> None:
    """WCAG 2.2: text 4.5 : 1 on every ground, edges of cells 3 : 1 against the panel."""
    sheet = (WEB / "static" / "desk.css").read_text(encoding="utf-8")
    named = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", sheet))
    sheet = re.sub(r"var\(--([\w-]+)\)", lambda match: named[match[1]], sheet)
    sheet = re.sub(r"#([0-9a-f])([0-9a-f])([0-9a-f])\b(?![0-9a-f])", r"#\1\1\2\2\3\3", sheet)
    rules = re.findall(r"((?:\.(?:tile|red|orange|yellow|blue|button|pill|link)[\w.,\s-]*)) \{([^}]*)\}", sheet)
    checked = 0
    for selector, body in rules:
        ground = re.findall(r"background: [^;]*", body)
        text = re.findall(r"(?<![\w-])color: (#[0-9a-f]{6})", body)
        for colour in re.findall(r"#[0-9a-f]{6}", " ".join(ground)):
            for ink in text:
                assert contrast(colour, ink) >= 4.5, (selector, colour, ink)
                checked += 1
        for edge in re.findall(r"border(?:-color)?: [^;]*?(#[0-9a-f]{6})", body):
            if selector.startswith(".tile") and "outside" not in selector:
                assert contrast(edge, named["panel"]) >= 3, (selector, edge)
    assert checked >= 15
