"""Requests for a second person's agreement, and the policies that ask for it, as rows."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from broadcast.domain.approval import Request


class PolicyRow(NamedTuple):
    """One version of a policy.

    :param body: JSON that the subject reads.
    """

    name: str
    revision: int
    saved_at_ms: int
    saved_by: str
    body: str


class Approvals(Protocol):
    def add(self, request: Request) -> None: ...  # StoreRefused: the id is taken
    def save(self, request: Request) -> None: ...  # UnknownApproval
    def get(self, approval: str) -> Request | None: ...
    def open(self) -> Sequence[Request]: ...  # those that wait, or wait for a review; oldest first
    def page(self, *, before: str | None, limit: int) -> Sequence[Request]: ...  # newest first, ids by time


class Policies(Protocol):
    """Versions are added and never changed."""

    def add(self, policy: PolicyRow) -> None: ...  # StoreRefused: there is this revision already
    def newest(self, name: str) -> PolicyRow | None: ...
    def history(self, name: str) -> Sequence[PolicyRow]: ...  # oldest first
