"""The API's own thin layer: what a handler is annotated with is what is read, checked, answered and written into OpenAPI 3.1.

    @api.post("/broadcasts", status=202, once=True, errors=(AreaNotGranted,))
    async def start(call: Call, body: NewBroadcast) -> Started: ...

Every healthy OpenAPI library for aiohttp needs a newer Python, speaks only 3.0 or brings a second model language.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema

from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, RoleNotGranted, Verb
from broadcast.domain.rights import WHILE_LOCKED, PasswordChangeNeeded, SessionLocked, must_hold_one
from broadcast.service.officers import NotSignedIn
from broadcast.service.once import KeyReused, OnceKey
from broadcast.service.ports import StoreUnavailable
from broadcast.web.bodies import KEY, invalid, once_key, read_json
from broadcast.web.errors import (
    BodyTooLarge,
    Broken,
    CrossOrigin,
    NotFound,
    NotReadable,
    RevisionNeeded,
    TooSlow,
    UnsupportedBody,
)
from broadcast.web.problems import PROBLEMS
from broadcast.web.services import SERVICES, Services

PREFIX = "/api/v1"
MATCH = "If-Match"
REF = "#/components/schemas/{model}"
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "broadcast": {"type": "string", "pattern": "^[0-9A-Z-]{1,40}$"},
    "area": {"type": "string", "pattern": "^[0-9]{12}([0-9]{3}){0,2}$"},
    "speaker": {"type": "string", "pattern": "^[a-z][a-z0-9-]{2,31}$"},
    "officer": {"type": "string", "minLength": 1, "maxLength": 64},
    "programme": {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"},
    "asset": {"type": "string", "pattern": "^[0-9A-Z]{26}$"},
    "alarm": {"type": "string", "pattern": "^[0-9A-Z]{26}$"},
    "approval": {"type": "string", "pattern": "^[0-9A-Z]{26}$"},
    "plan": {"type": "string", "pattern": "^[0-9A-Z]{26}$"},
    "drill": {"type": "string", "pattern": "^[0-9A-Z]{26}$"},
    "enrolment": {"type": "string", "pattern": "^[0-9A-Z]{26}$"},
    "group": {"type": "string", "pattern": "^[0-9A-Z]{26}$"},
    "day": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
    "conference": {"type": "string", "pattern": "^[0-9A-Z]{26}$"},
    "blueprint": {"type": "string", "pattern": "^[0-9A-Z]{26}$"},
    "reservation": {"type": "string", "pattern": "^[0-9A-Z]{26}$"},
    "draft": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,39}$"},
    "template": {"type": "string", "pattern": "^[a-z][a-z0-9-]{1,39}$"},
    "change": {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"},
    "grant": {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"},
    "invitation": {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"},
    "passkey": {"type": "string", "pattern": "^[0-9a-f]{2,2046}$"},
    "token": {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"},
}
OFTEN: tuple[type[BroadcastError], ...] = (StoreUnavailable, Broken)
WITH_BODY: tuple[type[BroadcastError], ...] = (NotReadable, UnsupportedBody, BodyTooLarge, TooSlow, InvalidRequest)


class Problem(BaseModel):
    """RFC 9457. More fields may stand beside these: the facts of the error."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = []


@dataclass(slots=True)
class Call:
    """One request to a handler.

    :param once: the Idempotency-Key with the digest of the request, where the handler honours one.
    :param headers: to be added to the answer.
    """

    request: web.Request
    who: Officer | None
    once: OnceKey | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def officer(self) -> Officer:
        """Who asks; only in handlers that are not open."""
        if self.who is None:
            raise NotSignedIn
        return self.who

    @property
    def services(self) -> Services:
        return self.request.app[SERVICES]

    @property
    def revision(self) -> int:
        """Which version a change starts from, by If-Match. :raises RevisionNeeded: it does not say."""
        found = re.fullmatch(r'(?:W/)?"?(\d{1,9})"?', self.request.headers.get(MATCH, "").strip())
        if found is None:
            raise RevisionNeeded
        return int(found[1])

    def path(self, name: str) -> str:
        return self.request.match_info[name]


