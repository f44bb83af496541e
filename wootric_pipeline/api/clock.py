"""The only clock by which requests are timed."""

import threading
import time


class Clock:
    """Time as this client uses it; tests put their own in its place."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
        return time.monotonic()

    def now(self) -> float:
        """The local clock, UNIX seconds."""
        return time.time()

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Sleeps, or until notified, with the condition's lock released meanwhile."""
        condition.wait(seconds)
