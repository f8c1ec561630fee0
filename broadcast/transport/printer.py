"""Makes the files of reports in a process of their own (`printer_child`), which ends after each.

The libraries weigh 40 MB and hold the GIL while they lay a page out; a trigger must not wait for that.
"""

import asyncio
import contextlib
import json
import sys
from dataclasses import asdict

from broadcast.service.ports import Paper, PrintingFailed

TIMEOUT_S = 30.0
AT_ONCE = 2  # further ones wait


class ChildPrinter:
    """
    :param timeout_s: for one file, waiting for its turn not counted.
    """

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def pdf(self, paper: Paper) -> bytes:
        return await self._print("pdf", paper)

    async def xlsx(self, paper: Paper) -> bytes:
        return await self._print("xlsx", paper)

    async def _print(self, kind: str, paper: Paper) -> bytes:
        """:raises PrintingFailed: it took too long, or the child said why not."""
        asked = await asyncio.to_thread(lambda: json.dumps(asdict(paper)).encode("ascii"))
        async with self._turns:
            try:
                child = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "broadcast.transport.printer_child",
                    kind,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                )
            except OSError as err:
                raise PrintingFailed(str(err)) from err
            try:
                made, said = await asyncio.wait_for(child.communicate(asked), self._timeout_s)
            except TimeoutError:
                raise PrintingFailed(f"not done after {self._timeout_s:g} s") from None
            finally:
                if child.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        child.kill()
                    await child.wait()
        if child.returncode or not made:
            last = said.decode(errors="replace").strip().splitlines()[-1:]
            raise PrintingFailed(last[0][:200] if last else f"it ended with {child.returncode}")
        return made
