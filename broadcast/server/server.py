"""The composition root: the one module that knows every class. It makes the server of one city and keeps its loops going.

Order of a start: database, keys, broker, services, web. Order of a stop: web, loops, wire, broker, database.
"""

import contextlib
import logging
from collections.abc import Sequence
from datetime import timedelta

from audio_assets.library import AssetLibrary
from broadcast.clock import Clock, SystemClock
from broadcast.domain.area_import import read_table
from broadcast.domain.broadcasts import Broadcast
from broadcast.domain.live import LiveRules
from broadcast.domain.templates import read_templates
from broadcast.keyring import Keyring, open_keyring
from broadcast.provisioning import provision, quiet_hours
from broadcast.server.brokers import broker_settings, broker_users, remember_port
from broadcast.server.caring import Caring
from broadcast.server.conferring import confer, start_conferring
from broadcast.server.epoch import next_epoch
from broadcast.server.governance import Governance, account_rules, govern
from broadcast.server.hosting import DataFolderUnusable, DeskPortTaken, spare_the_collector
from broadcast.server.loops import Loops
from broadcast.server.serving import services_of
from broadcast.server.watchkeeping import keep_watch, shift_change, start_loops
from broadcast.service.admission import Admission
from broadcast.service.asset_gate import AssetGate
from broadcast.service.assets import AssetRules, Assets, UsableSounds
from broadcast.service.boards import Boards
from broadcast.service.broadcasts import Broadcasts
from broadcast.service.broker_watch import watch_broker
from broadcast.service.endings import Endings
from broadcast.service.estate import Estate
from broadcast.service.feed import Feed
from broadcast.service.health import Health
from broadcast.service.ingest import Ingest
from broadcast.service.ladder import KEEP_BROADCASTS, Ladder, waited_until_ms
from broadcast.service.latency import Latency
from broadcast.service.live import Live
from broadcast.service.live_boards import LiveBoards
from broadcast.service.live_run import Studio
from broadcast.service.officers import Officers
from broadcast.service.passwords import Argon2Hasher
from broadcast.service.planning import Planning, Rules
from broadcast.service.policies import ApprovalPolicy
from broadcast.service.ports import StoreUnavailable, Tx
from broadcast.service.presence import Speakers
from broadcast.service.proofs import Proofs
from broadcast.service.relaying import Relaying
from broadcast.service.relays import Relays
from broadcast.service.wording import Wording
from broadcast.store.sealed_texts import SealedTexts
from broadcast.store.store import SqlStore, open_store
from broadcast.transport.broker import Broker, open_broker
from broadcast.transport.broker_users import BrokerUser
from broadcast.transport.holidays import announced
from broadcast.transport.live_air import SignedAir, most_deliveries_per_s
from broadcast.transport.live_source import LiveSources
from broadcast.transport.live_tape import FileTapes
from broadcast.transport.live_words import LiveWords
from broadcast.transport.voice import LibrarySounds, open_voice
from broadcast.transport.wire import ServerWire
from broadcast.transport.workshop import open_workshop
from broadcast.web.app import make_app
from broadcast.web.guard import serve
from config.areas import load_packaged
from config.settings import Settings
from config.templates import with_own
from endpoints.area_codes import padded
from endpoints.protocol import OrderRule
from endpoints.provisioning import Provisioning

log = logging.getLogger(__name__)


