"""How the server answers who asks for nothing but the time."""

from collections.abc import AsyncIterator

import pytest

from broadcast.service.time_answers import ALL_AT_ONCE, ALL_PER_MIN, PINGS_AT_ONCE, TimeAnswers
from endpoints.protocol import Hello, OrderRule, TimeAnswer, decode_time_answer
from endpoints.sealing import Algorithm, Ed25519Signer, Message, TrustedKey, TrustStore
from endpoints.vocabulary import Band
from tests.town import Town, town

SIGNER = Ed25519Signer(bytes(32))
KEY = TrustedKey(Algorithm.ED25519, SIGNER.public, "130281000000", Band.LIFE_SAFETY, False, 0, 2**53 - 1)
ME = "s-130281001001-1"


@pytest.fixture
async def there() -> AsyncIterator[Town]:
    async with town() as one:
        yield one


@pytest.fixture
def answers(there: Town) -> TimeAnswers:
    services = there.services
    return TimeAnswers(
        clock=there.clock,
        wire=there.wire,
        boards=services.boards,
        speakers=services.speakers,
        health=services.health,
        signers={False: SIGNER},
        rule=OrderRule.LEVEL_FIRST,
    )


def told(there: Town) -> list[TimeAnswer]:
    """What was said to us, verified."""
    store = TrustStore((KEY,))
    frames = [frame for topic, frame in there.wire.published if topic == f"eb/v1/time/{ME}"]
    return [decode_time_answer(store.open(frame, Message.TIME, exercise=False).payload) for frame in frames]


async def test_a_ping_is_answered_with_when_it_came_and_when_the_answer_left(there: Town, answers: TimeAnswers) -> None:
    there.services.speakers.hello(Hello(ME, 77, b"", 1, 1, 1, "", 0, (0, 0, 0, 0), (), there.clock.now_ms()))
    came_us = there.clock.now_us() - 3_000
    assert answers.ping(ME, b"n" * 8, exercise=False, received_us=came_us)
    (answer,) = told(there)
    assert (answer.speaker, answer.nonce, answer.received_us, answer.confirmed_boot) == (ME, b"n" * 8, came_us, 77)
    assert came_us + 3_000 <= answer.sent_us <= there.clock.now_us()
    assert (answer.epoch, answer.rule) == (there.services.boards.epoch, OrderRule.LEVEL_FIRST)


async def test_a_server_whose_clock_is_set_back_in_between_says_nothing_that_can_not_be(
    there: Town, answers: TimeAnswers
) -> None:
    ahead_us = there.clock.now_us() + 5_000_000
    answers.ping(ME, b"n" * 8, exercise=False, received_us=ahead_us)
    assert [(one.received_us, one.sent_us) for one in told(there)] == [(ahead_us, ahead_us)]


async def test_one_speaker_that_pings_too_often_is_not_answered_and_the_others_are(
    there: Town, answers: TimeAnswers
) -> None:
    now_us = there.clock.now_us()
    right = [answers.ping(ME, b"n" * 8, exercise=False, received_us=now_us) for _ in range(2 * PINGS_AT_ONCE)]
    assert right.count(True) == pytest.approx(PINGS_AT_ONCE, abs=2)
    assert len(told(there)) == right.count(True)
    assert answers.ping("s-130281001002-1", b"m" * 8, exercise=False, received_us=now_us)
    there.clock.advance(60)
    assert answers.ping(ME, b"o" * 8, exercise=False, received_us=now_us)


async def test_more_pings_than_the_server_can_spare_are_counted_and_not_answered(
    there: Town, answers: TimeAnswers
) -> None:
    """A county whose power comes back: reports and boards go first."""
    names = [f"s-{n:06d}" for n in range(2 * ALL_AT_ONCE)]
    before, began = len(there.wire.published), there.clock.monotonic()
    for name in names:
        assert answers.ping(name, b"n" * 8, exercise=False, received_us=there.clock.now_us()), "not its fault"
    answered = len(there.wire.published) - before
    took_s = there.clock.monotonic() - began
    assert ALL_AT_ONCE <= answered <= ALL_AT_ONCE + took_s * ALL_PER_MIN / 60 + 1
    assert there.services.health.counters["pings_unanswered"] == len(names) - answered
