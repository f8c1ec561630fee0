"""Signs that compare, and arrows: lost, they turn a sentence round. They become words before a unit is looked for."""

import re

_WORD = r"[0-9A-Za-z一-鿿%‰℃°)\]′″]"
_QUANTITY = r"[0-9+\-±¥$€£.]"
_PLACE = "村庄镇乡县市区路街桥站口营屯峪坝库门校院点场线级色日时分"
_RISING, _FALLING = "[↑⬆]", "[↓⬇]"


def _pause(_: re.Match[str]) -> str:
    return "，"


def _bracketed(found: re.Match[str]) -> str:
    return f"，{found[1]}，"


COMPARING = (
    (r"[-=—]+>", lambda _: "→"),
    (r"[<>]{2,}|<[-=—]+(?!=?[0-9])", _pause),
    (r"!=", lambda _: "≠"),
    (r">=|≥", lambda _: "大于等于"),
    (r"<=|=<|≤", lambda _: "小于等于"),
    # a pair round words, such as <通知>: what begins with a figure is compared
    (rf"(?<!{_WORD})<([^<>\n0-9][^<>\n]{{0,40}})>", _bracketed),
    (rf"<([^<>\n0-9，。][^<>\n，。]{{0,20}})>(?! ?{_WORD})", _bracketed),
    (r"<(/?[A-Za-z][A-Za-z0-9]{0,9})>(?! ?[0-9])", _bracketed),
    (r"<([一-鿿]{1,12})>(?! ?[0-9])", _bracketed),
    (rf"> ?(?={_QUANTITY})|(?<={_WORD})(?: ?> ?)(?={_WORD})", lambda _: "大于"),
    (rf"< ?(?={_QUANTITY})|(?<={_WORD})(?: ?< ?)(?={_WORD})", lambda _: "小于"),
    (rf"(?<!{_WORD})~ ?(?=[0-9])", lambda _: "约"),
    (rf"(?<=[0-9%‰℃°{_PLACE}]) ?→ ?(?=[0-9一-鿿+-])", lambda _: "到"),
    (rf"{_RISING} ?(?=[0-9])|(?<=[0-9%‰℃米]) ?{_RISING}", lambda _: "上升"),
    (rf"{_FALLING} ?(?=[0-9])|(?<=[0-9%‰℃米]) ?{_FALLING}", lambda _: "下降"),
)  # fmt: skip
