"""A client of the running server's API, for the commands of officers at a terminal. Standard library only: it starts at once.

The session's token lives in memory and is given back at the end.
"""

import contextlib
import http.client
import json
import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, BinaryIO, Self
from urllib.parse import quote, urlencode, urlsplit

import typer

from broadcast.cli.common import fail, warn

PREFIX = "/api/v1"
DEFAULT_URL = "http://127.0.0.1:8710"
ANSWER_WITHIN_S = 60.0  # a trigger answers after its text is spoken
SILENT_STREAM_S = 25.0  # the server says something every 10 s
REPEATS, REPEAT_AFTER_S = 3, 1.0  # of a request that can't act twice
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Url = Annotated[str, typer.Option("--url", envvar="LIANBO_URL", help="Where the desk is.")]
User = Annotated[str, typer.Option("--user", envvar="LIANBO_USER", help="Who signs in; asked for when not given.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(dir_okay=False, help="Its first line is the password; else LIANBO_PASSWORD, else it is asked for."),
]

Json = dict[str, Any]


class DeskError(Exception):
    """It did not work; the lines are for the person at the terminal."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


class Unreachable(DeskError):
    """Nothing is known of what became of the request."""

    def __init__(self, url: str, cause: str) -> None:
        self.url, self.cause = url, cause
        super().__init__(
            [f"no answer from {url}: {cause}", "Is the server running there? --url names another address."]
        )


class Refused(DeskError):
    """The server answered, and not with what was asked for.

    :param status: of HTTP.
    """

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.problem = status, _problem(body)
        sentence = self.problem.get("title") or self.problem.get("detail") or f"the server answered {status}"
        faults = [f"  {one.get('field', '?')}: {one.get('detail', '?')}" for one in self.problem.get("errors", [])]
        super().__init__([str(sentence), *faults])

    @property
    def slug(self) -> str:
        return str(self.problem.get("type", "")).rpartition("/")[2]


class Desk:
    """One officer's session. `with` gives it back at the end."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise DeskError([f"{url} is no address of a desk; it looks like {DEFAULT_URL}"])
        self.url, self._parts = url.rstrip("/"), parts
        self._token = ""
        self.officer: Json = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token:
            with contextlib.suppress(DeskError):
                self._ask("DELETE", "/session", timeout_s=3)

    @property
    def bearer(self) -> dict[str, str]:
        """What says who is signed in, for a connection of another kind."""
        return {"Authorization": f"Bearer {self._token}"}

    @property
    def is_in_clear(self) -> bool:
        """Whether a password would cross a network unprotected."""
        return self._parts.scheme == "http" and self._parts.hostname not in LOOPBACK

    def sign_in(self, name: str, password: str) -> None:
        """:raises Refused, Unreachable: who it is stands in `officer` afterwards."""
        answer = self._json("POST", "/session", {"name": name, "password": password})
        self._token, self.officer = answer["token"], answer["officer"]

    def get(self, path: str, **query: object) -> Json:
        return self._json("GET", path + _query(query))

    def get_bytes(self, path: str, **query: object) -> bytes:
        return self._ask("GET", path + _query(query))

    def post(self, path: str, body: Json | None = None, *, key: str = "", repeatable: bool = False) -> Json:
        """After a broken connection the same request is sent again where that is harmless.

        :param key: makes it harmless.
        :param repeatable: it is so by itself, as a stop is.
        """
        tries = REPEATS if key or repeatable else 1
        for left in range(tries - 1, -1, -1):
            try:
                return self._json("POST", path, body, key=key)
            except Unreachable as err:
                if not left:
                    raise
                warn(f"{err.cause}; asking again")
                time.sleep(REPEAT_AFTER_S)
        raise AssertionError("unreachable")

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def send(self, path: str, file: BinaryIO, size_bytes: int, **query: object) -> Json:
        """A file as the body of a POST, read piece by piece."""
        headers = {"Accept-Language": "en", "Authorization": f"Bearer {self._token}", "Content-Length": str(size_bytes)}
        headers["Content-Type"] = "application/octet-stream"
        connection = self._connection(ANSWER_WITHIN_S)
        try:
            with contextlib.suppress(
                BrokenPipeError, ConnectionResetError
            ):  # refused half-way: the answer is there to read
                connection.request("POST", self._parts.path.rstrip("/") + PREFIX + path + _query(query), file, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as err:
            raise Unreachable(self.url, str(err) or type(err).__name__) from err
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise Refused(answer.status, content)
        sent: Json = json.loads(content)
        return sent

    def change(self, method: str, path: str, body: Json | None = None, *, revision: int) -> Json:
        """Change what was read at that revision; somebody else's change meanwhile is refused, not overwritten."""
        return self._json(method, path, body, revision=revision)

    def events(self, broadcast: str) -> Iterator[tuple[str, Json]]:
        """Server-sent events about one broadcast: (event, data); a broken stream goes on by itself."""
        last_id = ""
        while True:
            try:
                for event, data, number in self._stream(f"/events{_query({'broadcast': broadcast})}", last_id):
                    last_id = number or last_id
                    yield event, data
            except Unreachable as err:
                warn(f"{err.cause}; connecting again")
            time.sleep(REPEAT_AFTER_S)

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _stream(self, path: str, last_id: str) -> Iterator[tuple[str, Json, str]]:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        with self._request("GET", path, headers=headers, timeout_s=SILENT_STREAM_S) as answer:
            if answer.status != http.client.OK:
                raise Refused(answer.status, answer.read())
            fields: dict[str, str] = {}
            while line := self._read_line(answer):
                name, _, value = line.decode("utf-8").rstrip("\r\n").partition(":")
                if name:
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    yield fields.get("event", "message"), json.loads(fields["data"]), fields.get("id", "")
                    fields = {}

    def _read_line(self, answer: http.client.HTTPResponse) -> bytes:
        try:
            return answer.readline()
        except (OSError, http.client.HTTPException) as err:
            raise Unreachable(self.url, str(err) or type(err).__name__) from err

    def _json(
        self, method: str, path: str, body: Json | None = None, *, key: str = "", revision: int | None = None
    ) -> Json:
        content = self._ask(method, path, body, key=key, revision=revision)
        try:
            answer = json.loads(content)
        except ValueError:
            raise DeskError([f"{self.url} answers, but it is no Lianbo server"]) from None
        return answer if isinstance(answer, dict) else {}

    def _ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        key: str = "",
        revision: int | None = None,
        timeout_s: float = ANSWER_WITHIN_S,
    ) -> bytes:
        headers = {"Idempotency-Key": key} if key else {}
        if revision is not None:
            headers["If-Match"] = f'"{revision}"'
        with self._request(method, path, body, headers=headers, timeout_s=timeout_s) as answer:
            try:
                content = answer.read()
            except (OSError, http.client.HTTPException) as err:
                raise Unreachable(self.url, str(err) or type(err).__name__) from err
            if answer.status >= http.client.BAD_REQUEST:
                raise Refused(answer.status, content)
            return content

    @contextlib.contextmanager
    def _request(
        self, method: str, path: str, body: Json | None = None, *, headers: dict[str, str], timeout_s: float
    ) -> Iterator[http.client.HTTPResponse]:
        connection = self._connection(timeout_s)
        headers = {"Accept-Language": "en", **headers}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        content = None
        if body is not None:
            content, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        try:
            try:
                connection.request(method, self._parts.path.rstrip("/") + PREFIX + path, content, headers)
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException) as err:
                raise Unreachable(self.url, str(err) or type(err).__name__) from err
            yield answer
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        host, port = str(self._parts.hostname), self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=timeout_s)


@contextlib.contextmanager
def signed_in(url: str, user: str, password_file: Path | None) -> Iterator[Desk]:
    """The desk with an officer signed in; what goes wrong inside ends the program with its sentences."""
    try:
        with Desk(url) as desk:
            if desk.is_in_clear:
                warn(f"{url} is not https: the password crosses the network readable")
            name = user or typer.prompt("User")
            desk.sign_in(name, _password(password_file))
            yield desk
    except DeskError as err:
        fail("\n".join(err.lines))


def _password(file: Path | None) -> str:
    if file is not None:
        try:
            if file.stat().st_mode & 0o077:
                fail(f"others may read {file}; `chmod 600 {file}`")
            return (file.read_text(encoding="utf-8").splitlines() or [""])[0]
        except OSError as err:
            fail(str(err))
    if password := os.environ.get("LIANBO_PASSWORD"):
        return password
    asked: str = typer.prompt("Password", hide_input=True)
    return asked


def _query(query: dict[str, object]) -> str:
    given = {name: str(value) for name, value in query.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def segment(text: str) -> str:
    """A piece of a path, whatever was typed."""
    return quote(text, safe="")


def _problem(body: bytes) -> Json:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
