"""How well it is known that an order sounded at a speaker (播出证明): by its word, by its ear, by a person. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from endpoints.delivery import State
from endpoints.proof import Proof

_SOUNDED = frozenset({State.SOUNDING, State.INTERRUPTED, State.DONE, State.STOPPED, State.UNFINISHED})


class Known(StrEnum):
    """The grades, lowest first; a contradiction is none of them and is shown before all."""

    NOTHING = "nothing"
    REPORTED = "reported"  # the speaker says so
    MEASURED = "measured"  # its ear heard the right sound
    HEARD = "heard"  # a person on the spot says so
    CONTRADICTED = "contradicted"  # the speaker says that it sounded, and its ear or a person says that it did not


@dataclass(frozen=True, slots=True)
class Proved:
    """A proof as it came.

    :param received_ms: when it was here.
    """

    proof: Proof
    received_ms: int


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What a person on the spot says (人工确认).

    :param heard: it was heard; False: it was not.
    """

    order: str
    speaker: str
    officer: str
    at_ms: int
    heard: bool
    note: str = ""


def known_of(state: State, proofs: Iterable[Proved], witnesses: Iterable[Witnessed]) -> Known:
    """The grade of one order at one speaker. The last word of a person outweighs an ear, and the latest ear an earlier one."""
    last_witness = max(witnesses, key=lambda one: one.at_ms, default=None)
    last_proof = max(proofs, key=lambda one: one.received_ms, default=None)
    if last_witness is not None:
        return Known.HEARD if last_witness.heard else Known.CONTRADICTED
    if last_proof is not None:
        return Known.MEASURED if last_proof.proof.confirms else Known.CONTRADICTED
    return Known.REPORTED if state in _SOUNDED else Known.NOTHING
