"""How a speaker is to be set (终端设置), and what it says of itself (终端自述). Messages, no I/O.

A setup is desired state like a board: one signed frame for each speaker, retained, of which the highest (epoch, version, check)
counts. A speaker goes by it, keeps it over power loss, and answers with what it goes by now. So a setup whose `check_ms` alone is
new is the silent test: it makes no sound, and its answer says that the whole way there and back is good (静默巡检).
"""

from dataclasses import dataclass

from endpoints import canonical
from endpoints.fields import MAX_MS, BadMessage, Fields, is_speaker_id, unpack

MAX_SETUP_BYTES = MAX_ABOUT_BYTES = 1_024
MAX_LABEL = 40  # characters of a model or a version
MAX_GENERATION = 2**31
LAST_MINUTE = 1_439


@dataclass(frozen=True, slots=True)
class Setup:
    """How the server wants one speaker.

    :param version: of the settings; grows with each change of them.
    :param check_ms: when somebody last asked for a silent test; 0: nobody has.
    :param volume_percent: its own volume; 0 is muted for whatever does not raise it.
    :param ceiling_percent: nothing is louder. Never below an emergency's least, whatever stands here.
    :param floor_percent: an emergency is at least this loud.
    :param quiet_from_min, quiet_until_min: minutes after local midnight in which routine is silent; the same twice: never.
    :param muted_until_ms: somebody works at the horn: until then nothing sounds but danger to life; 0: not muted.
    :param generation: of its secrets; above its own it fetches new ones.
    """

    speaker: str
    epoch: int
    version: int
    written_at_ms: int
    check_ms: int = 0
    volume_percent: int = 70
    ceiling_percent: int = 100
    floor_percent: int = 60
    quiet_from_min: int = 22 * 60
    quiet_until_min: int = 6 * 60
    muted_until_ms: int = 0
    generation: int = 1

    @property
    def number(self) -> tuple[int, int, int]:
        """What of two setups is the newer one's is higher."""
        return self.epoch, self.version, self.check_ms


@dataclass(frozen=True, slots=True)
class About:
    """What a speaker says of itself after each connect, and whenever something of it is new.

    :param model, firmware: as its maker calls them; empty when it does not know.
    :param version, check_ms: of the setup it goes by; 0 and 0 while it has heard none and goes by its provisioning.
    :param generation: of the secrets that it uses.
    :param faults: bits of `Fault`, looked for when this was said.
    :param ear: what hears it (`endpoints.proof.Ear`); 0: nothing.
    """

    speaker: str
    boot: int
    at_ms: int
    model: str
    firmware: str
    version: int
    check_ms: int
    volume_percent: int
    ceiling_percent: int
    floor_percent: int
    quiet_from_min: int
    quiet_until_min: int
    muted_until_ms: int
    generation: int
    faults: int
    ear: int = 0


def setup_topic(root: str, speaker: str) -> str:
    return f"{root}/setup/{speaker}"


def about_topic(root: str, speaker: str) -> str:
    return f"{root}/about/{speaker}"


def is_label(text: object) -> bool:
    """At most MAX_LABEL printable characters: it is shown to people and written into tables."""
    return isinstance(text, str) and len(text) <= MAX_LABEL and text.isprintable()


def encode_setup(setup: Setup) -> bytes:
    """:raises BadMessage: for what a speaker would not read."""
    payload = canonical.encode(
        {
            1: setup.speaker,
            2: setup.epoch,
            3: setup.version,
            4: setup.written_at_ms,
            5: setup.check_ms,
            6: setup.volume_percent,
            7: setup.ceiling_percent,
            8: setup.floor_percent,
            9: setup.quiet_from_min,
            10: setup.quiet_until_min,
            11: setup.muted_until_ms,
            12: setup.generation,
        }
    )
    decode_setup(payload)
    return payload


def decode_setup(payload: bytes) -> Setup:
    """:raises BadMessage: when it is not as specified."""
    read = Fields.of("setup", unpack("setup", payload, MAX_SETUP_BYTES), 12)
    return Setup(
        speaker=read.text(1, "speaker", is_speaker_id),
        epoch=read.uint(2, "epoch"),
        version=read.uint(3, "version"),
        written_at_ms=read.uint(4, "written_at_ms", MAX_MS),
        check_ms=read.uint(5, "check_ms", MAX_MS),
        volume_percent=read.uint(6, "volume_percent", 100),
        ceiling_percent=read.uint(7, "ceiling_percent", 100),
        floor_percent=read.uint(8, "floor_percent", 100),
        quiet_from_min=read.uint(9, "quiet_from_min", LAST_MINUTE),
        quiet_until_min=read.uint(10, "quiet_until_min", LAST_MINUTE),
        muted_until_ms=read.uint(11, "muted_until_ms", MAX_MS),
        generation=read.uint(12, "generation", MAX_GENERATION, low=1),
    )


def encode_about(about: About) -> bytes:
    return canonical.encode(
        {
            1: about.speaker,
            2: about.boot,
            3: about.at_ms,
            4: about.model,
            5: about.firmware,
            6: about.version,
            7: about.check_ms,
            8: about.volume_percent,
            9: about.ceiling_percent,
            10: about.floor_percent,
            11: about.quiet_from_min,
            12: about.quiet_until_min,
            13: about.muted_until_ms,
            14: about.generation,
            15: about.faults,
            16: about.ear,
        }
    )


def decode_about(payload: bytes) -> About:
    """:raises BadMessage: when it is not as specified."""
    read = Fields.of("about", unpack("about", payload, MAX_ABOUT_BYTES), 16)
    return About(
        speaker=read.text(1, "speaker", is_speaker_id),
        boot=read.uint(2, "boot"),
        at_ms=read.uint(3, "at_ms", MAX_MS),
        model=_label(read, 4, "model"),
        firmware=_label(read, 5, "firmware"),
        version=read.uint(6, "version"),
        check_ms=read.uint(7, "check_ms", MAX_MS),
        volume_percent=read.uint(8, "volume_percent", 100),
        ceiling_percent=read.uint(9, "ceiling_percent", 100),
        floor_percent=read.uint(10, "floor_percent", 100),
        quiet_from_min=read.uint(11, "quiet_from_min", LAST_MINUTE),
        quiet_until_min=read.uint(12, "quiet_until_min", LAST_MINUTE),
        muted_until_ms=read.uint(13, "muted_until_ms", MAX_MS),
        generation=read.uint(14, "generation", MAX_GENERATION, low=1),
        faults=read.uint(15, "faults", 255),
        ear=read.uint(16, "ear", 2),
    )


def _label(read: Fields, key: int, where: str) -> str:
    value = read.map.get(key)
    if not isinstance(value, str) or not is_label(value):
        raise BadMessage(f"about.{where}", f"not at most {MAX_LABEL} printable characters")
    return value
