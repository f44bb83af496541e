"""As many workers as there are connections, and one bounded window of pages.

A worker advances the lane that is wanted first of those that wait; one that finds none splits the last part of which
enough is left. So a list is read by one worker until there is more of it than that, and no lane waits for one behind.
"""

import threading
from collections.abc import Iterator

from .lanes import Lane, Lanes
from .parts import Split
from .walk import Piece, Walk

POLL_SECONDS = 0.5
PIECES_OF_THE_FIRST = 8
"""So many the lane that is wanted first may hold although the window is full: others may have filled it."""


class Pool:
    """Workers that read ranges for whoever takes their pages.

    Args:
        workers: How many.
        window: How many pieces all ranges may hold before they are taken.
    """

    def __init__(self, workers: int, window: int) -> None:
        self._workers = workers
        self._window = window
        self._lock = threading.Lock()
        self._idle, self._takers = threading.Condition(self._lock), threading.Condition(self._lock)
        self._ranges: list[Lanes] = []
        self._threads = 0

    def read(self, walk: Walk, split: Split) -> Iterator[Piece | None]:
        """The pieces of a walk in order; None where the next is not there yet.

        Args:
            walk: Through the range.
            split: Parts a walk, so that several may be advanced at the same time.

        Raises:
            Exception: What the walk raises, once the pieces before are taken.
        """
        lanes = Lanes(walk, split)
        self._begin(lanes)
        try:
            # What else is to be read may begin, too.
            yield None
            for piece in lanes.in_order(self._wait):
                yield piece
                with self._lock:
                    # There is room for one more, and by now perhaps something to part.
                    self._idle.notify()
        finally:
            with self._lock:
                self._ranges.remove(lanes)
                self._idle.notify_all()

    def _wait(self, lane: Lane) -> None:
        with self._lock:
            # Also until another lane has something: whoever reads several tables turns to it then.
            if not (lane.pieces or lane.is_ended):
                self._takers.wait(POLL_SECONDS)

    def _begin(self, lanes: Lanes) -> None:
        with self._lock:
            self._ranges.append(lanes)
            while self._threads < self._workers:
                self._threads += 1
                threading.Thread(target=self._work, name="wootric-reader", daemon=True).start()
            self._idle.notify_all()

    def _work(self) -> None:
        while (lane := self._next_lane()) is not None:
            piece = lane.advance()
            with self._lock:
                lane.take(piece)
                self._takers.notify_all()

    def _next_lane(self) -> Lane | None:
        """The lane to advance next; None when no range is left."""
        with self._lock:
            while self._ranges:
                if (lane := self._waiting_lane()) is not None:
                    lane.is_running = True
                    return lane
                self._idle.wait(POLL_SECONDS)
            self._threads -= 1
            return None

    def _waiting_lane(self) -> Lane | None:
        has_room = sum(lanes.held for lanes in self._ranges) < self._window
        waiting = [
            (index, lane)
            for lanes in self._ranges
            for index, lane in enumerate(lanes.lanes)
            if not (lane.is_running or lane.is_ended)
            and (has_room or (not index and len(lane.pieces) < PIECES_OF_THE_FIRST))
        ]
        if waiting:
            return min(waiting, key=lambda each: each[0])[1]
        if not has_room:
            return None
        longest_first = sorted(self._ranges, key=lambda lanes: lanes.pages_left, reverse=True)
        return next((lane for lanes in longest_first if (lane := lanes.parted()) is not None), None)
