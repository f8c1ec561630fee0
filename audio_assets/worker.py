"""Sound files are made in processes of their own: asked from asyncio, remembered by what was asked.

The server's process never loads libav or pypinyin (110 MB), and a sound that crashes its maker takes no broadcast with it. There
are three lanes: what a trigger waits for never stands behind a routine text, and neither behind a neural voice.
"""

import asyncio
import hashlib
import json
import logging
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from audio_assets.lane import Lane, LaneRules
from audio_assets.lexicon import MOST_BYTES as MOST_READINGS_BYTES
from audio_assets.lexicon import digest, shipped
from audio_assets.library import AssetDamaged, AssetLibrary, AssetMissing
from audio_assets.render_protocol import KEPT, Announce, Exercise, Made, Melody, Request, Warm, Whole
from audio_assets.rendering import Note, NoteCode, Rendered, RenderFailed, SpeechUnavailable
from audio_assets.voices import DEFAULT_VOICE, Voice, chosen, voices

log = logging.getLogger(__name__)

RECIPE = 4  # raise it when the same words shall be rendered anew
DEFAULT_RATE = 175

LaneName = Literal["urgent", "routine", "neural"]
LANES: dict[LaneName, LaneRules] = {
    "urgent": LaneRules(memory_mib=2048, niceness=0, timeout_s=20, most_waiting=64),
    "routine": LaneRules(memory_mib=2048, niceness=5, timeout_s=60, most_waiting=16, idle_s=60),
    "neural": LaneRules(memory_mib=3072, niceness=10, timeout_s=300, most_waiting=8, idle_s=120),
}


@dataclass(frozen=True, slots=True)
class Under:
    """Music under the words (配乐): a sound of the library, and how long it is heard before and after them."""

    asset: bytes
    lead_ms: int
    tail_ms: int


