"""Thousands of speakers in one process, each with its own MQTT connection and the same `Player` as the real box.

For tests, drills, demonstrations and load. There is no task per speaker: an idle one is a socket and two timers of the event
loop. Every fault that we know from the field can be switched on and off for each speaker while it runs.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from random import Random

from endpoints.box import Box
from endpoints.effects import Make
from endpoints.mqtt_link import AckToken, BrokerAddress, LinkError
from endpoints.player import Play, Player, Trust
from endpoints.protocol import Entry, Report, encode_report, report_topic, root_of
from endpoints.provisioning import Provisioning, SpeakerConfig
from endpoints.sealing import Message, seal_by_speaker
from endpoints.simulated_output import SimulatedOutput
from endpoints.simulated_parts import MemoryDisk, RememberingTrust, SimulatedClock
from endpoints.simulated_stream import SimulatedStreams
from endpoints.vocabulary import Reason, Stage

OUTPUT_LATENCY_S = 0.02
HEARD_MAX = 16
MODELS = ("模拟音柱 S1", "模拟收扩机 R2")
FIRMWARES = ("1.4.2", "1.3.9")

log = logging.getLogger(__name__)


class SimulatedSpeaker:
    """One speaker and the faults that can be switched on at it; each verb takes `on`, and False makes it whole again.

    `heard` is what it sounded last, oldest first, at most HEARD_MAX.

    :param trust, streams: shared with the others.
    """

    __slots__ = (
        "_box",
        "_broker",
        "_clock",
        "_deaf",
        "_delay_s",
        "_disk",
        "_forging",
        "_late",
        "_loop",
        "_network",
        "_output",
        "_random",
        "_trust",
        "config",
        "heard",
        "make",
    )

    def __init__(
        self,
        config: SpeakerConfig,
        trust: RememberingTrust,
        *,
        broker: BrokerAddress,
        streams: SimulatedStreams,
        random: Random,
        latency_s: float,
        fetch_s: float,
        make: Make = Make(),  # noqa: B008  frozen
    ) -> None:
        self.config, self.make = config, make
        self.heard: list[Play] = []
        self._loop = asyncio.get_running_loop()
        self._trust, self._broker, self._random = trust, broker, random
        self._disk, self._clock = MemoryDisk(), SimulatedClock()
        self._output = SimulatedOutput(
            latency_s=latency_s,
            heard=self._note_heard,
            clock=self._clock,
            random=random,
            streams=streams,
            line=self,
            fetch_s=fetch_s,
        )
        self._box: Box | None = None
        self._deaf, self._delay_s, self._network = False, 0.0, True
        self._late: list[asyncio.TimerHandle] = []
        self._forging: asyncio.TimerHandle | None = None

    # What can be seen -----------------------------------------------------------------------------------------------------

    @property
    def player(self) -> Player | None:
        """Its machine, or None while it has no power."""
        return self._box.player if self._box else None

    @property
    def has_power(self) -> bool:
        return self._box is not None

    @property
    def connected(self) -> bool:
        return self._box is not None and self._box.link.connected

    @property
    def sounds(self) -> str:
        """The order that is heard now, or empty."""
        return self._output.sounds

    @property
    def volume_percent(self) -> int:
        """How loud that is."""
        return self._output.percent if self._output.sounds else 0

    @property
    def lacking(self) -> int:
        """How many files it wants and does not have."""
        return len(self._output.files.lacking)

    # How live sound comes to it -------------------------------------------------------------------------------------------

    @property
    def area(self) -> str:
        return self.config.area

    @property
    def hears(self) -> bool:
        """Whether it is connected and takes in what comes."""
        return self.connected and not self._deaf

    def time_us(self) -> int | None:
        return self._box.time_us() if self._box is not None else None

    def listen(self, topic: str, handler: Callable[[bytes], None], *, qos: int = 0) -> None:
        if self._box is not None:
            self._box.listen(topic, handler, qos=qos)

    def unlisten(self, topic: str) -> None:
        if self._box is not None:
            self._box.unlisten(topic)

    # Faults ---------------------------------------------------------------------------------------------------------------

    def goes_silent(self, on: bool = True) -> None:
        """Its sound card breaks: what should sound fails with SOUND_CARD."""
        self._output.break_down(broken=on)
        if self._box is not None:
            self._box.on_output_changed()

    def plays_silence(self, on: bool = True) -> None:
        """Its amplifier hears nothing of what sounds: it says SILENCE, and that it sounds."""
        self._output.plays_silence = on
        if self._box is not None:
            self._box.on_output_changed()

    def breaks_amplifier(self, on: bool = True) -> None:
        """Its amplifier says that it is broken; what sounds does so all the same, and nobody hears it."""
        self._output.amplifier_broken = on
        if self._box is not None:
            self._box.on_output_changed()

    def lacks_files(self, on: bool = True) -> None:
        """Its files are gone and it can get no others: the fallback sounds in place of a programme, a notice fails."""
        self._output.files.lacks = on
        if on:
            self._output.files.lose()
        else:
            self._output.files.fetch()

    def goes_deaf(self, on: bool = True) -> None:
        """It is connected and beats, and handles nothing that comes: no board, no time."""
        self._deaf = on

    def goes_slow(self, seconds: float = 5.0) -> None:
        """Whatever comes is handled that much later, in order; 0 is quick again."""
        self._delay_s = seconds

    def wrong_clock(self, drift_ms_per_s: float = 50.0, *, jump_ms: float = 0.0) -> None:
        """Its monotonic clock gains so much each second, and leaps once; 0 and 0 let it run right from now on.

        :raises ValueError: the clock would run backwards.
        """
        self._clock.run_wrong(drift_ms_per_s=drift_ms_per_s, jump_ms=jump_ms)
        if self._box is not None:
            self._box.on_time_changed()

    def loses_power(self) -> None:
        """Off, this instant; what was on its disk stays. The broker sees the connection close: at a real cut of power it
        notices only after one and a half keepalives."""
        box, self._box = self._box, None
        if box is not None:
            self.forges_reports(0)
            self._forget_late()
            box.drop()
            self._output.switch_off()

    def gets_power(self, *, delay_s: float = 0.0) -> None:
        """It boots: a new player on the old disk, that asks for the time before it plays anything."""
        if self._box is not None:
            return
        self._box = Box(
            self.config.identity_as(self.make),
            self._trust,
            broker=self._broker,
            disk=self._disk,
            output=self._output,
            random=self._random,
            clock=self._clock,
            hear=self._hear,
            amplifier=lambda: not self._output.amplifier_broken,
        )
        self._box.start(delay_s=delay_s, online=self._network)

    def disk_full(self, on: bool = True) -> None:
        """Nothing more can be written; what was there stays."""
        self._disk.full = on

    def lost_network(self, on: bool = True) -> None:
        """Its line is cut, and comes back; meanwhile it goes on by what it holds."""
        self._network = not on
        self._output.files.offline = on
        if self._box is None:
            return
        self._output.files.fetch()
        if on:
            self._forget_late()
            self._box.link.drop()
        else:
            self._box.link.start()

    def forges_reports(self, per_s: float = 1.0) -> None:
        """A broken or taken-over speaker: in turn it reports in another's name, under another's topic, what cannot be, and
        bytes that are no report; so many a second, 0 stops it."""
        if self._forging is not None:
            self._forging.cancel()
            self._forging = None
        if per_s > 0 and self._box is not None:
            self._forging = self._loop.call_later(1 / per_s, self._forge, per_s, 0)

    def takes_secrets(self, config: SpeakerConfig, broker: BrokerAddress) -> None:
        """It has fetched newer ones: it leaves the broker and comes back with them, on the same disk."""
        self.config, self._broker = config, broker
        if self._box is not None:
            self.loses_power()
            self.gets_power()

    # Life -----------------------------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Leave in an orderly way."""
        box, self._box = self._box, None
        if box is not None:
            self.forges_reports(0)
            self._forget_late()
            await box.stop()
            self._output.switch_off()

    def _note_heard(self, play: Play) -> None:
        self.heard.append(play)
        del self.heard[:-HEARD_MAX]

    def _hear(self, topic: str, payload: bytes, _qos: int, _retained: bool, _token: AckToken) -> None:
        if self._deaf:
            return
        if self._delay_s or self._late:
            self._late.append(self._loop.call_later(self._delay_s, self._hear_late, topic, payload))
        elif self._box is not None:
            self._box.hear(topic, payload)

    def _hear_late(self, topic: str, frame: bytes) -> None:
        self._late.pop(0)
        if self._box is not None:
            self._box.hear(topic, frame)

    def _forget_late(self) -> None:
        for timer in self._late:
            timer.cancel()
        self._late.clear()

    def _forge(self, per_s: float, turn: int) -> None:
        self._forging = self._loop.call_later(1 / per_s, self._forge, per_s, turn + 1)
        if not self.connected or self._box is None:
            return
        topic, frame = self._forgery(turn)
        try:
            self._box.link.publish(topic, frame, 1)
        except LinkError as err:
            log.debug("%s: forgery not sent: %s", self.config.id, err)

    def _forgery(self, turn: int) -> tuple[str, bytes]:
        """A neighbour's name in our frame; our report under the neighbour's topic; an end without a beginning; noise."""
        root = root_of(self.config.exercise)
        neighbour = f"{self.config.id[:29]}-x"
        topic = report_topic(root, self.config.id)
        match turn % 4:
            case 0:
                return topic, self._sealed(neighbour, Stage.FINISHED, turn)
            case 1:
                return report_topic(root, neighbour), self._sealed(neighbour, Stage.SOUNDING, turn)
            case 2:
                return topic, self._sealed(self.config.id, Stage.FINISHED, turn)
            case _:
                return topic, self._random.randbytes(48)

    def _sealed(self, speaker: str, stage: Stage, turn: int) -> bytes:
        """About an order that it holds where there is one: of that the server expects something else."""
        held = self._box.player.orders if self._box is not None else ()
        order, revision = (held[0].id, held[0].revision) if held else ("forged-order", 1)
        entry = Entry(1_000_000 + turn, order, revision, stage, Reason.NONE, 1)
        boot = self._random.getrandbits(48)
        payload = encode_report(Report(speaker, boot, (entry,)))
        return seal_by_speaker(payload, Message.REPORT, exercise=self.config.exercise, key=self.config.key)


