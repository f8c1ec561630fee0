import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from endpoints.arbitration import QuietHours
from endpoints.mqtt_link import BrokerAddress, TlsFiles
from endpoints.provisioning import (
    BadProvisioning,
    Provisioning,
    ProvisioningExposed,
    from_json,
    read_provisioning,
    read_single,
    to_json,
    write_provisioning,
)
from endpoints.sealing import Algorithm, Sm2Signer, TrustedKey
from endpoints.vocabulary import Band
from tests.endpoints.county import COUNTY, KEY, speakers

SM2_KEY = TrustedKey(Algorithm.SM2_SM3, Sm2Signer(bytes([1] * 32)).public, "130281001000", Band.NOTICE, True, 5, 6)
FULL = Provisioning("broker.example", 8883, (KEY, SM2_KEY), speakers(3), "http://server.example:8080/sounds")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    odd = replace(FULL.speakers[0], exercise=True, volume_percent=0, quiet=QuietHours(0, 0, -840), latency_trim_ms=-13)
    tls = TlsFiles(tmp_path / "ca.pem", tmp_path / "box.pem", tmp_path / "box.key", check_hostname=False)
    for one in (FULL, replace(FULL, speakers=(odd,), keys=(), assets_url="", tls=tls)):
        write_provisioning(tmp_path / "speakers.json", one)
        assert read_provisioning(tmp_path / "speakers.json") == one


def test_a_file_from_before_amplifiers_were_thought_of_is_read() -> None:
    old = to_json(FULL)
    for speaker in old["speakers"]:  # type: ignore[attr-defined]
        del speaker["latency_trim_ms"]
    assert from_json(old) == FULL


def test_the_file_of_a_box_holds_that_box_and_no_other(tmp_path: Path) -> None:
    write_provisioning(tmp_path / "box.json", FULL.only("s-00001"))
    assert read_single(tmp_path / "box.json") == replace(FULL, speakers=(FULL.speakers[1],))
    with pytest.raises(KeyError):
        FULL.only("s-nobody")
    write_provisioning(tmp_path / "box.json", FULL)
    with pytest.raises(BadProvisioning, match="3 of them"):
        read_single(tmp_path / "box.json")


def test_a_speaker_shows_the_broker_its_id_and_its_password() -> None:
    config = FULL.speakers[2]
    assert FULL.broker_for(config) == BrokerAddress("broker.example", 8883, "s-00002", config.password)
    assert config.identity.scopes == ("s-00002", "130281003001", "130281003000", COUNTY)


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "speakers.json"
    path.write_text("left by somebody", encoding="utf-8")
    path.chmod(0o644)
    os.umask(0o022)
    write_provisioning(path, FULL)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["speakers.json"]
    for mode in (0o604, 0o640, 0o620):
        path.chmod(mode)
        with pytest.raises(ProvisioningExposed, match="chmod 600"):
            read_provisioning(path)


def test_no_secret_is_in_what_is_printed() -> None:
    secret = FULL.speakers[0]
    assert secret.password not in repr(FULL)
    assert secret.key.hex() not in repr(FULL)
    assert repr(secret.key) not in repr(FULL)


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, '{"format": "lianbo-speakers/1", "format": "lianbo-speakers/1"}', "\udcff"]
)
def test_what_is_not_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "speakers.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    with pytest.raises(BadProvisioning):
        read_provisioning(path)


def put(*path: str | int, value: object) -> Callable[[Any], None]:
    def change(whole: Any) -> None:
        *way, last = path
        for step in way:
            whole = whole[step]
        whole[last] = value

    return change


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("format", put("format", value="lianbo-speakers/2")),
        ("speeker", put("speeker", value=[])),
        ("broker.host", put("broker", "host", value="a b")),
        ("broker.port", put("broker", "port", value=True)),
        ("broker.port", put("broker", "port", value=65_536)),
        ("broker.user", put("broker", "user", value="x")),
        ("broker.tls", put("broker", "tls", value="yes")),
        ("broker.tls.ca", put("broker", "tls", value={"certificate": None, "key": None, "check_hostname": True})),
        (
            "broker.tls",
            put("broker", "tls", value={"ca": "a", "certificate": "b", "key": None, "check_hostname": True}),
        ),
        ("assets_url", put("assets_url", value="file:///etc")),
        ("assets_url", put("assets_url", value="http://server/?a=")),
        ("keys", put("keys", value={})),
        ("keys", put("keys", 1, value=to_json(FULL)["keys"][0])),  # type: ignore[index]
        ("keys[0].algorithm", put("keys", 0, "algorithm", value="HMAC_SHA256")),
        ("keys[0].public", put("keys", 0, "public", value="00" * 31)),
        ("keys[1].public", put("keys", 1, "public", value="0Z" * 64)),
        ("keys[1]", put("keys", 1, "public", value="11" * 64)),
        ("keys[1]", put("keys", 1, "not_after_ms", value=5)),
        ("keys[0].area", put("keys", 0, "area", value="130281")),
        ("keys[0].highest_band", put("keys", 0, "highest_band", value="EVERYTHING")),
        ("keys[0].exercise", put("keys", 0, "exercise", value=0)),
        ("keys[0].not_after_ms", put("keys", 0, "not_after_ms", value=2**53)),
        ("speakers[1].id", put("speakers", 1, "id", value="S 1")),
        ("speakers", put("speakers", 1, "id", value="s-00000")),
        ("speakers[1].area", put("speakers", 1, "area", value="")),
        ("speakers[1].key", put("speakers", 1, "key", value="AA" * 32)),
        ("speakers[1].password", put("speakers", 1, "password", value="")),
        ("speakers[1].volume_percent", put("speakers", 1, "volume_percent", value=101)),
        ("speakers[1].volume_percent", put("speakers", 1, "volume_percent", value=70.0)),
        ("speakers[1].quiet_from", put("speakers", 1, "quiet_from", value="24:00")),
        ("speakers[1].utc_offset_min", put("speakers", 1, "utc_offset_min", value=None)),
        ("speakers[1].latency_trim_ms", put("speakers", 1, "latency_trim_ms", value=501)),
        ("speakers[2]", put("speakers", 2, value=None)),
    ],
)
def test_the_first_wrong_field_is_named(where: str, change: Callable[[Any], None]) -> None:
    whole = json.loads(json.dumps(to_json(FULL)))
    change(whole)
    with pytest.raises(BadProvisioning) as caught:
        from_json(whole)
    assert caught.value.where == where


@pytest.mark.parametrize("name", ["format", "broker", "assets_url", "keys", "speakers"])
def test_a_missing_field_is_named(name: str) -> None:
    whole = to_json(FULL)
    del whole[name]
    with pytest.raises(BadProvisioning, match=f"{name}: missing"):
        from_json(whole)
