"""What pages, API and command line say of a sound: its levels, why it was refused, its waveform as a picture."""

from collections.abc import Mapping, Sequence
from typing import Any

from broadcast.domain.assets import Asset
from broadcast.service.assets import Upload
from broadcast.web.words import Words, span

MEGA = 1_000_000


def refusal(words: Words, code: str, facts: Mapping[str, Any]) -> str:
    """Why a sound is not taken, with the times at which it is wrong."""
    if code == "damaged" and not facts.get("spans"):  # it can't even be opened
        code = "damaged-whole"
    return words(f"refused.{code}", **{name: _fact(words, name, value) for name, value in facts.items()})


def notes(words: Words, asset: Asset) -> list[str]:
    """What an officer should know of a sound that was taken."""
    measured, said = asset.measured, []
    if asset.misnamed:
        said.append(words("sounds.misnamed", ending=asset.misnamed, container=measured.container.upper()))
    if measured.trimmed_head_ms or measured.trimmed_tail_ms:
        head, tail = seconds(measured.trimmed_head_ms), seconds(measured.trimmed_tail_ms)
        said.append(words("sounds.trimmed", head=head, tail=tail))
    if measured.clipped_ms:
        said.append(words("sounds.clipped", seconds=seconds(measured.clipped_ms)))
    if measured.limited:
        said.append(words("sounds.limited"))
    if measured.picture:
        said.append(words("sounds.picture"))
    return said


def wave_path(pairs: Sequence[tuple[int, int]], *, width: int = 1_000, height: int = 100) -> str:
    """The outline of a waveform, for the `d` of an SVG path: along the peaks, back along the troughs."""
    if not pairs:
        return ""
    step, middle = width / len(pairs), height / 2

    def point(index: int, value: int) -> str:
        return f"{index * step:.1f} {middle - value * middle / 127:.1f}"

    upper = [point(index, max(high, 1)) for index, (_, high) in enumerate(pairs)]
    lower = [point(index, min(low, -1)) for index, (low, _) in reversed(list(enumerate(pairs)))]
    return "M" + "L".join([*upper, *lower]) + "Z"


def seconds(ms: int) -> str:
    return f"{ms / 1000:.1f}"


def _fact(words: Words, name: str, value: Any) -> str:
    if name == "spans":
        times = [f"{span(start)}–{span(max(end, start + 1_000))}" for start, end in value]
        return "、".join(times) if words.language.startswith("zh") else ", ".join(times)
    if name == "looks_like":
        return words.either(f"looks_like.{value}", "looks_like.unknown")
    if name.endswith("_ms"):
        return span(value + 500) if value >= 60_000 else f"{value / 1000:.2f}".rstrip("0").rstrip(".") + " s"
    return f"{value / MEGA:.0f} MB" if name.endswith("_bytes") else str(value)


def refusal_of(words: Words, upload: Upload) -> str:
    """Empty while it is under way."""
    return refusal(words, upload.code, upload.facts) if upload.code else ""
