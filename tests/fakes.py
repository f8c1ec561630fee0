"""Stand-ins that pass the same contract tests as what they stand for."""

from tests.memory_store import MemoryStore

__all__ = ["MemoryStore"]
