"""The page of the live microphone in a real Chromium, whose microphone is a WAV file, on a real server."""

import asyncio
import base64
import shutil
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Browser, Error, Page, async_playwright, expect

from audio_assets.codec import decode
from audio_assets.pcm import RATE_HZ
from audio_assets.tones import melody
from broadcast.domain.live import LiveView
from broadcast.domain.officers import Officer, Role
from broadcast.server import Server
from tests.correlation import Samples, find, samples
from tests.system.city import CITY, OFFICER

CHROMIUM = shutil.which("chromium") or ""
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine; ./dev test brings it")
PASSWORD = "correct horse battery"
WANG = Officer("wang", "王芳", Role.DUTY, CITY)
LI = Officer("li", "李强", Role.DUTY, CITY)
SPOKEN_TO = "130281000000"

# What the page does with the microphone, noted from outside: each frame and when it was handed to the encoder, in epoch ms;
# and every word of the lamp.
NOTES = """
window.noted = { at: [], pcm: [], lamps: [] };
if (window.AudioEncoder) {
  const encode = AudioEncoder.prototype.encode;
  AudioEncoder.prototype.encode = function (data) {
    if (data.numberOfFrames === 960 && !(window.noted.paused)) {
      const samples = new Float32Array(960);
      data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      window.noted.at.push(performance.timeOrigin + performance.now());
      window.noted.pcm.push(Int16Array.from(samples, (one) => Math.round(one * 32767)));
    }
    return encode.call(this, data);
  };
}
addEventListener("DOMContentLoaded", () => {
  const lamp = document.getElementById("lamp");
  if (lamp) new MutationObserver(() => {
    const word = lamp.className.replace("lamp ", "");
    if (window.noted.lamps.at(-1) !== word) window.noted.lamps.push(word);
  }).observe(lamp, { attributes: true });
});
"""


@cache
def voice() -> Samples:
    """A tune that fits nowhere else."""
    return samples(melody().data)


