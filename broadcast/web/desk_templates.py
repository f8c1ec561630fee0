"""Warning templates at the desk (预警模板): choose one, fill its gaps, see the text locked, confirm. Without JavaScript, too.

The words are made here from the gaps at every step, also at the last one: a form that was tampered with changes nothing in them.
"""

from dataclasses import replace

from aiohttp import web

from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import may
from broadcast.domain.templates import Template
from broadcast.service.wording import UnknownTemplate, When
from broadcast.web.desk_parts import HOME
from broadcast.web.forms import GAP, KINDS, SEVERITIES, Draft, by_field
from broadcast.web.pages import language_of, page
from broadcast.web.places import choices
from broadcast.web.problems import faults_of, status_of
from broadcast.web.services import SERVICES, Services
from broadcast.web.session import officer_of
from broadcast.web.words import LANGUAGES, Words

TEMPLATES = f"{HOME}/templates"


def worded(services: Services, officer: Officer, draft: Draft) -> tuple[Draft, list[Fault]]:
    """With the words and the kind of its template, if it has one; or what is wrong in its gaps.

    :raises UnknownTemplate:
    """
    if not draft.template:
        return draft, []
    template = template_of(services, draft.template)
    kinds = {kind: word for word, kind in KINDS.items()}
    draft = replace(draft, kind=kinds[template.kind], text="-", headline="", asset="")
    try:
        found = services.wording.word(template.id, draft.filling(), When(), areas=draft.areas, by=officer)
    except InvalidRequest as err:
        faults = [dict(one) for one in err.errors]
        return draft, [Fault(one.pop("field"), one.pop("code"), tuple(one.items())) for one in faults]
    return replace(draft, text=found.text, headline=found.headline), []


def template_of(services: Services, name: str) -> Template:
    """:raises UnknownTemplate:"""
    found = services.wording.templates.get(name)
    if found is None:
        raise UnknownTemplate(name)
    return found


def template_form(
    request: web.Request, officer: Officer, draft: Draft, err: BroadcastError | None = None
) -> web.Response:
    """The gaps, with what was typed, and every fault at its field."""
    services, language = request.app[SERVICES], language_of(request)
    template = template_of(services, draft.template)
    words = Words(language)
    faults = faults_of(err, words) if err else []
    named = {one["field"]: one["detail"] for one in faults}
    severities = {severity: word for word, severity in SEVERITIES.items()}
    return page(
        request,
        "template.html",
        officer=officer,
        status=int(status_of(err)) if err else 200,
        draft=draft,
        one=template,
        body=_with_titles(template, words, LANGUAGES.index(language)),
        issuer=services.wording.issuer_of(officer),
        severities=[severities[one] for one in template.severities],
        words_at=LANGUAGES.index(language),
        gap_prefix=GAP,
        faults=[one | {"at": _place_of(one["field"])} for one in faults],
        wrong={**by_field(faults), **{_place_of(field): detail for field, detail in named.items()}},
        choices=choices(services.estate.tree, officer.area),
    )


async def ask_gaps(request: web.Request) -> web.Response:
    """The empty form of one template."""
    officer, services = await officer_of(request), request.app[SERVICES]
    may(officer, Verb.PREVIEW, now_ms=services.clock.now_ms())
    template = template_of(services, request.match_info["template"])
    severities = {severity: word for word, severity in SEVERITIES.items()}
    severity = "unknown" if len(template.severities) != 1 else severities[template.severities[0]]
    gaps = (("when", services.wording.now()), ("actions", "0"))
    return template_form(request, officer, Draft(template=template.id, severity=severity, gaps=gaps))


def _with_titles(template: Template, words: Words, at: int) -> str:
    """The locked text; in its gaps, what is to stand there."""
    titles = {name: words(f"template.{name}") for name in ("place", "when", "actions", "until", "speaks")}
    titles |= {"issuer": titles["speaks"], "level": words("desk.severity")}
    titles |= {gap.name: gap.title[at] for gap in template.gaps}
    return template.body.format_map({name: f"【{title}】" for name, title in titles.items()})


def _place_of(field: str) -> str:
    """Where on the page a field is: a template's own gaps by their name, all others by the first word."""
    head, _, rest = field.partition(".")
    return GAP + rest if head == "values" else head


def add_to(app: web.Application) -> None:
    app.router.add_get(f"{TEMPLATES}/{{template}}", ask_gaps)
