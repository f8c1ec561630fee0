"""Who may connect to the broker and which topics are theirs; the same lists for Mosquitto and amqtt.

Every user has the patterns in which `%u` stands for its own name. What differs from speaker to speaker is only the line of
areas above it, so 12,000 speakers cost two or three lines each: Mosquitto 2.0 searches its list of users once for every line it
reads, and with full lists a reload stopped it for 2.3 s (docs/decisions/0003-broker.md).
"""

import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field

from endpoints.protocol import EXERCISE_ROOT, LIVE_ROOT

ITERATIONS = (
    1  # PBKDF2: passwords are 256 random bits, stretching them adds nothing but 60 µs of broker for each connect
)
_ROOTS = (LIVE_ROOT, EXERCISE_ROOT)
OWN_READ = tuple(f"{root}/{kind}/%u" for root in _ROOTS for kind in ("board", "programme", "time", "setup")) + tuple(
    f"{root}/live/#"
    for root in _ROOTS  # every packet is signed; a village may listen to what the next one is told
)
OWN_WRITE = tuple(
    f"{root}/{kind}/%u" for root in _ROOTS for kind in ("report", "hello", "gone", "ping", "stock", "proof", "about")
)
_ANY_ROOT = (
    f"+/{LIVE_ROOT.partition('/')[2]}"  # live or exercise in one line: half the lines, half the time to read them
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILTER = re.compile(r"[^\s\0]{1,200}")
_SALT_BYTES = 12  # Mosquitto 2.0 takes no other length


class BadBrokerUser(ValueError):
    """A name or filter that would mean something else in the broker's files."""


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """One account at the broker.

    :param password: the secret itself, or what `hash_password` made of it.
    :param read: topic filters beyond the own ones (`OWN_READ`).
    :param write: likewise.
    """

    name: str
    password: str = field(repr=False)
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadBrokerUser(
                f"{self.name!r} is no name for a broker user: letters, digits, '.', '_' and '-', at most 64"
            )
        for one in (*self.read, *self.write):
            if not _FILTER.fullmatch(one):
                raise BadBrokerUser(f"{self.name}: {one!r} is no topic filter")


def speaker_user(speaker: str, password: str, ancestors: Iterable[str]) -> BrokerUser:
    """A speaker reads what stands under its own areas and itself (boards, programmes) and writes only its own reports.

    :param ancestors: 12-digit codes of county, township and village.
    """
    return BrokerUser(speaker, password, read=tuple(f"{_ANY_ROOT}/+/{area}" for area in ancestors))


def server_user(name: str, password: str) -> BrokerUser:
    """The control server: the only one that may write a board."""
    topics = tuple(f"{root.partition('/')[0]}/#" for root in _ROOTS)
    return BrokerUser(name, password, read=(*topics, "$SYS/#"), write=topics)


def hash_password(password: str) -> str:
    """As in Mosquitto's password file: `$7$`, PBKDF2-SHA512."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def check_password(password: str, hashed: str) -> bool:
    """Whether hashed was made of this password; False also for what is no hash."""
    try:
        _, kind, iterations, salt, digest = hashed.split("$")
        found = hashlib.pbkdf2_hmac("sha512", password.encode(), b64decode(salt), int(iterations))
        return kind == "7" and hmac.compare_digest(found, b64decode(digest))
    except ValueError:
        return False


def password_lines(users: Iterable[BrokerUser]) -> str:
    """Mosquitto's password file."""
    return "".join(f"{user.name}:{_hashed(user)}\n" for user in users)


def acl_lines(users: Iterable[BrokerUser]) -> str:
    """Mosquitto's access list; what is not in it is forbidden."""
    lines = [f"pattern read {one}" for one in OWN_READ] + [f"pattern write {one}" for one in OWN_WRITE]
    for user in users:
        if user.read or user.write:
            lines.append(f"user {user.name}")
            both = [one for one in user.read if one in user.write]
            lines += [f"topic readwrite {one}" for one in both]
            lines += [f"topic read {one}" for one in user.read if one not in both]
            lines += [f"topic write {one}" for one in user.write if one not in both]
    return "\n".join(lines) + "\n"


def as_json(users: Iterable[BrokerUser]) -> dict[str, dict[str, object]]:
    """The same for our amqtt child: name to hash and filters."""
    own = [(one.replace("%u", "{}"), "read") for one in OWN_READ] + [
        (one.replace("%u", "{}"), "write") for one in OWN_WRITE
    ]
    return {
        user.name: {
            "hash": _hashed(user),
            "read": [*(one.format(user.name) for one, kind in own if kind == "read"), *user.read],
            "write": [*(one.format(user.name) for one, kind in own if kind == "write"), *user.write],
        }
        for user in users
    }


def _hashed(user: BrokerUser) -> str:
    return user.password if user.password.startswith("$7$") else hash_password(user.password)


def covers(allowed: str, topic_filter: str) -> bool:
    """Whether everything that topic_filter can match, allowed matches too (MQTT 3.1.1 §4.7)."""
    if allowed[0] != topic_filter[0] and "$" in (allowed[0], topic_filter[0]):
        return False
    mine, theirs = allowed.split("/"), topic_filter.split("/")
    for index, level in enumerate(mine):
        if level == "#":
            return True
        if index >= len(theirs) or theirs[index] == "#" or level not in ("+", theirs[index]):
            return False
    return len(mine) == len(theirs)
