"""Whom an order lets begin together, and whom it lets wait for nothing."""

import pytest

from broadcast.domain.broadcasts import Sound, StartBroadcast, compose
from broadcast.domain.officers import Officer, Role
from endpoints.protocol import Kind, Severity

CITY = "130281000000"
DUTY = Officer("duty", "王芳", Role.DUTY, CITY)
NOW_MS, LEAD_MS = 1_800_000_000_000, 500


def begins_after_ms(**command: object) -> int:
    asked = StartBroadcast(**{"kind": Kind.NOTICE, "areas": (CITY,), "text": "停水", **command})  # type: ignore[arg-type]
    made = compose(asked, Sound(), order_id="o-1", by=DUTY, now_ms=NOW_MS, lead_ms=LEAD_MS)
    return made.order.not_before_ms - NOW_MS


def test_a_notice_to_several_speakers_begins_at_an_instant_that_all_hear_of_before() -> None:
    assert begins_after_ms() == LEAD_MS
    assert begins_after_ms(areas=(), speakers=("a-1", "a-2")) == LEAD_MS
    assert begins_after_ms(kind=Kind.ROUTINE) == LEAD_MS


def test_an_emergency_waits_for_nobody() -> None:
    assert begins_after_ms(kind=Kind.EMERGENCY, severity=Severity.RED) == 0


def test_one_speaker_alone_has_nobody_to_be_in_step_with() -> None:
    assert begins_after_ms(areas=(), speakers=("a-1",)) == 0


@pytest.mark.parametrize(("asked_ms", "begins_ms"), [(60_000, 60_000), (100, LEAD_MS), (-5_000, LEAD_MS)])
def test_a_time_that_lies_further_ahead_stands(asked_ms: int, begins_ms: int) -> None:
    assert begins_after_ms(not_before_ms=NOW_MS + asked_ms) == begins_ms
