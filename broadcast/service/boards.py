"""The boards (播发板): desired state, signed and published retained, once for each change and again whenever the broker comes back.

Nothing here waits for a speaker. A board is known to be on the broker only after its PUBACK; until then it is pending and the
desk says "not yet on the air".
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from broadcast.clock import Clock
from broadcast.domain.boards import orders_on, scopes_of
from broadcast.domain.broadcasts import Broadcast
from broadcast.service.health import Health
from broadcast.service.ports import Store, StoreUnavailable, Wire, WireDown
from endpoints.protocol import Board, Held, board_topic, encode_board, root_of
from endpoints.sealing import Message, Signer, seal

log = logging.getLogger(__name__)

WITNESSES = 3
REPAIR_EVERY_S = 5.0  # a board that a speaker does not have is published again, not more often than this

Name = tuple[bool, str]  # exercise, scope


class Boards:
    """Every board of both modes, its version and what stands on it.

    :param signers: by mode: live boards and exercise boards are signed with different keys.
    :param epoch: of this server; above every earlier one.
    """

    def __init__(
        self, *, clock: Clock, store: Store, wire: Wire, health: Health, signers: Mapping[bool, Signer], epoch: int
    ) -> None:
        self._clock, self._store, self._wire, self._health = clock, store, wire, health
        self._signers, self.epoch = signers, epoch
        self._carried: dict[str, Broadcast] = {}
        self._versions: dict[Name, int] = {}
        self._published: dict[Name, int] = {}  # the version that the broker has acknowledged on this connection
        self._sent_at: dict[Name, float] = {}
        self._ahead: set[str] = set()  # speakers that say they hold boards of a later epoch
        self._remembering: set[asyncio.Task[None]] = set()
        self._owed: set[Name] = set()  # speakers lack these, and they were sent a moment ago

    async def load(self) -> None:
        """Derive everything from the orders table; `republish` puts it on the broker."""
        now_ms = self._clock.now_ms()
        carried, versions = await self._store.read(lambda tx: (tx.broadcasts.on_boards(now_ms), tx.boards.versions()))
        self._carried = {one.id: one for one in carried}
        self._versions = dict(versions)

    @property
    def carried(self) -> Mapping[str, Broadcast]:
        """The broadcasts that stand on boards, by id."""
        return self._carried

    def find(self, broadcast: str) -> Broadcast | None:
        """The one of this id, if it stands on boards."""
        return self._carried.get(broadcast)

    def is_pending(self, broadcast: Broadcast) -> bool:
        """Whether one of its boards is not yet on the broker."""
        exercise = broadcast.order.exercise
        names = [(exercise, scope) for scope in scopes_of(broadcast.order)]
        return any(self._published.get(name, 0) < self._versions.get(name, 0) for name in names)

    @property
    def pending(self) -> int:
        """How many boards the broker does not have in their newest version."""
        return sum(self._published.get(name, 0) < version for name, version in self._versions.items())

    def renew(self, changed: Iterable[Broadcast], versions: Mapping[Name, int]) -> None:
        """These broadcasts were committed as they are here, with these new versions of their boards: publish them."""
        now_ms = self._clock.now_ms()
        for broadcast in changed:
            if broadcast.on_boards(now_ms):
                self._carried[broadcast.id] = broadcast
            else:
                self._carried.pop(broadcast.id, None)
        for name, version in versions.items():  # they come from the table and from nowhere else: each names one content
            self._versions[name] = max(version, self._versions.get(name, 0))
        for name in versions:
            self._publish(name)

    def republish(self) -> None:
        """The broker is there (again) and may have lost everything: publish every board ever written."""
        self._published.clear()
        for name in self._versions:
            self._publish(name)

    def lost(self) -> None:
        """The broker is gone; what it has is not known."""
        self._published.clear()

    def compare(self, speaker: str, exercise: bool, scopes: Iterable[str], held: Mapping[str, Held]) -> bool:
        """What a speaker says it holds against what it should; publishes again what it lacks.

        Its word is no authority: it never decides which version a board has.

        :returns: whether it holds the newest of each.
        """
        self._watch_for_another(speaker, held)
        whole = True
        for scope in scopes:
            name = (exercise, scope)
            version = self._versions.get(name, 0)
            has = held.get(scope)
            if version == 0 and has is None:
                continue
            if has is not None and (has.epoch, has.version) >= (self.epoch, version) and version > 0:
                continue
            whole = False
            self._owed.add(name)
        self.tick()
        return whole

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

    def tick(self) -> None:
        """Publish again what speakers said they lack; call every second. They say so only every 20 s: it must not be forgotten."""
        now = self._clock.monotonic()
        for name in [name for name in self._owed if now - self._sent_at.get(name, -1e9) >= REPAIR_EVERY_S]:
            self._health.count("boards_repaired")
            if name in self._versions:
                self._publish(name)
                continue
            self._owed.discard(name)
            self._sent_at[name] = now
            task = asyncio.get_running_loop().create_task(self._remember(name), name=f"board {name[1]}")
            self._remembering.add(task)
            task.add_done_callback(self._remembering.discard)

    async def _remember(self, name: Name) -> None:
        """A board that we do not know, from before a restored backup: it gets a version of the table, and what stands on it now."""
        exercise, scope = name
        try:
            raised = await self._store.write(lambda tx: tx.boards.raise_versions([scope], exercise=exercise))
        except StoreUnavailable as err:  # the speaker says again what it holds
            log.warning("board %s is repaired later: %s", scope, err.cause)
            return
        self._versions[name] = max(raised[scope], self._versions.get(name, 0))
        self._publish(name)

    def _publish(self, name: Name) -> None:
        exercise, scope = name
        version = self._versions[name]
        self._sent_at[name] = self._clock.monotonic()
        self._owed.discard(name)
        if not self._wire.is_up:
            return
        orders = orders_on(self._carried.values(), scope, exercise=exercise)
        board = Board(scope, self.epoch, version, self._clock.now_ms(), orders)
        frame = seal(encode_board(board), Message.BOARD, exercise=exercise, signer=self._signers[exercise])
        try:
            done = self._wire.publish(board_topic(root_of(exercise), scope), frame, qos=1, retain=True)
        except WireDown as err:  # the board stays pending and goes out when it is up
            log.warning("board %s v%s is not on the broker yet: %s", scope, version, err)
            return
        done.add_done_callback(lambda future: self._acknowledged(name, version, future))

    def _acknowledged(self, name: Name, version: int, future: asyncio.Future[None]) -> None:
        if future.cancelled() or future.exception() is not None:
            return
        self._published[name] = max(version, self._published.get(name, 0))
