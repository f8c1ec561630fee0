"""Health, figures and sound files."""

import hashlib
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from endpoints.protocol import Stage
from tests.town import town
from tests.web.browser import machine, order

OGG = b"OggS" + bytes(range(256)) * 40


async def test_alive_and_ready_are_two_things() -> None:
    async with town() as there, machine(there, None) as client:
        assert (await client.get("/healthz")).status == 200
        assert (await (await client.get("/readyz")).json()) == {"ready": True, "reasons": [], "conditions": []}
        there.wire.is_up = False
        there.services.health.raise_("speech-unavailable", cause="no espeak-ng")
        answer = await client.get("/readyz")
        assert answer.status == 503
        assert await answer.json() == {"ready": False, "reasons": ["broker-down"], "conditions": ["speech-unavailable"]}
        assert (await client.get("/healthz")).status == 200


async def test_the_figures_are_prometheus_s_and_name_no_village() -> None:
    async with town() as there, machine(there) as client:
        there.all_there(but=["s-130281100200-1"])
        one = (await (await client.post("/api/v1/broadcasts", json=order())).json())["id"]
        await there.report(one, ["s-130281100201-1"], Stage.SOUNDING)
        await client.post(f"/api/v1/broadcasts/{one}/stop")
        there.services.latency.tick()
        text = await (await client.get("/metrics")).text()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        speakers = families["lianbo_speakers"].samples
        assert len(speakers) == 28 * 3  # 27 townships and the city's own
        assert sum(sample.value for sample in speakers) == 718
        assert "130281100200" not in text
        offline = [s for s in speakers if s.labels["presence"] == "offline" and s.value]
        assert [(s.labels["township"], s.value) for s in offline] == [("130281100000", 1)]
        first = {s.name: s.value for s in families["lianbo_first_sound_seconds"].samples if not s.labels}
        assert first["lianbo_first_sound_seconds_count"] == 1
        last = {s.name: s.value for s in families["lianbo_last_sound_seconds"].samples if not s.labels}
        assert last["lianbo_last_sound_seconds_count"] == 1
        assert families["lianbo_live_broadcasts"].samples[0].value == 0


async def test_sound_files_are_served_by_their_hash_whole_and_in_ranges(tmp_path: Path) -> None:
    name = hashlib.sha256(OGG).hexdigest()
    (tmp_path / name).write_bytes(OGG)
    (tmp_path / "secret").write_bytes(b"no")
    async with town(assets=tmp_path) as there, machine(there, None) as client:
        whole = await client.get(f"/assets/{name}")
        assert (whole.status, await whole.read(), whole.content_type) == (200, OGG, "audio/ogg")
        assert "immutable" in whole.headers["Cache-Control"]
        part = await client.get(f"/assets/{name}", headers={"Range": "bytes=4-9"})
        assert (part.status, await part.read()) == (206, OGG[4:10])
        head = await client.head(f"/assets/{name}")
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(OGG)))
        for bad in ("secret", "..%2fsecret", "0" * 64, name.upper(), name[:-1], name + "0"):
            assert (await client.get(f"/assets/{bad}")).status == 404
