"""What the machine gives the server or keeps from it: a port, a folder, memory. Sentences to act on where it does not."""

import errno
import gc
from pathlib import Path


class DeskPortTaken(OSError):
    """The desk can't listen where it should."""

    def __init__(self, host: str, port: int, cause: OSError) -> None:
        self.host, self.port = host, port
        taken = cause.errno == errno.EADDRINUSE
        why = (
            f"is used by another program (`ss -ltnp 'sport = :{port}'` names it)"
            if taken
            else f"can't be used: {cause}"
        )
        super().__init__(f"Port {port} on {host} {why}. End that program, or set server.port to a free one (0 = any).")


class DataFolderUnusable(OSError):
    """Database and keys have no place."""

    def __init__(self, folder: Path, cause: OSError) -> None:
        self.folder = folder
        super().__init__(
            f"The data folder {folder} can't be used: {cause.strerror}. Set server.data_folder to one that can."
        )


def spare_the_collector() -> None:
    """What is loaded now stays; and a wave of 24,000 report lines is no reason to walk through all of it three times.

    Measured with 12,000 speakers: full collections took a third of the time from trigger to the last durable report.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
