"""Runs this project, as a user does, and dlt alone, in processes of their own."""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.processes import OUTPUT, Cost, median, run
from benchmarks.sandbox_process import SandboxProcess
from tests.script import Project

Load = Callable[[SandboxProcess, Path], Cost]
"""Loads what a sandbox holds, in a folder, which keeps what a next load goes on from."""


def run_script(sandbox: SandboxProcess, folder: Path, *words: str, **environment: str) -> Cost:
    """Runs `wootric_pipeline.py`, which loads into DuckDB unless the environment, or the command line, says otherwise.

    Its JSON report is in the file `OUTPUT` of the folder.

    Raises:
        ProgramFailed: It ended with an error.
    """
    project = Project(folder, **sandbox.access)
    command = [sys.executable, *project.command("--json", *words)]
    return run(command, folder=folder, environment={**project.environment, **environment})


def run_dlt_alone(folder: Path, *words: str, **environment: str) -> tuple[dict[str, float], Cost]:
    """Runs `dlt_alone`: the seconds it prints, and what it cost.

    Raises:
        ProgramFailed: It ended with an error.
    """
    command = [sys.executable, "-m", "benchmarks.dlt_alone", *words]
    cost = run(command, folder=folder, environment={**Project(folder).environment, **environment})
    seconds: dict[str, float] = json.loads((folder / OUTPUT).read_text().splitlines()[-1])
    return seconds, cost


def first_loads(sandbox: SandboxProcess, runs: int, loads: Sequence[Load]) -> list[tuple[Cost, int]]:
    """By way of loading: the medians of some first loads, and the most requests one took; the ways take turns."""
    measured: list[list[tuple[Cost, int]]] = [[] for _ in loads]
    for _ in range(runs):
        for load, each in zip(loads, measured, strict=True):
            before = sandbox.requests()
            with tempfile.TemporaryDirectory() as folder:
                cost = load(sandbox, Path(folder))
            each.append((cost, sandbox.requests() - before))
    return [(median(cost for cost, _ in each), max(requests for _, requests in each)) for each in measured]
