"""The writer: the one thread that writes, on the one connection that does.

A piece of work has its own transaction and goes before reports, so that a trigger never waits behind a flood of them. Reports
gather: all that came since the last commit share the next one, and commits of reports begin at least `pace_s` apart. The first
report after a pause is not kept waiting. No error ends the thread; a connection that had one is replaced.

The event loop shares the GIL with this thread, and a busy loop can starve it: it lets go at every system call and takes the GIL
back before a waiting thread wakes (bpo-7946; measured: 4,000 rows took up to 3.8 s instead of 30 ms). So when something is late,
the loop gives way for a millisecond in each of its rounds (then: 50 ms; a trigger 9 ms at most instead of 120).
"""

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from broadcast.service.ports import ReportRow, StoreUnavailable, Tx

log = logging.getLogger(__name__)

MAX_WRITES = 1_000
MAX_ROWS = 200_000  # of reports waiting; about 60 MB
ROWS_A_COMMIT = 4_000  # a trigger waits for one such commit at most, some 10 ms
PATIENCE_S = 0.25  # reports that waited so long take one turn before further work
SLOW_FAILURE_S = 1.0
WORK_LATE_S, REPORTS_LATE_S = 0.003, 0.03
GIVE_WAY_S = 0.001

Run = Callable[[Callable[[Tx], Any]], Any]


class Work(NamedTuple):
    """One call of `write`."""

    run: Callable[[Tx], Any]
    answer: asyncio.Future[Any]
    late_at: float  # on the loop's clock


class Reports(NamedTuple):
    """One call of `keep_reports`."""

    rows: Sequence[ReportRow]
    answer: asyncio.Future[None]
    late_at: float


