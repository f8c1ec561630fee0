"""Readings of names: what an operator can write, what is refused, and that every village can be named aloud."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.lexicon import MOST_ERRORS, MOST_OPEN, BadLexicon, Entry, Lexicon, digest, parse, shipped
from audio_assets.pinyin import is_syllable, parts_of
from audio_assets.reading import read
from audio_assets.spoken import spoken
from broadcast.domain.area_import import read_table
from config.areas import load_packaged

SHIPPED = parse(shipped())


def said(text: str, lexicon: Lexicon = SHIPPED) -> str:
    """The syllables of a text."""
    return " ".join(one for one in read(spoken(text), lexicon).syllables if one not in "，。")


def test_every_area_of_the_county_has_a_syllable_for_each_of_its_characters() -> None:
    names = {area.name for area in read_table(load_packaged("130281"))}
    assert len(names) > 600
    readings = {name: read(spoken(name), SHIPPED) for name in names}
    assert {name: one.words for name, one in readings.items() if one.words != name} == {}
    assert {name: one.unknown for name, one in readings.items() if one.unknown} == {}
    assert {name for name, one in readings.items() if one.spoken != len(name)} == set()


def test_every_name_of_the_county_that_is_entered_stands_in_its_table() -> None:
    """A name that is misspelt here would never be found there."""
    names = "".join(area.name for area in read_table(load_packaged("130281")))
    entries = shipped().partition("# --- Around it")[0]
    assert [word for word in parse(entries).entries if word not in names] == []


@pytest.mark.parametrize(
    ("text", "syllables"),
    [
        ("佛来峪村", "fo2 lai2 yu4 cun1"),
        ("后肖庄村", "hou4 xiao1 zhuang1 cun1"),
        ("任庄子村", "ren2 zhuang1 zi5 cun1"),
        ("圪塔坨村", "ge1 da5 tuo2 cun1"),
        ("马兰峪镇", "ma3 lan2 yu4 zhen4"),
        ("苏家洼镇", "su1 jia1 wa1 zhen4"),
        ("西三里镇", "xi1 san1 li3 zhen4"),
        ("北十里铺村", "bei3 shi2 li3 pu4 cun1"),
        ("平安城一村", "ping2 an1 cheng2 yi1 cun1"),
        ("河东一社区", "he2 dong1 yi1 she4 qu1"),
        ("大埝庄村", "da4 nian4 zhuang1 cun1"),
        ("乐亭", "lao4 ting2"),
        ("曹妃甸", "cao2 fei1 dian4"),
        ("尉迟先生", "yu4 chi2 xian1 sheng1"),
        ("曾先生和解女士", "zeng1 xian1 sheng1 he2 xie4 nv3 shi4"),
        ("仇某、单某、朴某", "qiu2 mou3 shan4 mou3 piao2 mou3"),
        ("长深高速", "chang2 shen1 gao1 su4"),
        ("不要长时间停留", "bu2 yao4 chang2 shi2 jian1 ting2 liu2"),
        ("全长3米", "quan2 chang2 san1 mi3"),
        ("村长、乡长", "cun1 zhang3 xiang1 zhang3"),
        ("水位为5m", "shui3 wei4 wei2 wu3 mi3"),
        ("为防止洪水", "wei4 fang2 zhi3 hong2 shui3"),
        ("积水没过膝盖", "ji1 shui3 mo4 guo4 xi1 gai4"),
        ("没有人员伤亡", "mei2 you3 ren2 yuan2 shang1 wang2"),
        ("解除警报", "jie3 chu2 jing3 bao4"),
        ("行洪区内行人绕行", "xing2 hong2 qu1 nei4 xing2 ren2 rao4 xing2"),
        ("重庆银行行长", "chong2 qing4 yin2 hang2 hang2 zhang3"),
        ("朝阳、朝阳村", "chao2 yang2 chao2 yang2 cun1"),
        ("朝阳升起", "zhao1 yang2 sheng1 qi3"),
        ("周六调休上班", "zhou1 liu4 tiao2 xiu1 shang4 ban1"),
        ("一旦不能", "yi2 dan4 bu4 neng2"),
        ("堤防决口", "di1 fang2 jue2 kou3"),
        ("曾家庄、翟各庄、任家营", "zeng1 jia1 zhuang1 zhai2 ge4 zhuang1 ren2 jia1 ying2"),
        ("解家峪、仇家店、朴家屯", "xie4 jia1 yu4 qiu2 jia1 dian4 piao2 jia1 tun2"),
        ("单家寨、查家沟、盖家堡", "shan4 jia1 zhai4 zha1 jia1 gou1 ge3 jia1 bao3"),
        ("华家洼、缪家村、纪各庄子", "hua4 jia1 wa1 miao4 jia1 cun1 ji3 ge4 zhuang1 zi5"),
        ("尉家铺、乐家庄、冼家湾", "wei4 jia1 pu4 yue4 jia1 zhuang1 xian3 jia1 wan1"),
        ("全区各村、社区家园", "quan2 qu1 ge4 cun1 she4 qu1 jia1 yuan2"),
        ("检查各庄、缓解某路段拥堵", "jian3 cha2 ge4 zhuang1 huan3 jie3 mou3 lu4 duan4 yong1 du3"),
        ("主任某某、小区某楼", "zhu3 ren4 mou3 mou3 xiao3 qu1 mou3 lou2"),
        ("不要家长陪同", "bu2 yao4 jia1 zhang3 pei2 tong2"),
        ("窨井、单县、泊头、任泽、蔚县", "yin4 jing3 shan4 xian4 bo2 tou2 ren2 ze2 yu4 xian4"),
        ("接种疫苗，补助种粮户", "jie1 zhong4 yi4 miao2 bu3 zhu4 zhong4 liang2 hu4"),
        ("违者处500元罚款", "wei2 zhe3 chu3 wu3 bai3 yuan2 fa2 kuan3"),
        ("鸡3.5万只，时间应为8点", "ji1 san1 dian3 wu3 wan4 zhi1 shi2 jian1 ying1 wei2 ba1 dian3"),
        ("中暑、煤气中毒", "zhong4 shu3 mei2 qi4 zhong4 du2"),
    ],
)
def test_polyphones_are_read_as_they_are_said(text: str, syllables: str) -> None:
    assert said(text) == syllables


def test_what_is_assumed_is_marked_and_read_all_the_same() -> None:
    assert SHIPPED.entries["堡子店"] == Entry(("bu3", "zi5", "dian4"), assumed=True)
    assert not SHIPPED.entries["佛来峪"].assumed
    assert said("堡子店镇") == "bu3 zi5 dian4 zhen4"


def test_the_longest_entry_is_taken_and_the_operators_wins() -> None:
    own = SHIPPED + parse("堡子 bao3 zi5\n堡子店 pu4 zi5 dian4")
    assert said("堡子店的堡子", own) == "pu4 zi5 dian4 de5 bao3 zi5"


def test_a_beginning_meets_every_end_of_both_files_and_a_word_of_its_own_wins() -> None:
    own = SHIPPED + parse("车* ju1\n*家疃 jia1 tuan3 ?\n任家疃 ren4 jia1 tuan3")
    assert said("车家庄、曾家疃、任家疃", own) == "ju1 jia1 zhuang1 zeng1 jia1 tuan3 ren4 jia1 tuan3"
    assert said("家疃的车", own) == said("家疃的车")


def test_beginnings_and_ends_are_bounded() -> None:
    lines = [f"{chr(0x4E00 + index)}* yi1" for index in range(MOST_OPEN + 1)]
    with pytest.raises(BadLexicon, match="beginnings and ends"):
        parse("\n".join(lines))


def test_a_character_without_a_reading_is_named() -> None:
    reading = read("请到𠮷村", SHIPPED)
    assert reading.unknown == "𠮷"
    assert reading.spoken == 3


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("堡子店 bu3 zi5", "堡子店 has 3 characters and 2 syllables"),
        ("堡子店", "堡子店 has 3 characters and 0 syllables"),
        ("堡 bu3", "堡 has 1 characters; 2 to 16 can be entered"),
        ("* jia1", "'' has characters that are not Chinese"),
        ("*家*庄 jia1 zhuang1", "'家*庄' has characters that are not Chinese"),
        ("曾* zeng1 jia1", "曾 has 1 characters and 2 syllables"),
        ("G102 ji2 yi1 ling2 er4", "'G102' has characters that are not Chinese"),
        ("乐亭 lao ting2", "'lao' is no syllable with a tone number (ü is written v, no tone is 5)"),
        ("绿石 lü4 shi2", "'lü4' is no syllable with a tone number (ü is written v, no tone is 5)"),
        ("乐亭 lao6 ting2", "'lao6' is no syllable with a tone number (ü is written v, no tone is 5)"),
        ("乐亭 laoo4 ting2", "'laoo4' is no syllable with a tone number (ü is written v, no tone is 5)"),
        ("乐亭 ? ting2", "'?' is no syllable with a tone number (ü is written v, no tone is 5)"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number_and_the_reason(line: str, sentence: str) -> None:
    with pytest.raises(BadLexicon) as caught:
        parse(f"# comment\n\n{line}\n")
    assert caught.value.errors == [(3, sentence)]


def test_an_entry_that_stands_twice_is_refused_with_both_lines() -> None:
    with pytest.raises(BadLexicon) as caught:
        parse("乐亭 le4 ting2\n遵化 zun1 hua4 # the county\n乐亭 lao4 ting2 ?")
    assert caught.value.errors == [(3, "乐亭 stands in line 1 already")]


def test_errors_and_size_are_bounded() -> None:
    with pytest.raises(BadLexicon) as caught:
        parse("x y z\n" * 1000)
    assert len(caught.value.errors) == MOST_ERRORS
    with pytest.raises(BadLexicon, match="larger than 256 KiB"):
        parse("#" * 300_000)


def test_a_file_with_a_byte_order_mark_of_an_editor_is_read() -> None:
    assert parse("\ufeff乐亭\tlao4\tting2\r\n").entries == {"乐亭": Entry(("lao4", "ting2"))}


def test_other_readings_make_another_digest() -> None:
    assert digest("a", "b") != digest("a", "c") != digest("ab", "")


@given(st.text(max_size=300))
def test_whatever_stands_in_the_file_it_is_taken_or_refused(text: str) -> None:
    try:
        entries = parse(text).entries
    except BadLexicon as err:
        assert err.errors
    else:
        assert all(len(word) == len(entry.syllables) for word, entry in entries.items())


@given(
    st.text(
        alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF) | st.sampled_from("，。一不长重"),
        max_size=60,
    )
)
def test_every_character_has_its_place_in_the_reading(text: str) -> None:
    reading = read(text, SHIPPED)
    assert len(reading.syllables) == len(reading.begins) == len(text)
    assert all(is_syllable(one) or one in "，。" or not one for one in reading.syllables)


@pytest.mark.parametrize(
    ("syllable", "parts"),
    [
        ("zhuang1", ("zh", "uang", 1)), ("yue4", ("", "üe", 4)), ("jun1", ("j", "ün", 1)), ("lv4", ("l", "ü", 4)),
        ("dui4", ("d", "uei", 4)), ("liu2", ("l", "iou", 2)), ("wen2", ("", "uen", 2)), ("zi5", ("z", "i", 5)),
        ("quan2", ("q", "üan", 2)), ("er2", ("", "er", 2)),
    ],
)  # fmt: skip
def test_a_syllable_has_its_parts(syllable: str, parts: tuple[str, str, int]) -> None:
    assert parts_of(syllable) == parts
    with pytest.raises(ValueError, match="is no syllable"):
        parts_of(syllable[:-1])
