"""The sounds of the library. The files lie in a folder by their hash; what they are and who may play them stands here."""

from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import LargeBinary, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from broadcast.domain.assets import Asset, AssetKind, Measured, UnknownAsset
from broadcast.store.base import Base, Word, key


class AssetRecord(Base):
    """A sound; the columns have the names of the fields of `Asset` and `Measured`."""

    __tablename__ = "asset"

    id: Mapped[str] = mapped_column(key(40), primary_key=True)
    name: Mapped[str]
    licence: Mapped[str]
    kind: Mapped[AssetKind] = mapped_column(Word(AssetKind))
    area: Mapped[str]
    shared: Mapped[bool]
    uploader: Mapped[str]
    uploaded_ms: Mapped[int]
    source_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    source_bytes: Mapped[int]
    misnamed: Mapped[str]
    expires_ms: Mapped[int | None]
    approved_by: Mapped[str]
    approved_ms: Mapped[int | None]
    approved_sha256: Mapped[bytes] = mapped_column(LargeBinary)

    sha256: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    size_bytes: Mapped[int]
    duration_ms: Mapped[int]
    lufs: Mapped[float]
    lra: Mapped[float]
    peak_dbtp: Mapped[float]
    gain_db: Mapped[float]
    limited: Mapped[bool]
    source_ms: Mapped[int]
    source_lufs: Mapped[float]
    source_peak_dbtp: Mapped[float]
    container: Mapped[str]
    codec: Mapped[str]
    channels: Mapped[int]
    rate_hz: Mapped[int]
    trimmed_head_ms: Mapped[int]
    trimmed_tail_ms: Mapped[int]
    clipped_ms: Mapped[int]
    picture: Mapped[bool]
    waveform: Mapped[bytes] = mapped_column(LargeBinary)


MEASURED = tuple(field.name for field in fields(Measured))
BESIDE = tuple(field.name for field in fields(Asset) if field.name != "measured")


def _columns(asset: Asset) -> dict[str, object]:
    measured = {name: getattr(asset.measured, name) for name in MEASURED}
    return measured | {name: getattr(asset, name) for name in BESIDE}


def _asset(row: AssetRecord) -> Asset:
    measured = Measured(**{name: getattr(row, name) for name in MEASURED})
    return Asset(measured=measured, **{name: getattr(row, name) for name in BESIDE})


class Assets:
    """Repository of sounds."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> Sequence[Asset]:
        """In order of id, so the oldest first."""
        return [_asset(row) for row in self._session.scalars(select(AssetRecord).order_by(AssetRecord.id))]

    def add(self, asset: Asset) -> None:
        """:raises StoreRefused: the id is taken."""
        self._session.add(AssetRecord(**_columns(asset)))
        self._session.flush()

    def save(self, asset: Asset) -> None:
        """:raises UnknownAsset: it was never added, or is gone."""
        row = self._session.get(AssetRecord, asset.id)
        if row is None:
            raise UnknownAsset(asset.id)
        for name, value in _columns(asset).items():
            setattr(row, name, value)
        self._session.flush()

    def drop(self, asset: str) -> None:
        self._session.execute(delete(AssetRecord).where(AssetRecord.id == asset))
