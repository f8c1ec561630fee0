"""A microphone's order on the boards: who it means, who is in its way, how it gets on and off, and who sounds it."""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.broadcasts import Broadcast, InvalidRequest, Life, ended
from broadcast.domain.live import LiveBusy, LiveRules, OpenLive, check_live, compose_live
from broadcast.domain.officers import Officer, Role, Verb
from broadcast.domain.rights import may_or_drill
from broadcast.service.boards import Boards
from broadcast.service.broadcasts import Broadcasts, Change
from broadcast.service.estate import Estate
from broadcast.service.ladder import Ladder
from broadcast.service.live_run import RETRY_S
from broadcast.service.ports import StoreUnavailable
from broadcast.service.reach import takes_air
from endpoints.delivery import State
from endpoints.protocol import MAX_STREAM, Kind, Order, OrderRule

log = logging.getLogger(__name__)


class LiveBoards:
    """:param rule: by which the speakers decide who has the air."""

    def __init__(  # noqa: PLR0917 it has what `Broadcasts` has
        self, clock: Clock, estate: Estate, boards: Boards, broadcasts: Broadcasts, ladder: Ladder, rule: OrderRule
    ) -> None:
        self._clock, self._estate, self._boards = clock, estate, boards
        self._broadcasts, self._ladder, self._rule = broadcasts, ladder, rule

    def must_be_right(self, command: OpenLive, rules: LiveRules, *, by: Officer) -> None:
        """:raises InvalidRequest, AreaNotGranted, RoleNotGranted: nothing was done."""
        may_or_drill(by, Verb.LIVE, exercise=command.exercise, now_ms=self._clock.now_ms())
        tree, known = self._estate.tree, self._estate.speakers.keys()
        faults = check_live(command, tree, known, rules, now_ms=self._clock.now_ms())
        if faults:
            raise InvalidRequest(faults)
        areas = (*command.areas, *(self._estate.speaker(one).area for one in command.speakers))
        may_or_drill(by, Verb.LIVE, areas=areas, exercise=command.exercise, now_ms=self._clock.now_ms())

    def compose(self, command: OpenLive, *, by: Officer) -> Broadcast:
        """With the areas that were merged into the chosen ones, and a stream number that nobody can guess."""
        merged_into = self._estate.tree.merged_into
        areas = (*command.areas, *merged_into(command.areas))
        whole = replace(command, areas=areas, excluded=(*command.excluded, *merged_into(command.excluded)))
        stream = secrets.randbelow(MAX_STREAM) + 1
        return compose_live(whole, order_id=str(ULID()), stream=stream, by=by, now_ms=self._clock.now_ms())

    def listeners(self, order: Order) -> tuple[str, ...]:
        return tuple(one.id for one in self._estate.meant_by(order))

    def must_be_free(self, order: Order, listeners: Sequence[str]) -> None:
        """:raises LiveBusy: somebody speaks to some of them who does not give way."""
        now_ms, ours = self._clock.now_ms(), frozenset(listeners)
        for one in self._boards.carried.values():
            other = one.order
            if not (is_microphone(one) and one.is_live(now_ms) and other.exercise is order.exercise):
                continue
            shared = not ours.isdisjoint(self.listeners(other))
            if shared and not takes_air(order, other, self._rule):
                raise LiveBusy(one.id, one.officer, other.areas, other.not_after_ms)

    async def put_on(
        self, broadcast: Broadcast, listeners: Sequence[str], begin: Callable[[], None], *, by: Officer
    ) -> None:
        """Commit the order and publish its boards.

        :param begin: called when nothing is in the way any more, before the boards: the head goes first.
        :raises LiveBusy, BoardFull, StoreUnavailable: it is not on them; after `begin` the last one only.
        """

        def change() -> Change:
            self.must_be_free(broadcast.order, listeners)
            self._broadcasts.must_fit(broadcast)
            begin()
            return [], [broadcast]

        await self._broadcasts.commit(change, by=by, verb="speak live")

    async def take_off(self, order: str, *, by: Officer) -> None:
        """The database may be away: speakers have ended it by the last packet, and the boards follow."""

        def change() -> Change:
            now = self._boards.carried.get(order)
            if now is None or now.life is not Life.LIVE:
                return [], []
            return [ended(now, Life.STOPPED, by=by.name, now_ms=self._clock.now_ms())], []

        while True:
            try:
                await self._broadcasts.commit(change, by=by, verb="stop live")
                return
            except StoreUnavailable as err:
                log.warning("%s stays on the boards for now: %s", order, err.cause)
                await self._clock.sleep_until(self._clock.monotonic() + RETRY_S)

    async def take_off_left_over(self) -> list[Broadcast]:
        """What an earlier run of the server was sending, and nobody sends any more."""
        now_ms = self._clock.now_ms()
        over = [one for one in self._boards.carried.values() if is_microphone(one) and one.is_live(now_ms)]
        for one in over:
            await self.take_off(
                one.id, by=Officer(one.officer, "", Role.DUTY, one.order.areas[0] if one.order.areas else "")
            )
        return over

    def is_off(self, order: str) -> bool:
        """Whether somebody has stopped it."""
        carried = self._boards.carried.get(order)
        return carried is None or carried.life is not Life.LIVE

    def hearing(self, order: str) -> tuple[int, int]:
        """How many speakers say that they sound it, and how many that something higher has the air."""
        counts = self._ladder.counts(order) or {}
        return counts.get(State.SOUNDING, 0), counts.get(State.INTERRUPTED, 0)


def is_microphone(broadcast: Broadcast) -> bool:
    return broadcast.order.kind is Kind.LIVE and bool(broadcast.order.stream)
