"""`lianbo live` at a real server: this machine's microphone, heard in a room that only PulseAudio knows."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from audio_assets.codec import decode
from broadcast.domain.live import LiveState
from tests.cli.test_desk_commands import Duty, on_duty
from tests.correlation import find, samples
from tests.pulse import Pulse, needs_pulse, pulse
from tests.system.city import until
from tests.system.mouth_to_ear import chirp, chirps

pytestmark = needs_pulse
TOWNSHIP = "130281001000"


@pytest.fixture
def room() -> Iterator[Pulse]:
    pytest.importorskip("pyaudio")
    with pulse(["mouth", "horn"], together=True, microphone="mic") as server:
        yield server


@asynccontextmanager
async def speaking(room: Pulse, folder: Path) -> AsyncIterator[None]:
    """Somebody chirps into the microphone."""
    said = folder / "said"
    said.write_bytes(chirps(60))
    command = ["pacat", "--device=mouth", "--rate=48000", "--format=s16le", "--channels=1", "--raw", str(said)]
    mouth = await asyncio.create_subprocess_exec(*command, env=room.environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        mouth.terminate()
        await mouth.wait()


async def lianbo_live(duty: Duty, room: Pulse, *more: str) -> asyncio.subprocess.Process:
    options = ("--url", duty.city.server.address, "--user", "admin", "--password-file", str(duty.folder / "password"))
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "broadcast.main", "live", "--card", "mic", "--no-chime", *options, *more),
        env={**room.environment, "PYTHONPATH": str(Path.cwd())},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def test_what_is_said_at_the_control_rooms_microphone_goes_out(room: Pulse, tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty, speaking(room, tmp_path):
        live = duty.city.server.live
        program = await lianbo_live(duty, room, "--area", TOWNSHIP, "--yes")
        await until(lambda: any(one.may_speak for one in live.all()), "the lamp", within_s=30)
        await until(lambda: live.all()[0].peak_db > -20, "the level")
        await asyncio.sleep(3)
        (view,) = live.all()
        program.send_signal(signal.SIGINT)
        output, _ = await asyncio.wait_for(program.communicate(), 30)
        assert program.returncode == 0, output.decode()
        assert b"on_air" in output and b"ended" in output
        (record,) = await duty.city.server.store.read(lambda tx: tx.live.of(view.order))
        heard = samples(decode(duty.city.server.library.get(record.sha256)).data)
        assert max(find(chirp(n), heard).score for n in range(35)) > 0.8


async def test_nothing_goes_out_without_a_yes_and_enter_ends_it(room: Pulse, tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        live = duty.city.server.live
        program = await lianbo_live(duty, room, "--area", TOWNSHIP)
        output, _ = await asyncio.wait_for(program.communicate(b"no\n"), 30)
        assert (program.returncode, duty.live()) == (0, [])
        assert b"Speak to 9 speakers now?" in output
        program = await lianbo_live(duty, room, "--area", TOWNSHIP)
        assert program.stdin is not None
        program.stdin.write(b"yes\n")
        await until(duty.live, "it is on the boards", within_s=30)
        program.stdin.write(b"m\n")
        await until(lambda: any(one.muted for one in live.all()), "muted")
        program.stdin.write(b"\n")
        await asyncio.wait_for(program.wait(), 30)
        assert (program.returncode, duty.live()) == (0, [])


async def test_what_the_server_refuses_is_said(room: Pulse, tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        first = await lianbo_live(duty, room, "--area", TOWNSHIP, "--yes")
        await until(
            lambda: any(one.state is not LiveState.PRELISTEN for one in duty.city.server.live.all()), "one", within_s=30
        )
        second = await lianbo_live(duty, room, "--area", TOWNSHIP, "--yes")
        output, _ = await asyncio.wait_for(second.communicate(), 30)
        assert second.returncode == 1
        assert b"You have a microphone open already" in output
        first.send_signal(signal.SIGTERM)
        await asyncio.wait_for(first.wait(), 30)
        third = await lianbo_live(duty, room, "--area", TOWNSHIP, "--yes", "--card", "no such card")
        output, _ = await asyncio.wait_for(third.communicate(), 30)
        assert third.returncode == 1 and b"microphone gives no sound" in output
