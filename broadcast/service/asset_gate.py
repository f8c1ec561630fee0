"""Who may fetch a file now (分流): each township has a share of bytes a second, so that staging does not fill its line.

What an officer's broadcast needs now is never held back. Who asks is known by the pass of its speaker; who shows none is one of
those at its network address.
"""

from collections import OrderedDict
from collections.abc import Callable

from broadcast.service.estate import Estate
from broadcast.service.places import township_of
from endpoints.sealing import speaker_of_pass

BURST_S = 8.0  # after a pause so many seconds' worth go out at once
MOST_KEYS = 4_096
LONGEST_S = 300.0


class AssetGate:
    """Token buckets of bytes, one a township. A file is let through whole and paid for afterwards.

    :param urgent: whether a broadcast that is live needs this file.
    :param bytes_per_s: of each township; 0: no limit.
    """

    def __init__(
        self, *, monotonic: Callable[[], float], estate: Estate, urgent: Callable[[bytes], bool], bytes_per_s: int
    ) -> None:
        self._monotonic, self._estate, self._urgent, self._per_s = monotonic, estate, urgent, bytes_per_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # bytes, as of

    def wait_s(self, asset: bytes, size_bytes: int, *, shown: str, address: str) -> float:
        """How long the asker has to wait; 0: let it in, and so many bytes are taken from its township's share.

        :param shown: the pass of a speaker, or anything else.
        """
        if not self._per_s or self._urgent(asset):
            return 0.0
        key = self._key(shown, address)
        left = self._now(key)
        if left <= 0:
            return min(LONGEST_S, (1 - left) / self._per_s)
        self._left[key] = left - size_bytes, self._monotonic()
        self._left.move_to_end(key)
        if len(self._left) > MOST_KEYS:
            self._left.popitem(last=False)
        return 0.0

    def _now(self, key: str) -> float:
        most = self._per_s * BURST_S
        left, at = self._left.get(key, (most, 0.0))
        return min(most, left + (self._monotonic() - at) * self._per_s)

    def _key(self, shown: str, address: str) -> str:
        speaker = self._estate.speakers.get(speaker_of_pass(shown, self._estate.key_of)) if shown else None
        return f"address {address}" if speaker is None else township_of(speaker.area)
