"""What an act on broadcasts leads to, what lets it pass, and what is written with it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from broadcast.domain.boards import scopes_of
from broadcast.domain.broadcasts import Broadcast, Sound, StartBroadcast
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer
from broadcast.service.boards import Name
from broadcast.service.once import OnceKey
from broadcast.service.ports import KeptAnswer, Tx
from endpoints.area_codes import covers

ASKED = "approval/"  # before the id of a request, where the answer to a key is kept

Change = tuple[Sequence[Broadcast], Sequence[Broadcast]]
"""What ends or changes, and what begins."""


class BoardFull(BroadcastError):
    """Too many orders live in one area at once."""

    def __init__(self, scope: str, most: int) -> None:
        self.scope, self.most = scope, most
        super().__init__(f"the board of {scope} already carries {most} orders")


class StoppedMeanwhile(BroadcastError):
    """Everything was stopped there while this was being prepared; who still wants it starts it again."""

    def __init__(self, officer: str) -> None:
        self.officer = officer
        super().__init__(f"{officer} stopped everything there while this was being prepared; nothing was sent")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act led to.

    :param repeated: the same request came before; this is its first result, and nothing was done again.
    :param approval: it waits for a second person under this id, and nothing is on the air; empty: it is.
    """

    ids: tuple[str, ...]
    repeated: bool = False
    approval: str = ""


@dataclass(frozen=True, slots=True)
class Cleared:
    """The policy has been asked; only `approvals` and `endings` (for words that were prepared by the server) say so.

    :param sound: exactly this one, which was heard; None: it is made now.
    :param asked_at: on the clock's monotonic scale; who stops everything after it stops this too. None: now.
    :param also: written with it or not at all, with the id of the broadcast; what it raises takes everything back.
    """

    sound: Sound | None = None
    note: str = ""
    asked_at: float | None = None
    also: Callable[[Tx, str], None] | None = None


class Gate(Protocol):
    """The policy: who has to agree."""

    def must_be_free(self, command: StartBroadcast, *, by: Officer) -> None: ...  # ApprovalNeeded


def repeat(kept: KeptAnswer, once: OnceKey) -> Outcome:
    """What was answered to the key before. :raises KeyReused: to another request."""
    words = once.words(kept)
    if words and words[0].startswith(ASKED):
        return Outcome((), repeated=True, approval=words[0].removeprefix(ASKED))
    return Outcome(tuple(words), repeated=True)


def lie_in(grounds: Iterable[str], area: str) -> bool:
    return any(covers(ground, area) for ground in grounds)


def save_all(tx: Tx, broadcasts: Iterable[Broadcast]) -> None:
    for one in broadcasts:
        tx.broadcasts.save(one)


def raise_versions(tx: Tx, broadcasts: Iterable[Broadcast]) -> Mapping[Name, int]:
    """The next version of every board that carries one of these."""
    scopes: dict[bool, set[str]] = {False: set(), True: set()}
    for one in broadcasts:
        scopes[one.order.exercise].update(scopes_of(one.order))
    return {
        (exercise, scope): version
        for exercise, names in scopes.items()
        if names
        for scope, version in tx.boards.raise_versions(sorted(names), exercise=exercise).items()
    }
