"""What an order consists of, and which of its files sounds first from a place on."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from audio_assets.pcm import Pcm
from audio_assets.tones import ToneId, tone
from endpoints.effects import Play
from endpoints.protocol import Kind, Order, Part, Tone
from endpoints.score import is_urgent, part_due, segments_of
from endpoints.track import Await, Clip, Pause, Slot
from endpoints.vocabulary import TONE_MS
from tests.endpoints.studio import an_order


def with_parts(lengths: list[int], **other: object) -> Order:
    parts = [Part(bytes([n + 1]) * 32, 100, length) for n, length in enumerate(lengths)]
    first, *rest = parts
    order = an_order("o", asset=first.asset, asset_bytes=100, asset_ms=first.asset_ms, more=tuple(rest))
    return replace(order, **other)  # type: ignore[arg-type]


def due_by_counting(order: Order, from_ms: int) -> bytes | None:
    """Millisecond by millisecond, as it is heard."""
    line: list[bytes | None] = [None] * TONE_MS[order.tone]
    for n in range(order.repeats):
        line += [None] * (order.gap_ms if n else 0)
        for part in order.parts:
            line += [part.asset] * part.asset_ms
    return next((asset for asset in line[from_ms:] if asset is not None), None)


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=4),
    st.integers(1, 3),
    st.integers(0, 20),
    st.sampled_from([Tone.NONE, Tone.CHIME]),
    st.data(),
)
def test_the_file_that_is_due_is_the_first_that_is_heard_from_there(
    lengths: list[int], repeats: int, gap_ms: int, sign: Tone, data: st.DataObject
) -> None:
    order = with_parts(lengths, repeats=repeats, gap_ms=gap_ms, tone=sign, closing=Tone.CHIME)
    from_ms = data.draw(st.integers(0, order.sound_ms + 10))
    due = part_due(Play(order, from_ms, 70))
    assert (due.asset if due else None) == due_by_counting(order, from_ms)


def test_a_programme_keeps_its_time_and_an_emergency_waits_for_its_words_with_the_signal() -> None:
    order = with_parts([10, 20], tone=Tone.CHIME, closing=Tone.ALL_CLEAR, repeats=2, gap_ms=5)

    def get(asset: bytes) -> object:
        return lambda: None

    programme = segments_of(order, get)  # type: ignore[arg-type]
    assert [type(one) for one in programme] == [Clip, Slot, Slot, Pause, Slot, Slot, Clip]
    assert [one.ms for one in programme if isinstance(one, Slot)] == [10, 20, 10, 20]
    for kind, meanwhile in ((Kind.EMERGENCY, tone(ToneId.ATTENTION)), (Kind.NOTICE, Pcm(b""))):
        words = segments_of(replace(order, kind=kind), get)[1]  # type: ignore[arg-type]
        assert isinstance(words, Await)
        assert (words.meanwhile, is_urgent(replace(order, kind=kind))) == (meanwhile, kind is Kind.EMERGENCY)


def test_without_a_file_the_tone_is_what_is_repeated() -> None:
    order = an_order("o", kind=Kind.NOTICE, tone=Tone.ATTENTION, repeats=3, gap_ms=0, closing=Tone.CHIME)
    assert [type(one) for one in segments_of(order, lambda _: lambda: None)] == [Clip] * 4
    assert part_due(Play(order, 0, 70)) is None
