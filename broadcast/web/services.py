"""What the pages and the API ask, handed over by the composition root."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from broadcast.clock import Clock
from broadcast.service.admission import Admission
from broadcast.service.approvals import Approvals
from broadcast.service.asset_gate import AssetGate
from broadcast.service.assets import Assets
from broadcast.service.boards import Boards
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.care import Care
from broadcast.service.conference.conferring import Conferring
from broadcast.service.drafts import Drafts
from broadcast.service.drills import Drills
from broadcast.service.effects import Effects
from broadcast.service.endings import Endings
from broadcast.service.estate import Estate
from broadcast.service.feed import Feed
from broadcast.service.health import Health
from broadcast.service.latency import Latency
from broadcast.service.live import Live
from broadcast.service.officers import Officers
from broadcast.service.planning import Planning
from broadcast.service.plans import Plans
from broadcast.service.policies import ApprovalPolicy
from broadcast.service.ports import Printer
from broadcast.service.presence import Speakers
from broadcast.service.previews import Previews
from broadcast.service.programmes import Programmes
from broadcast.service.proofs import Proofs
from broadcast.service.reach import Reach
from broadcast.service.reports import Reports
from broadcast.service.statistics import Figures
from broadcast.service.wall import Wall
from broadcast.service.watchkeeping import Watchkeeping
from broadcast.service.wording import Wording


@dataclass(frozen=True, slots=True)
class Services:
    """All of them.

    :param wire_up: whether the server is connected to the broker now.
    :param asset: the sound file with this SHA-256 (64 hex digits), or None.
    """

    clock: Clock
    broadcasts: Broadcasts
    boards: Boards
    estate: Estate
    speakers: Speakers
    feed: Feed
    health: Health
    officers: Officers
    admission: Admission
    reach: Reach
    policy: ApprovalPolicy
    approvals: Approvals
    plans: Plans
    drafts: Drafts
    drills: Drills
    effects: Effects
    care: Care
    watch: Watchkeeping
    wall: Wall
    latency: Latency
    proofs: Proofs
    reports: Reports
    figures: Figures
    printer: Printer
    live: Live
    wording: Wording
    endings: Endings
    programmes: Programmes
    planning: Planning
    gate: AssetGate
    previews: Previews
    conferring: Conferring
    wire_up: Callable[[], bool]
    assets: Assets
    asset: Callable[[str], Path | None]


@dataclass(frozen=True, slots=True)
class Options:
    """How the web is set.

    :param language: of pages until the visitor chooses.
    :param trust_forwarded: a proxy stands before us; who and how it was asked stand in X-Forwarded-For and -Proto.
    """

    language: str = "zh-CN"
    trust_forwarded: bool = False


SERVICES = web.AppKey("services", Services)
OPTIONS = web.AppKey("options", Options)
REQUEST_ID = web.RequestKey("request_id", str)
OFFICER_NAME = web.RequestKey("officer_name", str)