def write_wav(path: Path, data: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(data)
    return path


@asynccontextmanager
async def chromium(
    folder: Path,
    *flags: str,
    sound: bytes | None = None,
    device: bool = True,
    process_environment: dict[str, str] | None = None,
) -> AsyncIterator[Browser]:
    """With the tune for a microphone, or this sound; with what the machine has where `device` is False."""
    file = write_wav(folder / "microphone.wav", melody().data if sound is None else sound)
    fake = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={file}"] if device else []
    arguments = ["--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream", *fake, *flags]
    async with async_playwright() as playwright:
        launch = playwright.chromium.launch
        browser = await launch(executable_path=CHROMIUM, args=arguments, env=process_environment)  # type: ignore[arg-type]
        yield browser
        with suppress(Error):  # it was killed
            await browser.close()


@dataclass
class Booth:
    """One officer before the page."""

    page: Page
    server: Server
    officer: Officer
    complaints: list[str] = field(default_factory=list)

    async def choose(self, *areas: str, exercise: bool = False, headline: str = "防汛喊话") -> None:
        await self.page.uncheck("#improved")  # what the browser would do to a tune is no help to nobody
        for area in areas or (SPOKEN_TO,):
            await self.page.check(f"#live-form input[name=areas][value='{area}']")
        await self.page.fill("#headline", headline)
        if exercise:
            await self.page.check("#exercise")

    async def prepared(self, *areas: str, **how: Any) -> None:
        await self.choose(*areas, **how)
        await self.page.click("#prepare")
        await expect(self.page.locator("#lamp.prelisten")).to_be_visible()

    async def speaking(self, *areas: str, **how: Any) -> LiveView:
        """On the air by the speakers' own word."""
        await self.prepared(*areas, **how)
        await self.page.click("#begin")
        await self.lamp("on_air", within_s=20)
        return self.view()

    async def lamp(self, state: str, *, within_s: float = 10.0) -> None:
        await expect(self.page.locator(f"#lamp.{state}")).to_be_visible(timeout=within_s * 1_000)

    async def ended(self, why: str, *, within_s: float = 15.0) -> None:
        await expect(self.page.locator("#over")).to_be_visible(timeout=within_s * 1_000)
        await expect(self.page.locator("#over-why")).to_have_text(why)

    async def problem(self, *words: str) -> None:
        for one in words:
            await expect(self.page.locator("#problem")).to_contain_text(one)

    def view(self) -> LiveView:
        """The officer's microphone as the server has it."""
        return next(one for one in self.server.live.all() if one.officer == self.officer.name)

    async def lamps(self) -> list[str]:
        return list(await self.page.evaluate("window.noted.lamps"))

    async def captured(self) -> tuple[list[float], Samples]:
        """When each frame left the microphone for the encoder, in epoch seconds, and all of their samples."""
        at, data = await self.page.evaluate(
            """() => { const { at, pcm } = window.noted, all = new Int16Array(pcm.length * 960);
            pcm.forEach((one, n) => all.set(one, n * 960));
            const bytes = new Uint8Array(all.buffer); let text = "";
            for (let n = 0; n < bytes.length; n += 32768) text += String.fromCharCode(...bytes.subarray(n, n + 32768));
            return [at, btoa(text)]; }"""
        )
        return [one / 1_000 for one in at], samples(base64.b64decode(data))


@asynccontextmanager
async def booth(
    browser: Browser,
    server: Server,
    officer: Officer = WANG,
    *,
    language: str = "zh-CN",
    width: int = 1400,
    address: str = "",
    script: str = "",
    picky: bool = True,
) -> AsyncIterator[Booth]:
    """Signed in, at the page. Whatever the browser complains about is held against us at the end.

    :param address: another way to the same server.
    :param script: runs in the page before its own.
    :param picky: False where a refused connection is what is tested; browsers complain of those.
    """
    with suppress(Exception):  # the second window of the same officer
        await server.officers.add(officer, PASSWORD, by=OFFICER)
    viewport = {"width": width, "height": 844 if width < 500 else 900}
    context = await browser.new_context(base_url=address or server.address, viewport=viewport)  # type: ignore[arg-type]
    await context.add_init_script(NOTES + script)
    page = await context.new_page()
    page.set_default_timeout(15_000)
    one = Booth(page, server, officer)
    page.on("pageerror", lambda error: one.complaints.append(str(error)))
    page.on("console", lambda line: one.complaints.append(line.text) if line.type in ("error", "warning") else None)
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await page.goto(f"/emergency?lang={language}")
    await page.fill("#name", officer.name)
    await page.fill("#password", PASSWORD)
    await page.click("main button")
    await page.wait_for_selector("#desk")
    await page.goto("/live")
    yield one
    with suppress(Error):
        await context.close()
    assert not picky or one.complaints == [], one.complaints


def as_heard(recording: Samples, *, step_s: float = 0.5) -> list[tuple[float, float]]:
    """Pieces of 0.4 s of a recording: how surely they are the tune, and by how many seconds off the line of the first."""
    tune = voice()
    twice = np.concatenate([tune, tune[:RATE_HZ]])
    loud = np.flatnonzero(np.abs(recording) > 30)
    found, first = [], None
    for at in range(int(loud[0]), int(loud[-1]) - RATE_HZ // 2, int(step_s * RATE_HZ)):
        piece = recording[at : at + RATE_HZ * 2 // 5]
        if np.sqrt(np.mean(piece**2)) < 60:
            continue
        match = find(piece, twice)
        if first is None and match.score > 0.8:
            first = match.at - at
        off = ((match.at - at) - (first or 0) + tune.size // 2) % tune.size - tune.size // 2
        found.append((match.score, off / RATE_HZ))
    return found


async def tape(server: Server, order: str) -> Samples:
    """What went out, as it was recorded."""
    (record,) = await server.store.read(lambda tx: tx.live.of(order))
    assert record.sha256, "it is in the library"
    return samples(decode(server.library.get(record.sha256)).data)


class Cable:
    """A way to the server that can be pulled out: a TCP proxy on a port of its own."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("http://").partition(":")
        self._to = host, int(port)
        self._plugged = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.address = ""

    async def __aenter__(self) -> "Cable":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.pull()
        assert self._server is not None
        self._server.close()

    def pull(self) -> None:
        """Every connection breaks, none is made."""
        self._plugged = False
        for writer in list(self._writers):
            writer.transport.abort()

    def plug(self) -> None:
        self._plugged = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._plugged:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection(*self._to)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except (ConnectionError, OSError):
            pass
        finally:
            self._writers.discard(writer)
            with suppress(RuntimeError):
                writer.close()


def sounding(simulator: Any) -> Callable[[], set[str]]:
    return lambda: {name for name, one in simulator.speakers.items() if one.sounds}
