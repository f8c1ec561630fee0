"""Canonical CBOR (RFC 8949 §4.2.1), and nothing else of CBOR: what we sign has exactly one spelling.

Whole numbers, byte and text strings, true and false, lists, and maps whose keys are unsigned whole numbers in rising order. The
defaults of a CBOR decoder are unsafe on hostile input (regular expressions from tags, bignums, duplicate keys, indefinite lengths,
trailing bytes), and Python takes the keys 1, 1.0 and true for one. Here a message is refused unless it is short, shallow, of these
types alone, and equal to its own re-encoding.
"""

import cbor2

MAX_DEPTH = 5  # a file of a playlist of an order on a board
MAX_TAG = 300  # every tag that cbor2 knows a decoder for lies below


class NotCanonical(ValueError):
    """The bytes are not the canonical encoding of anything we accept."""


def _refuse_tag(*_: object) -> object:
    raise NotCanonical("a tag, and no message has one")


_NO_TAGS = dict.fromkeys(range(MAX_TAG), _refuse_tag)
_LEAVES = frozenset({int, bytes, str, bool})


def encode(value: object) -> bytes:
    """The one encoding of ints, byte and text strings, bools, lists, and dicts with ints for keys."""
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
        _check(value)
        again = cbor2.dumps(
            value
        )  # canonical, since _check has seen to floats and to the order of keys; in half the time
    except NotCanonical:
        raise
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, EOFError, RecursionError, UnicodeError) as err:
        raise NotCanonical(f"not CBOR as we write it: {err}") from err
    if again != data:
        raise NotCanonical("not in canonical form, or followed by other bytes")
    return value


def _check(value: object) -> None:
    """Refuse null, floats, simple values, and keys that are not whole numbers in rising order."""
    kind = type(value)
    if kind in _LEAVES:
        return
    if isinstance(value, list):
        if not _LEAVES.issuperset(map(type, value)):
            for item in value:
                _check(item)
    elif isinstance(value, dict):
        last = -1
        for key, item in value.items():
            if type(key) is not int or key <= last:
                raise NotCanonical("a key that is no unsigned whole number, or out of order")
            last = key
            if type(item) not in _LEAVES:
                _check(item)
    else:
        raise NotCanonical(f"{kind.__name__}, and no message has one")
