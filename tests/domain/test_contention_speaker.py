"""What the preview says is what the speaker's own machine does: the same orders to both, the sound card by the clock."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.domain.contention import play_through
from endpoints.air import Air
from endpoints.arbitration import Listener, QuietHours
from endpoints.budget import Budget
from endpoints.effects import Identity, Play, Stop
from endpoints.journal import Journal
from endpoints.kept import Progress, Spent
from endpoints.ledger import Ledger
from endpoints.protocol import Band, Order, OrderRule, Reason, Stage
from tests.domain.plans import CITY, E1
from tests.domain.test_contention import EIGHT, MINUTE_MS, NEVER, orders

HALF_MS = MINUTE_MS // 2
ODD_MS = 17_000  # sounds end in the middle of a minute: what happens in the same instant is nobody's promise


class OneSpeaker:
    """Its air, and a sound card that plays what it is given in real time."""

    def __init__(self, given_: list[Order], quiet: QuietHours, rule: OrderRule, start_ms: int) -> None:
        self._orders, self._rule = {order.id: order for order in given_}, rule
        heard_of = [Progress(o.id, 1, o.not_after_ms, Stage.RECEIVED, CITY, CITY, Band.LIFE_SAFETY) for o in given_]
        ledger = Ledger({one.order: one for one in heard_of}, Journal())
        self._air = Air(Identity("s-1", E1, b"", quiet=quiet), ledger, Budget(Spent()))
        self._sound: tuple[str, int, int] | None = None  # what the sound card has, when it begins and ends
        self._started = False
        self._now_ms = start_ms
        self._decide()

    def heard_at(self, at_ms: int) -> str:
        """What is on the air then; later than the last time asked."""
        while (next_ms := self._next_ms()) <= at_ms:
            self._now_ms = next_ms
            if self._sound is not None and not self._started and next_ms >= self._sound[1]:
                self._started = True
                self._air.started(self._sound[0], Reason.NONE, next_ms, next_ms / 1000)
            elif self._sound is not None and self._started and next_ms >= self._sound[2]:
                name, self._sound = self._sound[0], None
                self._air.ended(name, Stage.FINISHED, Reason.NONE, next_ms, next_ms / 1000)
            self._decide()
        return self._air.on_air

    def _next_ms(self) -> int:
        change_at = self._air.change_at * 1000
        edges = [change_at] if change_at > self._now_ms else [self._now_ms + 1]
        if self._sound is not None:
            edges.append(self._sound[2] if self._started else self._sound[1])
        return int(
            min(max(edge, self._now_ms) for edge in edges if edge != float("inf")) if edges != [float("inf")] else 2**60
        )

    def _decide(self) -> None:
        self._air.decide(self._orders, self._rule, self._now_ms, self._now_ms / 1000)
        for effect in self._air.out:
            if isinstance(effect, Play):
                begins_ms = max(self._now_ms, effect.at_ms or self._now_ms)
                left_ms = effect.order.sound_ms - effect.from_ms
                self._sound, self._started = (effect.order.id, begins_ms, begins_ms + left_ms), False
            elif isinstance(effect, Stop):
                self._sound = None
        self._air.out.clear()


def with_files(order: Order) -> Order:
    """Nothing that falls together by accident: sounds end, and latest starts pass, between the minutes."""
    sound_ms = (order.asset_ms or order.not_after_ms - order.not_before_ms) + ODD_MS
    start_by_ms = order.start_by_ms and order.start_by_ms + HALF_MS
    return replace(order, asset=b"\x01" * 32, asset_bytes=1, asset_ms=sound_ms, start_by_ms=start_by_ms)


@settings(deadline=None, max_examples=300)
@given(
    orders().map(lambda given_: [with_files(order) for order in given_]),
    st.sampled_from([NEVER, QuietHours(8 * 60 + 5, 8 * 60 + 9)]),
    st.sampled_from(OrderRule),
)
def test_in_every_minute_the_speaker_has_on_the_air_what_the_preview_said(
    given_: list[Order], quiet: QuietHours, rule: OrderRule
) -> None:
    turns = play_through(given_, Listener("s-1", E1, quiet=quiet, rule=rule))
    speaker = OneSpeaker(given_, quiet, rule, EIGHT - 10 * MINUTE_MS)
    for turn in turns:
        name = "" if turn.on_air is None else given_[turn.on_air].id
        first = -(-(turn.from_ms - HALF_MS - 10_000) // MINUTE_MS)
        for minute in range(first, (turn.until_ms - HALF_MS - 10_000) // MINUTE_MS + 1):
            at_ms = minute * MINUTE_MS + HALF_MS + 10_000
            if turn.from_ms <= at_ms < turn.until_ms:
                assert speaker.heard_at(at_ms) == name, minute - EIGHT // MINUTE_MS
