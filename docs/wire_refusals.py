"""The cases of docs/wire-vectors.json that a speaker refuses: frames bent in every way, and payloads that are none."""

from collections.abc import Iterable, Iterator
from typing import Any

from wire_cases import BOARDS, BOX_KEY, FLOOD, KEYS, MORNING, NOON_MS, PROGRAMMES, TIME, aad

from endpoints.canonical import encode
from endpoints.protocol import (
    encode_board,
    encode_programme,
    encode_time_answer,
    order_to_map,
)
from endpoints.sealing import (
    Message,
    seal,
    seal_by_speaker,
)


def refused() -> Iterator[dict[str, Any]]:
    """Frames that a speaker in live mode, trusting all keys but the stranger's, counts as `as` and forgets."""
    good = encode_board(BOARDS["one order"])
    live = seal(good, Message.BOARD, exercise=False, signer=KEYS["county"].signer)
    signer = KEYS["county"].signer
    for name, frame, message, why in not_authentic(good, live):
        yield {
            "name": name,
            "message": message.value,
            "mode": "live",
            "as": "not authentic",
            "why": why,
            "frame": frame.hex(),
        }
    for name, frame, why in misspelt(good, live):
        yield {"name": name, "message": "board", "mode": "live", "as": "unreadable", "why": why, "frame": frame.hex()}
    long = seal(bytes(1_024 + 200), Message.TIME, exercise=False, signer=signer)
    why = "its payload has at most 1,024 bytes"
    yield {"name": "too long", "message": "time", "mode": "live", "as": "unreadable", "why": why, "frame": long.hex()}
    for message, cases in ((Message.BOARD, unreadable()), (Message.PROGRAMME, unreadable_programmes())):
        for name, payload, why in cases:
            frame = seal(payload, message, exercise=False, signer=signer).hex()
            yield {
                "name": name,
                "message": message.value,
                "mode": "live",
                "as": "unreadable",
                "why": why,
                "frame": frame,
            }


def not_authentic(good: bytes, live: bytes) -> Iterable[tuple[str, bytes, Message, str]]:
    county, board = KEYS["county"].signer, Message.BOARD
    turned = bytearray(live)
    turned[-1] ^= 1
    changed = live.replace(b"\x18\x2a", b"\x18\x2b", 1)  # version 42 becomes 43
    drill = seal(good, board, exercise=True, signer=KEYS["drill"].signer)
    yield "a bit of the signature turned", bytes(turned), board, "the signature does not fit"
    yield "a bit of the payload turned", changed, board, "the signature does not fit"
    yield (
        "an unknown key",
        seal(good, board, exercise=False, signer=KEYS["stranger"].signer),
        board,
        "no trusted key has that id",
    )
    yield "an exercise heard as live", drill, board, "the key is for exercises"
    yield (
        "a live key under the words of an exercise",
        seal(good, board, exercise=True, signer=county),
        board,
        "the external_aad says exercise, so the signature does not fit",
    )
    answer = seal(encode_time_answer(TIME), Message.TIME, exercise=False, signer=county)
    yield "a time answer in place of a board", answer, board, "the external_aad says time"
    yield (
        "a board in place of a time answer",
        live[:300] if len(live) < 300 else live,
        Message.TIME,
        "the external_aad says board",
    )
    programme = seal(encode_programme(PROGRAMMES["empty"]), Message.PROGRAMME, exercise=False, signer=county)
    yield "a programme in place of a board", programme, board, "the external_aad says programme"
    yield "a board in place of a programme", live, Message.PROGRAMME, "the external_aad says board"
    sm2 = KEYS["county-sm2"].signer
    confused = encode([encode({1: -8, 4: sm2.key_id}), {}, good, bytes(64)])
    yield "the other algorithm's number", confused, board, "the key of that id is an SM2 key"
    short = encode([encode({1: -8, 4: county.key_id}), {}, good, live[-64:-1]])
    yield "a signature of 63 bytes", short, board, "a signature has 64 bytes"


def misspelt(good: bytes, live: bytes) -> Iterable[tuple[str, bytes, str]]:
    signer = KEYS["county"].signer
    kid, protected = signer.key_id, encode({1: -8, 4: signer.key_id})
    to_sign = encode(["Signature1", protected, aad(Message.BOARD, False).encode(), b"abc"])
    small = encode([protected, {}, b"abc", signer.sign(to_sign)])
    mac = seal_by_speaker(good, Message.BOARD, exercise=False, key=BOX_KEY)
    yield "a COSE tag", b"\xd2" + live, "frames have no tag"
    yield "a byte after the end", live + b"\0", "nothing follows the frame"
    yield "cut short", live[:-1], "the frame ends too early"
    yield "an unprotected header", encode([protected, {4: kid}, good, live[-64:]]), "the unprotected map is empty"
    yield (
        "a length in two bytes that fits one",
        small.replace(b"\x43abc", b"\x58\x03abc"),
        "a length takes the fewest bytes",
    )
    yield "an indefinite list", b"\x9f" + live[1:] + b"\xff", "no indefinite lengths"
    yield (
        "headers out of order",
        encode([b"\xa2\x04\x48" + kid + b"\x01\x27", {}, good, bytes(64)]),
        "keys rise: 1, then 4",
    )
    yield "an unknown algorithm", encode([encode({1: -7, 4: kid}), {}, good, bytes(64)]), "-8 and -65537 only"
    yield "no key id", encode([encode({1: -8}), {}, good, bytes(64)]), "both headers are there"
    yield "a speaker's frame", mac, "HMAC does not sign boards"


