"""Run by `test_cose_oracle.py` in another process: pycose 1.1.0 needs a cbor2 older than ours (its own is named by PYTHONPATH).

One JSON document comes in and one goes out. Everything that is bytes is written in hexadecimal digits.
"""

import json
import sys

import cbor2
from pycose.algorithms import HMAC256, EdDSA
from pycose.headers import KID, Algorithm
from pycose.keys import OKPKey, SymmetricKey
from pycose.messages import Mac0Message, Sign1Message


def take(job: dict[str, str]) -> str | None:
    """The payload when the frame is right, else None."""
    parts = cbor2.loads(bytes.fromhex(job["frame"]))
    if job["kind"] == "sign1":
        message = Sign1Message.from_cose_obj(parts, allow_unknown_attributes=False)
        message.key = OKPKey(crv="ED25519", x=bytes.fromhex(job["public"]))
        check = message.verify_signature
    else:
        message = Mac0Message.from_cose_obj(parts, allow_unknown_attributes=False)
        message.key = SymmetricKey(bytes.fromhex(job["key"]))
        check = message.verify_tag
    message.external_aad = job["aad"].encode()
    return message.payload.hex() if check() else None


def make(job: dict[str, str]) -> str:
    """A frame of the payload, untagged."""
    payload, aad = bytes.fromhex(job["payload"]), job["aad"].encode()
    if job["kind"] == "sign1":
        message = Sign1Message(
            phdr={Algorithm: EdDSA, KID: bytes.fromhex(job["key_id"])}, payload=payload, external_aad=aad
        )
        message.key = OKPKey(crv="ED25519", x=bytes.fromhex(job["public"]), d=bytes.fromhex(job["seed"]))
    else:
        message = Mac0Message(phdr={Algorithm: HMAC256}, payload=payload, external_aad=aad)
        message.key = SymmetricKey(bytes.fromhex(job["key"]))
    return message.encode(tag=False).hex()


jobs = json.load(sys.stdin)
json.dump({"taken": [take(job) for job in jobs["take"]], "made": [make(job) for job in jobs["make"]]}, sys.stdout)
