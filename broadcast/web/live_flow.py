"""What comes in over one WebSocket, in time: not more than a microphone makes, and nothing that is too old to be live. Pure."""

from broadcast.web.errors import TooFast

FRAME_S = 0.02
MESSAGES_PER_S = 100.0  # twice what a microphone makes
BURST = 300.0  # after a stall of the network some seconds come at once
STALE_S = 0.4  # later than the quickest by so much: it would make everything after it late as well
DRIFT = 0.001  # of a crystal, ten times what they have
CHANGED_S = 1.0  # late for so long: not a stall, but a longer way


class Flow:
    """Times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._left, self._as_of = BURST, now
        self._way: float | None = None  # the least between the number of a frame, as a time, and its arrival
        self._looked_at = now
        self._late_since: float | None = None
        self.late = 0

    def take(self, now: float) -> None:
        """One more message, of whatever kind.

        :raises TooFast: more of them than any microphone makes.
        """
        self._left = min(BURST, self._left + (now - self._as_of) * MESSAGES_PER_S) - 1
        self._as_of = now
        if self._left < 0:
            raise TooFast(int(MESSAGES_PER_S))

    def is_late(self, seq: int, now: float) -> bool:
        """Whether this frame waited on its way, behind a stall; it is counted then.

        :param seq: of the frame, as its sender counts them, one each 20 ms, sent or not.
        """
        took = now - seq * FRAME_S
        if self._way is None:
            self._way = took
        self._way = min(took, self._way + (now - self._looked_at) * DRIFT)
        self._looked_at = now
        if took - self._way <= STALE_S:
            self._late_since = None
            return False
        if self._late_since is None:
            self._late_since = now
        elif now - self._late_since > CHANGED_S:
            self._way, self._late_since = took, None
            return False
        self.late += 1
        return True
