"""Stub."""

from broadcast.clock import Clock
from broadcast.service.boards import Boards
from broadcast.service.estate import Estate
from broadcast.service.presence import Speakers
from endpoints.protocol import OrderRule


class Reach:
    def __init__(self, *, clock: Clock, estate: Estate, boards: Boards, speakers: Speakers, rule: OrderRule) -> None:
        self._clock, self._estate, self._boards, self._speakers, self._rule = clock, estate, boards, speakers, rule
