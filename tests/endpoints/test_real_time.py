"""Threads that carry sound: before others where that is allowed, as they are where it is not."""

import os
import subprocess
import sys
import threading

import pytest

from endpoints.real_time import BESIDE_IT, SOUND, real_time

TRY = "import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))"
REFUSED = """
import os, resource
from endpoints.real_time import real_time
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
if os.getuid() == 0:
    os.setuid(65534)
for _ in range(2):
    with real_time():
        print(os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))
print(os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))
"""


def standing() -> tuple[int, int]:
    return os.sched_getscheduler(0), os.sched_getparam(0).sched_priority


def test_a_thread_and_those_it_starts_go_before_others_until_it_is_done() -> None:
    if subprocess.run([sys.executable, "-c", TRY], check=False, capture_output=True).returncode:
        pytest.skip("real-time priority is not allowed here")
    before, children = standing(), list[tuple[int, int]]()
    with real_time(BESIDE_IT), real_time():
        thread = threading.Thread(target=lambda: children.append(standing()))
        thread.start()
        thread.join()
    assert children == [(os.SCHED_RR, SOUND)]
    assert standing() == before


def test_where_nothing_is_allowed_threads_are_as_they_are() -> None:
    done = subprocess.run([sys.executable, "-c", REFUSED], capture_output=True, text=True, check=True, timeout=20)
    assert len(set(done.stdout.splitlines())) == 1
