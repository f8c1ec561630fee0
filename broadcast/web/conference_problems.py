"""What conferences refuse, as answers; a part of the table in `problems`."""

from collections.abc import Mapping
from http import HTTPStatus

from broadcast.domain.conference.errors import (
    AskedTooOften,
    BadTicket,
    Banned,
    ConferenceLocked,
    ConferenceOver,
    Howling,
    Muted,
    NotNow,
    NotYours,
    UnknownBlueprint,
    UnknownConference,
    UnknownReservation,
    UnknownSite,
)
from broadcast.domain.conference.media import (
    BadSdp,
    EngineDown,
    EngineFull,
    EngineTimeout,
    NotCapable,
    UnknownLink,
    UnknownRoom,
)
from broadcast.domain.errors import BroadcastError
from broadcast.service.conference.bookings import BlueprintChanged
from broadcast.service.conference.doors import TooManyTickets

S = HTTPStatus
CONFERENCE: Mapping[type[BroadcastError], tuple[HTTPStatus, str]] = {
    AskedTooOften: (S.TOO_MANY_REQUESTS, "asked-too-often"),
    BadSdp: (S.UNPROCESSABLE_ENTITY, "bad-sdp"),
    BadTicket: (S.FORBIDDEN, "bad-ticket"),
    Banned: (S.FORBIDDEN, "banned"),
    BlueprintChanged: (S.PRECONDITION_FAILED, "blueprint-changed"),
    ConferenceLocked: (S.FORBIDDEN, "conference-locked"),
    ConferenceOver: (S.CONFLICT, "conference-over"),
    EngineDown: (S.SERVICE_UNAVAILABLE, "engine-down"),
    EngineTimeout: (S.GATEWAY_TIMEOUT, "engine-timeout"),
    EngineFull: (S.SERVICE_UNAVAILABLE, "engine-full"),
    Howling: (S.CONFLICT, "howling"),
    Muted: (S.CONFLICT, "muted"),
    NotCapable: (S.NOT_IMPLEMENTED, "not-capable"),
    NotNow: (S.CONFLICT, "not-now"),
    NotYours: (S.FORBIDDEN, "not-yours"),
    TooManyTickets: (S.TOO_MANY_REQUESTS, "too-many-tickets"),
    UnknownBlueprint: (S.NOT_FOUND, "unknown-blueprint"),
    UnknownConference: (S.NOT_FOUND, "unknown-conference"),
    UnknownLink: (S.CONFLICT, "unknown-link"),
    UnknownReservation: (S.NOT_FOUND, "unknown-reservation"),
    UnknownRoom: (S.CONFLICT, "unknown-room"),
    UnknownSite: (S.NOT_FOUND, "unknown-site"),
}
