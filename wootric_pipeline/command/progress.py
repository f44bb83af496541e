"""What shows the progress of a run on stderr, in the user's words: a line on a terminal, or one of dlt's collectors."""

import os
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from dlt import Pipeline
from dlt.common.runtime.collector import AliveCollector, EnlightenCollector, LogCollector, TqdmCollector
from dlt.common.runtime.collector_base import Collector

from ..reading.reader import RATE_LIMIT_WAIT, RETRY_WAIT

LOG_PERIOD_SECONDS = 10.0
REFRESH_SECONDS = 0.1
COLUMNS_UNLESS_KNOWN = 80

COLLECTORS: dict[str, Callable[[], Collector]] = {
    "tqdm": TqdmCollector,
    "enlighten": EnlightenCollector,
    "alive_progress": AliveCollector,
    "log": lambda: LogCollector(LOG_PERIOD_SECONDS, sys.stderr, dump_system_stats=False),
}

READING = "Reading"
STEPS = "steps"
WAITS = {
    RATE_LIMIT_WAIT: "Waiting for Wootric's rate limit",
    RETRY_WAIT: "Waiting for Wootric to answer",
}


@contextmanager
def shown(pipeline: Pipeline, options: Namespace) -> Iterator[None]:
    """Shows what a pipeline does, as the command line asks for it; nothing of a line is left at the end.

    Raises:
        MissingDependencyException: What is to show it is not installed.
    """
    destination = pipeline.destination.destination_name
    if options.progress in COLLECTORS:
        pipeline.collector = InWords(COLLECTORS[options.progress](), destination)
    # The log would be written into the line.
    if options.progress != "auto" or not sys.stderr.isatty() or (options.debug and not options.log_file):
        yield
        return
    line = StatusLine(sys.stderr)
    pipeline.collector = InWords(line, destination)
    try:
        with line(f"Connecting to {destination}"):
            yield
    finally:
        line.clear()


class InWords(Collector):
    """Hands on what dlt counts, without what is dlt's own business.

    Args:
        shown_by: Shows it.
        destination: Its name.
    """

    def __init__(self, shown_by: Collector, destination: str) -> None:
        self._shown_by = shown_by
        self._stages = {"Extract": READING, "Normalize": "Preparing", "Load": f"Loading into {destination}"}

    def update(
        self,
        name: str,
        inc: int = 1,
        total: int | None = None,
        inc_total: int | None = None,
        message: str | None = None,
        label: str | None = None,
    ) -> None:
        """Counts rows of a table, steps of a load, or seconds of a wait.

        A `message` or a `label` is of what has failed, which ends the run with a sentence.
        """
        if name.startswith("_dlt") or name in ("Resources", "Files") or message or label:
            return
        name = STEPS if name == "Jobs" else name
        self._shown_by.update(name, inc, total, inc_total)  # type: ignore[arg-type]  # dlt means None, too

    def _start(self, step: str) -> None:
        # Behind it are the names of a source or a load.
        kind = step.partition(" ")[0]
        self._shown_by(self._stages.get(kind, kind)).__enter__()

    def _stop(self) -> None:
        self._shown_by.__exit__(None, None, None)  # type: ignore[arg-type]  # dlt means None, too


class StatusLine(Collector):
    """One line on a terminal, written over as the run goes on.

    It takes nothing of a terminal but going back to the beginning of the line, which any can. There the cursor waits,
    so that whatever else is written takes the line's place.

    Args:
        terminal: Where to.
    """

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._stage = ""
        self._rows: Counter[str] = Counter()
        self._waits: Counter[str] = Counter()
        self._steps = self._steps_in_all = 0
        self._length = 0
        self._written_at = 0.0

    def update(
        self,
        name: str,
        inc: int = 1,
        total: int | None = None,
        inc_total: int | None = None,
        message: str | None = None,  # noqa: ARG002
        label: str | None = None,  # noqa: ARG002
    ) -> None:
        """Counts rows of a table, which are read but once, steps of a load, or seconds of a wait, which rows end."""
        if name == STEPS:
            self._steps += inc
            self._steps_in_all += (total or 0) + (inc_total or 0)
        elif name in WAITS:
            self._waits[name] += inc
        elif self._stage == READING and inc:
            self._rows[name] += inc
            self._waits.clear()
        if time.monotonic() >= self._written_at + REFRESH_SECONDS:
            self._show()

    def clear(self) -> None:
        """Takes the line away."""
        self._write("")

    def _start(self, step: str) -> None:
        self._stage = step
        self._steps = self._steps_in_all = 0
        self._waits.clear()
        self._show()

    def _stop(self) -> None:
        """The next stage is written over it: an empty line in between would flicker."""

    def _show(self) -> None:
        self._written_at = time.monotonic()
        longest = _columns(self._terminal) - 1
        texts = self._texts()
        self._write(next((text for text in texts if len(text) <= longest), texts[-1])[:longest])

    def _texts(self) -> list[str]:
        """What there is to show, and shorter forms of it for narrower terminals."""
        heading = self._stage
        if self._waits:
            heading = ", ".join(f"{WAITS[name]}, {seconds} s" for name, seconds in self._waits.items())
        elif self._steps_in_all:
            heading += f", {self._steps} of {self._steps_in_all} steps"
        if not self._rows:
            return [heading]
        by_table = ", ".join(f"{name} {rows:,}" for name, rows in self._rows.items())
        return [f"{heading} - {by_table} rows", f"{heading} - {self._rows.total():,} rows", heading]

    def _write(self, text: str) -> None:
        blanks = " " * (self._length - len(text))
        self._length = len(text)
        # That nobody sees it is no reason to fail.
        with suppress(OSError):
            self._terminal.write(f"\r{text}{blanks}\r")
            self._terminal.flush()


def _columns(terminal: TextIO) -> int:
    try:
        return os.get_terminal_size(terminal.fileno()).columns or COLUMNS_UNLESS_KNOWN
    except OSError:
        return COLUMNS_UNLESS_KNOWN
