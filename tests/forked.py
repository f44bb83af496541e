"""Processes that have imported dlt when they begin, which saves most of what a run of the script takes.

One process imports all that a load into DuckDB needs and waits; each run is forked from it, and is a process as any
other: with a folder, an environment, outputs and an exit code of its own.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import FrameType
from typing import IO, NoReturn

import duckdb

MESSAGE_BYTES_MAX = 200_000


@dataclass(frozen=True)
class Start:
    """What a process begins with.

    Attributes:
        script: A file of Python's.
        words: Its command line.
        prelude: Python to run before it.
        folder: Where it is started.
        environment: All of its variables.
    """

    script: str
    words: Sequence[str]
    prelude: str
    folder: str
    environment: dict[str, str]


class Forks:
    """Runs scripts in processes that are forked from one that has imported dlt; threads share it."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
                cwd=Path(__file__).parent.parent,
                env={**environment, "PATH": os.defpath, "PYTHONIOENCODING": "utf-8"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def close(self) -> None:
        """Ends the process; it is no longer wanted."""
        self._requests.close()
        self._process.wait()

    def run(self, start: Start, timeout_seconds: float) -> tuple[int, str, str]:
        """Runs a script to its end: its exit code, its output, and its errors.

        Raises:
            TimeoutError: It took longer than allowed; it was killed.
        """
        ours, theirs = socket.socketpair()
        with ours, _file() as stdout, _file() as stderr:
            with theirs:
                descriptors = [theirs.fileno(), stdout.fileno(), stderr.fileno()]
                socket.send_fds(self._requests, [json.dumps(asdict(start)).encode()], descriptors)
            with ours.makefile() as told:
                pid = int(told.readline())
                ours.settimeout(timeout_seconds)
                try:
                    code = int(told.readline())
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    ours.settimeout(None)
                    ours.recv(100)
                    raise
            return code, _written(stdout), _written(stderr)


def _serve(requests: socket.socket) -> None:
    """Forks a process for each request, until there are no more."""
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        message, descriptors, *_ = socket.recv_fds(requests, MESSAGE_BYTES_MAX, 3)
        if not message:
            return
        if os.fork() == 0:
            requests.close()
            _supervise(Start(**json.loads(message)), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _reap(_signal: int, _frame: FrameType | None) -> None:
    """Has what ended processes took counted as that of this one's children, by `time` for example."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _supervise(start: Start, told: int, stdout: int, stderr: int) -> None:
    """Goes on as the script, in a process whose parent tells of it: its id, and its exit code when it has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        for descriptor in (told, stdout, stderr):
            os.close(descriptor)
        _run(start)
    os.write(told, b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _run(start: Start) -> NoReturn:
    os.chdir(start.folder)
    os.environ.clear()
    os.environ.update(start.environment)
    sys.argv[:] = [start.script, *start.words]
    sys.path.insert(0, os.path.dirname(start.script))
    exec(start.prelude, {"__name__": "__main__"})
    runpy.run_path(start.script, run_name="__main__")
    sys.exit()


def _file() -> IO[str]:
    return TemporaryFile("w+", encoding="utf-8")


def _written(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


IMPORTED = (
    "wootric_pipeline.command",
    "dlt.common.libs.pyarrow",
    "dlt.common.libs.sql_alchemy_compat",
    "dlt.destinations.impl.duckdb.duck",
)
"""What a load into DuckDB imports, at once or on its way."""


if __name__ == "__main__":
    for module in IMPORTED:
        importlib.import_module(module)
    # Threads of DuckDB's, which a fork would lack, end so. The one of pyarrow's allocator is begun anew by itself.
    duckdb.default_connection().execute("SET threads = 1")
    # What is frozen stays where it is in all processes, rather than being copied by the first collection of garbage.
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        _serve(requests)
