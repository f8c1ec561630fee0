"""Many speakers as few words: how many, in how many townships, the names of the first of these. 690 are one alarm."""

from collections import Counter
from collections.abc import Collection

from broadcast.service.estate import Estate
from endpoints.area_codes import TOWNSHIP, padded, significant

NAMED = 3


def township_of(area: str) -> str:
    """The code of the township that an area lies in; of the county's own speakers, the county's."""
    return padded(significant(area)[:TOWNSHIP])


def told_by_township(estate: Estate, speakers: Collection[str]) -> dict[str, str]:
    """`speakers`, `townships` and `where` as facts of a condition; the townships with the most of them come first."""
    counts = Counter(township_of(estate.speakers[name].area) for name in speakers if name in estate.speakers)
    names = [
        estate.tree.area(code).short_name if code in estate.tree else code for code, _ in counts.most_common(NAMED)
    ]
    more = " …" if len(counts) > NAMED else ""
    return {
        "speakers": str(sum(counts.values())),
        "townships": str(len(counts)),
        "where": "、".join(names) + more,
    }
