"""The boards that a speaker holds: which frame may replace which, and what the held ones say to this speaker.

Five questions stand between a frame and a place on the shelf: is it signed by a trusted key; is it a board; is it one that this
speaker follows; may that key write there; is it newer. A key has a reach (area, highest band). Whoever replaces a board takes off
what stands there, so only a key that reaches as far as the held board's key may do it, and a key that reaches further always may.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Protocol

from endpoints.arbitration import is_meant
from endpoints.area_codes import covers, depth
from endpoints.protocol import BadMessage, Board, Order, Reason, decode_board, is_speaker_id
from endpoints.sealing import Message, NotAuthentic, Opened, TrustedKey


class Trust(Protocol):
    """Opens what the server signed; `TrustStore`, or one that remembers what it has verified."""

    @property
    def keys(self) -> tuple[TrustedKey, ...]: ...
    def open(self, frame: bytes, message: Message, *, exercise: bool) -> Opened: ...


class Verdict(Enum):
    """What became of a frame that was offered."""

    TAKEN = "taken"
    KNOWN = "known"  # it is held already
    UNREADABLE = "unreadable"
    NOT_AUTHENTIC = "not authentic"
    FOREIGN = "foreign"  # a board of others, or a key that may not write there
    OLD = "old"  # not above what is held, or of a server that has been replaced
    EARLY = "early"  # put aside until the time is known


def reaches(key: TrustedKey, other: TrustedKey) -> bool:
    """Whether `key` may do all that `other` may, dates apart."""
    return key.highest_band >= other.highest_band and covers(key.area, other.area)


@dataclass(frozen=True, slots=True)
class Copy:
    """An order as it stands on one board, the key that put it there, and what is to be objected."""

    order: Order
    scope: str
    key: TrustedKey
    objection: Reason

    def outweighs(self, other: "Copy") -> bool:
        """Which of two copies of one order counts: the lawful one, then that of the further reaching key, then the newer.

        Ids are no secret; without the reach a township could send its own "newer revision" of the city's order.
        """
        return self._weight() > other._weight()

    def _weight(self) -> tuple[bool, int, int, int]:
        return self.objection is Reason.NONE, -depth(self.key.area), self.key.highest_band, self.order.revision


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a frame says. All speakers of a process share it."""

    board: Board
    key: TrustedKey
    copies: tuple[Copy, ...]


@lru_cache(maxsize=1024)
def _read(payload: bytes, key: TrustedKey) -> _Reading:
    """:raises BadMessage: no board as specified."""
    board = decode_board(payload)
    copies = [Copy(order, board.scope, key, key.objection(order, now_ms=board.written_at_ms)) for order in board.orders]
    return _Reading(board, key, tuple(copies))


def _number(reading: _Reading) -> tuple[int, int]:
    return reading.board.epoch, reading.board.version


@lru_cache(maxsize=1024)
def _shared(frame: bytes) -> bytes:
    """The same bytes as one object for all speakers of a process."""
    return frame


@dataclass(slots=True)
class _Held:
    """A board on the shelf.

    :param proven: the key was in its dates when the board came, by a time that is trusted in this run.
    :param void: it is not any more; the board keeps its place against older ones, and says nothing.
    """

    frame: bytes
    reading: _Reading
    proven: bool
    void: bool = False


