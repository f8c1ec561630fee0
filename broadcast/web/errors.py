"""What the web itself refuses, before any service is asked."""

from broadcast.domain.errors import BroadcastError


class UnsupportedBody(BroadcastError):
    """The body comes in a form that is not read here: not the media type asked for, or packed."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(f"send the body as {wanted}, not encoded")


class BodyTooLarge(BroadcastError):
    """The body is larger than any request here needs."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        super().__init__(f"the body is larger than {most_bytes} bytes")


class TooSlow(BroadcastError):
    """The body did not arrive in time."""

    def __init__(self, within_s: int) -> None:
        self.within_s = within_s
        super().__init__(f"the body did not arrive within {within_s} s")


class NotReadable(BroadcastError):
    """The body is not JSON."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(f"the body is not JSON: {cause}")


class CrossOrigin(BroadcastError):
    """Another site made the browser send this."""

    def __init__(self) -> None:
        super().__init__("another site sent this request; open the page here and do it there")


class StaleForm(BroadcastError):
    """The form was made for another session."""

    def __init__(self) -> None:
        super().__init__("this form belongs to another session; open the page again")


class TooManyStreams(BroadcastError):
    """This officer follows the wall in too many windows."""

    def __init__(self, most: int) -> None:
        self.most, self.retry_after_s = most, 10
        super().__init__(f"the wall is open in {most} windows already; close one")


class TooManySockets(BroadcastError):
    """This officer has enough connections for a microphone open."""

    def __init__(self, most: int) -> None:
        self.most, self.retry_after_s = most, 10
        super().__init__(f"there are {most} connections for a microphone already; close one")


class TooManyPages(BroadcastError):
    """This address has enough pages of one conference open."""

    def __init__(self, most: int) -> None:
        self.most, self.retry_after_s = most, 10
        super().__init__(f"there are {most} pages of this conference open at this address; close one")


class TooManyMessages(BroadcastError):
    """More messages than any page of a conference sends."""

    def __init__(self, most_per_s: int) -> None:
        self.most_per_s = most_per_s
        super().__init__(f"more than {most_per_s} messages a second")


class TooFast(BroadcastError):
    """More messages than any microphone makes."""

    def __init__(self, most_per_s: int) -> None:
        self.most_per_s = most_per_s
        super().__init__(f"more than {most_per_s} messages a second; a microphone makes 50")


class SoundStopped(BroadcastError):
    """No sound came over an open connection; the microphone is held for whoever comes back."""

    def __init__(self, within_s: int) -> None:
        self.within_s = within_s
        super().__init__(f"no sound came for {within_s} s")


class OutOfTurn(BroadcastError):
    """This message has no meaning at this point."""

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(f"{said} has no meaning here; begin with open or resume")


class TakenOver(BroadcastError):
    """The same officer goes on with this microphone over another connection."""

    def __init__(self) -> None:
        super().__init__("this microphone goes on over another connection")


class TownshipBusy(BroadcastError):
    """The speakers of this township have fetched as much as its line shall carry for now."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"this township has its share of the line for now; ask again in {retry_after_s} s")


class RevisionNeeded(BroadcastError):
    """A change has to say which revision it starts from."""

    def __init__(self) -> None:
        super().__init__("send the ETag of what you have read as If-Match, so that nobody's work is overwritten")


class NotFound(BroadcastError):
    """Nothing is served under this address."""

    def __init__(self) -> None:
        super().__init__("nothing is served under this address")


class WrongMethod(BroadcastError):
    """The address is right, the verb is not."""

    def __init__(self, allowed: list[str]) -> None:
        self.allowed = allowed
        super().__init__(f"use {', '.join(allowed)}")


class Broken(BroadcastError):
    """Our fault; the log has it under this id."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        super().__init__(f"the server made a mistake; the log has it under {request_id}")
