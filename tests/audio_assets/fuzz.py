"""Damaged sound files through the pipeline, in a process under the limits of the sandbox: `python -m tests.audio_assets.fuzz 0 9`.

One line of JSON a file: its number, what became of it, how long it took. The same number is always the same file.
"""

import io
import json
import random
import struct
import sys
import time
from functools import cache
from pathlib import Path

from audio_assets import intake_child
from audio_assets.intake import ROUTINE, Limits, Refused, answer_of, read_answer
from audio_assets.preparing import prepare
from tests.audio_assets.samples import KINDS, id3, made, voice

LIMITS = Limits(cpu_s=500)
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@cache
def seed_file(kind: str) -> bytes:
    data = made(voice(1.0), kind)
    return id3(b"\x89PNG" + bytes(500)) + data if kind == "mp3" else data


def mutated(number: int) -> bytes:
    """A real file of some kind, damaged in some way."""
    dice = random.Random(number)
    kinds = list(KINDS)
    data = bytearray(seed_file(kinds[number % len(kinds)]))
    for _ in range(dice.choice((1, 1, 2, 4))):
        dice.choice(WAYS)(data, dice)
    return bytes(data)


def flip_bits(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 3, 30, 300))):
        if data:
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def flip_bits_of_the_head(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 2, 8))):
        if data:
            data[dice.randrange(min(len(data), 256))] ^= 1 << dice.randrange(8)


def put_an_extreme(data: bytearray, dice: random.Random) -> None:
    form = dice.choice(("<I", ">I", "<H", ">H", "B"))
    value = dice.choice(EXTREMES) & (256 ** struct.calcsize(form) - 1)
    at = dice.randrange(max(1, min(len(data), dice.choice((64, 1_024, 10**9)))))
    data[at : at + struct.calcsize(form)] = struct.pack(form, value)


def cut_off(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(len(data) + 1) :]


def leave_out(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    del data[at : at + dice.choice((1, 7, 100, 5_000))]


def say_twice(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    piece = data[at : at + dice.choice((4, 100, 20_000))]
    data[at:at] = piece * dice.choice((1, 1, 20))


def put_in(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    data[at:at] = dice.randbytes(dice.choice((1, 16, 3_000)))


def graft(data: bytearray, dice: random.Random) -> None:
    other = seed_file(dice.choice(list(KINDS)))
    at, start = dice.randrange(len(data) + 1), dice.randrange(len(other))
    data[at : at + 2_000] = other[start : start + dice.choice((64, 2_000, 40_000))]


def blank(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    end = min(len(data), at + dice.choice((16, 1_000, 50_000)))
    data[at:end] = bytes([dice.choice((0, 0xFF))]) * (end - at)


WAYS = (
    flip_bits,
    flip_bits,
    flip_bits_of_the_head,
    flip_bits_of_the_head,
    put_an_extreme,
    put_an_extreme,
    cut_off,
    leave_out,
    say_twice,
    put_in,
    graft,
    blank,
)


def outcome(data: bytes) -> str:
    """`ready`, or the code of the refusal; anything else is a bug and ends the process."""
    try:
        made_sound = prepare(io.BytesIO(data), io.BytesIO(), ROUTINE, LIMITS)
    except Refused as err:
        return err.code.value
    except MemoryError:
        return "memory"
    assert read_answer(answer_of(made_sound), LIMITS) == made_sound
    assert made_sound.peak_dbtp <= ROUTINE.ceiling_dbtp
    return "ready"


def most_resident_mb() -> int:
    """Not of getrusage, which remembers the process that this one was forked from."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024


def main() -> None:
    first, last = int(sys.argv[1]), int(sys.argv[2])
    for kind in KINDS:
        seed_file(kind)  # encoders need more than the limits allow
    intake_child._limit(LIMITS)
    for number in range(first, last):
        began = time.process_time()
        print(json.dumps({"trying": number}), flush=True)
        what = outcome(mutated(number))
        took_s = round(time.process_time() - began, 4)
        rss_mb = most_resident_mb()
        print(json.dumps({"number": number, "outcome": what, "cpu_s": took_s, "rss_mb": rss_mb}), flush=True)


if __name__ == "__main__":
    main()
