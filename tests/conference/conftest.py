"""What the contract of the engines needs."""

from pathlib import Path

import pytest


@pytest.fixture
def opus_file(tmp_path: Path) -> str:
    """A sound by its name alone: the engine on paper opens no files. A stage with real media overrides this fixture."""
    path = tmp_path / "tone.opus"
    path.touch()
    return str(path)
