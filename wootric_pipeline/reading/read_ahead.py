"""Threads that read what will be wanted next: a bounded number of items, handed on in order, errors included."""

import queue
import threading
from collections.abc import Iterator
from typing import Any, Generic, NamedTuple, TypeVar

Item = TypeVar("Item")

POLL_SECONDS = 0.5
SPARE_ITEMS = 8
"""So many items the reader that is being consumed may buffer although the buffer is full: others may have filled it."""


class Buffer:
    """Counts items that are kept until they are wanted; readers may share one.

    Attributes:
        size: How many it is for.
        buffered: How many there are.
        freed: Guards both; notified when one is taken.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.buffered = 0
        self.freed = threading.Condition()


class _End(NamedTuple):
    error: BaseException | None


class ReadAhead(Generic[Item]):
    """An iterator over items that a thread of its own reads, beginning at once.

    Args:
        items: Only that thread touches them.
        buffer: For what is read ahead, besides the one item that waits for space.
        ready: Counts what can be had at once; readers may share one.
    """

    def __init__(self, items: Iterator[Item], buffer: Buffer, ready: threading.Semaphore | None = None) -> None:
        self._items = items
        self._buffer = buffer
        self._ready = ready or threading.Semaphore(0)
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._is_consumed = False
        self._closed = False
        self._ended = False
        threading.Thread(target=self._read, name="wootric-read-ahead", daemon=True).start()

    def __iter__(self) -> Iterator[Item]:
        with self._buffer.freed:
            self._is_consumed = True
            self._buffer.freed.notify_all()
        return self

    def __next__(self) -> Item:
        if self._ended:
            raise StopIteration
        item = self._take()
        if not isinstance(item, _End):
            return item  # type: ignore[no-any-return]
        self._ended = True
        raise item.error or StopIteration

    def unless_waiting(self, seconds: float) -> Iterator[Item | None]:
        """The items, and None where the next is not there: as soon as another reader has one, or after that time."""
        while True:
            if self._queue.empty() and self._ready.acquire(timeout=seconds):
                self._ready.release()
            if self._queue.empty() and not self._ended:
                yield None
                continue
            try:
                yield next(self)
            except StopIteration:
                return

    def close(self) -> None:
        """Ends the thread; what it has read is lost."""
        with self._buffer.freed:
            self._closed = True
        while not self._queue.empty():
            # Whoever was interrupted between taking this and giving it back has taken it for ever.
            self._take(waits=False)

    def _take(self, *, waits: bool = True) -> Any:
        item = self._queue.get()
        self._ready.acquire(blocking=waits)
        with self._buffer.freed:
            self._buffer.buffered -= 1
            self._buffer.freed.notify()
        return item

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
        with self._buffer.freed:
            while not self._closed and not self._has_space():
                self._buffer.freed.wait(POLL_SECONDS)
            if self._closed:
                return False
            self._buffer.buffered += 1
            self._queue.put(item)
            self._ready.release()
        return True

    def _has_space(self) -> bool:
        return self._buffer.buffered < self._buffer.size or (self._is_consumed and self._queue.qsize() < SPARE_ITEMS)


def in_order(parts: Iterator[Iterator[Item]], at_once: int, buffer: Buffer) -> Iterator[Item]:
    """The items of all parts, one part after the other, while those behind are already being read.

    Args:
        parts: Asked for by a thread of its own.
        at_once: How many to read at the same time.
        buffer: For the items of those behind.
    """
    readers: list[ReadAhead[Item]] = []
    given_up = threading.Event()

    def begun() -> Iterator[ReadAhead[Item]]:
        for part in parts:
            readers.append(ReadAhead(part, buffer))
            if given_up.is_set():
                readers[-1].close()
            yield readers[-1]

    # One more part is being handed on, and another was begun when there was no space for it yet.
    ahead = ReadAhead(begun(), Buffer(max(at_once - 2, 1)))
    try:
        while (reader := next(ahead, None)) is not None:
            yield from reader
            readers.remove(reader)
    finally:
        given_up.set()
        ahead.close()
        for reader in readers:
            reader.close()
