"""Switching faults of a simulator that runs in another process: one JSON object a line over a Unix socket, one line back.

`{"speaker": "s-001", "fault": "silent", "on": true}`; `speaker` is an id, a list of ids or `"*"`. `on` is true when left out.
`{"ask": "status"}` counts, `{"ask": "speaker", "speaker": "s-001"}` looks at one. The answer has `"ok"`, and `"error"` when it
is false. Whoever may write into the folder of the socket may switch: it is for demonstrations, drills and tests.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from endpoints.simulator import SimulatedSpeaker, Simulator

MAX_LINE_BYTES = 1024 * 1024  # 30,000 ids
SOCKET_MODE = 0o600

log = logging.getLogger(__name__)


class BadCommand(ValueError):
    """Not a command, or to nobody; the sentence says what to write instead."""


class SimulatorControl:
    """The socket. `start`, then `stop`, which takes the file away."""

    def __init__(self, simulator: Simulator, path: Path) -> None:
        self._simulator, self._path = simulator, path
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """:raises OSError: the folder is missing, or the path is longer than a socket's may be (107 bytes)."""
        self._server = await asyncio.start_unix_server(self._serve, self._path, limit=MAX_LINE_BYTES)
        self._path.chmod(SOCKET_MODE)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for line in self._lines:
                line.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(line), ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as err:  # ValueError: a line over the limit
            log.warning("simulator control: %s", err)
        finally:
            self._lines.discard(writer)
            writer.close()

    def answer(self, line: bytes) -> dict[str, object]:
        """What to answer to one line, after doing what it says."""
        try:
            return {"ok": True, **self._obey(_parsed(line))}
        except ValueError as err:
            return {"ok": False, "error": str(err)}

    def _obey(self, command: Mapping[str, object]) -> dict[str, object]:
        match command.get("ask"):
            case None:
                speakers = self._meant(command.get("speaker"))
                switch = _switch(command)
                for speaker in speakers:
                    switch(speaker)
                return {"changed": len(speakers)}
            case "status":
                simulator = self._simulator
                return {
                    "speakers": len(simulator.speakers),
                    "connected": simulator.connected,
                    "sounding": simulator.sounding,
                }
            case "speaker":
                (speaker, *_) = self._meant(command.get("speaker"))
                return _facts(speaker)
            case other:
                raise BadCommand(f"ask for status or speaker, not {other!r}")

    def _meant(self, who: object) -> list[SimulatedSpeaker]:
        speakers = self._simulator.speakers
        if who == "*":
            return list(speakers.values())
        names = who if isinstance(who, list) else [who]
        if not names:
            raise BadCommand("nobody is meant")
        found = [speakers[name] for name in names if isinstance(name, str) and name in speakers]
        if len(found) < len(names):
            raise BadCommand(
                f"{len(names) - len(found)} of {len(names)} speakers are not here; the first asked: {names[0]!r}"
            )
        return found


async def ask(path: Path, command: Mapping[str, object]) -> dict[str, object]:
    """Send one command to a running simulator; its answer.

    :raises OSError: no simulator listens there.
    :raises BadCommand: it refused.
    """
    reader, writer = await asyncio.open_unix_connection(path, limit=MAX_LINE_BYTES)
    try:
        writer.write(json.dumps(command).encode() + b"\n")
        await writer.drain()
        answer = _parsed(await reader.readline())
    finally:
        writer.close()
    if answer.get("ok") is not True:
        raise BadCommand(str(answer.get("error")))
    return answer


def _parsed(line: bytes) -> dict[str, object]:
    try:
        value = json.loads(line)
    except ValueError as err:
        raise BadCommand(f"not JSON: {err}") from err
    if not isinstance(value, dict):
        raise BadCommand("not a JSON object")
    return value


# ---- faults -------------------------------------------------------------------------------------------------------------


def _number(command: Mapping[str, object], name: str, default: float) -> float:
    value = command.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e9:
        raise BadCommand(f"{name} is not a number")
    return float(value)


def _silent(command: Mapping[str, object], on: bool) -> Callable[[SimulatedSpeaker], None]:
    return lambda speaker: speaker.goes_silent(on)


