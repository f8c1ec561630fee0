"""Tests that record in real time get more than one take, as a recording in a studio does; all other tests get one.

A machine of two cores that is busy with something else starves the sound thread or the browser for a moment, and the recording
has a gap that says nothing about the program. So a test of the modules below counts as passed when one of three takes is right, and
each take that was not is printed. What must hold every time (rules, orders, evidence) is tested elsewhere, in virtual time.

For the same reason most of these are marked `alone`, with those that count what the machine can do in a second: `tests/parts.py`
runs them one by one, after all others, which share the cores.
"""

from collections.abc import Sequence

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings

# An example that takes long says how busy the machine is.
settings.register_profile("unhurried", settings(deadline=None))
settings.load_profile("unhurried")

TAKES = 3
REAL_TIME = (
    "endpoints/test_proving.py",
    "endpoints/test_speaker.py",
    "endpoints/test_voice_pulse.py",
    "system/test_figures.py",
    "system/test_in_step.py",
    "system/test_interrupts_heard.py",
    "system/test_line_cut.py",
    "system/test_live.py",
    "system/test_live_killed.py",
    "system/test_live_latency.py",
    "system/test_live_page.py",
    "system/test_live_page_ear.py",
    "system/test_mouth_to_ear.py",
    "system/test_programmes.py",
    "system/test_proof.py",
    "system/test_sound.py",
    "system/test_whole.py",
)
PATIENT = (  # real time too, but they wait for what comes: three takes, and the company of others
    "system/test_live_killed.py",
    "system/test_live_page.py",
    "system/test_programmes.py",
)
ALONE = (
    *(name for name in REAL_TIME if name not in PATIENT),
    "system/test_floods.py",
    "transport/test_live_source.py",
    "web/test_hostile.py",
)
FIRST = (  # what takes long, in this order: begun last it would keep one core waiting for another
    "system/test_kills.py",
    "system/test_live_page.py",
    "endpoints/test_model.py",
    "tests/test_repository.py",  # short: with three workers it is laid behind the single test of the first
    "system/test_main_job.py",
    "system/test_programmes.py",
    "system/test_sounds.py",
    "system/test_wheel.py",
    "system/test_programme_day.py",
    "system/test_demo.py",
    "endpoints/test_simulator_programmes.py",
    "endpoints/test_simulator.py",
    "audio_assets/test_fuzz.py",
    "audio_assets/test_sandbox.py",
)


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)  # the others stay in their order
    for item in items:
        if str(item.path).endswith(ALONE):
            item.add_marker("alone")


def _turn(item: pytest.Item) -> int:
    return next((turn for turn, name in enumerate(FIRST) if str(item.path).endswith(name)), len(FIRST))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test of real time up to three times; report the last take."""
    if not str(item.path).endswith(REAL_TIME):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports: Sequence[pytest.TestReport] = ()
    for take in range(1, TAKES + 1):
        if take > 1:
            item._initrequest()  # type: ignore[attr-defined]  what pytest-rerunfailures does: fresh fixtures
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        failed = [report for report in reports if report.failed]
        if not failed:
            break
        print(f"\n{item.nodeid}: take {take} of {TAKES} failed: {str(failed[0].longrepr)[-300:]}")
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
