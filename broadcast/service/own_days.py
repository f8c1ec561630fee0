"""At which version the operator's own table of days is, so that two who edit it overwrite nothing."""

import json
from typing import NamedTuple

from broadcast.domain.errors import Overtaken
from broadcast.service.ports import Tx

OWN_DAYS = "own-days"  # a fact of the installation


class DaysChanged(Overtaken):
    """Someone else has saved the operator's own days since they were read."""

    def __init__(self, revision: int, by: str = "", at_ms: int = 0) -> None:
        super().__init__("the table of days has been changed", revision, by, at_ms)


class _Said(NamedTuple):
    revision: int = 0
    by: str = ""
    at_ms: int = 0


def days_revision(tx: Tx) -> int:
    """0 before anybody said anything."""
    return _said(tx).revision


def next_days(tx: Tx, revision: int, *, by: str, now_ms: int) -> None:
    """The table is changed, starting from this revision. :raises DaysChanged: it is at another one."""
    said = _said(tx)
    if said.revision != revision:
        raise DaysChanged(*said)
    tx.facts.set(OWN_DAYS, json.dumps([revision + 1, by, now_ms]))


def _said(tx: Tx) -> _Said:
    kept = tx.facts.get(OWN_DAYS)
    return _Said(*json.loads(kept)) if kept else _Said()
