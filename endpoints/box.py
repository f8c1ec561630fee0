"""What turns a `Player` into a speaker, in software as in the field: an MQTT link, a disk, a sound output and a clock.

The player decides and this carries out, in the order given: what must survive a power cut is on the disk before it sounds, and
sounds before it is reported. Nothing is queued here while the link is down; the player's journal is the only queue.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Protocol

from endpoints.effects import NewEnd
from endpoints.fields import BadMessage
from endpoints.kept import Kept
from endpoints.mqtt_link import AckToken, BrokerAddress, LinkError, MqttLink, OnMessage, Will
from endpoints.output import Output
from endpoints.player import Effect, Identity, Keep, Play, Player, Send, Stop, TakeStock, Trust, Volume
from endpoints.protocol import (
    Order,
    board_topic,
    gone_topic,
    hello_topic,
    ping_topic,
    programme_topic,
    report_topic,
    root_of,
    stock_topic,
    time_topic,
)
from endpoints.sealing import MAX_FRAME_BYTES, Message
from endpoints.setup import about_topic, setup_topic
from endpoints.vocabulary import Fault, Reason

KEEPALIVE_S = 30
MAX_INFLIGHT = 64
MAX_OUTBOX_BYTES = 1024 * 1024

SAID_ON: Mapping[Message, tuple[Callable[[str, str], str], int]] = {  # where each message goes, and its QoS
    Message.HELLO: (hello_topic, 0),
    Message.REPORT: (report_topic, 1),
    Message.STOCK: (stock_topic, 0),
    Message.PING: (ping_topic, 0),
    Message.ABOUT: (about_topic, 1),
}

log = logging.getLogger(__name__)

Handler = Callable[[bytes], None]


class Clock(Protocol):
    """A monotonic clock, and how long by the loop's clock until it stands at a time."""

    def now(self) -> float: ...
    def seconds_until(self, at: float) -> float: ...


class MonotonicClock:
    """The clock of the machine."""

    def now(self) -> float:
        return time.monotonic()

    def seconds_until(self, at: float) -> float:
        return at - time.monotonic()


class Disk(Protocol):
    """Where the player's state survives a power cut; `KeptFile` is one."""

    def read(self) -> Kept:
        """:raises BadMessage: torn or foreign. :raises OSError: broken."""

    def write(self, kept: Kept) -> None:
        """:raises OSError: full or broken; what was there is as it was."""


