"""The boards that a speaker holds: which frame may replace which, and what the held ones say to this speaker.

Five questions stand between a frame and a place on the shelf: is it signed by a trusted key; is it a board; is it one that this
speaker follows; may that key write there; is it newer. A key has a reach (area, highest band). Whoever replaces a board takes off
what stands there, so only a key that reaches as far as the held board's key may do it, and a key that reaches further always may.

Programmes are boards of a second family (`Message.PROGRAMME`) under the same rules. What stands on one enters the decisions
UPCOMING_MS before its time, so that the 48 hours of a programme are staged and not reported.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Protocol

from endpoints.arbitration import is_meant
from endpoints.area_codes import covers, depth
from endpoints.protocol import (
    BadMessage,
    Board,
    Order,
    Part,
    ProgrammeBoard,
    Reason,
    decode_board,
    decode_programme,
    is_speaker_id,
)
from endpoints.sealing import Message, NotAuthentic, Opened, TrustedKey

UPCOMING_MS = 60_000
_NEVER_MS = float("inf")


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
    """An order as it stands on one board, the key that put it there, and what is to be objected.

    :param programme: the board is a programme.
    """

    order: Order
    scope: str
    key: TrustedKey
    objection: Reason
    programme: bool = False

    def outweighs(self, other: "Copy") -> bool:
        """Which of two copies of one order counts: the lawful one, then that of the further reaching key, then the newer.

        Ids are no secret; without the reach a township could send its own "newer revision" of the city's order.
        """
        return self._weight() > other._weight()

    def _weight(self) -> tuple[bool, int, int, int]:
        return self.objection is Reason.NONE, -depth(self.key.area), self.key.highest_band, self.order.revision


@dataclass(frozen=True, slots=True)
class Terms:
    """What a place asks of routine (播出约定); of each the word of the smallest area that has one.

    :param volume_by_hour, budget_min, fallback: see `ProgrammeBoard`.
    """

    volume_by_hour: tuple[int, ...] = ()
    budget_min: int = 0
    fallback: Part | None = None

    def hour_percent(self, hour: int) -> int:
        return self.volume_by_hour[hour] if self.volume_by_hour else 100


NO_TERMS = Terms()


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """What a frame says. All speakers of a process share it.

    :param copies: of a programme by the beginning of each.
    """

    board: Board | ProgrammeBoard
    key: TrustedKey
    copies: tuple[Copy, ...]
    ids: frozenset[str]


Where = tuple[Message, str]  # of which family, and whose


@lru_cache(maxsize=4096)
def _read(payload: bytes, key: TrustedKey, message: Message) -> _Reading:
    """:raises BadMessage: no board as specified."""
    board = decode_programme(payload) if message is Message.PROGRAMME else decode_board(payload)
    orders: Iterable[Order] = board.orders
    if isinstance(board, ProgrammeBoard):  # of what begins later than it reaches it says nothing
        orders = sorted((o for o in orders if o.not_before_ms < board.until_ms), key=lambda one: one.not_before_ms)
    copies = [
        Copy(order, board.scope, key, key.objection(order, now_ms=board.written_at_ms), message is Message.PROGRAMME)
        for order in orders
    ]
    return _Reading(board, key, tuple(copies), frozenset(copy.order.id for copy in copies))


@lru_cache(maxsize=8192)
def _for_place(reading: _Reading, area: str) -> tuple[Copy, ...]:
    """Those that mean whoever is there, and those that name somebody. All speakers of a place share it."""
    return tuple(copy for copy in reading.copies if copy.order.speakers or is_meant(copy.order, "", area))


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


@dataclass(frozen=True, slots=True)
class _Near:
    """What of the programmes is to be decided about, until then."""

    copies: tuple[Copy, ...]
    until_ms: float


class Shelf:
    """The newest board and programme of every scope that one speaker follows, and the epochs below which it takes none.

    :param scopes: its own id, its area, and the areas above.
    :param epochs: the highest epoch seen, by key id; a key that is no longer trusted takes its epochs along.
    """

    __slots__ = ("_area", "_early", "_epochs", "_exercise", "_held", "_id", "_near", "_scopes", "_terms", "_trust")

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
        self._held: dict[Where, _Held] = {}
        self._early: dict[tuple[Where, bytes], tuple[bytes, _Reading]] = {}  # by where and key
        self._epochs = {key.key_id: epochs[key.key_id] for key in trust.keys if key.key_id in epochs}
        self._near: _Near | None = None  # as long as no programme and no clock says otherwise
        self._terms: Terms | None = None

    @property
    def boards(self) -> dict[str, Board]:
        held = ((scope, self._held.get((Message.BOARD, scope))) for scope in self._scopes)
        return {scope: one.reading.board for scope, one in held if one and isinstance(one.reading.board, Board)}

    @property
    def programmes(self) -> dict[str, ProgrammeBoard]:
        """By scope, that of the smallest area first."""
        held = ((scope, self._held.get((Message.PROGRAMME, scope))) for scope in self._scopes)
        return {
            scope: one.reading.board for scope, one in held if one and isinstance(one.reading.board, ProgrammeBoard)
        }

    def frames(self, message: Message) -> tuple[bytes, ...]:
        """The held frames of a family, as they came."""
        return tuple(held.frame for (family, _), held in self._held.items() if family is message)

    @property
    def epochs(self) -> dict[bytes, int]:
        return dict(self._epochs)

    def offer(self, frame: bytes, now_ms: int | None, message: Message = Message.BOARD) -> Verdict:
        """A board that came over the network, from whomever.

        :param now_ms: None while no time is trusted. Until then no board is taken, since nobody knows which keys are in their
            dates; of each key and scope the newest is put aside for `prove`.
        :param message: BOARD or PROGRAMME.
        """
        if any(held.frame == frame for held in self._held.values()):
            return Verdict.KNOWN
        try:
            opened = self._trust.open(frame, message, exercise=self._exercise)
            reading = _read(opened.payload, opened.key, message)
        except NotAuthentic:
            return Verdict.NOT_AUTHENTIC
        except BadMessage:
            return Verdict.UNREADABLE
        if reading.board.scope not in self._scopes:
            return Verdict.FOREIGN
        where = message, reading.board.scope
        if now_ms is not None:
            return self._place(frame, reading, where, now_ms)
        aside = where, reading.key.key_id
        if aside not in self._early or _number(self._early[aside][1]) < _number(reading):
            self._early[aside] = frame, reading
        return Verdict.EARLY

    def _place(self, frame: bytes, reading: _Reading, where: Where, now_ms: int) -> Verdict:
        if not self._may_write(reading.key, where, now_ms):
            return Verdict.FOREIGN
        if self._is_old(reading, where):
            return Verdict.KNOWN if self._says_the_same(reading.board, where) else Verdict.OLD
        self._hold(where, _Held(_shared(frame), reading, proven=True))
        self.raise_epoch(reading.key, reading.board.epoch)
        return Verdict.TAKEN

    def take_up(self, frame: bytes, *, floor_ms: int, message: Message = Message.BOARD) -> None:
        """A board of the last run. The disk is not believed more than the wire, and a key may be gone; but the board may be of
        a server that has been replaced since: it stands until the new one says otherwise."""
        try:
            opened = self._trust.open(frame, message, exercise=self._exercise)
            reading = _read(opened.payload, opened.key, message)
        except (NotAuthentic, BadMessage):
            return
        where = message, reading.board.scope
        at_ms = max(floor_ms, reading.board.written_at_ms)
        if reading.board.scope in self._scopes and self._may_write(reading.key, where, at_ms):
            self._hold(where, _Held(_shared(frame), reading, proven=False))

    def _hold(self, where: Where, held: _Held) -> None:
        self._held[where] = held
        if where[0] is Message.PROGRAMME:
            self._near = self._terms = None

    def _may_write(self, key: TrustedKey, where: Where, at_ms: int) -> bool:
        """Whether the key's scope holds this board: else a township's key could empty the city's board."""
        held, scope = self._held.get(where), where[1]
        place = self._area if is_speaker_id(scope) else scope
        return key.in_force(at_ms) and covers(key.area, place) and (held is None or reaches(key, held.reading.key))

    def _is_old(self, reading: _Reading, where: Where) -> bool:
        held = self._held.get(where)
        if self.is_below_floor(reading.key, reading.board.epoch):
            return True
        if held is None or not reaches(held.reading.key, reading.key):
            return False  # the first, or by a further reaching key: no weaker one can lock it out by a high version
        return _number(reading) <= _number(held.reading)

    def _says_the_same(self, board: Board | ProgrammeBoard, where: Where) -> bool:
        """A server that starts again signs the same version again, at another time."""
        held = self._held.get(where)
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
                self._terms = None
        early, self._early = self._early, {}
        verdicts = [self._place(frame, reading, where, now_ms) for (where, _), (frame, reading) in early.items()]
        return Verdict.TAKEN in verdicts

    def copies(self, now_ms: int | None, known: Container[str]) -> dict[str, Copy]:
        """Every order that means this speaker and is to be decided about, by id: of several copies the one that counts.

        :param known: what of a programme has been decided about before, and so still is, whatever the clock says.
        """
        best: dict[str, Copy] = {}
        for copy in (*self._meant(Message.BOARD), *self._upcoming(now_ms, known)):
            first = best.get(copy.order.id)
            if first is None or copy.outweighs(first):
                best[copy.order.id] = copy
        return best

    def _upcoming(self, now_ms: int | None, known: Container[str]) -> tuple[Copy, ...]:
        """Of the programmes what is near. Thousands of speakers ask at each emergency, so it is looked for once a change."""
        near = self._near
        if near is not None and now_ms is not None and now_ms < near.until_ms:
            return near.copies  # when the clock was set back too: what was near once is known
        staged = tuple(self._meant(Message.PROGRAMME))
        copies = tuple(copy for copy in staged if copy.order.id in known or _is_upcoming(copy.order, now_ms))
        if now_ms is not None:
            later = (copy.order.not_before_ms - UPCOMING_MS for copy in staged)
            self._near = _Near(copies, min((at_ms for at_ms in later if at_ms > now_ms), default=_NEVER_MS))
        return copies

    def staged(self) -> Iterator[Order]:
        """What stands on programmes for this speaker and is lawful."""
        return (copy.order for copy in self._meant(Message.PROGRAMME) if copy.objection is Reason.NONE)

    @property
    def next_upcoming_ms(self) -> float:
        """When `copies` will next have more, although nothing comes; infinite when it will not."""
        return _NEVER_MS if self._near is None else self._near.until_ms

    def _meant(self, family: Message) -> Iterator[Copy]:
        for (message, _), held in self._held.items():
            if message is not family or held.void:
                continue
            for copy in _for_place(held.reading, self._area):
                if not copy.order.speakers or is_meant(copy.order, self._id, self._area):
                    yield copy

    @property
    def terms(self) -> Terms:
        """Of the programmes that are held and in force."""
        if self._terms is None:
            self._terms = self._agreed()
        return self._terms

    def _agreed(self) -> Terms:
        held = (self._held.get((Message.PROGRAMME, scope)) for scope in self._scopes)  # the smallest area first
        said = [one.reading.board for one in held if one is not None and not one.void]
        boards = [board for board in said if isinstance(board, ProgrammeBoard)]
        if not any(board.volume_by_hour or board.budget_min or board.fallback for board in boards):
            return NO_TERMS
        return Terms(
            next((board.volume_by_hour for board in boards if board.volume_by_hour), ()),
            next((board.budget_min for board in boards if board.budget_min), 0),
            next((board.fallback for board in boards if board.fallback), None),
        )

    def speaks_for(self, scope: str, *, programme: bool = False) -> bool:
        """Whether absence from that scope's board means something: it is held and in force, or no longer followed."""
        held = self._held.get((Message.PROGRAMME if programme else Message.BOARD, scope))
        return scope not in self._scopes or (held is not None and not held.void)

    def carries(self, order: str) -> bool:
        """Whether it stands on a held board or programme, meant for this speaker or not."""
        return any(order in held.reading.ids for held in self._held.values())


def _is_upcoming(order: Order, now_ms: int | None) -> bool:
    return now_ms is not None and now_ms >= order.not_before_ms - UPCOMING_MS
