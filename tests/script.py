"""Runs `wootric_pipeline.py` as a user does: in a process of its own, in a folder of the user's."""

import atexit
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from tests.conftest import PROJECT, access
from tests.forked import Forks, Start
from wootric_pipeline.sandbox import SECOND, Account, Sandbox

SCRIPT = PROJECT / "wootric_pipeline.py"
DUCKDB_FILE = "wootric_pipeline.duckdb"
TIMEOUT_SECONDS = 90.0
TABLE_NAMES = ("end_users", "responses", "declines")
OVERVIEW_NAMES = ("segments", "survey_templates")
"""Of those that are read when no tables are chosen."""

WITHOUT_BACKOFF = "import wootric_pipeline.api.transport as c; c.BACKOFF_SECONDS_MAX = 0"
"""A prelude: retries come at once."""
LOG_AT_ONCE = "import dlt.common.runtime.collector as c; c.LogCollector.maybe_log = lambda self: self.on_log()"
"""A prelude: what changes is shown at once with `--progress log`."""

WITHOUT_PATIENCE = "import wootric_pipeline.destinations.locks as c; c.OPEN_ELSEWHERE_SECONDS_MAX = 0"
"""A prelude: a DuckDB file that is open in another process is not waited for."""

AT_ANY_PORT = "from wootric_pipeline.api.token import Credentials as c; c.account = c.former_account"
"""A prelude: servers on loopback are the same account, whatever their ports."""


@dataclass(frozen=True)
class Outcome:
    """What a run left on the user's screen."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON report: one line, and nothing else, on stdout."""
        (line,) = self.stdout.splitlines()
        report: dict[str, Any] = json.loads(line)
        return report

    @property
    def sentence(self) -> str:
        """What went wrong: one line, and nothing else, on stderr."""
        assert len(self.stderr.splitlines()) == 1, self.stderr
        return self.stderr.strip()


class Project:
    """A user's folder and environment.

    Args:
        folder: Where the script is started; the DuckDB file and `.dlt` are in it.
        settings: Of `[sources.wootric]`, given in the environment.

    Attributes:
        prelude: Python to run before the script, each time.
    """

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.script = SCRIPT
        self.prelude = ""
        # Coverage follows into child processes by variables of its own.
        self.environment = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        self.environment |= {
            "PATH": os.defpath,
            "HOME": str(folder),
            "DLT_DATA_DIR": str(folder / "dlt"),
            "PYTHONIOENCODING": "utf-8",
            "PYTHONPATH": str(PROJECT),
        }
        self.set(**settings)

    def set(self, **settings: object) -> None:
        """Puts settings of `[sources.wootric]` into the environment."""
        self.environment |= {f"SOURCES__WOOTRIC__{name.upper()}": str(value) for name, value in settings.items()}

    def run(self, *words: str, prelude: str = "", **environment: str) -> Outcome:
        """Runs the script to its end, in a process that has imported dlt when it begins.

        Args:
            words: The command line.
            prelude: Python to run in the process before the script.
            environment: More variables.
        """
        variables = {**self.environment, **environment}
        start = Start(str(self.script), words, f"{self.prelude}\n{prelude}", str(self.folder), variables)
        return Outcome(*_forks().run(start, TIMEOUT_SECONDS))

    def run_anew(self, *words: str, prelude: str = "", **environment: str) -> Outcome:
        """Runs the script to its end as `run` does, in a Python that has imported nothing yet."""
        return self.python(*self.command(*words, prelude=prelude), **environment)

    def command(self, *words: str, prelude: str = "") -> list[str]:
        """What Python is given to run the script, as `run_anew` does."""
        start = [str(self.script)]
        if prelude:
            start = ["-c", f"{prelude}\nimport runpy; runpy.run_path({str(self.script)!r}, run_name='__main__')"]
        return [*start, *words]

    def python(self, *words: str, **environment: str) -> Outcome:
        """Runs Python in the folder to its end."""
        with self.start(*words, **environment) as process:
            try:
                stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
            finally:
                process.kill()
        return Outcome(process.returncode, stdout, stderr)

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Starts Python in the folder."""
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def write(self, path: str, text: str) -> None:
        """Writes a file of the project, such as `.dlt/config.toml`."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def ask(self, query: str, file: str = DUCKDB_FILE) -> list[tuple[Any, ...]]:
        """The rows a query finds in the DuckDB file."""
        with self._reader(file) as connection:
            return connection.execute(query).fetchall()

    def alter(self, statement: str) -> None:
        """Changes something in the DuckDB file."""
        with duckdb.connect(str(self.folder / DUCKDB_FILE)) as connection:
            connection.execute(statement)

    def loaded(self, file: str = DUCKDB_FILE) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table of every dataset as texts, in order, but for the tables about loads and runs."""
        with self._reader(file) as connection:
            names = connection.execute(
                "SELECT table_schema, table_name FROM information_schema.tables "
                "WHERE NOT starts_with(table_name, '_dlt') AND table_name <> 'wootric_runs' "
                "AND NOT ends_with(table_schema, '_staging') ORDER BY ALL"
            ).fetchall()
            texts = 'SELECT COLUMNS(*)::VARCHAR FROM "{}"."{}" ORDER BY ALL'
            return {".".join(name): connection.execute(texts.format(*name)).fetchall() for name in names}

    def held(self, table: str, dataset: str = "wootric", file: str = DUCKDB_FILE) -> dict[int, int]:
        """The seconds in which the loaded rows were updated, UNIX time, by id."""
        found = self.ask(f"SELECT id, epoch(updated_at)::BIGINT FROM {dataset}.{table}", file)
        assert len(dict(found)) == len(found), f"{table} holds a row twice"
        return dict(found)

    def _reader(self, file: str) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.folder / file), read_only=True)

    def copy(self, folder: Path) -> "Project":
        """The same project in another folder, which does not exist yet, with all that is loaded."""
        shutil.copytree(self.folder, folder)
        # dlt remembers where a pipeline was first run and keeps its DuckDB file there.
        for state in folder.glob("dlt/pipelines/*/state.json"):
            state.write_text(state.read_text().replace(str(self.folder), str(folder)))
        twin = Project(folder)
        twin.prelude = self.prelude
        moved = {"HOME", "DLT_DATA_DIR"}
        twin.environment |= {name: value for name, value in self.environment.items() if name not in moved}
        return twin


@cache
def _forks() -> Forks:
    forks = Forks()
    atexit.register(forks.close)
    return forks


def project_for(sandbox: Sandbox, folder: Path, **settings: object) -> Project:
    """A project, in a new folder, whose account is the sandbox's."""
    folder.mkdir(parents=True, exist_ok=True)
    return Project(folder, **{**access(sandbox), **settings})


def expected(account: Account, table: str) -> dict[int, int]:
    """The seconds in which the account's rows were updated, UNIX time, by id."""
    return {row_id: row["updated_at"] // SECOND for row_id, row in account.rows[table].items()}
