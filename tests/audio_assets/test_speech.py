"""Mandarin speech: syllables, never English letters."""

import re
import shutil

import pytest

from audio_assets import espeak, speech
from audio_assets.announcement import EXERCISE_HEAD, EXERCISE_TAIL, compose
from audio_assets.codec import decode, measure
from audio_assets.pinyin import _SYLLABLES
from audio_assets.reading import Reading
from audio_assets.rendering import SpeechUnavailable, TextEmpty, TextTooLong
from audio_assets.speech import MAX_CHARACTERS, phonemes, pinyin, say
from tests.correlation import find_windows, samples

needs_espeak = pytest.mark.skipif(shutil.which(speech.ENGINE) is None, reason="espeak-ng is not installed")
TONE = re.compile(r"(55|35|21|214|51|33|11)[nN]?_\|$")  # the contour of a Chinese tone ends every syllable

SENTENCES = {
    "请立即转移到安全地带": "qing3 li4 ji2 zhuan3 yi2 dao4 an1 quan2 di4 dai4.",
    "重庆银行行长": "chong2 qing4 yin2 hang2 hang2 zhang3.",
    "火警119": "huo3 jing3 yao1 yao1 jiu3.",
    "不去一个": "bu2 qu4 yi2 ge4.",
    "不能一起": "bu4 neng2 yi4 qi3.",
    "第一，十一点": "di4 yi1 , shi2 yi1 dian3.",
    "2026年1月1日": "er4 ling2 er4 liu4 nian2 yi1 yue4 yi1 ri4.",
    "绿色的女儿": "lv4 se4 de5 nv3 er2.",
    "水位上涨。请注意": "shui3 wei4 shang4 zhang3 . qing3 zhu4 yi4.",
    "降雨28.6mm": "jiang4 yu3 er4 shi2 ba1 dian3 liu4 hao2 mi3.",
}


@pytest.mark.parametrize(("text", "syllables"), SENTENCES.items(), ids=list(SENTENCES))
def test_characters_become_numbered_pinyin(text: str, syllables: str) -> None:
    assert pinyin(text) == syllables


@needs_espeak
@pytest.mark.parametrize("text", list(SENTENCES))
def test_the_engine_speaks_a_chinese_syllable_for_every_one_and_never_turns_to_english(text: str) -> None:
    """The trap: Debian 12's voice `cmn` says (en) and spells."""
    said = phonemes(text)
    assert "(" not in said
    assert len(said.split()) == len(re.findall(r"[a-z]+[1-5]", pinyin(text)))
    assert all(TONE.search(syllable) for syllable in said.split())


@needs_espeak
@pytest.mark.parametrize("tone", "12345")
def test_the_engine_knows_every_syllable_that_a_reading_may_hold(tone: str) -> None:
    words = [f"{letters}{tone}" for letters in sorted(_SYLLABLES)]
    alone = tuple(one for word in words for one in (word, "。"))  # in a row the engine changes their tones
    reading = Reading("字。" * len(words), alone, (True,) * len(alone))
    said = espeak.phonemes(reading).split()
    assert len(said) == len(words)
    assert [word for word, one in zip(words, said, strict=True) if not TONE.search(one) or "(" in one] == []


@needs_espeak
def test_the_sounds_are_the_sounds_of_the_language() -> None:
    assert phonemes("你好重庆") == "n'i35_| X'Au21_| ts.h'ong35_| tS;h'i51N_|"


@needs_espeak
def test_speech_has_the_length_of_speech_and_is_the_same_every_time() -> None:
    text = "各村村民请注意，水库水位上涨，请立即向高处转移。"
    sound = say(text)
    assert 3.0 < 22 / (sound.duration_ms / 1000) < 5.0, "characters a second"
    assert 5_000 < sound.peak < 32_000, "neither faint nor clipped"
    assert say(text) == sound
    assert say(text, rate=200).duration_ms < sound.duration_ms < say(text, rate=140).duration_ms


@pytest.mark.parametrize("text", ["", "  \n", "！？……", "😀"])
def test_a_text_without_words_is_refused(text: str) -> None:
    with pytest.raises(TextEmpty):
        say(text)


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(TextTooLong) as caught:
        say("长" * (MAX_CHARACTERS + 1))
    assert vars(caught.value) == {"characters": 601, "limit": 600}


def test_without_the_engine_the_officer_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SpeechUnavailable, match="apt-get install espeak-ng"):
        say("你好")


@needs_espeak
def test_what_looks_like_an_option_is_only_read_out() -> None:
    assert say("--version 你好; $(touch /tmp/x)").duration_ms > 1_000


@needs_espeak
def test_an_announcement_is_trimmed_levelled_and_whole() -> None:
    made = compose("水库水位上涨，请立即转移。", exercise=False)
    sound = decode(made.data)
    assert sound.duration_ms == made.duration_ms
    assert made.lufs == pytest.approx(-16, abs=1)
    assert measure(sound).peak_dbtp <= -1.5
    assert made.text == "水库水位上涨，请立即转移。"
    assert sound.slice_ms(0, 150).peak > 300, "no long silence before"
    assert sound.slice_ms(made.duration_ms - 150).peak > 300, "nor after"
    assert compose("水库水位上涨，请立即转移。", exercise=False) == made


@needs_espeak
def test_an_exercise_says_so_before_and_after() -> None:
    real, drill = compose("请立即转移。", exercise=False), compose("请立即转移。", exercise=True)
    assert drill.text == EXERCISE_HEAD + "请立即转移。" + EXERCISE_TAIL
    assert drill.sha256 != real.sha256
    heard = samples(decode(drill.data).data)
    head, middle, tail = (samples(say(text).data) for text in (EXERCISE_HEAD, "请立即转移。", EXERCISE_TAIL))
    at = [find_windows(part, heard, window_s=1)[1] for part in (head, middle, tail)]
    assert [match.score > 0.5 for match in at] == [True] * 3
    assert at[0].at < at[1].at < at[2].at
