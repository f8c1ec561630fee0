"""The fencing number of this start: speakers take no board of a lower one."""

from broadcast.service.ports import Tx


def next_epoch(tx: Tx, now_ms: int) -> int:
    """Above every earlier one, also after an older backup was restored: then the clock is ahead of what the backup says."""
    epoch = max(int(tx.facts.get("epoch") or 0) + 1, now_ms)  # milliseconds: a restore and a start fit into one second
    tx.facts.set("epoch", str(epoch))
    return epoch
