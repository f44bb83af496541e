"""A range that is read by several walks at the same time: its parts as lanes, whose pages are handed on in order."""

import threading
from collections import deque
from collections.abc import Callable, Iterator

from .parts import Split
from .walk import Piece, Walk


class Lane:
    """A walk, the pieces it has brought, and how it ended.

    Attributes:
        is_running: Whether somebody advances it just now.
        is_ended: Whether it brings no more.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.pieces: deque[Piece] = deque()
        self.is_running = False
        self.is_ended = False
        self.error: BaseException | None = None
        self._steps = walk.pieces()

    def advance(self) -> Piece | None:
        """The next piece; None at the end, or where the walk failed."""
        try:
            return next(self._steps, None)
        except BaseException as error:
            self.error = error
            return None

    def take(self, piece: Piece | None) -> None:
        """Notes what advancing it brought."""
        self.is_running, self.is_ended = False, piece is None
        if piece is not None:
            self.pieces.append(piece)


class Lanes:
    """The lanes of one range, the first one first.

    Args:
        walk: Through the range.
        split: Parts a walk in two.
    """

    def __init__(self, walk: Walk, split: Split) -> None:
        self.lanes = [Lane(walk)]
        self._split = split
        # Workers part lanes while whoever takes their pieces removes them.
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """How many pieces wait to be taken."""
        return sum(len(lane.pieces) for lane in self.lanes)

    @property
    def pages_left(self) -> int:
        """How many pages the longest lane has left, as far as that can be told."""
        return max((lane.walk.pages_left for lane in self.lanes if not lane.is_ended), default=0)

    def parted(self) -> Lane | None:
        """A new lane, for the rest of one of which much is left."""
        with self._lock:
            for index in range(len(self.lanes) - 1, -1, -1):
                lane = self.lanes[index]
                if not lane.is_ended and (rest := self._split(lane.walk)) is not None:
                    self.lanes.insert(index + 1, Lane(rest))
                    return self.lanes[index + 1]
            return None

    def in_order(self, wait: Callable[[Lane], None]) -> Iterator[Piece | None]:
        """The pieces of one lane after the other; None where the next is not there yet.

        Args:
            wait: Waits a moment for more of a lane to be there.

        Raises:
            Exception: What a walk raised, once all before it is taken.
        """
        while self.lanes:
            lane = self.lanes[0]
            if lane.pieces:
                yield lane.pieces.popleft()
            elif not lane.is_ended:
                wait(lane)
                if not (lane.pieces or lane.is_ended):
                    yield None
            elif lane.error is not None:
                raise lane.error
            else:
                yield from self._behind(lane, wait)
                with self._lock:
                    self.lanes.remove(lane)

    def _behind(self, lane: Lane, wait: Callable[[Lane], None]) -> Iterator[Piece | None]:
        """What lies between a part and the next one, if no row shows that nothing does."""
        if len(self.lanes) == 1 or not lane.walk.beyond:
            return
        following = self.lanes[1]
        while not (following.walk.first or following.is_ended):
            wait(following)
            yield None
        yield from lane.walk.bridge(following.walk)
