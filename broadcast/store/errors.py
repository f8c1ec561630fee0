"""What the database says, in the store's words."""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from broadcast.domain.errors import BroadcastError
from broadcast.service.ports import StoreRefused, StoreUnavailable


class StoreInUse(BroadcastError):
    """Another server works on this database."""

    def __init__(self, where: str, holder: str) -> None:
        self.where, self.holder = where, holder
        super().__init__(f"{where} is in use by {holder}; two servers on one database would contradict each other")


class SchemaNotCurrent(BroadcastError):
    """The tables are not those of this version of the program; nothing was touched.

    :param found: the revision of the database; `newer` when this program does not know it.
    """

    def __init__(self, found: str, wanted: str, *, newer: bool) -> None:
        self.found, self.wanted = found, wanted
        then = "use a newer program" if newer else "make a backup, then run `lianbo db upgrade`"
        super().__init__(f"the database is of revision {found}, this program needs {wanted}: {then}")


def in_our_words(err: BaseException) -> BaseException:
    """A driver's or SQLAlchemy's error as ours; any other as it is."""
    if isinstance(err, (IntegrityError, DataError)):
        return _because(StoreRefused(_first_line(err.orig)), err)
    if isinstance(err, DBAPIError):
        return _because(StoreUnavailable(_first_line(err.orig)), err)
    if isinstance(err, SQLAlchemyError):
        return _because(StoreUnavailable(_first_line(err)), err)
    return err


def _because(ours: BroadcastError, err: BaseException) -> BroadcastError:
    ours.__cause__ = err
    return ours


def _first_line(err: BaseException | None) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0]
