"""An event loop whose time passes when nobody has anything to do: a day of waiting is over at once, and every run is the same.

What runs in threads (`asyncio.to_thread`) runs where it is called, so that nothing is left over when the time moves on.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_NOBODY_COMES_S = 5.0  # with no timer left only another thread can call; a test that waits longer than this hangs


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Does not wait for the time: moves it."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select(_NOBODY_COMES_S)
        events = super().select(0)
        if not events and timeout > 0:
            self.passed_s += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """:param start: what `time` says first."""

    def __init__(self, start: float = 1_000.0) -> None:
        self._passing, self._start = _Selector(), start
        super().__init__(self._passing)

    def time(self) -> float:
        return self._start + self._passing.passed_s

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as err:
            done.set_exception(err)
        return done


def run(main: Coroutine[Any, Any, T], *, start: float = 1_000.0) -> T:
    """To its end, in virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start)) as runner:
        return runner.run(main)
