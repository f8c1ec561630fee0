"""A real speaker's pings, by the same rules of belief as its heartbeats."""

from collections.abc import Iterable
from random import Random

import pytest

from endpoints.effects import Effect, Send
from endpoints.kept import Kept
from endpoints.player import Player
from endpoints.protocol import Band, OrderRule, TimeAnswer, decode_hello, decode_ping, encode_time_answer
from endpoints.sealing import Message, TrustStore, open_from_speaker, seal
from endpoints.time_pings import FIRST
from tests.endpoints.rig import BEGIN, SERVER, T0, TOWN, Authority, Identity, speaker_key

WHO = Identity("v-001", "130281001001", speaker_key(bytes(32), "v-001"))
WEAK, TOWNSHIP = Authority("weak", highest_band=Band.NOTICE), Authority("town", TOWN)


class Pinging:
    """A speaker that pings, and a server that answers when told to. The server's clock stood at T0 at BEGIN."""

    def __init__(self) -> None:
        keys = (SERVER.key, WEAK.key, TOWNSHIP.key)
        self.player = Player(WHO, TrustStore(keys), kept=Kept(), boot=1, random=Random(1), now=BEGIN, pings=True)
        self.now = BEGIN
        self.hello_nonces, self.ping_nonces = list[bytes](), list[bytes]()
        self.do(self.player.start(self.now))
        self.do(self.player.connected(self.now))

    def do(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(Message.PING, frame):
                    ping = decode_ping(open_from_speaker(frame, Message.PING, exercise=False, key=WHO.key))
                    assert ping.speaker == WHO.id
                    self.ping_nonces.append(ping.nonce)
                case Send(Message.HELLO, frame):
                    hello = decode_hello(open_from_speaker(frame, Message.HELLO, exercise=False, key=WHO.key))
                    self.hello_nonces += [hello.nonce] if hello.nonce else []

    def true_us(self, at: float) -> int:
        return T0 * 1000 + round((at - BEGIN) * 1e6)

    def until_next_ping(self) -> bytes:
        count = len(self.ping_nonces)
        while len(self.ping_nonces) == count:
            self.now = max(self.now, self.player.wake_at)
            self.do(self.player.tick(self.now))
        return self.ping_nonces[-1]

    def told(
        self,
        nonce: bytes,
        *,
        there_s: float = 0.0005,
        back_s: float = 0.0005,
        by: Authority = SERVER,
        off_us: int = 0,
        speaker: str = WHO.id,
        epoch: int = 1,
    ) -> "Pinging":
        """The answer comes, after its way."""
        at_us = self.true_us(self.now + there_s) + off_us
        self.now += there_s + back_s
        answer = TimeAnswer(speaker, nonce, epoch, at_us, at_us, 0, 0, OrderRule.SEVERITY_FIRST)
        frame = seal(encode_time_answer(answer), Message.TIME, exercise=False, signer=by.signer)
        self.do(self.player.time(frame, self.now))
        return self

    @property
    def off_us(self) -> int:
        """How wrong its time is."""
        line = self.player.time_line
        assert line is not None
        return line.us(self.now) - self.true_us(self.now)


def test_the_time_is_set_by_the_heartbeats_answer_and_made_precise_by_pings() -> None:
    speaker = Pinging()
    speaker.told(speaker.hello_nonces[0], there_s=0.3, back_s=0.01)
    assert speaker.off_us == pytest.approx(145_000, abs=1)
    for n in range(FIRST):
        speaker.told(speaker.until_next_ping(), there_s=0.002 + n * 1e-4, back_s=0.0015)
    assert abs(speaker.off_us) < 1_000
    line = speaker.player.time_line
    assert line is not None
    assert abs(speaker.off_us) <= line.error_at(speaker.now) < 5_000


def test_a_ping_alone_gives_the_first_time_too() -> None:
    speaker = Pinging()
    speaker.told(speaker.until_next_ping())
    assert speaker.player.time_ms(speaker.now) is not None


def test_an_answer_to_a_ping_counts_once() -> None:
    speaker = Pinging()
    nonce = speaker.until_next_ping()
    speaker.told(nonce).told(nonce, off_us=60_000_000)
    assert (abs(speaker.off_us) < 100, speaker.player.refusals.old) == (True, 1)


def test_an_answer_to_a_ping_that_comes_after_five_seconds_is_none() -> None:
    speaker = Pinging()
    speaker.told(speaker.until_next_ping(), back_s=5.01)
    assert (speaker.player.time_line, speaker.player.refusals.old) == (None, 1)


def test_a_ping_is_answered_by_who_may_say_the_time_here_and_by_nobody_else() -> None:
    speaker = Pinging()
    speaker.told(speaker.until_next_ping(), by=WEAK)
    speaker.told(speaker.until_next_ping(), speaker="v-002")
    assert (speaker.player.time_line, speaker.player.refusals.foreign) == (None, 2)
    speaker.told(speaker.until_next_ping())
    speaker.told(speaker.until_next_ping(), by=TOWNSHIP, off_us=9_000_000)
    assert abs(speaker.off_us) < 100, "a township does not turn the clock that the county has set"


def test_what_a_township_said_is_forgotten_when_the_county_speaks() -> None:
    speaker = Pinging()
    speaker.told(speaker.until_next_ping(), by=TOWNSHIP, off_us=40_000)
    speaker.told(speaker.until_next_ping(), there_s=0.05, back_s=0.04)
    assert speaker.off_us == pytest.approx(5_000, abs=1)


def test_delayed_answers_do_not_move_a_time_that_is_known_better() -> None:
    speaker = Pinging()
    speaker.told(speaker.until_next_ping())
    for _ in range(200):  # 46 minutes
        speaker.told(speaker.until_next_ping(), there_s=0.0005, back_s=3.0)
        assert abs(speaker.off_us) < 100


def test_a_line_that_broke_is_not_pinged_and_pinged_again_when_it_is_back() -> None:
    speaker = Pinging()
    speaker.told(speaker.until_next_ping())
    speaker.player.disconnected()
    assert speaker.player.tick(speaker.now + 1_000) == []
    nonce = speaker.ping_nonces[-1]
    speaker.now += 100
    speaker.do(speaker.player.connected(speaker.now))
    assert speaker.until_next_ping() != nonce


def test_who_is_not_told_to_does_not_ping() -> None:
    player = Player(WHO, TrustStore((SERVER.key,)), kept=Kept(), boot=1, random=Random(1), now=BEGIN)
    player.start(BEGIN)
    effects = player.connected(BEGIN)
    for second in range(100):
        effects += player.tick(BEGIN + second)
    assert not any(isinstance(effect, Send) and effect.message is Message.PING for effect in effects)
