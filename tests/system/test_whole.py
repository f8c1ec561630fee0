"""The whole that an officer listens to is what a speaker sounds: the worker's file against the recording of a speaker's voice."""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_assets.codec import decode, encode, measure
from audio_assets.library import AssetLibrary
from audio_assets.tones import melody
from broadcast.domain.spoken import Bed, Layout, Script
from broadcast.transport.voice import WorkerSpeech, open_voice
from endpoints.protocol import Kind, Order, Tone
from endpoints.score import segments_of
from endpoints.sinks import WavSink
from endpoints.track import Sound
from endpoints.voice_output import gain_db
from tests.correlation import Samples, read_wav, samples
from tests.endpoints.studio import an_order
from tests.endpoints.test_voice import Bench, FakeTimer

pytestmark = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")

TEXT = "黎河水位上涨，请沿河群众立即向高处转移。"
VOLUME = 60


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[tuple[WorkerSpeech, AssetLibrary]]:
    library = AssetLibrary(tmp_path / "assets")
    worker, speech = open_voice(library, rate=175, voice="espeak")
    yield speech, library
    await worker.close()


def sounded(order: Order, library: AssetLibrary, wav: Path) -> Samples:
    """What a speaker's voice gives its sink."""
    timer = FakeTimer()
    bench = Bench(WavSink(wav, timer=timer), timer)

    def get(asset: bytes) -> Callable[[], Sound | None]:
        pcm = decode(library.get(asset))
        return lambda: pcm

    bench.voice.play(order.id, segments_of(order, get), gain_db=gain_db(VOLUME))
    while len(bench.told) < 2:  # started, finished
        bench.voice.step()
    bench.voice.close()
    return read_wav(wav)


def likeness(one: Samples, other: Samples) -> float:
    """Correlation from the first sample on, without looking for a better place."""
    size = min(len(one), len(other))
    a, b = one[:size], other[:size]
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


@pytest.mark.parametrize(
    ("kind", "script", "layout"),
    [
        (Kind.EMERGENCY, Script(TEXT), {"tone": Tone.ATTENTION, "repeats": 2, "gap_ms": 1_500}),
        (Kind.EMERGENCY, Script(TEXT, exercise=True), {"tone": Tone.ATTENTION, "closing": Tone.CHIME}),
        (Kind.NOTICE, Script(TEXT), {"tone": Tone.CHIME, "repeats": 3, "gap_ms": 730, "closing": Tone.CHIME}),
        (Kind.NOTICE, Script(TEXT, bed=Bed(b"", 1_000, 1_500)), {"tone": Tone.NONE, "closing": Tone.ALL_CLEAR}),
        (Kind.EMERGENCY, None, {"tone": Tone.ATTENTION, "repeats": 2, "gap_ms": 1_500}),
    ],
)
async def test_what_is_heard_before_is_what_sounds(
    studio: tuple[WorkerSpeech, AssetLibrary],
    tmp_path: Path,
    kind: Kind,
    script: Script | None,
    layout: dict[str, Any],
) -> None:
    speech, library = studio
    file: dict[str, Any] = {}
    if script is not None:
        if script.bed is not None:
            tune = library.put(encode(melody()))
            script = Script(script.text, bed=Bed(tune, script.bed.lead_ms, script.bed.tail_ms))
        made = await speech.make(script, urgent=False)
        file = {"asset": made.asset, "asset_bytes": made.asset_bytes, "asset_ms": made.asset_ms}
    order = an_order("o-1", kind=kind, **layout, **file)
    whole = await speech.whole(Layout.of(order))
    assert whole is not None
    assert whole.asset_ms == pytest.approx(order.sound_ms, abs=5), "each sound is said to a whole millisecond"
    heard = samples(decode(library.get(whole.asset)).data)
    recorded = sounded(order, library, tmp_path / "box.wav")
    assert likeness(heard, recorded) > 0.99
    assert np.abs(recorded[len(heard) + 960 :]).max(initial=0) == 0, "and nothing after it"


async def test_a_recorded_sound_is_exercised_by_the_worker_and_never_without_the_words(
    studio: tuple[WorkerSpeech, AssetLibrary],
) -> None:
    speech, library = studio
    tune = library.put(encode(melody()))
    drill = await speech.make(Script(asset=tune, exercise=True), urgent=True)
    again = await speech.make(Script(asset=tune, exercise=True), urgent=False)
    assert drill == again
    assert drill.asset != tune and drill.asset_ms > melody().duration_ms + 3_000
    assert measure(decode(library.get(drill.asset))).lufs == pytest.approx(-16, abs=1)
