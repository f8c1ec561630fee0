"""How often a thing may be tried: token buckets in a fixed number of slots, so that nobody's inventiveness costs memory."""

import hashlib
import secrets
from collections.abc import Callable

SLOTS = 16_384


class Buckets:
    """Token buckets by key: `burst` at once, then `per_min` a minute.

    Keys fall into slots by a keyed hash. Nobody outside can aim at another's slot, and no flood of invented keys pushes one out.
    """

    def __init__(self, monotonic: Callable[[], float], *, burst: float = 5, per_min: float = 5) -> None:
        self._monotonic, self._burst, self._per_s = monotonic, burst, per_min / 60
        self._salt = secrets.token_bytes(16)
        self._slots: dict[int, tuple[float, float]] = {}  # left, as of

    def wait_s(self, key: str) -> float:
        """How long until there is a token; 0 when there is one now. Takes nothing."""
        left = self._left(self._slot(key))
        return 0.0 if left >= 1 else (1 - left) / self._per_s

    def take(self, key: str) -> None:
        """Use one; `wait_s` was 0."""
        slot = self._slot(key)
        self._slots[slot] = (self._left(slot) - 1, self._monotonic())

    def put_back(self, key: str) -> None:
        """It was used for something that succeeded."""
        slot = self._slot(key)
        self._slots[slot] = (min(self._burst, self._left(slot) + 1), self._monotonic())

    def _left(self, slot: int) -> float:
        left, at = self._slots.get(slot, (self._burst, 0.0))
        return min(self._burst, left + (self._monotonic() - at) * self._per_s)

    def _slot(self, key: str) -> int:
        digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8, key=self._salt).digest()
        return int.from_bytes(digest) % SLOTS
