"""Loads accounts that never rest, from a server that often fails, again and again, and counts what gets lost: nothing.

Each seed makes an account and lets about an hour pass in it, in minutes: rows are inserted, updated, deleted, and
updated by the dozen in one second, also while they are read. Of the answers 2 % are errors, resets or broken off;
tokens expire, and now and then requests are limited. In half of the seeds a list ignores the `updated` filter. Some
runs are killed. Every ten runs the account holds still until runs have ended well, and whole tables are compared: a row
is lost if it is missing or not as in the account. Rows deleted from the account stay in the tables. Ends with exit code
1 if a row is lost or twice.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.processes import arguments, machine, print_table
from tests.script import TABLE_NAMES, WITHOUT_BACKOFF, project_for
from tests.tables import expected, read
from wootric_pipeline.sandbox import SECOND, Behaviour, DemoAccount, Refused, Sandbox

STARTS_AT = 1_700_000_000
RUNS_A_COMPARISON = 10
SHARE_KILLED, KILLED_WITHIN_SECONDS = 0.15, 2.5
SHARE_LIMITED = 0.05
SECONDS_A_REQUEST = 8.0
RUN_SECONDS_MAX = 120.0
QUIET_RUNS = 2
"""The first may go on with a reading that was broken off, and leave what was updated since to the next."""
QUIET_RUNS_MAX = 10
FIGURES = ("runs", "killed", "failed", "rows checked", "rows lost", "rows twice")


class World:
    """An account, its server, and the folder it is loaded into.

    Args:
        seed: Of everything random.
        folder: Empty.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.figures: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._account = DemoAccount(STARTS_AT, end_users=100, responses=400, declines=100, seed=seed)
        self._behaviour = Behaviour(
            ignores_updated=frozenset({self._random.choice(TABLE_NAMES)} if seed % 2 else ()),
            error_rate=0.007,
            truncation_rate=0.006,
            reset_rate=0.007,
            rate_window_seconds=1.0,
            clock_ahead_seconds=STARTS_AT - time.time(),
            seed=seed,
        )
        self.sandbox = Sandbox(self._account, self._behaviour)
        self._project = project_for(self.sandbox, folder, lookback_seconds=2, staleness=0)

    def run(self) -> None:
        """One run, which may fail or be killed."""
        self._behaviour.before_answer = self._live
        self._behaviour.rate_limit = 8 if self._random.random() < SHARE_LIMITED else None
        is_killed = self._random.random() < SHARE_KILLED
        self._run(self._random.uniform(0, KILLED_WITHIN_SECONDS) if is_killed else RUN_SECONDS_MAX)

    def compare(self) -> None:
        """Lets the account hold still, completes its tables, and counts what they lack or hold twice."""
        self._behaviour.before_answer = self._behaviour.rate_limit = None
        # So that what happened last lies before the server's now.
        self._behaviour.clock_ahead_seconds += 2
        ended_well = 0
        for _ in range(QUIET_RUNS_MAX):
            ended_well += self._run(RUN_SECONDS_MAX)
            if ended_well == QUIET_RUNS:
                break
        else:
            raise RuntimeError("runs do not end well although nothing changes")
        for table in TABLE_NAMES:
            self._compare(table)

    def _run(self, seconds: float) -> bool:
        """Runs the script, and kills it so many seconds after its first request; whether it ended well."""
        self.figures["runs"] += 1
        self._project.set(checkpoint_minutes=self._random.choice((0, 5, 5, 5, 5)))
        asked = len(self.sandbox.requests)
        with self._project.start(*self._project.command("--json", prelude=WITHOUT_BACKOFF)) as process:
            while process.poll() is None and len(self.sandbox.requests) == asked:
                time.sleep(0.005)
            try:
                process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                self.figures["killed"] += 1
                return False
        self.figures["failed"] += process.returncode != 0
        return process.returncode == 0

    def _compare(self, table: str) -> None:
        ((twice,),) = self._project.ask(f"SELECT count(*) - count(DISTINCT id) FROM wootric.{table}")
        wanted = expected(self._account, table)
        held = wanted if twice else read(self._select, table)
        self.figures["rows twice"] += twice
        self.figures["rows checked"] += len(wanted)
        self.figures["rows lost"] += sum(held.get(row_id) != row for row_id, row in wanted.items())

    def _select(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table; none if there is no such table."""
        place = f"schema_name = 'wootric' AND table_name = '{table}'"
        columns = [name for (name,) in self._project.ask(f"SELECT column_name FROM duckdb_columns() WHERE {place}")]
        rows = self._project.ask(f"SELECT {', '.join(columns)} FROM wootric.{table}") if columns else []
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def _live(self, _table: str) -> None:
        """Lets some seconds pass before an answer, with what happens in them."""
        with self._account.lock:
            chance = self._random.random()
            if chance < 0.01:
                self.sandbox.revoke_tokens()
            if self._behaviour.rate_limit is not None and chance > 0.9:
                raise Refused(429, "too many requests")
            self._behaviour.clock_ahead_seconds += self._random.uniform(0, SECONDS_A_REQUEST)
            now = self.sandbox.now()
            self._account.advance(now)
            table = self._random.choice(TABLE_NAMES)
            ids = list(self._account.rows[table])
            if chance > 0.97:
                for row_id in self._random.sample(ids, 60):
                    self._account.change(table, row_id, int(now) * SECOND, survey_id=self._random.randrange(9))
            elif chance < 0.05:
                self._account.delete(table, self._random.choice(ids))


def soak(seed: int, runs: int) -> Counter[str]:
    """Runs in the world of a seed, at least up to one comparison; what came of it."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        world = World(seed, Path(folder).resolve())
        with world.sandbox:
            while world.figures["runs"] < runs:
                for _ in range(RUNS_A_COMPARISON - QUIET_RUNS):
                    world.run()
                world.compare()
        return world.figures


def main() -> int:
    """Runs and prints; the exit code."""
    parser = arguments(__doc__, runs=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    options = parser.parse_args()
    figures = {str(seed): soak(seed, options.runs // len(options.seeds)) for seed in options.seeds}
    figures["all"] = total = sum(figures.values(), Counter[str]())
    print(f"{machine()}\n")
    print_table(["seed", *FIGURES], [[seed, *(each[name] for name in FIGURES)] for seed, each in figures.items()])
    return 1 if total["rows lost"] or total["rows twice"] or not total["rows checked"] else 0


if __name__ == "__main__":
    sys.exit(main())
