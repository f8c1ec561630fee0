"""A flood of worthless reports, from a process of its own: `python -m tests.system.flood FILE ORDER PER_S SECONDS`.

The file names the speakers whose accounts are used, as when some boxes were stolen. What they send is malformed, too long, in
another speaker's name, of another time, about nothing that was ordered, or a heartbeat of yesterday. Packets are made beforehand
and written by hand, for it has to be cheaper than what it floods. At the end it prints how many it sent and the broker took.
"""

import asyncio
import json
import struct
import sys
import time
from pathlib import Path
from random import Random

from bench.generator import packet, text
from endpoints.protocol import (
    Entry,
    Hello,
    Reason,
    Report,
    Stage,
    encode_hello,
    encode_report,
    hello_topic,
    report_topic,
    root_of,
)
from endpoints.provisioning import Provisioning, SpeakerConfig, read_provisioning
from endpoints.sealing import Message, seal_by_speaker

POOL = 1_000  # packets of one link, sent over and over
EVERY_S = 0.01
HOUR_MS = 3_600_000


class Link(asyncio.Protocol):
    """One account's connection; under a client id of its own, so that it throws nobody out."""

    def __init__(self, config: SpeakerConfig, order: str, random: Random) -> None:
        self.taken, self.up = 0, asyncio.get_running_loop().create_future()
        self._config, self._order, self._random = config, order, random
        self._packets = [self._publish(n + 1) for n in range(POOL)]
        self._at = 0
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        name, password = self._config.id, self._config.password
        head = text("MQTT") + b"\x04\xc2\x00\x00"
        transport.write(packet(0x10, head + text(f"flood-{name}") + text(name) + text(password)))

    def data_received(self, data: bytes) -> None:
        if not self.up.done():
            assert data[:4] == b"\x20\x02\x00\x00", data
            self.up.set_result(None)
            data = data[4:]
        data = self._rest + data
        self.taken += len(data) // 4  # nothing but PUBACKs comes
        self._rest = data[len(data) // 4 * 4 :]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.up.done():
            self.up.set_exception(exc or ConnectionResetError("refused"))

    def send(self, count: int) -> None:
        chosen = [self._packets[(self._at + n) % POOL] for n in range(count)]
        self._at = (self._at + count) % POOL
        self._transport.write(b"".join(chosen))

    def close(self) -> None:
        self._transport.close()

    # ---- what it says -----------------------------------------------------------------------------------------------------

    def _publish(self, number: int) -> bytes:
        topic, frame = self._worthless(number)
        return packet(0x32, text(topic) + struct.pack(">H", number) + frame)

    def _worthless(self, number: int) -> tuple[str, bytes]:
        config, random = self._config, self._random
        root, now_ms = root_of(config.exercise), time.time_ns() // 1_000_000
        mine, other = report_topic(root, config.id), f"{config.id[:29]}-x"
        long, order = 20_000 if number % 64 == 1 else 60, self._order
        topic = mine
        match number % 8:
            case 0:
                frame = random.randbytes(random.randrange(1, 200))
            case 1:
                frame = self._seal(random.randbytes(long))
            case 2:
                frame = self._report(number, other, order, Stage.FINISHED, now_ms)
            case 3:  # the broker's access list keeps this one from us
                topic, frame = report_topic(root, other), self._report(number, other, order, Stage.SOUNDING, now_ms)
            case 4:
                frame = self._report(number, config.id, order, Stage.FINISHED, now_ms + HOUR_MS)
            case 5:
                frame = self._report(number, config.id, order, Stage.SOUNDING, now_ms - 24 * HOUR_MS)
            case 6:
                frame = self._report(number, config.id, f"no-such-{number}", Stage.MISSED, now_ms - HOUR_MS)
            case _:
                topic, frame = hello_topic(root, config.id), self._hello(now_ms - 24 * HOUR_MS)
        return topic, frame

    def _report(self, number: int, speaker: str, order: str, stage: Stage, at_ms: int) -> bytes:
        entry = Entry(number, order, 1, stage, Reason.NONE, at_ms)
        return self._seal(encode_report(Report(speaker, 1, (entry,))))

    def _hello(self, at_ms: int) -> bytes:
        hello = Hello(self._config.id, 1, b"", 1, 1, 1, "", 0, (0, 0, 0, 0), (), at_ms)
        return self._seal(encode_hello(hello), Message.HELLO)

    def _seal(self, payload: bytes, message: Message = Message.REPORT) -> bytes:
        return seal_by_speaker(payload, message, exercise=self._config.exercise, key=self._config.key)


async def flood(told: Provisioning, order: str, *, per_s: int, seconds: float) -> dict[str, float]:
    loop, random = asyncio.get_running_loop(), Random(1)
    links = []
    for config in told.speakers:
        _, link = await loop.create_connection(lambda c=config: Link(c, order, random), told.host, told.port)  # type: ignore[misc]
        await asyncio.wait_for(link.up, 10)
        links.append(link)
    print("up", flush=True)
    began, sent = time.monotonic(), 0
    while (passed_s := time.monotonic() - began) < seconds:
        due = int(passed_s * per_s) - sent
        for index, link in enumerate(links):
            link.send(due // len(links) + (index < due % len(links)))
        sent += due
        await asyncio.sleep(EVERY_S)
    took_s = time.monotonic() - began
    await asyncio.sleep(0.2)
    for link in links:
        link.close()
    return {"sent": sent, "taken": sum(link.taken for link in links), "seconds": took_s}


if __name__ == "__main__":
    file, about, rate, length = sys.argv[1:]
    print(json.dumps(asyncio.run(flood(read_provisioning(Path(file)), about, per_s=int(rate), seconds=float(length)))))
