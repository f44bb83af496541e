"""Runs tap-wootric against a sandbox: another client of the same API, in an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

TAP_VERSION = "0.5.3"
TAP_NAME = f"tap-wootric {TAP_VERSION}"
TAP_ENVIRONMENT = Path(__file__).parent / ".peers" / "tap-wootric"
TAP_SECONDS_MAX = 900.0
LAUNCHER = Path(__file__).with_name("tap_launcher.py")

Row = dict[str, Any]


class PeerFailed(Exception):
    """The tap cannot be installed, or ended with an error."""


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
    """Runs the tap once and reads what it wrote; its first run makes its environment.

    Args:
        base_url: Of the sandbox.
        client_id: Of the sandbox.
        client_secret: Of the sandbox.
        start: Its `start_date`.
        folder: For its settings, its output and its log.
        state: Of an earlier run.

    Raises:
        PeerFailed: See there.
    """
    config = {
        "client_id": client_id,
        "client_secret": client_secret,
        "start_date": f"{start.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
    }
    command = [str(tap_python()), str(LAUNCHER), base_url, "--config", str(_written(folder / "config.json", config))]
    if state:
        command += ["--state", str(_written(folder / "state.json", state))]
    output, log = folder / "output.jsonl", folder / "log.txt"
    with output.open("wb") as stdout, log.open("wb") as stderr:
        ended = subprocess.run(
            command, stdout=stdout, stderr=stderr, env=_loopback_environment(), timeout=TAP_SECONDS_MAX, check=False
        )
    if ended.returncode:
        raise PeerFailed(f"{TAP_NAME} ended with {ended.returncode}: {_last_line(log.read_text())}")
    return _messages(output, state or {})


def tap_python() -> Path:
    """The Python of the tap's environment, which is made if there is none yet.

    Raises:
        PeerFailed: It cannot be made.
    """
    python = TAP_ENVIRONMENT / "bin" / "python"
    ready = TAP_ENVIRONMENT / "ready"
    if not ready.exists():
        shutil.rmtree(TAP_ENVIRONMENT, ignore_errors=True)
        _install([sys.executable, "-m", "venv", str(TAP_ENVIRONMENT)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _install([*pip, f"tap-wootric=={TAP_VERSION}", "setuptools", "wheel"])
        if sys.version_info >= (3, 12):
            # The releases it pins, of 2018, cannot be imported there.
            _install([*pip, "--no-deps", "--upgrade", "requests", "urllib3"])
        ready.touch()
    return python


def _install(command: list[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise PeerFailed(f"{TAP_NAME} cannot be installed: {_last_line(ended.stderr)}")


def _loopback_environment() -> dict[str, str]:
    return {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def _written(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content))
    return path


def _messages(output: Path, state: dict[str, Any]) -> TapRun:
    rows: dict[str, dict[int, Row]] = {}
    with output.open(encoding="utf-8") as lines:
        for message in map(json.loads, lines):
            if message["type"] == "RECORD":
                rows.setdefault(message["stream"], {})[message["record"]["id"]] = message["record"]
            elif message["type"] == "STATE":
                state = message["value"]
    return TapRun(rows, state)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no output"])[-1]
