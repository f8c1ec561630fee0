"""The library of sounds: what a file is, where it comes from, who approved it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TEXTS = ("name", "licence", "area", "uploader", "misnamed", "approved_by", "container", "codec")
_NUMBERS: tuple[str, ...] = (
    "uploaded_ms",
    "source_bytes",
    "size_bytes",
    "duration_ms",
    "source_ms",
    "channels",
    "rate_hz",
)
_NUMBERS += ("trimmed_head_ms", "trimmed_tail_ms", "clipped_ms")
_LEVELS = ("lufs", "lra", "peak_dbtp", "gain_db", "source_lufs", "source_peak_dbtp")


def upgrade() -> None:
    identifier = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
    op.create_table(
        "asset",
        sa.Column("id", identifier, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _NUMBERS),
        *(sa.Column(name, sa.Double(), nullable=False) for name in _LEVELS),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("shared", "limited", "picture")),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in ("expires_ms", "approved_ms")),
        *(
            sa.Column(name, sa.LargeBinary(), nullable=False)
            for name in ("sha256", "source_sha256", "approved_sha256", "waveform")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_asset"),
    )
    op.create_index("ix_asset_sha256", "asset", ["sha256"])
