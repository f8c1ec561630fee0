"""The server of Zunhua with everything real but the broker, the voice and the disk: for tests of services and pages."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from broadcast.clock import SystemClock
from broadcast.domain.accounts import AccountRules
from broadcast.domain.area_import import read_table
from broadcast.domain.areas import AreaTree
from broadcast.domain.broadcasts import Fault
from broadcast.domain.officers import Grant, Officer, Role, Verb
from broadcast.domain.rights import STARTS
from broadcast.domain.speakers import Speaker, default_id
from broadcast.domain.spoken import Layout, Preview, Script, SpokenNote, VoiceThere
from broadcast.domain.templates import read_templates
from broadcast.server.governance import govern
from broadcast.service.admission import Admission
from broadcast.service.asset_gate import AssetGate
from broadcast.service.assets import AssetRules, Assets
from broadcast.service.boards import Boards
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.conference.conferring import Conferring
from broadcast.service.endings import Endings
from broadcast.service.estate import Estate
from broadcast.service.feed import Feed
from broadcast.service.health import Health
from broadcast.service.ladder import Ladder
from broadcast.service.latency import Latency
from broadcast.service.officers import Officers
from broadcast.service.passwords import Hasher
from broadcast.service.planning import Planning, Rules
from broadcast.service.policies import ApprovalPolicy
from broadcast.service.ports import Account, ReportRow, SpeechFailed, Spoken, WireDown, Workshop
from broadcast.service.presence import Speakers
from broadcast.service.previews import Previews
from broadcast.service.proofs import Proofs
from broadcast.service.wall import Wall
from broadcast.service.wording import Wording
from broadcast.store.sealed_texts import SealedTexts
from broadcast.transport.holidays import announced
from broadcast.transport.printer import ChildPrinter
from broadcast.web.services import Services
from config.areas import load_packaged
from config.templates import packaged_templates
from endpoints.arbitration import QuietHours
from endpoints.protocol import Hello, Kind, OrderRule, Reason, Stage
from endpoints.sealing import Ed25519Signer
from tests.caring import care_for
from tests.conference.paper import PaperEngine
from tests.memory_store import MemoryStore
from tests.no_live import no_live
from tests.quick_workshop import QuickWorkshop
from tests.watchers import watch_over

CITY = "130281000000"
TOWNSHIP = "130281100000"  # 遵化镇
OTHER_TOWNSHIP = "130281101000"
PASSWORD = "correct horse battery"

CHIEF = Officer("chief", "值班长", Role.ADMINISTRATOR, CITY)
DUTY = Officer("duty", "王芳", Role.DUTY, CITY)
MAY_BROADCAST = Grant("granted", STARTS | {Verb.PLAN_PROGRAMME}, TOWNSHIP, 0, 4_102_444_800_000, "chief")
TOWN_DUTY = Officer("town", "李强", Role.DUTY, TOWNSHIP, (MAY_BROADCAST,))
APPROVER = Officer("approver", "赵敏", Role.APPROVER, CITY)
VIEWER = Officer("viewer", "访客", Role.VIEWER, CITY)


class ShiftedClock(SystemClock):
    """Real time that can be moved on."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now_us(self) -> int:
        return super().now_us() + int(self.ahead_s * 1e6)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s

    def advance(self, seconds: float) -> None:
        self.ahead_s += seconds


class QuickHasher:
    """As fast as the real one is slow; counts."""

    def __init__(self) -> None:
        self.verified = 0

    async def hash(self, password: str) -> str:
        return hashlib.sha256(password.encode()).hexdigest()

    async def verify(self, kept: str, password: str) -> bool:
        self.verified += 1
        return kept == await self.hash(password)

    def is_outdated(self, kept: str) -> bool:
        return False


class RecordingWire:
    """A broker that takes everything at once, or is away."""

    def __init__(self) -> None:
        self.is_up = True
        self.published: list[tuple[str, bytes]] = []

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> asyncio.Future[None]:
        if not self.is_up:
            raise WireDown
        self.published.append((topic, payload))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def ack(self, tokens: Iterable[int]) -> None:
        """Nothing waits for it here."""


class QuickSpeech:
    """Says everything at once; or can't, when told."""

    fails = ""

    async def speak(self, text: str, *, exercise: bool) -> Spoken:
        if self.fails:
            raise SpeechFailed(self.fails)
        said = f"演练。{text}" if exercise else text
        return Spoken(hashlib.sha256(said.encode()).digest(), 4_000, 250 * len(text))

    async def make(self, script: Script, *, urgent: bool) -> Preview:
        if script.asset:
            if self.fails:
                raise SpeechFailed(self.fails)
            drill = hashlib.sha256(b"drill" + script.asset).digest()
            return Preview(drill, 99_000, 30_000, "演练。", "演练。", "espeak", ())
        made = await self.preview(script.text, exercise=script.exercise, voice=script.voice, rate=script.rate)
        if script.bed is None and not script.rate:
            return made
        return replace(made, asset=hashlib.sha256(repr((made.asset, script.bed, script.rate)).encode()).digest())

    async def whole(self, layout: Layout) -> Spoken | None:
        return Spoken(hashlib.sha256(repr(layout).encode()).digest(), 50_000, 60_000)

    async def preview(self, text: str, *, exercise: bool, voice: str, rate: int) -> Preview:
        spoken = await self.speak(text, exercise=exercise)
        notes = (SpokenNote("voice-missing", voice),) if voice not in ("", "espeak") else ()
        said = f"演练。{text}" if exercise else text
        return Preview(spoken.asset, spoken.asset_bytes, spoken.asset_ms, said, said, "espeak", notes)

    async def voices(self) -> list[VoiceThere]:
        return [VoiceThere("espeak", instant=True)]


