"""Runs wootric_pipeline.py against a sandbox as a user does: a process of its own, with the settings it ships with."""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import OUTPUT, PROJECT, SECONDS_MAX, Cost, clean_environment, run
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET

SCRIPT = PROJECT / "wootric_pipeline.py"
DUCKDB_FILE = "wootric_pipeline.duckdb"
DATASET = "wootric"


@dataclass(frozen=True)
class ScriptRun:
    """One run of the script: its JSON report, and what it cost."""

    report: dict[str, Any]
    cost: Cost

    @property
    def rows(self) -> int:
        """Rows of all tables that were handed to dlt."""
        return sum(table["rows"] for table in self.report["tables"].values())


def run_script(
    base_url: str,
    folder: Path,
    *options: str,
    seconds_max: float = SECONDS_MAX,
    settings: Mapping[str, str] | None = None,
) -> ScriptRun:
    """Runs the script in a folder, which keeps its DuckDB file and dlt's notes for a next run.

    Settings are for its environment.

    Raises:
        ProgramFailed: It ended with an error.
    """
    shutil.copytree(PROJECT / ".dlt", folder / ".dlt", ignore=_all_but_settings, dirs_exist_ok=True)
    cost = run(
        script_command(*options),
        folder=folder,
        environment={**environment(base_url, folder), **(settings or {})},
        seconds_max=seconds_max,
    )
    return ScriptRun(json.loads((folder / OUTPUT).read_text()), cost)


def script_command(*options: str) -> list[str]:
    """What loads into DuckDB and reports in JSON."""
    return [sys.executable, str(SCRIPT), "--json", "--destination", "duckdb", "--dataset", DATASET, *options]


def environment(base_url: str, folder: Path) -> dict[str, str]:
    """The environment of a user of a sandbox's account."""
    return clean_environment(
        folder,
        SOURCES__WOOTRIC__BASE_URL=base_url,
        SOURCES__WOOTRIC__CLIENT_ID=CLIENT_ID,
        SOURCES__WOOTRIC__CLIENT_SECRET=CLIENT_SECRET,
    )


def _all_but_settings(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name != "config.toml"]
