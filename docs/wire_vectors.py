#!/usr/bin/env python3
"""Makes docs/wire-vectors.json and the examples in docs/wire.md: `.venv/bin/python docs/wire_vectors.py`.

The vectors are for vendors; a test says when the files are older than the code, and another, which imports nothing of ours, opens
the vectors as the document says. Everything here comes out the same each time except SM2, which signs with a random number:
its signatures are taken over from the file as long as they fit. `--check` only says whether the files are stale.
"""

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import wire_cases as cases  # noqa: E402  needs the path
import wire_refusals as refusals  # noqa: E402

from endpoints.sealing import broker_password  # noqa: E402

VECTORS, DOCUMENT = HERE / "wire-vectors.json", HERE / "wire.md"


def build(old: dict[str, Any]) -> dict[str, Any]:
    """All vectors. `old` is what the file held: SM2 signatures are taken over from it."""
    before = {vector["name"]: vector["frame"] for vector in old.get("signed", [])}
    return {
        "about": "Made by docs/wire_vectors.py for docs/wire.md; bytes as hexadecimal digits; the secrets are for tests only",
        "keys": {name: key_in_json(one) for name, one in cases.KEYS.items()},
        "speaker": {
            "id": cases.SPEAKER,
            "area": cases.VILLAGE,
            "master": cases.MASTER.hex(),
            "key": cases.BOX_KEY.hex(),
            "broker_password": broker_password(cases.MASTER, cases.SPEAKER),
        },
        "signed": list(cases.signed(before)),
        "said": list(cases.said()),
        "refused": list(refusals.refused()),
        "scopes": list(cases.scopes()),
        "air": list(cases.air()),
        "loudness": list(cases.loudness()),
    }


def key_in_json(one: cases.Key) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "algorithm": int(one.signer.algorithm),
        "secret": one.secret.hex(),
        "public": one.signer.public.hex(),
        "key_id": one.signer.key_id.hex(),
    }
    if one.scope is not None:
        names = ("area", "highest_band", "exercise", "not_before_ms", "not_after_ms")
        shown["trusted_for"] = {name: getattr(one.scope, name) for name in names}
    return shown


def example(vector: dict[str, Any], parts: tuple[str, ...]) -> str:
    lines = [f"{vector['name']} ({vector['mode']})"]
    for part in parts:
        lines.append(f"{part}, {len(vector[part]) // 2} bytes:")
        lines += [f"  {vector[part][at : at + 96]}" for at in range(0, len(vector[part]), 96)]
    return "```text\n" + "\n".join(lines) + "\n```"


def annotated(frame: str) -> str:
    """A frame of the server cut into its parts, each with its meaning."""
    data = bytes.fromhex(frame)
    protected_end = 2 + data[1] - 0x40
    payload_at = protected_end + 1
    head = {0x58: 2, 0x59: 3}[data[payload_at]]
    proof_at = len(data) - 66
    rows = [
        (data[:1], "an array of 4"),
        (data[1:2], f"a byte string of {data[1] - 0x40}: the protected header"),
        (data[2:protected_end], "{1: -8 (Ed25519), 4: key id}"),
        (data[protected_end:payload_at], "{}: no unprotected header"),
        (data[payload_at : payload_at + head], f"a byte string of {proof_at - payload_at - head}: the payload"),
        (data[payload_at + head : proof_at], "the payload"),
        (data[proof_at : proof_at + 2], "a byte string of 64"),
        (data[proof_at + 2 :], "the signature"),
    ]
    lines = []
    for part, meaning in rows:
        digits = part.hex()
        lines.append(f"{digits[:64]:<66}# {meaning}")
        lines += [digits[at : at + 64] for at in range(64, len(digits), 64)]
    return "```text\n" + "\n".join(lines) + "\n```"


def render(text: str, vectors: dict[str, Any]) -> str:
    """The document with its examples as the vectors have them; what stands between the markers is ours."""
    by_name = {vector["name"]: vector for vector in vectors["signed"] + vectors["said"]}
    keys = vectors["keys"]
    shown = {
        "keys": "```text\n"
        + "\n".join(
            f"{name:<11} {field:<7} {one[field]}"
            for name, one in keys.items()
            for field in ("secret", "public", "key_id")
        )
        + f"\nspeaker     id      {vectors['speaker']['id']}\nspeaker     key     {vectors['speaker']['key']}\n```",
        "empty board": annotated(by_name["board, empty"]["frame"]),
        "board": example(by_name["board, one order"], ("payload", "signed_bytes", "frame")),
        "programme": example(by_name["programme, two occurrences"], ("payload", "signed_bytes", "frame")),
        "sm2 time": example(by_name["time, signed with SM2"], ("signed_bytes", "frame")),
        "time": example(by_name["time"], ("payload", "signed_bytes", "frame")),
        "hello": example(
            by_name["hello, asking for the time after a start"], ("payload", "authenticated_bytes", "frame")
        ),
        "setup": example(by_name["setup"], ("payload", "signed_bytes", "frame")),
        "about": example(by_name["about"], ("payload", "authenticated_bytes", "frame")),
        "stock": example(by_name["stock"], ("payload", "authenticated_bytes", "frame")),
        "report": example(by_name["report"], ("payload", "authenticated_bytes", "frame")),
        "refused": "| frame | counted as | why |\n|---|---|---|\n"
        + "\n".join(f"| {one['name']} | {one['as']} | {one['why']} |" for one in vectors["refused"]),
    }
    for name, block in shown.items():
        start, end = f"<!-- example: {name} -->\n", f"\n<!-- end: {name} -->"
        before, _, rest = text.partition(start)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"{DOCUMENT.name} has no place for the example {name!r}")
        text = before + start + block + end + after
    return text


def in_json(vectors: dict[str, Any]) -> str:
    return json.dumps(vectors, ensure_ascii=False, indent=1) + "\n"


def main(arguments: list[str]) -> int:
    """With --check: 1 when a file is older than the code, and nothing is written."""
    old = {path: path.read_text(encoding="utf-8") if path.exists() else "" for path in (VECTORS, DOCUMENT)}
    vectors = build(json.loads(old[VECTORS] or "{}"))
    new = {VECTORS: in_json(vectors), DOCUMENT: render(old[DOCUMENT], vectors)}
    stale = [path for path in new if new[path] != old[path]]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.name} is older than the code: .venv/bin/python docs/wire_vectors.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(new[path], encoding="utf-8")
    print(
        f"{sum(len(part) for part in vectors.values() if isinstance(part, list))} vectors, {len(stale)} files changed"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
