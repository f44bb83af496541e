"""Runs tap-wootric, another client of the same API, alone or piped into target-duckdb.

Each has an environment of its own, in `.peers`, which the first run makes.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.processes import OUTPUT, SECONDS_MAX, Cost, clean_environment, run

TAP_VERSION = "0.5.3"
TAP_NAME = f"tap-wootric {TAP_VERSION}"
TARGET_VERSION = "0.8.0"
TARGET_NAME = f"target-duckdb {TARGET_VERSION}"
# With DuckDB 1.4 and later it takes the first row of each batch for a header, and loses it.
TARGET_DUCKDB_VERSION = "1.1.3"
ENVIRONMENTS = Path(__file__).parent / ".peers"
LAUNCHER = Path(__file__).with_name("tap_launcher.py")
DUCKDB_FILE = "target.duckdb"
DATASET = "wootric"

Row = dict[str, Any]


class PeerFailed(Exception):
    """A peer cannot be installed."""


@dataclass(frozen=True)
class TapRun:
    """What one run of the tap wrote.

    Attributes:
        rows: Its records by table and id; of a row that came twice, the last.
        state: Its last state, for the next run to go on from.
    """

    rows: dict[str, dict[int, Row]]
    state: dict[str, Any]


def run_tap(
    base_url: str,
    client_id: str,
    client_secret: str,
    start: datetime,
    folder: Path,
    state: dict[str, Any] | None = None,
) -> TapRun:
    """Runs the tap once and reads what it wrote.

    Args:
        base_url: Of the sandbox.
        client_id: Of the sandbox.
        client_secret: Of the sandbox.
        start: Its `start_date`.
        folder: For its settings, its output and its log.
        state: Of an earlier run.

    Raises:
        PeerFailed: It cannot be installed.
        ProgramFailed: It ended with an error.
    """
    command = _tap(base_url, client_id, client_secret, start, folder, state)
    run(command, folder=folder, environment=clean_environment(folder))
    return _messages(folder / OUTPUT, state or {})


def run_tap_and_target(
    base_url: str,
    client_id: str,
    client_secret: str,
    start: datetime,
    folder: Path,
    seconds_max: float = SECONDS_MAX,
) -> Cost:
    """Runs the tap piped into the target, as its documentation says; in the same folder again, it goes on.

    Raises:
        PeerFailed: One cannot be installed.
        ProgramFailed: One ended with an error, or they took too long.
    """
    config = {"path": str(folder / DUCKDB_FILE), "default_target_schema": DATASET}
    program = target_python().with_name("target-duckdb")
    target = [str(program), "--config", _written(folder / "target.json", config)]
    # The last line the target wrote is the state of what it has loaded.
    written = (folder / OUTPUT).read_text().splitlines() if (folder / OUTPUT).exists() else []
    state = json.loads(written[-1]) if written else None
    tap = _tap(base_url, client_id, client_secret, start, folder, state)
    return run(tap, target, folder=folder, environment=clean_environment(folder), seconds_max=seconds_max)


def tap_python() -> Path:
    """The Python of the tap's environment.

    Raises:
        PeerFailed: It cannot be made.
    """
    # The releases it pins, of 2018, cannot be imported by later Pythons.
    later = ["requests", "urllib3"] if sys.version_info >= (3, 12) else []
    return environment_python("tap-wootric", [f"tap-wootric=={TAP_VERSION}", "setuptools", "wheel"], later)


def target_python() -> Path:
    """The Python of the target's environment.

    Raises:
        PeerFailed: It cannot be made.
    """
    packages = [f"target-duckdb=={TARGET_VERSION}", f"duckdb=={TARGET_DUCKDB_VERSION}"]
    return environment_python("target-duckdb", packages)


def environment_python(name: str, packages: Sequence[str], upgraded: Sequence[str] = ()) -> Path:
    """The Python of a program's environment, which is made if there is none yet.

    Args:
        name: Of its folder.
        packages: To be installed.
        upgraded: To be upgraded then, whatever the others ask for.

    Raises:
        PeerFailed: It cannot be made.
    """
    environment = ENVIRONMENTS / name
    python, ready = environment / "bin" / "python", environment / "ready"
    if not ready.exists():
        shutil.rmtree(environment, ignore_errors=True)
        _install(name, [sys.executable, "-m", "venv", str(environment)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _install(name, [*pip, *packages])
        if upgraded:
            _install(name, [*pip, "--no-deps", "--upgrade", *upgraded])
        ready.touch()
    return python


def _install(name: str, command: list[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or ["no output"]
        raise PeerFailed(f"{name} cannot be installed: {said[-1]}")


def _tap(
    base_url: str, client_id: str, client_secret: str, start: datetime, folder: Path, state: dict[str, Any] | None
) -> list[str]:
    config = {
        "client_id": client_id,
        "client_secret": client_secret,
        "start_date": f"{start.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
    }
    command = [str(tap_python()), str(LAUNCHER), base_url, "--config", _written(folder / "config.json", config)]
    return [*command, "--state", _written(folder / "state.json", state)] if state else command


def _written(path: Path, content: dict[str, Any]) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def _messages(output: Path, state: dict[str, Any]) -> TapRun:
    rows: dict[str, dict[int, Row]] = {}
    with output.open(encoding="utf-8") as lines:
        for message in map(json.loads, lines):
            if message["type"] == "RECORD":
                rows.setdefault(message["stream"], {})[message["record"]["id"]] = message["record"]
            elif message["type"] == "STATE":
                state = message["value"]
    return TapRun(rows, state)
