"""Stores of every kind. A real PostgreSQL is started once; each test has a database of its own, copied from one with our tables."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from broadcast.service.ports import Store
from broadcast.store.store import SqlStore, open_store, upgrade
from tests.fakes import MemoryStore
from tests.postgres import Postgres, running


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgres]:
    """With a database `model` that has our tables."""
    with running() as server:
        if server is None:
            pytest.skip("PostgreSQL is not installed")
        server.run("CREATE DATABASE model")
        upgrade(server.url("model"))
        yield server


@pytest.fixture(scope="session")
def sqlite_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that has our tables."""
    file = tmp_path_factory.mktemp("model") / "model.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_model: Path) -> str:
    shutil.copy(sqlite_model, tmp_path / "lianbo.db")
    return f"sqlite:///{tmp_path / 'lianbo.db'}"


@pytest.fixture
def postgresql_url(cluster: Postgres) -> Iterator[str]:
    with cluster.database("model") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """A database of each engine with our tables and nothing in them."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
async def sql_store(url: str) -> AsyncIterator[SqlStore]:
    store = open_store(url)
    yield store
    await store.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """The fake and the real ones: the contract is the same."""
    if request.param == "memory":
        yield MemoryStore()
        return
    made = open_store(request.getfixturevalue(f"{request.param}_url"))
    yield made
    await made.close()
