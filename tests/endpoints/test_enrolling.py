"""What a box and the server say to each other when the box gets its secrets."""

import json
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from endpoints.effects import Make
from endpoints.enrolling import (
    Asking,
    Given,
    Invitation,
    NotEnrolled,
    Refused,
    invitation_of,
    print_of,
    redeem,
    renew,
    renewal_proof,
    sealed_for,
)
from endpoints.mqtt_dial import TlsFiles
from endpoints.provisioning import Provisioning, SpeakerConfig, read_single
from tests.endpoints.rig import SERVER, Authority

CONFIG = SpeakerConfig("v-001", "130281001001", b"k" * 32, "password", generation=2)
FILE = Provisioning("10.0.0.1", 1883, (SERVER.key,), (CONFIG,))


def test_what_is_sealed_to_a_box_is_opened_by_it_and_by_no_other() -> None:
    asking, other = Asking(), Asking()
    sealed = sealed_for(asking.box, FILE, "PEM")
    assert asking.open(sealed, server="http://a") == Given(replace(FILE, assets_url="http://a"), "PEM")
    with pytest.raises(NotEnrolled):
        other.open(sealed, server="http://a")


@pytest.mark.parametrize("sealed", [None, "", "AAAA", "not base64!", "A" * 300_000, sealed_for(Asking().box, FILE)])
def test_an_answer_that_is_no_answer_is_refused(sealed: object) -> None:
    with pytest.raises(NotEnrolled):
        Asking().open(sealed, server="http://a")


def test_a_file_for_many_boxes_is_refused() -> None:
    asking = Asking()
    with pytest.raises(NotEnrolled):
        asking.open(sealed_for(asking.box, replace(FILE, speakers=(CONFIG, replace(CONFIG, id="v-002")))), server="x")


def test_what_was_given_is_kept_for_nobody_else_to_read(tmp_path: Path) -> None:
    tls = replace(FILE, tls=TlsFiles(Path("ca.pem")), assets_url="http://a")
    path = Given(tls, "PEM\n").save(tmp_path / "state")
    assert path.stat().st_mode & 0o077 == 0
    read = read_single(path)
    assert read.speakers == (CONFIG,)
    assert read.tls is not None and read.tls.ca.read_text() == "PEM\n"


def test_the_qr_code_says_where_the_code_is_good_and_whose_it_is() -> None:
    asked = Invitation("http://10.0.0.1:8710", "ABCD-2345", print_of([SERVER.key]))
    assert invitation_of(asked.text) == asked
    assert invitation_of(asked.text, "https://other/") == replace(asked, server="https://other")
    assert invitation_of("abcd2345", "http://a/") == Invitation("http://a", "abcd2345")


@pytest.mark.parametrize(
    ("text", "server"), [("ABCD2345", ""), ("ABCD2345", "ftp://a"), ("lianbo:enrol?code=A", ""), ("", "http://a")]
)
def test_without_a_server_or_a_code_nothing_is_asked(text: str, server: str) -> None:
    with pytest.raises(NotEnrolled):
        invitation_of(text, server)


class Desk:
    """A server of one answer."""

    def __init__(self, keys: Authority = SERVER) -> None:
        self.asked: list[dict[str, str]] = []
        self.status, self.keys = 200, keys

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        if self.status != 200:
            return web.json_response({"title": "no"}, status=self.status)
        return web.json_response(
            {"speaker": "v-001", "sealed": sealed_for(body["box"], replace(FILE, keys=(self.keys.key,)))}
        )


async def test_a_code_is_traded_for_secrets_and_a_forger_of_the_qr_codes_server_is_found_out() -> None:
    desk = Desk()
    app = web.Application()
    app.router.add_post("/api/v1/enrolments/{what}", desk.answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url("")).rstrip("/")
        asking, make = Asking(), Make("LB-S1", "1.4.2")
        asked = Invitation(url, "ABCD2345", print_of([SERVER.key]))
        given = await redeem(session, asked, asking=asking, make=make)
        assert given.provisioning == replace(FILE, assets_url=url)
        assert desk.asked == [{"code": "ABCD2345", "box": asking.box, "model": "LB-S1", "firmware": "1.4.2"}]
        renewed = await renew(session, CONFIG, url)
        assert renewed.provisioning.speakers == (CONFIG,)
        assert desk.asked[1]["proof"] == renewal_proof(CONFIG.key, "v-001", desk.asked[1]["box"])
        desk.keys = Authority("stranger")
        with pytest.raises(NotEnrolled, match="its keys are others"):
            await redeem(session, asked, asking=Asking(), make=make)
        await redeem(session, replace(asked, keys=""), asking=Asking(), make=make)
        desk.status = 403
        with pytest.raises(Refused):
            await redeem(session, asked, asking=Asking(), make=make)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(NotEnrolled, match="can't be reached"):
            await redeem(session, asked, asking=Asking(), make=make)


def test_the_sealed_text_holds_none_of_the_secrets() -> None:
    sealed = sealed_for(Asking().box, FILE)
    assert CONFIG.key.hex() not in sealed and json.dumps(CONFIG.password) not in sealed
