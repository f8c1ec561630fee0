"""The numbers that stand on the wire and what they mean; `docs/wire.md` lists them for vendors and a test compares the two."""

from collections.abc import Mapping
from enum import IntEnum


class Kind(IntEnum):
    """What an order is. Routine programme 日常广播, urgent notice 紧急通知, emergency interrupt 应急插播, live 现场喊话."""

    ROUTINE = 1
    NOTICE = 2
    EMERGENCY = 3
    LIVE = 4


class Band(IntEnum):
    """The first part of the key to the air; a higher one always wins. GD/J 089-2018 sorts by class before level."""

    ROUTINE = 1
    LOCAL_ROUTINE = 2
    NOTICE = 3
    EMERGENCY = 4
    LIVE_COMMAND = 5
    LIFE_SAFETY = 6


class Severity(IntEnum):
    """Warning level 预警级别. 0 is unknown and sorts below blue."""

    UNKNOWN = 0
    RED = 1
    ORANGE = 2
    YELLOW = 3
    BLUE = 4


class Level(IntEnum):
    """The level of command that gave the order; a higher one wins when band and severity are equal."""

    VILLAGE = 1
    TOWNSHIP = 2
    CITY = 3
    PREFECTURE = 4
    PROVINCE = 5


class Resume(IntEnum):
    """What an order does when it gets the air back after being interrupted."""

    CONTINUE = 1  # where it stopped
    REJOIN = 2  # where it would be by the clock
    RESTART = 3
    DROP = 4  # it does not come back


class Tone(IntEnum):
    """Sounds that every speaker has built in, so that an emergency never waits for a download."""

    NONE = 0
    ATTENTION = 1
    CHIME = 2
    ALL_CLEAR = 3


TONE_MS: Mapping[Tone, int] = {Tone.NONE: 0, Tone.ATTENTION: 4_000, Tone.CHIME: 1_600, Tone.ALL_CLEAR: 4_000}


class OrderRule(IntEnum):
    """Which of severity and level is compared first: GD/J 084-2018 §6.4 sorts by severity, GD/J 089-2018 by level."""

    SEVERITY_FIRST = 0
    LEVEL_FIRST = 1


class Stage(IntEnum):
    """What a speaker can say about one order. A frame that it could not verify has no order to speak of."""

    RECEIVED = 1  # verified, in scope, for me, and kept
    SCHEDULED = 2  # it will sound later: its time has not come, or something higher has the air
    SOUNDING = 3  # the first frame has been handed to the sound card
    INTERRUPTED = 4  # something higher took the air; it comes back by its resume policy
    FINISHED = 5  # the last sample has left the sound card
    REFUSED = 6
    MISSED = 7  # its time passed before it could sound
    FAILED = 8
    STOPPED = 9  # taken off the board, or cut by its end


class Reason(IntEnum):
    """Why, where a stage needs it."""

    NONE = 0
    OUT_OF_SCOPE = 1  # the key may not speak to that area or in that band
    KEY_EXPIRED = 2
    WRONG_MODE = 3  # live at a speaker in exercise, or the reverse
    BUSY = 4  # an equal live order has the air
    QUIET_HOURS = 5
    CANCELLED = 6  # a higher version of the board no longer has it
    ENDED = 7  # its not-after came
    DROPPED = 8  # interrupted, and its policy is not to come back
    ASSET_MISSING = 9
    ASSET_BAD = 10
    SOUND_CARD = 11
    WAS_OFF = 12  # heard of after its end
    POWER_LOST = 13  # it sounded when the power went
    MUTED = 14  # its volume here is 0, and the order does not raise it; or somebody works at the horn
    TOO_LATE = 15  # its latest start passed: nothing is caught up with
    BUDGET = 16  # the routine minutes of this day are used up here
    FALLBACK = 17  # the fallback sounds in its place
    SILENT = 18  # it sounded, and nothing was heard in it
    STREAM_LOST = 19  # the live source went away, or never came


class Fault(IntEnum):
    """Bits of `Hello.faults`: what the speaker knows to be wrong with itself."""

    DISK = 1
    CLOCK = 2
    SOUND = 4
    NO_TIME = 8
    SILENCE = 16  # something should sound and what leaves the sound card is silence
    FILES = 32  # files of the coming hours are not here, and can't be got now
    AMPLIFIER = 64  # the amplifier says that it is broken


BANDS_OF: Mapping[Kind, frozenset[Band]] = {
    Kind.ROUTINE: frozenset({Band.ROUTINE, Band.LOCAL_ROUTINE}),
    Kind.NOTICE: frozenset({Band.NOTICE}),
    Kind.EMERGENCY: frozenset({Band.EMERGENCY, Band.LIFE_SAFETY}),
    Kind.LIVE: frozenset({Band.LIVE_COMMAND}),
}
