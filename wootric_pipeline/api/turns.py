"""Which of the threads that want to send a request may send it next."""

import heapq
import itertools
import threading
from types import TracebackType


class Turns:
    """Lets some threads in at once; of those that wait, the one that asked first of all, ever, is next.

    So of the parts of a list that are read at the same time the one that is wanted first is not held up by those
    behind it, for which there may be no more room.

    Args:
        at_once: How many.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, threading.Event]] = []
        self._numbers = itertools.count()
        self._thread = threading.local()

    def __enter__(self) -> None:
        if not hasattr(self._thread, "number"):
            self._thread.number = next(self._numbers)
        turn = threading.Event()
        with self._lock:
            heapq.heappush(self._waiting, (self._thread.number, turn))
            self._let_in()
        turn.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._free += 1
            self._let_in()

    def _let_in(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            heapq.heappop(self._waiting)[1].set()
