"""The root of what the domain refuses. A subject's own errors stand beside the subject and inherit from here."""


class BroadcastError(Exception):
    """Something was refused for a reason an officer can act on.

    Public attributes are facts: `broadcast.web.problems` makes each a field of the problem+json answer (RFC 9457), so they
    hold only what JSON can carry (text, numbers, lists and dictionaries of them). `str(err)` is the sentence for the officer.
    """


class Overtaken(BroadcastError):
    """Somebody has changed it since it was read; nothing was overwritten.

    :param by, at_ms: who saved what is there now and when; empty and 0 where nobody can tell any more.
    """

    def __init__(self, said: str, revision: int, by: str = "", at_ms: int = 0) -> None:
        self.revision, self.changed_by, self._at_ms = revision, by, at_ms
        super().__init__(f"{said}; it is at revision {revision} now, read it again")

    @property
    def changed_ms(self) -> int:
        """No fact by itself: the answer tells it as a time."""
        return self._at_ms
