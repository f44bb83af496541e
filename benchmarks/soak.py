"""Loads accounts that never rest, from a server that often fails, again and again, and counts what gets lost: nothing.

Run it with `python benchmarks/soak.py`. Each seed makes an account and lets about an hour pass in it, in minutes: rows
are inserted, updated, deleted, and updated by the dozen in one second, also while they are read. Of the answers 2 % are
errors, resets or broken off; tokens expire, and now and then requests are limited. Some runs are the script's, in a
process of its own, most of which are killed. In half of the seeds a list ignores the `updated` filter. Every ten runs
the account holds still until a run has ended well, and whole tables are compared: a row is lost if it is missing or not
as in the account. Rows deleted from the account stay in the tables. Ends with exit code 1 if a row is lost or twice.
"""

import argparse
import logging
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import dlt
from dlt.pipeline.exceptions import PipelineStepFailed

import wootric_pipeline.api.client
from benchmarks.processes import machine, print_table
from benchmarks.script import DATASET, DUCKDB_FILE
from tests.conftest import access
from tests.script import Project, project_for
from tests.tables import expected, loaded
from wootric_pipeline import WootricError
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.sandbox import SECOND, Behaviour, DemoAccount, Refused, Request, Row, Sandbox
from wootric_pipeline.tables import TABLES

STARTS_AT = 1_700_000_000
RUNS, SEEDS, MINUTES = 300, 4, 60.0
RUNS_A_COMPARISON = 10
SHARE_OF_SCRIPTS = 0.15
SHARE_LIMITED = 0.05
SECONDS_A_REQUEST = 8.0
LOOKBACK_SECONDS = 2
KILLED_WITHIN_SECONDS = 2.5
QUIET_RUNS_MAX = 5
NO_BACKOFF = "import wootric_pipeline.api.transport as c; c.BACKOFF_SECONDS_MAX = 0"

Figures = Counter[str]


class LivingAccount(DemoAccount):
    """An account that counts its changes."""

    changes = 0

    def put(self, table: str, row: Row) -> Row:
        """Adds or replaces a row."""
        self.changes += 1
        return super().put(table, row)


