"""What is written, as it is said. The table of cases is `spoken_cases.tsv`."""

import re
import time
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.spoken import cardinal, is_hanzi, spoken, unsaid
from audio_assets.spoken.characters import holds_markup

TABLE = Path(__file__).with_name("spoken_cases.tsv")
ESCAPES = {r"\n": "\n", r"\x00": "\0", r"\x1b": "\x1b", r"\u200b": "\u200b"}
WHATEVER = st.text(max_size=200)
WORDS = st.sampled_from(
    [*"0123456789" * 3, *".-~:/,% +*#()·°′<>=_@!?|^", "元", "个", "号", "年", "月", "日", "时", "点", "分", "第", "级", "室",
     "单元", "度", "万", "亿", "℃", "kg", "km/h", "kW", "冀B", "G", "K", "S", "电话", "拨打", "至", "到", "，", "。", "\n", "http://",
     "www.", ".cn", "米", "公斤", "约", "是", "路", "国道", "¥", "‰", "mg/L", "No.", "两", "三", "十", "百", "😀", "\u200b"]
)  # fmt: skip


def cases() -> list[tuple[str, str]]:
    """The lines of the table that are not comments."""
    found = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("# "):
            written, said = line.split("\t")
            found.append((re.sub(r"\\(?:n|x00|x1b|u200b)", lambda one: ESCAPES[one[0]], written), said))
    return found


def figures(text: str) -> Counter[int]:
    """How often each figure from 1 to 9 stands in a text, in whatever form; the one of 十 included."""
    found: Counter[int] = Counter()
    before = " "
    for char in text:
        if char in "123456789":
            found[int(char)] += 1
        elif char in "一二三四五六七八九":
            found["零一二三四五六七八九".index(char)] += 1
        elif char in "幺两":
            found[1 if char == "幺" else 2] += 1
        elif char == "十" and before not in "一二三四五六七八九两":
            found[1] += 1
        before = char
    return found


@pytest.mark.parametrize(("written", "said"), cases(), ids=[written for written, _ in cases()])
def test_it_is_said_as_people_say_it(written: str, said: str) -> None:
    assert spoken(written) == said


def test_the_table_holds_what_was_asked_for_each_case_once() -> None:
    written = [one for one, _ in cases()]
    assert len(written) >= 200
    assert len(written) == len(set(written))


@pytest.mark.parametrize(
    ("digits", "said"),
    [
        ("0", "零"), ("10", "十"), ("12", "十二"), ("20", "二十"), ("101", "一百零一"), ("110", "一百一十"),
        ("1000", "一千"), ("1010", "一千零一十"), ("10000", "一万"), ("10500", "一万零五百"), ("100000", "十万"),
        ("10010000", "一千零一万"), ("100000005", "一亿零五"), ("007", "零零七"), ("1234567890123", "一二三四五六七八九零一二三"),
    ],
)  # fmt: skip
def test_whole_numbers(digits: str, said: str) -> None:
    assert cardinal(digits) == said


@given(st.integers(0, 10**12 - 1))
def test_a_number_can_be_heard_back(value: int) -> None:
    """The words are parsed by rules of their own: a figure in a warning is never another figure."""
    total = section = digit = 0
    for char in cardinal(str(value)):
        if char in "零一二三四五六七八九":
            digit = "零一二三四五六七八九".index(char)
        elif char in "十百千":
            section += (digit or 1) * 10 ** (1 + "十百千".index(char))
            digit = 0
        else:
            total, section, digit = total + (section + digit) * {"万": 10**4, "亿": 10**8}[char], 0, 0
    assert total + section + digit == value


@given(WHATEVER)
def test_whatever_is_written_only_characters_and_single_pauses_come_out(text: str) -> None:
    said = spoken(text)
    assert all(is_hanzi(char) or char in "，。" for char in said)
    assert not any(pair in said for pair in ("，，", "。。", "，。", "。，"))
    assert said.strip("，。") == said


@given(WHATEVER | st.lists(WORDS, max_size=30).map("".join))
def test_what_is_said_is_said_the_same_when_it_is_written(text: str) -> None:
    assert spoken(spoken(text)) == spoken(text)


@given(st.lists(WORDS, max_size=16).map("".join))
def test_no_figure_is_lost_or_invented(text: str) -> None:
    assert figures(spoken(text)) == figures(text)


@given(st.text(alphabet=st.characters(categories=["Nd"]), min_size=1, max_size=8))
def test_digits_of_every_script_are_numbers(text: str) -> None:
    assert figures(spoken(text)) == figures("".join(str(unicodedata.decimal(digit)) for digit in text))


@pytest.mark.parametrize(
    "text",
    ["1", "1-", "1.", "1,", "1,234", "a", "a@", "a.", "1:", "8:30", "电话", "1 ", "请", "-", "—", "1~", "1m", "K1+", "I、",
     "*", "²", "ﷺ", "a.b.", "冀B", "1%",
     ">", "→1", "1>", "<a", "0315-", "1—", "编号1 ", "编号a-", "K1-", "3x",
     "2026.3.5-", "+1", "☎", "1°1′", "www.", "1万", "G1请", "<", "\n", "第1", "138****"],
)  # fmt: skip
def test_ten_thousand_characters_take_a_moment_whatever_they_are(text: str) -> None:
    """No rule looks twice at the same run: a quadratic one would take seconds."""
    began = time.process_time()
    spoken((text * 10_000)[:10_000])
    assert time.process_time() - began < 1.5


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("暴雨→立即转移", "→"), ("价格∝面积", "∝"), ("票价5₩", "₩"), ("∠45°", "∠"), ("√2", "√"), ("通知❌聚集", "❌"),
        ("Привет你好", "Привет"),
        ("さくら", "さくら"), ("x^", "^"), ("到\ue863村", "\ue863"), ("占比%", "%"), ("∵下雨∴停课", "∵∴"), ("甲←乙", "←"),
    ],
)  # fmt: skip
def test_what_may_mean_something_and_cannot_be_said_is_told(text: str, lost: str) -> None:
    assert unsaid(text) == lost


@pytest.mark.parametrize(
    "text",
    ["雨量>100mm", "≥8级", "（请注意）——【转移】！“好”…", "■一、●二 ★三", "\u200b\ufeff你好\n", "105→106m", "±5%", "¥100", "☎119",
     "A、B；C/D",
     "\uf06c转移", "***通知***", "8:30～9:30", "www.a.cn", "a_b", "Zūnhuà", "1️⃣", "﹁好﹂", "㎡", "①②", "你好~"],
)  # fmt: skip
def test_what_adorns_or_is_said_is_not_reported_as_lost(text: str) -> None:
    assert unsaid(text) == ""


@given(WHATEVER)
def test_what_is_reported_as_lost_stood_in_the_text_or_is_what_it_became(text: str) -> None:
    lost = unsaid(text)
    assert len(lost) == len(set(lost))
    assert not any(is_hanzi(char) or char.isspace() for char in lost)


@pytest.mark.parametrize(
    "text", ["<b>红色</b>", "<br/>", "a<script src=x>", "&nbsp;", "&#39;", "<!-- x -->", "</div >"]
)
def test_markup_is_seen(text: str) -> None:
    assert holds_markup(text)


@pytest.mark.parametrize("text", ["风力<8级且>3级", "A&B", "1 < 2", "x<y", "3>2", "请注意 & 转移；", "<8m>"])
def test_a_sign_of_comparison_is_no_markup(text: str) -> None:
    assert not holds_markup(text)
