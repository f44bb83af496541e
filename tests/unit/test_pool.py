"""Workers read ahead of whoever takes their pages: in order, within bounds, and to an end."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import cast

import pytest

from wootric_pipeline.reading.pool import PIECES_OF_THE_FIRST, Pool
from wootric_pipeline.reading.walk import Piece, Walk

Source = Iterator[int]


class Parts:
    """As a walk: numbers as pieces, and further parts of the range, if it is to be split."""

    def __init__(self, *sources: Source) -> None:
        self.first, self.beyond = [{"id": 0}], list[dict[str, int]]()
        self._source, self._rest = sources[0], sources[1:]

    def pieces(self) -> Iterator[Piece]:
        source: Source | None = self._source
        while source is not None:
            for number in source:
                yield Piece([{"id": number}], True)
            # What nobody has split off it reads itself.
            source, self._rest = (self._rest[0], self._rest[1:]) if self._rest else (None, ())

    @property
    def pages_left(self) -> int:
        return len(self._rest)

    def split(self) -> "Parts | None":
        rest, self._rest = self._rest, ()
        return Parts(*rest) if rest else None


def reading(pool: Pool, *sources: Source) -> Iterator[int | None]:
    """The numbers that a pool hands on."""
    split = cast("Callable[[Walk], Walk | None]", Parts.split)
    pieces = pool.read(cast("Walk", Parts(*sources)), split)
    try:
        for piece in pieces:
            yield None if piece is None else piece.rows[0]["id"]
    finally:
        pieces.close()  # type: ignore[attr-defined]


def numbers(items: Iterator[int | None]) -> list[int]:
    return [item for item in items if item is not None]


def counted(numbers: range, taken: list[int], error: Exception | None = None) -> Source:
    for number in numbers:
        taken.append(number)
        yield number
    if error:
        raise error


def readers() -> int:
    return sum(thread.name == "wootric-reader" for thread in threading.enumerate())


def wait_until_no_thread_reads() -> None:
    deadline = time.monotonic() + 5
    while readers():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_items_come_in_order_and_errors_behind_the_items_before_them() -> None:
    items = reading(Pool(2, 5), counted(range(5), [], KeyError("gone")))
    assert numbers(islice((item for item in items if item is not None), 5)) == list(range(5))
    with pytest.raises(KeyError):
        numbers(items)
    wait_until_no_thread_reads()


def test_parts_are_read_at_the_same_time_and_come_one_after_the_other() -> None:
    together = threading.Barrier(3, timeout=5)

    def part(index: int) -> Source:
        if index < 3:
            together.wait()
        yield from range(index * 10, index * 10 + 10)

    assert numbers(reading(Pool(3, 40), *map(part, range(8)))) == list(range(80))


def test_the_range_of_which_most_is_left_is_parted_first() -> None:
    begun: list[str] = []
    all_began = threading.Barrier(4, timeout=5)

    def part(name: str) -> Source:
        begun.append(name)
        all_began.wait()
        yield 0

    pool = Pool(0, 40)
    ranges = [
        reading(pool, *(part(f"{name} {index}") for index in range(parts))) for name, parts in (("a", 2), ("b", 9))
    ]
    assert [next(each) for each in ranges] == [None, None]
    lanes = [pool._next_lane() for _ in range(3)]
    threads = [threading.Thread(target=lane.advance) for lane in lanes if lane is not None]
    for thread in threads:
        thread.start()
    all_began.wait()
    for thread in threads:
        thread.join()
    for each in ranges:
        each.close()  # type: ignore[attr-defined]
    assert sorted(begun) == ["a 0", "b 0", "b 1"]


def test_no_more_is_read_ahead_than_the_window_holds() -> None:
    taken: list[int] = []
    items = reading(Pool(2, 3), counted(range(100), taken))
    assert next(item for item in items if item is not None) == 0
    time.sleep(0.3)
    assert len(taken) <= 1 + 3 + PIECES_OF_THE_FIRST
    assert numbers(items) == list(range(1, 100))


def test_a_full_window_never_keeps_the_part_that_is_wanted_from_being_read() -> None:
    pool = Pool(4, 6)
    ranges = [reading(pool, *(counted(range(20), []) for _ in range(4))) for _ in range(3)]
    assert [numbers(each) for each in ranges] == [list(range(20)) * 4] * 3


def test_an_error_of_a_later_part_comes_after_the_parts_before_it() -> None:
    parts = counted(range(5), []), counted(range(5, 7), [], KeyError("gone")), counted(range(7, 9), [])
    items = reading(Pool(4, 10), *parts)
    assert list(islice((item for item in items if item is not None), 7)) == list(range(7))
    with pytest.raises(KeyError):
        numbers(items)
    wait_until_no_thread_reads()


def test_a_reading_given_up_leaves_no_thread_behind() -> None:
    items = reading(Pool(4, 2), *(counted(range(100), []) for _ in range(20)))
    assert next(item for item in items if item is not None) == 0
    items.close()  # type: ignore[attr-defined]
    wait_until_no_thread_reads()


def test_there_are_no_more_threads_than_connections() -> None:
    pool = Pool(4, 100)
    ranges = [reading(pool, *(counted(range(50), []) for _ in range(4))) for _ in range(5)]
    for each in ranges:
        next(each)
    assert readers() <= 4
    assert [len(numbers(each)) for each in ranges] != []
    wait_until_no_thread_reads()


def test_who_waits_is_told_so_now_and_then() -> None:
    told = threading.Event()

    def slow() -> Source:
        assert told.wait(5)
        yield 1

    items = reading(Pool(1, 1), slow())
    assert next(items) is None
    told.set()
    assert numbers(items) == [1]