def make_of(speaker: str) -> Make:
    """As in the field: two models, and some boxes that nobody has updated."""
    luck = sum(speaker.encode()) % 20
    return Make(MODELS[luck % 2], FIRMWARES[0 if luck else 1])


class Simulator:
    """All the speakers of a provisioning file, by id. Made inside a running loop; `start` switches them on.

    :param only: ids of those to simulate, None for all.
    :param seed: makes jitter and nonces repeatable.
    :param latency_s: from the decision to sound to the first frame.
    :param fetch_s: how long a speaker takes, about, to get the files that it lacks; 0 is at once.
    """

    def __init__(
        self,
        provisioning: Provisioning,
        *,
        only: Iterable[str] | None = None,
        seed: int | None = None,
        latency_s: float = OUTPUT_LATENCY_S,
        fetch_s: float = 0.0,
        trust: Trust | None = None,
    ) -> None:
        self._trust = RememberingTrust(trust or provisioning.trust)
        random = Random(seed)  # noqa: S311 jitter and nonces of simulated speakers
        streams = SimulatedStreams(self._trust)
        wanted = None if only is None else frozenset(only)
        self._speakers = {
            config.id: SimulatedSpeaker(
                config,
                self._trust,
                broker=provisioning.broker_for(config),
                streams=streams,
                random=random,
                latency_s=latency_s,
                fetch_s=fetch_s,
                make=make_of(config.id),
            )
            for config in provisioning.speakers
            if wanted is None or config.id in wanted
        }

    @property
    def speakers(self) -> Mapping[str, SimulatedSpeaker]:
        return self._speakers

    @property
    def connected(self) -> int:
        """How many hold a connection now."""
        return sum(speaker.connected for speaker in self._speakers.values())

    @property
    def sounding(self) -> int:
        """At how many something is heard now."""
        return sum(bool(speaker.sounds) for speaker in self._speakers.values())

    def start(self, *, over_s: float = 0.0) -> None:
        """Switch all on, spread evenly over so many seconds; a link makes 64 handshakes at a time anyway."""
        for n, speaker in enumerate(self._speakers.values()):
            speaker.gets_power(delay_s=over_s * n / len(self._speakers))

    async def stop(self) -> None:
        """Switch all off in an orderly way."""
        await asyncio.gather(*(speaker.stop() for speaker in self._speakers.values()))
