"""What every page of the desk needs: who asks, for which broadcast, and whether a form is ours."""

from aiohttp import web
from multidict import MultiDictProxy

from broadcast.domain.broadcasts import Broadcast
from broadcast.domain.officers import Officer
from broadcast.web.bodies import read_form
from broadcast.web.services import SERVICES
from broadcast.web.session import must_be_our_form, officer_of, who_asks

HOME = "/emergency"


async def one_of(request: web.Request) -> tuple[Officer, Broadcast]:
    """The officer, and the broadcast of the address. :raises NotSignedIn, UnknownBroadcast:"""
    officer = await officer_of(request)
    return officer, await request.app[SERVICES].wall.get(request.match_info["broadcast"], by=officer)


async def our_form(request: web.Request, *, first: bool = False) -> tuple[Officer, MultiDictProxy[str]]:
    """What was sent, by whom.

    :param first: left to who has to choose another password before anything else.
    :raises NotSignedIn, StaleForm: it is of no page of this session.
    """
    officer = await (who_asks if first else officer_of)(request)
    fields = await read_form(request)
    must_be_our_form(request, str(fields.get("mark", "")))
    return officer, fields


def go(where: str) -> web.Response:
    """See the page there."""
    return web.Response(status=303, headers={"Location": where})
