"""How far a speaker got with every order it knows, over power cuts: what has ended, what may begin again, what can be forgotten.

An order that has ended must not be forgotten while any board may still bring it, or it would sound twice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from endpoints.area_codes import covers
from endpoints.journal import Journal
from endpoints.kept import Progress
from endpoints.protocol import Order, Reason, Stage
from endpoints.sealing import TrustedKey

FORGET_AFTER_MS = 3_600_000  # no order sounds after its end; the hour is for clocks that were set right
LEDGER_LIMIT = 1_024  # 150 kB; five days of a busy county


class Ledger:
    """Every step is noted here once, and told by the journal.

    :param kept: what the last run wrote.
    """

    __slots__ = ("_journal", "_progress", "changed")

    def __init__(self, kept: Mapping[str, Progress], journal: Journal) -> None:
        self._progress, self._journal = dict(kept), journal
        self.changed = False  # since it was last written to the disk; the writer resets it

    def __getitem__(self, order: str) -> Progress:
        return self._progress[order]

    def __iter__(self) -> Iterator[Progress]:
        return iter(tuple(self._progress.values()))

    def get(self, order: str) -> Progress | None:
        return self._progress.get(order)

    def as_dict(self) -> dict[str, Progress]:
        return dict(self._progress)

    def done(self, orders: Iterable[str]) -> frozenset[str]:
        """Those of them that have come to their end here."""
        return frozenset(order for order in orders if self._progress[order].terminal)

    def note(
        self,
        order: str,
        stage: Stage,
        reason: Reason,
        now_ms: int | None,
        *,
        position_ms: int | None = None,
        first_started_ms: int | None = None,
    ) -> None:
        """An order reached a stage.

        :param now_ms: the server's time; None while there is none.
        :param position_ms, first_started_ms: None leaves them as they are.
        """
        known = self._progress[order]
        position_ms = known.position_ms if position_ms is None else position_ms
        first_ms = known.first_started_ms if first_started_ms is None else first_started_ms
        self._progress[order] = replace(
            known, stage=stage, reason=reason, position_ms=position_ms, first_started_ms=first_ms
        )
        self._journal.add(order, known.revision, stage, reason, now_ms or 0)
        self.changed = True

    def __contains__(self, order: object) -> bool:
        return order in self._progress

    def hear_of(self, order: Order, scope: str, by: TrustedKey, *, programme: bool = False) -> None:
        """Begin with an order, or begin again with one that ended.

        :param scope, programme: on whose board it stands, and of which family that is.
        :param by: the key that put it there.
        """
        known = self._progress.get(order.id)
        if known is not None and is_usurped(known, order, by):
            known = None
        self._progress[order.id] = Progress(
            order=order.id,
            revision=order.revision,
            not_after_ms=order.not_after_ms if known is None else max(known.not_after_ms, order.not_after_ms),
            stage=Stage.RECEIVED,
            scope=scope,
            area=by.area,
            band=by.highest_band,
            first_started_ms=0 if known is None else known.first_started_ms,
            asset=order.asset,
            programme=programme,
        )
        self.changed = True

    def follow(self, order: Order, scope: str, *, programme: bool = False) -> None:
        """A known order is on the boards, perhaps changed. Of one that ended only its latest end is of interest."""
        known = self._progress[order.id]
        not_after_ms = max(known.not_after_ms, order.not_after_ms)
        revision, asset = max(known.revision, order.revision), order.asset
        if known.terminal:
            scope, revision, asset, programme = known.scope, known.revision, known.asset, known.programme
        if (scope, programme, revision, asset, not_after_ms) == (
            known.scope,
            known.programme,
            known.revision,
            known.asset,
            known.not_after_ms,
        ):
            return
        self._progress[order.id] = replace(
            known,
            scope=scope,
            revision=revision,
            asset=asset,
            programme=programme,
            not_after_ms=not_after_ms,
            position_ms=known.position_ms if asset == known.asset else 0,
        )
        self.changed = True

    def forget(self, now_ms: int, is_on_a_board: Callable[[str], bool]) -> None:
        """Drop what no board can bring back: off every held board, and over for an hour.

        Beyond the limit the earliest ends go first; an order that is on a board never does.
        """
        loose = [progress for progress in self._progress.values() if not is_on_a_board(progress.order)]
        gone = [progress.order for progress in loose if now_ms > progress.not_after_ms + FORGET_AFTER_MS]
        too_many = len(self._progress) - LEDGER_LIMIT
        if too_many > len(gone):
            gone = [progress.order for progress in sorted(loose, key=lambda one: one.not_after_ms)[:too_many]]
        for order in gone:
            del self._progress[order]
            self.changed = True


def is_usurped(known: Progress, order: Order, by: TrustedKey) -> bool:
    """Whether what is known under this id was of a key that could not have given the order that has it now.

    Ids are no secret: a township that sent "its" order under the id of the county's would have that one refused as done.

    :param by: the key that gave the order lawfully.
    """
    if known.reason is Reason.OUT_OF_SCOPE:
        return True
    if (known.area, known.band) == (by.area, by.highest_band):
        return False
    return order.band > known.band or not all(covers(known.area, area) for area in order.areas)


def begins_again(known: Progress, order: Order) -> bool:
    """Whether a higher revision makes an order that ended here live again. What has been played out never does.

    A refusal or a cancel holds for the revision that it met: an order that is widened from a township to the county leaves the
    one board and comes on the other, and the two may arrive either way round. An end that has come is undone by a later end.
    Words that were late come in a revision with another file, perhaps after the tone alone has been played out.
    """
    if not known.terminal or order.revision <= known.revision:
        return False
    if known.stage is Stage.MISSED or known.reason is Reason.ENDED:
        return order.not_after_ms > known.not_after_ms
    if known.stage in {Stage.FINISHED, Stage.FAILED}:
        return order.asset not in {b"", known.asset}
    return known.stage is Stage.REFUSED or known.reason is Reason.CANCELLED