class Box:
    """One speaker (音柱、大喇叭). Made and called inside one event loop; callbacks run in it and none of them waits.

    :param hear: what the link calls instead of `hear`, for who stands between the two.
    :param random: for jitter and nonces; a seeded one makes a run repeatable.
    :param rtc_ms, pings: see `Player`.
    :param amplifier: whether the amplifier is well; asked often, so it must not wait.
    """

    __slots__ = (
        "_amplifier",
        "_disk",
        "_handlers",
        "_loop",
        "_now_sounds",
        "_off",
        "_output",
        "_timer",
        "_timer_at",
        "clock",
        "link",
        "player",
    )

    def __init__(
        self,
        who: Identity,
        trust: Trust,
        *,
        broker: BrokerAddress,
        disk: Disk,
        output: Output,
        random: Random,
        clock: Clock | None = None,
        hear: OnMessage | None = None,
        rtc_ms: int | None = None,
        pings: bool = False,
        amplifier: Callable[[], bool] = lambda: True,
    ) -> None:
        self.clock, self._amplifier = clock or MonotonicClock(), amplifier
        self._loop = asyncio.get_running_loop()
        self._disk, self._output = disk, output
        self._now_sounds: _Sounding | None = None
        self._off = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        kept, readable = self._read(who.id)
        self.player = Player(
            who,
            trust,
            kept=kept,
            boot=random.getrandbits(48),
            random=random,
            now=self.clock.now(),
            rtc_ms=rtc_ms,
            pings=pings,
        )
        self.player.fault(Fault.DISK, present=not readable)
        root = root_of(who.exercise)
        self.link = MqttLink(
            broker,
            who.id,
            on_message=hear or self._on_message,
            on_up=self._on_up,
            on_down=self._on_down,
            keepalive_s=KEEPALIVE_S,
            will=Will(gone_topic(root, who.id), b""),
            random=random,
            max_inflight=MAX_INFLIGHT,
            max_outbox_bytes=MAX_OUTBOX_BYTES,
            max_packet_bytes=MAX_FRAME_BYTES + 1024,
        )
        hear_board, hear_programme = self._hear_board, self._hear_programme
        self._handlers: dict[str, Handler] = {
            time_topic(root, who.id): self._hear_time,
            setup_topic(root, who.id): self._hear_setup,
            **{board_topic(root, scope): hear_board for scope in who.scopes},
            **{programme_topic(root, scope): hear_programme for scope in who.scopes},
        }
        self.link.subscribe((topic, 1) for topic in self._handlers)
        output.on_change(self._on_stock_changed)
        output.follow(lambda: self.player.time_line)

    def start(self, *, delay_s: float = 0.0, online: bool = True) -> None:
        """Power on: take up what was kept, and connect, if there is a line."""
        self._carry_out(self.player.start(self.clock.now()))
        if online:
            self.link.start(delay_s=delay_s)

    async def stop(self) -> None:
        """Leave in an orderly way: silence, DISCONNECT, no will. The output must have faded out before."""
        self._quieten()
        await self.link.stop()

    def drop(self) -> None:
        """Power off, this instant: nothing is said, nothing is kept; the connection breaks."""
        self._quieten()
        self.link.drop()

    def on_time_changed(self) -> None:
        """The clock was set or runs at another rate: the timer has to be set again."""
        self._cancel_timer()
        self._tick()

    def on_output_changed(self) -> None:
        """The sound card or the amplifier broke or works again, or silence was heard."""
        self.player.fault(Fault.SOUND, present=self._output.broken)
        self.player.fault(Fault.SILENCE, present=self._output.silent)
        self.player.fault(Fault.FILES, present=self._output.short_of_files)
        self.player.fault(Fault.AMPLIFIER, present=not self._amplifier())

    def _on_stock_changed(self) -> None:
        self.on_output_changed()
        self.player.stock_changed(self.clock.now())
        self._set_timer()

    def time_us(self) -> int | None:
        """The server's time; None while it is not known."""
        line = self.player.time_line
        return None if line is None else line.us(self.clock.now())

    def listen(self, topic: str, handler: Handler, *, qos: int = 0) -> None:
        """Subscribe to one more topic, now or when there is a connection, and again after each reconnect.

        :param handler: gets each payload that is not empty; what is retained there comes at each subscription.
        """
        self._handlers[topic] = handler
        self.link.subscribe([(topic, qos)])

    def unlisten(self, topic: str) -> None:
        """Nothing of that topic is handed on any more."""
        if self._handlers.pop(topic, None) is not None:
            self.link.unsubscribe([topic])

    def _quieten(self) -> None:
        """For good: who is switched off decides nothing any more, also when the connection is seen to be gone."""
        self._off = True
        self._cancel_timer()
        if self._now_sounds is not None:
            order, self._now_sounds = self._now_sounds.order, None
            self._output.stop(order)

    def _read(self, speaker: str) -> tuple[Kept, bool]:
        try:
            return self._disk.read(), True
        except (BadMessage, OSError) as err:
            log.error("%s: starts with nothing remembered: %s", speaker, err)
            return Kept(), False

    # What the link tells --------------------------------------------------------------------------------------------------

    def _on_up(self, _session_present: bool) -> None:
        """SUBSCRIBE stands in the outbox before what we say now, and a broker reads a connection in order."""
        self._carry_out(self.player.connected(self.clock.now()))

    def _on_down(self, reason: str) -> None:
        log.debug("%s: disconnected: %s", self.player.who.id, reason)
        self.player.disconnected()
        self._set_timer()

    def _on_message(self, topic: str, payload: bytes, _qos: int, _retained: bool, _token: AckToken) -> None:
        self.hear(topic, payload)

    def hear(self, topic: str, payload: bytes) -> None:
        """A message came; empty is how a broker's retained message is cleared, and says nothing."""
        handler = self._handlers.get(topic)
        if payload and handler is not None:
            handler(payload)

    def _hear_board(self, frame: bytes) -> None:
        self._carry_out(self.player.board(frame, self.clock.now()))
        self._output.expect(self.player.wanted)

    def _hear_programme(self, frame: bytes) -> None:
        self._carry_out(self.player.board(frame, self.clock.now(), Message.PROGRAMME))
        self._output.expect(self.player.wanted)

    def _hear_setup(self, frame: bytes) -> None:
        """It is answered with the faults that there are now: it may be a test."""
        self.on_output_changed()
        self._carry_out(self.player.settings(frame, self.clock.now()))

    def _hear_time(self, frame: bytes) -> None:
        self._carry_out(self.player.time(frame, self.clock.now()))  # takes up boards that came before the time
        self._output.expect(self.player.wanted)

    # What the output tells ------------------------------------------------------------------------------------------------

    def sounding_started(self, sounding: "_Sounding", reason: Reason, at: float | None) -> None:
        if sounding is self._now_sounds:
            self.on_output_changed()
            self._carry_out(self.player.started(sounding.order, self.clock.now(), reason, at))

    def sounding_ended(self, sounding: "_Sounding", failure: Reason) -> None:
        if sounding is not self._now_sounds:
            return
        self._now_sounds = None
        self.on_output_changed()
        now = self.clock.now()
        if failure is Reason.NONE:
            self._carry_out(self.player.finished(sounding.order, now))
        else:
            self._carry_out(self.player.failed(sounding.order, failure, now))

    # What the player decides ----------------------------------------------------------------------------------------------

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Keep(kept):
                    self._keep(kept)
                case Stop(order):
                    self._now_sounds = None
                    self._output.stop(order)
                case Play(order):
                    self._now_sounds = _Sounding(self, order.id)
                    at = None if effect.at_ms is None else self.player.when(effect.at_ms)
                    self._output.play(effect, self._now_sounds, left_s=self._left_s(order), at=at)
                case Volume(order, percent):
                    self._output.set_volume(order, percent)
                case NewEnd(order):
                    self._output.set_end(order.id, left_s=self._left_s(order), fade_ms=order.fade_ms)
                case TakeStock():
                    self._carry_out(self.player.stock(self._output.stock(), self.clock.now()))
                case Send(message, frame):
                    self._say(message, frame)
        self._set_timer()

    def _left_s(self, order: Order) -> float:
        now_ms = self.player.time_ms(self.clock.now())
        return 0.0 if now_ms is None else (order.not_after_ms - now_ms) / 1000

    def _keep(self, kept: Kept) -> None:
        """A speaker that cannot remember still warns: it goes on, says that its disk is broken, and the player tries again."""
        was_broken = bool(self.player.faults & Fault.DISK)
        try:
            self._disk.write(kept)
        except OSError as err:
            if not was_broken:
                log.error("%s: state not kept: %s", self.player.who.id, err)
            self.player.fault(Fault.DISK, present=True)
        else:
            self.player.fault(Fault.DISK, present=False)

    def _say(self, message: Message, frame: bytes) -> None:
        who = self.player.who
        topic, qos = SAID_ON[message]
        try:
            self.link.publish(topic(root_of(who.exercise), who.id), frame, qos)
        except LinkError as err:
            log.debug("%s: not said now: %s", who.id, err)  # a heartbeat is worth nothing later, a report comes again

    # Time -----------------------------------------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        """A timer that is too early stays: it finds nothing to do and sets the next; so a busy speaker leaves no dead ones."""
        wake_at = float("inf") if self._off else self.player.wake_at
        if wake_at == float("inf") or (self._timer is not None and self._timer_at <= wake_at):
            return
        self._cancel_timer()
        self._timer_at = wake_at
        self._timer = self._loop.call_later(max(0.0, self.clock.seconds_until(wake_at)), self._tick)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        self.on_output_changed()
        self._carry_out(self.player.tick(self.clock.now()))


class _Sounding:
    """One `play`, told apart from an earlier one of the same order."""

    __slots__ = ("_box", "order")

    def __init__(self, box: Box, order: str) -> None:
        self._box, self.order = box, order

    def started(self, reason: Reason = Reason.NONE, at: float | None = None) -> None:
        self._box.sounding_started(self, reason, at)

    def finished(self) -> None:
        self._box.sounding_ended(self, Reason.NONE)

    def failed(self, reason: Reason) -> None:
        self._box.sounding_ended(self, reason)
