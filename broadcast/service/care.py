"""All that looks after the speaker estate, as one thing to be handed over."""

from collections.abc import Callable
from dataclasses import dataclass

from broadcast.service.caretaking import Caretaking
from broadcast.service.enrolments import Enrolments
from broadcast.service.estate_tests import EstateTests
from broadcast.service.expiry import Expiry
from broadcast.service.groups import Groups
from broadcast.service.registering import Registering
from broadcast.service.setups import Setups
from broadcast.service.troubles import Troubles


@dataclass(frozen=True, slots=True)
class Care:
    """
    :param keys_print: by which people compare which server a box talks to.
    :param invite: what the QR code of a server's address and a code holds.
    """

    setups: Setups
    caretaking: Caretaking
    enrolments: Enrolments
    groups: Groups
    registering: Registering
    tests: EstateTests
    troubles: Troubles
    expiry: Expiry
    keys_print: str
    invite: Callable[[str, str], str]
