"""Sound files are made in a process of their own: asked from asyncio, remembered by what was asked.

The server's process never loads libav or pypinyin (110 MB), and a file that crashes a decoder takes no broadcast with it.
It is a plain child that talks over its pipes and not a ProcessPoolExecutor: a pool cannot end a task that hangs, and its
child would import the server's main module. Run as `python -m audio_assets.worker` this module is that child.
"""

import asyncio
import hashlib
import json
import logging
import os
import resource
import struct
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from audio_assets.library import AssetDamaged, AssetLibrary, AssetMissing
from audio_assets.rendering import ERRORS, Rendered, RenderError, RenderFailed

log = logging.getLogger(__name__)

RECIPE = 2  # raise it when the same words shall be rendered anew
RENDER_TIMEOUT_S = 60.0
MEMORY_BYTES = 2 << 30
_NICENESS = 5  # the trigger's path comes first
_PREFIX = struct.Struct(">II")  # length of the JSON, length of the bytes that follow it


class RenderWorker:
    """Makes sound files in a child process, which starts when first needed and again after it died.

    :param timeout_s: a request that takes longer is given up and its process ended.
    """

    def __init__(self, library: AssetLibrary, *, timeout_s: float = RENDER_TIMEOUT_S) -> None:
        self._library, self._timeout_s = library, timeout_s
        self._child: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._answers = library.folder / "rendered"
        self._answers.mkdir(exist_ok=True)

    async def warm_up(self) -> None:
        """Start the child now, so that the first officer does not wait for it (0.4 s)."""
        await self._ask({"do": "nothing"}, b"")

    async def render(self, text: str, *, exercise: bool, rate: int | None = None) -> Rendered:
        """An announcement. The same words are rendered once: what was heard in the preview is what is sent.

        :raises TextTooLong, TextEmpty, SpeechUnavailable: see `rendering`.
        :raises RenderFailed: the child died twice, or took too long.
        """
        return await self._made({"do": "announce", "text": text, "exercise": exercise, "rate": rate}, b"")

    async def ingest(self, data: bytes, *, title: str = "") -> Rendered:
        """An uploaded Ogg Opus or WAV file, brought to our loudness and format.

        :raises UnsupportedAudio, AudioTooLong: it cannot be taken.
        :raises RenderFailed: as for `render`.
        """
        return await self._made({"do": "ingest", "text": title}, data)

    async def melody(self) -> Rendered:
        """The routine programme of the demonstration, 24 s."""
        return await self._made({"do": "melody"}, b"")

    async def close(self) -> None:
        """End the child; a later request starts another."""
        async with self._lock:
            await self._end()

    async def _made(self, request: dict[str, Any], payload: bytes) -> Rendered:
        question = json.dumps([RECIPE, request, hashlib.sha256(payload).hexdigest()], sort_keys=True)
        answer = self._answers / f"{hashlib.sha256(question.encode()).hexdigest()}.json"
        if known := await asyncio.to_thread(self._recall, answer):
            return known
        head, data = await self._ask(request, payload)
        made = Rendered(hashlib.sha256(data).digest(), data, head["duration_ms"], head["lufs"], head["text"])
        await asyncio.to_thread(self._keep, answer, made)
        return made

    def _recall(self, answer: Path) -> Rendered | None:
        try:
            head = json.loads(answer.read_bytes())
            sha256 = bytes.fromhex(head["sha256"])
            return Rendered(sha256, self._library.get(sha256), head["duration_ms"], head["lufs"], head["text"])
        except (OSError, ValueError, KeyError, TypeError, AssetMissing, AssetDamaged):
            return None  # render it again

    def _keep(self, answer: Path, made: Rendered) -> None:
        self._library.put(made.data)
        head = {"sha256": made.sha256.hex(), "duration_ms": made.duration_ms, "lufs": made.lufs, "text": made.text}
        handle, name = tempfile.mkstemp(dir=self._answers)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(head, file, ensure_ascii=False)
        Path(name).replace(answer)  # lost in a power cut, it is rendered again: no fsync

    async def _ask(self, request: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        async with self._lock:
            for _ in range(2):
                try:
                    async with asyncio.timeout(self._timeout_s):
                        head, data = await self._exchange(request, payload)
                    break
                except TimeoutError:
                    await self._end()
                    raise RenderFailed(f"the sound was not ready within {self._timeout_s:.0f} s") from None
                except (asyncio.IncompleteReadError, ConnectionError) as err:
                    log.warning("the process that renders sound died: %r", err)
                    await self._end()
                except BaseException:  # cancelled half-way: question and answer would no longer match
                    await self._end()
                    raise
            else:
                raise RenderFailed("the process that renders sound died twice over the same request")
        if "error" in head:
            raise ERRORS[head["error"]](**head["facts"])
        return head, data

    async def _exchange(self, request: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        if self._child is None or self._child.returncode is not None:
            self._child = await _start()
        to_child, from_child = self._child.stdin, self._child.stdout
        if to_child is None or from_child is None:
            raise ConnectionError("the child has no pipes")
        to_child.write(_packed(request, payload))
        await to_child.drain()
        head_bytes, data_bytes = _PREFIX.unpack(await from_child.readexactly(_PREFIX.size))
        return json.loads(await from_child.readexactly(head_bytes)), await from_child.readexactly(data_bytes)

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _start() -> asyncio.subprocess.Process:
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "audio_assets.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the server, which closes our pipe
        env=os.environ | {"PYTHONPATH": path},
    )


def _packed(head: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(head).encode()
    return _PREFIX.pack(len(text), len(data)) + text + data


def _serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """The child: answer until the parent closes the pipe, which it also does by dying."""
    while prefix := questions.read(_PREFIX.size):
        head_bytes, data_bytes = _PREFIX.unpack(prefix)
        request = json.loads(questions.read(head_bytes))
        try:
            made = _make(request, questions.read(data_bytes))
            facts = {"duration_ms": made.duration_ms, "lufs": made.lufs, "text": made.text}
            answers.write(_packed(facts, made.data))
        except RenderError as err:
            answers.write(_packed({"error": type(err).__name__, "facts": vars(err)}, b""))
        except MemoryError:
            facts = {"sentence": "the sound needs more memory than there is for it"}
            answers.write(_packed({"error": RenderFailed.__name__, "facts": facts}, b""))
        answers.flush()


def _make(request: dict[str, Any], payload: bytes) -> Rendered:
    from audio_assets import announcement, codec, levels, speech, tones  # noqa: PLC0415 in the child only: they load libav

    match request["do"]:
        case "announce":
            rate = request["rate"] or speech.DEFAULT_RATE
            return announcement.compose(request["text"], exercise=request["exercise"], rate=rate)
        case "ingest":
            return announcement.finish(codec.decode(payload), text=request["text"])
        case "melody":
            return announcement.finish(tones.melody(), lufs=levels.ROUTINE_LUFS)
        case _:
            return Rendered(b"", b"", 0, 0.0, "")


def _main() -> None:
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    _serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    _main()
