"""The ceremonies of WebAuthn level 2 by its library: what a browser is asked, and whether its answer is one.

Loaded when somebody first has to do with a passkey: the library takes 0.2 s, which a start does not need.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from broadcast.domain.officers import Officer
from broadcast.service.challenges import TIMEOUT_MS, Challenges, Origin, PasskeyRefused
from broadcast.service.ports import PasskeyRow

PRODUCT = "联播 Lianbo"


@dataclass(frozen=True, slots=True)
class Made:
    """A passkey that a browser has made: its id, its COSE_Key (RFC 9052) and its count of signatures."""

    id: bytes
    public_key: bytes
    sign_count: int


class Ceremonies:
    """Both of them, with the challenges that they give and take."""

    def __init__(self, challenges: Challenges) -> None:
        self._challenges = challenges

    def creation_options(self, officer: Officer, where: Origin, kept: Sequence[PasskeyRow]) -> str:
        """`PublicKeyCredentialCreationOptions` as JSON; user verification is demanded, and none is made twice."""
        return options_to_json(
            generate_registration_options(
                rp_id=where.name,
                rp_name=PRODUCT,
                user_name=officer.name,
                user_display_name=officer.title,
                user_id=hashlib.sha256(f"lianbo passkey\n{officer.name}".encode()).digest(),
                challenge=self._challenges.make(officer.name, where),
                timeout=TIMEOUT_MS,
                authenticator_selection=AuthenticatorSelectionCriteria(
                    resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
                ),
                exclude_credentials=[PublicKeyCredentialDescriptor(id=one.id) for one in kept],
            )
        )

    def created(self, credential: Mapping[str, Any], officer: Officer, where: Origin) -> Made:
        """:raises PasskeyRefused: it is no answer to a challenge of ours from there."""
        with _refusing():
            answer = parse_registration_credential_json(dict(credential))
            challenge = self._challenge(answer.response.client_data_json, officer.name, where)
            found = verify_registration_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=where.name,
                expected_origin=where.origin,
                require_user_verification=True,
            )
        return Made(found.credential_id, found.credential_public_key, found.sign_count)

    def request_options(self, where: Origin) -> str:
        """`PublicKeyCredentialRequestOptions` as JSON; whose passkey it is, the passkey says."""
        required = UserVerificationRequirement.REQUIRED
        return options_to_json(
            generate_authentication_options(
                rp_id=where.name,
                challenge=self._challenges.make("", where),
                timeout=TIMEOUT_MS,
                user_verification=required,
            )
        )

    def shown_id(self, credential: Mapping[str, Any]) -> bytes:
        """Which passkey it says that it is. :raises PasskeyRefused: it is none."""
        with _refusing():
            return parse_authentication_credential_json(dict(credential)).raw_id

    def shown(self, credential: Mapping[str, Any], kept: PasskeyRow, where: Origin) -> int:
        """:raises PasskeyRefused: not signed by this one, for another place, or no answer to a challenge of ours.

        :returns: its count of signatures now; the challenge opens nothing any more.
        """
        with _refusing():
            answer = parse_authentication_credential_json(dict(credential))
            challenge = self._challenge(answer.response.client_data_json, "", where)
            found = verify_authentication_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=where.name,
                expected_origin=where.origin,
                credential_public_key=kept.public_key,
                credential_current_sign_count=kept.sign_count,
                require_user_verification=True,
            )
            self._challenges.spend(challenge)
        return found.new_sign_count

    def _challenge(self, client_data: bytes, officer: str, where: Origin) -> bytes:
        """:raises PasskeyRefused: it is not ours, for something else, over or spent."""
        challenge = parse_client_data_json(client_data).challenge
        self._challenges.must_be_ours(challenge, officer, where)
        return challenge


@contextmanager
def _refusing() -> Iterator[None]:
    """Whatever the library finds wrong with what a stranger sent is one refusal; which it was helps only the stranger."""
    try:
        yield
    except (WebAuthnException, ValueError, TypeError, LookupError, AttributeError) as err:
        raise PasskeyRefused from err