Handler = Callable[..., Awaitable[Any]]
Authenticate = Callable[[web.Request], Awaitable[Officer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One verb on one path.

    :param public: without signing in.
    :param media: of an answer that is not a model.
    :param takes: of a body that the handler reads itself: by media type, for the document.
    :param fields: what it reads of the query then.
    :param versioned: If-Match names the revision that it starts from.
    :param first: left to who has to choose another password before anything else.
    :param verbs: one of these rights has to be held somewhere; the service asks for the area. Public ones have none.
    """

    method: str
    path: str
    handler: Handler
    status: int
    errors: tuple[type[BroadcastError], ...]
    public: bool
    once: bool
    media: str
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answer: type[BaseModel] | None
    takes: Mapping[str, Any] = field(default_factory=dict)
    fields: type[BaseModel] | None = None
    versioned: bool = False
    verbs: frozenset[Verb] = frozenset()
    first: bool = False


class Api:
    """The operations, in the order in which the document lists them."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def get(self, path: str, **how: Any) -> Callable[[Handler], Handler]:
        return self._register("GET", path, **how)

    def post(self, path: str, **how: Any) -> Callable[[Handler], Handler]:
        return self._register("POST", path, **how)

    def put(self, path: str, **how: Any) -> Callable[[Handler], Handler]:
        return self._register("PUT", path, **how)

    def delete(self, path: str, **how: Any) -> Callable[[Handler], Handler]:
        return self._register("DELETE", path, **how)

    def _register(
        self,
        method: str,
        path: str,
        *,
        status: int = 200,
        errors: tuple[type[BroadcastError], ...] = (),
        public: bool = False,
        once: bool = False,
        versioned: bool = False,
        media: str = "",
        takes: Mapping[str, Any] | None = None,
        fields: type[BaseModel] | None = None,
        verb: Verb | Collection[Verb] = (),
        first: bool = False,
    ) -> Callable[[Handler], Handler]:
        reads = (Verb.READ,) if method == "GET" and not public else ()
        verbs = frozenset((verb,) if isinstance(verb, Verb) else verb) or frozenset(reads)

        def register(handler: Handler) -> Handler:
            hints = get_type_hints(handler)
            models = {
                name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, BaseModel)
            }
            body, query, answer = models.get("body"), models.get("query"), models.get("return")
            operation = Operation(
                method,
                path,
                handler,
                status,
                errors,
                public,
                once,
                media,
                body=body,
                query=query,
                answer=answer,
                takes=takes or {},
                fields=fields,
                versioned=versioned,
                verbs=verbs,
                first=first,
            )
            self.operations.append(operation)
            return handler

        return register

    def add_to(self, app: web.Application, authenticate: Authenticate) -> None:
        """Serve every operation, and the document."""
        document = self.document()
        for one in self.operations:
            app.router.add_route(
                one.method, PREFIX + re.sub(r"{(\w+)}", _checked, one.path), _served(one, authenticate)
            )

        async def openapi(_: web.Request) -> web.Response:
            return web.json_response(document)

        app.router.add_get(f"{PREFIX}/openapi.json", openapi)

    def document(self) -> dict[str, Any]:
        """OpenAPI 3.1."""
        models: dict[type[BaseModel], str] = {Problem: "serialization"}
        for one in self.operations:
            models |= {one.body: "validation"} if one.body else {}
            models |= {one.answer: "serialization"} if one.answer else {}
        pairs: Any = list(models.items())
        refs, schemas = models_json_schema(pairs, ref_template=REF)
        names: dict[Any, str] = {model: ref["$ref"] for (model, _), ref in refs.items()}
        paths: dict[str, dict[str, Any]] = {}
        for one in self.operations:
            paths.setdefault(PREFIX + one.path, {})[one.method.lower()] = _described(one, names)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Lianbo (联播)",
                "version": "1",
                "description": "Control server of a county's emergency broadcast. Times are RFC 3339 with offset.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "paths": paths,
            "components": {
                "schemas": schemas["$defs"],
                "securitySchemes": {
                    "session": {"type": "apiKey", "in": "cookie", "name": "lianbo_session"},
                    "token": {"type": "http", "scheme": "bearer"},
                },
            },
            "security": [{"session": []}, {"token": []}],
        }


def _checked(match: re.Match[str]) -> str:
    """A parameter of a path with the pattern that the document shows, so that what does not fit is not found."""
    pattern = PARAMETERS[match[1]].get("pattern", "")
    return f"{{{match[1]}:{pattern.strip('^$')}}}" if pattern else match[0]


