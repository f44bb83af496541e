"""How long a request has to wait, by what the server says of the account's budget.

Fact (vendor's documentation): limited endpoints carry `X-Rate-Limit-Limit`, `-Remaining` and `-Reset` (UNIX seconds) in
every answer, and answer 429 past the limit until the minute is over. Without these headers there is no limit.
"""

import logging
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ..errors import RateLimitExceeded
from .clock import Clock

RATE_WAIT_SECONDS_MAX = 300.0
"""The longest a single statement of the server's about its rate limit is believed."""
CLOCK_GRAIN_SECONDS = 2.0
"""`Date` and `X-Rate-Limit-Reset` count whole seconds: ends of a window that differ by less are one end."""

log = logging.getLogger("wootric_pipeline.api")


class RateLimit:
    """The account's request budget as the server last told it, shared by all threads.

    It is spent fully and never exceeded: `slot()` waits only when nothing is left of the window. While requests are
    under way, what the server says is left is taken as if it did not know of them yet.

    Attributes:
        stated: Whether the server has spoken of a limit at all.
    """

    def __init__(self, clock: Clock) -> None:
        self.stated = False
        self._clock = clock
        self._changed = threading.Condition()
        self._left: int | None = None
        self._least_left = 0
        self._window_ends = 0.0
        self._under_way = 0
        self._waiting = 0
        self._waiting_since = 0.0
        self._waited = 0.0

    @property
    def waited_seconds(self) -> float:
        """How long, in all, at least one request was held back for the limit."""
        with self._changed:
            return self._waited + (self._clock.monotonic() - self._waiting_since if self._waiting else 0.0)

    @contextmanager
    def slot(self, until: float = math.inf) -> Iterator[None]:
        """Holds a request back until the budget allows it, and counts it while it is under way.

        Args:
            until: When to give up waiting, by the monotonic clock.

        Raises:
            RateLimitExceeded: It was given up; others, in this program or not, have used up each window meanwhile.
        """
        with self._changed:
            while (seconds := self._seconds_to_wait()) > 0:
                patience = until - self._clock.monotonic()
                if patience <= 0:
                    raise RateLimitExceeded(
                        "Wootric's rate limit let no request through for too long; another client may be using it up."
                    )
                self._wait(min(seconds, patience))
            if self._left is not None:
                self._left -= 1
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _seconds_to_wait(self) -> float:
        if self._left is not None and self._clock.monotonic() >= self._window_ends:
            # A new window: how much is left of it is for the server to say with its first answer.
            self._left = None
        return 0.0 if self._left is None or self._left > 0 else self._window_ends - self._clock.monotonic()

    def _wait(self, seconds: float) -> None:
        if not self._waiting:
            log.info("The account's rate limit is used up; waits %.0f s.", seconds)
            self._waiting_since = self._clock.monotonic()
        self._waiting += 1
        self._clock.wait(self._changed, seconds)
        self._waiting -= 1
        if not self._waiting:
            self._waited += self._clock.monotonic() - self._waiting_since

    def learn(self, headers: Mapping[str, str], server_now: float, *, refused: bool) -> None:
        """Takes in the headers of an answer; called before the answer's slot is left.

        Args:
            headers: Of the answer; without X-Rate-Limit-* there is no limit.
            server_now: UNIX seconds on the server's clock, by which it states the end of the window.
            refused: Whether the answer was 429.
        """
        try:
            left = int(headers["X-Rate-Limit-Remaining"])
            seconds = float(headers["X-Rate-Limit-Reset"]) - server_now
        except (KeyError, ValueError):
            return
        if not math.isfinite(seconds):
            return
        self.stated = True
        now = self._clock.monotonic()
        ends = now + min(max(seconds, 0.0), RATE_WAIT_SECONDS_MAX)
        with self._changed:
            is_open = self._left is not None and now < self._window_ends
            if is_open and ends < self._window_ends - CLOCK_GRAIN_SECONDS:
                return
            told = 0 if refused else left
            if is_open and ends <= self._window_ends + CLOCK_GRAIN_SECONDS:
                # Answers overtake one another: of one window, the least is the server's latest word.
                told = min(told, self._least_left)
            self._window_ends, self._least_left = ends, told
            self._left = max(told - (self._under_way - 1), 0)
            self._changed.notify_all()
