"""The commands of officers at a terminal against a real server, broker and simulated speakers."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from broadcast.cli.desk import Desk, DeskError
from broadcast.domain.officers import Officer, Role
from broadcast.service.officers import NotSignedIn
from endpoints.delivery import State
from tests.cli.conftest import lianbo
from tests.system.city import CITY, City, city, environment

SILENT, DEAF = "s-130281000000-1", "s-130281001000-1"
ALERT = ("trigger", "emergency", "--severity", "red", "--area", "130281", "--text", "测试，请注意")
ADMIN = Officer("admin", "值班管理员", Role.ADMINISTRATOR, CITY)


@dataclass
class Duty:
    """A city, and an officer at a terminal."""

    city: City
    folder: Path

    async def run(self, *words: str | Path, typed: str = "", user: str = "admin") -> tuple[int, str]:
        options = ("--url", self.city.server.address, "--user", user, "--password-file", self.folder / "password")
        return await lianbo(*words, *options, typed=typed)

    async def start(self, *more: str) -> str:
        """An alert for everybody; its id."""
        code, output = await self.run(*ALERT, "--yes", *more)
        assert code == 0, output
        return output.splitlines()[-1]

    def live(self) -> list[str]:
        return [one.id for one in self.city.server.broadcasts.live()]

    async def technician(self, *words: str | Path) -> tuple[int, str]:
        """A command on the data folder of the running server."""
        return await lianbo(*words, **environment(self.folder / "data"))


@asynccontextmanager
async def on_duty(folder: Path, *, count: int = 10) -> AsyncIterator[Duty]:
    async with city(folder, count=count) as one:
        password = await one.server.officers.create_first(ADMIN)
        assert password is not None
        file = folder / "password"
        file.touch(mode=0o600)
        file.write_text(password)
        yield Duty(one, folder)


async def test_an_officer_reads_whom_it_reaches_before_confirming(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        code, output = await duty.run(*ALERT, typed="n\n")
        assert (code, duty.live()) == (1, [])
        assert "Reaches 10 speakers in 27 townships, 690 villages; 10 of them online." in output
        assert "nothing was started" in output
        assert (await duty.run(*ALERT))[0] == 1, "nobody there to answer is no yes"
        assert duty.live() == []
        code, output = await duty.run(*ALERT, typed="y\n")
        assert (code, [output.splitlines()[-1]]) == (0, duty.live())


async def test_wait_ends_with_0_when_all_have_begun_and_with_3_naming_who_has_not(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        code, output = await duty.run(*ALERT, "--yes", "--wait")
        assert code == 0
        assert "10 of 10 speakers have begun: sounding 10" in output
        first = output.splitlines()[-1]
        duty.city.simulator.speakers[SILENT].goes_silent()
        duty.city.simulator.speakers[DEAF].goes_deaf()
        code, output = await duty.run("update", first, *ALERT[1:], "--yes", "--wait", "--within-s", "3")
        assert code == 3
        assert f"missing: {SILENT} 遵化市: failed (sound_card)" in output
        assert f"missing: {DEAF} 华明路街道: expected" in output
        assert [output.splitlines()[-1]] == duty.live()


async def test_the_ladder_by_township_by_area_by_speaker_and_as_evidence(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        alert = await duty.start("--wait")
        code, output = await duty.run("ladder")
        assert code == 0
        assert output.splitlines()[0].startswith(f"{alert} emergency “测试，请注意”: live, ")
        assert output.splitlines()[-1].split() == ["all", "10", "10"]
        code, output = await duty.run("ladder", alert, "--area", "130281001")
        assert (code, len(output.splitlines())) == (0, 10)
        code, output = await duty.run("ladder", alert, "--speaker", DEAF)
        assert code == 0
        assert [line.split()[1] for line in output.splitlines()[2:]] == ["received", "sounding"]
        file = tmp_path / "evidence.csv"
        code, output = await duty.run("ladder", alert, "--csv", file)
        assert (code, output) == (0, f"{file}: 30 lines\n")
        assert file.read_text("utf-8-sig").splitlines()[0].startswith("line,broadcast,speaker")


async def test_following_says_each_change_and_ends_with_the_broadcast(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        alert = await duty.start("--wait")
        following = asyncio.create_task(duty.run("ladder", alert, "--follow"), name="follow")
        await asyncio.sleep(1.5)
        assert (await duty.run("stop", alert)) == (0, f"{alert} is taken off the air.\n")
        await duty.city.all_in(alert, State.STOPPED, State.DONE)
        code, output = await asyncio.wait_for(following, 20)
        assert code == 0
        assert [line.partition("  ")[2] for line in output.splitlines()[1:3]] == ["sounding 10", "stopped 10"]


async def test_stopping_one_all_and_what_is_over(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        first, second = await duty.start(), await duty.start()
        assert (await duty.run("stop", first))[0] == 0
        assert (await duty.run("stop", first)) == (0, f"{first} was over already.\n")
        code, output = await duty.run("stop", "--all", typed="n\n")
        assert (code, duty.live(), second in output) == (1, [second], True)
        code, output = await duty.run("stop", "--all", "--yes")
        assert (code, duty.live()) == (0, [])
        assert f"1 taken off the air: {second}." in output
        assert (await duty.run("stop"))[0] == 2
        code, output = await duty.run("broadcasts")
        assert [line.split()[:2] for line in output.splitlines()[1:]] == [[second, "stopped"], [first, "stopped"]]
        assert (await duty.run("broadcasts", "--live"))[1] == "Nothing is on air.\n"


async def test_an_all_clear_ends_the_alert_where_it_was_given(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        alert = await duty.start("--wait")
        code, output = await duty.run("all-clear", alert, "--area", "华明路街道", "--yes")
        assert (code, output.splitlines()[-1] in duty.live(), alert in duty.live()) == (0, True, True)
        assert (await duty.run("all-clear", alert, "--yes"))[0] == 0
        assert alert not in duty.live()
        code, output = await duty.run("all-clear", alert, "--yes")
        assert (code, "This broadcast is over" in output) == (1, True)


async def test_what_is_wrong_with_a_request_is_said_field_by_field(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        code, output = await duty.run("trigger", "emergency", "--yes")
        assert (code, output.splitlines()) == (
            1,
            [
                "lianbo: Something in it is not right; nothing was sent",
                "  areas: no place was chosen: nobody is never all",
                "  severity: an emergency needs a warning level",
            ],
        )
        code, output = await duty.run(*ALERT[:4], "--area", "130281099", "--yes")
        assert (code, "  areas.0: there is no such area" in output) == (1, True)
        code, output = await duty.run(*ALERT[:4], "--area", "1302810", "--yes")
        assert (code, "  areas.0: " in output) == (1, True), "a code that lost a digit is not the county"
        code, output = await duty.run(*ALERT[:4], "--area", "华明", "--yes")
        assert (code, "Perhaps: 130281001000 华明路街道" in output) == (1, True)
        code, output = await duty.run(*ALERT[:4], "--area", "130281002", "--yes")
        assert (code, "it would reach nobody" in output) == (1, True)
        assert duty.live() == []


async def test_who_may_not_is_told_so_and_a_readable_password_file_is_refused(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        assert await duty.run("broadcasts", user="nobody") == (1, "lianbo: The name or the password is wrong\n")
        (tmp_path / "password").chmod(0o644)
        code, output = await duty.run("broadcasts")
        assert (code, "others may read" in output) == (1, True)


async def test_the_same_key_starts_nothing_twice(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        first = await duty.start("--key", "once")
        code, output = await duty.run(*ALERT, "--yes", "--key", "once")
        assert (code, output.splitlines()[-1], duty.live()) == (0, first, [first])
        assert "nothing was started twice" in output


async def test_a_running_server_notices_what_the_technician_does(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        server = duty.city.server
        await server.officers.add(Officer("li", "李", Role.DUTY, CITY), "a-long-password", by=ADMIN)
        signed_in = await server.officers.sign_in("li", "a-long-password", address="127.0.0.1")
        assert (await duty.technician("users", "disable", "li"))[0] == 0
        with pytest.raises(NotSignedIn):
            async with asyncio.timeout(8):
                while await server.officers.officer_of(signed_in.token):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        assert (await duty.technician("speakers", "add", "--area", "130281002"))[0] == 0
        assert (await duty.technician("speakers", "retire", DEAF))[0] == 0
        async with asyncio.timeout(8):
            while "s-130281002000-1" not in server.estate or DEAF in server.estate:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        users = (server.folder / "broker" / "passwords").read_text()
        assert ("s-130281002000-1:" in users, f"{DEAF}:" in users) == (True, False)


async def test_a_second_server_on_the_same_folder_is_refused_with_the_holder(tmp_path: Path) -> None:
    async with on_duty(tmp_path) as duty:
        code, output = await duty.technician("serve")
        assert (code, "is in use by process" in output) == (1, True)
        code, output = await duty.technician("db", "upgrade")
        assert (code, "is in use by process" in output) == (1, True)


async def test_no_server_is_said_with_the_address_that_was_tried(tmp_path: Path) -> None:
    code, output = await lianbo("broadcasts", "--url", "http://127.0.0.1:1", "--user", "x", LIANBO_PASSWORD="y")
    assert (code, "no answer from http://127.0.0.1:1" in output, "Is the server running there?" in output) == (
        1,
        True,
        True,
    )
    code, output = await lianbo("broadcasts", "--url", "desk", "--user", "x", LIANBO_PASSWORD="y")
    assert (code, "desk is no address of a desk" in output) == (1, True)


# ---- the client alone -------------------------------------------------------------------------------------------------------


class _Breaking(BaseHTTPRequestHandler):
    """Takes the first request and cuts the connection; answers the second."""

    keys: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.keys.append(self.headers.get("Idempotency-Key", ""))
        if len(self.keys) == 1:
            self.connection.close()
            return
        body = json.dumps({"id": "b-1"}).encode()
        self.send_response(202)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not on the terminal."""


@contextmanager
def breaking_server() -> Iterator[tuple[str, list[str]]]:
    keys: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Breaking", (_Breaking,), {"keys": keys}))
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", keys
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_trigger_whose_connection_broke_is_sent_again_with_the_same_key() -> None:
    with breaking_server() as (url, keys):
        assert Desk(url).post("/broadcasts", {}, key="k-1") == {"id": "b-1"}
        assert keys == ["k-1", "k-1"]


def test_what_could_act_twice_is_not_sent_again() -> None:
    with breaking_server() as (url, keys):
        with pytest.raises(DeskError, match="no answer from"):
            Desk(url).post("/session", {})
        assert keys == [""]
