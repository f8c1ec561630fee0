"""pycose takes our frames and we take its: COSE as others read RFC 9052, not as we do."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from endpoints.protocol import (
    MAX_MS,
    Band,
    encode_board,
    encode_hello,
    encode_programme,
    encode_report,
    encode_stock,
    encode_time_answer,
)
from endpoints.sealing import (
    Ed25519Signer,
    Message,
    TrustedKey,
    TrustStore,
    open_from_speaker,
    seal,
    seal_by_speaker,
)
from tests.endpoints.wire_examples import BOARD, COUNTY, HELLO, PROGRAMME, REPORT, STOCK, TIME

ORACLE = os.environ.get("LIANBO_ORACLE", "")
pytestmark = pytest.mark.skipif(
    not ORACLE, reason="LIANBO_ORACLE names no folder with pycose; `./dev test` makes one and sets it"
)

SEED, SECRET = bytes([7]) * 32, bytes(range(32))
SIGNER = Ed25519Signer(SEED)
STORES = {
    exercise: TrustStore((TrustedKey(SIGNER.algorithm, SIGNER.public, COUNTY, Band.LIFE_SAFETY, exercise, 0, MAX_MS),))
    for exercise in (False, True)
}
PAYLOADS = {
    Message.BOARD: [encode_board(BOARD), bytes(65_536)],
    Message.TIME: [encode_time_answer(TIME)],
    Message.HELLO: [encode_hello(HELLO), b"", bytes(23), bytes(24), bytes(255), bytes(256)],
    Message.REPORT: [encode_report(REPORT)],
    Message.PROGRAMME: [encode_programme(PROGRAMME)],
    Message.STOCK: [encode_stock(STOCK)],
}
CASES = [
    (message, payload, exercise) for message, some in PAYLOADS.items() for payload in some for exercise in (False, True)
]


def aad(message: Message, exercise: bool) -> str:
    return f"lianbo/1/{'exercise' if exercise else 'live'}/{message}"


def kind(message: Message) -> str:
    return "sign1" if message in {Message.BOARD, Message.TIME, Message.PROGRAMME} else "mac0"


def ours(message: Message, payload: bytes, exercise: bool) -> bytes:
    if kind(message) == "sign1":
        return seal(payload, message, exercise=exercise, signer=SIGNER)
    return seal_by_speaker(payload, message, exercise=exercise, key=SECRET)


def ask(take: list[dict[str, str]], make: list[dict[str, str]]) -> Any:
    """What pycose says, from a process of its own."""
    keys = {"public": SIGNER.public.hex(), "key": SECRET.hex(), "key_id": SIGNER.key_id.hex(), "seed": SEED.hex()}
    jobs = {"take": [job | keys for job in take], "make": [job | keys for job in make]}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("cose_oracle.py"))],
        input=json.dumps(jobs),
        env={**os.environ, "PYTHONPATH": ORACLE},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_pycose_takes_what_we_seal_and_only_as_what_it_is() -> None:
    jobs, expected = [], []
    for message, payload, exercise in CASES:
        frame = ours(message, payload, exercise)
        damaged = frame[:-1] + bytes([frame[-1] ^ 1])
        job = {"kind": kind(message), "frame": frame.hex(), "aad": aad(message, exercise)}
        jobs += [job, job | {"aad": aad(message, not exercise)}, job | {"frame": damaged.hex()}]
        expected += [payload.hex(), None, None]
    assert ask(jobs, [])["taken"] == expected


def test_we_take_what_pycose_seals_and_it_is_what_we_would_have_sealed() -> None:
    jobs = [
        {"kind": kind(message), "payload": payload.hex(), "aad": aad(message, exercise)}
        for message, payload, exercise in CASES
    ]
    made = [bytes.fromhex(frame) for frame in ask([], jobs)["made"]]
    assert made == [ours(*case) for case in CASES]
    for frame, (message, payload, exercise) in zip(made, CASES, strict=True):
        if kind(message) == "sign1":
            assert STORES[exercise].open(frame, message, exercise=exercise).payload == payload
        else:
            assert open_from_speaker(frame, message, exercise=exercise, key=SECRET) == payload
