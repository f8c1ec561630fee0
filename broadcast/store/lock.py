"""One server a database: a lock that the kernel drops when its holder dies, however it dies."""

import fcntl
import os
from pathlib import Path

from broadcast.service.ports import StoreUnavailable
from broadcast.store.errors import StoreInUse


class FileLock:
    """Held on `<database>.lock` from construction to `release`.

    :raises StoreInUse: another process, or another store of this one, holds it.
    :raises StoreUnavailable: the file can't be made.
    """

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".lock")
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as err:
            raise StoreUnavailable(f"{path}: {err.strerror}") from err
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            holder = os.read(self._fd, 100).decode(errors="replace").strip()
            os.close(self._fd)
            raise StoreInUse(str(database), holder or "another process") from err
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"process {os.getpid()} of {os.uname().nodename}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._fd)
