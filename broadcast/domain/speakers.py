"""The speaker estate (终端): which loudspeakers there are and where. Pure."""

from dataclasses import dataclass

from broadcast.domain.errors import BroadcastError


class UnknownSpeaker(BroadcastError):
    """No speaker has this id."""

    def __init__(self, speaker: str) -> None:
        self.speaker = speaker
        super().__init__(f"there is no speaker {speaker}")


@dataclass(frozen=True, slots=True)
class Speaker:
    """One loudspeaker with its box. Its secrets are derived from the server's master secret and never stored.

    :param area: the village (or township, or city) it stands in.
    :param exercise: locked in an exercise: it follows the exercise boards and refuses live ones.
    """

    id: str
    area: str
    name: str
    exercise: bool = False
    volume_percent: int = 70
    retired: bool = False


def default_id(area: str, number: int = 1) -> str:
    """`s-130281001001-1`: safe as MQTT client id, user name, topic level and file name."""
    return f"s-{area}-{number}"
