"""Runs wootric_pipeline.py against a sandbox as a user does: a process of its own, with the settings it ships with."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
SCRIPT = PROJECT / "wootric_pipeline.py"
DUCKDB_FILE = "wootric_pipeline.duckdb"
DATASET = "wootric"
SETTINGS_PREFIXES = (
    "SOURCES_",
    "DESTINATION",
    "PIPELINES_",
    "RUNTIME_",
    "DLT_",
    "DATA_",
    "EXTRACT_",
    "NORMALIZE_",
    "LOAD_",
)
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
MEGABYTE = 1_000_000


class LoaderFailed(Exception):
    """The script ended with an error."""


@dataclass(frozen=True)
class LoaderRun:
    """What one run of the script cost.

    Attributes:
        report: Its JSON report.
        seconds: From the start of the process to its end.
        cpu_seconds: Of all its threads.
        peak_mb: The most memory it held, in megabytes of a million bytes.
    """

    report: dict[str, Any]
    seconds: float
    cpu_seconds: float
    peak_mb: float

    @property
    def rows(self) -> int:
        """Rows of all tables that were handed to dlt."""
        return sum(table["rows"] for table in self.report["tables"].values())


def run_loader(base_url: str, client_id: str, client_secret: str, folder: Path, *options: str) -> LoaderRun:
    """Runs the script in a folder, which keeps its DuckDB file and dlt's notes for a next run.

    Raises:
        LoaderFailed: It ended with an error.
    """
    shutil.copytree(PROJECT / ".dlt", folder / ".dlt", ignore=_all_but_settings, dirs_exist_ok=True)
    command = [sys.executable, str(SCRIPT), "--json", "--destination", "duckdb", "--dataset", DATASET, *options]
    output, log = folder / "report.json", folder / "log.txt"
    started = time.monotonic()
    with output.open("wb") as stdout, log.open("wb") as stderr:
        environment = _environment(base_url, client_id, client_secret, folder)
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, cwd=folder, env=environment)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        process.wait()
        raise
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise LoaderFailed(f"{SCRIPT.name} ended with {process.returncode}: {log.read_text().strip()}")
    return LoaderRun(
        json.loads(output.read_text()),
        seconds,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * RSS_UNIT_BYTES / MEGABYTE,
    )


def machine() -> str:
    """What the figures were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"Measured on {cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}."


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints aligned columns: the first to the left, figures to the right, with separators of thousands."""
    cells = [list(head), *([f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for name, *figures in cells:
        padded = [figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True)]
        print("  ".join([name.ljust(widths[0]), *padded]))
    print()


def _all_but_settings(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name != "config.toml"]


def _environment(base_url: str, client_id: str, client_secret: str, folder: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_PREFIXES)}
    return {
        **inherited,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "DLT_DATA_DIR": str(folder / "dlt"),
        "SOURCES__WOOTRIC__BASE_URL": base_url,
        "SOURCES__WOOTRIC__CLIENT_ID": client_id,
        "SOURCES__WOOTRIC__CLIENT_SECRET": client_secret,
    }
