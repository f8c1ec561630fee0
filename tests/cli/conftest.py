"""A data folder as the first start leaves it, and `lianbo` as a technician types it."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broadcast.clock import SystemClock
from broadcast.domain.area_import import read_table
from broadcast.keyring import open_keyring
from broadcast.main import cli
from broadcast.store.store import SqlStore, open_store
from config.areas import load_packaged


@dataclass(frozen=True)
class Site:
    """One installation on this machine."""

    folder: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'lianbo.db'}"

    @property
    def environment(self) -> dict[str, str]:
        return {"LIANBO_SERVER_DATA_FOLDER": str(self.folder), "LIANBO_SERVER_PORT": "8719"}

    def run(self, *words: str | Path, typed: str = "", **environment: str) -> tuple[int, str]:
        """Exit code, and everything that was printed."""
        result = CliRunner().invoke(
            cli, [str(word) for word in words], input=typed, env={**self.environment, **environment}
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    def prepare(self) -> None:
        """What the first start of the server makes."""
        asyncio.run(_prepare(open_store(self.url, exclusive=False)))
        open_keyring(
            self.folder / "keys", county="130281", algorithm="ed25519", key_days=365, now_ms=SystemClock().now_ms()
        )
        (self.folder / "broker-port").write_text("18830")


async def _prepare(store: SqlStore) -> None:
    await store.write(lambda tx: tx.areas.replace(read_table(load_packaged())))
    await store.close()


@pytest.fixture
def empty_site(tmp_path: Path) -> Site:
    folder = tmp_path / "var"
    folder.mkdir(mode=0o700)
    return Site(folder)


@pytest.fixture
def site(empty_site: Site) -> Site:
    empty_site.prepare()
    return empty_site


async def lianbo(*words: str | Path, typed: str = "", **environment: str) -> tuple[int, str]:
    """The same as a process of its own, while a server runs in this one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "broadcast.main", *map(str, words)),
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(typed.encode()), 60)
    assert process.returncode is not None
    return process.returncode, output.decode()
