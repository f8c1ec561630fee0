"""The border between the server and the process that read a hostile file: nothing crosses it unchecked."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.intake import (
    MOST_ANSWER_BYTES,
    ROUTINE,
    BadAnswer,
    Limits,
    Prepared,
    Refusal,
    Refused,
    answer_of,
    job_of,
    read_answer,
    read_job,
)

LIMITS = Limits()
GOOD = Prepared(
    duration_ms=3_000,
    lufs=-18.0,
    lra=2.5,
    peak_dbtp=-2.1,
    gain_db=4.4,
    limited=False,
    source_ms=3_100,
    source_lufs=-22.4,
    source_peak_dbtp=-6.6,
    container="mp3",
    codec="mp3float",
    channels=2,
    rate_hz=44_100,
    trimmed_head_ms=100,
    trimmed_tail_ms=0,
    clipped_ms=0,
    picture=True,
    waveform=bytes(range(200)),
)


def test_job_and_answer_come_out_as_they_went_in() -> None:
    assert read_job(job_of(ROUTINE, LIMITS)) == (ROUTINE, LIMITS)
    assert read_answer(answer_of(GOOD), LIMITS) == GOOD
    refused = Refused(Refusal.SILENT, spans=[(12_000, 31_000)], longest_ms=4_500)
    with pytest.raises(Refused) as err:
        read_answer(answer_of(refused), LIMITS)
    assert (err.value.code, err.value.facts) == (refused.code, refused.facts)


@pytest.mark.parametrize(
    "change",
    [
        {"duration_ms": 0},
        {"duration_ms": -1},
        {"duration_ms": 10**9},
        {"duration_ms": 3.5},
        {"duration_ms": True},
        {"lufs": "loud"},
        {"lufs": 1e9},
        {"waveform": "not base64!"},
        {"waveform": ""},
        {"waveform": "AAAA" * 2_000},
        {"extra": 1},
        {"channels": None},
        {"channels": 2**63},
    ],
)
def test_an_answer_that_is_not_ours_is_not_believed(change: dict[str, object]) -> None:
    made = json.loads(answer_of(GOOD))["made"] | change
    with pytest.raises(BadAnswer):
        read_answer(json.dumps({"made": made}).encode(), LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"made"',
        b'{"refused": "for fun", "facts": {}}',
        b'{"refused": "silent", "facts": {"spans": 3}}',
        b'{"refused": "silent", "facts": {"spans": [[1]]}}',
        b'{"refused": "silent", "facts": {"x": {"y": 1}}}',
        b'{"made": {"lufs": NaN}}',
        b"[" * 60_000,
        b" " * (MOST_ANSWER_BYTES + 1),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        read_answer(data, LIMITS)


@given(st.binary(max_size=300))
def test_noise_is_no_answer(data: bytes) -> None:
    with pytest.raises((BadAnswer, Refused)):
        read_answer(data, LIMITS)


def test_words_from_the_child_are_short_and_plain() -> None:
    facts = {"looks_like": "x" * 500 + "\n\u202e", "codec": "a\nb"}
    with pytest.raises(Refused) as err:
        read_answer(json.dumps({"refused": "codec", "facts": facts}).encode(), LIMITS)
    assert all(len(value) <= 60 and value.isprintable() for value in err.value.facts.values())
    made = asdict(replace(GOOD, codec="mp3</td>", waveform=b"")) | {"waveform": "AAA="}
    assert read_answer(json.dumps({"made": made}).encode(), LIMITS).codec == "mp3td"
