"""How tap-wootric, another client of the same API, is run, and target-duckdb, into which its users pipe it.

`make` installs them in `.peers`, each in an environment of its own.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.processes import OUTPUT

ENVIRONMENTS = Path(__file__).parent / ".peers"
LAUNCHER = Path(__file__).with_name("tap_launcher.py")
DUCKDB_FILE = "target.duckdb"


def tap_command(
    access: Mapping[str, str], start: datetime, folder: Path, state: dict[str, Any] | None = None
) -> list[str]:
    """What runs the tap.

    Args:
        access: `base_url`, `client_id` and `client_secret`.
        start: Its `start_date`.
        folder: For its settings.
        state: The last that an earlier run wrote.
    """
    config = {**access, "start_date": f"{start.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"}
    command = [str(ENVIRONMENTS / "tap/bin/python"), str(LAUNCHER), config.pop("base_url")]
    command += ["--config", _written(folder / "config.json", config)]
    return [*command, "--state", _written(folder / "state.json", state)] if state else command


def target_command(folder: Path) -> list[str]:
    """What runs the target; it writes states of what it has loaded."""
    config = {"path": str(folder / DUCKDB_FILE), "default_target_schema": "wootric"}
    return [str(ENVIRONMENTS / "target/bin/target-duckdb"), "--config", _written(folder / "target.json", config)]


def loaded_state(folder: Path) -> dict[str, Any] | None:
    """The last state the target wrote in a folder, if it has run there."""
    written = (folder / OUTPUT).read_text().splitlines() if (folder / OUTPUT).exists() else []
    state: dict[str, Any] | None = json.loads(written[-1]) if written else None
    return state


def _written(path: Path, content: dict[str, Any]) -> str:
    path.write_text(json.dumps(content))
    return str(path)
