"""How a box gets its secrets over HTTP (docs/wire.md §12): what both ends say, and what the box does.

What is handed out is sealed to a key that the box made for this one purpose, so that who listens on the way learns nothing, with
TLS or without. Who could put himself between is found out by the print of the keys in the QR code.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import aiohttp
import nacl.exceptions
import nacl.public

from endpoints.effects import Make
from endpoints.provisioning import BadProvisioning, Provisioning, SpeakerConfig, from_json, to_json, write_provisioning
from endpoints.sealing import TrustedKey

FORMAT = "lianbo-enrolment/1"
CA_FILE = "ca.pem"
FILE = "speaker.json"
MAX_SEALED = 256 * 1024
WITHIN_S = 20.0
PATH = "/api/v1/enrolments"

log = logging.getLogger(__name__)


class NotEnrolled(Exception):
    """No secrets were got; the sentence is for who stands before the box."""


class Refused(NotEnrolled):
    """The server answered and did not give any."""

    def __init__(self, status: int, title: str) -> None:
        self.status = status
        super().__init__(f"the server refuses ({status}): {title}")


def print_of(keys: Iterable[TrustedKey]) -> str:
    """16 hexadecimal digits by which people and QR codes compare which server they talk to."""
    return hashlib.sha256(b"".join(sorted(key.public for key in keys))).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a box has to know before it asks. An empty `keys` is nothing to compare with: the code was typed."""

    server: str
    code: str
    keys: str = ""

    @property
    def text(self) -> str:
        """As it stands in the QR code."""
        parts = {"server": self.server, "code": self.code, "keys": self.keys}
        return "lianbo:enrol?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in parts.items())


def invitation_of(text: str, server: str = "") -> Invitation:
    """From what somebody typed, or a scanner read.

    :param server: where to ask, when the text is the code alone.
    :raises NotEnrolled: no server in it and none named.
    """
    if text.startswith("lianbo:enrol?"):
        parts = parse_qs(urlsplit(text).query)
        read = Invitation(*(parts.get(name, [""])[0] for name in ("server", "code", "keys")))
        if server:
            read = replace(read, server=server)
    else:
        read = Invitation(server, text)
    if not read.server.startswith(("http://", "https://")) or not read.code:
        raise NotEnrolled("name the server with --server http://…; the code alone does not say where it is")
    return replace(read, server=read.server.rstrip("/"))


# ---- at the server --------------------------------------------------------------------------------------------------------


def sealed_for(box: str, provisioning: Provisioning, ca_pem: str = "") -> str:
    """What a box is told, so that only it can read it; base64.

    :param box: its public key, 64 hexadecimal digits.
    """
    said = {"format": FORMAT, "provisioning": to_json(provisioning), "ca_pem": ca_pem}
    sealed = nacl.public.SealedBox(nacl.public.PublicKey(bytes.fromhex(box))).encrypt(json.dumps(said).encode())
    return base64.b64encode(sealed).decode()


def renewal_proof(key: bytes, speaker: str, box: str) -> str:
    """By which a box that asks for newer secrets shows that it has the present ones."""
    return hmac.digest(key, f"lianbo renew {speaker} {box}".encode(), "sha256").hex()


# ---- at the box -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Given:
    """What the server told this box."""

    provisioning: Provisioning
    ca_pem: str

    def save(self, folder: Path, name: str = FILE) -> Path:
        """Keep it there, with mode 0600, whole or not at all; the provisioning file. :raises OSError:"""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.ca_pem:
            beside = folder / f".{CA_FILE}.new"
            beside.write_text(self.ca_pem, encoding="ascii")
            beside.replace(folder / CA_FILE)
        path = folder / name
        write_provisioning(path, self.provisioning)
        return path


class Asking:
    """One question for secrets, with a key pair of its own."""

    def __init__(self) -> None:
        self._key = nacl.public.PrivateKey.generate()
        self.box = bytes(self._key.public_key).hex()

    def open(self, sealed: object, *, server: str) -> Given:
        """:raises NotEnrolled: not sealed to this box, or not what the specification says."""
        try:
            if not isinstance(sealed, str) or len(sealed) > MAX_SEALED:
                raise ValueError("not a sealed answer")
            said = json.loads(nacl.public.SealedBox(self._key).decrypt(base64.b64decode(sealed, validate=True)))
            if (
                not isinstance(said, dict)
                or said.keys() != {"format", "provisioning", "ca_pem"}
                or said["format"] != FORMAT
            ):
                raise ValueError("of another format")
            provisioning = from_json(said["provisioning"])
            if len(provisioning.speakers) != 1 or not isinstance(said["ca_pem"], str):
                raise ValueError("not for one box")
        except (ValueError, binascii.Error, BadProvisioning, nacl.exceptions.CryptoError, RecursionError) as err:
            raise NotEnrolled(f"what the server answered can't be read: {err}") from err
        return Given(replace(provisioning, assets_url=provisioning.assets_url or server), said["ca_pem"])


async def redeem(session: aiohttp.ClientSession, invitation: Invitation, *, asking: Asking, make: Make) -> Given:
    """Trade the code for secrets. After a lost answer call it again with the same `asking`.

    :raises NotEnrolled: refused, not reached, or answered by another server than the one that made the QR code.
    """
    body = {"code": invitation.code, "box": asking.box, "model": make.model, "firmware": make.firmware}
    given = asking.open(await _ask(session, invitation.server, "redeem", body), server=invitation.server)
    found = print_of(given.provisioning.keys)
    if invitation.keys and not hmac.compare_digest(found.encode(), invitation.keys.encode("utf-8", "replace")):
        raise NotEnrolled("this is not the server that made the code: its keys are others. Call the technician")
    return given


async def renew(session: aiohttp.ClientSession, config: SpeakerConfig, server: str) -> Given:
    """Newer secrets for these.

    :param server: where the sound files come from, too.
    :raises NotEnrolled: refused or not reached; the present ones go on as long as the server takes them.
    """
    asking = Asking()
    proof = renewal_proof(config.key, config.id, asking.box)
    body = {"speaker": config.id, "box": asking.box, "proof": proof}
    return asking.open(await _ask(session, server, "renew", body), server=server)


async def _ask(session: aiohttp.ClientSession, server: str, what: str, body: dict[str, str]) -> object:
    try:
        async with asyncio.timeout(WITHIN_S), session.post(f"{server}{PATH}/{what}", json=body) as answer:
            data = await answer.content.read(MAX_SEALED + 1)
            said = json.loads(data)
            if answer.status != 200:
                raise Refused(answer.status, str(said.get("title", ""))[:200])
            return said["sealed"]
    except (aiohttp.ClientError, TimeoutError, OSError) as err:
        raise NotEnrolled(f"{server} can't be reached: {err or 'no answer'}") from err
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise NotEnrolled(f"{server} does not answer like a Lianbo server") from err
