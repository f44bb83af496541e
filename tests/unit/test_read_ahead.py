"""Threads that read ahead keep the order, hand errors on in their place, and end."""

import threading
import time
from collections.abc import Iterator
from itertools import islice

import pytest

from wootric_pipeline.reading.read_ahead import SPARE_ITEMS, Buffer, ReadAhead, in_order


def counted(numbers: range, taken: list[int], error: Exception | None = None) -> Iterator[int]:
    for number in numbers:
        taken.append(number)
        yield number
    if error:
        raise error


def wait_until_no_thread_reads() -> None:
    deadline = time.monotonic() + 5
    while any(thread.name == "wootric-read-ahead" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_items_come_in_order_and_errors_behind_the_items_before_them() -> None:
    items = ReadAhead(counted(range(5), [], KeyError("gone")), Buffer(2))
    assert [next(items) for _ in range(5)] == list(range(5))
    with pytest.raises(KeyError):
        next(items)
    assert list(items) == []


def test_no_more_is_read_ahead_than_there_is_room_for() -> None:
    taken: list[int] = []
    items = ReadAhead(counted(range(100), taken), Buffer(3))
    assert next(items) == 0
    time.sleep(0.3)
    assert len(taken) == 1 + 3 + 1
    items.close()
    wait_until_no_thread_reads()


def test_parts_are_read_at_the_same_time_and_come_one_after_the_other() -> None:
    together = threading.Barrier(3, timeout=5)

    def part(index: int) -> Iterator[int]:
        if index < 3:
            together.wait()
        yield from range(index * 10, index * 10 + 10)

    assert list(in_order((part(index) for index in range(8)), 3, Buffer(4))) == list(range(80))


def test_parts_share_room_that_never_keeps_the_one_at_hand_from_being_read() -> None:
    buffer = Buffer(6)
    taken: list[int] = []
    items = [in_order((counted(range(20), taken) for _ in range(4)), 4, buffer) for _ in range(3)]
    assert [next(each) for each in items] == [0, 0, 0]
    time.sleep(0.3)
    assert buffer.buffered <= 6 + 3 * SPARE_ITEMS
    assert [list(each) for each in items] == [[*range(1, 20), *list(range(20)) * 3]] * 3
    assert buffer.buffered == 0


def test_an_error_of_a_later_part_comes_after_the_parts_before_it() -> None:
    parts = iter([counted(range(5), []), counted(range(5, 7), [], KeyError("gone")), counted(range(7, 9), [])])
    items = in_order(parts, 4, Buffer(10))
    assert list(islice(items, 7)) == list(range(7))
    with pytest.raises(KeyError):
        next(items)
    wait_until_no_thread_reads()


def test_parts_given_up_leave_no_thread_behind() -> None:
    buffer = Buffer(2)
    items = in_order((counted(range(100), []) for _ in range(100)), 4, buffer)
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    wait_until_no_thread_reads()
    assert buffer.buffered == 0


def test_who_waits_is_told_so_now_and_then() -> None:
    told = threading.Event()

    def slow() -> Iterator[int]:
        assert told.wait(5)
        yield 1

    items = ReadAhead(slow(), Buffer(1)).unless_waiting(0.01)
    assert next(items) is None
    told.set()
    assert [item for item in items if item is not None] == [1]


def test_who_waits_is_told_at_once_that_another_has_something() -> None:
    ready, told = threading.Semaphore(0), threading.Event()

    def slow() -> Iterator[int]:
        assert told.wait(5)
        yield 1

    waiting = ReadAhead(slow(), Buffer(1), ready).unless_waiting(5)
    other = ReadAhead(counted(range(1), []), Buffer(1), ready)
    began = time.monotonic()
    assert next(waiting) is None
    assert time.monotonic() - began < 4
    assert list(other) == [0]
    told.set()
    assert next(waiting) == 1
