"""Dates, times of day, spans and ratios."""

import re

from audio_assets.spoken.numbers import START, cardinal, number, one_by_one, plain_int

TO = r" ?[~—–\-至到] ?"
_CLOCK = r"(?:[01]?[0-9]|2[0-4]):[0-5][0-9](?::[0-5][0-9])?"
_SAID_TWICE = r"(?: ?(?:[时点](?![段间期刻候])|分(?![别钟为批阶区段])))?"  # 8:00时, 8:30分
_NO_RATIO = r"(?<![0-9比分例])(?<![0-9比分例赛绩尺率坡度]:)"  # 比例：1:50
_SEASON = r"学年|年度|财年|赛季|采暖|供暖|[春秋]季学期"
_FEASTS = (
    "宪法|妇女|三八|劳动|五一|青年|五四|儿童|六一|教师|国庆|植树|护士|消防|学雷锋|雷锋|消费者|晚会|防灾|减灾|戒毒|禁毒|反毒|环境|无烟|"
    "控烟|献血|助残|土地|地球|世界水|水日|气象|爱牙|爱眼|爱鸟|艾滋|志愿|交通安全|公祭|烈士|扶贫|糖尿病|高血压|结核|计划免疫|预防接种|档案|"
    "安全生产|粮食|残疾人|抗战|运动|事变|打假|知识产权|反诈|大地震|地震纪念|洪灾|火灾|事故|惨案|专案"
)
_YEAR = r"(?:1[5-9]|20|21)[0-9]{2}"
_MONTH = r"(?:1[0-2]|0?[1-9])"
_DAY = r"(?:3[01]|[12][0-9]|0?[1-9])"


def clock(text: str) -> str:
    """8:05 → 八点零五分, 14:00 → 十四点, 2:30:15 → 两点三十分十五秒."""
    hour, minute, second = (*text.split(":"), "")[:3]
    said = ("两" if int(hour) == 2 else plain_int(hour)) + "点"
    if int(minute) or int(second or 0):
        said += ("零" if minute[0] == "0" and minute != "00" else "") + plain_int(minute) + "分"
    if not int(second or 0):
        return said
    return said + ("零" if second[0] == "0" else "") + plain_int(second) + "秒"


def _clock(found: re.Match[str]) -> str:
    day = {"a": "上午", "p": "下午"}.get((found["half"] or "")[:1].lower(), "")
    return day + clock(found["clock"])


def _clock_span(found: re.Match[str]) -> str:
    return f"{clock(found['from'])}到{clock(found['till'])}"


def _date(found: re.Match[str]) -> str:
    day = f"{plain_int(found['day'])}日" if found["day"] else ""
    return f"{one_by_one(found['year'])}年{plain_int(found['month'])}月{day}" + ("，" if found["time"] else "")


def _slashed(found: re.Match[str]) -> str:
    """11/23 and 23/11 are dates, 1/3 is a third, 30/50 is neither."""
    one, other = int(found["one"]), int(found["other"])
    if 1 <= one <= 12 and (11 <= other <= 31 or 1 <= other <= one):
        return f"{cardinal(str(one))}月{cardinal(str(other))}日"
    if 1 <= other <= 12 < one <= 31:
        return f"{cardinal(str(other))}月{cardinal(str(one))}日"
    if found["unit"]:  # 23/24日
        return f"{cardinal(str(one))}，{cardinal(str(other))}日"
    if 0 < one < other:
        return f"{number(str(other))}分之{cardinal(str(one))}"
    return f"{number(found['one'])}，{number(found['other'])}"


def _leading_zero(found: re.Match[str]) -> str:
    """20时05分 → 二十时零五分, 08时 → 八时."""
    return ("零" if found["minute"] else "") + cardinal(found["digit"])


def _years(found: re.Match[str]) -> str:
    return re.sub(_YEAR, lambda one: one_by_one(one[0]), re.sub(r" ?[~—–/\-] ?", "到", found[0]))


def _feast(found: re.Match[str]) -> str:
    """12.4宪法日, 3.8妇女节: a day that has become a name."""
    return one_by_one(found[0])