class Server:
    """One city's control server."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self.settings, self.clock = settings, clock or SystemClock()
        self.folder = settings.server.data_folder
        self.address = ""
        self.first_password = ""
        self._open = contextlib.AsyncExitStack()  # what has been started, to be stopped in the reverse order

    # ---- start and stop -------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Up when it returns: the desk answers, the boards are on their way to the broker.

        :raises StoreInUse, SchemaNotCurrent, StoreUnavailable, BadKeyFile, BrokerError, OSError: with a sentence to act on.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as err:
            raise DataFolderUnusable(self.folder, err) from err
        now_ms = self.clock.now_ms()
        self.store: SqlStore = open_store(
            self.settings.database_url, pace_ms=float(self.settings.database.commit_every_ms)
        )
        self._open.push_async_callback(self.store.close)
        self.keyring: Keyring = open_keyring(
            self.folder / "keys",
            county=self.settings.server.county,
            algorithm=self.settings.signing.algorithm,
            key_days=self.settings.signing.key_days,
            now_ms=now_ms,
        )
        epoch = await self.store.write(lambda tx: next_epoch(tx, now_ms))
        await self._first_start()
        self._make_services(epoch)
        await self.estate.load()
        await self.assets.load(self.workshop.unsettled())
        self.workshop.settle()
        await self.boards.load()
        await self.ladder.load(await self._unfinished())
        await self.planning.load()
        await self.governance.load()
        await self.officers.factors.seal_all()
        await self.caring.load()
        await self.watch.load()
        await self.conferring.load()
        self.speakers.expect(self.estate.speakers)
        await self._start_broker()
        self._make_live(epoch)
        await self.live.recover()
        self._open.push_async_callback(self._finish_work)
        self._start_loops()
        await self._start_web()
        spare_the_collector()

    async def _unfinished(self) -> list[Broadcast]:
        """Those on boards, and those that ended so late that the last run can't have drawn its conclusions about them."""

        def work(tx: Tx) -> list[Broadcast]:
            seen_ms = int(tx.facts.get("seen_ms") or 0)
            return [
                one for one in tx.broadcasts.page(before=None, limit=KEEP_BROADCASTS) if waited_until_ms(one) >= seen_ms
            ]

        carried = self.boards.carried
        late = [one for one in await self.store.read(work) if one.id not in carried]
        return [*late, *carried.values()]

    async def stop(self) -> None:
        """Everything down in the reverse order; what speakers play goes on, they hold it themselves."""
        await self._open.aclose()

    async def _finish_work(self) -> None:
        await self._loops.end()
        await self.broadcasts.close()
        await self.ingest.close()
        await self.planning.boards.close()
        await self.watch.close()
        with contextlib.suppress(StoreUnavailable):
            await self.caring.setups.close()
            await self.ladder.write_behind(at_once=True)

    async def _first_start(self) -> None:
        """The area table of the county, on an empty database."""
        if len(await self.store.read(lambda tx: tx.areas.tree())) == 0:
            tree = read_table(load_packaged(self.settings.server.county))
            await self.store.write(lambda tx: tx.areas.replace(tree))
            log.info("area table of %s loaded: %s areas", self.settings.server.county, len(tree))

    def _make_services(self, epoch: int) -> None:
        clock, store, signers = self.clock, self.store, self.keyring.signers
        level_first = self.settings.rules.priority_order == "level-first"
        self.rule = OrderRule.LEVEL_FIRST if level_first else OrderRule.SEVERITY_FIRST
        self.health, self.feed = Health(clock.now_ms), Feed()
        self._loops = Loops(clock, self.health)
        self.estate = Estate(store=store, master=self.keyring.master)
        self.speakers = Speakers(clock=clock, on_change=self.feed.spoke)
        self.wire = ServerWire(on_message=self._on_message, on_up=self._on_wire_up, on_down=self._on_wire_down)
        self.boards = Boards(clock=clock, store=store, wire=self.wire, health=self.health, signers=signers, epoch=epoch)
        self.ladder = Ladder(
            clock=clock, store=store, estate=self.estate, health=self.health, on_change=self._on_delivered
        )
        self.latency = Latency(clock=clock, broadcast=self.boards.find, state=self.ladder.state)
        kept, quiet = self.settings.programmes, quiet_hours(self.settings.rules)
        self.planning = Planning(
            clock=clock,
            store=store,
            estate=self.estate,
            wire=self.wire,
            live=self.boards,
            ladder=self.ladder,
            speakers=self.speakers,
            feed=self.feed,
            health=self.health,
            signer=signers[False],
            announced=announced(),
            rules=Rules(quiet, self.rule, kept.keep_reports_days, kept.keep_days),
        )
        self.proofs = Proofs(clock=clock, store=store, estate=self.estate, health=self.health)
        self.caring = Caring(
            clock=clock,
            store=store,
            wire=self.wire,
            estate=self.estate,
            speakers=self.speakers,
            health=self.health,
            settings=self.settings,
            keyring=self.keyring,
            epoch=epoch,
            broker=lambda: self.broker.address("", ""),
            on_change=self.refresh_users,
            is_near_change=shift_change(self.settings),
        )
        self.ingest = Ingest(
            clock=clock,
            store=store,
            wire=self.wire,
            estate=self.estate,
            boards=self.boards,
            ladder=self.ladder,
            speakers=self.speakers,
            staging=self.planning.staging,
            proofs=self.proofs,
            setups=self.caring.setups,
            caretaking=self.caring.caretaking,
            health=self.health,
            signers=signers,
            rule=self.rule,
        )
        self.library = AssetLibrary(self.folder / "assets")
        asked = self.settings.speech
        self.worker, self.speech = open_voice(
            self.library, asked.words_per_minute, asked.voice, asked.readings, asked.voices_folder
        )
        self._open.push_async_callback(self.worker.close)
        self._open_sound_library()
        sounds = UsableSounds(LibrarySounds(self.library), self.assets.fault)
        live = self.settings.live
        self.sources = LiveSources(card=live.card, addresses=live.relay_addresses)
        self.programmes = self.planning.programmes(sounds=sounds, voice=self.speech, sources=self.sources)
        self.gate = AssetGate(
            monotonic=clock.monotonic,
            estate=self.estate,
            urgent=self.boards.needs,
            bytes_per_s=kept.staging_kbytes_per_s * 1_000,
        )
        asked_rules = self.settings.rules
        policy = ApprovalPolicy(clock=clock, store=store, estate=self.estate, second_person=asked_rules.second_person)
        self.broadcasts = Broadcasts(
            clock=clock,
            store=store,
            estate=self.estate,
            boards=self.boards,
            routine=self.planning.boards,
            ladder=self.ladder,
            speech=self.speech,
            sounds=sounds,
            feed=self.feed,
            health=self.health,
            lead_ms=asked_rules.start_lead_ms,
            gate=policy,
        )
        self.wording = Wording(
            clock=clock,
            estate=self.estate,
            templates=read_templates(with_own(self.folder / "templates.toml")),
            suffix=self.settings.speech.issuer,
            utc_offset=timedelta(minutes=self.settings.rules.utc_offset_min),
        )
        self.endings = Endings(clock=clock, broadcasts=self.broadcasts, wording=self.wording, speech=self.speech)
        self.hasher = Argon2Hasher()
        self._open.callback(self.hasher.close)
        asked_accounts = self.settings.accounts
        self.officers = Officers(
            clock=clock,
            store=store,
            hasher=self.hasher,
            live=self.broadcasts.live,
            duty_rooms=asked_accounts.duty_rooms,
            rules=account_rules(asked_accounts),
            sealing=SealedTexts(self.keyring.master),
            on_change=self.feed.nudge,
            bell=self.health,
        )
        self.admission = Admission.of(
            self.officers,
            clock=clock,
            store=store,
            hasher=self.hasher,
            tree=lambda: self.estate.tree,
            on_policy=policy.load,
        )
        self.governance: Governance = govern(
            clock=clock,
            store=store,
            estate=self.estate,
            boards=self.boards,
            routine=self.planning.boards,
            broadcasts=self.broadcasts,
            policy=policy,
            ladder=self.ladder,
            speakers=self.speakers,
            proofs=self.proofs,
            wording=self.wording,
            sounds=sounds,
            feed=self.feed,
            bell=self.health,
            passed=self.officers.drill_passed,
            rule=self.rule,
            quiet=quiet,
        )
        self.care = self.caring.complete(self.broadcasts)
        self.watch = keep_watch(
            clock=clock,
            store=store,
            estate=self.estate,
            speakers=self.speakers,
            broadcasts=self.broadcasts,
            ladder=self.ladder,
            feed=self.feed,
            health=self.health,
            keyring=self.keyring,
            settings=self.settings,
            troubles=self.care.troubles.now,
            requests=lambda: self.governance.approvals.requests,
        )

        self.conferring = confer(clock, store, self.estate, self.health, self.library, self.broadcasts, self.settings)
        self._open.push_async_callback(self.conferring.engine.stop)

    def _open_sound_library(self) -> None:
        asked = self.settings.assets
        self.workshop = open_workshop(
            self.library, largest_mb=asked.largest_mb, longest_min=asked.longest_min, keep_free_mb=asked.keep_free_mb
        )
        self._open.callback(self.workshop.close)
        self.assets = Assets(
            clock=self.clock,
            store=self.store,
            estate=self.estate,
            workshop=self.workshop,
            health=self.health,
            rules=AssetRules(asked.uploads_at_once, asked.approver_must_differ, asked.only_approved),
        )
        self._open.push_async_callback(self.assets.close)

    def _make_live(self, epoch: int) -> None:
        """After the broker: its engine says what it carries."""
        asked, clock, store, health = self.settings.live, self.clock, self.store, self.health
        most = asked.max_deliveries_per_s or most_deliveries_per_s(self.broker.engine)
        rules = LiveRules(asked.delay_ms, asked.max_minutes, asked.silence_s, asked.silence_dbfs, most)
        air = SignedAir(wire=self.wire, signers=self.keyring.signers, epoch=epoch)
        tapes = FileTapes(self.folder / "live", self.library)
        studio = Studio(clock=clock, store=store, health=health, air=air, tapes=tapes, rules=rules)
        words = LiveWords(self.speech, self.library)
        boards = LiveBoards(clock, self.estate, self.boards, self.broadcasts, self.ladder, self.rule)
        self.live = Live(studio=studio, boards=boards, sources=self.sources, words=words)
        self.relays = Relays(studio=studio, estate=self.estate, sources=self.sources)
        self.relaying = Relaying(clock=clock, boards=self.planning.boards, relays=self.relays, health=health)
        self._open.push_async_callback(self.live.stop)
        self._open.push_async_callback(self.relays.stop_all)

    async def _start_broker(self) -> None:
        asked = self.settings.broker
        self.broker: Broker = open_broker(broker_settings(asked, self.folder), self._broker_users())
        self._open.push_async_callback(self.broker.stop)
        await self.broker.start()
        external = asked.engine == "external"
        address = self.broker.address(asked.username, asked.password if external else self.keyring.broker_password)
        if not external:
            remember_port(self.folder, address.port)
        self._open.push_async_callback(self.wire.close)
        self.wire.connect(address)

    def _broker_users(self) -> list[BrokerUser]:
        who, now_ms = self.estate.speakers.values(), self.clock.now_ms()
        return broker_users(self.settings.broker.username, self.keyring, who, now_ms=now_ms)

    async def _start_web(self) -> None:
        server = self.settings.server
        services = services_of(self)
        app = make_app(services, language=server.language, trust_forwarded=server.trust_forwarded)
        try:
            runner, port = await serve(app, host=server.host, port=server.port)
        except OSError as err:
            raise DeskPortTaken(server.host, server.port, err) from err
        self._open.push_async_callback(runner.cleanup)
        self.address = f"http://{server.host}:{port}"

    def _start_loops(self) -> None:
        self.governance.start_loops(self._loops)
        self.caring.start_loops(self._loops)
        start_loops(self.watch, self._loops)
        self._loops.every("ladder", 0.5, self._ladder_tick)
        self._loops.every("live", 0.1, self.live.tick)
        self._loops.every("presence", 2.0, self._presence_tick)
        self._loops.every("housekeeping", 5.0, self.broadcasts.housekeep)
        self._loops.every("programmes", 5.0, self.planning.boards.housekeep)
        self._loops.every("relays", 1.0, self.relaying.tick)
        self._loops.every("as-run", 2.0, self.planning.keep_record)
        self._loops.every("programme-files", 60.0, self.programmes.watch_files)
        self._loops.every("sessions", 60.0, self.officers.housekeep)
        start_conferring(self.conferring, self._loops)
        self._loops.every("endings", 1.0, self.endings.tick)
        self._loops.every("tools", 2.0, self._notice_tools)
        self._loops.every("conditions", 2.0, self._watch)
        self._loops.every("sounds", 60.0, self._look_after_sounds)

    # ---- what the loops do ----------------------------------------------------------------------------------------------

    async def _ladder_tick(self) -> None:
        self.boards.tick()
        self.planning.tick()
        self.ladder.tick()
        await self.ladder.write_behind()

    async def _presence_tick(self) -> None:
        self.speakers.tick(wire_up=self.wire.is_up)
        self.latency.tick()

    async def _notice_tools(self) -> None:
        """What `lianbo users`, `speakers` and `areas` did to the database beside this server."""
        await self.officers.look_again()
        if await self.estate.refresh():
            self.refresh_users()
            log.info("areas or speakers have changed: %s speakers", len(self.estate))

    async def _look_after_sounds(self) -> None:
        await self.assets.housekeep()
        for condition, cause in (await self.workshop.conditions()).items():
            if cause:
                self.health.raise_(condition, cause=cause)
            else:
                self.health.clear(condition)

    async def _watch(self) -> None:
        """Turn what can be seen into conditions that the desk shows."""
        watch_broker(
            self.health,
            self.broker.health(),
            wire_up=self.wire.is_up,
            pending=self.boards.pending + self.planning.boards.pending,
        )
        await self.store.write(lambda tx: tx.facts.set("seen_ms", str(self.clock.now_ms())))
        self.health.clear("store-unavailable")

    def _on_delivered(self, broadcast: str, speakers: Sequence[str]) -> None:
        self.feed.delivered(broadcast, speakers)
        self.latency.moved(broadcast, speakers)
        self.planning.as_run.moved(broadcast, speakers)

    # ---- the wire -------------------------------------------------------------------------------------------------------

    def _on_message(self, topic: str, payload: bytes, qos: int, retained: bool, token: int) -> None:
        self.ingest.message(topic, payload, qos, retained, token)

    def _on_wire_up(self) -> None:
        self.health.clear("broker-down")
        self.boards.republish()
        self.live.wire_up()
        self.relays.wire_up()
        self.planning.boards.republish()
        self.caring.setups.republish()

    def _on_wire_down(self) -> None:
        self.boards.lost()
        self.planning.boards.lost()
        self.caring.setups.lost()
        self.speakers.wire_lost()
        self.health.raise_("broker-down")

    # ---- for tools ------------------------------------------------------------------------------------------------------

    def refresh_users(self) -> None:
        """After speakers were enrolled or changed: the broker learns their accounts, presence expects them, setups go out."""
        self.broker.set_users(self._broker_users())
        self.speakers.expect(self.estate.speakers)
        self.caring.follow()

    def provisioning(self) -> Provisioning:
        """What speakers have to be told, at this machine's own address: for the simulator."""
        return provision(
            self.estate.speakers.values(),
            keyring=self.keyring,
            rules=self.settings.rules,
            broker=self.broker.address("", ""),
            assets_url=self.address,
        )

    @property
    def county(self) -> str:
        """The 12-digit code of the city."""
        return padded(self.settings.server.county)