def _deaf(command: Mapping[str, object], on: bool) -> Callable[[SimulatedSpeaker], None]:
    return lambda speaker: speaker.goes_deaf(on)


def _slow(command: Mapping[str, object], on: bool) -> Callable[[SimulatedSpeaker], None]:
    seconds = max(0.0, _number(command, "seconds", 5.0)) if on else 0.0
    return lambda speaker: speaker.goes_slow(seconds)


def _clock(command: Mapping[str, object], on: bool) -> Callable[[SimulatedSpeaker], None]:
    drift, jump = _number(command, "drift_ms_per_s", 50.0), _number(command, "jump_ms", 0.0)
    if drift <= -1000:
        raise BadCommand("drift_ms_per_s must be more than -1000, or the clock runs backwards")
    if not on:
        return lambda speaker: speaker.wrong_clock(0.0)
    return lambda speaker: speaker.wrong_clock(drift, jump_ms=jump)


def _power(command: Mapping[str, object], on: bool) -> Callable[[SimulatedSpeaker], None]:
    return SimulatedSpeaker.loses_power if on else SimulatedSpeaker.gets_power


def _disk(command: Mapping[str, object], on: bool) -> Callable[[SimulatedSpeaker], None]:
    return lambda speaker: speaker.disk_full(on)


def _forge(command: Mapping[str, object], on: bool) -> Callable[[SimulatedSpeaker], None]:
    per_s = min(1000.0, max(0.0, _number(command, "per_s", 1.0))) if on else 0.0
    return lambda speaker: speaker.forges_reports(per_s)


def _silence(command: Mapping[str, object], on: bool) -> Callable[[SimulatedSpeaker], None]:
    return lambda speaker: speaker.plays_silence(on)


def _files(command: Mapping[str, object], on: bool) -> Callable[[SimulatedSpeaker], None]:
    return lambda speaker: speaker.lacks_files(on)


def _amplifier(command: Mapping[str, object], on: bool) -> Callable[[SimulatedSpeaker], None]:
    return lambda speaker: speaker.breaks_amplifier(on)


def _network(command: Mapping[str, object], on: bool) -> Callable[[SimulatedSpeaker], None]:
    return lambda speaker: speaker.lost_network(on)


FAULTS: Mapping[str, tuple[Callable[[Mapping[str, object], bool], Callable[[SimulatedSpeaker], None]], frozenset[str]]]
FAULTS = {
    "silent": (_silent, frozenset()),
    "deaf": (_deaf, frozenset()),
    "slow": (_slow, frozenset({"seconds"})),
    "clock": (_clock, frozenset({"drift_ms_per_s", "jump_ms"})),
    "power": (_power, frozenset()),
    "disk": (_disk, frozenset()),
    "forge": (_forge, frozenset({"per_s"})),
    "network": (_network, frozenset()),
    "silence": (_silence, frozenset()),
    "files": (_files, frozenset()),
    "amplifier": (_amplifier, frozenset()),
}


def _switch(command: Mapping[str, object]) -> Callable[[SimulatedSpeaker], None]:
    fault, on = command.get("fault"), command.get("on", True)
    if not isinstance(fault, str) or fault not in FAULTS:
        raise BadCommand(f"a fault is one of {', '.join(FAULTS)}, not {fault!r}")
    if not isinstance(on, bool):
        raise BadCommand("on is neither true nor false")
    make, numbers = FAULTS[fault]
    if odd := sorted(command.keys() - numbers - {"speaker", "fault", "on"}):
        raise BadCommand(f"{fault} has no {odd[0]!r}")
    return make(command, on)


def _facts(speaker: SimulatedSpeaker) -> dict[str, object]:
    player = speaker.player
    return {
        "speaker": speaker.config.id,
        "area": speaker.config.area,
        "power": speaker.has_power,
        "connected": speaker.connected,
        "sounds": speaker.sounds,
        "faults": 0 if player is None else int(player.faults),
        "orders": [] if player is None else [order.id for order in player.orders],
        "heard": [play.order.id for play in speaker.heard],
        "programmes": {} if player is None else {name: one.version for name, one in player.programmes.items()},
        "lacking": speaker.lacking,
    }
