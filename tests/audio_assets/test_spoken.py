"""What is written, as it is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.spoken import cardinal, is_hanzi, spoken

SAID = {
    "火警请拨打119，急救120。": "火警请拨打幺幺九，急救幺二零",
    "12379发布预警": "幺二三七九发布预警",
    "拨打12345热线": "拨打幺二三四五热线",
    "１１９": "幺幺九",
    "电话 0315-6612345": "电话零三幺五，六六幺二三四五",
    "联系13912345678": "联系幺三九幺二三四五六七八",
    "值班电话：6612345": "值班电话，六六幺二三四五",
    "119人获救": "一百一十九人获救",
    "转移120户": "转移一百二十户",
    "降雨120毫米": "降雨一百二十毫米",
    "过去1小时降雨28.6mm": "过去一小时降雨二十八点六毫米",
    "降雨强度50~80mm/h": "降雨强度五十到八十毫米每小时",
    "入库流量350m³/s": "入库流量三百五十立方米每秒",
    "风速12m/s": "风速十二米每秒",
    "限速60km/h": "限速六十公里每小时",
    "水位105.20m，超警戒0.8米": "水位一百零五点二零米，超警戒零点八米",
    "气温-5℃到3℃": "气温零下五摄氏度到三摄氏度",
    "最高38℃": "最高三十八摄氏度",
    "湿度30%": "湿度百分之三十",
    "30%-50%": "百分之三十到百分之五十",
    "5mm到10mm": "五毫米到十毫米",
    "-5~3℃": "零下五摄氏度到三摄氏度",
    "-12~-3℃": "零下十二摄氏度到零下三摄氏度",
    "2m": "两米",
    "30-50%": "百分之三十到百分之五十",
    "14:30撤离": "十四点三十分撤离",
    "8:00集合": "八点集合",
    "16:05停电": "十六点零五分停电",
    "2026年11月23日": "二零二六年十一月二十三日",
    "2026-11-23": "二零二六年十一月二十三日",
    "第12号台风": "第十二号台风",
    "2级响应": "二级响应",
    "共2个村、22户、102人": "共两个村，二十二户，一百零二人",
    "1,200元": "一千二百元",
    "3~5级": "三到五级",
    "G102国道K3+200处塌方": "吉幺零二国道开三加二百处塌方",
    "110kV线路": "一百一十千伏线路",
    "COVID": "西欧维爱弟",
    "请注意！！！\n\n立即转移……": "请注意。立即转移",
    "（测试）“广播”": "测试，广播",
    "😀你好\x00\x1b": "你好",
}


@pytest.mark.parametrize(("written", "said"), SAID.items(), ids=list(SAID))
def test_numbers_times_units_and_letters_are_said_as_people_say_them(written: str, said: str) -> None:
    assert spoken(written) == said


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


@given(st.text(max_size=200))
def test_whatever_is_written_only_characters_and_single_pauses_come_out(text: str) -> None:
    said = spoken(text)
    assert all(is_hanzi(char) or char in "，。" for char in said)
    assert not any(pair in said for pair in ("，，", "。。", "，。", "。，"))
    assert said.strip("，。") == said
