"""A broadcast to groups of speakers becomes one to what they hold now, before anything else looks at it."""

from broadcast.domain.broadcasts import StartBroadcast
from broadcast.web.models import NewBroadcast
from broadcast.web.openapi import Call


async def command_of(call: Call, body: NewBroadcast) -> StartBroadcast:
    """The command with its groups told as areas and speakers. :raises InvalidRequest: there is no such group."""
    if not body.groups:
        return body.command()
    command = body.model_copy(update={"groups": []}).command()
    return await call.services.care.groups.expand(command, body.groups, by=call.officer)
