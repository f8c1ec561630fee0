"""Keys and certificates that end soon, as conditions (到期预警): 60, 30, 14, 7 and 1 day before."""

from collections.abc import Callable, Iterable

from broadcast.domain.expiry import Ending, warned
from broadcast.service.health import Health


class Expiry:
    """
    :param endings: all that has a last day, looked up anew each time: a certificate is replaced while the server runs.
    """

    def __init__(self, *, health: Health, endings: Callable[[], Iterable[Ending]]) -> None:
        self._health, self._endings = health, endings
        self._raised: set[str] = set()

    def look(self, now_ms: int) -> None:
        """Raise and clear the conditions `<what>-ends`; call every minute or so."""
        found = {f"{one.ending.what}-ends": one for one in reversed(warned(self._endings(), now_ms=now_ms))}
        for name in self._raised - found.keys():
            self._health.clear(name)
        for name, one in found.items():  # of several of a kind the first to end
            facts = {"subject": one.ending.subject, "days": str(one.days), "stage": str(one.stage)}
            self._health.raise_(name, **facts, rank=str(one.rank))
        self._raised = set(found)
