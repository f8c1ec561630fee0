"""Enrolments, groups, what speakers say of themselves, and tests of the estate, as the store keeps them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from broadcast.domain.enrolments import Enrolment
from broadcast.domain.estate_tests import Finding, SaidOf, SilentTest
from broadcast.domain.groups import Group


class Enrolments(Protocol):
    def add(self, enrolment: Enrolment) -> None: ...  # StoreRefused: that code was made before
    def save(self, enrolment: Enrolment) -> None: ...  # UnknownEnrolment
    def get(self, enrolment: str) -> Enrolment | None: ...
    def by_code(self, code_hash: bytes) -> Enrolment | None: ...
    def since(self, made_ms: int) -> Sequence[Enrolment]: ...  # newest first, ids by time


class Groups(Protocol):
    def add(self, group: Group) -> None: ...
    def save(self, group: Group) -> None: ...  # UnknownGroup
    def get(self, group: str) -> Group | None: ...
    def drop(self, group: str) -> None: ...
    def all(self) -> Sequence[Group]: ...  # by name, then id


class Abouts(Protocol):
    """Of each speaker what it said of itself last."""

    def keep(self, said: Iterable[SaidOf]) -> None: ...
    def all(self) -> Mapping[str, SaidOf]: ...


class SilentTests(Protocol):
    """What passed is counted, what failed is kept by name."""

    def add(self, test: SilentTest, findings: Sequence[Finding]) -> None: ...
    def newest(self, *, limit: int) -> Sequence[SilentTest]: ...  # newest first
    def get(self, test: str) -> SilentTest | None: ...
    def findings(self, test: str) -> Sequence[Finding]: ...  # by area, then speaker
    def forget_before(self, at_ms: int) -> None: ...
