"""Threads that read what will be wanted next: a bounded number of items, handed on in order, errors included."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

Item = TypeVar("Item")

POLL_SECONDS = 0.5


class _End(NamedTuple):
    error: BaseException | None


class ReadAhead(Generic[Item]):
    """An iterator over items that a thread of its own reads, beginning at once.

    Args:
        items: Only that thread touches them.
        size: How many to hold at most, besides the one at hand.
        abandoned: Once set, the thread ends; readers may share one.
        while_waiting: Called now and then, by the thread that wants the next item, while it is not there yet.
    """

    def __init__(
        self,
        items: Iterator[Item],
        size: int,
        abandoned: threading.Event | None = None,
        while_waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self._items = items
        self._ready: queue.Queue[Any] = queue.Queue(size)
        self._abandoned = abandoned or threading.Event()
        self._while_waiting = while_waiting
        threading.Thread(target=self._read, name="wootric-read-ahead", daemon=True).start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        item = self._next()
        if not isinstance(item, _End):
            return item  # type: ignore[no-any-return]
        # For whoever asks again.
        self._ready.put(_End(None))
        raise item.error or StopIteration

    def close(self) -> None:
        """Ends the thread; what it has read is lost."""
        self._abandoned.set()

    def _next(self) -> Any:
        while True:
            try:
                return self._ready.get(timeout=POLL_SECONDS)
            except queue.Empty:
                self._while_waiting()

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as raised:
            error = raised
        self._put(_End(error))

    def _put(self, item: Any) -> bool:
        while not self._abandoned.is_set():
            try:
                self._ready.put(item, timeout=POLL_SECONDS)
                return True
            except queue.Full:
                pass
        return False


def in_order(parts: Iterator[Iterator[Item]], at_once: int, size: int) -> Iterator[Item]:
    """The items of all parts, one part after the other, while those behind are already being read.

    Args:
        parts: Asked for by a thread of its own.
        at_once: How many to read at the same time.
        size: How many items of a part to hold at most.
    """
    abandoned = threading.Event()
    # One more part is at hand, and another was started when there was no room for it yet.
    started = ReadAhead((ReadAhead(part, size, abandoned) for part in parts), max(at_once - 2, 1), abandoned)
    try:
        for part in started:
            yield from part
    finally:
        abandoned.set()
