"""Who changed something last: what a 412 tells whoever comes too late, where the thing itself does not keep it."""

from broadcast.service.ports import ActFilter, Tx

LOOK_BACK_MS = (
    31 * 86_400_000
)  # the log has no index by subject; who has had a page open for longer reads it again anyway
MOST_ACTS = 20


def changer_of(tx: Tx, subject: str, *verbs: str, now_ms: int) -> tuple[str, int]:
    """Who, and when; nobody and 0 when it is not among the newest acts of a month.

    :param verbs: how the acts that change it begin.
    """
    acts = tx.acts.find(ActFilter(subject=subject, from_ms=now_ms - LOOK_BACK_MS), limit=MOST_ACTS)
    return next(((act.officer, act.at_ms) for act in acts if act.verb.startswith(verbs)), ("", 0))
