"""What the pages and the API are handed by the server."""

from pathlib import Path
from typing import TYPE_CHECKING

from broadcast.service.previews import Previews
from broadcast.service.wall import Wall
from broadcast.transport.printer import ChildPrinter
from broadcast.web.app import Services

if TYPE_CHECKING:
    from broadcast.server.server import Server


def services_of(server: "Server") -> Services:
    """All of them; the server has made its parts."""
    return Services(
        clock=server.clock,
        broadcasts=server.broadcasts,
        boards=server.boards,
        estate=server.estate,
        speakers=server.speakers,
        feed=server.feed,
        health=server.health,
        officers=server.officers,
        admission=server.admission,
        reach=server.governance.reach,
        policy=server.governance.policy,
        approvals=server.governance.approvals,
        plans=server.governance.plans,
        drafts=server.governance.drafts,
        drills=server.governance.drills,
        effects=server.governance.effects,
        care=server.care,
        watch=server.watch,
        wall=Wall(
            clock=server.clock,
            store=server.store,
            estate=server.estate,
            broadcasts=server.broadcasts,
            routine=server.planning.boards,
            ladder=server.ladder,
            speakers=server.speakers,
        ),
        latency=server.latency,
        proofs=server.proofs,
        reports=server.governance.reports,
        figures=server.governance.figures,
        printer=ChildPrinter(),
        live=server.live,
        wording=server.wording,
        endings=server.endings,
        programmes=server.programmes,
        planning=server.planning,
        gate=server.gate,
        previews=Previews(clock=server.clock, voice=server.speech, broadcasts=server.broadcasts),
        conferring=server.conferring,
        wire_up=lambda: server.wire.is_up,
        assets=server.assets,
        asset=lambda sha256: _asset(server, sha256),
    )


def _asset(server: "Server", sha256: str) -> Path | None:
    try:
        digest = bytes.fromhex(sha256)
    except ValueError:
        return None
    return server.library.path(digest) if len(digest) == 32 and server.library.has(digest) else None
