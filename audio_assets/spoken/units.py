"""Units and what is counted: the words that follow a number, and so tell what kind of number it is."""

import re

UNITS = {
    "nm": "纳米", "μm": "微米", "um": "微米", "mm": "毫米", "MM": "毫米", "cm": "厘米", "CM": "厘米", "dm": "分米",
    "km": "公里", "KM": "公里", "Km": "公里", "m": "米", "km^2": "平方公里", "km2": "平方公里", "hm^2": "公顷",
    "hm2": "公顷", "ha": "公顷", "m^2": "平方米", "m2": "平方米", "cm^2": "平方厘米", "cm2": "平方厘米",
    "m^3": "立方米", "m3": "立方米", "cm^3": "立方厘米", "cm3": "立方厘米", "kg": "公斤", "KG": "公斤", "Kg": "公斤",
    "mg": "毫克", "μg": "微克", "ug": "微克", "g": "克", "t": "吨", "hPa": "百帕", "kPa": "千帕", "MPa": "兆帕",
    "Pa": "帕", "kV": "千伏", "KV": "千伏", "kv": "千伏", "mV": "毫伏", "V": "伏", "kWh": "千瓦时", "kW·h": "千瓦时",
    "kwh": "千瓦时", "KWh": "千瓦时", "kW": "千瓦", "KW": "千瓦", "kw": "千瓦", "MW": "兆瓦", "GW": "吉瓦",
    "W": "瓦", "kVA": "千伏安", "mA": "毫安", "kHz": "千赫", "MHz": "兆赫", "GHz": "吉赫", "Hz": "赫兹",
    "dB(A)": "分贝", "dBA": "分贝", "dB": "分贝", "DB": "分贝", "mL": "毫升", "ml": "毫升", "ML": "毫升", "L": "升",
    "l": "升", "min": "分钟", "ms": "毫秒", "s": "秒", "h": "小时", "d": "天", "a": "年", "Gal": "伽", "MB": "兆",
    "GB": "吉字节", "TB": "太字节", "KB": "千字节", "Mbps": "兆", "μSv": "微西弗", "mSv": "毫西弗", "℃": "摄氏度",
    "°F": "华氏度", "°": "度", "kA": "千安", "Ah": "安时", "mAh": "毫安时", "mmHg": "毫米汞柱", "kcal": "千卡", "kJ": "千焦",
    "kvar": "千乏", "mol": "摩尔",
    "mmol": "毫摩尔", "μmol": "微摩尔", "A": "安",
}  # fmt: skip
MONEY = {"¥": "元", "$": "美元", "€": "欧元", "£": "英镑", "US$": "美元", "HK$": "港元"}
_ONLY_PER = ("d", "a", "A")  # 3d is no three days, 5A are no five amperes
_COUNTED = (
    "个|人|户|名(?!单)|位|辆|台|次|天|周(?![一二三四五六日边])|条|处|间|栋(?![0-9])|座|起|件|套|批|只|头|"
    "匹|棵|株|亩|公顷|米|厘米|毫米|公里|千米|里(?![程面])|公斤|千克|斤|克|吨|升|毫升|元|角(?!落)|块|万|亿|"
    "千|倍|小时|分钟|秒|岁|年(?![级代初底])|立方|平方|度|伏|千瓦|兆瓦|瓦|种|项|艘|架|根|口|家|所(?!有)|场|"
    "遍|声|张|把|瓶|袋|箱|顶|床|份|片|道|面(?!积)|颗|具|支|部(?!门|队)|顿|餐|桶|分贝|成(?!立|功)|层楼|"
    "季(?!度)|车(?![间站库])|剂|针|票|例(?!如)|枚|对(?!面|于|应)|双|轮|罐|碗|粒|趟|迈(?![出进向步])|摄氏度|百帕|点(?!半|钟)|点|毛|盒"
)
_LATER = ("组(?!长)", "行", "类(?!别)", "样")  # after these a two stays 二: the second group more often than two groups


def _longest_first(units: list[str]) -> str:
    return "|".join(sorted(map(re.escape, units), key=len, reverse=True))


UNIT = _longest_first([unit for unit in UNITS if unit not in _ONLY_PER])
PER_UNIT = _longest_first([unit for unit in UNITS if unit != "A"])
PER_UNIT = _longest_first([unit for unit in UNITS if unit != "A"])
_PER = "24h|人|户|天|日|月|年|次|亩|吨|升|平方米|立方米|小时|分钟|秒"
COMPOUND = rf"(?:{UNIT})(?:[/·](?:{PER_UNIT}|{_PER}))?(?![A-Za-z^0-9])"
COUNTED_AHEAD = rf"(?= ?(?:{_COUNTED}))"
_GROUPS = "|".join(_LATER)
MEASURE_AHEAD = rf"(?: ?(?:(?:{UNIT})(?![A-Za-z])|[%‰]|\.[0-9])|[多余几来年月日号级度楼层时]|{_COUNTED}|{_GROUPS})"


def name_of(unit: str) -> str:
    """mg/L → 毫克每升."""
    if unit in UNITS:
        return UNITS[unit]
    first, per = re.split("[/·]", unit, maxsplit=1)
    return f"{UNITS[first]}每" + ("二十四小时" if per == "24h" else UNITS.get(per, per))
