"""`lianbo demo` as a newcomer starts it: within seconds a morning programme sounds, at any hour, and again at the next start."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

from tests.system.city import environment


async def sounding(session: aiohttp.ClientSession, url: str, password: str, *, within_s: float) -> dict[str, Any]:
    """The morning programme once all thirty speakers sound it."""
    credentials = {"name": "admin", "password": password}
    ends, run = time.monotonic() + within_s, {}
    async with session.post(f"{url}/api/v1/session", json=credentials) as answer:
        headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
    while time.monotonic() < ends:
        async with session.get(f"{url}/api/v1/as-run", headers=headers) as answer:
            runs = (await answer.json())["items"]
        run = runs[-1] if runs else {}
        if run.get("counts", {}).get("on-time") == 30:
            return run
        await asyncio.sleep(0.2)
    raise AssertionError(f"not all thirty within {within_s} s: {run}")


async def started(folder: Path) -> tuple[asyncio.subprocess.Process, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "broadcast.main", "demo", "--speakers", "30"),
        env={**os.environ, **environment(folder, RULES_SECOND_PERSON="true"), "LIANBO_SPEECH_WORDS_PER_MINUTE": "160"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        async for line in process.stdout:
            words = line.decode().split()
            if words[:1] == ["Desk:"]:
                return process, words[1], words[5]
    raise AssertionError("it ended")


async def its_plans(session: aiohttp.ClientSession, url: str, password: str) -> None:
    """Nine cards that one person may start, in an exercise too; and a request of somebody else waits."""
    async with session.post(f"{url}/api/v1/session", json={"name": "admin", "password": password}) as answer:
        headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
    async with session.get(f"{url}/api/v1/plans", headers=headers) as answer:
        cards = (await answer.json())["items"]
    assert [(card["hotkey"], card["approved"], card["starts_approved"]) for card in cards] == [
        (key, True, True) for key in range(1, 10)
    ]
    for card in cards:
        async with session.post(f"{url}/api/v1/plans/{card['id']}/effect", json={}, headers=headers) as answer:
            effect = await answer.json()
        assert (effect["demand"], bool(effect["text"])) == ("none", True), card["title"]
    async with session.get(f"{url}/api/v1/approvals", headers=headers) as answer:
        waiting = (await answer.json())["items"]
    assert [(one["stage"], one["author"], one["may_decide"]) for one in waiting] == [("waiting", "wangfang", True)]
    body = {"title": "演练", "plan": cards[0]["id"], "least_percent": 0}
    async with session.post(f"{url}/api/v1/drills", json=body, headers=headers) as answer:
        drill = await answer.json()
        assert answer.status == 202, drill
    await asyncio.sleep(2)
    async with session.post(f"{url}/api/v1/drills/{drill['id']}/end", headers=headers) as answer:
        scores = (await answer.json())["scores"]
    assert (len(scores), sum(one["started"] for one in scores)) == (27, 27)
    async with session.post(f"{url}/api/v1/broadcasts/{drill['broadcast']}/stop", headers=headers) as answer:
        assert answer.status == 202


async def test_a_morning_programme_is_on_the_air_when_the_demonstration_starts(tmp_path: Path) -> None:
    first: dict[str, Any] = {}
    for _ in range(2):
        process, url, password = await started(tmp_path)
        try:
            async with aiohttp.ClientSession() as session:
                run = await sounding(session, url, password, within_s=20)
                assert (run["title"], run["level"], run["life"]) == ("早间节目", "city", "live")
                first = first or run
                assert run["occurrence"] == first["occurrence"], "what runs is left alone"
                await its_plans(session, url, password)
                async with session.get(f"{url}/readyz") as answer:
                    assert answer.status == 200
        finally:
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), 20) == 0
