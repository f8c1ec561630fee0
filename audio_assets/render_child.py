"""The child that makes sounds: `python -m audio_assets.render_child MEMORY_MIB NICENESS [VOICES]`. It talks over its pipes.

It answers until the parent closes the pipe, which the parent also does by dying.
"""

import os
import resource
import sys
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from audio_assets import announcement, levels, tones
from audio_assets.render_protocol import PREFIX, Announce, Failed, Made, Melody, Request, lengths, packed, request_of
from audio_assets.rendering import Rendered, RenderError, RenderFailed
from audio_assets.speech import Speech


def serve(questions: BinaryIO, answers: BinaryIO, voices: Path | None) -> None:
    """Answer every question. BadMessage ends the child: the parent is not the one that it was written for."""

    @lru_cache(2)
    def speech(readings: str) -> Speech:
        return Speech(readings=readings, voices=voices)

    def make(request: Request) -> Rendered:
        match request:
            case Announce(text, exercise, rate, voice, readings):
                return announcement.compose(text, exercise=exercise, rate=rate, voice=voice, speech=speech(readings))
            case Melody():
                return announcement.finish(tones.melody(), lufs=levels.ROUTINE_LUFS)
            case _:
                speech("")
                return Rendered(b"", b"", 0, 0.0, "")

    while prefix := questions.read(PREFIX.size):
        head, data = lengths(prefix)
        request = request_of(questions.read(head))
        questions.read(data)
        try:
            made = make(request)
            answers.write(packed(Made.of(made), made.data))
        except RenderError as err:
            answers.write(packed(Failed.of(err)))
        except MemoryError:
            answers.write(packed(Failed.of(RenderFailed("the sound needs more memory than there is for it"))))
        answers.flush()


def main(memory_mib: str, niceness: str, voices: str = "") -> None:
    """Limit itself, then serve."""
    os.nice(int(niceness))
    limit = int(memory_mib) << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    serve(sys.stdin.buffer, answers, Path(voices) if voices else None)


if __name__ == "__main__":
    main(*sys.argv[1:])
