"""Canonical CBOR (RFC 8949 §4.2.1), and nothing else of CBOR: what we sign has exactly one spelling.

The defaults of a CBOR decoder are unsafe on hostile input (regular expressions from tags, bignums, duplicate keys, indefinite
lengths, trailing bytes). Here a frame is refused unless it is short, shallow, untagged, and equal to its own re-encoding.
"""

import cbor2

MAX_DEPTH = 4
MAX_TAG = 300  # every tag that cbor2 knows a decoder for lies below


class NotCanonical(ValueError):
    """The bytes are not the canonical encoding of anything we accept."""


def _refuse_tag(*_: object) -> object:
    raise NotCanonical("a tag, and no message has one")


_NO_TAGS = dict.fromkeys(range(MAX_TAG), _refuse_tag)


def encode(value: object) -> bytes:
    """The one encoding of ints, byte and text strings, bools, lists and dicts."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes, *, max_bytes: int) -> object:
    """The value whose canonical encoding `data` is.

    :param max_bytes: longer input is refused before a byte of it is read.
    :raises NotCanonical: for any other bytes, whatever they are; never another error.
    """
    if len(data) > max_bytes:
        raise NotCanonical(f"{len(data)} bytes, at most {max_bytes} are read")
    try:
        value = cbor2.loads(
            data,
            tag_hook=_refuse_tag,
            semantic_decoders=_NO_TAGS,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
        again = cbor2.dumps(value, canonical=True)
    except NotCanonical:
        raise
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, EOFError, RecursionError, UnicodeError) as err:
        raise NotCanonical(f"not CBOR as we write it: {err}") from err
    if again != data:
        raise NotCanonical("not in canonical form, or followed by other bytes")
    return value
