"""Proofs of play: what speakers' ears heard, and what people on the spot say."""

from collections.abc import Sequence

from sqlalchemy import Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.proofs import Proved, Witnessed
from broadcast.store.base import COUNTER, Base, Number, key
from endpoints.proof import Ear, Place, Proof, Window


class ProofRecord(Base):
    """One run of an order at a speaker that has an ear; a speaker that starts again proves what it plays again.

    Windows are kept as text, place:correlation:error:level each, parted by spaces.
    """

    __tablename__ = "proof"

    order_id: Mapped[str] = mapped_column(key(40), primary_key=True)
    speaker_id: Mapped[str] = mapped_column(key(32), primary_key=True)
    boot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at_ms: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    received_ms: Mapped[int]
    revision: Mapped[int]
    clock_us: Mapped[int]
    ear: Mapped[Ear] = mapped_column(Number(Ear))
    to_the_end: Mapped[bool]
    windows: Mapped[str] = mapped_column(Text)


class WitnessRecord(Base):
    """What one person said of one order at one speaker; nothing is overwritten."""

    __tablename__ = "witness"

    id: Mapped[int] = mapped_column(COUNTER, primary_key=True)
    order_id: Mapped[str] = mapped_column(key(40), index=True)
    speaker_id: Mapped[str] = mapped_column(key(32))
    officer: Mapped[str]
    at_ms: Mapped[int]
    heard: Mapped[bool]
    note: Mapped[str]


class Proofs:
    """Repository of proofs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def keep(self, proved: Sequence[Proved]) -> None:
        """What is there stays: MQTT may repeat it."""
        for one in proved:
            proof = one.proof
            where = (proof.order, proof.speaker, proof.boot, proof.at_ms)
            if self._session.get(ProofRecord, where) is not None:
                continue
            self._session.add(
                ProofRecord(
                    order_id=proof.order,
                    speaker_id=proof.speaker,
                    boot=proof.boot,
                    at_ms=proof.at_ms,
                    received_ms=one.received_ms,
                    revision=proof.revision,
                    clock_us=proof.clock_us,
                    ear=proof.ear,
                    to_the_end=proof.to_the_end,
                    windows=" ".join(map(_written, proof.windows)),
                )
            )
        self._session.flush()

    def of(self, order: str) -> Sequence[Proved]:
        """By speaker, then in order of arrival."""
        query = select(ProofRecord).where(ProofRecord.order_id == order)
        rows = self._session.scalars(query.order_by(ProofRecord.speaker_id, ProofRecord.received_ms))
        return [_proved(row) for row in rows]

    def witness(self, witnessed: Witnessed) -> None:
        one = witnessed
        self._session.add(
            WitnessRecord(
                order_id=one.order,
                speaker_id=one.speaker,
                officer=one.officer,
                at_ms=one.at_ms,
                heard=one.heard,
                note=one.note,
            )
        )
        self._session.flush()

    def witnesses(self, order: str) -> Sequence[Witnessed]:
        """In the order in which they said so."""
        query = select(WitnessRecord).where(WitnessRecord.order_id == order).order_by(WitnessRecord.id)
        return [
            Witnessed(row.order_id, row.speaker_id, row.officer, row.at_ms, row.heard, row.note)
            for row in self._session.scalars(query)
        ]


def _written(window: Window) -> str:
    return f"{int(window.place)}:{window.correlation_permille}:{window.start_error_us}:{window.level_cb}"


def _proved(row: ProofRecord) -> Proved:
    windows = []
    for item in row.windows.split():
        place, correlation, error, level = map(int, item.split(":"))
        windows.append(Window(Place(place), correlation, error, level))
    proof = Proof(
        row.speaker_id,
        row.boot,
        row.order_id,
        row.revision,
        row.at_ms,
        row.clock_us,
        row.ear,
        row.to_the_end,
        tuple(windows),
    )
    return Proved(proof, row.received_ms)
