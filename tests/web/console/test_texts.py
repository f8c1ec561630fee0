"""The console speaks Chinese and English, both whole."""

import importlib.util
import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from broadcast.domain.proofs import Known
from broadcast.service.wall import Look
from broadcast.web.console_files import BUILT, is_there
from broadcast.web.words import PLURAL, Words
from broadcast.web.words import texts as server_texts
from endpoints.protocol import Kind, Reason, Severity, Stage

SOURCES = Path(__file__).parents[3] / "console" / "src"
TEXTS = SOURCES / "texts"
LANGUAGES = ("zh-CN", "en")
SUBJECTS = sorted({path.name.split(".")[0] for path in TEXTS.glob("*.json")} - {"server"})
SERVER = SOURCES.parents[1] / "broadcast" / "web" / "texts"
# t("a.b"), and t(`a.b.${c}`) or t(`a.b_${c}`), of which the fixed beginning is known
KEY = re.compile(r"""(?<![\w$.])(?:t|has)\(\s*(?:"([\w.-]+)"|'([\w.-]+)'|`([\w.-]*)(?:\$\{[^`]*)?`)""")
ABOUT = re.compile(r"""(?:title|about|useShortcut\("[^"]+",)\s*:?\s*"([a-z]\w*\.[\w.-]+)\"""")
FACT = re.compile(r"\{(\w+)\}")


@cache
def texts(subject: str, language: str) -> dict[str, str]:
    def flat(above: str, found: Any) -> dict[str, str]:
        if isinstance(found, str):
            return {above: found}
        return {key: text for name, one in found.items() for key, text in flat(f"{above}.{name}", one).items()}

    found = json.loads((TEXTS / f"{subject}.{language}.json").read_text())
    if subject == "words":  # with what the server calls its states, as console/build.py puts it there
        whole = tomllib.loads((SERVER / f"{language}.toml").read_text())
        found = {section: whole[section] for section in builder().WORDS} | found
    return flat(subject, found)


