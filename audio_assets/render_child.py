"""The child that makes sounds: `python -m audio_assets.render_child MEMORY_MIB NICENESS VOICES SOUNDS`. It talks over its pipes.

It answers until the parent closes the pipe, which the parent also does by dying.
"""

import os
import resource
import sys
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from audio_assets import announcement, composer, levels, tones
from audio_assets.codec import decode
from audio_assets.library import SUFFIX, hash_of
from audio_assets.pcm import MAX_MS, SAMPLE_BYTES, SAMPLES_PER_MS, Pcm
from audio_assets.render_protocol import (
    PREFIX,
    Announce,
    Exercise,
    Failed,
    Made,
    Melody,
    Request,
    Whole,
    lengths,
    packed,
    request_of,
)
from audio_assets.rendering import Rendered, RenderError, RenderFailed, UnsupportedAudio
from audio_assets.speech import Speech
from audio_assets.streamed import OpusFile

EXERCISED_MOST_MS = MAX_MS - 60_000  # with room for the words before and after it


def serve(questions: BinaryIO, answers: BinaryIO, voices: Path | None, sounds: Path) -> None:
    """Answer every question. BadMessage ends the child: the parent is not the one that it was written for.

    :param sounds: the folder of the library; files are only read there.
    """

    @lru_cache(2)
    def speech(readings: str) -> Speech:
        return Speech(readings=readings, voices=voices)

    def make(request: Request) -> Rendered:
        match request:
            case Announce(text, exercise, rate, voice, readings, bed, lead_ms, tail_ms):
                music = announcement.Bed(lambda ms: _beginning(sounds, bed, ms), lead_ms, tail_ms) if bed else None
                return announcement.compose(
                    text, exercise=exercise, rate=rate, voice=voice, speech=speech(readings), bed=music
                )
            case Exercise(asset, rate, voice, readings):
                sound = decode(_path(sounds, asset).read_bytes(), max_ms=EXERCISED_MOST_MS)
                return announcement.exercise_of(sound, rate=rate, voice=voice, speech=speech(readings))
            case Whole(asset, tone, repeats, gap_ms, closing):
                file = decode(_path(sounds, asset).read_bytes(), max_ms=composer.WHOLE_MOST_MS) if asset else None
                first, last = (tones.tone(tones.ToneId(one)) for one in (tone, closing))
                return announcement.kept(composer.whole(file, tone=first, repeats=repeats, gap_ms=gap_ms, closing=last))
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


def _path(sounds: Path, asset: str) -> Path:
    """:raises UnsupportedAudio: the file is not there, or not what its name says."""
    path = sounds / (asset + SUFFIX)
    try:
        whole = hash_of(path)[1].hex() == asset
    except OSError as err:
        raise UnsupportedAudio(f"sound {asset[:12]} cannot be read: {err.strerror}") from err
    if not whole:
        raise UnsupportedAudio(f"sound {asset[:12]} is damaged")
    return path


def _beginning(sounds: Path, asset: str, ms: int) -> Pcm:
    """So much of a file, however long it is."""
    wanted, out = ms * SAMPLES_PER_MS * SAMPLE_BYTES, bytearray()
    for piece in OpusFile.at(_path(sounds, asset)).read():
        out += piece
        if len(out) >= wanted:
            break
    return Pcm(bytes(out[:wanted]))


def main(memory_mib: str, niceness: str, voices: str, sounds: str) -> None:
    """Limit itself, then serve."""
    os.nice(int(niceness))
    limit = int(memory_mib) << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    serve(sys.stdin.buffer, answers, Path(voices) if voices else None, Path(sounds))


if __name__ == "__main__":
    main(*sys.argv[1:])
