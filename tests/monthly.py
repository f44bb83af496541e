"""An account with rows at the edges of months, for tests of orchestrators, which load a month a task."""

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from wootric_pipeline.sandbox import SECOND, Account, Sandbox
from wootric_pipeline.tables import TABLES

from .conftest import PROJECT, access, row
from .tables import Rows, expected, read

FIRST_MONTHS = [datetime(2026, month, 1, tzinfo=timezone.utc) for month in range(1, 6)]
"""Their beginnings; the first is that of the backfills in deploy/."""
MONTHS_LOADED = 3
RUN_SECONDS_MAX = 300


def account_of_months() -> Account:
    """A row at the first and the last second of each of four months, one between, and one before all of them."""
    account, ids = Account(), iter(range(1, 1_000))
    for table in TABLES:
        account.fill(table, [row(next(ids), _second(FIRST_MONTHS[0]) - 1)])
        for start, end in pairwise(map(_second, FIRST_MONTHS)):
            account.fill(table, [row(next(ids), at, created=start) for at in (start, (start + end) // 2, end - 1)])
    return account


def rows_within(account: Account, table: str, start: datetime, end: datetime) -> Rows:
    """The rows that were updated in a closed-open range."""
    first, last = (_second(each) * SECOND for each in (start, end))
    within = [row_id for row_id, each in account.rows[table].items() if first <= each["updated_at"] < last]
    return {row_id: shown for row_id, shown in expected(account, table).items() if row_id in within}


def held(file: Path, table: str) -> Rows:
    """The loaded rows."""
    with duckdb.connect(str(file), read_only=True) as connection:
        known = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}

        def select(name: str) -> list[dict[str, Any]]:
            if name not in known:
                return []
            found = connection.execute(f'SELECT * FROM wootric."{name}"')
            head = [column[0] for column in found.description or ()]
            return [dict(zip(head, each, strict=True)) for each in found.fetchall()]

        return read(select, table)


def told(
    python: str, program: Path, what: str, folder: Path, sandbox: Sandbox, *, code: Path, **environment: str
) -> list[Any]:
    """What a program has written about its runs.

    Args:
        python: Of the environment with an orchestrator.
        program: A file.
        what: Which runs.
        folder: In which it is run; the DuckDB file is there.
        sandbox: Whose rows are loaded.
        code: The folder with what the program imports.
        environment: More variables.
    """
    settings = {f"SOURCES__WOOTRIC__{name.upper()}": value for name, value in access(sandbox).items()}
    settings |= {"SOURCES__WOOTRIC__TABLES": ",".join(TABLES), "DESTINATION_TYPE": "duckdb", "DATASET_NAME": "wootric"}
    settings |= {"DESTINATION__DUCKDB__CREDENTIALS": str(folder / "surveys.duckdb"), "TMPDIR": str(folder / "tmp")}
    (folder / "tmp").mkdir(exist_ok=True)
    outside = {"PATH": os.defpath, "HOME": str(folder), "PYTHONPATH": f"{PROJECT}{os.pathsep}{code}"}
    subprocess.run(
        [python, program, what, folder / "told.jsonl"],
        cwd=folder, env={**outside, "RUNTIME__DLTHUB_TELEMETRY": "false", **settings, **environment}, check=True,
        timeout=RUN_SECONDS_MAX,
    )  # fmt: skip
    return list(_lines(folder / "told.jsonl"))


def _lines(file: Path) -> Iterator[Any]:
    for line in file.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _second(moment: datetime) -> int:
    return int(moment.timestamp())