MELODY = Spoken(hashlib.sha256(b"melody").digest(), 96_000, 24_000)


class FewSounds:
    """A library with one file, that may be lost."""

    there = True
    refused = ""  # why it may not be used

    def find(self, asset: bytes) -> Spoken | None:
        return MELODY if asset == MELODY.asset and self.there else None

    def fault(self, asset: bytes) -> str:
        return self.refused if self.find(asset) else "unknown-asset"


_tree = read_table(load_packaged("130281"))


def zunhua_speakers(tree: AreaTree) -> list[Speaker]:
    """One in each village, one for each township and one for the city: 718."""
    return [Speaker(default_id(area.code), area.code, area.short_name) for area in tree]


class RadioRules:
    """One radio may be relayed, and there is one sound card."""

    async def fault(self, address: str, *, field: str) -> Fault | None:
        if address.startswith("https://radio.example/") or address in ("card", "card:Line In"):
            return None
        return Fault(field, "unknown-card" if address.startswith("card") else "relay-not-allowed")


@dataclass
class Town:
    """The parts, and what speakers would do."""

    clock: ShiftedClock
    store: MemoryStore
    wire: RecordingWire
    speech: QuickSpeech
    hasher: Hasher
    services: Services
    ladder: Ladder
    workshop: Workshop
    shelf: FewSounds
    told: int = field(default=0)

    def hello(self, *names: str, on_air: str = "", faults: int = 0) -> None:
        """These speakers say that they are there."""
        now_ms = self.clock.now_ms()
        for name in names:
            self.services.speakers.hello(Hello(name, 1, b"", 1, 1, 1, on_air, faults, (0, 0, 0, 0), (), now_ms))

    def all_there(self, *, but: Iterable[str] = ()) -> None:
        """Everybody is online but those, of whom it is known that they are not."""
        away = set(but)
        names = list(self.services.estate.speakers)
        self.hello(*names)
        for name in away:
            self.services.speakers.gone(name)

    async def report(self, order: str, names: Iterable[str], *stages: Stage, reason: Reason = Reason.NONE) -> None:
        """These speakers say that the order got so far; in the table and on the ladder when this returns."""
        now_ms, rows = self.clock.now_ms(), []
        for name in names:
            for stage in stages:
                self.told += 1
                rows.append(ReportRow(order, name, stage, now_ms - 40, 1, reason, 1, self.told, now_ms))
        await self.store.keep_reports(rows)
        self.ladder.take(rows)

    async def sign_in(self, officer: Officer = DUTY) -> str:
        """A session's token."""
        return (await self.services.officers.sign_in(officer.name, PASSWORD, address="127.0.0.1")).token

    def kinds(self) -> list[Kind]:
        return [one.order.kind for one in self.services.broadcasts.live()]


