"""A client that knows nothing of this project reads the sandbox completely. `make test-peer` installs it: opt in."""

import json
import os
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from benchmarks.processes import OUTPUT, run
from benchmarks.tap import tap_command
from tests.conftest import Serve, access, row
from tests.script import Project
from wootric_pipeline.sandbox import SECOND, Account, Sandbox
from wootric_pipeline.tables import TABLES

pytestmark = pytest.mark.skipif(os.environ.get("WOOTRIC_TEST_PEER") != "1", reason="needs tap-wootric; make test-peer")

DAYS = 3
ROWS = 170
TIED_ROWS = 60


@dataclass(frozen=True)
class TapRun:
    """What one run of the tap wrote: its records by table and id, and its last state, to go on from."""

    rows: dict[str, dict[int, dict[str, Any]]]
    state: dict[str, Any]


def run_tap(sandbox: Sandbox, start: datetime, folder: Path, state: dict[str, Any] | None = None) -> TapRun:
    command = tap_command(access(sandbox), start, folder, state)
    run(command, folder=folder, environment=Project(folder).environment)
    ran = TapRun({}, {})
    for message in map(json.loads, (folder / OUTPUT).read_text(encoding="utf-8").splitlines()):
        if message["type"] == "RECORD":
            ran.rows.setdefault(message["stream"], {})[message["record"]["id"]] = message["record"]
        elif message["type"] == "STATE":
            ran.state.update(message["value"])
    return ran


def recent_account(ends_at: int) -> Account:
    """A few pages of each table over the last days: hidden fractions, one second with more rows than a page."""
    account = Account()
    step = DAYS * 86_400 // ROWS
    for table in TABLES:
        for row_id in range(1, ROWS + 1):
            created = ends_at - DAYS * 86_400 + (0 if row_id <= TIED_ROWS else row_id * step)
            fields: dict[str, Any] = {"email": f"p{row_id}@example.com"} if table == "end_users" else {"survey_id": 11}
            shown = row(row_id, created, **fields)
            hidden = row_id * 997 % SECOND
            account.put(
                table, {**shown, "created_at": created * SECOND + hidden, "updated_at": created * SECOND + hidden}
            )
        account.change(table, ROWS // 2, (ends_at - 60) * SECOND + 5)
    return account


def in_utc(shown: dict[str, Any]) -> dict[str, Any]:
    """A row of the API as the tap writes it."""
    times = {key: datetime.strptime(shown[key], "%Y-%m-%d %H:%M:%S %z") for key in ("created_at", "updated_at")}
    return {**shown, **{key: f"{at.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%S.%fZ}" for key, at in times.items()}}


def test_tap_wootric_gets_every_row_of_every_table(serve: Serve, tmp_path: Path) -> None:
    ends_at = int(time.time()) - 1
    account = recent_account(ends_at)
    sandbox = serve(account)
    start = datetime.fromtimestamp(ends_at, timezone.utc) - timedelta(days=DAYS + 1)

    tap = run_tap(sandbox, start, tmp_path)

    held = {
        table: {row_id: in_utc(account.shown(stored)) for row_id, stored in rows.items()}
        for table, rows in account.rows.items()
    }
    assert {table: sorted(rows) for table, rows in tap.rows.items()} == {
        table: sorted(rows) for table, rows in held.items()
    }
    assert tap.rows == held


def test_tap_wootric_goes_on_from_its_state(serve: Serve, tmp_path: Path) -> None:
    ends_at = int(time.time()) - 1
    account = recent_account(ends_at)
    sandbox = serve(account)
    start = datetime.fromtimestamp(ends_at, timezone.utc) - timedelta(days=DAYS + 1)
    first = run_tap(sandbox, start, tmp_path)
    changed = {table: account.change(table, 7, (int(time.time()) + 1) * SECOND) for table in account.rows}

    second = run_tap(sandbox, start, tmp_path, first.state)

    assert {table: set(rows) for table, rows in second.rows.items()} == {table: {7} for table in changed}