def _date_span(found: re.Match[str]) -> str:
    """2026.3.5-3.8, 2026-3-5至8: the second day without its year."""
    month = f"{plain_int(found['to_month'])}月" if found["to_month"] else ""
    return f"{_date(found)}到{month}{plain_int(found['to_day'])}日"


TIMES = (
    (
        rf"(?<![0-9])(?P<year>{_YEAR})(?P<sep>[/.])(?P<month>{_MONTH})(?P=sep)(?P<day>{_DAY})日?(?P<time>){TO}"
        rf"(?:(?P<to_month>{_MONTH})(?P=sep))?(?P<to_day>{_DAY})日?(?![0-9./:年月时点%])",
        _date_span,
    ),
    (
        rf"(?<![0-9])(?P<year>{_YEAR})(?P<sep>[-/.])(?P<month>{_MONTH})(?P=sep)(?P<day>{_DAY})日?(?![0-9])"
        rf"(?P<time>[ T]?(?={_CLOCK}))?",
        _date,
    ),
    (r"(?<![0-9-])(?P<year>(?:19|20)[0-9]{2})-(?P<month>0[1-9]|1[0-2])(?P<day>)(?P<time>)(?![0-9年-])", _date),
    (
        rf"(?<![0-9.])(?P<month>1[0-2]|[1-9])\.(?P<day>{_DAY})(?= ?{_CLOCK})(?![0-9.])",
        lambda found: f"{plain_int(found['month'])}月{plain_int(found['day'])}日，",
    ),
    (
        rf"(?<![0-9.])(?P<month>1[0-2]|[1-9])\.(?P<day>{_DAY})(?=日)",
        lambda found: f"{plain_int(found['month'])}月{plain_int(found['day'])}",
    ),
    (rf"(?<![0-9])(?<![0-9]:)(?P<from>{_CLOCK}){_SAID_TWICE}(?:{TO}|—+)(?P<till>{_CLOCK})(?![0-9:]){_SAID_TWICE}", _clock_span),
    (
        rf"{_NO_RATIO}(?P<clock>{_CLOCK}) ?(?P<half>(?i:am|pm|a\.m\.|p\.m\.)(?![A-Za-z]))?(?![0-9:]){_SAID_TWICE}",
        _clock,
    ),
    (rf"(?<![0-9]){_YEAR}(?: ?[~—–\-至到] ?{_YEAR})?(?=年(?!历史|左右|以上))", _years),
    (rf"(?<![0-9]){_YEAR}(?: ?[~—–\-/至到] ?{_YEAR})?(?={_SEASON})", _years),
    (rf"(?<![0-9]){_YEAR}(?= ?(?:届|版|级|款|元旦|春节|中秋|国庆|高考|中考))", _years),
    (rf"(?<![0-9.])(?:1[0-2]|0?[1-9])[.·][0-9]{{1,2}}(?=[”\"]?(?:国际|世界|全国|国家|全民)*(?:{_FEASTS}))", _feast),
    (r"(?<![0-9/])(?:24/7(?: ?小时)?|7/24 ?小时)(?![0-9/月日])", lambda _: "七乘二十四小时"),
    (r"(?<=[一-鿿])[-—](?=20[0-9]{2}[”\"』」])(20[0-9]{2})", lambda found: one_by_one(found[1])),
    (r"(?<=[〔\[(【])(?:19|20)[0-9]{2}(?=[〕\])】])", _years),
    (r"(?<![0-9/])(?P<one>[0-9]{1,3})/(?P<other>[0-9]{1,3}|[1-9][0-9]{1,2}00)(?![0-9/A-Za-z]|小时|天)(?P<unit>日)?", _slashed),
    (r"(?<![0-9])(?<![0-9]:)[0-9]+:[0-9]+(?![0-9:])", lambda found: "比".join(map(number, found[0].split(":")))),
    (r"(?<![0-9])[0-9]{1,2}·[0-9]{1,2}(?![0-9])", lambda found: one_by_one(found[0])),  # 7·28, an event by its day
    (r"(?<=[时点])00分", lambda _: "整"),
    (r"(?<=[时点])(?P<minute>0)(?P<digit>[1-9])(?![0-9])", _leading_zero),
    (rf"{START}(?P<minute>)0(?P<digit>[1-9])(?=[月日时点分秒号])", _leading_zero),
)  # fmt: skip
