"""A city with eight townships."""

from broadcast.domain.areas import AreaTree
from tests.conference.hall import CITY, TOWNS

TREE = AreaTree.from_rows([{"code": CITY, "name": "市"}, *({"code": code, "name": f"{code[6:9]}镇"} for code in TOWNS)])