@cache
def builder() -> Any:
    spec = importlib.util.spec_from_file_location("console_build", SOURCES.parent / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def everything(language: str) -> dict[str, str]:
    return {key: text for subject in SUBJECTS for key, text in texts(subject, language).items()}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_both_languages_say_the_same_things_with_the_same_facts(subject: str) -> None:
    chinese, english = (texts(subject, language) for language in LANGUAGES)
    assert chinese.keys() == english.keys()
    assert {key for key in chinese if sorted(FACT.findall(chinese[key])) != sorted(FACT.findall(english[key]))} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_empty_and_nothing_would_be_read_as_a_command(language: str) -> None:
    all_texts = everything(language)
    assert {key for key, text in all_texts.items() if not text.strip() and key != "words.reason.none"} == set()
    assert {
        key for key, text in all_texts.items() if "@" in text or "|" in text or "<" in text
    } == set()  # vue-i18n's signs


def test_a_noun_goes_by_how_many_there_are() -> None:
    """`{count:village/villages}` names a fact of its own sentence, and no noun beside a count is written in one number only."""
    english = everything("en") | server_texts("en")
    assert {
        key for key, text in english.items() if not {at[1] for at in PLURAL.finditer(text)} <= {*FACT.findall(text)}
    } == set()
    fixed = re.compile(r"\{\w+\} (?:speaker|village|township|area|place|board|programme|minute|day|rule)s\b")
    assert {key for key, text in english.items() if fixed.search(text)} == set()
    assert {key for key, text in (everything("zh-CN") | server_texts("zh-CN")).items() if PLURAL.search(text)} == set()
    say, facts = Words("en"), {"where": "Anfu", "townships": 1}
    assert "1 speaker in 1 township (Anfu)" in say("condition.silent-test-failed", speakers=1, **facts)
    assert "20 speakers in 1 township (Anfu)" in say("condition.silent-test-failed", speakers=20, **facts)


def test_the_english_ones_are_english() -> None:
    han = re.compile(r"[\u4e00-\u9fff]")
    assert {key: text for key, text in everything("en").items() if han.search(text)} == {}


# The destructive verbs, fixed: one word for one act in each language (alphagov/notifications-admin PR 3952; docs/glossary.md).
GLOSSARY = {
    "作废": r"\bvoid",
    "退回": r"\breturn",
    "停播": r"\bstop",
    "解除": r"\ball[- ]clear",
    "更正": r"\bcorrect",
    "删除": r"\bdelet",
}
EVERYDAY = ("停播", "更正", "退回")  # to stop, to correct and to return are said of other things too
# What people say for one of them, and what then is nobody knows which act.
LOOSE = re.compile(r"撤销|废除|废止|清除|抹去|抹掉|停止播|终止|中止|取消播|打回|修正|改正|更改播|删掉|删去")
LOOSE_EN = re.compile(r"\b(discard|send back|sent back|erase|abort|terminate|rectif|wipe)", re.IGNORECASE)


@pytest.mark.parametrize("chinese", GLOSSARY)
def test_the_destructive_verbs_are_the_same_words_everywhere_and_in_both_languages(chinese: str) -> None:
    own, english = ({key: FACT.sub("", text) for key, text in everything(one).items()} for one in LANGUAGES)
    says = re.compile(GLOSSARY[chinese], re.IGNORECASE)
    ours = [key for key in own if not key.startswith("words.")]  # the server's own words are its sections' affair
    assert [(own[key], english[key]) for key in ours if chinese in own[key] and not says.search(english[key])] == []
    if chinese not in EVERYDAY:
        assert [(own[key], english[key]) for key in ours if says.search(english[key]) and chinese not in own[key]] == []
    assert sum(chinese in own[key] for key in ours) > 0


def test_no_text_says_a_destructive_verb_loosely() -> None:
    assert {key: text for key, text in everything("zh-CN").items() if LOOSE.search(text)} == {}
    assert {key: text for key, text in everything("en").items() if LOOSE_EN.search(text)} == {}


def test_every_text_that_a_page_asks_for_is_there() -> None:
    known = everything("en")
    missing = []
    for path in sorted([*SOURCES.rglob("*.vue"), *SOURCES.rglob("*.ts")]):
        source = path.read_text()
        for match in KEY.finditer(source):
            whole = match[1] or match[2]
            begins = match[3]
            if whole is None and "${" not in match[0]:
                whole = begins
            there = whole in known if whole is not None else any(key.startswith(begins or "") for key in known)
            if not there or (whole is None and not begins):
                missing.append(f"{path.name}: {match[0]}")
        missing += [f"{path.name}: {key}" for key in ABOUT.findall(source) if key not in known]
    assert missing == []


def test_every_page_has_a_title() -> None:
    names = re.findall(r'name: "(\w+)"', (SOURCES / "pages.ts").read_text())
    assert names
    assert [name for name in names if f"nav.{name}" not in everything("en")] == []


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("look", [one.value for one in Look]),
        ("kind", [one.name.lower() for one in Kind]),
        ("severity", [one.name.lower() for one in Severity]),
        ("stage", [one.name.lower() for one in Stage]),
        ("reason", [one.name.lower() for one in Reason]),
        ("known", [one.value for one in Known]),
    ],
)
def test_every_word_of_the_server_has_its_text(family: str, words: list[str]) -> None:
    assert [word for word in words if f"words.{family}.{word}" not in everything("zh-CN")] == []


def test_the_looks_stand_in_the_same_order_as_on_the_server() -> None:
    listed = re.search(r"export const LOOKS = \[(.*?)\] as const", (SOURCES / "looks.ts").read_text(), re.DOTALL)
    assert listed is not None
    assert re.findall(r'"(\w+)"', listed[1]) == [one.value for one in Look]


@pytest.mark.skipif(not is_there(BUILT), reason="the console is not built; ./dev test builds it")
def test_the_first_load_is_within_its_budget() -> None:
    """200 kB packed: what the page names itself, and one language. The browser's own count is in bench/console.py."""
    named = re.findall(r'(?:src|href)="/console/(assets/[^"]+)"', (BUILT / "index.html").read_text())
    assert any(name.endswith(".js") for name in named)
    texts_of_it = [str(path.relative_to(BUILT)) for path in BUILT.glob("assets/zh-CN-*.js")]
    assert sum((BUILT / f"{name}.gz").stat().st_size for name in [*named, *texts_of_it]) <= 200_000


def test_no_page_writes_html_by_itself_names_a_class_cell_or_asks_another_host() -> None:
    found = []
    for path in sorted([*SOURCES.rglob("*.vue"), *SOURCES.rglob("*.ts"), *SOURCES.rglob("*.css")]):
        for forbidden in (r"v-html", r"innerHTML", r"class=\"[^\"]*\bcell\b", r"\.cell\b", r"https?://", r"\sstyle=\""):
            if re.search(forbidden, path.read_text()):
                found.append(f"{path.name}: {forbidden}")
    assert found == []
