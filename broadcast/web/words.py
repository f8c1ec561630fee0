"""What people read, in Chinese and English: the texts of `texts/`, numbers and times as the page and the API write them."""

import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from importlib import resources

LANGUAGES = ("zh-CN", "en")
BEIJING = timezone(timedelta(hours=8), "Beijing")  # the one official time of the country; no summer time since 1991


# `{count} {count:village/villages}`: a noun or a verb by how many there are. Chinese texts have none of these.
PLURAL = re.compile(r"\{(\w+):([^{}/]+)/([^{}/]+)\}")


@cache
def texts(language: str) -> Mapping[str, str]:
    """All sentences of a language by dotted key."""
    source = resources.files("broadcast.web").joinpath(f"texts/{language}.toml").read_text(encoding="utf-8")
    return {
        f"{section}.{key}": sentence
        for section, sentences in tomllib.loads(source).items()
        for key, sentence in sentences.items()
    }


class Words:
    """One language."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else LANGUAGES[0]
        self._texts = texts(self.language)

    def __call__(self, key: str, /, **facts: object) -> str:
        """The sentence of that key with the facts in it.

        :raises KeyError: there is none; a test looks through every template.
        """
        sentence = PLURAL.sub(lambda at: at[2] if str(facts.get(at[1])) == "1" else at[3], self._texts[key])
        return sentence.format_map(_Facts(facts))

    def raw(self, key: str) -> str:
        """The sentence with its blanks and plurals still open, for the script to fill."""
        return self._texts[key]

    def section(self, name: str) -> dict[str, str]:
        """All sentences of one section, by their full key."""
        return {key: sentence for key, sentence in self._texts.items() if key.startswith(f"{name}.")}

    def either(self, key: str, fallback: str, /, **facts: object) -> str:
        """For names that come from outside (conditions): the sentence if there is one, else the fallback with the name."""
        name = key.partition(".")[2]
        return self(key, **facts) if key in self._texts else self(fallback, **{**facts, "name": name})


class _Facts(dict[str, object]):
    def __missing__(self, name: str) -> str:
        return "–"


def chosen(header: str, default: str) -> str:
    """The language of an Accept-Language header, by its weights."""
    best, weight = default, 0.0
    for part in header.split(",")[:20]:
        tag, _, rest = part.strip().partition(";")
        try:
            q = float(rest.strip().removeprefix("q=")) if rest else 1.0
        except ValueError:
            continue
        main = tag.strip().lower().partition("-")[0]
        language = {"zh": "zh-CN", "en": "en"}.get(main)
        if language and q > weight:
            best, weight = language, q
    return best


def rfc3339(ms: int) -> str:
    """`2026-11-23T10:00:00.123+08:00`."""
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(BEIJING).isoformat(timespec="milliseconds")


def clock_time(ms: int, now_ms: int) -> str:
    """`10:00:00`, with the date when it is another day's."""
    at = datetime.fromtimestamp(ms / 1000, BEIJING)
    today = datetime.fromtimestamp(now_ms / 1000, BEIJING).date()
    return at.strftime("%H:%M:%S" if at.date() == today else "%Y-%m-%d %H:%M:%S")


def span(ms: int) -> str:
    """`1:02:03` or `2:03`."""
    seconds = max(0, ms) // 1000
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
