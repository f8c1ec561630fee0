"""A quarter of a second from the officer's mouth to the villager's ear, in one recording."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pulse import Pulse, needs_pulse, pulse
from tests.system.mouth_to_ear import measure

GOAL_MS = 250.0
TRIES = 3  # a machine that is busy with something else


@pytest.fixture
def room() -> Iterator[Pulse]:
    with pulse(["mouth", "horn"], together=True, microphone="mic") as server:
        yield server


@needs_pulse
async def test_what_is_said_is_heard_within_a_quarter_of_a_second(room: Pulse, tmp_path: Path) -> None:
    pytest.importorskip("pyaudio")
    for attempt in range(TRIES):
        got = await measure(room, tmp_path / str(attempt), count=12)
        print(f"mouth to ear: {', '.join(f'{ms:.0f}' for ms in got.delays_ms)} ms; {got.missed} not heard")
        if not got.missed and max(got.delays_ms) <= GOAL_MS:
            assert min(got.delays_ms) > 100, "it went the whole way"
            assert got.view.lost == 0
            return
    raise AssertionError(f"{got.missed} of 12 not heard, {max(got.delays_ms, default=0):.0f} ms")