def _served(one: Operation, authenticate: Authenticate) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        call = Call(request, None if one.public else await authenticate(request))
        if call.who is not None:
            if call.who.must_change and not one.first:
                raise PasswordChangeNeeded(call.who.name)
            must_hold_one(call.who, one.verbs, now_ms=call.services.clock.now_ms())
        if one.versioned:
            _ = call.revision  # before the body: who does not say what it starts from is told so whatever it sends
        values: dict[str, BaseModel] = {}
        if one.query is not None:
            try:
                values["query"] = one.query.model_validate(dict(request.query))
            except ValidationError as err:
                raise invalid(err) from None
        if one.body is not None:
            values["body"] = await read_json(request, one.body)
        if one.once:
            call.once = once_key(request, *(value.model_dump_json() for value in values.values()))
        answer = await one.handler(call, **values)
        if isinstance(answer, web.StreamResponse):
            return answer
        if answer is None:
            return web.Response(status=one.status, headers=call.headers)
        body = answer.model_dump_json()
        return web.Response(text=body, status=one.status, content_type="application/json", headers=call.headers)

    return handle


def _described(one: Operation, names: Mapping[Any, str]) -> dict[str, Any]:
    summary, _, rest = (one.handler.__doc__ or one.handler.__name__).strip().partition("\n")
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": dict(PARAMETERS[name])}
        for name in re.findall(r"{(\w+)}", one.path)
    ]
    for model in filter(None, (one.query, one.fields)):
        parameters += _query_parameters(model)
    if one.once:
        about = "made when the dialog opens; the same key with the same request acts once, for 24 hours"
        schema = {"type": "string", "pattern": "^[!-~]{1,200}$"}
        parameters.append({"name": KEY, "in": "header", "description": about, "schema": schema})
    if one.versioned:
        about = "the ETag of what was read: what somebody else has changed meanwhile is not overwritten"
        schema = {"type": "string", "pattern": '^"[0-9]{1,9}"$'}
        parameters.append({"name": MATCH, "in": "header", "required": True, "description": about, "schema": schema})
    described: dict[str, Any] = {
        "operationId": one.handler.__name__,
        "summary": summary,
        "responses": _answers(one, names),
    }
    if rest.strip():
        described["description"] = re.sub(r"\s+", " ", rest.strip())
    if parameters:
        described["parameters"] = parameters
    if one.body is not None:
        content = {"application/json": {"schema": {"$ref": names[one.body]}}}
        described["requestBody"] = {"required": True, "content": content}
    if one.takes:
        described["requestBody"] = {"required": True, "content": dict(one.takes)}
    if one.public:
        described["security"] = []
    return described


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    return [
        {"name": name, "in": "query", "schema": {k: v for k, v in spec.items() if k != "title"}}
        for name, spec in schema.get("properties", {}).items()
    ]


def _answers(one: Operation, names: Mapping[Any, str]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "done" if one.status != 202 else "taken on; the speakers answer later"}
    if one.answer is not None:
        good["content"] = {"application/json": {"schema": {"$ref": names[one.answer]}}}
    elif one.media:
        good["content"] = {one.media: {"schema": {"type": "string"}}}
    if one.status == 202:
        good["headers"] = {"Location": {"schema": {"type": "string"}}}
    answers: dict[str, Any] = {str(one.status): good}
    errors = [*one.errors, *OFTEN, *(() if one.public else (NotSignedIn, RoleNotGranted))]
    errors += [] if one.public or one.verbs & WHILE_LOCKED else [SessionLocked]
    errors += [] if one.public or one.first else [PasswordChangeNeeded]
    errors += [*WITH_BODY] if one.body else []
    errors += [InvalidRequest] if one.query or one.once else []
    errors += [KeyReused] if one.once else []
    errors += [RevisionNeeded] if one.versioned else []
    errors += [NotFound] if "{" in one.path else []
    errors += [CrossOrigin] if one.method != "GET" else []
    by_status: dict[int, set[str]] = {}
    for error in errors:
        status, slug = PROBLEMS[error]
        by_status.setdefault(int(status), set()).add(slug)
    content = {"application/problem+json": {"schema": {"$ref": names[Problem]}}}
    for code, slugs in sorted(by_status.items()):
        answers[str(code)] = {"description": ", ".join(sorted(slugs)), "content": content}
    return answers
