"""What the care of speakers refuses, as answers; a part of the table in `problems`."""

from collections.abc import Mapping
from http import HTTPStatus

from broadcast.domain.enrolments import CodeRefused, RenewalRefused, UnknownEnrolment
from broadcast.domain.errors import BroadcastError
from broadcast.domain.estate_tests import UnknownTest
from broadcast.domain.groups import GroupChanged, UnknownGroup
from broadcast.domain.speakers import SpeakerChanged

S = HTTPStatus
CARE: Mapping[type[BroadcastError], tuple[HTTPStatus, str]] = {
    CodeRefused: (S.FORBIDDEN, "code-refused"),
    GroupChanged: (S.PRECONDITION_FAILED, "group-changed"),
    RenewalRefused: (S.FORBIDDEN, "renewal-refused"),
    SpeakerChanged: (S.PRECONDITION_FAILED, "speaker-changed"),
    UnknownEnrolment: (S.NOT_FOUND, "unknown-enrolment"),
    UnknownGroup: (S.NOT_FOUND, "unknown-group"),
    UnknownTest: (S.NOT_FOUND, "unknown-test"),
}
