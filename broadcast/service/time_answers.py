"""What speakers are told when they ask for the time: the time, and which of their reports are in the table.

How precisely a speaker knows the time is how quickly it is answered here, so the two instants that it needs are taken as early
and as late as they can be. Pings are worth less than reports: more of them than the server can spare are not answered, and a
speaker that gets no answer asks less often.
"""

from collections.abc import Mapping

from broadcast.clock import Clock
from broadcast.service.boards import Boards
from broadcast.service.health import Health
from broadcast.service.ports import Wire, WireDown
from broadcast.service.presence import Speakers
from broadcast.service.rate_limits import Buckets
from endpoints.protocol import OrderRule, TimeAnswer, encode_time_answer, root_of, time_topic
from endpoints.sealing import Message, Signer, seal

PINGS_AT_ONCE, PINGS_PER_MIN = 60, 120  # of one speaker: 16 after a connect, then 4 a minute
ALL_AT_ONCE, ALL_PER_MIN = 1_000, 60_000  # a tenth of a core; 12,000 speakers ask 800 times a second
_ALL = "all"


class TimeAnswers:
    """Answers questions that were verified."""

    def __init__(
        self,
        *,
        clock: Clock,
        wire: Wire,
        boards: Boards,
        speakers: Speakers,
        health: Health,
        signers: Mapping[bool, Signer],
        rule: OrderRule,
    ) -> None:
        self._clock, self._wire, self._boards, self._speakers = clock, wire, boards, speakers
        self._health, self._signers, self._rule = health, signers, rule
        self._pings = Buckets(clock.monotonic, burst=PINGS_AT_ONCE, per_min=PINGS_PER_MIN)
        self._all_pings = Buckets(clock.monotonic, burst=ALL_AT_ONCE, per_min=ALL_PER_MIN)

    def ping(self, speaker: str, nonce: bytes, *, exercise: bool, received_us: int) -> bool:
        """Answer, unless it asks too often or all do; False for the first, which is a fault of this one."""
        if self._pings.wait_s(speaker):
            return False
        self._pings.take(speaker)
        if self._all_pings.wait_s(_ALL):
            self._health.count("pings_unanswered")
            return True
        self._all_pings.take(_ALL)
        self._health.count("pings")
        self.answer(speaker, nonce, self._speakers.status(speaker).boot, exercise=exercise, received_us=received_us)
        return True

    def answer(self, speaker: str, nonce: bytes, boot: int, *, exercise: bool, received_us: int) -> None:
        """Say the time now.

        :param boot: the speaker's; what is confirmed is of this one.
        :param received_us: when the question came in, by the clock's `now_us`.
        """
        status = self._speakers.status(speaker)
        confirmed = self._speakers.confirmed_n(status) if status.boot == boot else 0
        sent_us = max(received_us, self._clock.now_us())
        answer = TimeAnswer(speaker, nonce, self._boards.epoch, received_us, sent_us, boot, confirmed, self._rule)
        frame = seal(encode_time_answer(answer), Message.TIME, exercise=exercise, signer=self._signers[exercise])
        try:
            self._wire.publish(time_topic(root_of(exercise), speaker), frame, qos=0)
        except WireDown:  # it asks again
            self._health.count("time_answers_lost")
