"""Runs programs to their end and tells what they cost, by what the system counted for them; prints tables of it."""

import argparse
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import astuple, dataclass
from pathlib import Path

OUTPUT = "output.txt"
SECONDS_MAX = 3_600.0
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
MEGABYTE = 1_000_000


class ProgramFailed(Exception):
    """A program ended with an error, or not in time."""


@dataclass(frozen=True)
class Cost:
    """What programs took.

    Attributes:
        seconds: From the start of the first process to the end of the last.
        cpu_seconds: Of all their threads and children, user and system.
        peak_mb: The most memory each process held, added up, in megabytes of a million bytes.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float


def run(
    *commands: Sequence[str], folder: Path, environment: Mapping[str, str], seconds_max: float = SECONDS_MAX
) -> Cost:
    """Runs a program in a folder, or several, each of which reads what the one before it writes.

    What the last one writes is in the file `OUTPUT` of the folder, what they say on stderr in `log-0.txt` and so on.

    Raises:
        ProgramFailed: One of them ended with an error, or they took longer than they may.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        processes = _started(commands, folder, environment, stack)
        timer = threading.Timer(seconds_max, _kill, (processes,))
        stack.callback(timer.cancel)
        timer.start()
        usages = [_wait(process) for process in processes]
    seconds = time.monotonic() - started
    if seconds >= seconds_max:
        raise ProgramFailed(f"not ended after {seconds_max:.0f} s")
    for index, (command, process) in enumerate(zip(commands, processes, strict=True)):
        if process.returncode:
            said = (folder / f"log-{index}.txt").read_text(errors="replace").strip()
            raise ProgramFailed(f"{Path(command[-1]).name} ended with {process.returncode}: {said[-500:]}")
    return Cost(
        seconds,
        sum(usage.ru_utime + usage.ru_stime for usage in usages),
        sum(usage.ru_maxrss for usage in usages) * RSS_UNIT_BYTES / MEGABYTE,
    )


def _started(
    commands: Sequence[Sequence[str]], folder: Path, environment: Mapping[str, str], stack: ExitStack
) -> list[subprocess.Popen[bytes]]:
    processes: list[subprocess.Popen[bytes]] = []
    stack.callback(_kill, processes)
    output = stack.enter_context((folder / OUTPUT).open("wb"))
    for index, command in enumerate(commands):
        log = stack.enter_context((folder / f"log-{index}.txt").open("wb"))
        source = processes[-1].stdout if processes else None
        target = output if index == len(commands) - 1 else subprocess.PIPE
        stdin = source or subprocess.DEVNULL
        processes.append(subprocess.Popen(command, stdin=stdin, stdout=target, stderr=log, cwd=folder, env=environment))
        if source:
            # Held by the reader alone: when that ends, the writer is told so.
            source.close()
    return processes


def _wait(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def _kill(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        # Its own `kill` may ask for the exit status, which `_wait` is to get.
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


def median(costs: Iterable[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(*map(statistics.median, zip(*map(astuple, costs), strict=True)))


def arguments(about: str | None, **numbers: int) -> argparse.ArgumentParser:
    """Takes whole numbers, such as `--rows`, which have defaults."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser


def machine() -> str:
    """What the figures were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"Measured on {cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}."


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table in Markdown: the first column to the left, figures to the right.

    Whole numbers get separators of thousands, others one decimal place.
    """
    cells = [list(head), *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    cells.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    for name, *figures in cells:
        padded = [figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True)]
        print("|", " | ".join([name.ljust(widths[0]), *padded]), "|")
    print()


def _cell(cell: object) -> str:
    return f"{cell:,.1f}" if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else str(cell)
