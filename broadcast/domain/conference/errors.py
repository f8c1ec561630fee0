"""What a conference refuses."""

from broadcast.domain.errors import BroadcastError


class UnknownConference(BroadcastError):
    """There is no such conference, or it lies outside of what the officer may see."""

    def __init__(self, conference: str) -> None:
        self.conference = conference
        super().__init__(f"there is no conference {conference}")


class UnknownReservation(BroadcastError):
    """There is no such booked conference."""

    def __init__(self, reservation: str) -> None:
        self.reservation = reservation
        super().__init__(f"there is no booked conference {reservation}")


class UnknownBlueprint(BroadcastError):
    """There is no such blueprint."""

    def __init__(self, blueprint: str) -> None:
        self.blueprint = blueprint
        super().__init__(f"there is no blueprint {blueprint}")


class UnknownSite(BroadcastError):
    """The conference has no such site."""

    def __init__(self, conference: str, site: str) -> None:
        self.conference, self.site = conference, site
        super().__init__(f"conference {conference} has no site {site}")


class ConferenceOver(BroadcastError):
    """It has ended."""

    def __init__(self, conference: str) -> None:
        self.conference = conference
        super().__init__(f"conference {conference} has ended")


class NotYours(BroadcastError):
    """Who asks may not do this in this conference."""

    def __init__(self, who: str, act: str) -> None:
        self.who, self.act = who, act
        super().__init__(f"{who} may not {act} in this conference")


class ConferenceLocked(BroadcastError):
    """The chair has locked it (锁定会议)."""

    def __init__(self, conference: str) -> None:
        self.conference = conference
        super().__init__("the conference is locked")


class Banned(BroadcastError):
    """The chair has put this site out for good."""

    def __init__(self, site: str) -> None:
        self.site = site
        super().__init__(f"{site} was put out of the conference")


class Muted(BroadcastError):
    """The chair has muted this site and it may not open its microphone itself; it can ask to speak."""

    def __init__(self, site: str) -> None:
        self.site = site
        super().__init__(f"{site} is muted by the chair")


class Howling(BroadcastError):
    """Loudspeakers near this site carry the conference; its microphone would howl (啸叫)."""

    def __init__(self, site: str, areas: list[str]) -> None:
        self.site, self.areas = site, areas
        super().__init__(f"loudspeakers at {site} carry this conference")


class NotNow(BroadcastError):
    """It can't be done as the conference stands. :param why: a code."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"not as the conference stands: {why}")


class AskedTooOften(BroadcastError):
    """This site floods the conference; what it sent has no effect. :param what: requests, messages."""

    def __init__(self, site: str, what: str, retry_after_s: int) -> None:
        self.site, self.what, self.retry_after_s = site, what, retry_after_s
        super().__init__(f"{site} sends too many {what}")


class BadTicket(BroadcastError):
    """A ticket that does not admit: wrong, expired, used, or of another conference. It does not say which."""

    def __init__(self) -> None:
        super().__init__("this ticket does not admit")