class RenderWorker:
    """Makes sound files in child processes and keeps them in the library.

    :param readings: the operator's file of readings; read anew for every sound.
    :param voices: the operator's folder of neural voices.
    :param lanes: other limits, by the name of a lane.
    """

    def __init__(
        self,
        library: AssetLibrary,
        *,
        readings: Path | None = None,
        voices: Path | None = None,
        lanes: dict[LaneName, LaneRules] | None = None,
    ) -> None:
        self._library, self._readings, self._voices = library, readings, voices
        self.lanes = {
            name: Lane(name, rules, sounds=library.folder, voices=voices)
            for name, rules in {**LANES, **(lanes or {})}.items()
        }
        self._making: dict[tuple[str, LaneName], asyncio.Task[Rendered]] = {}
        self._shipped = digest(shipped())
        self._answers = library.folder / "rendered"
        self._answers.mkdir(exist_ok=True)

    async def warm_up(self) -> None:
        """Start the child that triggers wait for now, so that the first officer does not (0.4 s)."""
        await self.lanes["urgent"].ask(Warm())

    def voices(self) -> tuple[Voice, ...]:
        """Those that can be had here, the default first. Looks at the disk."""
        return voices(self._voices)

    async def render(
        self,
        text: str,
        *,
        exercise: bool,
        rate: int | None = None,
        voice: str = DEFAULT_VOICE,
        urgent: bool = False,
        bed: Under | None = None,
    ) -> Rendered:
        """An announcement. The same words are rendered once: what was heard in the preview is what is sent.

        A voice that is not there, fails, or would keep a trigger waiting gives way to the default, and a note says so.

        :param urgent: a trigger waits for it: it goes past everything else, and a neural voice is taken only when that has spoken
            these words before.
        :param bed: music under the words.
        :raises TextTooLong, SpeechTooLong, TextEmpty, TextHasMarkup, SpeechUnavailable: see `rendering`.
        :raises RenderBusy: too much is waiting. RenderFailed: the child died twice, or took too long.
        """
        text = text.encode("utf-8", "ignore").decode()  # half a character, as JSON can hold it, is no text
        readings, one = await asyncio.to_thread(self._look, voice)
        notes = [] if one.name == voice else [Note(NoteCode.VOICE_MISSING, voice)]
        under = ("", 0, 0) if bed is None else (bed.asset.hex(), bed.lead_ms, bed.tail_ms)
        return await self._voiced(
            Announce(text, exercise, rate or DEFAULT_RATE, one.name, readings, *under), one, notes, urgent=urgent
        )

    async def exercise(
        self, asset: bytes, *, rate: int | None = None, voice: str = DEFAULT_VOICE, urgent: bool = False
    ) -> Rendered:
        """A sound of the library as an exercise, with the words that say so before and after it. Likewise.

        :raises UnsupportedAudio, AudioTooLong: the file is not there, or can't be used.
        """
        readings, one = await asyncio.to_thread(self._look, voice)
        notes = [] if one.name == voice else [Note(NoteCode.VOICE_MISSING, voice)]
        request = Exercise(asset.hex(), rate or DEFAULT_RATE, one.name, readings)
        return await self._voiced(request, one, notes, urgent=urgent)

    async def whole(self, asset: bytes, *, tone: int, repeats: int, gap_ms: int, closing: int) -> Rendered:
        """All that a speaker sounds of an order in one file, to be listened to.

        :param asset: its file, or empty: its tone alone.
        :raises AudioTooLong: beyond `composer.WHOLE_MOST_MS`. UnsupportedAudio: the file is not there.
        """
        return await self._made(Whole(asset.hex(), tone, repeats, gap_ms, closing), "routine")

    async def _voiced(self, request: Announce | Exercise, one: Voice, notes: list[Note], *, urgent: bool) -> Rendered:
        """By that voice if it can, by the default if not."""
        voice = one.name
        if one.instant:
            return _noted(await self._made(request, "urgent" if urgent else "routine"), notes)
        if urgent:
            if known := await asyncio.to_thread(self._recall, self._place(request)):
                return known
            notes.append(Note(NoteCode.VOICE_LATE, voice))
        else:
            try:
                return await self._made(request, "neural")
            except (SpeechUnavailable, RenderFailed) as err:
                log.warning("voice %s failed: %s", one.name, err)
                notes.append(Note(NoteCode.VOICE_FAILED, voice))
        return _noted(await self._made(replace(request, voice=DEFAULT_VOICE), "urgent" if urgent else "routine"), notes)

    async def melody(self) -> Rendered:
        """The routine programme of the demonstration, 24 s."""
        return await self._made(Melody(), "routine")

    async def close(self) -> None:
        """End the children; a later request starts others."""
        for task in list(self._making.values()):
            task.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)
        for lane in self.lanes.values():
            await lane.close()

    def _look(self, voice: str) -> tuple[str, Voice]:
        readings = ""
        if self._readings is not None:
            with suppress(OSError), self._readings.open("rb") as file:
                readings = file.read(MOST_READINGS_BYTES + 1).decode("utf-8", "replace")
        return readings, chosen(voice, self._voices)

    async def _made(self, request: Request, lane: LaneName) -> Rendered:
        place = self._place(request)
        if known := await asyncio.to_thread(self._recall, place):
            return known
        key = (place.name, lane)
        if key not in self._making:
            task = asyncio.get_running_loop().create_task(self._make(request, lane, place), name=f"render in {lane}")
            task.add_done_callback(lambda done: self._forget(key, done))
            self._making[key] = task
        return await asyncio.shield(self._making[key])  # who gives up waiting doesn't take it from the others

    def _forget(self, key: tuple[str, LaneName], done: asyncio.Task[Rendered]) -> None:
        del self._making[key]
        if not done.cancelled():
            done.exception()  # seen, also when nobody waits any more

    async def _make(self, request: Request, lane: LaneName, place: Path) -> Rendered:
        made, data = await self.lanes[lane].ask(request)
        await asyncio.to_thread(self._keep, place, made, data)
        return made.rendered(hashlib.sha256(data).digest(), data)

    def _place(self, request: Request) -> Path:
        question: list[Any] = [RECIPE, self._shipped, asdict(request)]
        name = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
        return self._answers / f"{name}.json"

    def _recall(self, place: Path) -> Rendered | None:
        try:
            kept = json.loads(place.read_bytes())
            sha256 = bytes.fromhex(kept.pop("sha256"))
            made = KEPT.validate_json(json.dumps(kept))
            return made.rendered(sha256, self._library.get(sha256))
        except (OSError, ValueError, KeyError, AttributeError, TypeError, ValidationError, AssetMissing, AssetDamaged):
            return None  # render it again

    def _keep(self, place: Path, made: Made, data: bytes) -> None:
        sha256 = self._library.put(data)
        handle, name = tempfile.mkstemp(dir=self._answers)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"sha256": sha256.hex(), **asdict(made)}, file, ensure_ascii=False)
        Path(name).replace(place)  # lost in a power cut, it is rendered again: no fsync


def _noted(made: Rendered, notes: list[Note]) -> Rendered:
    return replace(made, notes=(*notes, *made.notes)) if notes else made
