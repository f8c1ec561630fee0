"""What is told of a conference: the full state, and numbered changes after it (RFC 4575: full, partial, deleted).

Who sees a hole in the versions takes the full state. A site is told what concerns it; the chair everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from broadcast.domain.conference.desired import audio_of, quality_of, view_of
from broadcast.domain.conference.model import Conference, Site

CHAIRS_ALONE = frozenset({"banned", "chair_asks", "preview", "wall", "watching", "patrol", "layout", "panes_next_ms"})
NOBODYS = frozenset({"sent_ms", "sites", "version", "phase", "next_id", "chat", "roll_calls"})
HIDDEN_OF_OTHERS = frozenset({"officer", "identity", "stays", "tries", "again_ms", "choice", "asked_unmute", "in_plan"})


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is told. :param all: the chair, its creator, an administrator."""

    site: str = ""
    all: bool = False


def full(conference: Conference, viewer: Viewer) -> dict[str, Any]:
    """Everything that the viewer may know."""
    return {
        "version": conference.version,
        "state": "full" if conference.is_live else "deleted",
        "conference": _frame(conference, viewer),
        "sites": {one.id: _site(conference, one, viewer) for one in conference.sites},
    }


def partial(before: Conference, after: Conference, viewer: Viewer) -> dict[str, Any]:
    """What is different; a site that is null is not on the list any more. Empty for who may not see it: the version counts."""
    old, new = _frame(before, viewer), _frame(after, viewer)
    sites: dict[str, Any] = {one.id: None for one in before.sites if after.find(one.id) is None}
    for one in after.sites:
        was = before.find(one.id)
        now_told = _site(after, one, viewer)
        told = {} if was is None else _site(before, was, viewer)
        changed = {name: value for name, value in now_told.items() if name not in told or told[name] != value}
        if changed:
            sites[one.id] = changed
    return {
        "version": after.version,
        "state": "partial" if after.is_live else "deleted",
        "conference": {name: value for name, value in new.items() if old.get(name) != value},
        "sites": sites,
    }


def merge(told: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader has after a change. :raises ValueError: a hole in the versions: take the full state."""
    if change["version"] != told["version"] + 1:
        raise ValueError(f"version {change['version']} after {told['version']}")
    sites = {name: one for name, one in told["sites"].items() if change["sites"].get(name, one) is not None}
    for name, one in change["sites"].items():
        if one is not None:
            sites[name] = {**sites.get(name, {}), **one}
    state = "deleted" if change["state"] == "deleted" else "full"
    return {
        "version": change["version"],
        "state": state,
        "conference": {**told["conference"], **change["conference"]},
        "sites": sites,
    }


def _frame(conference: Conference, viewer: Viewer) -> dict[str, Any]:
    hidden = NOBODYS if viewer.all else NOBODYS | CHAIRS_ALONE
    told = {one.name: plain(getattr(conference, one.name)) for one in fields(conference) if one.name not in hidden}
    told["phase"] = conference.phase.value
    told["frozen"] = conference.is_frozen
    told["chat"] = [
        plain(one) for one in conference.chat if viewer.all or viewer.site in (one.site, one.to) or not one.to
    ]
    if viewer.all:
        told["roll_calls"] = plain(conference.roll_calls)
    return told


def _site(conference: Conference, site: Site, viewer: Viewer) -> dict[str, Any]:
    mine = viewer.all or viewer.site == site.id
    told = {
        one.name: plain(getattr(site, one.name)) for one in fields(site) if mine or one.name not in HIDDEN_OF_OTHERS
    }
    told["status"] = site.shown_status.value
    told["audio"] = audio_of(conference, site).mode.value
    told["howls"] = conference.howls(site)
    if mine:
        told["view"] = plain(view_of(conference, site))
        told["effective_quality"] = quality_of(conference, site).value
    return told


def plain(value: Any) -> Any:
    """As JSON can carry it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list | frozenset):
        return [plain(one) for one in (sorted(value) if isinstance(value, frozenset) else value)]
    return value
