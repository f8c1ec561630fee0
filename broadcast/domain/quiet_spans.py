"""What of a span lies in the quiet hours (静默时段), in which routine is silent, and what outside. Pure."""

from collections.abc import Iterator

from endpoints.arbitration import QuietHours


def quiet_spans(from_ms: int, until_ms: int, quiet: QuietHours) -> Iterator[tuple[int, int]]:
    """The parts in which they hold."""
    return (span for span, held in _parts(from_ms, until_ms, quiet) if held)


def loud_spans(from_ms: int, until_ms: int, quiet: QuietHours) -> Iterator[tuple[int, int]]:
    """The parts in which they do not."""
    return (span for span, held in _parts(from_ms, until_ms, quiet) if not held)


def _parts(from_ms: int, until_ms: int, quiet: QuietHours) -> Iterator[tuple[tuple[int, int], bool]]:
    if quiet.from_min == quiet.until_min and from_ms < until_ms:
        yield (from_ms, until_ms), False
        return
    while from_ms < until_ms:
        edge_ms = min(until_ms, quiet.next_edge_ms(from_ms))
        yield (from_ms, edge_ms), quiet.hold(from_ms)
        from_ms = edge_ms