class Writer:
    """Queue and thread.

    :param run: does one piece of work in a transaction of its own, on this thread; raises our errors, or those of the work.
    :param pace_s: commits of reports begin at least so far apart.
    """

    def __init__(self, run: Run, *, pace_s: float) -> None:
        self._run, self._pace_s = run, pace_s
        self._changed = threading.Condition(threading.Lock())
        self._works: deque[Work] = deque()
        self._reports: deque[Reports] = deque()
        self._rows_waiting = 0
        self._reports_since = 0.0  # when the oldest waiting call came
        self._next_commit_at = 0.0
        self._asleep = self._closing = False
        self._turn_late_at = math.inf  # of what the thread is at
        self._alarm: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._loop, name="store-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    # ---- on the event loop ----------------------------------------------------------------------------------------------

    def write(self, work: Callable[[Tx], Any]) -> asyncio.Future[Any]:
        """Its answer, after the commit."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        late_at = loop.time() + WORK_LATE_S
        with self._changed:
            if self._closing or len(self._works) >= MAX_WRITES:
                answer.set_exception(self._refusal())
                return answer
            self._works.append(Work(work, answer, late_at))
            self._changed.notify()
        self._set_alarm(loop, late_at)
        return answer

    def keep_reports(self, rows: Sequence[ReportRow]) -> asyncio.Future[None]:
        """Done after the commit that holds them."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[None] = loop.create_future()
        late_at = loop.time() + REPORTS_LATE_S
        with self._changed:
            if self._closing or self._rows_waiting + len(rows) > MAX_ROWS:
                answer.set_exception(self._refusal())
                return answer
            if not self._reports:
                self._reports_since = time.monotonic()
            self._reports.append(Reports(rows, answer, late_at))
            self._rows_waiting += len(rows)
            if self._asleep:
                self._changed.notify()
        self._set_alarm(loop, late_at)
        return answer

    def _set_alarm(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._alarm is not None:
            if self._alarm.when() <= at:
                return
            self._alarm.cancel()
        self._alarm = loop.call_at(at, self._give_way, loop)

    def _give_way(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        with self._changed:
            late_at = self._turn_late_at
            if self._works:
                late_at = min(late_at, self._works[0].late_at)
            if self._reports:
                late_at = min(late_at, self._reports[0].late_at)
        if late_at == math.inf:
            return
        if (
            late_at <= loop.time()
        ):  # for as long as it takes: even while the disk is to blame, a round is only a millisecond longer
            time.sleep(GIVE_WAY_S)
        self._set_alarm(loop, late_at)

    def close(self) -> None:
        """Take nothing more, do what waits, end. Blocks until then."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _refusal(self) -> StoreUnavailable:
        return StoreUnavailable("it was closed" if self._closing else "too much is waiting for it")

    # ---- on the thread --------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while (turn := self._next()) is not None:
            began = time.monotonic()
            try:
                if isinstance(turn, Work):
                    self._do_work(turn)
                else:
                    self._keep(turn)
            except StoreUnavailable as err:
                if time.monotonic() - began > SLOW_FAILURE_S:
                    self._fail_waiting(err)
            except Exception:
                log.exception("the store's writer goes on")

    def _next(self) -> Work | list[Reports] | None:
        """Wait for the next turn; None is the end."""
        with self._changed:
            self._turn_late_at = math.inf
            while True:
                now = time.monotonic()
                overdue = bool(self._reports) and now - self._reports_since > PATIENCE_S
                if self._works and not overdue:
                    work = self._works.popleft()
                    self._turn_late_at = work.late_at
                    return work
                if self._reports:
                    wait_s = self._next_commit_at - now
                    if wait_s <= 0 or overdue or self._closing:
                        return self._gather(now)
                    self._changed.wait(wait_s)
                elif self._closing:
                    return None
                else:
                    self._asleep = True
                    self._changed.wait()
                    self._asleep = False

    def _gather(self, now: float) -> list[Reports]:
        calls = [self._reports.popleft()]
        rows = len(calls[0].rows)
        while self._reports and rows + len(self._reports[0].rows) <= ROWS_A_COMMIT:
            calls.append(self._reports.popleft())
            rows += len(calls[-1].rows)
        self._rows_waiting -= rows
        self._turn_late_at = calls[0].late_at
        self._reports_since = now
        self._next_commit_at = now + self._pace_s if not self._reports else now
        return calls

    def _do_work(self, work: Work) -> None:
        if work.answer.cancelled():  # nobody waits for it any more, and it has not begun
            return
        try:
            value = self._run(work.run)
        except StoreUnavailable as err:
            _answer([work.answer], None, err)
            raise
        except BaseException as err:
            _answer([work.answer], None, _portable(err))
        else:
            _answer([work.answer], value, None)

    def _keep(self, calls: list[Reports]) -> None:
        rows = calls[0].rows if len(calls) == 1 else [row for call in calls for row in call.rows]
        try:
            self._run(lambda tx: tx.reports.keep(rows))
        except StoreUnavailable as err:
            _answer([call.answer for call in calls], None, err)
            raise
        except Exception as err:
            if len(calls) == 1:
                _answer([calls[0].answer], None, err)
            else:  # one of them has a row that can't be kept; the others shall not suffer for it
                for call in calls:
                    with contextlib.suppress(StoreUnavailable):
                        self._keep([call])
        else:
            _answer([call.answer for call in calls], None, None)

    def _fail_waiting(self, err: StoreUnavailable) -> None:
        """All that is queued has waited for the same; one after the other would wait as long again."""
        with self._changed:
            answers = [work.answer for work in self._works] + [call.answer for call in self._reports]
            self._works.clear()
            self._reports.clear()
            self._rows_waiting = 0
        for answer in answers:
            _answer([answer], None, StoreUnavailable(err.cause))


def _portable(err: BaseException) -> Exception:
    """A future takes no StopIteration, and one with a SystemExit would end the event loop."""
    if isinstance(err, Exception) and not isinstance(err, StopIteration):
        return err
    return RuntimeError(f"work raised {err!r}")


def _answer(answers: Sequence[asyncio.Future[Any]], value: Any, err: Exception | None) -> None:
    """Resolve the futures on their loop, all in one step."""

    def resolve() -> None:
        for answer in answers:
            if answer.done():
                continue
            if err is not None:
                answer.set_exception(err)
            else:
                answer.set_result(value)

    loop = answers[0].get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(resolve)
