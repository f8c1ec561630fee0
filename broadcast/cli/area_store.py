"""The area table in force, in the database of this machine; a running server follows within seconds."""

from pathlib import Path

from broadcast.cli.local import settings_of, technician, with_store
from broadcast.clock import SystemClock
from broadcast.domain.area_import import Plan
from broadcast.domain.areas import AreaTree
from broadcast.domain.errors import BroadcastError
from broadcast.service.estate import touched
from broadcast.service.ports import ActRow, Tx
from broadcast.store.checkup import is_there
from config.settings import Settings

PAGE = 500


class TableMoved(BroadcastError):
    """Somebody else changed the table between the comparison and now."""

    def __init__(self) -> None:
        super().__init__("the table was changed by someone else meanwhile; nothing was stored, run this again")


class DatabaseAreas:
    """The table of one database."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._before: list[object] = []

    def table(self) -> AreaTree:
        """The table in force; what `take` replaces must still be this."""
        tree = with_store(self._settings, lambda store: store.read(lambda tx: tx.areas.tree()))
        self._before = list(tree)
        return tree

    def in_use(self) -> frozenset[str]:
        """Where speakers stand, what broadcasts named, what officers hold."""
        return with_store(self._settings, lambda store: store.read(_in_use))

    def take(self, plan: Plan) -> None:
        """Put the new table in force, in one transaction, noted in the duty log."""
        by, at_ms = technician(self._settings), SystemClock().now_ms()

        def work(tx: Tx) -> None:
            if list(tx.areas.tree()) != self._before:
                raise TableMoved
            tx.areas.replace(plan.tree)
            tx.acts.add(ActRow(at_ms, by.name, "import areas", by.area, f"{plan.changes} changes"))
            touched(tx)

        with_store(self._settings, lambda store: store.write(work))


def database_areas(config: Path | None) -> DatabaseAreas | None:
    """Those of the settings; None while there is no database, that is before the server's first start."""
    settings = settings_of(config)
    return DatabaseAreas(settings) if is_there(settings.database_url) else None


def _in_use(tx: Tx) -> frozenset[str]:
    codes = {one.area for one in tx.speakers.all()} | {one.officer.area for one in tx.accounts.all()}
    for version in tx.programmes.newest():
        codes |= {version.programme.owner, *version.programme.areas, *version.programme.excluded}
    codes |= {one.plan.area for one in tx.programmes.plans()}
    before: str | None = None
    while page := tx.broadcasts.page(before=before, limit=PAGE):
        for one in page:
            codes |= {*one.order.areas, *one.order.excluded}
        before = page[-1].id
    return frozenset(codes)
