"""Drafts (草稿): what an officer was typing, kept by itself, still there after signing in again. Pure."""

import re
from dataclasses import dataclass

from broadcast.domain.broadcasts import Fault
from broadcast.domain.errors import BroadcastError, Overtaken

MAX_BYTES = 32_768
MAX_DRAFTS = 30  # of one officer; the oldest gives way to a new one
KEPT_MS = 30 * 86_400_000
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


class UnknownDraft(BroadcastError):
    """This officer has no draft of that name."""

    def __init__(self, draft: str) -> None:
        self.draft = draft
        super().__init__(f"there is no draft {draft}")


class DraftChanged(Overtaken):
    """The same officer has gone on with it in another window."""

    def __init__(self, draft: str, revision: int, by: str = "", at_ms: int = 0) -> None:
        self.draft = draft
        super().__init__(f"draft {draft} has been changed in another window", revision, by, at_ms)


@dataclass(frozen=True, slots=True)
class Draft:
    """One form as it was left.

    :param name: of the form, given by the page: `emergency`, `notice-2`.
    :param body: JSON that means something to the page only.
    """

    officer: str
    name: str
    revision: int
    saved_at_ms: int
    body: str


def draft_faults(name: str, body: str) -> list[Fault]:
    faults = []
    if not NAME.fullmatch(name):
        faults.append(Fault("draft", "malformed"))
    size = len(body.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        faults.append(Fault("body", "too-long", (("most", str(MAX_BYTES)), ("length", str(size)))))
    return faults
