"""The process in which an uploaded file is taken apart: the child of `sandbox`, one file, then it ends.

It limits itself before it looks at the file: memory, processor time, size of what it writes, no core, no further process, and,
once libav is loaded, not one further file descriptor. So even where there is no bubblewrap it opens no file and no connection.
What it has: the file to read (0), a pipe for the answer (1), one for complaints (2), the file to write (named by a number).
"""

import ctypes
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from audio_assets.intake import Limits, Prepared, Recipe, Refusal, Refused, answer_of, read_job

SELF_TEST = "self-test"
_NICENESS = 15  # the trigger's path comes first
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38  # prctl(2)
_RESULT, _ANSWER = 3, 4  # where the descriptors are moved to; nothing above them can be had
_IMPORT_CPU_S = 20  # loading libav on a slow machine; not the file's fault
_WRITE_ROOM = 1 << 20


def main() -> None:
    """`intake_child JOB NUMBER`; the answer goes to stdout."""
    job = sys.argv[1]
    recipe, limits = (Recipe(), Limits()) if job == SELF_TEST else read_job(job)
    _end_with_parent()
    _limit(limits)
    from audio_assets.preparing import prepare, warm_up  # noqa: PLC0415  under the limits

    warm_up()
    _arrange(int(sys.argv[2]))
    _close_the_door()
    if job == SELF_TEST:
        _say(_try_to_get_out())
        return
    _say(answer_of(_outcome(prepare, recipe, limits)))


def _outcome(prepare: Callable[..., Prepared], recipe: Recipe, limits: Limits) -> Prepared | Refused:
    try:
        with open(0, "rb", closefd=False) as file, open(_RESULT, "w+b", closefd=False) as out:
            return prepare(file, out, recipe, limits)
    except Refused as err:
        return err
    except MemoryError:
        return Refused(Refusal.MEMORY)
    except OSError as err:  # no room where the result is written
        return Refused(Refusal.UNFINISHED, cause=os.strerror(err.errno or 0))


def _limit(limits: Limits) -> None:
    os.nice(_NICENESS)
    cpu_s = limits.cpu_s + _IMPORT_CPU_S
    for what, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, limits.result_bytes + _WRITE_ROOM),
    ):
        resource.setrlimit(what, (value, value))


def _arrange(result: int) -> None:
    """Complaints of libraries must not get between the answers."""
    answer = os.dup(1)
    os.dup2(2, 1)
    moved = os.dup(result)
    os.dup2(moved, 30)
    os.dup2(answer, 31)
    os.closerange(3, 30)
    os.dup2(30, _RESULT)
    os.dup2(31, _ANSWER)
    os.closerange(_ANSWER + 1, 1024)


def _close_the_door() -> None:
    for what, value in ((resource.RLIMIT_NOFILE, _ANSWER + 1), (resource.RLIMIT_NPROC, 0)):
        resource.setrlimit(what, (value, value))


def _end_with_parent() -> None:
    """When the server is killed, so is this; and no program that is started from here gains a right."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _try_to_get_out() -> bytes:
    """What a file that took this process over could reach: a line for each way that is open."""
    ways = []
    with suppress(OSError):
        Path("/proc/self/status").open("rb").close()
        ways.append("a file was opened")
    with suppress(OSError):
        socket.socket().close()
        ways.append("a socket was opened")
    with suppress(OSError):
        list(Path("/etc").iterdir())
        ways.append("a folder was read")
    return "\n".join(ways or ["shut"]).encode()


def _say(answer: bytes) -> None:
    while answer:
        answer = answer[os.write(_ANSWER, answer) :]
    os._exit(0)  # without the teardown of libav, which a broken heap may hang or crash


if __name__ == "__main__":
    main()