class FaultySandbox(Sandbox):
    """A sandbox that counts its faults."""

    def __init__(self, account: LivingAccount, behaviour: Behaviour) -> None:
        super().__init__(account, behaviour)
        self.faults: Figures = Counter()

    def answer(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        """The answer to a request."""
        status, content, headers = super().answer(request)
        self.faults[str(status)] += status != 200
        return status, content, headers

    def breaks_off(self) -> bool:
        """Whether an answer is to break off."""
        breaks_off = super().breaks_off()
        self.faults["broken off"] += breaks_off
        return breaks_off

    def resets(self) -> bool:
        """Whether a connection is to be closed without an answer."""
        resets = super().resets()
        self.faults["resets"] += resets
        return resets


class World:
    """An account, its server, and the folder it is loaded into.

    Args:
        seed: Of everything random.
        folder: Empty.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.figures: Figures = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._lives = True
        self._folder = folder
        self.account = LivingAccount(STARTS_AT, end_users=100, responses=400, declines=100, seed=seed)
        self.account.changes = 0
        behaviour = Behaviour(
            ignores_updated=frozenset({self._random.choice(list(TABLES))} if seed % 2 else ()),
            error_rate=0.007,
            truncation_rate=0.006,
            reset_rate=0.007,
            rate_window_seconds=1.0,
            clock_ahead_seconds=STARTS_AT - time.time(),
            before_answer=self._live,
            seed=seed,
        )
        self.sandbox = FaultySandbox(self.account, behaviour)

    def run(self) -> None:
        """One run, which may fail or be killed."""
        self.sandbox.behaviour.rate_limit = 8 if self._random.random() < SHARE_LIMITED else None
        self.figures["runs"] += 1
        if self._random.random() < SHARE_OF_SCRIPTS:
            self._run_script()
        else:
            self._load()
        self.sandbox.behaviour.rate_limit = None

    def compare(self) -> None:
        """Lets the account hold still, completes its tables, and counts what they lack or hold twice."""
        with self._still():
            for _ in range(QUIET_RUNS_MAX):
                self.figures["runs"] += 1
                if self._load():
                    break
            else:
                raise RuntimeError("no run ends well although nothing changes")
            for table in TABLES:
                self._compare(table)

    def _load(self) -> bool:
        run = Run()
        source = source_for(run, lookback_seconds=LOOKBACK_SECONDS, **access(self.sandbox))
        pipeline = self._pipeline()
        try:
            load(pipeline, source, run, list(TABLES), checkpoint_minutes=self._random.choice((0, 5, 5, 5, 5)))
        except (PipelineStepFailed, WootricError):
            self.figures["failed"] += 1
            return False
        finally:
            pipeline.deactivate()
            run.connected().close()
        # A reading that goes on with one that was broken off leaves later changes to the next run.
        return all(notes.as_of is None for notes in run.tables.values())

    def _run_script(self) -> None:
        asked = len(self.sandbox.requests)
        project: Project = project_for(self.sandbox, self._folder, lookback_seconds=LOOKBACK_SECONDS)
        project.set(checkpoint_minutes=self._random.choice((0, 5)))
        with project.start(*project.command("--json", prelude=NO_BACKOFF)) as process:
            while process.poll() is None and len(self.sandbox.requests) == asked:
                time.sleep(0.005)
            try:
                process.communicate(timeout=self._random.uniform(0, KILLED_WITHIN_SECONDS))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                self.figures["killed"] += 1

    def _pipeline(self) -> dlt.Pipeline:
        return dlt.pipeline(
            "wootric_pipeline",
            pipelines_dir=str(self._folder / "dlt/pipelines"),
            destination=dlt.destinations.duckdb(str(self._folder / DUCKDB_FILE)),
            dataset_name=DATASET,
        )

    def _compare(self, table: str) -> None:
        pipeline = self._pipeline()
        with pipeline.sql_client() as client:
            ((twice,),) = client.execute_sql(f"SELECT count(*) - count(DISTINCT id) FROM {table}") or ((0,),)
        self.figures["twice"] += twice
        held = {} if twice else loaded(pipeline, table)
        wanted = expected(self.account, table)
        self.figures["checked"] += len(wanted)
        self.figures["lost"] += sum(held.get(row_id) != row for row_id, row in wanted.items()) if not twice else 0
        pipeline.deactivate()

    @contextmanager
    def _still(self) -> Iterator[None]:
        self._lives = False
        # So that what happened last lies before the server's now.
        self.sandbox.behaviour.clock_ahead_seconds += 2
        yield
        self._lives = True

    def _live(self, _table: str) -> None:
        """Lets some seconds pass before an answer, with what happens in them."""
        with self._lock, self.account.lock:
            behaviour, chance = self.sandbox.behaviour, self._random.random()
            if chance < 0.01:
                self.sandbox.revoke_tokens()
            if behaviour.rate_limit is not None and chance > 0.9:
                raise Refused(429, "too many requests")
            if not self._lives:
                return
            behaviour.clock_ahead_seconds += self._random.uniform(0, SECONDS_A_REQUEST)
            now = self.sandbox.now()
            self.account.advance(now)
            if chance > 0.97:
                self._update_at_once(int(now) * SECOND)
            elif chance < 0.05:
                self._delete()

    def _update_at_once(self, at: int) -> None:
        table = self._random.choice(list(TABLES))
        ids = self._random.sample(list(self.account.rows[table]), 60)
        for row_id in ids:
            self.account.change(table, row_id, at, survey_id=self._random.randrange(9))

    def _delete(self) -> None:
        table = self._random.choice(list(TABLES))
        self.account.delete(table, self._random.choice(list(self.account.rows[table])))
        self.account.changes += 1


def soak(seed: int, runs: int, ends_at: float) -> Figures:
    """Runs in the world of a seed, at least up to one comparison; what came of it."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        world = World(seed, Path(folder).resolve())
        with world.sandbox:
            while world.figures["runs"] < runs and time.monotonic() < ends_at:
                for _ in range(RUNS_A_COMPARISON - 1):
                    world.run()
                world.compare()
        world.figures["faults"] = world.sandbox.faults.total()
        world.figures["changed"] = world.account.changes
        for kind, count in world.sandbox.faults.items():
            world.figures[f"fault: {kind}"] = count
        return world.figures


def set_up() -> None:
    """Quietens dlt and lets retries come at once."""
    dlt.config["runtime.dlthub_telemetry"] = False
    dlt.config["load.workers"] = 1
    logging.getLogger("dlt").setLevel(logging.CRITICAL)
    wootric_pipeline.api.transport.BACKOFF_SECONDS_MAX = 0


def report(seeds: Sequence[int], by_seed: Sequence[Figures]) -> Figures:
    """Prints a line for each seed, and all of them together; the sums."""
    total: Figures = sum(by_seed, Counter())
    names = ["runs", "killed", "failed", "faults", "changed", "checked", "lost", "twice"]
    head = ["seed", "runs", "killed", "failed", "faults", "rows changed", "rows checked", "rows lost", "rows twice"]
    lines = zip([*map(str, seeds), "all"], [*by_seed, total], strict=True)
    print_table(head, [[seed, *(figures[name] for name in names)] for seed, figures in lines])
    kinds = sorted((name.removeprefix("fault: "), n) for name, n in total.items() if name.startswith("fault: ") and n)
    print("Faults:", ", ".join(f"{count:,} {kind}" for kind, count in kinds))
    return total


def main() -> int:
    """Runs and prints; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS, help="of all seeds together")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="at most, beside the runs under way")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, SEEDS + 1)))
    options = parser.parse_args()
    set_up()
    started = time.monotonic()
    by_seed = []
    for index, seed in enumerate(options.seeds, 1):
        ends_at = started + options.minutes * 60 * index / len(options.seeds)
        by_seed.append(soak(seed, options.runs // len(options.seeds), ends_at))
    print(f"{machine()}\n")
    total = report(options.seeds, by_seed)
    return 1 if total["lost"] or total["twice"] or not total["checked"] else 0


if __name__ == "__main__":
    sys.exit(main())
