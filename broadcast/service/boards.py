"""The boards (播发板): desired state, signed and published retained, once for each change and again whenever the broker comes back.

Nothing here waits for a speaker. A board is known to be on the broker only after its PUBACK; until then it is pending and the
desk says "not yet on the air".
"""

from collections.abc import Iterable, Mapping

from broadcast.clock import Clock
from broadcast.domain.boards import orders_on, scopes_of
from broadcast.domain.broadcasts import Broadcast
from broadcast.service.health import Health
from broadcast.service.ports import Store, Tx, Wire
from broadcast.service.retained import REPAIR_EVERY_S, Frame, Name, Retained
from endpoints.protocol import Board, Held, board_topic, encode_board, root_of
from endpoints.sealing import Message, Signer, seal

__all__ = ["REPAIR_EVERY_S", "WITNESSES", "Boards", "Name"]

WITNESSES = 3


class Boards:
    """Every board of both modes, its version and what stands on it.

    :param signers: by mode: live boards and exercise boards are signed with different keys.
    :param epoch: of this server; above every earlier one.
    """

    def __init__(
        self, *, clock: Clock, store: Store, wire: Wire, health: Health, signers: Mapping[bool, Signer], epoch: int
    ) -> None:
        self._clock, self._store, self._health = clock, store, health
        self._signers, self.epoch = signers, epoch
        self._carried: dict[str, Broadcast] = {}
        self._ahead: set[str] = set()  # speakers that say they hold boards of a later epoch
        self._retained = Retained(
            "boards",
            clock=clock,
            store=store,
            wire=wire,
            health=health,
            epoch=epoch,
            frame=self._frame,
            raise_version=_raise_version,
        )

    async def load(self) -> None:
        """Derive everything from the orders table; `republish` puts it on the broker."""
        now_ms = self._clock.now_ms()
        carried, versions = await self._store.read(lambda tx: (tx.broadcasts.on_boards(now_ms), tx.boards.versions()))
        self._carried = {one.id: one for one in carried}
        self._retained.take(versions)

    @property
    def carried(self) -> Mapping[str, Broadcast]:
        """The broadcasts that stand on boards, by id."""
        return self._carried

    def find(self, broadcast: str) -> Broadcast | None:
        """The one of this id, if it stands on boards."""
        return self._carried.get(broadcast)

    def needs(self, asset: bytes) -> bool:
        """Whether something that is live sounds this file."""
        now_ms = self._clock.now_ms()
        live = (one.order for one in self._carried.values() if one.is_live(now_ms))
        return any(part.asset == asset for order in live for part in order.parts)

    def is_pending(self, broadcast: Broadcast) -> bool:
        """Whether one of its boards is not yet on the broker."""
        return self._retained.is_pending((broadcast.order.exercise, scope) for scope in scopes_of(broadcast.order))

    @property
    def pending(self) -> int:
        """How many boards the broker does not have in their newest version."""
        return self._retained.pending

    def renew(self, changed: Iterable[Broadcast], versions: Mapping[Name, int]) -> None:
        """These broadcasts were committed as they are here, with these new versions of their boards: publish them."""
        now_ms = self._clock.now_ms()
        for broadcast in changed:
            if broadcast.on_boards(now_ms):
                self._carried[broadcast.id] = broadcast
            else:
                self._carried.pop(broadcast.id, None)
        self._retained.take(versions)
        for name in versions:
            self._retained.publish(name)

    def republish(self) -> None:
        """The broker is there (again) and may have lost everything: publish every board ever written."""
        self._retained.republish()

    def lost(self) -> None:
        """The broker is gone; what it has is not known."""
        self._retained.lost()

    def compare(self, speaker: str, exercise: bool, scopes: Iterable[str], held: Mapping[str, Held]) -> bool:
        """What a speaker says it holds against what it should; publishes again what it lacks.

        Its word is no authority: it never decides which version a board has.

        :returns: whether it holds the newest of each.
        """
        self._watch_for_another(speaker, held)
        lacks = self._retained.lacks(((exercise, scope) for scope in scopes), held)
        self._retained.tick()
        return not lacks

    def tick(self) -> None:
        """Publish again what speakers said they lack; call every second."""
        self._retained.tick()

    def _watch_for_another(self, speaker: str, held: Mapping[str, Held]) -> None:
        """Several speakers that hold boards of a later epoch mean that another server has taken over; one may be lying."""
        if any(has.epoch > self.epoch for has in held.values()):
            self._ahead.add(speaker)
        else:
            self._ahead.discard(speaker)
        if len(self._ahead) >= WITNESSES:
            self._health.raise_("fenced-off", speakers=str(len(self._ahead)), ours=str(self.epoch))
        else:
            self._health.clear("fenced-off")

    def _frame(self, name: Name, version: int) -> Frame:
        exercise, scope = name
        orders = orders_on(self._carried.values(), scope, exercise=exercise)
        board = Board(scope, self.epoch, version, self._clock.now_ms(), orders)
        sealed = seal(encode_board(board), Message.BOARD, exercise=exercise, signer=self._signers[exercise])
        return board_topic(root_of(exercise), scope), sealed


def _raise_version(tx: Tx, name: Name) -> int:
    exercise, scope = name
    return tx.boards.raise_versions([scope], exercise=exercise)[scope]
