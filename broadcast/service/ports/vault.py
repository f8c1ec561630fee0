"""Where backups are kept."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from broadcast.domain.backups import Kept


class Vault(Protocol):
    """Every call blocks on the disk; each may be called from any thread, one at a time."""

    @property
    def where(self) -> str: ...  # for people
    def make(self, now_ms: int, expected: Mapping[int, bytes]) -> Kept: ...
    # written, read back and verified; `expected`: links of the audit trail that it must hold; BackupFailed
    def kept(self) -> Sequence[Kept]: ...  # the finished ones, oldest first; BackupFailed
    def drop(self, names: Sequence[str]) -> None: ...  # and the sounds that no other names; BackupFailed
