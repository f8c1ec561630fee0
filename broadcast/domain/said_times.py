"""Times as people write them in a warning (今天20时, 明天8时至12时, 未来3小时内): whether words are one, and which. Pure.

What stands in a gap for a time is said as an order of the government. "尽快" is no time, and "昨天8时" has passed.
"""

import re
from datetime import datetime, timedelta

_N = r"(?:\d{1,4}|[〇零一二两三四五六七八九十廿]{1,5})"
_DAY = (
    rf"大后天|后天|明天|今天|昨天|前天|今日|明日|昨日|当日|当天|次日|今晚|明晚|昨晚|今夜|今晨|明晨|今早|明早|每天|每日|"
    rf"(?:本|下|上)?(?:周|星期|礼拜)[一二三四五六日天末]|本周|下周|本月|下月|{_N}年|{_N}月|{_N}[日号]"
)
_PART = r"凌晨|清晨|早晨|早上|上午|中午|午间|正午|午后|下午|傍晚|晚上|晚间|夜间|夜里|半夜|午夜|白天|全天|早|晚|夜"
_CLOCK = rf"{_N}(?:时|点钟?)(?:整|半|[一三]刻|{_N}分?)?|\d{{1,2}}[:：]\d{{2}}"
_SPAN = rf"(?:未来|今后|近|接下来)?的?(?:{_N}个?半?|半个?)(?:小时|分钟|天|周)(?:之?内|以内|之?后|以后|左右)?"
_NOW = r"现在|目前|当前|即刻|即时|即日|刚才|刚刚|另行通知时?"
_MORE = r"起|之?前|之?后|以前|以后|左右|许|开始|期间|为止|止|整|至|到|[-–—~～、,，和及或 的]"
_TIME = re.compile(rf"(?:(?P<said>{_SPAN}|{_CLOCK}|{_DAY}|{_PART}|{_NOW})|{_MORE})+")
_ONE = re.compile(
    r"(?:(?P<year>\d{4})年)?(?:(?P<month>\d{1,2})月(?P<date>\d{1,2})[日号]|(?P<day>今天|今日|明天|明日|后天|昨天|昨日|前天)|"
    r"(?P<evening>今晚|明晚|昨晚|今早|明早|今晨|明晨))?"
    r"(?P<part>凌晨|清晨|早晨|早上|上午|中午|下午|傍晚|晚上|晚间)?"
    r"(?P<hour>\d{1,2})(?:[:：](?P<colon>\d{2})|(?:时|点)(?:整|(?P<half>半)|(?P<minute>\d{1,2})分?)?)"
)
_OFF = {"今": 0, "明": 1, "后": 2, "昨": -1, "前": -2}
_LATE = ("下午", "傍晚", "晚上", "晚间")
_HALF_YEAR = timedelta(days=183)
_WIDE = str.maketrans("０１２３４５６７８９　", "0123456789 ")


def is_time(words: str) -> bool:
    """Whether they are a time, a span or several of them, and nothing else."""
    found = _TIME.fullmatch(words.translate(_WIDE).strip())
    return found is not None and found["said"] is not None


def instant_of(words: str, *, now: datetime) -> datetime | None:
    """The one instant that they say to somebody who reads them now, in local time; None for a span, or when they leave it open.

    Without a day it is today's; without a year the date that lies nearer.
    """
    found = _ONE.fullmatch(words.translate(_WIDE).replace(" ", ""))
    if found is None:
        return None
    hour, minute = int(found["hour"]), 30 if found["half"] else int(found["colon"] or found["minute"] or 0)
    if hour < 12 and (found["part"] in _LATE or (found["evening"] or "").endswith("晚")):
        hour += 12
    if hour > 24 or minute > 59 or (hour == 24 and minute):
        return None
    try:
        return _day(found, now) + timedelta(hours=hour, minutes=minute)
    except (ValueError, OverflowError):
        return None


def _day(found: re.Match[str], now: datetime) -> datetime:
    """Its midnight. :raises ValueError: there is no such day."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if found["month"]:
        day = today.replace(year=int(found["year"] or now.year), month=int(found["month"]), day=int(found["date"]))
        if not found["year"] and abs(day - today) > _HALF_YEAR:
            day = day.replace(year=day.year + (1 if day < today else -1))
        return day
    return today + timedelta(days=_OFF.get((found["day"] or found["evening"] or "今")[0], 0))