@asynccontextmanager
async def town(
    *,
    hasher: Hasher | None = None,
    assets: Path | None = None,
    workshop: Workshop | None = None,
    rules: AssetRules | None = None,
    clock: ShiftedClock | None = None,
    accounts: AccountRules | None = None,
    bytes_per_s: int = 0,
    second_person: bool = False,
) -> AsyncIterator[Town]:
    """Zunhua with 718 speakers of which nothing is known yet, and five officers with one password.

    :param workshop: what takes uploaded sounds apart; a quick stand-in unless named.
    :param second_person: the approval policy as delivered; without, one officer is enough for everything.
    """
    clock, store, wire, speech = clock or ShiftedClock(), MemoryStore(), RecordingWire(), QuickSpeech()
    used = hasher or QuickHasher()
    hashed = await used.hash(PASSWORD)

    def furnish(tx: object) -> None:
        tx.areas.replace(_tree)  # type: ignore[attr-defined]
        tx.speakers.add(zunhua_speakers(_tree))  # type: ignore[attr-defined]
        for officer in (CHIEF, DUTY, TOWN_DUTY, APPROVER, VIEWER):
            tx.accounts.add(Account(officer, hashed))  # type: ignore[attr-defined]

    await store.write(furnish)
    signers = {False: Ed25519Signer(b"\1" * 32), True: Ed25519Signer(b"\2" * 32)}
    health, feed = Health(clock.now_ms), Feed()
    estate = Estate(store=store, master=b"\3" * 32)
    await estate.load()
    speakers = Speakers(clock=clock, on_change=feed.spoke)
    boards = Boards(clock=clock, store=store, wire=wire, health=health, signers=signers, epoch=1)
    moved: list[Latency] = []
    planned: list[Planning] = []

    def on_change(broadcast: str, names: object) -> None:
        feed.delivered(broadcast, names)  # type: ignore[arg-type]
        moved[0].moved(broadcast, names)  # type: ignore[arg-type]
        planned[0].as_run.moved(broadcast, names)  # type: ignore[arg-type]

    ladder = Ladder(clock=clock, store=store, estate=estate, health=health, on_change=on_change)
    moved.append(Latency(clock=clock, broadcast=boards.find, state=ladder.state))
    planning = Planning(
        clock=clock,
        store=store,
        estate=estate,
        wire=wire,
        live=boards,
        ladder=ladder,
        speakers=speakers,
        feed=feed,
        health=health,
        signer=signers[False],
        announced=announced(),
        rules=Rules(QuietHours(), OrderRule.SEVERITY_FIRST, keep_reports_days=30, keep_days=730),
    )
    planned.append(planning)
    shelf = FewSounds()
    bench = workshop or QuickWorkshop()
    sounds = Assets(clock=clock, store=store, estate=estate, workshop=bench, health=health, rules=rules or AssetRules())
    policy = ApprovalPolicy(clock=clock, store=store, estate=estate, second_person=second_person)
    broadcasts = Broadcasts(
        clock=clock,
        store=store,
        estate=estate,
        boards=boards,
        routine=planning.boards,
        ladder=ladder,
        speech=speech,
        sounds=shelf,
        feed=feed,
        health=health,
        gate=policy,
    )
    speakers.expect(estate.speakers)
    wording = Wording(
        clock=clock,
        estate=estate,
        templates=read_templates(packaged_templates()),
        suffix="应急广播",
        utc_offset=timedelta(hours=8),
    )
    await planning.load()
    await planning.keep_record()
    proofs = Proofs(clock=clock, store=store, estate=estate, health=health)
    governance = govern(
        clock=clock,
        store=store,
        estate=estate,
        boards=boards,
        routine=planning.boards,
        broadcasts=broadcasts,
        policy=policy,
        ladder=ladder,
        speakers=speakers,
        proofs=proofs,
        wording=wording,
        sounds=shelf,
        feed=feed,
        bell=health,
        rule=OrderRule.SEVERITY_FIRST,
        quiet=QuietHours(),
    )
    await governance.load()
    officers = Officers(
        clock=clock,
        store=store,
        hasher=used,
        live=broadcasts.live,
        rules=accounts or AccountRules(),
        sealing=SealedTexts(b"\3" * 32),
        on_change=feed.nudge,
        bell=health,
    )
    care = await care_for(
        clock=clock,
        store=store,
        wire=wire,
        estate=estate,
        speakers=speakers,
        health=health,
        broadcasts=broadcasts,
        master=b"\3" * 32,
        on_change=lambda: speakers.expect(estate.speakers),
    )
    watch = watch_over(
        clock=clock,
        store=store,
        estate=estate,
        speakers=speakers,
        broadcasts=broadcasts,
        ladder=ladder,
        feed=feed,
        health=health,
        signer=signers[False],
        requests=lambda: governance.approvals.requests,
    )
    conferring = Conferring.of(
        clock=clock, store=store, estate=estate, health=health, engine=PaperEngine(), sound_of=lambda _: None
    )
    services = Services(
        clock=clock,
        care=care,
        watch=watch,
        broadcasts=broadcasts,
        boards=boards,
        estate=estate,
        speakers=speakers,
        feed=feed,
        health=health,
        officers=officers,
        admission=Admission.of(
            officers, clock=clock, store=store, hasher=used, tree=lambda: estate.tree, on_policy=policy.load
        ),
        reach=governance.reach,
        policy=governance.policy,
        approvals=governance.approvals,
        plans=governance.plans,
        drafts=governance.drafts,
        drills=governance.drills,
        effects=governance.effects,
        wall=Wall(
            clock=clock,
            store=store,
            estate=estate,
            broadcasts=broadcasts,
            routine=planning.boards,
            ladder=ladder,
            speakers=speakers,
        ),
        latency=moved[0],
        live=no_live(clock, store, health, estate, boards, broadcasts, ladder),
        proofs=proofs,
        reports=governance.reports,
        figures=governance.figures,
        printer=ChildPrinter(),
        wording=wording,
        endings=Endings(clock=clock, broadcasts=broadcasts, wording=wording, speech=speech),
        programmes=planning.programmes(sounds=shelf, voice=speech, sources=RadioRules()),
        planning=planning,
        gate=AssetGate(monotonic=clock.monotonic, estate=estate, urgent=boards.needs, bytes_per_s=bytes_per_s),
        previews=Previews(clock=clock, voice=speech, broadcasts=broadcasts),
        conferring=conferring,
        wire_up=lambda: wire.is_up,
        assets=sounds,
        asset=lambda name: assets / name if assets and (assets / name).is_file() else None,
    )
    await conferring.load()
    try:
        yield Town(clock, store, wire, speech, used, services, ladder, bench, shelf)
    finally:
        await sounds.close()
        await broadcasts.close()
        await planning.boards.close()
