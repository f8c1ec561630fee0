"""Errors as answers: application/problem+json (RFC 9457) in the language asked for, with every wrong field and why."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from broadcast.domain.accounts import (
    AccountChanged,
    ChangeDecided,
    ChangeStale,
    LastAdministrator,
    OwnChange,
    UnknownChange,
    UnknownGrant,
    UnknownInvitation,
    UnknownToken,
)
from broadcast.domain.areas import BadAreaTable, UnknownArea
from broadcast.domain.assets import AnotherSound, AssetInUse, OwnUpload, SameFile, UnknownAsset
from broadcast.domain.broadcasts import AlreadyOver, HigherLevel, InvalidRequest, UnknownBroadcast
from broadcast.domain.conference.errors import AskedTooOften
from broadcast.domain.errors import BroadcastError, Overtaken
from broadcast.domain.live import BadSound, LiveBusy, LiveOver, LiveOverBudget, MicrophoneOpen, NoSource, UnknownLive
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted
from broadcast.domain.programmes import ProgrammeChanged, UnknownProgramme
from broadcast.domain.rights import ExerciseOnly, NotDelegated, PasswordChangeNeeded, SessionLocked, StepUpNeeded
from broadcast.domain.speakers import UnknownSpeaker
from broadcast.service.announcer import SoundChanged
from broadcast.service.assets import TooManyUploads
from broadcast.service.broadcasts import BoardFull, StoppedMeanwhile
from broadcast.service.challenges import PasskeyRefused, PasskeysNeedTls
from broadcast.service.conference.doors import TooManyTickets
from broadcast.service.officers import (
    NoSecondFactor,
    NotSignedIn,
    OfficerExists,
    SecondFactorNeeded,
    TooManyTries,
    UnknownOfficer,
    WrongCode,
    WrongPassword,
    WrongPin,
)
from broadcast.service.once import KeyReused
from broadcast.service.own_days import DaysChanged
from broadcast.service.passkeys import UnknownPasskey
from broadcast.service.ports import NoRoom, SpeechFailed, StoreInDoubt, StoreRefused, StoreUnavailable, UploadTooLarge
from broadcast.service.previews import TooManyPreviews
from broadcast.service.programmes import PlanChanged, ProgrammeBoardFull
from broadcast.service.proofs import NotMeant
from broadcast.service.wording import UnknownTemplate
from broadcast.web.care_problems import CARE
from broadcast.web.conference_problems import CONFERENCE
from broadcast.web.errors import (
    BodyTooLarge,
    Broken,
    CrossOrigin,
    NotFound,
    NotReadable,
    OutOfTurn,
    RevisionNeeded,
    SoundStopped,
    StaleForm,
    TakenOver,
    TooFast,
    TooManyMessages,
    TooManyPages,
    TooManySockets,
    TooManyStreams,
    TooSlow,
    TownshipBusy,
    UnsupportedBody,
    WrongMethod,
)
from broadcast.web.governance_problems import GOVERNANCE
from broadcast.web.uploads import UploadBroken
from broadcast.web.watch_problems import WATCH
from broadcast.web.words import Words, rfc3339

S = HTTPStatus
PROBLEMS: Mapping[type[BroadcastError], tuple[HTTPStatus, str]] = {
    InvalidRequest: (S.UNPROCESSABLE_ENTITY, "invalid-request"),
    NotReadable: (S.BAD_REQUEST, "not-readable"),
    BadAreaTable: (S.UNPROCESSABLE_ENTITY, "bad-area-table"),
    NotSignedIn: (S.UNAUTHORIZED, "not-signed-in"),
    WrongPassword: (S.UNAUTHORIZED, "wrong-password"),
    SecondFactorNeeded: (S.UNAUTHORIZED, "second-factor-needed"),
    WrongCode: (S.UNAUTHORIZED, "wrong-code"),
    PasskeyRefused: (S.UNAUTHORIZED, "passkey-refused"),
    PasskeysNeedTls: (S.CONFLICT, "passkeys-need-tls"),
    UnknownPasskey: (S.NOT_FOUND, "unknown-passkey"),
    WrongPin: (S.FORBIDDEN, "wrong-pin"),
    NoSecondFactor: (S.NOT_FOUND, "no-second-factor"),
    TooManyTries: (S.TOO_MANY_REQUESTS, "too-many-tries"),
    TooManyStreams: (S.TOO_MANY_REQUESTS, "too-many-streams"),
    TooManyPreviews: (S.TOO_MANY_REQUESTS, "too-many-previews"),
    AreaNotGranted: (S.FORBIDDEN, "area-not-granted"),
    RoleNotGranted: (S.FORBIDDEN, "role-not-granted"),
    UnknownChange: (S.NOT_FOUND, "unknown-change"),
    ChangeDecided: (S.CONFLICT, "change-decided"),
    ChangeStale: (S.CONFLICT, "change-stale"),
    OwnChange: (S.FORBIDDEN, "own-change"),
    LastAdministrator: (S.CONFLICT, "last-administrator"),
    AccountChanged: (S.PRECONDITION_FAILED, "account-changed"),
    UnknownInvitation: (S.NOT_FOUND, "unknown-invitation"),
    UnknownGrant: (S.NOT_FOUND, "unknown-grant"),
    UnknownToken: (S.NOT_FOUND, "unknown-token"),
    NotDelegated: (S.FORBIDDEN, "not-delegated"),
    ExerciseOnly: (S.FORBIDDEN, "exercise-only"),
    PasswordChangeNeeded: (S.FORBIDDEN, "password-change-needed"),
    SessionLocked: (S.FORBIDDEN, "session-locked"),
    StepUpNeeded: (S.FORBIDDEN, "step-up-needed"),
    HigherLevel: (S.FORBIDDEN, "higher-level"),
    CrossOrigin: (S.FORBIDDEN, "cross-origin"),
    StaleForm: (S.FORBIDDEN, "stale-form"),
    NotFound: (S.NOT_FOUND, "not-found"),
    UnknownArea: (S.NOT_FOUND, "unknown-area"),
    UnknownBroadcast: (S.NOT_FOUND, "unknown-broadcast"),
    UnknownSpeaker: (S.NOT_FOUND, "unknown-speaker"),
    UnknownOfficer: (S.NOT_FOUND, "unknown-officer"),
    UnknownTemplate: (S.NOT_FOUND, "unknown-template"),
    WrongMethod: (S.METHOD_NOT_ALLOWED, "wrong-method"),
    TooSlow: (S.REQUEST_TIMEOUT, "too-slow"),
    AlreadyOver: (S.CONFLICT, "already-over"),
    KeyReused: (S.CONFLICT, "key-reused"),
    BoardFull: (S.CONFLICT, "board-full"),
    LiveBusy: (S.CONFLICT, "live-busy"),
    LiveOver: (S.CONFLICT, "live-over"),
    MicrophoneOpen: (S.CONFLICT, "microphone-open"),
    UnknownLive: (S.NOT_FOUND, "unknown-live"),
    BadSound: (S.UNPROCESSABLE_ENTITY, "bad-sound"),
    NoSource: (S.SERVICE_UNAVAILABLE, "no-source"),
    TooManySockets: (S.TOO_MANY_REQUESTS, "too-many-sockets"),
    TooManyPages: (S.TOO_MANY_REQUESTS, "too-many-pages"),
    TooManyMessages: (S.TOO_MANY_REQUESTS, "too-many-messages"),
    TooFast: (S.TOO_MANY_REQUESTS, "too-fast"),
    SoundStopped: (S.REQUEST_TIMEOUT, "sound-stopped"),
    OutOfTurn: (S.CONFLICT, "out-of-turn"),
    TakenOver: (S.CONFLICT, "taken-over"),
    LiveOverBudget: (S.SERVICE_UNAVAILABLE, "live-over-budget"),
    SoundChanged: (S.CONFLICT, "sound-changed"),
    StoppedMeanwhile: (S.CONFLICT, "stopped-meanwhile"),
    OfficerExists: (S.CONFLICT, "officer-exists"),
    NotMeant: (S.CONFLICT, "not-meant"),
    StoreRefused: (S.CONFLICT, "store-refused"),
    SameFile: (S.CONFLICT, "same-file"),
    AnotherSound: (S.CONFLICT, "another-sound"),
    AssetInUse: (S.CONFLICT, "asset-in-use"),
    OwnUpload: (S.FORBIDDEN, "own-upload"),
    UnknownAsset: (S.NOT_FOUND, "unknown-asset"),
    TooManyUploads: (S.TOO_MANY_REQUESTS, "too-many-uploads"),
    TownshipBusy: (S.TOO_MANY_REQUESTS, "township-busy"),
    UnknownProgramme: (S.NOT_FOUND, "unknown-programme"),
    ProgrammeChanged: (S.PRECONDITION_FAILED, "programme-changed"),
    Overtaken: (S.PRECONDITION_FAILED, "overtaken"),
    DaysChanged: (S.PRECONDITION_FAILED, "days-changed"),
    PlanChanged: (S.PRECONDITION_FAILED, "plan-changed"),
    RevisionNeeded: (S.PRECONDITION_REQUIRED, "revision-needed"),
    ProgrammeBoardFull: (S.CONFLICT, "programme-board-full"),
    UploadBroken: (S.BAD_REQUEST, "upload-broken"),
    UploadTooLarge: (S.REQUEST_ENTITY_TOO_LARGE, "upload-too-large"),
    NoRoom: (S.INSUFFICIENT_STORAGE, "no-room"),
    BodyTooLarge: (S.REQUEST_ENTITY_TOO_LARGE, "body-too-large"),
    UnsupportedBody: (S.UNSUPPORTED_MEDIA_TYPE, "unsupported-body"),
    Broken: (S.INTERNAL_SERVER_ERROR, "broken"),
    SpeechFailed: (S.SERVICE_UNAVAILABLE, "speech-failed"),
    StoreUnavailable: (S.SERVICE_UNAVAILABLE, "store-unavailable"),
    StoreInDoubt: (S.SERVICE_UNAVAILABLE, "store-in-doubt"),
    **GOVERNANCE,
    **CARE,
    **WATCH,
    **CONFERENCE,
}
WAITS = (
    TooManyTries,
    TooManyStreams,
    TooManySockets,
    TooManyPages,
    TooManyPreviews,
    TooManyUploads,
    TownshipBusy,
    AskedTooOften,
    TooManyTickets,
)  # they say how long
RETRY_AFTER_S = {StoreUnavailable: 5, StoreInDoubt: 5, SpeechFailed: 30}


def status_of(err: BroadcastError) -> HTTPStatus:
    return _problem(type(err))[0]


def title_of(err: BroadcastError, words: Words) -> str:
    """A sentence in the officer's language, with the facts of the error."""
    return words(f"problem.{_problem(type(err))[1]}", **facts_of(err))


