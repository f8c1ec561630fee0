"""The same through PyAudio, in real time: three boxes with sound cards of PulseAudio, and what their monitors recorded."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audio_assets.tones import ToneId, melody, tone
from endpoints.sinks import FRAME_S
from tests.correlation import RATE_HZ, find, find_windows, samples, split
from tests.pulse import Pulse, needs_pulse, three_cards

pytest.importorskip("pyaudio")
pytestmark = needs_pulse

__all__ = ["three_cards"]

SPEECH = (
    melody().slice_ms(12_000, 14_000).gain(-3)
)  # stands for the announcement; a tune has a voice's band and no pauses
TAKES = 6
HELD_UP_S = 0.005  # a process that loses its turn there says nothing of the voice
JITTER_S = 0.015  # the recorder stamps in blocks

BOXES = """
import asyncio, json, sys, time
from pathlib import Path
from audio_assets.pcm import Pcm
from audio_assets.tones import ToneId, tone
from endpoints.sinks import open_sink
from endpoints.track import Await, Clip, sequence
from endpoints.voice import Voice

routine, speech = (Pcm(Path(name).read_bytes()) for name in sys.argv[1:3])
signal = tone(ToneId.ATTENTION)

async def box(card):
    loop, told = asyncio.get_running_loop(), asyncio.Queue()
    voice = Voice(
        open_sink("pyaudio:" + card), post=loop.call_soon_threadsafe,
        on_started=lambda token, at: told.put_nowait((token, at)),
        on_finished=lambda token, at: told.put_nowait((token, at)),
        on_failed=lambda token, err: told.put_nowait((token, repr(err))),
    )
    voice.start()
    await asyncio.sleep(0.5)
    voice.play("routine", [Clip(routine)])
    _, routine_at = await told.get()
    gaps = voice.late_frames + voice._sink.starved + voice._sink.ran_dry
    await asyncio.sleep(2.507)
    decided_at = time.monotonic()
    position_ms = voice.stop("routine")
    voice.play("flood", sequence(signal, [Await(lambda: speech, signal)]))
    held_up_s = time.monotonic() - decided_at
    _, signal_at = await told.get()
    await told.get()
    voice.play("routine", [Clip(routine)], from_ms=position_ms)
    await asyncio.sleep(1.3)
    gaps = voice.late_frames + voice._sink.starved + voice._sink.ran_dry - gaps
    await asyncio.to_thread(voice.close)
    return {"routine_at": routine_at, "decided_at": decided_at, "signal_at": signal_at, "position_ms": position_ms,
            "gaps": gaps, "held_up_s": held_up_s, "latency_s": voice._sink.latency_s}

async def main():
    print(json.dumps(await asyncio.gather(*map(box, sys.argv[3:]))))

asyncio.run(main())
"""


def test_three_boxes_are_pre_empted_in_the_middle_and_go_on(three_cards: Pulse, tmp_path: Path) -> None:
    facts = undisturbed(three_cards, tmp_path)
    for card, box in zip(three_cards.cards, facts, strict=True):
        recorded = (tmp_path / card).read_bytes()
        check(samples(recorded[: len(recorded) // 2 * 2]), box)


def undisturbed(server: Pulse, folder: Path) -> list[dict[str, float]]:
    """A take in which every card had each frame in time, and no decision was held up in its middle: only such a one tells of us."""
    for _ in range(TAKES):
        facts = perform(server, folder)
        if not any(box["gaps"] or box["held_up_s"] > HELD_UP_S for box in facts):
            return facts
    raise AssertionError(f"this machine has no time for its sound cards; the last of {TAKES} takes: {facts}")


def perform(server: Pulse, folder: Path) -> list[dict[str, float]]:
    """Let the boxes play, a recorder at each."""
    files = [folder / "routine.raw", folder / "speech.raw"]
    for file, pcm in zip(files, (melody(), SPEECH), strict=True):
        file.write_bytes(pcm.data)
    command = [sys.executable, "-c", BOXES, *map(str, files), *server.cards]
    with server.recording(folder):
        done = subprocess.run(command, env=server.environment, capture_output=True, text=True, timeout=40, check=True)
    return list(json.loads(done.stdout))


def check(heard: "np.typing.NDArray[np.float64]", facts: dict[str, float]) -> None:
    signal, speech, routine = (samples(pcm.data) for pcm in (tone(ToneId.ATTENTION), SPEECH, melody()))
    at_routine = find(routine[: 2 * RATE_HZ], heard)
    at_signal = find(signal, heard)
    at_speech = find_windows(speech, heard, window_s=1.0)
    goes_on = int(facts["position_ms"]) + 20  # its first frame is faded
    again = find(samples(melody().slice_ms(goes_on, goes_on + 1000).data), heard[at_speech[0].at + speech.size :])
    assert min(at_routine.score, at_signal.score, again.score, *(match.score for match in at_speech)) > 0.98
    waited_s = (at_signal.at - at_routine.at) / RATE_HZ - (facts["decided_at"] - facts["routine_at"])
    assert waited_s - facts["latency_s"] < 2 * FRAME_S + JITTER_S
    assert facts["signal_at"] - facts["decided_at"] - facts["latency_s"] < 2 * FRAME_S + JITTER_S
    assert all(abs(match.at - (at_signal.at + signal.size)) < 48 for match in at_speech), "right after the signal"
    end = at_speech[0].at + speech.size
    assert find(speech[-RATE_HZ // 10 :], heard[end - RATE_HZ // 10 - 48 : end + 48]).score > 0.98, "to its last 100 ms"
    assert again.at / RATE_HZ < 0.4, "the routine is back"
    sources = {"routine": routine[: 4 * RATE_HZ], "signal": signal}
    spans = split(heard[: at_speech[0].at], sources)
    known = [span.name for span in spans if span.name != "?"]
    assert known == ["routine", "signal"], spans
