"""Chromium and our own engine understand each other: a page speaks, is seen, hears, and sees one camera after the other."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Page, Route

from audio_assets.pcm import RATE_HZ
from broadcast.domain.conference.media import KeyFrameShown, Link, RoomSpec, Source, View
from broadcast.transport.embedded.engine import EmbeddedEngine
from tests.conference.caller import CallerStage
from tests.conference.contract import ROOM, TALK, hears, until
from tests.system.live_page import CHROMIUM, chromium

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium here")

ADDRESS = "https://site.example/"  # a page may use its microphone there; nothing is fetched from it
PAGE = """<!doctype html><video autoplay muted playsinline></video><script>
const links = {};
async function send(link, media) {
  const stream = await navigator.mediaDevices.getUserMedia(media);
  const pc = links[link] = new RTCPeerConnection();
  pc.addTransceiver(stream.getTracks()[0], {direction: link === 'audio' ? 'sendrecv' : 'sendonly'});
  pc.ontrack = event => listen(event.streams[0] || new MediaStream([event.track]));
  await pc.setLocalDescription(await pc.createOffer());
  await pc.setRemoteDescription({type: 'answer', sdp: await window.offer(link, pc.localDescription.sdp)});
}
let analyser;
function listen(stream) {
  const sink = new Audio(); sink.srcObject = stream; sink.muted = true; sink.play();  // without one Chromium decodes nothing
  const context = new AudioContext();
  analyser = context.createAnalyser(); analyser.fftSize = 8192;
  context.createMediaStreamSource(stream).connect(analyser);
}
function loudest() {
  if (!analyser) return 0;
  const bins = new Float32Array(analyser.frequencyBinCount); analyser.getFloatFrequencyData(bins);
  const at = bins.indexOf(Math.max(...bins));
  return bins[at] < -60 ? 0 : at * analyser.context.sampleRate / analyser.fftSize;
}
async function watch() {
  const pc = links.view = new RTCPeerConnection();
  pc.ontrack = event => { document.querySelector('video').srcObject = new MediaStream([event.track]); };
  await pc.setRemoteDescription({type: 'offer', sdp: await window.viewOffer()});
  await pc.setLocalDescription(await pc.createAnswer());
  await window.viewAnswer(pc.localDescription.sdp);
}
function grey() {
  const video = document.querySelector('video'), canvas = document.createElement('canvas');
  if (!video.videoWidth) return -1;
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const context = canvas.getContext('2d'); context.drawImage(video, 0, 0);
  return context.getImageData(canvas.width / 2, canvas.height * 3 / 4, 1, 1).data[1];
}
</script>"""


async def opened(page: Page, engine: EmbeddedEngine) -> None:
    async def serve(route: Route) -> None:
        await route.fulfill(body=PAGE, content_type="text/html")

    await page.route("**/*", serve)
    await page.expose_function("offer", lambda link, sdp: engine.offer(ROOM, "page", Link(link), sdp))
    await page.expose_function("viewOffer", lambda: engine.offer_to(ROOM, "page"))
    await page.expose_function("viewAnswer", lambda sdp: engine.answer(ROOM, "page", sdp))
    await page.goto(ADDRESS)


async def test_a_page_speaks_and_is_seen_hears_and_sees_one_camera_after_the_other(tmp_path: Path) -> None:
    engine = EmbeddedEngine(tmp_path / "engine", sheds=False)
    stage = CallerStage(engine)
    await engine.start(stage.hear)
    await engine.open_room(RoomSpec(ROOM))
    hz = stage.hz_of("page")
    voice = (9_000 * np.sin(2 * np.pi * hz * np.arange(5 * RATE_HZ) / RATE_HZ)).astype(np.int16)
    b, c = stage.client(ROOM, "b"), stage.client(ROOM, "c")
    async with chromium(tmp_path, "--autoplay-policy=no-user-gesture-required", sound=voice.tobytes()) as browser:
        page = await browser.new_page()
        await opened(page, engine)
        try:
            for site in ("page", "b"):
                await engine.set_audio(ROOM, site, TALK)
            plain = "echoCancellation: false, noiseSuppression: false, autoGainControl: false"
            await page.evaluate(f"send('audio', {{audio: {{{plain}}}}})")
            await b.send(Link.AUDIO)
            await hears(b, {"page"})

            async def hears_b() -> bool:
                return abs(await page.evaluate("loudest()") - stage.hz_of("b")) < 20

            await until(hears_b, 20)
            await engine.set_audio(ROOM, "page", type(TALK)())  # LISTEN: the page goes on sending
            await hears(b, set())

            await page.evaluate("send('camera', {video: true})")
            await engine.set_view(ROOM, "b", View((Source("page"),)))
            await b.watch()
            shown = KeyFrameShown((await engine.stats()).generation, ROOM, "b", 0, Source("page"))
            await until(lambda: shown in stage.heard, 20)
            await until(lambda: b.pictures > 5, 20)

            await b.send(Link.CAMERA)
            await c.send(Link.CAMERA)
            await engine.set_view(ROOM, "page", View((Source("b"),)))
            await page.evaluate("watch()")
            greys = []
            for site in ("b", "c", "b"):
                assert not await engine.set_view(ROOM, "page", View((Source(site),)))
                wanted = (stage.grey_of(Source(site)) - 16) * 255 / 219  # from video's range to the screen's

                async def sees(wanted: float = wanted) -> bool:
                    return abs(await page.evaluate("grey()") - wanted) < 8

                await until(sees, 20)
                greys.append(await page.evaluate("grey()"))
            assert len({round(one / 8) for one in greys}) == 2
        finally:
            await asyncio.gather(stage.end(), return_exceptions=True)
            await engine.stop()
