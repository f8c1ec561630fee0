"""Threads that carry sound go before whatever else the machine does.

A card has 60 ms of sound. On a busy machine (three processes that count, two cores) an ordinary thread waits 75 to 390 ms for
its turn, and the card runs dry several times in 20 s; one under SCHED_RR waits for no ordinary one. Linux lets root do so, and
whoever has `LimitRTPRIO`; where that is refused a nice value is tried, and then nothing: it sounds all the same.

What else the process does stands one step above all others: it may have Python's lock when its turn is over, and who waits for that
waits for whatever has the processor then. It is little: a hundredth of a core.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SOUND = 5  # as PulseAudio's own threads
BESIDE_IT = 1
NICE = -11  # likewise, where it may not have more


@contextmanager
def real_time(priority: int = SOUND) -> Iterator[None]:
    """This thread, and those that it starts meanwhile for as long as they live."""
    if sys.platform != "linux":
        yield
        return
    before = _now()
    _raise(priority)
    try:
        yield
    finally:
        _restore(before)


def _now() -> tuple[int, int, int]:
    """Policy, its priority, and nice."""
    return os.sched_getscheduler(0), os.sched_getparam(0).sched_priority, os.getpriority(os.PRIO_PROCESS, _thread())


def _raise(priority: int) -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))
    except OSError:  # not allowed to, or a kernel that has none for groups
        try:
            os.setpriority(os.PRIO_PROCESS, _thread(), NICE)
        except OSError:
            return


def _restore(before: tuple[int, int, int]) -> None:
    policy, priority, nice = before
    os.sched_setscheduler(0, policy, os.sched_param(priority))
    if os.getpriority(os.PRIO_PROCESS, _thread()) != nice:
        os.setpriority(os.PRIO_PROCESS, _thread(), nice)


def _thread() -> int:
    return threading.get_native_id()