def facts_of(err: BroadcastError) -> dict[str, Any]:
    return {name: value for name, value in vars(err).items() if not name.startswith("_")}


def faults_of(err: BroadcastError, words: Words) -> list[dict[str, str]]:
    """Each wrong field with its JSON pointer and a sentence; empty unless fields are what is wrong."""
    return [
        {
            **fault,
            "pointer": "/" + fault["field"].replace("~", "~0").replace("/", "~1").replace(".", "/"),
            "detail": words(f"fault.{fault['code']}", **fault),
        }
        for fault in facts_of(err).get("errors", [])
    ]


def headers_of(err: BroadcastError) -> dict[str, str]:
    if isinstance(err, WAITS):
        return {"Retry-After": str(err.retry_after_s)}
    if type(err) in RETRY_AFTER_S:
        return {"Retry-After": str(RETRY_AFTER_S[type(err)])}
    if isinstance(err, WrongMethod):
        return {"Allow": ", ".join(err.allowed)}
    if isinstance(err, NotSignedIn | WrongPassword | SecondFactorNeeded | WrongCode | PasskeyRefused):
        return {"WWW-Authenticate": 'Bearer realm="lianbo"'}
    return {}


def problem(err: BroadcastError, words: Words) -> web.Response:
    """The error as an answer."""
    return web.json_response(
        problem_body(err, words),
        status=status_of(err),
        content_type="application/problem+json",
        headers=headers_of(err),
        dumps=_dumps,
    )


def problem_body(err: BroadcastError, words: Words) -> dict[str, Any]:
    """What RFC 9457 says of it; `title` in the officer's language, `detail` the sentence of the error itself."""
    status, slug = _problem(type(err))
    body = {
        **_changer_of(err),
        **facts_of(err),
        "type": f"/problems/{slug}",
        "title": title_of(err, words),
        "status": int(status),
    }
    body["detail"] = str(err)
    if isinstance(err, InvalidRequest):
        body["errors"] = faults_of(err, words)
    return body


def _changer_of(err: BroadcastError) -> dict[str, Any]:
    """When a 412 knows who was faster, it says when."""
    return {"changed_at": rfc3339(err.changed_ms) if err.changed_ms else None} if isinstance(err, Overtaken) else {}


def _problem(kind: type[BroadcastError]) -> tuple[HTTPStatus, str]:
    for base in kind.__mro__:
        if base in PROBLEMS:
            return PROBLEMS[base]
    return S.INTERNAL_SERVER_ERROR, "broken"


def _dumps(body: object) -> str:
    return json.dumps(body, ensure_ascii=False)
