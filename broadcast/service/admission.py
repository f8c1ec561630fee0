"""How people and machines are let in, as one part: the wishes that want a second person, and the invitations they lead to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

from broadcast.clock import Clock
from broadcast.domain.areas import AreaTree
from broadcast.service.account_changes import AccountChanges
from broadcast.service.invitations import Invitations
from broadcast.service.officers import Officers
from broadcast.service.passwords import Hasher
from broadcast.service.ports import Store


@dataclass(frozen=True, slots=True)
class Admission:
    """Both of them."""

    changes: AccountChanges
    invitations: Invitations

    @classmethod
    def of(
        cls,
        officers: Officers,
        *,
        clock: Clock,
        store: Store,
        hasher: Hasher,
        tree: Callable[[], AreaTree],
        on_policy: Callable[[], Awaitable[None]],
    ) -> Self:
        """
        :param tree: the areas that there are now.
        :param on_policy: called when another table of approvals is in force.
        """
        return cls(
            AccountChanges(clock=clock, store=store, hasher=hasher, officers=officers, tree=tree, on_policy=on_policy),
            Invitations(clock=clock, store=store, hasher=hasher, officers=officers),
        )