class Shelf:
    """The newest board of every scope that one speaker follows, and the epochs below which it takes none.

    :param scopes: its own id, its area, and the areas above.
    :param epochs: the highest epoch seen, by key id; a key that is no longer trusted takes its epochs along.
    """

    __slots__ = ("_area", "_early", "_epochs", "_exercise", "_held", "_id", "_scopes", "_trust")

    def __init__(
        self,
        speaker: str,
        area: str,
        scopes: Iterable[str],
        trust: Trust,
        *,
        exercise: bool,
        epochs: Mapping[bytes, int],
    ) -> None:
        self._id, self._area, self._exercise = speaker, area, exercise
        self._scopes, self._trust = tuple(scopes), trust
        self._held: dict[str, _Held] = {}
        self._early: dict[tuple[str, bytes], tuple[bytes, _Reading]] = {}  # by scope and key
        self._epochs = {key.key_id: epochs[key.key_id] for key in trust.keys if key.key_id in epochs}

    @property
    def boards(self) -> dict[str, Board]:
        return {scope: held.reading.board for scope, held in self._held.items()}

    @property
    def frames(self) -> tuple[bytes, ...]:
        return tuple(held.frame for held in self._held.values())

    @property
    def epochs(self) -> dict[bytes, int]:
        return dict(self._epochs)

    def offer(self, frame: bytes, now_ms: int | None) -> Verdict:
        """A board that came over the network, from whomever.

        :param now_ms: None while no time is trusted. Until then no board is taken, since nobody knows which keys are in their
            dates; of each key and scope the newest is put aside for `prove`.
        """
        if any(held.frame == frame for held in self._held.values()):
            return Verdict.KNOWN
        try:
            opened = self._trust.open(frame, Message.BOARD, exercise=self._exercise)
            reading = _read(opened.payload, opened.key)
        except NotAuthentic:
            return Verdict.NOT_AUTHENTIC
        except BadMessage:
            return Verdict.UNREADABLE
        if reading.board.scope not in self._scopes:
            return Verdict.FOREIGN
        if now_ms is not None:
            return self._place(frame, reading, now_ms)
        where = reading.board.scope, reading.key.key_id
        if where not in self._early or _number(self._early[where][1]) < _number(reading):
            self._early[where] = frame, reading
        return Verdict.EARLY

    def _place(self, frame: bytes, reading: _Reading, now_ms: int) -> Verdict:
        if not self._may_write(reading.key, reading.board.scope, now_ms):
            return Verdict.FOREIGN
        if self._is_old(reading):
            return Verdict.KNOWN if self._says_the_same(reading.board) else Verdict.OLD
        self._held[reading.board.scope] = _Held(_shared(frame), reading, proven=True)
        self.raise_epoch(reading.key, reading.board.epoch)
        return Verdict.TAKEN

    def take_up(self, frame: bytes, *, floor_ms: int) -> None:
        """A board of the last run. The disk is not believed more than the wire, and a key may be gone; but the board may be of
        a server that has been replaced since: it stands until the new one says otherwise."""
        try:
            opened = self._trust.open(frame, Message.BOARD, exercise=self._exercise)
            reading = _read(opened.payload, opened.key)
        except (NotAuthentic, BadMessage):
            return
        scope = reading.board.scope
        if scope in self._scopes and self._may_write(reading.key, scope, max(floor_ms, reading.board.written_at_ms)):
            self._held[reading.board.scope] = _Held(frame, reading, proven=False)

    def _may_write(self, key: TrustedKey, scope: str, at_ms: int) -> bool:
        """Whether the key's scope holds this board: else a township's key could empty the city's board."""
        held = self._held.get(scope)
        place = self._area if is_speaker_id(scope) else scope
        return key.in_force(at_ms) and covers(key.area, place) and (held is None or reaches(key, held.reading.key))

    def _is_old(self, reading: _Reading) -> bool:
        held = self._held.get(reading.board.scope)
        if self.is_below_floor(reading.key, reading.board.epoch):
            return True
        if held is None or not reaches(held.reading.key, reading.key):
            return False  # the first, or by a further reaching key: no weaker one can lock it out by a high version
        return _number(reading) <= _number(held.reading)

    def _says_the_same(self, board: Board) -> bool:
        """A server that starts again signs the same version again, at another time."""
        held = self._held.get(board.scope)
        return held is not None and replace(held.reading.board, written_at_ms=board.written_at_ms) == board

    def is_below_floor(self, key: TrustedKey, epoch: int) -> bool:
        """Whether a server that has been replaced signed it. Epochs count among the keys of one area.

        A key of lower band raises the floor of no higher one: a number stolen with a weak key would silence the strong.
        """
        peers = (k for k in self._trust.keys if k.area == key.area and k.highest_band >= key.highest_band)
        return epoch < max((self._epochs.get(peer.key_id, 0) for peer in peers), default=0)

    def raise_epoch(self, key: TrustedKey, epoch: int) -> bool:
        """Whether that was news."""
        key_id = key.key_id
        if epoch <= self._epochs.get(key_id, 0):
            return False
        self._epochs[key_id] = epoch
        return True

    def prove(self, now_ms: int) -> bool:
        """A time is trusted: void what was kept and its key has run out since, and place what was put aside.

        Whether a board was taken.
        """
        for held in self._held.values():
            if not held.proven:
                held.proven = True
                held.void = not held.reading.key.in_force(now_ms)
        early, self._early = self._early, {}
        verdicts = [self._place(frame, reading, now_ms) for frame, reading in early.values()]
        return Verdict.TAKEN in verdicts

    def copies(self) -> dict[str, Copy]:
        """Every order on any held board that means this speaker, by id: of several copies the one that counts."""
        best: dict[str, Copy] = {}
        for held in self._held.values():
            for copy in () if held.void else held.reading.copies:
                if is_meant(copy.order, self._id, self._area):
                    known = best.get(copy.order.id)
                    if known is None or copy.outweighs(known):
                        best[copy.order.id] = copy
        return best

    def speaks_for(self, scope: str) -> bool:
        """Whether absence from that scope's board means something: it is held and in force, or no longer followed."""
        held = self._held.get(scope)
        return scope not in self._scopes or (held is not None and not held.void)

    def ids(self) -> frozenset[str]:
        """The ids of all orders on held boards, meant for this speaker or not."""
        return frozenset(copy.order.id for held in self._held.values() for copy in held.reading.copies)