def unreadable() -> Iterable[tuple[str, bytes, str]]:
    """Payloads with a right signature that are not as specified."""
    board = BOARDS["one order"]
    order = order_to_map(FLOOD)

    def written(**changed: Any) -> bytes:
        fields = {1: board.scope, 2: board.epoch, 3: board.version, 4: board.written_at_ms, 5: [order]}
        return encode(fields | {int(name[1:]): value for name, value in changed.items()})

    def ordered(**changed: Any) -> bytes:
        return written(_5=[order | {int(name[1:]): value for name, value in changed.items()}])

    good = written()
    yield "payload followed by a byte", good + b"\0", "nothing follows the map"
    yield "payload empty", b"", "a board is a map of 5 fields"
    yield "a field too many", written(_6=0), "a board is a map of 5 fields"
    yield (
        "a version in nine bytes",
        good.replace(b"\x03\x18\x2a", b"\x03\x1b" + bytes(7) + b"\x2a"),
        "the shortest form only",
    )
    yield "the key true in place of 1", good.replace(b"\xa5\x01", b"\xa5\xf5", 1), "keys are whole numbers"
    yield "a version as a float", good.replace(b"\x03\x18\x2a", b"\x03\xf9\x51\x40"), "no floats"
    yield "a version that is null", good.replace(b"\x03\x18\x2a", b"\x03\xf6"), "no null"
    yield "a version that is true", written(_3=True), "true is not 1"
    yield "a negative version", written(_3=-1), "not below 0"
    yield "a version of 2^63", written(_3=2**63), "at most 2^63 - 1"
    yield "a tagged time", good.replace(b"\x04\x1b", b"\x04\xc1\x1b", 1), "no tags"
    yield (
        "a duplicate key",
        encode({1: board.scope, 2: 7, 3: 42, 4: 0, 5: []}).replace(b"\x04\x00", b"\x03\x00"),
        "each key once",
    )
    yield "a scope that is no code and no id", written(_1="13028110200"), "12, 15 or 18 digits, or a speaker id"
    yield "a code with fullwidth digits", ordered(_11=["１３０２８１１０２０００"]), "ASCII digits only"
    yield (
        "a code with an empty group inside",
        ordered(_11=["130281000217"]),
        "a group of zeros is followed by zeros only",
    )
    yield "an order without an end", ordered(_10=NOON_MS), "not_after_ms is above not_before_ms"
    yield "an order of an unknown kind", ordered(_3=5), "kinds are 1 to 4"
    yield "a notice in the emergency band", ordered(_3=2), "see the bands of each kind"
    yield "a file without a length", ordered(_17=0), "a file has bytes and a length"
    yield "a hash of 31 bytes", ordered(_15=bytes(31)), "0 or 32 bytes"
    yield (
        "a playlist that follows nothing",
        ordered(_15=b"", _16=0, _17=0, _23=[[bytes(32), 1, 1]]),
        "there is no first",
    )
    yield "a file of a playlist without a length", ordered(_23=[[bytes(32), 1, 0]]), "1 or more"
    yield "a stream and a file", ordered(_28=1), "one or the other"
    yield "a fade of more than a minute", ordered(_26=60_001), "at most 60,000"
    yield "an order id with a space", ordered(_1="a b"), "letters, digits and '-'"
    yield "the same order twice", written(_5=[order, order]), "an order stands once on a board"
    yield "65 orders", written(_5=[order | {1: f"o-{n}", 11: []} for n in range(65)]), "at most 64"


def unreadable_programmes() -> Iterable[tuple[str, bytes, str]]:
    programme, order = PROGRAMMES["empty"], order_to_map(MORNING)

    def written(**changed: Any) -> bytes:
        fields = {1: programme.scope, 2: 7, 3: 12, 4: NOON_MS, 5: [order], 6: NOON_MS, 7: [], 8: 0, 9: []}
        return encode(fields | {int(name[1:]): value for name, value in changed.items()})

    yield "a board as a programme", encode_board(BOARDS["empty"]), "a programme is a map of 9 fields"
    yield "an emergency on a programme", written(_5=[order_to_map(FLOOD)]), "routine only"
    yield "an emergency in routine's clothes", written(_5=[order | {4: 6}]), "see the bands of each kind"
    yield "a day of 23 hours", written(_7=[50] * 23), "none, or 24"
    yield "an hour of 101 %", written(_7=[50] * 23 + [101]), "at most 100"
    yield "a budget of more than a day", written(_8=1_441), "at most 1,440"
    yield "two fallbacks", written(_9=[[bytes(32), 1, 1]] * 2), "at most one"
    yield "257 occurrences", written(_5=[order | {1: f"o-{n}", 11: [], 23: []} for n in range(257)]), "at most 256"
